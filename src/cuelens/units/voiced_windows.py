"""Windows whose boundaries lie where level or voicing changes, for speech without labels.

The clip is cut where its level and its voicing are most even within windows: among all ways of
cutting it into windows of 80 to 400 ms, the one with the least sum of squared deviations from the
windows' means, plus a price a window.  Dynamic programming finds that one exactly [1]_.

References
----------
.. [1] B. Jackson et al., "An algorithm for optimal partitioning of data on an interval", IEEE
   Signal Processing Letters 12(2), 2005.
.. [2] P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
   harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17, 1993: the autocorrelation of a
   windowed frame divided by that of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.typing import FloatArray
from cuelens.units.components import Unit
from cuelens.units.time_windows import TimeComponents

STEP_S = 0.005
_LEVEL_S = 0.02  # frame of the level
_VOICING_S = 0.04  # frame of the voicing: three periods of 75 Hz
_RANGE_DB = 50.0  # levels further below the loudest frame are alike
_F0_HZ = (75.0, 500.0)


@dataclass(frozen=True, kw_only=True)
class VoicedWindows:
    """Neighbouring windows that begin and end where level or voicing changes.

    Parameters
    ----------
    min_s, max_s : float, s
        Shortest and longest window.  A clip shorter than two of the shortest is one window.
    price : float, above 0
        Of a window, in the squared deviation of 5 ms frames; the higher, the fewer windows.  The
        level counts as its share of a range of 50 dB below the loudest frame, voicing from 0 to 1.

    Notes
    -----
    Neighbours share the cross-fade of :class:`TimeWindows`.  The same clip gives the same windows.
    """

    min_s: float = 0.08
    max_s: float = 0.4
    price: float = 0.5

    def __post_init__(self) -> None:
        if not 0.03 <= self.min_s <= self.max_s / 2:
            raise InputError(
                f"min_s is {self.min_s} s and max_s {self.max_s} s; expected 0.03 s or more, and "
                "max_s at least twice min_s"
            )
        if not self.price > 0:
            raise InputError(f"price is {self.price}; expected more than 0")

    def n_units(self, duration_s: float) -> int:
        """The most windows a clip of that duration can have; how many it has, its sound says."""
        return max(1, int(duration_s / self.min_s + 1e-9))

    def edges_s(self, audio: Audio) -> FloatArray:
        """Boundaries of the windows of a clip in seconds, shape (n_windows + 1,)."""
        features = level_and_voicing(audio)
        ends = _cheapest_cuts(
            features,
            shortest=int(np.ceil(self.min_s / STEP_S - 1e-9)),
            longest=int(self.max_s / STEP_S + 1e-9),
            price=self.price,
        )
        return np.concatenate([[0.0], ends[:-1] * STEP_S, [audio.duration_s]])

    def decompose(self, audio: Audio) -> TimeComponents:
        """The clip as windows that add up to it, to within rounding."""
        units = tuple(
            Unit(
                name=f"{start:.2f}–{end:.2f} s",
                low_hz=0.0,
                high_hz=audio.sample_rate / 2,
                start_s=float(start),
                end_s=float(end),
            )
            for start, end in pairwise(self.edges_s(audio))
        )
        return TimeComponents(units=units, waveform=audio.samples, sample_rate=audio.sample_rate)


def level_and_voicing(audio: Audio) -> FloatArray:
    """What the windows are to be even in.

    Returns
    -------
    ndarray, shape (n_frames, 2), float64, values in [0, 1]
        A row every 5 ms, centred at 2.5, 7.5, ... ms: the level, from 50 dB below the loudest
        frame to there, and the voicing, the highest autocorrelation at periods of 75 to 500 Hz,
        weighted by the level's distance from the floor (silence is not voiced).
    """
    rate = audio.sample_rate
    samples = audio.samples.astype(np.float64)
    level = _frames(samples, rate, _LEVEL_S)
    window = np.hanning(level.shape[1] + 2)[1:-1]
    power = (level * window) ** 2
    db = 10 * np.log10(np.maximum(power.sum(axis=1) / (window**2).sum(), 1e-12))
    height = np.clip(1 + (db - db.max()) / _RANGE_DB, 0.0, 1.0)
    frames = _frames(samples, rate, _VOICING_S)
    window = np.hanning(frames.shape[1] + 2)[1:-1]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window
    size = 2 * frames.shape[1]
    lags = np.arange(int(rate / _F0_HZ[1]), int(rate / _F0_HZ[0]) + 1)
    own = np.fft.irfft(np.abs(np.fft.rfft(frames, size, axis=1)) ** 2, axis=1)
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2)
    alike = own[:, lags] / np.maximum(own[:, :1], 1e-12) * (of_window[0] / of_window[lags])
    voicing = np.clip(alike.max(axis=1), 0.0, 1.0) * np.minimum(1.0, 2 * height)
    return np.stack([height, voicing], axis=1)


def _frames(samples: FloatArray, rate: int, length_s: float) -> FloatArray:
    """Overlapping frames, one every 5 ms, shape (n_frames, n_samples); zeros around the clip."""
    n_frames = max(1, int(samples.size / rate / STEP_S + 1e-9))
    length = 2 * round(length_s * rate / 2)
    padded = np.pad(samples, length)
    starts = (
        np.round((np.arange(n_frames) + 0.5) * STEP_S * rate).astype(int) + length - length // 2
    )
    return padded[starts[:, None] + np.arange(length)]


def _cheapest_cuts(
    features: FloatArray, *, shortest: int, longest: int, price: float
) -> FloatArray:
    """Where windows end, in frames, so that their squared deviations and prices sum to the least.

    Parameters
    ----------
    features : ndarray, shape (n_frames, n_features)
    shortest, longest : int
        Of a window, in frames.
    price : float
        Of every window.
    """
    n_frames = len(features)
    if n_frames < 2 * shortest:
        return np.array([n_frames])
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((features**2).sum(axis=1))])
    best = np.full(n_frames + 1, np.inf)
    best[0] = 0.0
    came_from = np.zeros(n_frames + 1, dtype=int)
    for end in range(shortest, n_frames + 1):
        starts = np.arange(max(0, end - longest), end - shortest + 1)
        mean_part = ((sums[end] - sums[starts]) ** 2).sum(axis=1) / (end - starts)
        costs = best[starts] + squares[end] - squares[starts] - mean_part + price
        chosen = int(np.argmin(costs))
        best[end], came_from[end] = costs[chosen], starts[chosen]
    ends = [n_frames]
    while came_from[ends[-1]] > 0:
        ends.append(int(came_from[ends[-1]]))
    return np.array(ends[::-1])
