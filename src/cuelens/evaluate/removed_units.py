"""What is removed from a clip to judge an explanation, and how relevant each part is said to be."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.evaluate.fills import Fill, filled
from cuelens.explain.explanation import Explanation
from cuelens.explain.game import CoalitionGame
from cuelens.models.base import Model
from cuelens.typing import FloatArray
from cuelens.units import FrequencyBands, Segments, TimeFrequencyCells, TimeWindows
from cuelens.units.frequency_bands import Scale
from cuelens.units.kinds import layout_of
from cuelens.units.segments import Label

RemovedUnits = FrequencyBands | TimeWindows | TimeFrequencyCells | Segments

REMOVED: dict[type[RemovedUnits], str] = {
    FrequencyBands: "frequency bands",
    TimeWindows: "time windows",
    TimeFrequencyCells: "time-frequency cells",
    Segments: "segments",
}
"""What kinds of units are called."""

_ROUNDING_S = 1e-9


def removed_units(
    explanation: Explanation, cells: TimeFrequencyCells | None = None
) -> RemovedUnits:
    """The units that are removed to judge an explanation.

    Parameters
    ----------
    explanation : Explanation
    cells : TimeFrequencyCells or None
        These, whatever the explanation is about.  None: cells of 8 mel bands and 150 ms where it
        has a map, else its own units.

    Raises
    ------
    InputError
        Its units are neither all bands of a scale nor parts of the clip in time.
    """
    if cells is not None or explanation.map is not None:
        return cells or TimeFrequencyCells()
    units, duration_s = explanation.units, explanation.clip.duration_s
    known: list[FrequencyBands | TimeWindows] = []
    if 2 <= len(units) <= 64:
        known += [FrequencyBands(n_bands=len(units), scale=name) for name in get_args(Scale)]
    if 0.03 <= units[0].end_s <= 10.0:
        known.append(TimeWindows(window_s=units[0].end_s))
    regions = np.array([(u.low_hz, u.high_hz, u.start_s, u.end_s) for u in units])
    for candidate in known:
        rate = explanation.clip.sample_rate_hz
        if isinstance(candidate, FrequencyBands):
            hz = candidate.edges_hz(rate)
            own = [(low, high, 0.0, duration_s) for low, high in pairwise(hz)]
        else:
            edges_s = candidate.edges_s(duration_s)
            own = [(0.0, rate / 2, start, end) for start, end in pairwise(edges_s)]
        if len(own) == len(units) and np.allclose(own, regions):
            return candidate
    if layout_of(units) == "time":  # words, phones, windows of different lengths
        return Segments(labels=tuple(Label(u.start_s, u.end_s, u.name) for u in units))
    raise InputError(
        f"units of the explanation ({units[0].name}, ...) are neither all frequency bands of a "
        "scale nor parts of it in time; expected such: give cells, to remove these"
    )


def removal_game(
    explanation: Explanation,
    model: Model,
    units: RemovedUnits,
    fill: Fill,
    *,
    spectrum: FloatArray | None = None,
    seed: int = 0,
) -> CoalitionGame:
    """The model's answers to an explained clip without some units, each asked once.

    Parameters
    ----------
    explanation : Explanation
        Gives the sound, as the model heard it.
    model : Model
    units : FrequencyBands, TimeWindows or TimeFrequencyCells
    fill, spectrum, seed
        As in :func:`~cuelens.evaluate.fills.filled`.

    Raises
    ------
    InputError
        The explanation holds no sound.
    """
    if explanation.components is None:
        raise InputError(
            "this explanation holds no sound (it was read from JSON); expected one returned by "
            "explain()"
        )
    samples = explanation.components.waveform
    audio = Audio(samples=samples, sample_rate=explanation.components.sample_rate)
    parts = filled(units, audio, fill, spectrum=spectrum, seed=seed)
    return CoalitionGame(model, parts, n_samples=samples.size)


def cell_relevance(explanation: Explanation, cells: TimeFrequencyCells) -> FloatArray:
    """Relevance of cells of a clip for the target.

    Parameters
    ----------
    explanation : Explanation
    cells : TimeFrequencyCells

    Returns
    -------
    ndarray, shape (n_cells,), float64
        In the order of the cells.  Of a map: its sum over each cell, where a frame belongs to the
        window that holds its centre, and a band of the map to cells in proportion to its overlap
        in Hz; sums are kept.  Of weights of units: the weight of the unit that covers the cell, or
        the mean over those that do by area, so that the cells of a unit are equally relevant.
    """
    edges_hz = cells.bands.edges_hz(explanation.clip.sample_rate_hz)
    edges_s = cells.windows.edges_s(explanation.clip.duration_s)
    if explanation.map is not None:
        own_hz, times_s = explanation.map.edges_hz, explanation.map.times_s
        share = _overlap(own_hz[:-1], own_hz[1:], edges_hz) / np.diff(own_hz)[:, None]
        by_frame = share.T @ explanation.map.values[explanation.target_index].astype(np.float64)
        window = np.searchsorted(edges_s[:-1], times_s + _ROUNDING_S, side="right") - 1
        sums = np.zeros((len(edges_s) - 1, len(edges_hz) - 1))
        np.add.at(sums, window, by_frame.T)
        return sums.T.ravel()
    units = explanation.units
    in_band = _overlap([unit.low_hz for unit in units], [unit.high_hz for unit in units], edges_hz)
    in_window = _overlap([unit.start_s for unit in units], [unit.end_s for unit in units], edges_s)
    area = np.diff(edges_hz)[:, None] * np.diff(edges_s)
    covered = np.einsum("u,ub,uw->bw", explanation.target_weights, in_band, in_window)
    return (covered / area).ravel()


def _overlap(
    low: FloatArray | list[float], high: FloatArray | list[float], edges: FloatArray
) -> FloatArray:
    """Length that intervals share with the ones between edges, shape (n_intervals, n_edges - 1)."""
    shared = np.minimum(np.array(high)[:, None], edges[1:]) - np.maximum(
        np.array(low)[:, None], edges[:-1]
    )
    return np.maximum(shared, 0.0)
