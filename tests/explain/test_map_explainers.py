"""What all explainers that look inside a network must do, and must leave alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
pytest.importorskip("crp")

from tests.explain.tiny_networks import (  # noqa: E402
    SMALL_PICTURES,
    Reduced,
    Untraceable,
    as_model,
    randomised,
)
from torch import nn  # noqa: E402

from cuelens import Audio, CallableModel, Explanation, InputError, load_model  # noqa: E402
from cuelens.errors import MissingExtraError  # noqa: E402
from cuelens.explain import MAP_EXPLAINERS, Occlusion  # noqa: E402
from cuelens.models.network import is_network  # noqa: E402
from cuelens.testing import speech_like  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
AUDIO = Audio(samples=speech_like(duration_s=0.5), sample_rate=16_000)


@pytest.fixture(params=MAP_EXPLAINERS)
def explainer(request):
    return MAP_EXPLAINERS[request.param]()


def used_network() -> nn.Module:
    """Half in training, half frozen, with gradients and a hook of its owner."""
    network = randomised(Reduced())
    network.train()
    network.bn1.eval()
    network.layer2.eval()
    network.conv1.requires_grad_(False)
    network.fc.weight.data[0].abs_()  # for Grad-CAM, which shows what is above zero
    network.fc.weight.grad = torch.full_like(network.fc.weight, 0.5)
    return network


def condition(network):
    return {
        "modes": [module.training for module in network.modules()],
        "gradients wanted": [p.requires_grad for p in network.parameters()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in network.parameters()],
        "state": {name: value.tolist() for name, value in network.state_dict().items()},
        "parameters": [id(p) for p in network.parameters()],
        "hooks": [
            [len(h) for h in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)]
            for m in network.modules()
        ],
        "forward": [m.__dict__.get("forward") for m in network.modules()],
        "gradients on": torch.is_grad_enabled(),
        "random": torch.random.get_rng_state().tolist(),
    }


def test_the_network_is_left_as_it_was(explainer):
    network = used_network()
    before = condition(network)
    first = explainer.explain(as_model(network), AUDIO)
    assert condition(network) == before
    assert np.ptp(first.map.values) > 0
    second = explainer.explain(as_model(network), AUDIO)
    np.testing.assert_array_equal(first.map.values, second.map.values)


@pytest.mark.parametrize("at_call", [1, 2, 3])
def test_the_network_is_left_as_it_was_by_an_exception(explainer, at_call):
    network = used_network()
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == at_call:
            raise ArithmeticError("from inside the network")

    network.layer1.conv2.register_forward_hook(fail)
    before = condition(network)
    with pytest.raises((ArithmeticError, InputError), match="from inside the network"):
        explainer.explain(as_model(network), AUDIO)
    assert condition(network) == before


def test_gradients_may_be_switched_off_around(explainer):
    network = randomised(Reduced())
    expected = explainer.explain(as_model(network), AUDIO)
    with torch.no_grad():
        found = explainer.explain(as_model(network), AUDIO)
    np.testing.assert_array_equal(found.map.values, expected.map.values)


def test_sums_and_json(explainer):
    """Weights are the map's sums, frame by frame; JSON keeps every bit."""
    found = explainer.explain(as_model(randomised(Reduced())), AUDIO, target="b")
    assert found.target == "b"
    expected = np.zeros((3, len(found.units)))
    for frame in range(found.map.values.shape[2]):
        time_s = round(frame * 0.015, 6)
        for column, unit in enumerate(found.units):
            last = column == len(found.units) - 1
            if unit.start_s <= time_s + 1e-9 and (last or time_s + 1e-9 < unit.end_s):
                expected[:, column] += found.map.values[:, :, frame].astype(float).sum(axis=1)
    scale = np.abs(found.map.values).max()
    np.testing.assert_allclose(found.weights, expected, rtol=0, atol=1e-6 * scale)
    logits = found.output
    probabilities = np.exp(logits - logits.max())
    np.testing.assert_allclose(found.prediction, probabilities / probabilities.sum(), atol=1e-5)
    again = Explanation.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    np.testing.assert_array_equal(again.map.values, found.map.values)
    np.testing.assert_array_equal(again.map.edges_hz, found.map.edges_hz)
    assert again.map.hop_s == found.map.hop_s


def test_a_network_whose_path_depends_on_values(explainer):
    model = as_model(Untraceable())
    if explainer.name in ("occlusion", "integrated-gradients"):
        assert np.ptp(explainer.explain(model, AUDIO).map.values) > 0
        return
    with pytest.raises(InputError, match=r"Untraceable cannot be traced .* instead") as error:
        explainer.explain(model, AUDIO)
    assert "\n" not in str(error.value)


def test_a_model_without_a_front_end(explainer):
    model = CallableModel(function=lambda w: np.full((len(w), 2), 0.5), labels=("a", "b"))
    with pytest.raises(InputError, match="callable is no network behind a front end"):
        explainer.explain(model, AUDIO)


def test_an_unknown_target(explainer):
    with pytest.raises(InputError, match="target is 'z'; expected one of the model's labels: a, b"):
        explainer.explain(as_model(randomised(Reduced())), AUDIO, target="z")


@pytest.mark.parametrize("name", ["grad-cam", "crp"])
@pytest.mark.parametrize("layer", ["nothing", "fc", "bn1"])
def test_an_unknown_layer(name, layer):
    explainer = MAP_EXPLAINERS[name](layer=layer)
    with pytest.raises(InputError, match=f"layer is '{layer}'; expected one .*: conv1, relu_1, "):
        explainer.explain(as_model(randomised(Reduced())), AUDIO)


def test_wrong_windows_are_refused_before_the_work(explainer):
    network = randomised(Reduced())
    network.register_forward_hook(lambda *_: calls.append(1))
    calls = []
    settings = type(explainer)(window_s=0.001)
    with pytest.raises(InputError, match=r"window_s is 0\.001 s; expected 0\.03 to 10 s"):
        settings.explain(as_model(network), AUDIO)
    assert not calls


def test_a_clip_in_which_nothing_sounds_to_the_model(explainer):
    """One faint click: below the -110 dB that the front end takes for silence."""
    samples = np.zeros(96_000, np.float32)
    samples[48_000] = 1.5e-4
    found = explainer.explain(
        load_model("emodb-cnn"), Audio(samples=samples, sample_rate=16_000), target="anger"
    )
    assert not found.map.values.any()
    assert not found.weights.any()
    np.testing.assert_allclose(found.prediction, 1 / len(found.labels))


class WithoutTorch:
    """As a network is where only ONNX Runtime is installed."""

    labels, sample_rate, front_end, name = ("a", "b", "c"), 16_000, SMALL_PICTURES, "onnx"

    def __init__(self, network):
        self._model = as_model(network)
        self.logits, self.predict_proba = self._model.logits, self._model.predict_proba

    @property
    def module(self):
        raise MissingExtraError("it", "torch")


def test_occlusion_needs_no_pytorch():
    network = randomised(Reduced())
    model = WithoutTorch(network)
    assert is_network(model)
    found = Occlusion().explain(model, AUDIO)
    expected = Occlusion().explain(as_model(network), AUDIO)
    np.testing.assert_allclose(found.map.values, expected.map.values, atol=1e-5)
    assert Occlusion().n_evaluations(model, AUDIO) == found.n_model_calls
    assert Occlusion().n_evaluations(CallableModel(function=len, labels=("a",)), AUDIO) is None


def test_deep_copies_share_nothing():
    """Guards this file: a condition that never changes would prove nothing."""
    network = used_network()
    before = condition(network)
    other = copy.deepcopy(network)
    assert condition(other) != before
    network.bn1.train()
    assert condition(network) != before
