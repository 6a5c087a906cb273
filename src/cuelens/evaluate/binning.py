"""What of two explanations is compared: weights by place, and how alike their ranks are.

Weights of different explainers have different scales, so only ranks are compared.  Maps over time
and frequency are summed over 8 bands and windows of 150 ms first: neighbouring cells of a map are
nearly the same number, and thousands of them would count as thousands of agreements.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from cuelens.errors import InputError
from cuelens.explain.explanation import Explanation
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.features.log_mel import hz_to_mel, mel_to_hz
from cuelens.typing import FloatArray
from cuelens.units import TimeWindows

N_BANDS = 8
WINDOW_S = 0.15
TOP_K = 3
RESOLUTION = 1e-7  # of the largest output: what single precision rounds


def binned(
    map_: TimeFrequencyMap,
    *,
    n_bands: int = N_BANDS,
    window_s: float = WINDOW_S,
    shift_s: float = 0.0,
) -> FloatArray:
    """Sums of a map over bands and windows.

    Parameters
    ----------
    map_ : TimeFrequencyMap
    n_bands : int
        Bands equally wide in mel from the lowest to the highest edge of the map.
    window_s : float, s
        Length of the windows of :class:`~cuelens.units.TimeWindows`.
    shift_s : float, s
        How much later the sound is than in the clip that the windows are of.

    Returns
    -------
    ndarray, shape (n_labels, n_bands, n_windows), float64
        A cell of the map is shared in proportion to its overlap; what lies beyond the clip belongs
        to the window at its end, so that sums are kept.
    """
    edges_hz = map_.edges_hz
    lowest, highest = (float(hz_to_mel(hz)) for hz in (edges_hz[0], edges_hz[-1]))
    bands_hz = mel_to_hz(np.linspace(lowest, highest, n_bands + 1))
    in_band = shares(edges_hz[:-1], edges_hz[1:], bands_hz)
    times_s = map_.times_s - shift_s
    windows_s = TimeWindows(window_s=window_s).edges_s(float(map_.times_s[-1]))
    in_window = shares(times_s - map_.hop_s / 2, times_s + map_.hop_s / 2, windows_s)
    return np.einsum("lft,fb,tw->lbw", map_.values.astype(np.float64), in_band, in_window)


def shares(low: FloatArray, high: FloatArray, edges: FloatArray) -> FloatArray:
    """Which share of each interval lies between neighbouring edges; the outer edges are open.

    Parameters
    ----------
    low, high : ndarray, shape (n_intervals,)
    edges : ndarray, shape (n_bins + 1,)

    Returns
    -------
    ndarray, shape (n_intervals, n_bins), rows add up to 1
    """
    inner = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    overlap = np.minimum(high[:, None], inner[1:]) - np.maximum(low[:, None], inner[:-1])
    return np.maximum(overlap, 0.0) / (high - low)[:, None]


def weights_by_place(explanation: Explanation, *, shift_s: float = 0.0) -> FloatArray:
    """Weights of an explanation in rows of frequency and columns of time.

    Parameters
    ----------
    explanation : Explanation
    shift_s : float, s
        How much later the sound is than in the clip that it is compared with.  Weights of moments
        are shared between the moments of that clip in proportion to their overlap.

    Returns
    -------
    ndarray, shape (n_labels, n_rows, n_columns), float64
        Of a map: :func:`binned`.  Of frequency bands: one column; of moments: one row; of units
        that form no grid: a row each.  Differences below 1e-7 of the largest output are rounding,
        and made equal.
    """
    if explanation.map is not None:
        found = binned(explanation.map, shift_s=shift_s)
        outputs = explanation.prediction if explanation.output is None else explanation.output
    else:
        found = _on_grid(explanation, shift_s)
        outputs = explanation.outputs
    smallest = RESOLUTION * float(np.abs(outputs).max(initial=0.0))
    return np.round(found / smallest) * smallest if smallest > 0 else np.zeros_like(found)


def _on_grid(explanation: Explanation, shift_s: float) -> FloatArray:
    weights = explanation.weights.astype(np.float64)
    places = [(unit.low_hz, unit.start_s) for unit in explanation.units]
    rows_hz, starts_s = (sorted(set(part)) for part in zip(*places, strict=True))
    if len(set(places)) != len(places) or len(rows_hz) * len(starts_s) != len(places):
        return weights[:, :, None]
    grid = np.empty((len(weights), len(rows_hz), len(starts_s)))
    for column, (low_hz, start_s) in enumerate(places):
        grid[:, rows_hz.index(low_hz), starts_s.index(start_s)] = weights[:, column]
    if shift_s == 0.0 or len(starts_s) == 1:
        return grid
    edges_s = np.array([*starts_s, max(unit.end_s for unit in explanation.units)])
    return grid @ shares(edges_s[:-1] - shift_s, edges_s[1:] - shift_s, edges_s)


def cropped(one: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two tables of weights (..., n_rows, n_columns), cut to the columns that both have.

    Raises
    ------
    InputError
        Their rows differ: units of another kind.
    """
    if one.shape[-2] != other.shape[-2]:
        raise InputError(
            f"explanations have {one.shape[-2]} and {other.shape[-2]} rows of units; expected "
            "equally many: compare explanations of one explainer"
        )
    n = min(one.shape[-1], other.shape[-1])
    return one[..., :n], other[..., :n]


def rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Spearman's rank correlation of equally many weights, ties sharing their mean rank.

    Returns
    -------
    float
        NaN where the weights of one are all the same, or there is one weight only: there is no
        order to compare.  :func:`why_unknown` says which.
    """
    ranks = [scipy.stats.rankdata(values) for values in (one, other)]
    one, other = (rank - rank.mean() for rank in ranks)
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(np.clip(one @ other / size, -1.0, 1.0)) if size > 0 else float("nan")


def why_unknown(one: FloatArray, other: FloatArray) -> str:
    """Why two lists of weights have no rank correlation; empty where they have one."""
    if one.size < 2:
        return "there is one unit only"
    for values, which in ((one, "the first"), (other, "the second")):
        if np.ptp(values) == 0:
            return f"all weights of {which} explanation are equal"
    return ""


def top_overlap(one: FloatArray, other: FloatArray, *, k: int = TOP_K) -> float:
    """Share of the k most supporting units that two explanations have in common.

    Returns
    -------
    float
        Of all units where there are fewer than k, which is 1.  NaN where all weights of one are
        the same.  Ties are broken by the order of the units.
    """
    if why_unknown(one, other):
        return float("nan")
    k = min(k, one.size)
    first, second = (
        set(np.argsort(-values.ravel(), kind="stable")[:k].tolist()) for values in (one, other)
    )
    return len(first & second) / k


def pairwise_correlation(
    tables: list[FloatArray], others: list[FloatArray], of: list[int]
) -> FloatArray:
    """Rank correlation of every explanation with every other, for the first one's label.

    Parameters
    ----------
    tables, others : list of ndarray, shape (n_labels, n_rows, n_columns)
        Cropped to the columns that both have.
    of : list of int
        Label of each of `tables`.

    Returns
    -------
    ndarray, shape (n_tables, n_others)
    """
    found = np.empty((len(tables), len(others)))
    for i, j in np.ndindex(found.shape):
        one, other = cropped(tables[i][of[i]], others[j][of[i]])
        found[i, j] = rank_correlation(one.ravel(), other.ravel())
    return found
