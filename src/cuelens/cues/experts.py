"""What the literature expects each emotion to sound like, against neutral speech.

The table (``expert_table.csv``) was compiled from public summaries of the sources, not from the
papers themselves.  Every cell names its sources.  Its status says how far they agree:

- ``strong``: at least three independent sources (two, both quantitative, for pauses and contour)
  and none contradicts; what one source says is never strong.  Only these cells are scored.
- ``weak``: one or two sources.  Shown, not scored.
- ``contested``: sources disagree.  All sides are shown, nothing is scored.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

Status = Literal["strong", "weak", "contested"]

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "JL2003": (
            "Juslin & Laukka 2003, Psychological Bulletin 129(5), 770-814, Table 11 (104 studies)"
        ),
        "MA1993": "Murray & Arnott 1993, J. Acoust. Soc. Am. 93(2), 1097-1108, Table I",
        "S2003": (
            "Scherer 2003, Speech Communication 40, 227-256, table after Johnstone & Scherer 2000"
        ),
        "BS1996": (
            "Banse & Scherer 1996, J. Personality and Social Psychology 70(3), 614-636 (signs only)"
        ),
        "GS2010": "Goudbeek & Scherer 2010, J. Acoust. Soc. Am. 128(3), 1322-1336",
        "K2020": (
            "Kamiloglu, Fischer & Sauter 2020, Psychonomic Bulletin & Review 27, 237-265 "
            "(108 studies)"
        ),
        "E2016": "Eyben et al. 2016, IEEE Trans. Affective Computing 7(2), 190-202",
    }
)
SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "JL2003": "Juslin & Laukka 2003",
        "MA1993": "Murray & Arnott 1993",
        "S2003": "Scherer 2003",
        "BS1996": "Banse & Scherer 1996",
        "GS2010": "Goudbeek & Scherer 2010",
        "K2020": "Kamiloglu et al. 2020",
        "E2016": "Eyben et al. 2016",
    }
)
_SIGNS = {"up": 1, "rising": 1, "down": -1, "falling": -1, "mixed": 0}


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One cell of the table.

    Parameters
    ----------
    emotion, cue : str
    direction : {"up", "down", "rising", "falling", "mixed"}
        Against neutral speech.
    status : {"strong", "weak", "contested"}
    sources : tuple of str
        Keys of ``SOURCES``, with what a source says in brackets where it differs.
    """

    emotion: str
    cue: str
    direction: str
    status: Status
    sources: tuple[str, ...]

    @property
    def sign(self) -> int:
        """+1 up, -1 down, 0 contested."""
        return _SIGNS[self.direction]

    @property
    def citation(self) -> str:
        """The sources by name, with their differences."""
        return "; ".join(_cited(source) for source in self.sources)


@lru_cache(maxsize=1)
def expert_table() -> Mapping[tuple[str, str], Expectation]:
    """Every cell, by (emotion, cue); where a pair is missing, no source claims anything."""
    text = (files("cuelens.cues") / "expert_table.csv").read_text(encoding="utf-8")
    cells = [
        Expectation(
            emotion=row["emotion"],
            cue=row["cue"],
            direction=row["direction"],
            status=row["status"],  # type: ignore[arg-type]
            sources=tuple(row["sources"].split(";")),
        )
        for row in csv.DictReader(text.splitlines())
    ]
    return MappingProxyType({(cell.emotion, cell.cue): cell for cell in cells})


def _cited(source: str) -> str:
    key, bracket, rest = source.partition("(")
    return f"{SHORT_NAMES[key]}{' (' + rest if bracket else ''}"
