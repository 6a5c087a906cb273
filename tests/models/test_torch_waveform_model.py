"""PyTorch networks of waveforms, against PyTorch itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from cuelens import CuelensWarning, InputError  # noqa: E402
from cuelens.models import Model, TorchWaveformModel, model_output  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402

LABELS = ("a", "b", "c")
CLIPS = [
    speech_like(duration_s=0.3),
    noise(duration_s=0.2),
    speech_like(f0_hz=200.0, duration_s=0.3),
    noise(duration_s=0.3, seed=1),
]


class Network(nn.Module):
    """Convolution, mean of squares over time, linear; a dropout that shows training mode."""

    def __init__(self, n_labels=3):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv1d(1, 8, 64, stride=16)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(8, n_labels)

    def forward(self, x):
        return self.linear(self.dropout(10 * self.convolution(x[:, None]).square().mean(dim=2)))


class OverBatch(nn.Module):
    """Takes the mean over the batch, as a norm that was left in training does."""

    def forward(self, x):
        power = x.square().mean(dim=1)
        shares = power / power.sum()
        return torch.stack([shares, 1 - shares], dim=1)


def model_of(module, labels=LABELS, **settings):
    return TorchWaveformModel(module=module, labels=labels, name="mine", **settings)


@pytest.mark.parametrize("given", ["logit", "value", "probability"])
def test_answers_are_those_of_the_network(given):
    network = Network()
    model = model_of(network.train(), network_output=given, sample_rate=22_050)
    answers = model.predict_proba(CLIPS)
    assert network.training
    assert network.dropout.training
    with torch.inference_mode():
        raw = torch.cat([network.eval()(torch.from_numpy(clip)[None]) for clip in CLIPS])
    expected = (raw.softmax(dim=1) if given == "logit" else raw).numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 0.01
    assert model_output(model) == ("value" if given == "value" else "probability")
    assert isinstance(model, Model)
    assert model.sample_rate == 22_050
    assert model.predict_proba([]).shape == (0, 3)


def test_logits_and_double_precision():
    network = Network().double()
    with_logits = nn.Module()
    with_logits.forward = lambda x: SimpleNamespace(logits=network(x))
    with_logits.inner = network
    one = model_of(network, network_output="logit").predict_proba(CLIPS)
    other = model_of(with_logits, network_output="logit").predict_proba(CLIPS)
    np.testing.assert_array_equal(one, other)
    with torch.inference_mode():
        raw = network.eval()(torch.from_numpy(CLIPS[0]).double()[None]).softmax(dim=1)
    np.testing.assert_allclose(one[:1], raw.numpy(), atol=1e-6)


def test_what_is_no_probability_has_to_be_said():
    with pytest.raises(InputError, match=r"do not add up to 1; say what they are, with output= in"):
        model_of(Network()).predict_proba(CLIPS)
    sure = nn.Sequential(Network(), nn.Softmax(dim=1))
    np.testing.assert_allclose(model_of(sure).predict_proba(CLIPS).sum(axis=1), 1.0, atol=1e-6)


def test_few_at_once_is_the_same():
    network = Network()
    many = model_of(network, network_output="logit").predict_proba(CLIPS)
    few = model_of(network, network_output="logit", batch_seconds=1e-3).predict_proba(CLIPS)
    np.testing.assert_allclose(few, many, atol=1e-6)


def test_a_network_that_mixes_clips_is_told():
    model = model_of(OverBatch(), ("a", "b"))
    with pytest.warns(CuelensWarning, match=r"mine answers a clip differently in a batch of 4"):
        model.predict_proba(CLIPS)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((2, 8000), np.float32), r"shape \(2, 8000\); expected \(n_samples,\)"),
        (noise()[:1000], r"1000 samples \(62 ms\); expected 1600 or more \(100 ms\)"),
        (np.zeros(0, np.float32), "0 samples"),
        (np.full(4000, np.inf, np.float32), "4000 samples that are NaN or infinite"),
    ],
)
def test_what_it_cannot_take_is_one_clear_line(waveform, message):
    model = model_of(Network(), network_output="logit", min_duration_s=0.1)
    with pytest.raises(InputError, match=message) as error:
        model.predict_proba([waveform])
    assert "\n" not in str(error.value)


def test_networks_that_do_not_fit():
    with pytest.raises(InputError, match=r"returned \(1, 2\); expected shape \(1, 3\)"):
        model_of(Network(2), network_output="logit").predict_proba(CLIPS[:1])
    with pytest.raises(InputError, match=r"shape \(1, 30\) \(.*Kernel.*; expected 64 samples or"):
        model_of(Network(), network_output="logit").predict_proba([noise()[:30]])
    pair = nn.Module()
    pair.forward = lambda x: (x, x)
    with pytest.raises(InputError, match="returned tuple; expected shape"):
        model_of(pair).predict_proba(CLIPS[:1])
    with pytest.raises(InputError, match="sample rate is 0; expected a whole number of Hz"):
        model_of(Network(), sample_rate=0)
