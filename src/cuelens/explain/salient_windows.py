"""Salient windows: the moments that an explanation rests on.

Works on any explanation with times: maps of explainers that look inside a network, and weights of
time windows from any model.

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency: enhancing explanation of speech emotion
   recognition with expert-referenced acoustic cues", arXiv 2511.11691, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cuelens.errors import InputError
from cuelens.explain.explanation import Explanation
from cuelens.typing import FloatArray

Placement = Literal["best", "grid"]

N_WINDOWS = 5
WINDOW_S = 0.15
_STEP_S = 0.005  # of placing windows where there is no map
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class SalientWindow:
    """A moment of the clip: seconds of the clip as given, and its share of the relevance."""

    start_s: float
    end_s: float
    score: float


def salient_windows(
    explanation: Explanation,
    *,
    n: int = N_WINDOWS,
    window_s: float = WINDOW_S,
    placement: Placement = "best",
) -> tuple[SalientWindow, ...]:
    """The windows of equal length with the most relevance for the target.

    Parameters
    ----------
    explanation : Explanation
        With a map, or with units that are parts of the clip in time.
    n : int
        At most; fewer where no further window supports the target or fits.
    window_s : float, s
    placement : {"best", "grid"}
        ``"best"``: each window stands where it holds the most relevance that is left, without
        overlap; where several places hold the same, in their middle.  ``"grid"``: as published,
        the best of the windows that tile the clip.

    Returns
    -------
    tuple of SalientWindow
        Most relevant first.  A score is the window's share of all relevance that counts; below the
        map's mean it does not count, as published.

    Raises
    ------
    InputError
        The explanation has no times, or the clip is shorter than a window.
    """
    if placement not in get_args(Placement):
        raise InputError(
            f"placement is {placement!r}; expected one of {', '.join(get_args(Placement))}"
        )
    times_s, relevance = relevance_over_time(explanation)
    duration_s = explanation.clip.duration_s
    step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else _STEP_S
    if not 0 < window_s <= duration_s:
        raise InputError(
            f"window_s is {window_s} s; expected more than 0 and no more than the clip, "
            f"{duration_s:.2f} s"
        )
    if placement == "grid":
        starts_s = np.arange(int(duration_s / window_s + _ROUNDING)) * window_s
    else:
        # A frame reaches half a step to both sides of its centre; windows hold whole frames.
        starts_s = np.clip(times_s - step_s / 2, 0.0, None)
        starts_s = starts_s[starts_s <= duration_s - window_s + _ROUNDING]
    sums = np.concatenate([[0.0], np.cumsum(relevance)])
    low = np.searchsorted(times_s, starts_s - _ROUNDING)
    high = np.searchsorted(times_s, starts_s + window_s - _ROUNDING)
    scores = sums[high] - sums[low]
    free = np.ones(len(starts_s), dtype=bool)
    chosen: list[SalientWindow] = []
    while len(chosen) < n and free.any():
        best = scores[free].max()
        if best <= _ROUNDING * max(1.0, sums[-1]):
            break
        start_s = _middle(starts_s, free & (scores >= best - _ROUNDING * sums[-1]))
        chosen.append(
            SalientWindow(
                start_s=float(start_s),
                end_s=float(min(start_s + window_s, duration_s)),
                score=float(best / sums[-1]),
            )
        )
        free &= np.abs(starts_s - start_s) >= window_s - _ROUNDING
    return tuple(chosen)


def salient_intervals(
    explanation: Explanation, *, share: float = 0.5, gap_s: float = 0.03
) -> tuple[SalientWindow, ...]:
    """The shortest stretches of any length that together hold a share of the relevance.

    Parameters
    ----------
    explanation : Explanation
    share : float, 0 to 1
        Of the relevance for the target that counts; see :func:`salient_windows`.
    gap_s : float, s
        Stretches closer than this are joined.

    Returns
    -------
    tuple of SalientWindow
        In order of time.
    """
    if not 0 < share <= 1:
        raise InputError(f"share is {share}; expected more than 0, up to 1")
    times_s, relevance = relevance_over_time(explanation)
    total = relevance.sum()
    if total <= 0:
        return ()
    order = np.argsort(-relevance, kind="stable")
    last = order[np.searchsorted(np.cumsum(relevance[order]), share * total - _ROUNDING * total)]
    taken = np.flatnonzero(relevance >= relevance[last])  # what is equal comes together
    step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else explanation.clip.duration_s
    breaks = np.flatnonzero(np.diff(times_s[taken]) > step_s + gap_s + _ROUNDING) + 1
    return tuple(
        SalientWindow(
            start_s=float(max(0.0, times_s[run[0]] - step_s / 2)),
            end_s=float(min(explanation.clip.duration_s, times_s[run[-1]] + step_s / 2)),
            score=float(relevance[run[0] : run[-1] + 1].sum() / total),
        )
        for run in np.split(taken, breaks)
    )


def relevance_over_time(explanation: Explanation) -> tuple[FloatArray, FloatArray]:
    """Relevance for the target at equally spaced times.

    Returns
    -------
    times_s, relevance : ndarray, shape (n_frames,)
        Of a map: cells below the map's mean, or below 0, set to 0, then summed over frequency.  Of
        units in time: the weight of the unit at that time, if above 0, per second of the unit.

    Raises
    ------
    InputError
        The units are not parts of the clip in time.
    """
    if explanation.map is not None:
        cells = explanation.map.values[explanation.target_index].astype(np.float64)
        counts = np.where(cells >= max(0.0, float(cells.mean())), cells, 0.0)
        return explanation.map.times_s, counts.sum(axis=0)
    duration_s = explanation.clip.duration_s
    lengths_s = np.array([unit.end_s - unit.start_s for unit in explanation.units])
    if (lengths_s > duration_s - _ROUNDING).all() and len(lengths_s) > 1:
        raise InputError(
            "this explanation is about frequency bands and has no times; expected one about time "
            "windows, or with a map"
        )
    times_s = np.arange(0.0, duration_s, _STEP_S) + _STEP_S / 2
    relevance = np.zeros(len(times_s))
    weights = np.maximum(explanation.target_weights, 0.0)
    for unit, weight, length_s in zip(explanation.units, weights, lengths_s, strict=True):
        inside = (times_s >= unit.start_s) & (times_s < unit.end_s)
        relevance[inside] += weight / length_s
    return times_s, relevance


def _middle(starts_s: FloatArray, equal: FloatArray) -> float:
    """Middle of the first run of equally good places."""
    places = np.flatnonzero(equal)
    breaks = np.flatnonzero(np.diff(places) > 1)
    last = places[breaks[0]] if len(breaks) else places[-1]
    return float(starts_s[(places[0] + last) // 2])
