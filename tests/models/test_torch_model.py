"""PyTorch networks behind front ends: answers, trimming, and the published weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from torch import nn  # noqa: E402

from cuelens import InputError, load_audio, load_model  # noqa: E402
from cuelens.models import PublishedLogMel, TorchModel, WindowedLogMel  # noqa: E402
from cuelens.models.base import softmax  # noqa: E402
from cuelens.models.network import is_network  # noqa: E402
from cuelens.models.resnet_small import PUBLISHED_LABELS, ResNetSmall  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402


class Mean(nn.Module):
    """Logits: the mean of the picture, and 0; a dropout that shows training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)

    def forward(self, x):
        mean = self.dropout(x).mean(dim=(1, 2, 3))
        return torch.stack([mean, torch.zeros_like(mean)], dim=1)


@pytest.mark.parametrize("front_end", [WindowedLogMel(), PublishedLogMel()])
def test_answers_are_means_over_windows(front_end):
    model = TorchModel(module=Mean().train(), labels=("a", "b"), front_end=front_end)
    waveforms = [
        speech_like(duration_s=seconds).astype(np.float32) for seconds in (0.4, 2.0, 3.3, 4.0)
    ]
    waveforms.append(np.zeros(20_000, np.float32))
    answers = model.predict_proba(waveforms)
    for waveform, answer in zip(waveforms[:-1], answers, strict=False):
        shown = front_end.network_input(waveform)
        means = shown.values.astype(float).mean(axis=(1, 2, 3))
        expected = (1 / (1 + np.exp(-means))) @ shown.shares
        np.testing.assert_allclose(answer, [expected, 1 - expected], atol=1e-6)
    np.testing.assert_array_equal(answers[-1], [0.5, 0.5])
    assert model.module.training
    assert model.module.dropout.training
    assert is_network(model)
    assert model.predict_proba([]).shape == (0, 2)
    assert model.logits(np.empty((0, 1, 128, 134), np.float32)).shape == (0, 2)


def test_many_waveforms_are_answered_one_by_one():
    model = TorchModel(module=Mean(), labels=("a", "b"), front_end=WindowedLogMel())
    waveforms = [noise(duration_s=0.3, seed=seed) for seed in range(35)]
    together = model.predict_proba(waveforms)
    apart = np.concatenate([model.predict_proba([waveform]) for waveform in waveforms])
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_a_network_with_other_labels_is_refused():
    model = TorchModel(module=Mean(), labels=("a", "b", "c"), front_end=WindowedLogMel(), name="m")
    with pytest.raises(InputError, match=r"model m: the network returned shape \(1, 2\); expected"):
        model.predict_proba([noise(duration_s=0.3)])


def test_modes_are_restored_after_an_exception():
    network = nn.Sequential(nn.Dropout(), nn.Flatten(), nn.Linear(3, 2))
    network[0].eval()
    model = TorchModel(module=network, labels=("a", "b"), front_end=WindowedLogMel())
    with pytest.raises(RuntimeError):
        model.logits(np.zeros((1, 1, 128, 134), np.float32))
    assert [part.training for part in network.modules()] == [True, False, True, True]


def pasted(intervals):
    return np.concatenate([np.arange(first, last) for first, last in intervals])


def check_trimming(waveform):
    librosa = pytest.importorskip("librosa")
    longest = PublishedLogMel(duration_s=100.0)
    _, (first, last) = librosa.effects.trim(waveform, top_db=20)
    np.testing.assert_array_equal(longest.kept(waveform), np.arange(first, last))
    everywhere = PublishedLogMel(duration_s=100.0, trim="everywhere").kept(waveform)
    np.testing.assert_array_equal(everywhere, pasted(librosa.effects.split(waveform, top_db=20)))
    for trim in ("edges", "everywhere", "none"):
        front_end = PublishedLogMel(trim=trim)
        kept = front_end.kept(waveform)
        shown = librosa.util.fix_length(waveform[kept], size=32_000)
        power = librosa.feature.melspectrogram(
            y=shown, sr=16_000, n_fft=1024, win_length=480, hop_length=240, n_mels=128, norm=None,
            pad_mode="constant",
        )  # fmt: skip
        db = librosa.power_to_db(power, ref=np.max)
        found = front_end.network_input(waveform)
        np.testing.assert_allclose(found.values[0, 0], db, atol=2e-3)
        # Where the network sees sound, its time is that of the sample in the clip.
        frames = np.flatnonzero(np.arange(134) * 240 < len(kept))
        np.testing.assert_allclose(found.times_s[0, frames], kept[frames * 240] / 16_000)
        after = np.arange(134) * 240 >= len(kept) + 240
        assert np.isnan(found.times_s[0, after]).all()
        assert (found.values[0, 0][:, after] == -80.0).all()
        assert found.silence == -80.0


@pytest.mark.parametrize("seed", range(6))
def test_trimming_equals_librosa(seed):
    rng = np.random.default_rng(seed)
    waveform = 1e-3 * rng.standard_normal(rng.integers(9_000, 60_000))
    for _ in range(3):
        first = rng.integers(0, len(waveform) - 4_000)
        waveform[first : first + 3_000] += rng.uniform(0.05, 0.5) * rng.standard_normal(3_000)
    check_trimming(waveform.astype(np.float32))


@pytest.mark.corpus
def test_trimming_of_real_speech_equals_librosa(data_dir):
    for name in ("emodb/03a01Wa.flac", "tess/OAF_bar_angry.flac", "tess/YAF_bar_sad.flac"):
        check_trimming(load_audio(data_dir / name).samples)


@pytest.mark.parametrize("trim", ["edges", "everywhere", "none"])
def test_silence_gives_no_picture(trim):
    shown = PublishedLogMel(trim=trim).network_input(np.zeros(16_000, np.float32))
    assert shown.values.shape == (0, 1, 128, 134)
    assert shown.times_s.shape == (0, 134)
    assert shown.shares.shape == (0,)


def test_wrong_trimming_is_refused():
    with pytest.raises(InputError, match="trim is 'ends'; expected one of edges, everywhere, none"):
        PublishedLogMel(trim="ends")


@pytest.mark.corpus
def test_published_weights(data_dir, tmp_path):
    file = data_dir / "weights/resnetsmall_tess.pth"
    model = load_model(f"resnetsmall:{file}")
    assert model.labels == PUBLISHED_LABELS
    assert sum(value.numel() for value in model.module.state_dict().values()) == 290_860
    expected = torch.load(file, map_location="cpu", weights_only=True)
    torch.testing.assert_close(model.module.state_dict(), expected, rtol=0, atol=0)
    audio = load_audio(data_dir / "tess/OAF_bar_angry.flac")
    shown = model.front_end.network_input(audio.samples)
    network = ResNetSmall(7).eval()
    network.load_state_dict(expected)
    with torch.inference_mode():
        logits = network(torch.from_numpy(shown.values)).numpy()
    answer = model.predict_proba([audio.samples])
    np.testing.assert_allclose(answer, softmax(logits), atol=1e-6)
    assert model.labels[answer[0].argmax()] == "angry"

    safe = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(expected, safe)
    again = load_model(f"resnetsmall:{safe}?trim=none")
    torch.testing.assert_close(again.module.state_dict(), expected, rtol=0, atol=0)
    assert again.front_end.trim == "none"
    assert again.name == "weights"


@pytest.mark.corpus
def test_published_weights_know_their_corpus(data_dir):
    model = load_model(f"resnetsmall:{data_dir}/weights/resnetsmall_tess.pth")
    emotions = {"angry": "angry", "sad": "sad", "neutral": "neutral", "fear": "fear"}
    files = [
        (file, label)
        for word, label in emotions.items()
        for file in sorted((data_dir / "tess").glob(f"*_{word}.flac"))[:6]
    ]
    answers = model.predict_proba([load_audio(file).samples for file, _ in files]).argmax(axis=1)
    right = [model.labels[a] == label for a, (_, label) in zip(answers, files, strict=True)]
    assert np.mean(right) > 0.5  # of 7 labels


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a file of weights", "no weights of ResNetSmall"),
        ({"conv1.weight": torch.zeros(1)}, r"no weights of ResNetSmall \(Error\(s\) in loading"),
        (ResNetSmall(5).state_dict(), "no weights of ResNetSmall"),
        (None, "no such file; expected weights of ResNetSmall"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_refused(tmp_path, content, message, suffix):
    file = tmp_path / f"weights{suffix}"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        save = torch.save if suffix == ".pth" else safetensors.torch.save_file
        save(content, file)
    with pytest.raises(InputError, match=message) as error:
        load_model(f"resnetsmall:{file}")
    assert "\n" not in str(error.value)


@pytest.mark.corpus
def test_bundled_network_in_pytorch_equals_onnx(data_dir):
    model = load_model("emodb-cnn")
    assert is_network(model)
    for name in ("emodb/03a01Wa.flac", "emodb/03a01Nc.flac"):
        audio = load_audio(data_dir / name)
        shown = model.front_end.network_input(audio.samples)
        with torch.inference_mode():
            logits = model.module(torch.from_numpy(shown.values)).numpy()
        assert np.ptp(logits) > 1
        np.testing.assert_allclose(model.logits(shown.values), logits, rtol=0, atol=1e-4)
        answer = model.predict_proba([audio.samples])[0]
        np.testing.assert_allclose(answer, shown.shares @ softmax(logits), atol=1e-5)
    assert model.logits(shown.values[:0]).shape == (0, len(model.labels))


@pytest.mark.parametrize("duration_s", [0.3, 2.0, 2.4, 3.0, 4.7])
def test_pictures_of_windows_are_those_that_the_model_answers_to(duration_s):
    model = load_model("emodb-cnn")
    waveform = speech_like(duration_s=duration_s).astype(np.float32)
    waveform[: round(0.4 * len(waveform))] *= 1e-4  # so that a first window may hold no speech
    shown = model.front_end.network_input(waveform)
    expected = model.predict_proba([waveform])[0]
    np.testing.assert_allclose(shown.shares @ softmax(model.logits(shown.values)), expected)
    starts = [0, 16_000, 32_000, 43_200] if duration_s == 4.7 else None
    if starts:
        held = shown.times_s[:, 0] * 16_000
        assert set(held.round().astype(int)) <= set(starts)
        assert len(held) >= 2


def test_options_of_published_weights_are_read_like_those_of_other_models():
    with pytest.raises(InputError, match=r"model option 'cut=none'; expected .* of trim="):
        load_model("resnetsmall:weights.pth?cut=none")
    with pytest.raises(InputError, match="model option 'trim='; expected NAME=VALUE"):
        load_model("resnetsmall:weights.pth?trim=")
