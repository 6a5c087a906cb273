from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import audformat
import pandas as pd
import pytest

from cuelens.corpora import LAYOUTS, find_corpus, load_corpus
from cuelens.errors import InputError

WriteClip = Callable[..., Path]


def listed(folder: Path, *columns: str, **options: str) -> list[tuple[object, ...]]:
    corpus = load_corpus(folder, **options)
    table = corpus.table.assign(file=[Path(f).name for f in corpus.table["file"]])
    return list(table[["file", *columns]].itertuples(index=False, name=None))


# --- folder trees ---------------------------------------------------------------------------


def test_one_folder_per_emotion(tmp_path: Path, write_clip: WriteClip) -> None:
    for name in ("anger/a.wav", "Freude/b.flac", "pleasant_surprise/c.ogg"):
        write_clip(tmp_path / name)
    write_clip(tmp_path / "anger/._a.wav")
    write_clip(tmp_path / "__MACOSX/anger/d.wav")
    corpus = load_corpus(tmp_path)
    # upper case sorts first
    assert corpus.table["emotion"].tolist() == ["happiness", "anger", "surprise"]
    assert corpus.table["speaker"].isna().all()
    assert corpus.table["start"].eq(0).all()
    assert all(Path(file).is_absolute() for file in corpus.table["file"])
    assert (corpus.name, corpus.licence) == (tmp_path.name, "unknown")


@pytest.mark.parametrize("tree", ["{speaker}/{emotion}/x.wav", "{emotion}/{speaker}/x.wav"])
def test_numbered_speaker_folders_above_or_below(
    tmp_path: Path, write_clip: WriteClip, tree: str
) -> None:
    for speaker in ("Actor_01", "Actor_02"):
        for emotion in ("anger", "sad"):
            write_clip(tmp_path / tree.format(speaker=speaker, emotion=emotion))
    corpus = load_corpus(tmp_path)
    assert sorted(zip(corpus.table["speaker"], corpus.table["emotion"], strict=True)) == [
        ("Actor_01", "anger"),
        ("Actor_01", "sadness"),
        ("Actor_02", "anger"),
        ("Actor_02", "sadness"),
    ]


@pytest.mark.parametrize("names", [("train", "test"), ("session1", "session2"), ("01", "02")])
def test_parts_sessions_and_takes_are_not_speakers(
    tmp_path: Path, write_clip: WriteClip, names: tuple[str, str]
) -> None:
    for name in names:
        write_clip(tmp_path / name / "anger/x.wav")
    assert load_corpus(tmp_path).table["speaker"].isna().all()


def test_long_numbers_are_speakers(tmp_path: Path, write_clip: WriteClip) -> None:
    for name in ("0011", "0012"):
        write_clip(tmp_path / name / "anger/x.wav")
    assert load_corpus(tmp_path).speakers == ("0011", "0012")


def test_speaker_pattern(tmp_path: Path, write_clip: WriteClip) -> None:
    for name in ("anna/anger/x.wav", "bob/joy/x.wav"):
        write_clip(tmp_path / name)
    assert listed(tmp_path, "speaker", "emotion", speaker_pattern=r"^(?P<speaker>\w+)/") == [
        ("x.wav", "anna", "anger"),
        ("x.wav", "bob", "happiness"),
    ]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not a regular expression"),
        (r"(\w+)/", "no group called speaker"),
        (r"(?P<speaker>spk\d)", "finds no speaker in anger/x.wav"),
    ],
)
def test_useless_speaker_pattern(
    tmp_path: Path, write_clip: WriteClip, pattern: str, message: str
) -> None:
    write_clip(tmp_path / "anger/x.wav")
    with pytest.raises(InputError, match=message):
        load_corpus(tmp_path, speaker_pattern=pattern)


def test_unknown_emotion_folder_names_file_and_known_labels(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    for name in ("anger/a.wav", "joy/b.wav", "misc/c.wav"):
        write_clip(tmp_path / name)
    with pytest.raises(
        InputError, match=r"misc/c\.wav: unknown emotion label 'misc'.*anger, bored"
    ):
        load_corpus(tmp_path)


def test_unrecognised_folder_lists_layouts_and_files(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "one.wav")
    write_clip(tmp_path / "two.wav")
    with pytest.raises(InputError, match=r"one\.wav, two\.wav") as caught:
        load_corpus(tmp_path)
    assert all(name in str(caught.value) for name in LAYOUTS)


def test_two_corpora_in_one_folder(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "03a01Wa.wav")
    write_clip(tmp_path / "OAF_back_angry.wav")
    with pytest.raises(InputError, match="1 files like emodb, 1 files like tess"):
        load_corpus(tmp_path)
    assert len(load_corpus(tmp_path, layout="tess")) == 1


def test_folders_instead_of_file_names_when_asked(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "joy/03a01Wa.wav")
    write_clip(tmp_path / "joy/OAF_back_angry.wav")
    corpus = load_corpus(tmp_path, layout="folders", speaker_pattern="(?P<speaker>03|OAF)")
    assert (corpus.emotions, corpus.speakers) == (("happiness",), ("03", "OAF"))


def test_layout_that_does_not_fit(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "03a01Wa.wav")
    with pytest.raises(InputError, match=r"no clip of RAVDESS.*03a01Wa\.wav"):
        load_corpus(tmp_path, layout="ravdess")
    with pytest.raises(InputError, match="layout is 'emo'; expected one of emodb"):
        load_corpus(tmp_path, layout="emo")
    with pytest.raises(InputError, match="emodb names its speakers"):
        load_corpus(tmp_path, speaker_pattern="(?P<speaker>..)")


def test_folder_without_audio(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear")
    with pytest.raises(InputError, match=r"no audio files; expected recordings \(\.wav"):
        load_corpus(tmp_path)


# --- tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".parquet"])
def test_table_with_everything(tmp_path: Path, write_clip: WriteClip, kind: str) -> None:
    for name in ("a.wav", "b.wav"):
        write_clip(tmp_path / "audio" / name, duration_s=2.0)
    frame = pd.DataFrame(
        {
            "file": ["audio/b.wav", str(tmp_path / "audio/a.wav"), "audio/a.wav"],
            "emotion": ["Wut", "joy", "ps"],
            "start": ["0", "0.5", "0 days 00:00:01.25"],
            "end": ["1.5", "1", "0 days 00:00:01.75"],
            "speaker": ["03", "08", "08"],
            "sentence": ["a01", "a02", "a02"],
            "take": ["1", "2", "3"],
        }
    )
    path = tmp_path / f"labels{kind}"
    if kind == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="," if kind == ".csv" else "\t", index=False)
    columns = ("start", "end", "speaker", "emotion", "sentence", "take")
    assert listed(path, *columns) == [
        ("a.wav", 0.5, 1.0, "08", "happiness", "a02", "2"),
        ("a.wav", 1.25, 1.75, "08", "surprise", "a02", "3"),
        ("b.wav", 0.0, 1.5, "03", "anger", "a01", "1"),
    ]
    assert load_corpus(path).audio(0, sample_rate=None).duration_s == 0.5
    assert load_corpus(path).name == "labels"


def test_audformat_like_table_keeps_its_index(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "a.wav", duration_s=2.0)
    index = pd.MultiIndex.from_arrays(
        [["a.wav", "a.wav"], pd.to_timedelta([0.0, 1.0], unit="s"), pd.to_timedelta(["1s", None])],
        names=["file", "start", "end"],
    )
    pd.DataFrame({"emotion": ["anger", "calm"]}, index=index).to_parquet(tmp_path / "t.parquet")
    table = load_corpus(tmp_path / "t.parquet").table
    assert table["start"].tolist() == [0.0, 1.0]
    assert table["end"].iloc[0] == 1.0
    assert pd.isna(table["end"].iloc[1])


def test_minimal_table_has_unknown_speakers(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "anna_1.wav")
    write_clip(tmp_path / "bob_1.wav")
    path = tmp_path / "labels.csv"
    path.write_text("\ufefffile,emotion\nanna_1.wav,anger\nbob_1.wav,\n", encoding="utf-8")
    corpus = load_corpus(path)
    assert corpus.table["speaker"].isna().all()
    assert corpus.notes == ("1 rows without an emotion left out",)
    pattern = r"(?P<speaker>[a-z]+)_\d\.wav"
    assert load_corpus(path, speaker_pattern=pattern).speakers == ("anna",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\na.wav,anger\n", "no column file, only path, emotion"),
        ("file,label\na.wav,anger\n", "no column emotion, only file, label"),
        ("file,emotion\nb.wav,anger\n", "none of the 1 files exists"),
        ("file,emotion\na.wav,\n", "no row has an emotion"),
        ("file,emotion\n,anger\n", "1 rows name no file"),
        ("file,emotion\na.wav,W\n", r"a\.wav: unknown emotion label 'W'"),
        ("file,emotion,start\na.wav,anger,soon\n", "column start has 'soon'; expected seconds"),
        ("file,emotion,start\na.wav,anger,-1\n", "goes from -1.0 to nan s"),
        ("file,emotion,start,end\na.wav,anger,2,1\n", "goes from 2.0 to 1.0 s"),
        ("file,emotion\na.wav,anger\na.wav,joy\n", "1 rows repeat a part of a file"),
        ("", "empty .0 bytes.; expected a table"),
    ],
)
def test_useless_table(tmp_path: Path, write_clip: WriteClip, text: str, message: str) -> None:
    write_clip(tmp_path / "a.wav")
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_corpus(path)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_table(tmp_path: Path, write_clip: WriteClip) -> None:
    clip = write_clip(tmp_path / "a.wav")
    with pytest.raises(InputError, match=r"is a \.wav; expected a folder.*\.parquet"):
        load_corpus(clip)
    (tmp_path / "t.parquet").write_bytes(b"PAR?")
    with pytest.raises(InputError, match="cannot be read as a table"):
        load_corpus(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="leave it out"):
        load_corpus(clip, layout="emodb")


# --- audformat ------------------------------------------------------------------------------


def audformat_database(folder: Path, write_clip: WriteClip) -> audformat.Database:
    for name in ("audio/001.wav", "audio/002.wav"):
        write_clip(folder / name, duration_s=1.0)
    database = audformat.Database("mydb", license=audformat.define.License.CC_BY_4_0)
    database.schemes["emotion"] = audformat.Scheme(labels=["happy", "angry"])
    database.schemes["speaker"] = audformat.Scheme("str")
    database["files"] = audformat.Table(
        audformat.filewise_index(["audio/001.wav", "audio/002.wav"])
    )
    database["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    database["files"]["speaker"].set(["s1", "s2"])
    database["emotion"] = audformat.Table(
        audformat.segmented_index(
            ["audio/001.wav", "audio/001.wav", "audio/002.wav"],
            ["0s", "0.5s", "0s"],
            ["0.5s", "1s", pd.NaT],
        )
    )
    database["emotion"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["emotion"]["emotion"].set(["happy", "angry", "angry"])
    return database


def test_audformat_folder(tmp_path: Path, write_clip: WriteClip) -> None:
    audformat_database(tmp_path, write_clip).save(str(tmp_path))
    corpus = load_corpus(tmp_path)
    assert (corpus.name, corpus.licence) == ("mydb", "CC-BY-4.0")
    assert listed(tmp_path, "start", "speaker", "emotion") == [
        ("001.wav", 0.0, "s1", "happiness"),
        ("001.wav", 0.5, "s1", "anger"),
        ("002.wav", 0.0, "s2", "anger"),
    ]
    ends = corpus.table["end"]
    assert ends.iloc[:2].tolist() == [0.5, 1.0]
    assert pd.isna(ends.iloc[2])
    assert load_corpus(tmp_path, layout="audformat").table.equals(corpus.table)


def test_audformat_tables_that_disagree(tmp_path: Path, write_clip: WriteClip) -> None:
    database = audformat_database(tmp_path, write_clip)
    database["other"] = audformat.Table(audformat.filewise_index(["audio/002.wav"]))
    database["other"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["other"]["emotion"].set(["happy"])
    database.save(str(tmp_path))
    with pytest.raises(InputError, match=r"tables emotion, other disagree.*audio/002\.wav"):
        load_corpus(tmp_path)


def test_audformat_without_emotions_or_damaged(tmp_path: Path, write_clip: WriteClip) -> None:
    database = audformat_database(tmp_path, write_clip)
    database.drop_tables("emotion")
    database.save(str(tmp_path))
    with pytest.raises(InputError, match="no table has a column emotion, only files"):
        load_corpus(tmp_path)
    (tmp_path / "db.yaml").write_text("name: [")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        load_corpus(tmp_path)


# --- names ----------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    data, cache = tmp_path / "data", tmp_path / "cache"
    monkeypatch.setenv("CUELENS_DATA", f"{tmp_path / 'none'}:{data}")
    monkeypatch.setenv("CUELENS_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    return data, cache / "corpora"


def test_name_is_looked_up_in_data_then_downloads(
    places: tuple[Path, Path], write_clip: WriteClip
) -> None:
    data, downloads = places
    write_clip(downloads / "emodb/03a01Wa.wav")
    assert find_corpus("emodb") == downloads / "emodb"
    write_clip(data / "EmoDB/08a01Wa.wav")
    write_clip(data / "emodb-2s/09a01Wa.wav")
    assert find_corpus("emodb") == data / "EmoDB"
    assert load_corpus("emodb").speakers == ("08",)
    corpus = load_corpus("emodb-2s")
    assert (corpus.name, corpus.licence, corpus.speakers) == ("emodb-2s", "CC0-1.0", ("09",))
    assert find_corpus("ravdess") is None


def test_name_that_is_not_there_says_where_it_looked(places: tuple[Path, Path]) -> None:
    data, downloads = places
    with pytest.raises(InputError, match="cuelens corpus get ravdess") as caught:
        load_corpus("ravdess")
    assert str(data) in str(caught.value)
    assert str(downloads) in str(caught.value)
    with pytest.raises(InputError, match="release form"):
        load_corpus("IEMOCAP")
    with pytest.raises(InputError, match="known corpora are emodb, ravdess"):
        load_corpus("emodb_9.0")


def test_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        load_corpus(tmp_path / "nothing")
    with pytest.raises(InputError, match="no such file or folder"):
        load_corpus("labels.csv")


def test_import_does_not_load_what_is_seldom_needed() -> None:
    code = (
        "import sys, cuelens.corpora; "
        "print({'audformat', 'requests', 'soundfile'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("asked", "meant"), [("emodbb", "emodb"), ("ravdes", "ravdess"), ("my-corpsu", "My Corpus")]
)
def test_misspelt_names_are_recognised(tmp_path, monkeypatch, asked, meant):
    """Published corpora, and folders on this machine."""
    (tmp_path / "My Corpus").mkdir()
    monkeypatch.setenv("CUELENS_DATA", str(tmp_path))
    with pytest.raises(InputError, match=f"machine; did you mean {meant}\\? Expected a"):
        load_corpus(asked)
    with pytest.raises(InputError, match="known corpora are"):
        load_corpus("something else")
