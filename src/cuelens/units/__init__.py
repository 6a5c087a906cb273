"""What can be absent from a clip: parts that add up to it."""

from cuelens.units.components import Components, Parts, Unit
from cuelens.units.frequency_bands import FrequencyBands
from cuelens.units.time_frequency_cells import CellComponents, TimeFrequencyCells
from cuelens.units.time_windows import TimeComponents, TimeWindows

__all__ = [
    "CellComponents",
    "Components",
    "FrequencyBands",
    "Parts",
    "TimeComponents",
    "TimeFrequencyCells",
    "TimeWindows",
    "Unit",
]
