"""Grad-CAM: captum's values on the layer's own grid, at the right place of the picture."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")
captum = pytest.importorskip("captum.attr")

from tests.explain.tiny_networks import Reduced, as_model, pictures, randomised  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from cuelens import InputError  # noqa: E402
from cuelens.explain import GradCam  # noqa: E402
from cuelens.explain.grad_cam import placed  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("layer", "step"), [("conv1", 2), ("layer1.conv1", 4), ("layer1.shortcut", 4), (None, 8)]
)
def test_equals_captum_at_the_centres_of_its_cells(layer, step):
    """With odd kernels and paddings of half of them, cell i is centred on cell i * step."""
    module = randomised(Reduced())
    shown = pictures(2, 33, 41)
    found = GradCam(layer=layer).relevance(as_model(module), shown, 0)
    # captum needs modules: the reference network writes batch norms out and ends in one.
    reference = module.layer2 if layer is None else module.get_submodule(layer)
    part = reference
    for label in range(3):
        x = torch.from_numpy(shown.values).requires_grad_()
        if layer == "conv1":  # ours is the convolution with its batch norm folded in
            part = module.bn1
        elif layer == "layer1.conv1":
            part = module.layer1.bn1
        coarse = captum.LayerGradCam(module, part).attribute(
            x, target=label, relu_attributions=True
        )
        coarse = coarse.detach().numpy()[:, 0]
        ours = found.cells[label][:, ::step, ::step]
        assert coarse.shape == ours.shape
        np.testing.assert_allclose(ours, coarse, rtol=0, atol=1e-5 * max(coarse.max(), 1e-3))
    assert found.cells.max() > 0


def test_placing_is_linear_interpolation():
    coarse = np.array([[1.0, 3.0, 2.0]])
    out = placed(coarse, 1.5, 4.0, 13, axis=1)[0]
    centres = 1.5 + 4.0 * np.arange(3)
    np.testing.assert_allclose(out, np.interp(np.arange(13), centres, coarse[0]))


class Lopsided(nn.Module):
    """Strides, kernels and paddings under which a stretched map would be shifted."""

    def __init__(self, *, functions: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 1, (5, 3), stride=(2, 3), padding=(0, 1), bias=False)
        self.pool = nn.AvgPool2d((1, 2), stride=1)
        self.conv2 = nn.Conv2d(1, 1, 3, stride=2, padding=(2, 1), bias=False)
        self.fc = nn.Linear(1, 2, bias=False)
        self.functions = functions
        for parameter in self.parameters():
            nn.init.ones_(parameter)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = functional.avg_pool2d(x, (1, 2), 1) if self.functions else self.pool(x)
        return self.fc(torch.relu(self.conv2(x)).mean(dim=(2, 3)))


@pytest.mark.parametrize("functions", [False, True])
def test_one_cell_is_found_where_it_is(functions):
    model = as_model(Lopsided(functions=functions), n_labels=2)
    empty = pictures(1, 60, 80)
    offsets = []
    for row, column in product(range(20, 40, 3), range(24, 56, 3)):
        values = np.zeros_like(empty.values)
        values[0, 0, row, column] = 1.0
        cells = GradCam().relevance(model, replace(empty, values=values), 0).cells[0, 0]
        mass = cells / cells.sum()
        centre = mass.sum(axis=1) @ np.arange(60), mass.sum(axis=0) @ np.arange(80)
        offsets.append((centre[0] - row, centre[1] - column))
        peak = np.argwhere(cells >= cells.max() * (1 - 1e-9)).mean(axis=0)
        assert abs(peak[0] - row) <= 4  # a step of the last layer, 4 by 6 cells
        assert abs(peak[1] - column) <= 6
    assert np.abs(offsets).max(axis=0) == pytest.approx([0, 0], abs=3.01)
    np.testing.assert_allclose(np.mean(offsets, axis=0), 0.0, atol=0.35)


class Enlarging(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        x = functional.interpolate(torch.relu(self.conv1(x)), scale_factor=2.0)
        return self.fc(torch.relu(self.conv2(x)).mean(dim=(2, 3)))


def test_a_layer_without_a_known_place_is_refused():
    model, shown = as_model(Enlarging()), pictures(1, 12, 14)
    with pytest.raises(InputError, match="layer relu_2 lies behind something other than"):
        GradCam().relevance(model, shown, 0)
    assert GradCam(layer="relu_1").relevance(model, shown, 0).cells.shape == (3, 1, 12, 14)
