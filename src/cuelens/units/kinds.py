"""What units are called, and how they lie in a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any, Literal

from cuelens.units.components import Unit, Units
from cuelens.units.frequency_bands import FrequencyBands
from cuelens.units.harmonic_bands import HarmonicBands
from cuelens.units.harmonic_percussive import HarmonicPercussive
from cuelens.units.products import UnitProduct
from cuelens.units.segments import Segments
from cuelens.units.time_frequency_cells import TimeFrequencyCells
from cuelens.units.time_windows import TimeWindows
from cuelens.units.voiced_windows import VoicedWindows

Layout = Literal["time", "frequency", "cells", "parts"]

_KINDS: dict[type, str] = {
    FrequencyBands: "frequency bands",
    TimeWindows: "time windows",
    VoicedWindows: "voiced windows",
    TimeFrequencyCells: "time-frequency cells",
    HarmonicBands: "harmonics",
    HarmonicPercussive: "harmonic, percussive, residual",
}


def kind_of(units: Units) -> str:
    """What units are, as recorded in ``method.parameters["units"]`` of an explanation."""
    if isinstance(units, Segments):
        return units.kind
    if isinstance(units, UnitProduct):
        return f"{kind_of(units.times)} × {kind_of(units.parts)}"
    return _KINDS.get(type(units), type(units).__name__)


def unit_parameters(units: Units) -> dict[str, Any]:
    """The kind of units and their settings, as JSON types.

    Labels are not repeated: they are the units themselves.
    """
    kind = {"units": kind_of(units)}
    if isinstance(units, Segments):
        return {**kind, "labels": units.source, "n_labels": len(units.labels)}
    if isinstance(units, UnitProduct):
        return {
            **kind,
            "times": unit_parameters(units.times),
            "parts": unit_parameters(units.parts),
        }
    if is_dataclass(units) and not isinstance(units, type):
        return {**kind, **asdict(units)}
    return kind


def layout_of(units: Sequence[Unit]) -> Layout:
    """How units lie in a clip.

    Returns
    -------
    {"time", "frequency", "cells", "parts"}
        One after the other in time; bands above each other; both; or parts that each may be
        anywhere.
    """
    times = {(unit.start_s, unit.end_s) for unit in units}
    bands = {(unit.low_hz, unit.high_hz) for unit in units}
    if len(units) == 1 or len(times) == len(units):
        return "time"
    if len(times) > 1:
        return "cells"
    return "frequency" if len(bands) == len(units) else "parts"


def are_named(units: Sequence[Unit]) -> bool:
    """Whether units of time have names of their own, such as words, beside their times."""
    return layout_of(units) == "time" and any(
        unit.name != f"{unit.start_s:.2f}–{unit.end_s:.2f} s" for unit in units
    )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Cells as rows of parts and columns of times, in the order of the units.

    Parameters
    ----------
    parts : tuple of str
        Names of rows: bands from low to high, groups of harmonics, ...
    times : tuple of Unit
        Columns: where they lie, and what they are called; the name is empty where the times are
        all there is to say.
    """

    parts: tuple[str, ...]
    times: tuple[Unit, ...]

    @property
    def named(self) -> bool:
        """Whether its times have names, such as words."""
        return any(time.name for time in self.times)


def grid_of(units: Sequence[Unit]) -> Grid | None:
    """How cells are arranged; None where they are no product of parts and times."""
    if layout_of(units) != "cells":
        return None
    n_times = len({(unit.start_s, unit.end_s) for unit in units})
    rows = [units[first : first + n_times] for first in range(0, len(units), n_times)]
    spans = [[(unit.start_s, unit.end_s) for unit in row] for row in rows]
    names = [{unit.name.partition(", ")[0] for unit in row} for row in rows]
    if any(own != spans[0] for own in spans) or any(len(own) != 1 for own in names):
        return None
    times = (
        replace(unit, name="" if name == f"{unit.start_s:.2f}–{unit.end_s:.2f} s" else name)
        for unit, name in ((unit, unit.name.partition(", ")[2]) for unit in rows[0])
    )
    return Grid(parts=tuple(own.pop() for own in names), times=tuple(times))


def full_names(units: Sequence[Unit]) -> tuple[str, ...]:
    """Names that tell units apart: of words, phones and their parts, also when they are spoken."""
    if layout_of(units) not in ("time", "cells"):
        return tuple(unit.name for unit in units)
    times = (f"{unit.start_s:.2f}–{unit.end_s:.2f} s" for unit in units)
    return tuple(
        unit.name if time in unit.name else f"{unit.name} {time}"
        for unit, time in zip(units, times, strict=True)
    )
