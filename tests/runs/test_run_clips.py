"""Clips of a run, from whatever is given."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from cuelens import InputError, load_corpus
from cuelens.corpora.load import demo_corpus
from cuelens.runs import find_clips
from cuelens.runs.clips import drawn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings in two folders, and a file that is none."""
    sound = np.sin(np.arange(8000) / 5.0)
    for name in ("b/2.wav", "b/1.wav", "a.flac"):
        file = tmp_path / "calls" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, sound, 16_000)
    (tmp_path / "calls" / "notes.txt").write_text("none")
    return tmp_path / "calls"


def test_a_folder_that_is_no_corpus(folder):
    found = find_clips(folder)
    names = [Path(clip.file).relative_to(folder).as_posix() for clip in found.clips]
    assert names == ["a.flac", "b/1.wav", "b/2.wav"]
    assert [clip.index for clip in found.clips] == [0, 1, 2]
    assert {clip.emotion for clip in found.clips} == {None}
    assert found.name == "calls"
    assert "unknown" in found.notes[0]
    assert found.clips[0].audio().duration_s == 0.5


@pytest.mark.parametrize(
    ("pattern", "names"), [("**/*.wav", ["1.wav", "2.wav"]), ("*.flac", ["a.flac"])]
)
def test_a_pattern(folder, pattern, names):
    found = find_clips(f"{folder}/{pattern}")
    assert [Path(clip.file).name for clip in found.clips] == names


def test_a_pattern_from_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [clip.file for clip in find_clips("b/*.wav").clips] == [
        str(folder / "b" / name) for name in ("1.wav", "2.wav")
    ]


def test_files_and_one_file(folder):
    files = [folder / "b" / "2.wav", folder / "a.flac", folder / "a.flac"]
    assert [Path(clip.file).name for clip in find_clips(files).clips] == ["a.flac", "2.wav"]
    assert len(find_clips(folder / "a.flac")) == 1


def test_a_corpus_brings_its_labels():
    corpus = demo_corpus()
    found = find_clips(corpus)
    assert [clip.emotion for clip in found.clips] == corpus.table["emotion"].tolist()
    assert [clip.speaker for clip in found.clips] == corpus.table["speaker"].tolist()
    assert found.clips[0].end_s is None
    frame = found.to_frame()
    assert frame["clip"].tolist() == list(range(len(corpus)))
    assert frame["file"].tolist() == corpus.table["file"].tolist()


def test_a_table_brings_parts_of_files(folder):
    table = folder / "table.csv"
    pd.DataFrame(
        {
            "file": ["a.flac", "a.flac"],
            "start": [0.0, 0.2],
            "end": [0.2, 0.45],
            "emotion": ["angry", "sad"],
        }
    ).to_csv(table, index=False)
    found = find_clips(table)
    assert [clip.emotion for clip in found.clips] == ["anger", "sadness"]
    assert found.clips[1].audio().duration_s == pytest.approx(0.25)
    assert found.clips[1].audio().start_s == 0.2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing/*.wav", "no file is named so"),
        ("emodbb", "did you mean|not on this machine"),
        ([], "no clips"),
        (["/", "a.wav"], "is a folder among recordings"),
    ],
)
def test_nothing_there(source, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        find_clips(source)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no audio files"):
        find_clips(tmp_path)


def test_drawn_clips_are_numbered_anew_and_seeded(folder):
    for index in range(20):
        shutil.copy(folder / "a.flac", folder / f"more{index:02d}.flac")
    found = find_clips(folder)
    some = drawn(found, 5, seed=1)
    assert [clip.index for clip in some.clips] == [0, 1, 2, 3, 4]
    files = [clip.file for clip in some.clips]
    assert files == sorted(set(files))
    assert files == [clip.file for clip in drawn(found, 5, seed=1).clips]
    assert files != [clip.file for clip in drawn(found, 5, seed=2).clips]
    assert drawn(found, None) is found
    assert drawn(found, 100) is found


@pytest.mark.corpus
def test_a_published_corpus_by_name(data_dir, monkeypatch):
    monkeypatch.setenv("CUELENS_DATA", str(data_dir))
    found = find_clips("emodb")
    corpus = load_corpus("emodb")
    assert len(found) == len(corpus)
    assert found.name == "emodb"
