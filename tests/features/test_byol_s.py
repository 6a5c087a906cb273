from __future__ import annotations

import hashlib
import os

import librosa
import numpy as np
import pytest
import torch

from cuelens.corpora import download, load_corpus
from cuelens.errors import CuelensError, InputError
from cuelens.features import byol_s
from cuelens.features.byol_s import ByolS, ByolSEncoder, log_mel, log_mel_statistics
from cuelens.testing import noise, speech_like

CLIP = speech_like(duration_s=0.25)


@pytest.fixture
def weights(tmp_path):
    """Random weights, batch norms far from doing nothing."""
    torch.manual_seed(0)
    encoder = ByolSEncoder()
    for layer in encoder.features:
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
    file = tmp_path / "weights.pth"
    torch.save(encoder.state_dict(), file)
    return file


@pytest.mark.parametrize("win_length", [400, 1024])
@pytest.mark.parametrize("n_samples", [1120, 4000, 16_001])
def test_log_mel_is_librosas_with_the_same_settings(win_length, n_samples):
    samples = speech_like(duration_s=1.5)[:n_samples]
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=16_000,
        n_fft=1024,
        win_length=win_length,
        hop_length=160,
        n_mels=64,
        fmin=60,
        fmax=7800,
        htk=True,
        norm=None,
        pad_mode="reflect",
    )
    expected = np.log(power + np.finfo(np.float32).eps)
    np.testing.assert_allclose(log_mel(samples, win_length=win_length), expected, atol=2e-4)


def test_log_mel_is_that_of_a_slow_loop():
    win_length, n_fft = 400, 1024
    padded = np.concatenate([CLIP[512:0:-1], CLIP, CLIP[-2:-514:-1]]).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length)
    mels = np.linspace(*(2595 * np.log10(1 + hz / 700) for hz in (60, 7800)), 66)
    edges_hz = 700 * (10 ** (mels / 2595) - 1)
    expected = np.empty((64, 1 + len(CLIP) // 160))
    for t in range(expected.shape[1]):
        frame = np.zeros(n_fft)
        frame[312:712] = padded[160 * t + 312 : 160 * t + 712] * window
        power = np.abs(np.fft.rfft(frame)) ** 2
        for m in range(64):
            low, mid, high = edges_hz[m : m + 3]
            energy = 0.0
            for k, p in enumerate(power):
                hz = k * 16_000 / n_fft
                if low < hz < high:
                    energy += p * (
                        (hz - low) / (mid - low) if hz < mid else (high - hz) / (high - mid)
                    )
            expected[m, t] = np.log(energy + np.finfo(np.float32).eps)
    np.testing.assert_allclose(log_mel(CLIP), expected, atol=1e-4)


def slow_conv(x, weight, bias):
    n_out, _, height, width = len(weight), *x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.empty((n_out, height, width))
    for i in range(height):
        for j in range(width):
            patch = padded[:, i : i + 3, j : j + 3]
            y[:, i, j] = np.tensordot(weight, patch, 3) + bias
    return y


def slow_pool(x):
    _, height, width = x.shape
    y = np.empty((len(x), height // 2, width // 2))
    for i in range(height // 2):
        for j in range(width // 2):
            y[:, i, j] = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
    return y


def test_network_layer_by_layer_is_the_slow_one(weights):
    embedding = ByolS(weights=weights, mean=-4.0, std=3.0)
    state = {
        key: value.numpy().astype(np.float64)
        for key, value in torch.load(weights, weights_only=True).items()
    }
    seen = {}
    encoder = embedding.encoder
    for index in (3, 7, 11):
        encoder.features[index].register_forward_hook(
            lambda _module, _args, out, index=index: seen.update({index: out[0].numpy().copy()})
        )
    found = embedding.embed([CLIP])[0]
    x = ((log_mel(CLIP) + 4.0) / 3.0).astype(np.float64)[None]
    for conv in (0, 4, 8):
        x = slow_conv(x, state[f"features.{conv}.weight"], state[f"features.{conv}.bias"])
        norm = {
            key: state[f"features.{conv + 1}.{key}"][:, None, None]
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        x = (x - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5)
        x = slow_pool(np.maximum(x * norm["weight"] + norm["bias"], 0.0))
        np.testing.assert_allclose(seen[conv + 3], x, rtol=1e-4, atol=1e-4)
    vectors = []
    for t in range(x.shape[2]):
        flat = np.array([x[channel, mel, t] for mel in range(8) for channel in range(64)])
        hidden = np.maximum(state["fc.0.weight"] @ flat + state["fc.0.bias"], 0.0)
        vectors.append(np.maximum(state["fc.3.weight"] @ hidden + state["fc.3.bias"], 0.0))
    expected = np.max(vectors, axis=0) + np.mean(vectors, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_clip_has_the_same_vector_alone_and_among_others(weights):
    clips = [noise(seed=seed)[:n] for seed, n in enumerate((16_000, 5000, 1120, 16_000))]
    embedding = ByolS(weights=weights)
    together = embedding.embed_layers(clips)
    assert together.shape == (4, 1, 512)
    assert together.dtype == np.float32
    for row, clip in zip(together, clips, strict=True):
        np.testing.assert_array_equal(row, embedding.embed_layers([clip])[0])


def test_threads_are_set_back(weights):
    before = torch.get_num_threads()
    ByolS(weights=weights).embed([CLIP])
    with pytest.raises(InputError):
        ByolS(weights=weights).embed([CLIP[:5]])
    assert torch.get_num_threads() == before


def test_statistics_are_means_over_clips():
    clips = [speech_like(duration_s=0.5), 0.01 * noise()[:3000]]
    found = log_mel_statistics(clips)
    spectrograms = [torch.from_numpy(log_mel(clip)) for clip in clips]
    assert found.mean == pytest.approx(np.mean([float(s.mean()) for s in spectrograms]), abs=1e-4)
    assert found.std == pytest.approx(np.mean([float(s.std()) for s in spectrograms]), abs=1e-4)
    embedding = ByolS.normalised_by(clips)
    assert (embedding.mean, embedding.std) == found


def test_recipe_tells_apart_what_gives_other_vectors(weights, tmp_path):
    others = tmp_path / "others.pth"
    torch.save(ByolSEncoder().state_dict(), others)
    recipes = {
        ByolS(weights=weights).recipe,
        ByolS(weights=others).recipe,
        ByolS(weights=weights, mean=-3.0).recipe,
        ByolS(weights=weights, std=3.0).recipe,
        ByolS(weights=weights, win_length=1024).recipe,
    }
    assert len(recipes) == 5
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in ByolS(weights=weights).recipe


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        (np.zeros(1119, np.float32), "expected one channel of 1120 samples"),
        (np.zeros((2, 2000), np.float32), "expected one channel"),
        (np.full(2000, np.nan, np.float32), "no numbers"),
    ],
)
def test_impossible_waveforms_are_refused(weights, samples, match):
    with pytest.raises(InputError, match=match):
        ByolS(weights=weights).embed([samples])


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="std above 0"):
        ByolS(std=0.0)
    with pytest.raises(InputError, match="win_length is 2000"):
        ByolS(win_length=2000)
    with pytest.raises(InputError, match="expected at least one"):
        log_mel_statistics([])


def test_files_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        ByolS(weights=tmp_path / "none.pth").embed([CLIP])
    file = tmp_path / "other.pth"
    torch.save({"fc.0.weight": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="no weights of BYOL-S"):
        ByolS(weights=file).embed([CLIP])
    torch.save(os.system, file)  # a pickle that could run something
    with pytest.raises(InputError, match="no weights of BYOL-S"):
        ByolS(weights=file).embed([CLIP])


@pytest.fixture
def published(weights, monkeypatch):
    """The random weights as if they were the published ones."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setattr(byol_s, "WEIGHTS_SHA256", digest)
    monkeypatch.delenv("CUELENS_DATA", raising=False)
    return weights


def test_weights_are_found_among_the_data_before_they_are_downloaded(
    published, tmp_path, monkeypatch
):
    monkeypatch.setattr(byol_s, "fetch", lambda *_: pytest.fail("downloaded"))
    folder = tmp_path / "data" / "weights"
    folder.mkdir(parents=True)
    file = folder / "byols_default512.pth"
    file.write_bytes(published.read_bytes())
    monkeypatch.setenv(
        "CUELENS_DATA", os.pathsep.join([str(tmp_path / "none"), str(folder.parent)])
    )
    assert byol_s.published_weights() == file
    file.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"checksum is .* expected"):
        ByolS().embed([CLIP])


def test_weights_are_downloaded_once(published, tmp_path, monkeypatch):
    calls = []

    def fetched(files, folder):
        calls.append(files[0].url)
        folder.mkdir(parents=True)
        (folder / files[0].path).write_bytes(published.read_bytes())

    monkeypatch.setattr(byol_s, "fetch", fetched)
    first = ByolS().embed([CLIP])
    np.testing.assert_array_equal(ByolS().embed([CLIP]), first)
    np.testing.assert_array_equal(ByolS(weights=published).embed([CLIP]), first)
    assert calls == [byol_s.WEIGHTS.url]
    assert calls[0].startswith("https://github.com/Neclow/SERAB/raw/")


def test_without_a_connection_the_error_says_where_from(published, monkeypatch):
    import requests

    def unreachable(*_args, **_options):
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "get", unreachable)
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    with pytest.raises(CuelensError, match=r"Neclow/SERAB.*ConnectionError.*check the connection"):
        ByolS().embed([CLIP])


@pytest.fixture(scope="module")
def real_weights(data_dir):
    file = data_dir / "weights" / "byols_default512.pth"
    if not file.is_file():
        pytest.skip(f"no real speech: {file} is missing")
    return file


@pytest.mark.corpus
def test_the_published_weights_are_those_expected(real_weights):
    content = real_weights.read_bytes()
    assert hashlib.sha256(content).hexdigest() == byol_s.WEIGHTS_SHA256
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == byol_s.WEIGHTS.md5
    assert len(content) == byol_s.WEIGHTS.n_bytes


@pytest.mark.corpus
def test_window_is_the_one_the_weights_were_trained_with(data_dir, real_weights):
    """The published statistics of EmoDB are met with 400 samples, and not with 1024."""
    corpus = load_corpus(data_dir / "emodb")
    clips = [corpus.audio(row).samples for row in range(0, len(corpus), 8)]
    mean, std = log_mel_statistics(clips)
    assert mean == pytest.approx(-2.693, abs=0.35)
    assert std == pytest.approx(4.103, abs=0.2)
    assert log_mel_statistics(clips, win_length=1024).mean > -2.0


@pytest.mark.corpus
def test_vectors_tell_anger_from_sadness_of_other_speakers(data_dir, real_weights):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    corpus = load_corpus(data_dir / "emodb").select(emotions=["anger", "sadness"])
    rows = np.arange(0, len(corpus), 2)
    vectors = ByolS(weights=real_weights).embed([corpus.audio(int(row)).samples for row in rows])
    label = corpus.table["emotion"].to_numpy(str)[rows]
    speaker = corpus.table["speaker"].to_numpy(str)[rows]
    right = []
    for name in corpus.speakers:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        model.fit(vectors[speaker != name], label[speaker != name])
        right.extend(model.predict(vectors[speaker == name]) == label[speaker == name])
    assert np.mean(right) > 0.95
