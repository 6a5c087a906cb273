"""Could it be chance: salient windows against random windows of the same clip.

Random windows have the same number and length and do not overlap; those that touch stay together as
a block, because neighbouring moments of a voice resemble each other; and as many of them lie in
speech as do the salient ones, so that avoiding silence alone gains nothing.  (Preferring loud or
voiced speech does: that is a difference too.)

References
----------
.. [1] B. Phipson, G. Smyth, "Permutation p-values should never be zero", Statistical Applications
   in Genetics and Molecular Biology 9(1), 2010.
.. [2] P. Westfall, S. Young, "Resampling-based multiple testing", 1993 (the maximum over cues).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cuelens.cues.definitions import WINDOW_CUES
from cuelens.cues.measure import CueTracks, windows_in_speech
from cuelens.errors import InputError
from cuelens.typing import FloatArray

N_DRAWS = 999
_STEP_S = 0.01
_FEWEST_SETS = 20  # different ones: with fewer, no p could be below 0.05


@dataclass(frozen=True, kw_only=True)
class ChanceTest:
    """p-values of the salient windows against random ones.

    Parameters
    ----------
    p : float
        That the windows differ from the rest in any cue (the largest standardised difference over
        cues); NaN where no cue can be compared.
    by_cue : dict of str to float
        For each cue alone; NaN where it cannot be compared.
    by_cue_adjusted : dict of str to float
        For each cue, allowing for all of them having been looked at.
    """

    p: float
    by_cue: dict[str, float]
    by_cue_adjusted: dict[str, float]


def chance_test(
    tracks: CueTracks,
    intervals: Sequence[tuple[float, float]],
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> ChanceTest:
    """Compare the mean cues of windows with those of random windows of the same clip.

    Parameters
    ----------
    tracks : CueTracks
    intervals : sequence of (float, float), s
        Windows of equal length that do not overlap.
    n_draws : int
    seed : int
        Of the random windows.

    Returns
    -------
    ChanceTest
        p = (1 + random sets at least as far from their average) / (1 + random sets); NaN where the
        clip has room for fewer than 20 different sets.
    """
    edges = np.asarray(intervals, dtype=np.float64)
    window_s = float(np.median(edges[:, 1] - edges[:, 0]))
    nan = dict.fromkeys(WINDOW_CUES, float("nan"))
    sets = random_windows(tracks, edges[:, 0], window_s=window_s, n_draws=n_draws, seed=seed)
    if len(np.unique(np.sort(sets, axis=1), axis=0)) < _FEWEST_SETS:  # also: none at all
        return ChanceTest(p=float("nan"), by_cue=nan, by_cue_adjusted=dict(nan))
    starts, where = np.unique(sets, return_inverse=True)
    ends = np.minimum(starts + window_s, tracks.duration_s)
    values = tracks.values(np.column_stack([starts, ends]))
    with np.errstate(invalid="ignore"):
        means = _mean_over_windows(values[where.reshape(sets.shape)])
        own = _mean_over_windows(tracks.values(edges)[None])[0]
    compared = np.isfinite(own) & (np.isfinite(means).sum(axis=0) >= 0.9 * len(means))
    by_cue, adjusted = dict(nan), dict(nan)
    if not compared.any():
        return ChanceTest(p=float("nan"), by_cue=by_cue, by_cue_adjusted=adjusted)
    # The windows themselves are one more set, so that all are treated alike.
    everything = np.concatenate([own[None], means])[:, compared]
    centre = np.nanmean(everything, axis=0)
    spread = np.nanstd(everything, axis=0)
    spread[spread <= 0] = np.inf
    distance = np.round(np.abs(everything - centre) / spread, 9)  # equal sets count as equal
    largest = np.nanmax(distance, axis=1)
    for column, key in enumerate(np.array(WINDOW_CUES)[compared]):
        known = distance[:, column][np.isfinite(distance[:, column])]
        by_cue[str(key)] = float(np.mean(known >= distance[0, column]))
        adjusted[str(key)] = float(np.mean(largest >= distance[0, column]))
    return ChanceTest(
        p=float(np.mean(largest >= largest[0])), by_cue=by_cue, by_cue_adjusted=adjusted
    )


def random_windows(
    tracks: CueTracks,
    starts_s: Sequence[float] | FloatArray,
    *,
    window_s: float,
    n_draws: int,
    seed: int = 0,
) -> FloatArray:
    """Sets of random windows like some given ones.

    Parameters
    ----------
    tracks : CueTracks
    starts_s : array_like, shape (n_windows,), s
        The windows to imitate.  Those less than half a window apart stay together, as a block that
        is moved as a whole; of every block, as many windows lie in speech.
    window_s : float, s
    n_draws : int
    seed : int

    Returns
    -------
    ndarray, shape (up to n_draws, n_windows), s
        Starts.  Sets that did not fit without overlap are left out; none where the clip is too
        short for any.

    Raises
    ------
    InputError
        No windows to imitate.
    """
    starts_s = np.sort(np.asarray(starts_s, dtype=np.float64))
    if not starts_s.size:
        raise InputError("no windows to imitate; expected one or more")
    n_steps = int(tracks.duration_s / _STEP_S + 1e-6)
    length = int(np.ceil(window_s / _STEP_S - 1e-6))
    in_speech = windows_in_speech(
        tracks, np.arange(max(1, n_steps - length + 1)) * _STEP_S, window_s=window_s
    )
    breaks = np.flatnonzero(np.diff(starts_s) >= 1.5 * window_s) + 1
    blocks = sorted(np.split(starts_s, breaks), key=len, reverse=True)
    rng = np.random.default_rng(seed)
    taken = np.zeros((n_draws, n_steps + 1), dtype=bool)
    fits = np.ones(n_draws, dtype=bool)
    sets = []
    for block in blocks:  # the longest first, while there is room
        offsets = np.round((block - block[0]) / _STEP_S).astype(int)
        block_length = int(offsets[-1]) + length
        n_places = n_steps - block_length + 1
        if n_places < 1:
            return np.empty((0, starts_s.size))
        wanted = int(windows_in_speech(tracks, block, window_s=window_s).sum())
        places = np.arange(n_places)
        alike = in_speech[places[:, None] + offsets].sum(axis=1) == wanted
        sums = np.concatenate([np.zeros((n_draws, 1), int), np.cumsum(taken, axis=1)], axis=1)
        free = sums[:, places + block_length] == sums[:, places]
        score = np.where(free & alike, rng.random(free.shape), -1.0)
        place = score.argmax(axis=1)
        fits &= score[np.arange(n_draws), place] >= 0
        sets.append((place[:, None] + offsets) * _STEP_S)
        step = np.arange(n_steps + 1)
        taken |= (step >= place[:, None]) & (step < place[:, None] + block_length)
    return np.concatenate(sets, axis=1)[fits]


def _mean_over_windows(values: FloatArray) -> FloatArray:
    """Means over axis 1 without NaN, NaN where all are."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
