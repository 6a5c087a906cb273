"""Relevance propagation: conserved at every layer, and equal to the rules written as loops."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("zennit")

from tests.explain import slow_lrp  # noqa: E402
from tests.explain.tiny_networks import Reduced, as_model, pictures, randomised  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from cuelens import load_audio, load_model  # noqa: E402
from cuelens.explain import LayerwiseRelevance  # noqa: E402
from cuelens.explain.lrp import epsilon_plus_flat  # noqa: E402
from cuelens.explain.network_graph import canonise, layer_shapes  # noqa: E402
from cuelens.models.resnet_small import ResNetSmall  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("pool", ["max", "average"])
def test_equals_the_rules_as_loops(pool):
    module = randomised(slow_lrp.Chain(pool))
    shown = pictures(1, 9, 11)
    found = LayerwiseRelevance().relevance(as_model(module, n_labels=2), shown, 0)
    for label in range(2):
        expected = slow_lrp.chain(module, shown.values[0], label)
        assert np.ptp(expected) > 1e-4
        np.testing.assert_allclose(found.cells[label, 0], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_rules_as_loops_where_branches_add_up(seed):
    module = randomised(slow_lrp.Branches(), seed=seed)
    shown = pictures(1, 9, 11, seed=seed)
    found = LayerwiseRelevance().relevance(as_model(module, n_labels=2), shown, 0)
    for label in range(2):
        expected = slow_lrp.branches(module, shown.values[0], label)
        scale = np.abs(expected).max()
        assert scale > 1e-4
        np.testing.assert_allclose(found.cells[label, 0], expected, rtol=0, atol=2e-3 * scale)


LAYERS = (  # every cut through ResNetSmall; parallel branches belong together
    ("fc",),
    ("pool_1",),
    ("relu_5",),
    ("add_2",),
    ("layer2.conv2", "layer2.shortcut"),
    ("relu_4", "layer2.shortcut"),
    ("layer2.conv1", "layer2.shortcut"),
    ("relu_3",),
    ("add_1",),
    ("layer1.conv2", "layer1.shortcut"),
    ("relu_2", "layer1.shortcut"),
    ("layer1.conv1", "layer1.shortcut"),
    ("pool",),
    ("relu_1",),
    ("conv1",),
    ("input",),
)


def kept_at_layers(module, picture, label):
    """Relevance that leaves each layer towards the picture, as a share of the logit."""
    graph = canonise(module)
    sums = {}
    x = torch.from_numpy(picture).requires_grad_()
    with epsilon_plus_flat().context(graph) as network:
        for name in {name for names in LAYERS for name in names} - {"input"}:

            def record(_module, _inputs, output, name=name):
                output.register_hook(lambda grad: sums.__setitem__(name, float(grad.sum())))

            graph.get_submodule(name).register_forward_hook(record)
        logits = network(x)
        start = torch.zeros_like(logits)
        start[:, label] = logits.detach()[:, label]
        (found,) = torch.autograd.grad(logits, x, grad_outputs=start)
    sums["input"] = float(found.sum())
    logit = float(logits.detach()[0, label])
    return logit, {names: sum(sums[name] for name in names) / logit for names in LAYERS}


@pytest.mark.corpus
@pytest.mark.parametrize("weights", ["tess", "crema"])
def test_published_network_conserves_relevance_at_each_layer(data_dir, weights):
    model = load_model(f"resnetsmall:{data_dir}/weights/resnetsmall_{weights}.pth")
    for clip in ("OAF_bar_angry", "OAF_bar_sad", "YAF_bar_fear", "YAF_bar_happy"):
        audio = load_audio(data_dir / f"tess/{clip}.flac")
        shown = model.front_end.network_input(audio.samples)
        target = int(model.logits(shown.values)[0].argmax())
        logit, kept = kept_at_layers(model.module, shown.values, target)
        for names, share in kept.items():
            assert share == pytest.approx(1.0, abs=0.05), (clip, names)
        found = LayerwiseRelevance().relevance(model, shown, target)
        assert found.cells[target].sum() == pytest.approx(kept["input",] * logit, rel=1e-3)
        assert found.parameters["relevance_kept"] == pytest.approx(kept["input",], abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_random_network_conserves_relevance_at_each_layer(seed):
    module = randomised(ResNetSmall(4), seed=seed)
    shown = pictures(1, 40, 52, seed=seed)
    logits = module(torch.from_numpy(shown.values)).detach().numpy()[0]
    label = int(np.abs(logits).argmax())
    _, kept = kept_at_layers(module, shown.values, label)
    for names, share in kept.items():
        assert share == pytest.approx(1.0, abs=0.05), names


def test_canonised_network_is_the_same_function():
    module = randomised(Reduced())
    shown = pictures(3, 20, 27)
    with torch.inference_mode():
        x = torch.from_numpy(shown.values)
        graph = canonise(module)
        torch.testing.assert_close(graph(x), module(x), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in graph.modules())
    assert sum(isinstance(part, nn.BatchNorm2d) for part in module.modules()) == 5


class Functions(nn.Module):
    """Pools, sums and averages written as functions; one convolution with two batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
        self.offset = nn.Parameter(torch.ones(1, 2, 1, 1))
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.conv1(x)), (2, 1), stride=2, padding=(1, 0))
        x = self.bn2(self.conv2(self.bn1(self.conv2(x)))) + self.offset
        x = functional.avg_pool2d(x.relu(), 2, 2, 1, True)
        return self.fc(functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def test_functions_become_modules_with_the_same_outcome():
    module = randomised(Functions())
    shown = pictures(2, 13, 16)
    with torch.inference_mode():
        x = torch.from_numpy(shown.values)
        graph = canonise(module)
        torch.testing.assert_close(graph(x), module(x), rtol=1e-5, atol=1e-5)
    kinds = [type(graph.get_submodule(f"pool_{i}")) for i in (1, 2, 3)]
    assert kinds == [nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d]
    # Cell i of the first pool looks at rows 2 i - 1 and 2 i, and at column 2 i.
    assert layer_shapes(graph, shown.values[:1]).centres["pool_1"] == ((-0.5, 2.0), (0.0, 2.0))
