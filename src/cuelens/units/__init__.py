"""What can be absent from a clip: parts that add up to it."""

from cuelens.units.components import Components, Parts, Unit, Units
from cuelens.units.emodb_labels import read_emodb_labels
from cuelens.units.frequency_bands import FrequencyBands
from cuelens.units.harmonic_bands import HarmonicBands
from cuelens.units.harmonic_percussive import HarmonicPercussive
from cuelens.units.label_files import read_labels, read_tiers
from cuelens.units.products import UnitProduct
from cuelens.units.segments import Label, Segments
from cuelens.units.time_frequency_cells import CellComponents, TimeFrequencyCells
from cuelens.units.time_windows import TimeComponents, TimeWindows
from cuelens.units.unit_spec import UnitSpec
from cuelens.units.voiced_windows import VoicedWindows

__all__ = [
    "CellComponents",
    "Components",
    "FrequencyBands",
    "HarmonicBands",
    "HarmonicPercussive",
    "Label",
    "Parts",
    "Segments",
    "TimeComponents",
    "TimeFrequencyCells",
    "TimeWindows",
    "Unit",
    "UnitProduct",
    "UnitSpec",
    "Units",
    "VoicedWindows",
    "read_emodb_labels",
    "read_labels",
    "read_tiers",
]
