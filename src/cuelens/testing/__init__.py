"""For tests: models and signals whose explanation is known, and checks of your own parts.

>>> from cuelens.testing import BandModel, check_model, noise
>>> model = BandModel(band_hz=(1000.0, 2000.0))
>>> model.predict_proba([noise(duration_s=0.5)]).shape
(1, 2)
>>> check_model(model)
"""

from cuelens.testing.explainer_contract import check_explainer
from cuelens.testing.layout_contract import check_layout
from cuelens.testing.model_contract import check_model
from cuelens.testing.models import BandModel, ConstantModel, LinearEnergyModel
from cuelens.testing.signals import noise, speech_like, tone

__all__ = [
    "BandModel",
    "ConstantModel",
    "LinearEnergyModel",
    "check_explainer",
    "check_layout",
    "check_model",
    "noise",
    "speech_like",
    "tone",
]
