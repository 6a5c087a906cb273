"""EmoDB labels: times as the sound says, stops in one piece, words as spoken."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from cuelens import InputError, load_audio
from cuelens.units import Label, Segments, read_emodb_labels
from cuelens.units.emodb_labels import SENTENCES, find_emodb_labels

HEADER = "signal x\ntype 0\nfont -misc-*-bold\nseparator ;\nnfields 1\n#\n"
LINES = """    0.070   -1 _d	-sth
    0.120   -1 !d
    0.140   -1 E
    0.160   -1 	+lar
    0.222  125 l
    0.309   -1 a		2
    0.390   -1 p	+sth
    0.411   -1 -sth
    0.430   -1 !p
    0.440   -1 pasp
    0.480   -1 m+na	+sil
    0.600   -1 (gef
    0.700   -1 l
    0.750   -1 i
    0.800   -1 t
    0.830   -1 k
    0.850   -1 !k
    0.900   -1 .
"""


def written(tmp_path, name="03a01Wa", body=LINES):
    file = tmp_path / f"{name}.lablaut"
    file.write_bytes((HEADER + body).encode("latin-1"))
    return file


def test_segments_and_phones(tmp_path):
    file = written(tmp_path)
    names = [label.name for label in read_emodb_labels(file, kind="segments")]
    assert names == ["_d", "!d", "E", "l", "a", "p", "!p", "pasp", "m", "l", "i", "t", "k", "!k"]
    assert read_emodb_labels(file) == (
        Label(0.07, 0.14, "d"),
        Label(0.14, 0.222, "E"),
        Label(0.222, 0.309, "l"),
        Label(0.309, 0.39, "a"),
        Label(0.39, 0.48, "p"),
        Label(0.48, 0.6, "m"),
        Label(0.7, 0.75, "l"),
        Label(0.75, 0.8, "i"),
        Label(0.8, 0.83, "t"),
        Label(0.83, 0.9, "k"),
    )


def test_words_and_syllables(tmp_path):
    body = LINES.replace("0.800   -1 t", "0.800   -1 k").replace("0.830   -1 k", "0.830   -1 t")
    file = written(tmp_path, body=body.replace("!k", "!t"))
    words = read_emodb_labels(file, kind="words")
    assert words[:3] == ((0.07, 0.222, "Der"), (0.222, 0.6, "Lappen"), (0.7, 0.9, "liegt"))
    assert read_emodb_labels(file, kind="syllables")[1:3] == (
        (0.222, 0.39, "Lap"),
        (0.39, 0.6, "pen"),
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "0 labels, and no end of speech .*three files of the corpus are empty"),
        ("  0.1 -1 a\n  0.1 -1 b\n  0.2 -1 .\n", "line 8: 0.1 s after 0.1 s; expected times that"),
        ("  0.1 -1 a\n  x -1 b\n", "line 8: the time is 'x'; expected a time in seconds"),
        ("  0.1 -1 a\n  0.2 -1 b\n", "2 labels, and no end of speech"),
    ],
)
def test_damaged_files_say_where(tmp_path, body, message):
    with pytest.raises(InputError, match=message):
        read_emodb_labels(written(tmp_path, body=body))


def test_other_sentences_are_refused(tmp_path):
    with pytest.raises(InputError, match="its phones are not those of"):
        read_emodb_labels(written(tmp_path, "03a05Wa"), kind="words")
    with pytest.raises(InputError, match="its name does not say the sentence"):
        read_emodb_labels(written(tmp_path, "mine"), kind="words")
    other = tmp_path / "x.lablaut"
    other.write_text("0.1 -1 a\n")
    with pytest.raises(InputError, match="no line with # alone"):
        read_emodb_labels(other)
    with pytest.raises(InputError, match=r"no labels: no 03a01Wa.lablaut beside it"):
        find_emodb_labels(tmp_path / "sub" / "03a01Wa.wav")
    file = written(tmp_path)
    assert find_emodb_labels(tmp_path / "03a01Wa.wav") == file
    with pytest.raises(InputError, match="kind is 'letters'; expected one of segments, phones"):
        read_emodb_labels(file, kind="letters")


@pytest.mark.corpus
def test_releases_stand_where_the_sound_rises(data_dir):
    """Label times against the sound: a release of p, t, k is a rise of what is above 2 kHz."""
    off_ms = []
    high = scipy.signal.butter(4, 2000, "high", fs=16_000, output="sos")
    for clip in sorted((data_dir / "emodb").glob("*.flac"))[::4]:
        samples = scipy.signal.sosfiltfilt(high, load_audio(clip).samples.astype(np.float64))
        power = scipy.signal.fftconvolve(samples**2, np.full(32, 1 / 32), "same")
        db = 10 * np.log10(np.maximum(power, 0) + 1e-9)
        rise = np.pad(db[48:] - db[:-48], 24)  # over 3 ms
        for label in read_emodb_labels(find_emodb_labels(clip), kind="segments"):
            place = round(label.start_s * 16_000)
            near = rise[max(0, place - 400) : place + 400]
            if label.name in ("!p", "!t", "!k") and near.size == 800 and near.max() > 10:
                off_ms.append((int(near.argmax()) - 400) / 16)
    off_ms = np.array(off_ms)
    assert len(off_ms) > 150
    assert abs(np.median(off_ms)) < 0.5
    assert np.mean(np.abs(off_ms) < 2) > 0.85


@pytest.mark.corpus
def test_words_of_the_corpus_are_those_of_the_sentences(data_dir):
    """Nothing but what a speaker left out or broke by a pause may differ."""
    as_written, n_files, empty = 0, 0, []
    for file in sorted((data_dir / "emodb-labels" / "lablaut").glob("*.lablaut")):
        expected = [word.replace(".", "") for word, _ in SENTENCES[file.stem[2:5]]]
        n_files += 1
        try:
            found = [label.name for label in read_emodb_labels(file, kind="words")]
        except InputError:
            empty.append(file.stem)
            continue
        as_written += found == expected
        assert list(dict.fromkeys(found)) == [w for w in dict.fromkeys(expected) if w in found]
        assert len(set(expected) - set(found)) <= 1
        read_emodb_labels(file, kind="syllables")
    assert empty == ["08a01Ab", "08a01Wa", "14b09Ea"]
    assert as_written >= 0.97 * (n_files - len(empty))


@pytest.mark.corpus
@pytest.mark.parametrize("folder", ["emodb", "emodb-2s"])
def test_phones_of_the_corpus_add_up(data_dir, folder):
    from cuelens.units import UnitSpec

    for clip in sorted((data_dir / folder).glob("*.flac"))[::20]:
        audio = load_audio(clip)
        units = UnitSpec.parse("phones").of_clip(clip, audio)
        components = units.decompose(audio)
        parts = components.mix(np.eye(len(components), dtype=bool))
        assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6
        everything = np.ones((1, len(components)), dtype=bool)
        np.testing.assert_array_equal(components.mix(everything)[0], audio.samples)
        assert isinstance(units, Segments)
        labelled = read_emodb_labels(find_emodb_labels(clip))
        times = {round(unit.end_s, 9) for unit in components.units} | {0.0}
        for label in labelled:
            if label.end_s <= audio.duration_s:
                assert {round(label.start_s, 9), round(label.end_s, 9)} <= times
        starts = [unit.start_s * 16_000 for unit in components.units[1:]]
        placed = [np.flatnonzero(part)[0] for part in parts[1:]]
        fade = 0.0025 * 16_000
        assert np.all(np.abs(np.array(starts) - placed) <= fade + 16)
