"""The acoustic features that are looked for: the 88 of eGeMAPS, with level and duration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.features import FeatureCache, OpenSmile
from cuelens.features.embedding import waveforms_of
from cuelens.typing import FloatArray

SAMPLE_RATE = 16_000
_SILENCE_DB = -120.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Acoustics:
    """What was measured of every clip of a corpus, in the order of its table.

    Parameters
    ----------
    names : tuple of str
        openSMILE names of eGeMAPSv02 functionals.
    features : ndarray, shape (n_clips, n_features)
    level_db : ndarray, shape (n_clips,), dB below full scale
        Root mean square.
    duration_s : ndarray, shape (n_clips,)
    """

    names: tuple[str, ...]
    features: FloatArray
    level_db: FloatArray
    duration_s: FloatArray

    def __post_init__(self) -> None:
        n = len(self.features)
        if self.features.shape != (n, len(self.names)) or not (
            len(self.level_db) == len(self.duration_s) == n
        ):
            raise InputError(
                f"features have shape {self.features.shape}, names {len(self.names)}, levels "
                f"{len(self.level_db)}, durations {len(self.duration_s)}; expected as many rows of "
                "each and a name for every column"
            )
        broken = ~np.isfinite(self.features)
        if broken.any():
            row, column = map(int, np.argwhere(broken)[0])
            raise InputError(
                f"{self.names[column]} of clip {row} is {self.features[row, column]}; expected "
                f"numbers ({int(broken.any(axis=1).sum())} clips have such values): leave those "
                "clips out"
            )


def measure_acoustics(
    corpus: Corpus,
    *,
    cache: FeatureCache | None = None,
    progress: Callable[[int], None] | None = None,
) -> Acoustics:
    """Measure eGeMAPS functionals, level and duration of every clip.

    Parameters
    ----------
    corpus : Corpus
    cache : FeatureCache, optional
    progress : callable, optional
        Called with the number of further clips that are done.
    """
    smile = OpenSmile(feature_set="eGeMAPSv02", cache=cache)
    features, level, duration = [], [], []
    for waveforms in waveforms_of(corpus, sample_rate=SAMPLE_RATE):
        features.append(smile.functionals(waveforms, sample_rate=SAMPLE_RATE))
        for waveform in waveforms:
            power = float(np.mean(np.square(waveform, dtype=np.float64)))
            level.append(max(_SILENCE_DB, 10 * np.log10(max(power, 1e-12))))
            duration.append(len(waveform) / SAMPLE_RATE)
        if progress:
            progress(len(waveforms))
    return Acoustics(
        names=smile.names,
        features=np.concatenate(features),
        level_db=np.array(level),
        duration_s=np.array(duration),
    )
