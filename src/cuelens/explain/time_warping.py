"""Where a moment of one clip lies in another of the same sentence: dynamic time warping.

References
----------
.. [1] H. Sakoe, S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition",
   IEEE Transactions on Acoustics, Speech, and Signal Processing 26, 1978 (symmetric, without slope
   constraint: steps (1, 1), (1, 0), (0, 1) of equal weight).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.features.log_mel import LogMel
from cuelens.typing import FloatArray, IntArray

_LOG_MEL = LogMel(n_mels=40, top_db=50.0, hop_length=160)
MAX_CELLS = 40_000_000  # of the table of costs: two clips of a minute


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """Times of one clip and of the same places in another.

    Parameters
    ----------
    path_s : ndarray, shape (n_steps, 2), s
        Pairs of times, from the beginnings to the ends of both clips; neither column ever falls.
    cost : float
        Mean distance of the frames that are paired; 0 for a clip and itself.
    """

    path_s: FloatArray
    cost: float

    def to_second(self, time_s: FloatArray | float) -> FloatArray:
        """Times of the second clip that belong to times of the first, same shape.

        Where the path waits in the first clip, the middle of what passes in the second; but
        the ends of both belong together.
        """
        first, where = np.unique(self.path_s[:, 0], return_inverse=True)
        second = np.bincount(where, weights=self.path_s[:, 1]) / np.bincount(where)
        second[0], second[-1] = self.path_s[0, 1], self.path_s[-1, 1]  # nothing of it is lost
        return np.asarray(np.interp(time_s, first, second))

    def swapped(self) -> Alignment:
        """The same, from the second clip to the first."""
        return Alignment(path_s=self.path_s[:, ::-1].copy(), cost=self.cost)


def dynamic_time_warping(costs: FloatArray) -> tuple[IntArray, float]:
    """The cheapest path through a table of costs, from its first cell to its last.

    Parameters
    ----------
    costs : ndarray, shape (n, m), values 0 or more

    Returns
    -------
    path : ndarray, shape (n_steps, 2), int
        Each step goes on by one in one direction or in both.
    total : float
        Sum of the costs along the path.

    Raises
    ------
    InputError
        The table is empty.

    Notes
    -----
    A row at a time: with S the sums of a row's costs from its left, the way along the row from the
    place k where it is entered costs S[j] - S[k-1], so the best of all k is a running minimum.
    """
    costs = np.asarray(costs, dtype=np.float64)
    if costs.ndim != 2 or not costs.size:
        raise InputError(f"costs have shape {costs.shape}; expected (n, m), both 1 or more")
    total = np.empty_like(costs)
    total[0] = np.cumsum(costs[0])
    for row in range(1, len(costs)):
        entered = np.minimum(total[row - 1], np.concatenate([[np.inf], total[row - 1, :-1]]))
        along = np.cumsum(costs[row])
        before = along - costs[row]
        total[row] = along + np.minimum.accumulate(entered - before)
    return _backwards(total), float(total[-1, -1])


def _backwards(total: FloatArray) -> IntArray:
    i, j = len(total) - 1, total.shape[1] - 1
    path = [(i, j)]
    while i or j:
        steps = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min((step for step in steps if min(step) >= 0), key=lambda step: total[step])
        path.append((i, j))
    return np.array(path[::-1])


def align(first: Audio, second: Audio) -> Alignment:
    """Align two clips of the same words.

    Log-mel spectrograms, a frame every 10 ms; each of the 40 bands is standardised within its clip,
    so that level, channel and much of the voice drop out; the distance of frames is Euclidean.

    Raises
    ------
    InputError
        Clips that are together too long to compare every frame with every frame.
    """
    features = [_features(audio) for audio in (first, second)]
    if len(features[0]) * len(features[1]) > MAX_CELLS:
        raise InputError(
            f"clips of {first.duration_s:.0f} and {second.duration_s:.0f} s are too long to align; "
            "expected phrases: cut them out"
        )
    squares = [(frames**2).sum(axis=1) for frames in features]
    distances = np.sqrt(
        np.maximum(0.0, squares[0][:, None] + squares[1] - 2 * features[0] @ features[1].T)
    )
    path, total = dynamic_time_warping(distances)
    hop_s = _LOG_MEL.hop_length / _LOG_MEL.sample_rate
    ends_s = np.array([first.duration_s, second.duration_s])
    path_s = np.minimum(path * hop_s, ends_s)
    path_s[-1] = ends_s
    return Alignment(path_s=path_s, cost=total / len(path))


def _features(audio: Audio) -> FloatArray:
    cells = _LOG_MEL(audio.resample(_LOG_MEL.sample_rate).samples).astype(np.float64).T
    spread = cells.std(axis=0)
    return (cells - cells.mean(axis=0)) / np.maximum(spread, 1e-6) / np.sqrt(cells.shape[1])
