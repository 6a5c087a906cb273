from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.features import read_embedding_table

RNG = np.random.default_rng(0)
FILES = ["/data/s1/b.wav", "/data/s1/a.wav", "/data/s2/a.wav", "/data/s2/c.wav"]
VECTORS = RNG.normal(size=(4, 3)).astype(np.float32)  # of FILES, which are not sorted
IN_ORDER = [1, 0, 2, 3]


def corpus_of(files, *, start=0.0, end=np.nan):
    return Corpus(
        name="mine",
        licence="unknown",
        table=pd.DataFrame(
            {
                "file": files,
                "start": start,
                "end": end,
                "speaker": None,
                "emotion": "anger",
                "sentence": None,
            }
        ),
    )


CORPUS = corpus_of(FILES)
PARTS = corpus_of(["/d/a.wav", "/d/a.wav", "/d/b.wav"], start=[1.5, 0.0, 0.0], end=[2.0, 1.5, 1.0])


def frame_of(files=FILES, vectors=VECTORS):
    return pd.DataFrame({"file": files}).join(pd.DataFrame(vectors, columns=["x", "y", "z"]))


def write(path, frame):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("kind", [".parquet", ".csv", ".tsv"])
@pytest.mark.parametrize(
    "files",
    [
        FILES,
        ["s1/b.wav", "s1/a.wav", "./s2/a.wav", "../data/s2/c.wav"],
        ["b.wav", "s1/a.wav", "s2/a.wav", "c.wav"],
        ["/moved/b.wav", "s1/a.wav", "s2/a.wav", "C:\\elsewhere\\c.wav"],
    ],
)
def test_rows_are_found_by_path_or_by_its_end_or_by_a_name_that_is_unique(tmp_path, kind, files):
    path = write(tmp_path / f"mine{kind}", frame_of(files))
    found = read_embedding_table(path, CORPUS)
    assert found.name == "mine"
    assert found.layers == ("embedding",)
    assert found.dimensions == ("x", "y", "z")
    np.testing.assert_array_equal(found.values[:, 0], VECTORS[IN_ORDER])


@pytest.mark.parametrize("names", ["mine.txt", "mine.csv"])
def test_an_array_is_put_in_order_by_the_list_beside_it(tmp_path, names):
    np.save(tmp_path / "mine.npy", VECTORS)
    (tmp_path / names).write_text("\n".join(FILES) + "\n")
    found = read_embedding_table(tmp_path / "mine.npy", CORPUS)
    assert found.dimensions == ("1", "2", "3")
    np.testing.assert_array_equal(found.values[:, 0], VECTORS[IN_ORDER])


def test_an_array_may_have_layers(tmp_path):
    layers = RNG.normal(size=(4, 2, 3))
    np.save(tmp_path / "mine.npy", layers)
    pd.DataFrame({"no": range(4), "file": FILES}).to_csv(tmp_path / "mine.csv", index=False)
    found = read_embedding_table(tmp_path / "mine.npy", CORPUS)
    assert found.layers == ("layer 0", "layer 1")
    np.testing.assert_array_equal(found.values, layers[IN_ORDER].astype(np.float32))
    assert found.values.dtype == np.float32


@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_several_clips_of_a_file_are_told_apart_by_their_start(tmp_path, kind):
    index = pd.MultiIndex.from_arrays(
        [
            ["d/b.wav", "d/a.wav", "d/a.wav"],
            pd.to_timedelta([0.0, 0.0, 1.5], unit="s"),
            pd.to_timedelta([None, 1.5, 2.0], unit="s"),
        ],
        names=["file", "start", "end"],
    )
    frame = pd.DataFrame(VECTORS[:3], index=index, columns=[0, 1, 2])
    path = tmp_path / f"mine{kind}"
    if kind == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path)
    found = read_embedding_table(path, PARTS)
    assert found.dimensions == ("0", "1", "2")
    np.testing.assert_array_equal(found.values[:, 0], VECTORS[[1, 2, 0]])


def test_starts_may_be_seconds(tmp_path):
    frame = frame_of(["d/b.wav", "d/a.wav", "d/a.wav"], VECTORS[:3]).assign(start=[0.0, 1.5, 0.0])
    found = read_embedding_table(write(tmp_path / "mine.csv", frame), PARTS)
    np.testing.assert_array_equal(found.values[:, 0], VECTORS[[2, 1, 0]])
    assert found.dimensions == ("x", "y", "z")


def test_provenance_has_the_checksum(tmp_path):
    first = read_embedding_table(write(tmp_path / "mine.csv", frame_of()), CORPUS)
    again = read_embedding_table(write(tmp_path / "mine.csv", frame_of()), CORPUS)
    other = read_embedding_table(write(tmp_path / "mine.csv", frame_of(vectors=-VECTORS)), CORPUS)
    assert first.provenance == again.provenance
    assert first.provenance["table"] == "mine.csv"
    assert first.provenance["sha256"] != other.provenance["sha256"]


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (
            frame_of([*FILES[:3], "other.wav"]),
            r"1 of 4 clips of mine have no row, such as .*; 1 rows are of no clip, such as other",
        ),
        (frame_of().iloc[:2], r"2 of 4 clips of mine have no row, such as /data/s2/a\.wav"),
        (frame_of([*FILES[:3], FILES[0]]), r"rows 0 and 3 are both of /data/s1/b\.wav"),
        (frame_of(["b.wav", "a.wav", "a.wav", "c.wav"]), "row 1 is of 2 clips, a.wav"),
        (frame_of(["x/b.wav", "y/b.wav", *FILES[2:]]), "2 rows are of no clip"),
        (frame_of().rename(columns={"file": "name"}), "no column file, only name, x, y, z"),
        (
            frame_of().assign(emotion="anger"),
            r"1 columns hold something else .* 'emotion' with 'anger' in row 0",
        ),
        (frame_of().assign(y=True), "1 columns hold something else"),
        (frame_of()[["file"]], "4 rows and 0 columns beside file"),
        (frame_of().iloc[:0], "0 rows and 3 columns"),
        (frame_of().replace({"file": {FILES[0]: None}}), "1 rows name no file"),
        (frame_of().assign(start="soon"), "column start holds 'soon'"),
        (frame_of().assign(y=[1.0, np.nan, 2.0, 3.0]), "1 of 4 clips have a value that is missing"),
        (frame_of().assign(y=1e300), "4 of 4 clips have a value that is missing or infinite"),
    ],
)
@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_tables_that_do_not_fit_are_refused(tmp_path, kind, frame, match):
    path = write(tmp_path / f"mine{kind}", frame)
    with pytest.raises(InputError, match=match):
        read_embedding_table(path, CORPUS)


def test_row_numbers_are_no_dimension(tmp_path):
    frame_of().to_csv(tmp_path / "mine.csv")
    with pytest.raises(InputError, match="a column has no name"):
        read_embedding_table(tmp_path / "mine.csv", CORPUS)


def test_a_pickle_is_not_opened(tmp_path):
    array = np.array([os.system, None], dtype=object)
    np.save(tmp_path / "mine.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as an array of numbers"):
        read_embedding_table(tmp_path / "mine.npy", CORPUS)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (VECTORS[0], r"has shape \(3,\)"),
        (VECTORS[:, :0], r"has shape \(4, 0\)"),
        (VECTORS > 0, "holds bool"),
        (VECTORS.astype(str), "holds <U"),
        (VECTORS[:3], "has 3 rows, and the list beside it 4 files"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, array, match):
    np.save(tmp_path / "mine.npy", array)
    (tmp_path / "mine.txt").write_text("\n".join(FILES))
    with pytest.raises(InputError, match=match):
        read_embedding_table(tmp_path / "mine.npy", CORPUS)


def test_an_array_needs_one_list_of_its_files(tmp_path):
    np.save(tmp_path / "mine.npy", VECTORS)
    with pytest.raises(InputError, match=r"expected mine\.txt or mine\.csv beside"):
        read_embedding_table(tmp_path / "mine.npy", CORPUS)
    for names in ("mine.txt", "mine.csv"):
        (tmp_path / names).write_text("\n".join(FILES))
    with pytest.raises(InputError, match=r"two lists of its files"):
        read_embedding_table(tmp_path / "mine.npy", CORPUS)


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_embedding_table(tmp_path / "none.npy", CORPUS)
    with pytest.raises(InputError, match=r"is a \.xlsx; expected a table of embeddings"):
        read_embedding_table(tmp_path / "mine.xlsx", CORPUS)
    for name in ("mine.npy", "mine.parquet", "mine.csv"):
        Path(tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=r"cannot be read as|empty"):
            read_embedding_table(tmp_path / name, CORPUS)
