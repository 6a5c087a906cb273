"""Units as the command line writes them."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens import Audio, InputError
from cuelens.errors import CuelensWarning
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
from cuelens.units.emodb_labels import find_emodb_labels
from cuelens.units.kinds import are_named, full_names, grid_of, kind_of, layout_of, unit_parameters


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


def test_labels_of_the_beginning_of_a_recording_are_cut(labels):
    spec = UnitSpec.parse(f"words:{labels}")
    with pytest.raises(InputError, match=r"“so” ends at 0.900 s and the clip at 0.600 s"):
        spec.of_clip("clip.wav", made(0.6)).decompose(made(0.6))
    units = spec.of_clip("clip.wav", made(0.6), part=True)
    assert units.labels == ((0.1, 0.4, "ja"), (0.4, 0.6, "so"))


def test_labels_that_end_long_before_the_clip_are_noted(labels):
    spec = UnitSpec.parse(f"words:{labels}")
    spec.of_clip("clip.wav", made(1.9))  # 1 s after the last label
    with pytest.warns(CuelensWarning, match=r"ends at 0.90 s and the clip at 1.95 s; the rest"):
        spec.of_clip("clip.wav", made(1.95))
    spec.of_clip("clip.wav", made(1.95), part=True)


def test_one_file_for_several_clips_must_name_them(labels):
    clips = ["a.wav", "b.wav"]
    with pytest.raises(InputError, match=r"clip.csv: labels of one recording, and 2 clips; exp"):
        UnitSpec.parse(f"words:{labels}*bands").check_clips(clips)
    UnitSpec.parse(f"words:{labels}").check_clips(["a.wav", "./a.wav"])
    UnitSpec.parse(f"words:{labels.parent}").check_clips(clips)
    UnitSpec.parse("words").check_clips(clips)
    UnitSpec.parse("bands").check_clips(clips)
    table = labels.with_name("all.csv")
    table.write_text("file,start,end,label\na.wav,0.1,0.4,ja\nb.wav,0,0.2,so\n")
    spec = UnitSpec.parse(f"words:{table}")
    spec.check_clips(clips)
    assert spec.of_clip("x/b.wav", made()).labels == ((0.0, 0.2, "so"),)


def test_brackets_in_names_are_no_pattern(tmp_path, labels):
    (tmp_path / "clip[1].csv").write_text(labels.read_text())
    (tmp_path / "clip1.csv").write_text("start,end,label\n0,0.1,no\n")
    units = UnitSpec.parse(f"words:{tmp_path}").of_clip("clip[1].wav", made())
    assert units.source == "clip[1].csv"


LABLAUT = "signal x\nnfields 1\n#\n    0.1 -1 d\n    0.2 -1 a\n    0.35 -1 s\n    0.6 -1 .\n"


def test_emodb_labels_of_another_clip_are_not_cut(tmp_path):
    file = tmp_path / "03a02Fc.lablaut"
    file.write_text(LABLAUT)
    spec = UnitSpec.parse(f"phones:{file}")
    assert spec.of_clip("03a02Fc.wav", made(0.5)).labels[-1] == (0.35, 0.5, "s")
    with pytest.raises(InputError, match=r"“s” ends at 0.600 s and the clip at 0.500 s"):
        spec.of_clip("mine.wav", made(0.5)).decompose(made(0.5))


def test_emodb_labels_are_found_by_name_alone(tmp_path):
    (tmp_path / "a[1].lablaut").write_text(LABLAUT)
    (tmp_path / "a1.lablaut").write_text(LABLAUT)
    assert find_emodb_labels(tmp_path / "a[1].wav").name == "a[1].lablaut"


def test_emodb_labels_are_found_and_cut(tmp_path):
    (tmp_path / "lablaut").mkdir()
    (tmp_path / "lablaut" / "03a02Fc.lablaut").write_text(LABLAUT)
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


def test_cells_are_a_grid_of_parts_and_times():
    audio = made()
    words = Segments(labels=[(0.1, 0.4, "ja, so"), (0.4, 0.9, "ja")], kind="words")
    product = UnitProduct(times=words, parts=HarmonicBands()).decompose(audio).units
    grid = grid_of(product)
    assert grid.parts == HarmonicBands().names
    assert [time.name for time in grid.times] == ["(pause)", "ja, so", "ja", "(pause)"]
    assert [time.start_s for time in grid.times] == [0.0, 0.1, 0.4, 0.9]
    assert grid.named
    cells = UnitProduct(times=TimeWindows(window_s=0.5), parts=FrequencyBands(n_bands=3))
    assert not grid_of(cells.decompose(audio).units).named
    assert grid_of(words.decompose(audio).units) is None
    assert grid_of(product[:-1]) is None
    assert grid_of([*product[::2], *product[1::2]]) is None
