from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.metrics import confusion_matrix, recall_score

from cuelens import InputError, load_corpus, load_model
from cuelens.models.evaluation import HeldOut
from cuelens.models.training import play_at, train
from cuelens.testing import speech_like, tone

RATE = 16_000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Four speakers of different pitch; "anger" is bright, "sadness" is dull."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for speaker, f0 in enumerate((100.0, 130.0, 190.0, 230.0)):
        for emotion, tilt in (("anger", -4.0), ("sadness", -14.0)):
            for take in range(4):
                file = folder / f"{speaker}{emotion}{take}.wav"
                samples = speech_like(
                    f0_hz=f0 * (1 + 0.03 * take), duration_s=0.6, tilt_db_per_octave=tilt, seed=take
                )
                soundfile.write(file, samples, RATE)
                rows.append({"file": file.name, "emotion": emotion, "speaker": f"s{speaker}"})
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return load_corpus(folder / "table.csv")


def test_held_out_figures_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=60)
    probabilities = rng.dirichlet(np.ones(3), size=60)
    held_out = HeldOut(
        labels=("a", "b", "c"),
        truth=truth,
        probabilities=probabilities,
        speakers=np.repeat(["x", "y", "z"], 20),
    )
    answer = probabilities.argmax(axis=1)
    np.testing.assert_array_equal(held_out.confusion, confusion_matrix(truth, answer))
    np.testing.assert_allclose(held_out.recall, recall_score(truth, answer, average=None))
    assert held_out.uar == pytest.approx(recall_score(truth, answer, average="macro"))
    low, high = held_out.uar_interval()
    assert low <= held_out.uar <= high


def test_playing_faster_raises_pitch_and_shortens():
    fast = play_at(tone(400.0, duration_s=1.0), 1.25)
    assert len(fast) == pytest.approx(RATE / 1.25, abs=2)
    loudest = np.abs(np.fft.rfft(fast)).argmax() * RATE / len(fast)
    assert loudest == pytest.approx(500.0, abs=3.0)


def test_training_a_linear_model(corpus, tmp_path):
    reports = []
    held_out = train(
        corpus,
        features="egemaps",
        out=tmp_path / "mine",
        progress=lambda what, done, total: reports.append((what, done, total)),
    )
    assert held_out.uar > 0.9  # the cue is plain
    model = load_model(tmp_path / "mine")
    assert model.labels == ("anger", "sadness")
    assert model.name == "mine"
    bright = speech_like(f0_hz=160.0, duration_s=0.6, tilt_db_per_octave=-4.0)
    assert model.labels[model.predict_proba([bright])[0].argmax()] == "anger"
    assert {what for what, _, _ in reports} == {
        "reading",
        "measuring features",
        "leaving speakers out",
        "training on all speakers",
    }
    assert all(0 <= done <= total for _, done, total in reports)
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == ["mine"]


def test_training_again_replaces_a_model_but_nothing_else(corpus, tmp_path):
    chapter = tmp_path / "thesis" / "chapter.txt"
    chapter.parent.mkdir()
    chapter.write_text("irreplaceable")
    (tmp_path / "thesis" / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds other files \(chapter\.txt\)"):
        train(corpus, features="egemaps", out=chapter.parent)
    with pytest.raises(InputError, match="is a file; expected a folder"):
        train(corpus, features="egemaps", out=chapter)
    assert chapter.read_text() == "irreplaceable"
    (tmp_path / "mine.part").mkdir()
    (tmp_path / "mine.part" / "note.txt").write_text("mine")
    train(corpus, features="egemaps", out=tmp_path / "mine")
    train(corpus, features="egemaps", out=tmp_path / "mine")
    assert (tmp_path / "mine.part" / "note.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "mine", "mine.part", "thesis"]


def test_an_emotion_of_one_speaker_is_refused(corpus, tmp_path):
    table = corpus.table.copy()
    table.loc[(table["speaker"] == "s0") & (table["emotion"] == "anger"), "emotion"] = "fear"
    with pytest.raises(InputError, match="only speaker s0 has fear"):
        train(replace(corpus, table=table), features="egemaps", out=tmp_path / "x")


def test_labels_without_a_signal_are_at_chance(corpus, tmp_path):
    rng = np.random.default_rng(0)
    table = corpus.table.copy()
    table["emotion"] = rng.permutation(table["emotion"].to_numpy())
    held_out = train(replace(corpus, table=table), features="egemaps", out=tmp_path / "shuffled")
    low, high = held_out.uar_interval()
    assert low < 0.5 < max(high, held_out.uar + 0.15)


def test_one_emotion_is_refused(corpus, tmp_path):
    with pytest.raises(InputError, match="has one emotion"):
        train(corpus.select(emotions=["anger"]), features="egemaps", out=tmp_path / "x")


@pytest.mark.slow
def test_training_the_network(corpus, monkeypatch):
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    from cuelens.models import cnn_training
    from cuelens.models.cnn_training import CnnRecipe, Schedule, fit, predict_windows, to_onnx
    from cuelens.models.log_mel_cnn import LogMelCnn
    from cuelens.models.training import _read

    monkeypatch.setattr(cnn_training, "_VARIANTS", (2, 3))  # of each clip; 24 take a minute
    schedule = Schedule(n_epochs=12, batch_size=16, mixup=0.2)
    recipe = CnnRecipe(seed=0, schedule=schedule)
    clips = _read(corpus, lambda *_: None)
    recipe.prepare(clips, lambda *_: None)
    before = torch.random.get_rng_state()
    everything = np.arange(len(clips.truth))
    state = fit(recipe._table, everything, schedule, 0)
    again = fit(recipe._table, everything, schedule, 0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(state[name], again[name]) for name in state)

    model = LogMelCnn(
        network=to_onnx(state, 2, recipe.front_end),
        labels=clips.labels,
        front_end=recipe.front_end,
    )
    windows, _ = recipe.front_end.windows(np.stack(clips.waveforms))
    inputs = recipe.front_end.inputs(windows[:, 0])
    expected = predict_windows(state, inputs)
    found = model.predict_proba(clips.waveforms)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Twelve epochs; how far they come depends on the number of threads.
    assert np.mean(found.argmax(axis=1) == clips.truth) > 0.85


def test_architecture_is_the_published_one(request):
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    from cuelens.models.resnet_small import ResNetSmall

    network = ResNetSmall()
    state = network.state_dict()
    assert sum(value.numel() for value in state.values()) == 290_860
    inputs = torch.zeros(2, 1, 128, 134)
    assert network.eval().embed(inputs).shape == (2, 128)
    assert network(inputs).shape == (2, 7)


@pytest.mark.corpus
def test_published_weights_fit_the_architecture(data_dir):
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    from cuelens.models.resnet_small import ResNetSmall

    for name in ("tess", "crema"):
        file = data_dir / "weights" / f"resnetsmall_{name}.pth"
        state = torch.load(file, weights_only=True, map_location="cpu")
        ResNetSmall().load_state_dict(state)
