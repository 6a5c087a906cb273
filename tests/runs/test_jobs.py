"""Every job gives what its own room gives for a clip."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cuelens import EmoLime, FrequencyBands, InputError, load_model
from cuelens.corpora.load import demo_corpus
from cuelens.cues.measure import measure_cues
from cuelens.evaluate.explainers import explainer_named
from cuelens.evaluate.faithfulness import MEASURES, faithfulness_curves
from cuelens.evaluate.reliability import reliability
from cuelens.features.load_embedding import load_embedding
from cuelens.runs import (
    CueValues,
    Embeddings,
    Explanations,
    FaithfulnessValues,
    find_clips,
    run_corpus,
)
from cuelens.runs.clips import drawn
from cuelens.runs.fingerprint import fingerprint
from cuelens.units import TimeWindows

MODEL = "emodb-egemaps"
BANDS = EmoLime(units=FrequencyBands(n_bands=3))


@pytest.fixture(scope="module")
def clips():
    """The beginnings of two of the demo clips, of different lengths."""
    found = drawn(find_clips(demo_corpus()), 2)
    short = zip(found.clips, (0.8, 1.1), strict=True)
    return replace(found, clips=tuple(replace(clip, end_s=end_s) for clip, end_s in short))


@pytest.fixture(scope="module")
def explained(clips, tmp_path_factory):
    """A run of explanations."""
    job = Explanations(model=MODEL, explainer=BANDS)
    return run_corpus(clips, job, tmp_path_factory.mktemp("run") / "a", n_workers=0)


def test_explanations(clips, explained):
    model = load_model(MODEL)
    frame = explained.to_frame()
    assert len(frame) == 6
    for clip in clips.clips:
        rows = frame[frame["clip"] == clip.index]
        audio = clip.audio(sample_rate=model.sample_rate)
        known = BANDS.explain(model, audio)
        trust = reliability(known, model)
        np.testing.assert_allclose(rows["weight"], known.target_weights, atol=1e-12)
        for row, label in enumerate(known.labels):
            np.testing.assert_allclose(rows[f"weight_{label}"], known.weights[row], atol=1e-12)
            np.testing.assert_allclose(rows[f"output_{label}"], known.prediction[row], atol=1e-12)
        assert rows["unit"].tolist() == [unit.name for unit in known.units]
        assert rows["low_hz"].tolist() == [unit.low_hz for unit in known.units]
        assert set(rows["target"]) == {known.target}
        assert set(rows["n_model_calls"]) == {8}
        assert set(rows["sha256"]) == {audio.sha256}
        assert set(rows["share_of_random_orders_beaten"]) == {trust.beaten}
        assert set(rows["verdict"]) == {trust.verdict}
        assert rows["ci_low"].isna().all()  # exact
        total = rows["base_value"] + rows["weight"].sum()
        np.testing.assert_allclose(total, rows["output_value"], atol=1e-9)


def test_where_it_comes_from(explained):
    found = explained.manifest["provenance"]
    model = load_model(MODEL)
    assert found["labels"] == list(model.labels)
    assert found["model_fingerprint"] == fingerprint(model)
    assert "opensmile" in found["versions"]
    assert explained.manifest["job"]["explainer"].startswith("EmoLime(units=FrequencyBands(n_b")


def test_the_clips_own_emotion(clips, tmp_path):
    job = Explanations(model=MODEL, explainer=BANDS, target="truth")
    frame = run_corpus(clips, job, tmp_path, n_workers=0).to_frame()
    assert (frame["target"] == frame["emotion"]).all()
    unlabelled = find_clips([clip.file for clip in clips.clips])
    failed = run_corpus(unlabelled, job, tmp_path / "b", n_workers=0).failures()
    assert len(failed) == 2
    assert "its emotion is unknown" in failed["reason"].iloc[0]


def test_right_and_wrong(explained):
    clip = explained.to_frame().drop_duplicates("clip")
    assert (clip["correct"] == np.where(clip["answer"] == clip["emotion"], "right", "wrong")).all()


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Explanations(model="emodb-cn"), "emodb-cn"),
        (Explanations(model=MODEL, target="joyless"), "joyless"),
        (Explanations(model=MODEL, explainer=explainer_named("occlusion")), "looks inside"),
        (Embeddings(embedding="wav2vec9"), "wav2vec9"),
        (Embeddings(embedding="egemaps", layers=("seventh",)), "seventh"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(clips, tmp_path, job, words):
    with pytest.raises(InputError, match=words):
        run_corpus(clips, job, tmp_path / "new", n_workers=0)
    assert not (tmp_path / "new").exists()


def test_cues(clips, tmp_path):
    frame = run_corpus(clips, CueValues(), tmp_path, n_workers=0).to_frame()
    for clip in clips.clips:
        rows = frame[frame["clip"] == clip.index]
        known = measure_cues(clip.audio(sample_rate=16_000)).clip()
        assert rows["cue"].tolist() == [one.cue for one in known]
        np.testing.assert_array_equal(rows["value"], [one.value for one in known])
        assert rows["unit"].tolist() == [one.unit for one in known]


def test_embedding(clips, tmp_path):
    frame = run_corpus(clips, Embeddings(embedding="egemaps"), tmp_path, n_workers=0).to_frame()
    embedding = load_embedding("egemaps")
    for clip, vector in zip(clips.clips, frame["vector"], strict=True):
        known = embedding.embed([clip.audio(sample_rate=embedding.sample_rate).samples])[0]
        np.testing.assert_array_equal(vector, known)
    assert frame["vector"].iloc[0].dtype == np.float32


def test_embedding_of_a_model(clips, tmp_path):
    job = Embeddings(embedding=f"model:{MODEL}")
    assert len(run_corpus(clips, job, tmp_path, n_workers=0).to_frame()) == 2


def test_faithfulness(clips, tmp_path):
    job = FaithfulnessValues(
        explanations=Explanations(model=MODEL, explainer=BANDS), fills=("silence", "noise"), seed=3
    )
    frame = run_corpus(clips, job, tmp_path, n_workers=0).to_frame()
    assert frame["fill"].tolist() == ["silence", "noise"] * 2
    model = load_model(MODEL)
    clip = clips.clips[1]
    found = BANDS.explain(model, clip.audio(sample_rate=model.sample_rate))
    known = faithfulness_curves(found, model, fill="noise", seed=3).measures()
    np.testing.assert_allclose(
        frame.iloc[3][list(MEASURES)].astype(float), [known[name] for name in MEASURES], atol=1e-12
    )


def test_the_number_of_processes_changes_nothing(clips, explained, tmp_path):
    job = Explanations(model=MODEL, explainer=BANDS)
    run_corpus(clips, job, tmp_path, n_workers=2)
    ours, other = tmp_path, explained.folder
    assert (ours / "manifest.json").read_bytes() == (other / "manifest.json").read_bytes()
    for file in ("clips.parquet", "shards/00000.parquet"):
        assert (ours / file).read_bytes() == (other / file).read_bytes()


def test_windows_of_clips_of_several_lengths(clips, tmp_path):
    windows = EmoLime(units=TimeWindows(window_s=0.13), samples=40)
    job = Explanations(model=MODEL, explainer=windows)
    frame = run_corpus(clips, job, tmp_path, n_workers=0).to_frame()
    assert pd.api.types.is_float_dtype(frame["unit_start_s"])
    for clip in clips.clips:
        rows = frame[frame["clip"] == clip.index]
        assert (rows["ci_low"] <= rows["weight"]).all()
        assert rows["unit_end_s"].iloc[-1] == pytest.approx(rows["duration_s"].iloc[-1], abs=1e-3)
