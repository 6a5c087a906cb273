"""Tables written by hand from the published naming rules of each corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cuelens.corpora import LAYOUTS, load_corpus
from cuelens.errors import InputError

WriteClip = Callable[..., Path]


def rows(folder: Path, *columns: str) -> dict[str, tuple[object, ...]]:
    """File name to the given columns."""
    table = load_corpus(folder).table
    return {
        Path(file).name: tuple(values)
        for file, *values in table[["file", *columns]].itertuples(index=False, name=None)
    }


def test_emodb(tmp_path: Path, write_clip: WriteClip) -> None:
    # http://emodb.bilderbar.info: speaker, text, emotion (German initial), version
    expected = {
        "03a01Wa.wav": ("03", "anger", "a01", "a", "male"),
        "08b10Lb.wav": ("08", "boredom", "b10", "b", "female"),
        "09a05Ea.wav": ("09", "disgust", "a05", "a", "female"),
        "10b02Aa.wav": ("10", "fear", "b02", "a", "male"),
        "11a02Fc.wav": ("11", "happiness", "a02", "c", "male"),
        "12a07Ta.flac": ("12", "sadness", "a07", "a", "male"),
        "13b09Nd.wav": ("13", "neutral", "b09", "d", "female"),
        "14a04Wc.WAV": ("14", "anger", "a04", "c", "female"),
        "15b01Nb.wav": ("15", "neutral", "b01", "b", "male"),
        "16b03Tf.wav": ("16", "sadness", "b03", "f", "female"),
    }
    for name in expected:
        write_clip(tmp_path / "wav" / name)
    assert rows(tmp_path, "speaker", "emotion", "sentence", "version", "sex") == expected


def test_emodb_laryngograms_are_left_out(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "audio/03a01Wa.wav")
    write_clip(tmp_path / "laryngo/03a01Wa.wav")
    corpus = load_corpus(tmp_path)
    assert len(corpus) == 1
    assert corpus.notes == ("1 files left out: laryngograms, not speech",)


def test_ravdess(tmp_path: Path, write_clip: WriteClip) -> None:
    # https://zenodo.org/records/1188976: modality, channel, emotion, intensity, statement,
    # repetition, actor (odd: male)
    expected = {
        "03-01-01-01-01-01-01.wav": ("01", "neutral", "01", "normal", 1, "male"),
        "03-01-02-01-02-02-02.wav": ("02", "calm", "02", "normal", 2, "female"),
        "03-01-03-02-01-01-03.wav": ("03", "happiness", "01", "strong", 1, "male"),
        "03-01-04-01-01-01-14.wav": ("14", "sadness", "01", "normal", 1, "female"),
        "03-01-05-02-02-02-24.wav": ("24", "anger", "02", "strong", 2, "female"),
        "03-01-06-01-01-02-23.wav": ("23", "fear", "01", "normal", 2, "male"),
        "03-01-07-01-02-01-10.flac": ("10", "disgust", "02", "normal", 1, "female"),
        "03-01-08-02-01-01-09.wav": ("09", "surprise", "01", "strong", 1, "male"),
    }
    for name in expected:
        write_clip(tmp_path / f"Actor_{name[18:20]}" / name)
    assert (
        rows(tmp_path, "speaker", "emotion", "sentence", "intensity", "repetition", "sex")
        == expected
    )


def test_ravdess_song_and_video_sound_are_left_out(tmp_path: Path, write_clip: WriteClip) -> None:
    for name in ("03-01-05-01-01-01-02", "03-02-05-01-01-01-02", "01-01-05-01-01-01-02"):
        write_clip(tmp_path / f"{name}.wav")
    corpus = load_corpus(tmp_path)
    assert [Path(file).stem for file in corpus.table["file"]] == ["03-01-05-01-01-01-02"]
    assert any("1 files left out: sung" in note for note in corpus.notes)
    assert any("1 files left out: sound of a video" in note for note in corpus.notes)


def test_tess(tmp_path: Path, write_clip: WriteClip) -> None:
    # https://doi.org/10.5683/SP2/E8H2MF; OA_bite_neutral is a slip in the release
    expected = {
        "OAF_back_angry.wav": ("OAF", "anger", "back", 64),
        "YAF_bar_disgust.wav": ("YAF", "disgust", "bar", 26),
        "OAF_base_fear.wav": ("OAF", "fear", "base", 64),
        "YAF_bath_happy.wav": ("YAF", "happiness", "bath", 26),
        "OA_bite_neutral.wav": ("OAF", "neutral", "bite", 64),
        "YAF_beg_ps.wav": ("YAF", "surprise", "beg", 26),
        "OAF_bone_sad.flac": ("OAF", "sadness", "bone", 64),
    }
    for name in expected:
        write_clip(tmp_path / "TESS" / "some_folder" / name)
    assert rows(tmp_path, "speaker", "emotion", "sentence", "age") == expected


def test_crema_d(tmp_path: Path, write_clip: WriteClip) -> None:
    # https://github.com/CheyneyComputerScience/CREMA-D
    expected = {
        "1001_DFA_ANG_XX.wav": ("1001", "anger", "DFA", "unspecified", "male", 51),
        "1002_IEO_DIS_LO.wav": ("1002", "disgust", "IEO", "low", "female", 21),
        "1002_IEO_FEA_MD.wav": ("1002", "fear", "IEO", "medium", "female", 21),
        "1001_IEO_HAP_HI.wav": ("1001", "happiness", "IEO", "high", "male", 51),
        "1001_WSI_NEU_XX.wav": ("1001", "neutral", "WSI", "unspecified", "male", 51),
        "1002_ITH_SAD_X.wav": ("1002", "sadness", "ITH", "unspecified", "female", 21),
    }
    for name in expected:
        write_clip(tmp_path / "AudioWAV" / name)
    write_clip(tmp_path / "AudioMP3" / "1001_DFA_ANG_XX.ogg")
    (tmp_path / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n'
        '1002,21,"Female","Caucasian","Not Hispanic"\n'
    )
    columns = ("speaker", "emotion", "sentence", "intensity", "sex", "age")
    assert rows(tmp_path, *columns) == expected
    assert rows(tmp_path / "AudioWAV", *columns) == expected
    assert load_corpus(tmp_path).notes == ("1 files outside AudioWAV left out",)


def test_crema_d_without_demographics(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "1001_DFA_ANG_XX.wav")
    assert "sex" not in load_corpus(tmp_path).table.columns


def test_savee_in_folders_and_in_names(tmp_path: Path, write_clip: WriteClip) -> None:
    # http://kahlan.eps.surrey.ac.uk/savee: AudioData/SPEAKER/emotion + number
    names = {
        "DC/a01": ("DC", "anger", "a01"),
        "JE/d15": ("JE", "disgust", "d15"),
        "JK/f03": ("JK", "fear", "f03"),
        "KL/h02": ("KL", "happiness", "h02"),
        "DC/n30": ("DC", "neutral", "n30"),
        "JE/sa04": ("JE", "sadness", "sa04"),
        "KL/su05": ("KL", "surprise", "su05"),
    }
    for name in names:
        write_clip(tmp_path / "folders/AudioData" / f"{name}.wav")
        write_clip(tmp_path / "flat" / f"{name.replace('/', '_')}.wav")
    columns = ("speaker", "emotion", "sentence")
    in_folders = {
        f"{Path(file).parent.name}/{Path(file).stem}": tuple(values)
        for file, *values in load_corpus(tmp_path / "folders")
        .table[["file", *columns]]
        .itertuples(index=False, name=None)
    }
    assert in_folders == names
    flat = rows(tmp_path / "flat", *columns)
    assert flat == {f"{name.replace('/', '_')}.wav": values for name, values in names.items()}


EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\tfru\t[2.0000, 3.5000, 4.0000]
[14.8872 - 18.0175]\tSes01F_impro01_F001\txxx\t[2.5000, 3.5000, 3.5000]
[19.2900 - 20.7875]\tSes01F_impro01_M001\toth\t[2.5000, 3.5000, 3.5000]
[21.3257 - 24.7400]\tSes01F_impro01_F002\texc\t[4.5000, 4.0000, 3.0000]
"""


def iemocap(root: Path, evaluation: str = EVALUATION) -> Path:
    labels = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text(evaluation)
    (labels.parent / "Categorical").mkdir()
    (labels.parent / "Categorical/Ses01F_impro01_e2_cat.txt").write_text("not a summary")
    return root


def test_iemocap_sentences(tmp_path: Path, write_clip: WriteClip) -> None:
    iemocap(tmp_path)
    for utterance in ("F000", "M000", "F001", "M001", "F002"):
        write_clip(
            tmp_path / f"Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{utterance}.wav"
        )
    corpus = load_corpus(tmp_path)
    columns = ("speaker", "emotion", "sex", "valence", "activation", "dominance", "dialog")
    assert rows(tmp_path, *columns) == {
        "Ses01F_impro01_F000.wav": (
            *("Ses01F", "neutral", "female", 2.5, 2.5, 2.5),
            "Ses01F_impro01",
        ),
        "Ses01F_impro01_M000.wav": (
            *("Ses01M", "frustration", "male", 2.0, 3.5, 4.0),
            "Ses01F_impro01",
        ),
        "Ses01F_impro01_F002.wav": (
            *("Ses01F", "excitement", "female", 4.5, 4.0, 3.0),
            "Ses01F_impro01",
        ),
    }
    assert corpus.notes == (
        "1 utterances labelled xxx left out: no agreement between annotators",
        "1 utterances labelled oth left out: an emotion outside the list",
    )
    assert corpus.table["end"].isna().all()


def test_iemocap_falls_back_to_the_dialogue(tmp_path: Path, write_clip: WriteClip) -> None:
    root = iemocap(tmp_path / "IEMOCAP_full_release")
    write_clip(root / "Session1/dialog/wav/Ses01F_impro01.wav", duration_s=30.0)
    corpus = load_corpus(tmp_path)
    assert corpus.table[["start", "end", "emotion"]].to_numpy().tolist() == [
        [6.2901, 8.2357, "neutral"],
        [10.01, 11.3925, "frustration"],
        [21.3257, 24.74, "excitement"],
    ]
    assert corpus.audio(0, sample_rate=None).duration_s == pytest.approx(8.2357 - 6.2901, abs=2e-4)
    assert "3 utterances are read from the recording of the dialogue" in corpus.notes


def test_iemocap_unknown_code_is_refused(tmp_path: Path, write_clip: WriteClip) -> None:
    iemocap(tmp_path, EVALUATION.replace("\tneu\t", "\tjoy\t"))
    write_clip(tmp_path / "Session1/dialog/wav/Ses01F_impro01.wav", duration_s=30.0)
    with pytest.raises(InputError, match=r"unknown emotion code 'joy' of Ses01F_impro01_F000.*neu"):
        load_corpus(tmp_path)


def test_iemocap_without_labels_is_refused(tmp_path: Path, write_clip: WriteClip) -> None:
    write_clip(tmp_path / "Session1/dialog/wav/Ses01F_impro01.wav")
    with pytest.raises(InputError, match=r"EmoEvaluation.*unpack the full release"):
        load_corpus(tmp_path)


def test_files_named_otherwise_are_left_out_and_said(tmp_path: Path, write_clip: WriteClip) -> None:
    for name in ("03a01Wa", "08a01Na", "room_tone"):
        write_clip(tmp_path / f"{name}.wav")
    corpus = load_corpus(tmp_path)
    assert len(corpus) == 2
    assert "1 audio files left out" in corpus.notes[0]
    assert "room_tone.wav" in corpus.notes[0]


def test_every_layout_says_licence_and_how_to_get_it() -> None:
    assert list(LAYOUTS) == ["emodb", "ravdess", "tess", "crema-d", "savee", "iemocap"]
    frame = pd.DataFrame([vars(layout) for layout in LAYOUTS.values()])
    columns = ["title", "licence", "permits", "citation", "homepage", "how_to_get", "language"]
    assert (frame[columns].map(len) > 3).all(axis=None)


@pytest.mark.corpus
def test_real_emodb_2s(data_dir: Path) -> None:
    corpus = load_corpus(data_dir / "emodb-2s")
    assert (len(corpus), len(corpus.speakers), len(corpus.emotions)) == (408, 8, 7)
    assert corpus.name == "emodb-2s"
    assert corpus.notes == ()


@pytest.mark.corpus
def test_real_ravdess(data_dir: Path) -> None:
    corpus = load_corpus(data_dir / "ravdess")
    assert (len(corpus), len(corpus.speakers), len(corpus.emotions)) == (1200, 20, 8)
    # 60 per actor: 4 neutral, 8 of each other emotion
    assert corpus.table.groupby("speaker").size().eq(60).all()
    assert corpus.table["emotion"].value_counts()["neutral"] == 80
    assert corpus.table["emotion"].value_counts().drop("neutral").eq(160).all()


@pytest.mark.corpus
def test_real_tess(data_dir: Path) -> None:
    corpus = load_corpus(data_dir / "tess")
    assert (len(corpus), corpus.speakers, len(corpus.emotions)) == (839, ("OAF", "YAF"), 7)
    table = corpus.table.set_index(corpus.table["file"].map(lambda file: Path(file).stem))
    assert table.loc["OA_bite_neutral", "speaker"] == "OAF"
    assert table["sentence"].nunique() == 60
