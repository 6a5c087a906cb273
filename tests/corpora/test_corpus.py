from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from cuelens.corpora import Corpus, load_corpus
from cuelens.errors import InputError

WriteClip = Callable[..., Path]


def corpus_of(speakers: Sequence[str | None], emotions: list[str] | None = None) -> Corpus:
    """A corpus without sound, clip i by speaker i."""
    n = len(speakers)
    table = pd.DataFrame(
        {
            "file": [f"/nowhere/{i:04d}.wav" for i in range(n)],
            "start": 0.0,
            "end": np.nan,
            "speaker": pd.Series(list(speakers), dtype="str"),
            "emotion": emotions or ["anger"] * n,
            "sentence": pd.Series([None] * n, dtype="str"),
        }
    )
    return Corpus(name="made up", licence="none", table=table)


speaker_lists = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60).filter(
    lambda speakers: len(set(speakers)) > 1
)


@given(speakers=speaker_lists)
def test_leave_one_speaker_out(speakers: list[str]) -> None:
    corpus = corpus_of(speakers)
    splits = list(corpus.leave_one_speaker_out())
    assert [split.speaker for split in splits] == sorted(set(speakers))
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(speakers)))
    for split in splits:
        assert {speakers[i] for i in split.test} == {split.speaker}
        assert split.speaker not in {speakers[i] for i in split.train}
        assert sorted([*split.train, *split.test]) == list(range(len(speakers)))


@given(speakers=speaker_lists, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_speaker_folds(speakers: list[str], seed: int, data: st.DataObject) -> None:
    n_folds = data.draw(st.integers(2, len(set(speakers))))
    folds = corpus_of(speakers).speaker_folds(n_folds, seed=seed)
    assert len(folds) == n_folds
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(speakers)))
    for fold in folds:
        tested = {speakers[i] for i in fold.test}
        assert tested == set(fold.speakers)
        assert not tested & {speakers[i] for i in fold.train}
        assert sorted([*fold.train, *fold.test]) == list(range(len(speakers)))
    # filling the emptiest fold first, folds differ by at most the largest speaker
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= max(map(speakers.count, set(speakers)))


def test_folds_by_hand() -> None:
    # largest first: a (5) | b (3), then c (2) joins b, then d (1) ties: the first fold
    corpus = corpus_of([*"aaaaa", *"bbb", *"cc", *"d"])
    for seed in range(5):
        folds = corpus.speaker_folds(2, seed=seed)
        assert [fold.speakers for fold in folds] == [("a", "d"), ("b", "c")]


def test_same_seed_same_folds_and_seeds_matter() -> None:
    corpus = corpus_of(list("abcdefgh"))
    first, again = (corpus.speaker_folds(4, seed=1) for _ in range(2))
    assert [f.speakers for f in first] == [f.speakers for f in again]
    different = {tuple(f.speakers for f in corpus.speaker_folds(4, seed=s)) for s in range(10)}
    assert len(different) > 1


def test_unknown_speakers_are_refused_with_a_way_out() -> None:
    corpus = corpus_of(["a", "b", None])
    with pytest.raises(InputError, match=r"1 of 3 clips have no speaker.*0002\.wav.*speaker_patt"):
        corpus.leave_one_speaker_out()
    with pytest.raises(InputError, match="1 of 3 clips have no speaker"):
        corpus.speaker_folds(2)


def test_one_speaker_is_refused() -> None:
    with pytest.raises(InputError, match="the only speaker is a; expected at least two"):
        corpus_of(["a", "a"]).leave_one_speaker_out()


@pytest.mark.parametrize("n_folds", [0, 1, 3])
def test_number_of_folds_is_checked(n_folds: int) -> None:
    with pytest.raises(InputError, match=f"n_folds is {n_folds}; expected 2 to 2"):
        corpus_of(["a", "b"]).speaker_folds(n_folds)


def test_select() -> None:
    corpus = corpus_of(["a", "b", "a", "b"], ["anger", "anger", "happiness", "sadness"])
    chosen = corpus.select(emotions=["Wut", "joy"], speakers=["a"])
    assert chosen.table["emotion"].tolist() == ["anger", "happiness"]
    assert chosen.table.index.tolist() == [0, 1]
    assert (len(corpus), corpus.emotions) == (4, ("anger", "happiness", "sadness"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"emotions": ["fear"]}, "no emotion fear; expected some of anger, sadness"),
        ({"emotions": ["W"]}, "unknown emotion label 'W'"),
        ({"speakers": ["c"]}, "no speaker c; expected some of a, b"),
        ({"speakers": "a"}, r"expected a list of names, such as \['a'\]"),
        ({"speakers": ["b"], "emotions": ["anger"]}, "no clip has both"),
    ],
)
def test_select_what_is_not_there(options: dict[str, list[str]], message: str) -> None:
    corpus = corpus_of(["a", "b"], ["anger", "sadness"])
    with pytest.raises(InputError, match=message):
        corpus.select(**options)


def test_rows_are_sorted_and_the_given_table_is_left_alone() -> None:
    given_table = corpus_of(["a", "b", "c"]).table.iloc[::-1]
    before = given_table.copy()
    corpus = Corpus(name="x", licence="none", table=given_table)
    assert corpus.table["file"].is_monotonic_increasing
    assert corpus.table.index.tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(given_table, before)
    corpus.table.loc[0, "emotion"] = "fear"
    pd.testing.assert_frame_equal(given_table, before)


def test_table_is_validated() -> None:
    table = corpus_of(["a"]).table
    with pytest.raises(InputError, match="no column speaker, sentence; expected file"):
        Corpus(name="x", licence="", table=table.drop(columns=["speaker", "sentence"]))
    with pytest.raises(InputError, match="no clips"):
        Corpus(name="x", licence="", table=table.iloc[:0])
    with pytest.raises(InputError, match="emotion 'happy' is not canonical"):
        Corpus(name="x", licence="", table=table.assign(emotion="happy"))


def test_audio_is_the_named_part_of_the_file(tmp_path: Path) -> None:
    ramp = np.arange(8000, dtype=np.int16)
    soundfile.write(tmp_path / "ramp.wav", ramp, 8000)
    (tmp_path / "t.csv").write_text(
        "file,emotion,start,end\nramp.wav,anger,0.25,0.5\nramp.wav,joy,0.5,\n"
    )
    corpus = load_corpus(tmp_path / "t.csv")
    np.testing.assert_array_equal(
        corpus.audio(0, sample_rate=None).samples * 32768, np.arange(2000, 4000)
    )
    np.testing.assert_array_equal(
        corpus.audio(1, sample_rate=None).samples * 32768, np.arange(4000, 8000)
    )
    assert corpus.audio(0).sample_rate == 16_000
    for i in (-1, 2):
        with pytest.raises(InputError, match=f"no clip {i}; expected 0 to 1"):
            corpus.audio(i)


@pytest.mark.corpus
def test_real_leave_one_speaker_out(data_dir: Path) -> None:
    corpus = load_corpus(data_dir / "emodb-2s")
    splits = list(corpus.leave_one_speaker_out())
    assert len(splits) == 8
    for split in splits:
        names = [Path(corpus.table["file"].iloc[i]).name for i in split.test]
        assert all(name.startswith(split.speaker) for name in names)
