from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from cuelens.audio import load_audio
from cuelens.corpora import load_corpus
from cuelens.errors import InputError
from cuelens.features import DVectors
from cuelens.features.d_vectors import preprocess, resemblyzer
from cuelens.testing import tone


def demo_clip(name):
    return load_audio(str(files("cuelens") / "demo_clips" / f"{name}.flac")).samples


@pytest.fixture(scope="module")
def clips():
    return [demo_clip(name) for name in ("de_female_anger", "de_male_sadness", "en_male_neutral")]


def slow_vector(waveform, state):
    """GE2E in NumPy: windows of 1.6 s, 0.77 s apart; LSTM; mean of the unit vectors."""
    n_frames = int(np.ceil((len(waveform) + 1) / 160))
    starts = list(range(0, max(1, n_frames - 160 + 77 + 1), 77))
    if len(starts) > 1 and (len(waveform) - 160 * starts[-1]) / 25_600 < 0.75:
        starts.pop()
    padded = np.pad(waveform, (0, max(0, 160 * (starts[-1] + 160) - len(waveform))))
    mel = librosa.feature.melspectrogram(y=padded, sr=16_000, n_fft=400, hop_length=160, n_mels=40)
    vectors = []
    for start in starts:
        x = mel.T[start : start + 160].astype(np.float64)
        for layer in range(3):
            w_in, w_hidden, b_in, b_hidden = (
                state[f"lstm.{kind}_l{layer}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            hidden, cell, out = np.zeros(256), np.zeros(256), []
            for frame in x:
                gates = w_in @ frame + b_in + w_hidden @ hidden + b_hidden
                i, f, o = (1 / (1 + np.exp(-gates[256 * k : 256 * (k + 1)])) for k in (0, 1, 3))
                cell = f * cell + i * np.tanh(gates[512:768])
                hidden = o * np.tanh(cell)
                out.append(hidden)
            x = np.array(out)
        raw = np.maximum(state["linear.weight"] @ x[-1] + state["linear.bias"], 0.0)
        vectors.append(raw / np.linalg.norm(raw))
    mean = np.mean(vectors, axis=0)
    return mean / np.linalg.norm(mean)


def test_vectors_are_those_of_a_slow_lstm(clips):
    weights = Path(resemblyzer.__file__).with_name("pretrained.pt")
    state = {
        key: value.numpy().astype(np.float64)
        for key, value in torch.load(weights, map_location="cpu", weights_only=True)[
            "model_state"
        ].items()
    }
    short = clips[0][:16_000]
    for clip in (clips[1], short):
        expected = slow_vector(preprocess(clip), state)
        np.testing.assert_allclose(DVectors().embed([clip])[0], expected, atol=2e-5)


def test_volume_is_raised_and_silence_cut_as_published(clips):
    quiet = 0.001 * clips[0]
    silence = np.zeros(16_000, np.float32)
    rms_db = 20 * np.log10(np.sqrt(np.mean(quiet.astype(np.float64) ** 2)))
    found = preprocess(np.concatenate([quiet, silence]))
    assert len(found) < len(quiet) + 8000  # of a second of silence, some is gone
    assert rms_db < -30
    assert 20 * np.log10(np.sqrt(np.mean(found.astype(np.float64) ** 2))) > -32
    loud = preprocess(clips[0])
    assert np.abs(loud).max() == pytest.approx(np.abs(clips[0]).max(), rel=1e-3)  # never lowered


def test_a_clip_has_the_same_vector_alone_and_among_others(clips):
    together = DVectors().embed_layers(clips)
    assert together.shape == (3, 1, 256)
    assert together.dtype == np.float32
    for row, clip in zip(together, clips, strict=True):
        np.testing.assert_array_equal(row, DVectors().embed_layers([clip])[0])


def test_waveforms_are_not_changed(clips):
    before = clips[0].copy()
    DVectors().embed([clips[0]])
    np.testing.assert_array_equal(clips[0], before)


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        (np.zeros(16_000, np.float32), "no speech found in a clip of 1.00 s"),
        (tone(50.0, duration_s=0.5, level=1e-4), "no speech found"),
        (np.ones(300, np.float32), "too short"),
        (np.full(16_000, np.inf, np.float32), "no numbers"),
    ],
)
def test_clips_without_speech_are_refused(samples, match):
    with pytest.raises(InputError, match=match):
        DVectors().embed([samples])


def test_recipe_names_package_and_weights():
    assert "resemblyzer 0." in DVectors().recipe
    assert len(DVectors().recipe.split()[-1]) == 64


@pytest.mark.corpus
def test_a_voice_is_nearer_to_itself_than_to_others(data_dir):
    corpus = load_corpus(data_dir / "emodb")
    rows = np.arange(0, len(corpus), 6)
    vectors = DVectors().embed([corpus.audio(int(row)).samples for row in rows])
    speaker = corpus.table["speaker"].to_numpy(str)[rows]
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1.0)
    assert np.mean(speaker[similarity.argmax(axis=1)] == speaker) > 0.7  # by chance: 0.13
