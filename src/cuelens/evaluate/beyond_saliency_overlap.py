"""Overlap of salient windows in time, and what random windows of the same clip would share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats

from cuelens.cues import CueTracks
from cuelens.cues.baseline import (
    tiles,
)
from cuelens.cues.chance import random_windows
from cuelens.cues.measure import windows_in_speech
from cuelens.typing import FloatArray

_N_OVERLAPS = 200  # pairs of random sets of windows
_OTHER_SEED = 1_000_003  # of the second explainer's random windows


def interval_iou(first: FloatArray, second: FloatArray) -> float:
    """Time that two sets of windows share, over the time that either covers.

    Parameters
    ----------
    first, second : ndarray, shape (n_windows, 2), s
        Windows of a set do not overlap.
    """
    low = np.maximum(first[:, None, 0], second[None, :, 0])
    high = np.minimum(first[:, None, 1], second[None, :, 1])
    shared_s = float(np.maximum(high - low, 0.0).sum())
    covered_s = float(np.ptp(first, axis=1).sum() + np.ptp(second, axis=1).sum()) - shared_s
    return shared_s / covered_s if covered_s > 0 else float("nan")


def tile_iou(strata: Sequence[tuple[int, int, int]]) -> float:
    """Expected overlap of two random sets of tiles of one grid, exactly.

    Parameters
    ----------
    strata : sequence of (n_tiles, n_first, n_second)
        Of each kind of tile (speech, no speech), how many there are and are in either set.

    Returns
    -------
    float
        Shared tiles are hypergeometric in each kind: the mean of k / (n_first + n_second - k).
    """
    n = sum(first + second for _, first, second in strata)
    chance = np.ones(1)
    for n_tiles, first, second in strata:
        k = np.arange(min(first, second) + 1)
        chance = np.convolve(chance, scipy.stats.hypergeom(n_tiles, first, second).pmf(k))
    k = np.arange(len(chance))
    return float(chance @ (k / np.maximum(n - k, 1)))


def chance_iou(
    tracks: CueTracks,
    first: FloatArray,
    second: FloatArray,
    *,
    window_s: float,
    on_grid: bool = False,
    seed: int = 0,
) -> float:
    """Expected overlap of random windows like two given sets: as many, and as many in speech.

    NaN where the clip has no room for others.
    """
    if on_grid:
        edges = tiles(tracks.duration_s, window_s)
        speech = windows_in_speech(tracks, edges[:, 0], window_s=window_s)
        counts = []
        for kind in (False, True):
            chosen = [
                int((speech[np.rint(one[:, 0] / window_s).astype(int)] == kind).sum())
                for one in (first, second)
            ]
            counts.append((int((speech == kind).sum()), chosen[0], chosen[1]))
        return tile_iou(counts)
    sets = [
        random_windows(
            tracks, one[:, 0], window_s=window_s, n_draws=_N_OVERLAPS, seed=seed + offset
        )
        for one, offset in ((first, 0), (second, _OTHER_SEED))
    ]
    drawn = [
        interval_iou(*(np.column_stack([starts, starts + window_s]) for starts in pair))
        for pair in zip(*sets, strict=False)
    ]
    return float(np.mean(drawn)) if drawn else float("nan")
