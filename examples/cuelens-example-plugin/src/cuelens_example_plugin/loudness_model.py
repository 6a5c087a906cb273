"""``loudness:LEVEL``: a model that tells loud from quiet clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cuelens import InputError


@dataclass(frozen=True, kw_only=True)
class LoudnessModel:
    """p(loud) = r / (r + level), where r is the root mean square of the clip.

    Parameters
    ----------
    level : float
        Root mean square at which p(loud) is 0.5.
    """

    level: float
    labels: tuple[str, ...] = ("loud", "quiet")
    sample_rate: int = 16_000
    name: str = "loudness"

    def predict_proba(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities, shape (n_waveforms, 2)."""
        rms = np.array([np.sqrt(np.mean(np.square(w, dtype=float))) for w in waveforms])
        loud = rms / (rms + self.level)
        return np.column_stack([loud, 1.0 - loud])


def load_loudness(rest: str) -> LoudnessModel:
    """The model of ``loudness:REST``; cuelens calls it with what stands behind the colon."""
    try:
        level = float(rest)
    except ValueError:
        level = 0.0
    if not level > 0:
        raise InputError(f"model 'loudness:{rest}'; expected a level above 0, as in loudness:0.05")
    return LoudnessModel(level=level)
