"""A scikit-learn estimator on eGeMAPS or ComParE functionals as a model of waveforms.

Of any other features: :class:`~cuelens.models.embedding_model.EmbeddingModel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cuelens.errors import InputError
from cuelens.features import OpenSmile
from cuelens.models.base import Output
from cuelens.models.batching import answer_and_compare
from cuelens.models.estimator import estimator_answers, estimator_labels, estimator_output
from cuelens.models.level import normalise_level
from cuelens.models.waveforms import checked_waveforms
from cuelens.typing import FloatArray

_SHORTEST_S = 0.1  # openSMILE's functionals need a little more than 60 ms


@dataclass(frozen=True, kw_only=True, eq=False)
class FeaturesModel:
    """Functionals of a clip, then any fitted scikit-learn classifier or regressor.

    Parameters
    ----------
    classifier : scikit-learn estimator
        Fitted; with ``predict_proba``, whose ``classes_`` are the labels, or a regressor.
    features : OpenSmile
    sample_rate : int, Hz
    normalise : bool
        Scale every waveform to the same root mean square first, so that the recording's level
        does not matter; silence (below -110 dB), which has no level, is answered with equal
        probabilities, by a regressor as it is.  Otherwise waveforms are clipped to [-1, 1],
        because openSMILE wraps round beyond.
    name : str
    regression_labels : tuple of str
        What a regressor's outputs are called; empty for classifiers.

    Notes
    -----
    Waveforms shorter than 0.1 s are padded with zeros to 0.1 s.  Functionals that openSMILE cannot
    give are an error, not a 0.
    """

    classifier: Any
    features: OpenSmile
    sample_rate: int = 16_000
    normalise: bool = True
    name: str = "features"
    regression_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.labels  # noqa: B018 - refuses an estimator without labels or probabilities
        n_expected = getattr(self.classifier, "n_features_in_", len(self.features.names))
        if n_expected != len(self.features.names):
            raise InputError(
                f"model {self.name}: the classifier takes {n_expected} features; expected "
                f"{len(self.features.names)}, the functionals of {self.features.feature_set}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The classifier's classes, or what the regressor's outputs are called."""
        return estimator_labels(self.classifier, self.regression_labels, name=self.name)

    @property
    def output(self) -> Output:
        """``"value"`` of a regressor, else ``"probability"``."""
        return estimator_output(self.classifier)

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Probabilities or values, shape (n_waveforms, n_labels), float64.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers, or functionals that are not finite.
        """
        given = checked_waveforms(waveforms, name=self.name)
        if not given:
            return np.empty((0, len(self.labels)))
        return answer_and_compare(self, self._answers, given)

    def _answers(self, waveforms: list[FloatArray]) -> FloatArray:
        answers = np.full((len(waveforms), len(self.labels)), 1.0 / len(self.labels))
        prepared = [self._prepare(waveform) for waveform in waveforms]
        all_count = not self.normalise or self.output == "value"
        sounding = [row for row, sound in enumerate(prepared) if all_count or sound.any()]
        if not sounding:
            return answers
        values = self.features.functionals(
            [prepared[row] for row in sounding], sample_rate=self.sample_rate
        )
        broken = ~np.isfinite(values).all(axis=0)
        if broken.any():
            first = self.features.names[int(np.argmax(broken))]
            raise InputError(
                f"{np.count_nonzero(broken)} functionals are not finite (first: {first}); expected "
                "speech of 0.1 s or more"
            )
        answers[sounding] = estimator_answers(self.classifier, values, n_labels=len(self.labels))
        return answers

    def _prepare(self, waveform: FloatArray) -> FloatArray:
        shortest = round(_SHORTEST_S * self.sample_rate)
        padded = np.pad(waveform, (0, max(0, shortest - len(waveform))))
        if self.normalise:
            return normalise_level(padded)
        return np.clip(padded, -1.0, 1.0).astype(np.float32)
