"""The local forward pass against full ones: same logits, wherever the rectangle lies."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from cuelens.errors import InputError  # noqa: E402
from cuelens.explain.local_forward import LocalForward, Unsupported  # noqa: E402
from cuelens.models.resnet_small import ResNetSmall  # noqa: E402


class Averaged(nn.Module):
    """Any layers for maps, then the mean over both axes, then linear layers."""

    def __init__(self, *layers: nn.Module, n_channels: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(n_channels, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.mean(self.maps(x), dim=(2, 3)))
        return logits


class Residual(nn.Module):
    """Everything written as functions; sums with and without ReLU after; a batch norm alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3)
        self.conv2 = nn.Conv2d(6, 6, (3, 5), padding=(1, 2))
        self.conv3 = nn.Conv2d(6, 5, 3, stride=2, padding=1)
        self.short = nn.Conv2d(6, 5, 1, stride=2)
        self.norm = nn.BatchNorm2d(6)
        self.norm_sum = nn.BatchNorm2d(6)
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        x = self.norm_sum(torch.add(self.norm(self.conv2(x)), x))
        x = functional.dropout(x, 0.2, self.training)
        x = self.conv3(x) + self.short(x)
        x = x + x
        logits: Tensor = self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return logits


def resnet() -> nn.Module:
    return ResNetSmall(5)


def strides() -> nn.Module:
    return Averaged(
        nn.Conv2d(2, 8, (5, 3), stride=(2, 3), padding=(0, 1)),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d((2, 3), stride=(2, 1), padding=(0, 1)),
        nn.Conv2d(8, 8, 3, padding=2),
        nn.MaxPool2d(3),
        nn.Conv2d(8, 6, 1, stride=3, bias=False),
        n_channels=6,
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "resnet": (resnet, (1, 40, 53)),
    "strides": (strides, (2, 45, 37)),
    "residual": (Residual, (2, 19, 22)),
}


def randomised(network: nn.Module) -> nn.Module:
    """In evaluation mode, with batch norms that do something."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.3, 3.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias)
    return network.eval()


def all_rectangles(shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    tops, lefts = np.indices((shape[0] - size[0] + 1, shape[1] - size[1] + 1)).reshape(2, -1)
    return np.stack([tops, tops + size[0], lefts, lefts + size[1]], axis=1)


def in_full(network: nn.Module, x: Tensor, rectangles: np.ndarray, fill: float) -> np.ndarray:
    logits = []
    with torch.inference_mode():
        for chunk in np.array_split(rectangles, max(len(rectangles) // 64, 1)):
            versions = x.repeat(len(chunk), 1, 1, 1)
            for version, (top, bottom, left, right) in zip(versions, chunk, strict=True):
                version[:, top:bottom, left:right] = fill
            logits.append(network(versions).numpy())
    return np.concatenate(logits)


@pytest.fixture(autouse=True)
def seeded():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads only wait for each other in products this small
    with torch.random.fork_rng():
        torch.manual_seed(7)
        yield
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 10), (16, 10), (3, 2)])
def test_every_position_agrees_with_a_full_pass(name, size):
    build, shape = NETWORKS[name]
    network, x = randomised(build()), torch.randn(1, *shape)
    rectangles = all_rectangles(shape[1:], size)
    if name == "resnet":  # corners, borders, and every alignment to its strides
        odd = (rectangles[:, 0] % 3 == 0) | (rectangles[:, 2] % 5 == 0)
        border = (rectangles[:, 1] >= shape[1] - 2) | (rectangles[:, 3] >= shape[2] - 2)
        rectangles = rectangles[odd | border]
    logits = LocalForward(network, x)(rectangles, 0.8)
    expected = in_full(network, x, rectangles, 0.8)
    assert logits.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * max(1, abs(expected).max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_rectangles_of_many_sizes_in_one_call(name):
    build, shape = NETWORKS[name]
    network, x = randomised(build()), torch.randn(1, *shape)
    generator = np.random.default_rng(0)
    tops, lefts = (generator.integers(0, n, 40) for n in shape[1:])
    bottoms, rights = (
        generator.integers(tops, shape[1]) + 1,
        generator.integers(lefts, shape[2]) + 1,
    )
    rectangles = np.stack([tops, bottoms, lefts, rights], axis=1)
    rectangles[0] = 0, shape[1], 0, shape[2]
    logits = LocalForward(network, x)(rectangles, -0.3)
    np.testing.assert_allclose(logits, in_full(network, x, rectangles, -0.3), rtol=1e-5, atol=1e-5)


def test_small_changes_keep_their_digits():
    """One cell changes logits by little; computing the change, not the logits, keeps it exact."""
    network, x = randomised(resnet()), torch.randn(1, 1, 40, 53)
    rectangles = all_rectangles((40, 53), (1, 1))[::17]
    fill = 0.1
    with torch.inference_mode():
        clean = LocalForward(network, x)
        unchanged = clean(np.array([[0, 1, 0, 1]]), float(x[0, 0, 0, 0]))
    wide = copy.deepcopy(network).double()
    exact = in_full(wide, x.double(), rectangles, np.float32(fill).item())
    effect = exact - wide(x.double()).detach().numpy()
    np.testing.assert_allclose(clean(rectangles, fill) - unchanged, effect, rtol=0, atol=3e-6)


def test_no_rectangles_give_no_logits():
    local = LocalForward(randomised(resnet()), torch.randn(1, 1, 40, 53))
    assert local(np.empty((0, 4), dtype=int), 0.0).shape == (0, 5)


def test_module_and_input_are_left_alone():
    network, x = randomised(strides()), torch.randn(1, 2, 45, 37)
    network.train()
    state, original = copy.deepcopy(network.state_dict()), x.clone()
    LocalForward(network, x)(all_rectangles((45, 37), (9, 9))[:50], 0.0)
    assert network.training
    assert all(module.training for module in network.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert all(p.requires_grad for p in network.parameters())
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(x, original)


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([nn.Conv2d(2, 4, 3), nn.Sigmoid()], "Sigmoid"),
        ([nn.Conv2d(2, 4, 3, groups=2)], "groups"),
        ([nn.Conv2d(2, 4, 3, dilation=2)], "dilation"),
        ([nn.Conv2d(2, 4, 3, padding="same")], "padding"),
        ([nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")], "padding"),
        ([nn.Conv2d(2, 4, 3), nn.MaxPool2d(2, ceil_mode=True)], "ceil_mode"),
        ([nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)], "running statistics"),
        ([nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(3)], "AdaptiveAvgPool2d"),
    ],
)
def test_unsupported_layers_are_named(layers, named):
    network = Averaged(*layers, n_channels=4).eval()
    with pytest.raises(Unsupported, match=named):
        LocalForward(network, torch.randn(1, 2, 12, 13))


class Wild(nn.Module):
    def __init__(self, between: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor]):
        super().__init__()
        self.conv, self.between, self.after = nn.Conv2d(2, 4, 3), between, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.mean(self.between(self.conv(x)), dim=(2, 3)))


@pytest.mark.parametrize(
    ("between", "after", "named"),
    [
        (torch.tanh, lambda y: y, "tanh"),
        (lambda x: x + 1.0, lambda y: y, "add"),
        (lambda x: x * x, lambda y: y, "mul"),
        (lambda x: x + x[:, :, :1], lambda y: y, "getitem"),
        (lambda x: x if x.sum() > 0 else -x, lambda y: y, "Wild.forward"),
        (lambda x: x, torch.sigmoid, "sigmoid"),
        (lambda x: x, lambda y: y + y, "add"),
    ],
)
def test_unsupported_functions_are_named(between, after, named):
    with pytest.raises(Unsupported, match=named):
        LocalForward(Wild(between, after).eval(), torch.randn(1, 2, 12, 13))


def test_output_that_is_a_map_is_unsupported():
    with pytest.raises(Unsupported, match="mean"):
        LocalForward(nn.Sequential(nn.Conv2d(2, 4, 3)).eval(), torch.randn(1, 2, 12, 13))


def test_hooks_are_unsupported():
    network = randomised(resnet())
    network.conv1.register_forward_hook(lambda *_: None)
    with pytest.raises(Unsupported, match="hooks"):
        LocalForward(network, torch.randn(1, 1, 40, 53))


def test_wrong_inputs_are_named():
    network = randomised(resnet())
    with pytest.raises(InputError, match=r"\(2, 1, 40, 53\)"):
        LocalForward(network, torch.randn(2, 1, 40, 53))
    local = LocalForward(network, torch.randn(1, 1, 40, 53))
    for rectangle in ([-1, 2, 0, 3], [2, 2, 0, 3], [0, 41, 0, 3], [0, 3, 50, 54]):
        with pytest.raises(InputError, match="40 x 53"):
            local(np.array([rectangle]), 0.0)
