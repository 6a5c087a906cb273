"""What an embedding knows about the voice: probing."""

from __future__ import annotations

from cuelens.probe.acoustics import Acoustics, measure_acoustics
from cuelens.probe.categories import CATEGORIES, category
from cuelens.probe.probing import Probing
from cuelens.probe.profile import ProbeProfile
from cuelens.probe.result import ProbeResult
from cuelens.probe.verdicts import VERDICTS

__all__ = [
    "CATEGORIES",
    "VERDICTS",
    "Acoustics",
    "ProbeProfile",
    "ProbeResult",
    "Probing",
    "category",
    "measure_acoustics",
]
