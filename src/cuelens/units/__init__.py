"""What can be absent from a clip: parts that add up to it."""

from cuelens.units.components import Components, Unit
from cuelens.units.frequency_bands import FrequencyBands

__all__ = ["Components", "FrequencyBands", "Unit"]
