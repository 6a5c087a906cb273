from __future__ import annotations

from collections import Counter

import pytest

from cuelens.errors import InputError
from cuelens.features.opensmile import OpenSmile
from cuelens.probe.categories import CATEGORIES, FEATURES, category, title


def test_the_names_are_those_of_opensmile_in_its_order():
    assert OpenSmile().names == FEATURES
    assert len(FEATURES) == 88


def test_the_counts_are_those_of_a_count_by_hand():
    """Frequency: 10 of F0, 2 of jitter, frequency and bandwidth of three formants, mean and spread
    (12).  Energy: 10 of loudness, 2 of shimmer, 2 of HNR, the sound level.  Temporal: 6.
    """
    assert Counter(map(category, FEATURES)) == {
        "Frequency": 24,
        "Energy": 15,
        "Temporal": 6,
        "Spectral": 43,
    }
    assert set(map(category, FEATURES)) == set(CATEGORIES)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("F0semitone", "Frequency"),
        ("jitter", "Frequency"),
        ("frequency", "Frequency"),
        ("bandwidth", "Frequency"),
        ("loudness_sma3", "Energy"),
        ("shimmer", "Energy"),
        ("HNR", "Energy"),
        ("SoundLevel", "Energy"),
        ("logRelF0-H1", "Spectral"),
        ("amplitudeLogRelF0", "Spectral"),
        ("alphaRatio", "Spectral"),
        ("hammarberg", "Spectral"),
        ("slope", "Spectral"),
        ("Flux", "Spectral"),
        ("mfcc", "Spectral"),
        ("PerSec", "Temporal"),
        ("Segment", "Temporal"),
    ],
)
def test_a_group_of_the_definition_is_in_one_category(part, expected):
    names = [name for name in FEATURES if part in name]
    assert names
    assert {category(name) for name in names} == {expected}


def test_titles_are_plain_words_and_all_different():
    titles = [title(name) for name in FEATURES]
    assert len(set(titles)) == 88
    assert not any("_" in text or "sma3" in text for text in titles)
    assert max(map(len, titles)) <= 50
    assert title("F0semitoneFrom27.5Hz_sma3nz_amean") == "pitch, mean"
    assert title("slopeUV500-1500_sma3nz_amean") == "slope 500–1500 Hz, unvoiced, mean"


@pytest.mark.parametrize("look_up", [category, title])
@pytest.mark.parametrize("name", ["loudness", "F0semitoneFrom27.5Hz_sma3nz", "", "pitch, mean"])
def test_an_unknown_name_is_refused(look_up, name):
    with pytest.raises(InputError, match="is no functional of eGeMAPSv02; expected one of the 88"):
        look_up(name)
