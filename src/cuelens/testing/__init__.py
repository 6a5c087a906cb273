"""Tiny models and signals whose explanation is known in closed form, for tests of any explainer.

>>> from cuelens.testing import BandModel, noise
>>> model = BandModel(band_hz=(1000.0, 2000.0))
>>> model.predict_proba([noise(duration_s=0.5)]).shape
(1, 2)
"""

from cuelens.testing.models import BandModel, ConstantModel, LinearEnergyModel
from cuelens.testing.signals import noise, speech_like, tone

__all__ = ["BandModel", "ConstantModel", "LinearEnergyModel", "noise", "speech_like", "tone"]
