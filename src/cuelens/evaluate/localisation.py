"""Did an explanation point at a place that is known?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cuelens.evaluate.edits import N_BANDS, Place
from cuelens.explain.explanation import Explanation
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.features.log_mel import hz_to_mel
from cuelens.typing import FloatArray
from cuelens.units import FrequencyBands, TimeWindows, Unit

_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Located:
    """How well an explanation points at a place.

    Parameters
    ----------
    hit : bool
        The unit with the largest weight, if above 0, lies in the place: it overlaps with it at
        least half as much as the unit that overlaps most.
    chance_hit : float
        Share of the units that do.
    mass : float, 0 to 1
        Share of the weights above 0 that lies in the place, a unit counting by the share of it that
        does; 0 where no weight is above 0.
    chance_mass : float
        The same with equal weights.
    rank : float
        Of the best unit in the place, 1 = first; equal weights share a rank.
    chance_rank : float
        Mean over all orders.
    n_units : int
    """

    hit: bool
    chance_hit: float
    mass: float
    chance_mass: float
    rank: float
    chance_rank: float
    n_units: int


def overlaps(units: Sequence[Unit], place: Place) -> FloatArray:
    """Area of each unit that lies in a place, in mel times s, shape (n_units,)."""
    low = hz_to_mel(np.array([unit.low_hz for unit in units]))
    high = hz_to_mel(np.array([unit.high_hz for unit in units]))
    start_s = np.array([unit.start_s for unit in units])
    end_s = np.array([unit.end_s for unit in units])
    mels = np.minimum(high, hz_to_mel(np.array(place.high_hz))) - np.maximum(
        low, hz_to_mel(np.array(place.low_hz))
    )
    seconds = np.minimum(end_s, place.end_s) - np.maximum(start_s, place.start_s)
    area: FloatArray = np.maximum(mels, 0.0) * np.maximum(seconds, 0.0)
    return area


def located(weights: FloatArray, units: Sequence[Unit], place: Place) -> Located | None:
    """Compare weights of units with a place.

    Parameters
    ----------
    weights : ndarray, shape (n_units,)
    units : sequence of Unit
    place : Place

    Returns
    -------
    Located or None
        None where all units overlap with the place alike, so that none can point at it.
    """
    inside = overlaps(units, place) / _areas(units)
    if inside.max() <= 0 or np.ptp(inside) < 1e-6:
        return None
    there = inside >= _SHARE * inside.max() - 1e-9
    positive = np.maximum(weights, 0.0)
    best = weights[there].max()
    n_there, n_units = int(there.sum()), len(units)
    return Located(
        hit=bool(best > 0 and best >= weights.max()),
        chance_hit=n_there / n_units,
        mass=float(positive @ inside / positive.sum()) if positive.any() else 0.0,
        chance_mass=float(inside.mean()),
        rank=float(1 + (weights[~there] > best).sum() + 0.5 * (weights[~there] == best).sum()),
        chance_rank=(n_units + 1) / (n_there + 1),
        n_units=n_units,
    )


def located_by(explanation: Explanation, place: Place, *, kind: str) -> Located | None:
    """How well an explanation points at the place of an edit, at its own resolution.

    Maps are summed over what the edit leaves open: over time for bands, over frequency for
    moments, into cells of 8 bands by the explanation's windows for both.

    Parameters
    ----------
    explanation : Explanation
    place : Place
    kind : {"band", "moment", "cell"}

    Returns
    -------
    Located or None
        None where the explanation's units cannot tell the place from others.
    """
    if explanation.map is None or kind == "moment":
        return located(explanation.target_weights, explanation.units, place)
    cells, units = cell_weights(
        explanation.map, explanation.target_index, explanation.units, kind=kind
    )
    return located(cells, units, place)


def can_tell(explainer: object, kind: str) -> bool:
    """Whether an explainer's units can point at such a place; True where that is not known."""
    units = getattr(explainer, "units", None)
    blind = {"band": TimeWindows, "moment": FrequencyBands}.get(kind)
    return blind is None or not isinstance(units, blind)


def cell_weights(
    relevance: TimeFrequencyMap, label: int, windows: Sequence[Unit], *, kind: str
) -> tuple[FloatArray, list[Unit]]:
    """Sums of a map over bands, or over cells of bands by windows, band by band."""
    top_hz = windows[0].high_hz
    edges_hz = FrequencyBands(n_bands=N_BANDS).edges_hz(round(2 * top_hz))
    centres_hz = (relevance.edges_hz[:-1] + relevance.edges_hz[1:]) / 2
    band = np.clip(np.searchsorted(edges_hz, centres_hz, side="right") - 1, 0, N_BANDS - 1)
    values = relevance.values[label].astype(np.float64)
    spans = [(windows[0].start_s, windows[-1].end_s)]
    if kind == "cell":
        spans = [(unit.start_s, unit.end_s) for unit in windows]
    starts_s = np.array([start for start, _ in spans])
    column = np.searchsorted(starts_s, relevance.times_s + 1e-9, side="right") - 1
    sums = np.zeros((N_BANDS, len(spans)))
    np.add.at(sums, (band[:, None], column[None, :]), values)
    units = [
        Unit(
            name=f"{edges_hz[k]:.0f}–{edges_hz[k + 1]:.0f} Hz, {start:.2f}–{end:.2f} s",
            low_hz=float(edges_hz[k]),
            high_hz=float(edges_hz[k + 1]),
            start_s=start,
            end_s=end,
        )
        for k in range(N_BANDS)
        for start, end in spans
    ]
    return sums.ravel(), units


def _areas(units: Sequence[Unit]) -> FloatArray:
    low = hz_to_mel(np.array([unit.low_hz for unit in units]))
    high = hz_to_mel(np.array([unit.high_hz for unit in units]))
    length_s = np.array([unit.end_s - unit.start_s for unit in units])
    area: FloatArray = (high - low) * length_s
    return area
