"""eGeMAPS and ComParE through openSMILE (free for research; see its licence).

References
----------
.. [1] F. Eyben et al., "The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research
   and affective computing", IEEE Trans. Affective Computing 7(2), 2016.
.. [2] B. Schuller et al., "The INTERSPEECH 2016 computational paralinguistics challenge", 2016.
.. [3] F. Eyben, M. Woellmer, B. Schuller, "openSMILE: the Munich versatile and fast open-source
   audio feature extractor", ACM Multimedia 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cuelens.errors import InputError
from cuelens.features.cache import FeatureCache
from cuelens.threads import n_threads
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import opensmile
    import pandas as pd

FeatureSetName = Literal["eGeMAPSv02", "ComParE_2016"]
FULL_SCALE = 32767 / 32768  # openSMILE casts to int16 without clipping: 1.0 would become -1.0
_SHORTEST_S = 0.06  # one frame; below, openSMILE answers NaN

_UNITS = (  # first match wins; openSMILE names carry the descriptor first
    ("F0semitone", "semitones above 27.5 Hz"),
    ("jitter", "share of the period"),
    ("shimmerLocaldB", "dB"),
    ("HNRdBACF", "dB"),
    ("logRelF0", "dB"),
    ("amplitudeLogRelF0", "dB"),
    ("bandwidth", "Hz"),
    ("frequency", "Hz"),
    ("alphaRatio", "dB"),
    ("hammarbergIndex", "dB"),
    ("slope", "dB/Hz"),
    ("equivalentSoundLevel", "dB"),
    ("PerSec", "1/s"),
    ("Segment", "s"),
    ("oudness", "sone-like"),
)


@dataclass(frozen=True, kw_only=True)
class OpenSmile:
    """Functionals and low-level descriptors of one openSMILE feature set.

    Parameters
    ----------
    feature_set : {"eGeMAPSv02", "ComParE_2016"}
        88 or 6373 functionals; 25 or 65 low-level descriptors.
    n_workers : int or None
        Threads that extract at once (openSMILE runs outside Python's lock); None: one a core, or
        ``OMP_NUM_THREADS``.
    cache : FeatureCache or None
        Where functionals are kept between runs.
    """

    feature_set: FeatureSetName = "eGeMAPSv02"
    n_workers: int | None = None
    cache: FeatureCache | None = None

    def __post_init__(self) -> None:
        if self.feature_set not in get_args(FeatureSetName):
            raise InputError(
                f"feature set is {self.feature_set!r}; expected one of "
                f"{', '.join(get_args(FeatureSetName))}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the functionals, openSMILE's own."""
        return tuple(_smile(self.feature_set, "Functionals").feature_names)

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each functional; "" where it has none.

        The unit is the descriptor's.  Ratios such as ``stddevNorm`` have none; slopes over time are
        per second.
        """
        return tuple(_unit(name) for name in self.names)

    def functionals(
        self,
        waveforms: Sequence[FloatArray],
        *,
        sample_rate: int,
        progress: Callable[[int], None] | None = None,
    ) -> FloatArray:
        """One row of functionals a waveform.

        Parameters
        ----------
        waveforms : sequence of ndarray, shape (n_samples,), float, values in [-1, 1]
            Lengths may differ.
        sample_rate : int, Hz
        progress : callable, optional
            Called with the number of further waveforms that are done.

        Returns
        -------
        ndarray, shape (n_waveforms, n_features), float32
            Equal to ``opensmile.Smile(...).process_signal``.

        Raises
        ------
        InputError
            A sample beyond [-1, 1], or a waveform too short for openSMILE.
        """
        smile = _smile(self.feature_set, "Functionals")

        def compute(some: Sequence[FloatArray]) -> FloatArray:
            def one(waveform: FloatArray) -> FloatArray:
                checked = self._checked(waveform, sample_rate)
                row = smile(checked[None, :], sample_rate)[0, :, 0].astype(np.float32)
                if progress and not self.cache:
                    progress(1)
                return row

            n_workers = min(self.n_workers or n_threads(), max(1, len(some)))
            with ThreadPoolExecutor(n_workers) as pool:
                return np.stack(list(pool.map(one, some)))

        if not len(waveforms):
            return np.empty((0, len(self.names)), dtype=np.float32)
        if self.cache is None:
            return compute(waveforms)
        return self.cache.rows(
            waveforms, recipe=self.recipe(sample_rate), compute=compute, progress=progress
        )

    def low_level_descriptors(self, waveform: FloatArray, *, sample_rate: int) -> pd.DataFrame:
        """Descriptors every 10 ms.

        Parameters
        ----------
        waveform : ndarray, shape (n_samples,), float, values in [-1, 1]
        sample_rate : int, Hz

        Returns
        -------
        DataFrame, n_frames rows, one column a descriptor, float32
            Indexed by ``(start, end)`` of the frame as openSMILE gives them.  0 in a voiced
            descriptor (names ending in ``nz``) means *unvoiced*, not a value.
        """
        waveform = self._checked(waveform, sample_rate)
        return _smile(self.feature_set, "LowLevelDescriptors").process_signal(waveform, sample_rate)

    def recipe(self, sample_rate: int) -> str:
        """What the functionals depend on beside the sound; the key of the cache."""
        import opensmile

        return f"opensmile {opensmile.__version__} {self.feature_set} functionals {sample_rate} Hz"

    def _checked(self, waveform: FloatArray, rate: int) -> FloatArray:
        """Sound that is certain not to wrap in 16 bits and long enough for a frame."""
        waveform = np.asarray(waveform, dtype=np.float32)
        peak = float(np.abs(waveform).max(initial=0.0))
        if not peak <= 1.0:
            raise InputError(
                f"openSMILE was given samples up to {peak:.3g}; expected [-1, 1], because it wraps "
                "round beyond: scale the waveform first"
            )
        if waveform.size < _SHORTEST_S * rate:
            raise InputError(
                f"{waveform.size / rate * 1000:.0f} ms is too short for {self.feature_set}; "
                f"expected {_SHORTEST_S * 1000:.0f} ms or more"
            )
        return np.minimum(waveform, FULL_SCALE)


@lru_cache(maxsize=8)
def _smile(feature_set: str, level: str) -> opensmile.Smile:
    import opensmile

    return opensmile.Smile(
        feature_set=getattr(opensmile.FeatureSet, feature_set),
        feature_level=getattr(opensmile.FeatureLevel, level),
    )


def _unit(name: str) -> str:
    if name.endswith(("Norm", "skewness", "kurtosis")):
        return ""
    unit = next((unit for part, unit in _UNITS if part in name), "")
    return f"{unit}/s" if unit and name.endswith("Slope") else unit
