from __future__ import annotations

import pytest

from cuelens.corpora.emotions import CANONICAL
from cuelens.cues import CUES, SOURCES, expert_table
from cuelens.cues.experts import SHORT_NAMES

CELLS = list(expert_table().values())


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.emotion} {cell.cue}")
def test_every_cell_is_about_a_known_cue_and_cites_known_sources(cell):
    assert cell.emotion in CANONICAL
    assert cell.cue in CUES
    assert cell.sources
    for source in cell.sources:
        key = source.partition("(")[0]
        assert key in SOURCES
        assert SHORT_NAMES[key] in cell.citation


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.emotion} {cell.cue}")
def test_status_follows_from_the_sources(cell):
    n_sources = len({source.partition("(")[0] for source in cell.sources})
    assert (cell.status == "contested") == (cell.sign == 0)
    if cell.status == "strong":
        assert n_sources >= (2 if cell.cue in ("pauses", "f0_contour") else 3)


def test_nothing_is_claimed_about_neutral_speech():
    assert not [cell for cell in CELLS if cell.emotion == "neutral"]


def test_cells_that_decide_most():
    table = expert_table()
    assert table["anger", "f0_level"].sign == 1
    assert table["sadness", "f0_level"].sign == -1
    assert table["sadness", "pauses"].sign == 1
    assert table["fear", "intensity"].status == "contested"
    assert "Juslin & Laukka 2003 (down except panic)" in table["fear", "intensity"].citation
