"""Units as the command line writes them."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens import Audio, InputError
from cuelens.testing import noise
from cuelens.units import (
    FrequencyBands,
    HarmonicBands,
    HarmonicPercussive,
    Segments,
    TimeWindows,
    UnitProduct,
    UnitSpec,
    VoicedWindows,
)
from cuelens.units.kinds import are_named, full_names, kind_of, layout_of, unit_parameters


def made(duration_s=1.0, start_s=0.0):
    return Audio(samples=noise(duration_s=duration_s), sample_rate=16_000, start_s=start_s)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("bands", FrequencyBands(n_bands=6)),
        ("windows", TimeWindows(window_s=0.2)),
        ("voiced-windows", VoicedWindows()),
        ("harmonics", HarmonicBands()),
        ("harmonic-percussive", HarmonicPercussive()),
        ("cells", UnitProduct(times=TimeWindows(window_s=0.2), parts=FrequencyBands(n_bands=6))),
        ("harmonics*voiced-windows", UnitProduct(times=VoicedWindows(), parts=HarmonicBands())),
    ],
)
def test_units_without_labels(text, units):
    spec = UnitSpec.parse(text, bands=FrequencyBands(n_bands=6), windows=TimeWindows(window_s=0.2))
    assert not spec.needs_labels
    assert spec.units() == units
    assert spec.of_clip("x.wav", made()) == units


@pytest.fixture
def labels(tmp_path):
    file = tmp_path / "clip.csv"
    file.write_text("start,end,label,tier\n0.1,0.4,ja,words\n0.4,0.9,so,words\n0.1,0.2,j,phones\n")
    return file


def test_units_from_a_file_or_a_folder(labels):
    spec = UnitSpec.parse(f"words:{labels}")
    assert spec.needs_labels
    expected = Segments(
        labels=[(0.1, 0.4, "ja"), (0.4, 0.9, "so")], kind="words", source="clip.csv"
    )
    assert spec.of_clip("clip.wav", made()) == expected
    assert UnitSpec.parse(f"words:{labels.parent}").of_clip("clip.wav", made()) == expected
    named = UnitSpec.parse(f"words:{labels}#phones").of_clip("clip.wav", made())
    assert named.labels == ((0.1, 0.2, "j"),)
    product = UnitSpec.parse(f"words:{labels}*bands").of_clip("clip.wav", made())
    assert product == UnitProduct(times=expected, parts=FrequencyBands())
    with pytest.raises(InputError, match="words depend on the clip"):
        spec.units()


def test_labels_of_a_part_of_a_recording_are_moved(labels):
    units = UnitSpec.parse(f"words:{labels}").of_clip("clip.wav", made(0.4, start_s=0.25))
    assert [tuple(np.round(label[:2], 9)) for label in units.labels] == [(0.0, 0.15), (0.15, 0.4)]
    with pytest.raises(InputError, match=r"no words between 2.00 and 2.40 s, where the clip is"):
        UnitSpec.parse(f"words:{labels}").of_clip("clip.wav", made(0.4, start_s=2.0))


def test_labels_of_another_clip_are_refused(labels):
    units = UnitSpec.parse(f"words:{labels}").of_clip("clip.wav", made(0.5))
    with pytest.raises(InputError, match=r"“so” ends at 0.900 s and the clip at 0.500 s"):
        units.decompose(made(0.5))
    with pytest.raises(InputError, match="no labels of other; expected other with one of"):
        UnitSpec.parse(f"words:{labels.parent}").of_clip("other.wav", made())


def test_emodb_labels_are_found_and_cut(tmp_path):
    (tmp_path / "lablaut").mkdir()
    header = "signal x\nnfields 1\n#\n"
    body = "    0.1 -1 d\n    0.2 -1 a\n    0.35 -1 s\n    0.6 -1 .\n"
    (tmp_path / "lablaut" / "03a02Fc.lablaut").write_text(header + body)
    clip = tmp_path / "wav" / "03a02Fc.wav"
    units = UnitSpec.parse("phones").of_clip(clip, made(0.5))
    assert units.labels == ((0.1, 0.2, "d"), (0.2, 0.35, "a"), (0.35, 0.5, "s"))
    assert unit_parameters(units) == {"units": "phones", "labels": "03a02Fc.lablaut", "n_labels": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("letters", "units are 'letters'; expected bands, windows"),
        ("bands:x.csv", "bands are made without a file"),
        ("words:", "expected a file after the colon"),
        ("words:nowhere.csv", "nowhere.csv: no such file or folder; expected labels of words"),
        ("bands*harmonics", r"expected one of windows, .* and one of bands, .* joined by \*"),
        ("windows*phones", r"joined by \*"),
        ("windows*bands*harmonics", r"at most two kinds joined by \*"),
    ],
)
def test_wrong_forms_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        UnitSpec.parse(text)


def test_layouts_and_names():
    audio = made()
    words = Segments(labels=[(0.1, 0.4, "ja"), (0.4, 0.9, "ja")], kind="words")
    product = UnitProduct(times=words, parts=FrequencyBands())
    kinds = {
        "time": (TimeWindows(), VoicedWindows(), words, TimeWindows(window_s=2.0)),
        "frequency": (FrequencyBands(),),
        "cells": (product,),
        "parts": (HarmonicBands(), HarmonicPercussive()),
    }
    for layout, all_units in kinds.items():
        for units in all_units:
            found = units.decompose(audio).units
            assert layout_of(found) == layout
            assert are_named(found) == (units is words)
            names = full_names(found)
            assert len(set(names)) == len(names)
    assert full_names(words.decompose(audio).units)[1] == "ja 0.10–0.40 s"
    assert kind_of(product) == "words × frequency bands"
    assert unit_parameters(product)["parts"] == {
        "units": "frequency bands",
        "n_bands": 8,
        "scale": "mel",
    }
