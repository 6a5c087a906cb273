"""Two kinds of units at once, such as words in frequency bands: parts that add up to the clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cuelens.audio import Audio
from cuelens.units.components import Components
from cuelens.units.time_frequency_cells import CellComponents, crossed
from cuelens.units.time_windows import TimeComponents


class TimeUnits(Protocol):
    """Units that follow each other in time."""

    def n_units(self, duration_s: float, /) -> int: ...

    def decompose(self, audio: Audio, /) -> TimeComponents: ...


class SpectralUnits(Protocol):
    """Units that each may be anywhere in the clip, one signal a unit."""

    def n_units(self, duration_s: float, /) -> int: ...

    def decompose(self, audio: Audio, /) -> Components: ...


@dataclass(frozen=True, kw_only=True)
class UnitProduct:
    """Every spectral unit in every unit of time.

    Parameters
    ----------
    times : TimeWindows, Segments or VoicedWindows
    parts : FrequencyBands, HarmonicBands or HarmonicPercussive

    Notes
    -----
    A unit is the signal of one of the ``parts``, multiplied by the gain of one of the ``times``.
    Ordered by part, and by time within a part.  :class:`TimeFrequencyCells` are the product of
    bands and windows of equal length.
    """

    times: TimeUnits
    parts: SpectralUnits

    def n_units(self, duration_s: float) -> int:
        """Number of units of a clip of that duration."""
        return self.times.n_units(duration_s) * self.parts.n_units(duration_s)

    def decompose(self, audio: Audio) -> CellComponents:
        """The clip as units that add up to it, to within rounding (below 1e-6)."""
        return crossed(self.parts.decompose(audio), self.times.decompose(audio))
