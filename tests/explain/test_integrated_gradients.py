"""Integrated gradients: exact for linear networks, equal to a slow loop, and complete."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from tests.explain.tiny_networks import Reduced, as_model, pictures, randomised  # noqa: E402
from torch import nn  # noqa: E402

from cuelens import InputError, load_audio, load_model  # noqa: E402
from cuelens.explain import IntegratedGradients  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def along_the_path(module, picture, silence, label, nodes, weights):
    """Equation 1 of the paper, one node at a time, in double precision; nodes in [0, 1]."""
    module = module.double()
    end = torch.from_numpy(picture).double()
    start = torch.full_like(end, silence)
    total = torch.zeros_like(end)
    for node, weight in zip(nodes, weights, strict=True):
        x = (start + node * (end - start)).requires_grad_()
        (gradient,) = torch.autograd.grad(module(x[None])[0, label], x)
        total += weight * gradient
    module.float()
    return ((end - start) * total).numpy()[0]


def test_is_exact_for_a_linear_network():
    network = nn.Sequential(nn.Flatten(), nn.Linear(5 * 7, 3))
    shown = pictures(2, 5, 7)
    found = IntegratedGradients(n_steps=8).relevance(as_model(network), shown, 1)
    weights = network[1].weight.detach().numpy().reshape(3, 1, 5, 7)
    np.testing.assert_allclose(found.cells, weights * (shown.values[:, 0] + 2.0), atol=1e-5)
    silent = network(torch.full((1, 1, 5, 7), -2.0)).detach().numpy()[0]
    np.testing.assert_allclose(found.base, np.stack([silent, silent], axis=1), atol=1e-6)


def test_equals_a_slow_loop():
    module, shown = randomised(Reduced()), pictures(1, 20, 26)
    found = IntegratedGradients(n_steps=32).relevance(as_model(module), shown, 0)
    nodes, weights = np.polynomial.legendre.leggauss(32)
    label = 1  # not the target: as many steps as asked for
    expected = along_the_path(module, shown.values[0], -2.0, label, (1 + nodes) / 2, weights / 2)
    np.testing.assert_allclose(found.cells[label, 0], expected, rtol=0, atol=1e-5)
    middle = (np.arange(2000) + 0.5) / 2000
    fine = along_the_path(module, shown.values[0], -2.0, label, middle, np.full(2000, 1 / 2000))
    assert np.abs(found.cells[label, 0] - fine).sum() < 0.05 * np.abs(fine).sum()


@pytest.mark.parametrize("seed", range(3))
def test_adds_up_to_the_difference_for_the_target(seed):
    module, shown = randomised(Reduced(), seed=seed), pictures(2, 20, 26, seed=seed)
    with torch.no_grad():
        module.fc.weight *= 50  # as large as logits of a trained network
    found = IntegratedGradients(n_steps=8).relevance(as_model(module), shown, 2)
    with torch.inference_mode():
        difference = module(torch.from_numpy(shown.values)) - module(
            torch.full_like(torch.from_numpy(shown.values), -2.0)
        )
    difference = difference.numpy()[:, 2]
    sums = found.cells[2].sum(axis=(1, 2))
    assert np.abs(difference).min() > 0.01
    np.testing.assert_allclose(sums, difference, rtol=0.01)
    assert found.parameters["incomplete_by"] <= 0.01
    largest = np.abs(module(torch.from_numpy(shown.values)).detach().numpy()).max()
    scale = np.maximum(np.abs(difference), 0.01 * largest)
    worst = (np.abs(sums - difference) / scale).max()
    assert found.parameters["incomplete_by"] == pytest.approx(worst, abs=2e-4)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("weights", "clip"),
    [("tess", "OAF_bar_angry"), ("tess", "YAF_bar_sad"), ("crema", "OAF_bar_angry")],
)
def test_adds_up_on_the_published_network(data_dir, weights, clip):
    model = load_model(f"resnetsmall:{data_dir}/weights/resnetsmall_{weights}.pth")
    audio = load_audio(data_dir / f"tess/{clip}.flac")
    shown = model.front_end.network_input(audio.samples)
    target = int(model.logits(shown.values)[0].argmax())
    found = IntegratedGradients().relevance(model, shown, target)
    silent = model.logits(np.full_like(shown.values, shown.silence))[0]
    difference = model.logits(shown.values)[0] - silent
    assert found.cells[target].sum() == pytest.approx(difference[target], rel=0.01)


@pytest.mark.parametrize("n_steps", [7, 1025, 8.5])
def test_wrong_steps_are_refused(n_steps):
    with pytest.raises(InputError, match="expected 8 to 1024"):
        IntegratedGradients(n_steps=n_steps)
