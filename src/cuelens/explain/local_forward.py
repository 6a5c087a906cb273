"""Logits of a convolutional network with a small rectangle of its input replaced.

A rectangle of the input reaches only a window of every later map.  So the network runs once on the
whole input and all its maps are kept; for each rectangle only the *change* of the maps travels
through the network, as a small dense window.  A convolution is linear and maps change to change,
without its bias and without reading the map around the window; ReLU and max pooling look up what
was there.  The mean over the two axes then changes by the sum of the last window.

Rectangles of equal size whose corners agree modulo the strides of the network have windows of equal
shape, and are computed together.  Windows may hang over the border of a map; cells out there are
looked up as ``_OUTSIDE`` or 0.  Windows have the axes (row, column, rectangle, channel), so that
every layer is a matrix product over the last one, or over the first two.  A convolution of stride 1
with several taps goes through the discrete Fourier transform of its window, written as a bilinear
algorithm, which takes a third to a quarter of the work and, unlike Winograd's, loses no digits.
"""

from __future__ import annotations

import copy
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.typing import FloatArray, IntArray

try:
    import torch
    from torch import Tensor, fx, nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("the local forward pass of a network", "torch") from error

_INPUT = "input of the network"
_OUTSIDE = -1e30  # loses every maximum, stays finite under addition and differences
_CHUNK = 96  # rectangles at a time; many more would fall out of the cache of a core
_CHUNK_BYTES = 2e8
_MAX_PRODUCTS = 512  # of a bilinear algorithm; its filters take that many times (c, c_out)
_SPECTRA_BYTES = 5e7  # kept per convolution


class Unsupported(ValueError):  # noqa: N818 - a reason to take the plain path, not a failure
    """The network contains something a local forward pass cannot do; the message names it."""


@dataclass(frozen=True)
class _Window:
    """Cells of a map that may change, for the first rectangle of a group; may leave the map."""

    top: int
    left: int
    height: int
    width: int

    @property
    def n_cells(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class _Map:
    """What is known of one map: its stride against the input, and its activations."""

    stride: tuple[int, int]
    cells: Tensor  # (height, width, n_channels)

    def flat(self, outside: float) -> Tensor:
        """Cells as rows, (height * width + 1, n_channels); the last row is for those outside."""
        return functional.pad(self.cells.flatten(0, 1), (0, 0, 0, 1), value=outside)

    def rows(self, window: _Window, shift: Tensor) -> Tensor:
        """Rows of ``flat`` under the window of each rectangle, shape (height * width * n,).

        ``shift`` (2, n) says how far each rectangle lies from the first, in input cells.
        """
        (height, width), (down, right) = self.cells.shape[:2], self.stride
        i = window.top + torch.arange(window.height, device=shift.device)[:, None]
        j = window.left + torch.arange(window.width, device=shift.device)[:, None]
        i, j = i + shift[0] // down, j + shift[1] // right
        rows = (i * width)[:, None] + j
        inside = ((i >= 0) & (i < height))[:, None] & (j >= 0) & (j < width)
        return torch.where(inside, rows, height * width).flatten()


class _Step(ABC):
    """One layer on changes.  ``window`` plans, ``run`` computes; both take those of its inputs."""

    def window(self, *inputs: _Window) -> _Window:
        return inputs[0]

    def floats(self, before: _Window, after: _Window) -> float:
        """Working memory per rectangle."""
        return 0.0

    @abstractmethod
    def run(self, shift: Tensor, after: _Window, *inputs: tuple[Tensor, _Window]) -> Tensor: ...


@dataclass
class _Scale(_Step):
    """A batch norm that could not be folded; its shift drops out of the change."""

    factor: Tensor

    def run(self, shift: Tensor, after: _Window, *inputs: tuple[Tensor, _Window]) -> Tensor:
        return inputs[0][0] * self.factor


class _Add(_Step):
    def window(self, *inputs: _Window) -> _Window:
        top, left = min(w.top for w in inputs), min(w.left for w in inputs)
        bottom = max(w.top + w.height for w in inputs)
        right = max(w.left + w.width for w in inputs)
        return _Window(top, left, bottom - top, right - left)

    def run(self, shift: Tensor, after: _Window, *inputs: tuple[Tensor, _Window]) -> Tensor:
        larger, smaller = sorted(inputs, key=lambda item: item[1].n_cells, reverse=True)
        total = _fit(*larger, after)
        if total is larger[0]:
            total = total.clone()  # another layer may read it
        _paste(total, after, *smaller)
        return total


class _Relu(_Step):
    def __init__(self, before: _Map, after: _Map) -> None:
        self.map, self.old_in, self.old_out = before, before.flat(_OUTSIDE), after.flat(0.0)

    def run(self, shift: Tensor, after: _Window, *inputs: tuple[Tensor, _Window]) -> Tensor:
        change = inputs[0][0]
        rows = self.map.rows(after, shift)
        new = self.old_in.index_select(0, rows).view_as(change).add_(change).relu_()
        return new.sub_(self.old_out.index_select(0, rows).view_as(change))


@dataclass
class _Sliding(_Step):
    """What convolutions and max pooling share.

    Parameters
    ----------
    kernel, stride, padding : tuple of int, (vertical, horizontal)
    after : _Map
    must_mask : bool
        Whether cells outside the map must be set to zero, because the next layer would read them.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    after: _Map
    must_mask: bool

    def window(self, *inputs: _Window) -> _Window:
        start, size = [], []
        old = inputs[0]
        for axis, (first, n) in enumerate(((old.top, old.height), (old.left, old.width))):
            k, s, p = self.kernel[axis], self.stride[axis], self.padding[axis]
            start.append(-((k - 1 - p - first) // s))  # rounded up
            size.append(max((first + n - 1 + p) // s + 1 - start[-1], 1))
        return _Window(*start, *size)

    def reach(self, after: _Window) -> _Window:
        """Cells of the map before that the cells in ``after`` are computed from."""
        k, s, p = self.kernel, self.stride, self.padding
        return _Window(
            after.top * s[0] - p[0],
            after.left * s[1] - p[1],
            (after.height - 1) * s[0] + k[0],
            (after.width - 1) * s[1] + k[1],
        )

    def mask(self, change: Tensor, after: _Window, shift: Tensor) -> Tensor:
        if not self.must_mask:
            return change
        rows = self.after.rows(after, shift)
        inside = rows < self.after.cells.shape[0] * self.after.cells.shape[1]
        return change.mul_(inside.view(*change.shape[:3], 1))


@dataclass
class _MaxPool(_Sliding):
    before: _Map

    def __post_init__(self) -> None:
        self.old_in, self.old_out = self.before.flat(_OUTSIDE), self.after.flat(0.0)

    def floats(self, before: _Window, after: _Window) -> float:
        return 3.0 * self.reach(after).n_cells * self.before.cells.shape[2]

    def run(self, shift: Tensor, after: _Window, *inputs: tuple[Tensor, _Window]) -> Tensor:
        change, window = inputs[0]
        reach, n = self.reach(after), shift.shape[1]
        new = self.old_in.index_select(0, self.before.rows(reach, shift))
        new = new.view(reach.height, reach.width, n, -1)
        _paste(new, reach, change, window)
        for axis in (0, 1):  # the maximum of a rectangle is that of its columns' maxima
            new = _maximum(new, axis, self.kernel[axis], self.stride[axis])
        old = self.old_out.index_select(0, self.after.rows(after, shift))
        return self.mask(new - old.view_as(new), after, shift)


@dataclass
class _Conv(_Sliding):
    weight: Tensor  # (n_channels_out, n_channels, kernel_height, kernel_width)
    spectra: dict[tuple[int, int], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.spectra = {}  # of the filters, by size of the window
        taps = self.weight.permute(2, 3, 1, 0)  # (kernel_height, kernel_width, c, c_out)
        self.matrix = taps.flatten(0, 2).contiguous()
        self.flipped = taps.flip(0, 1).flatten(2).flatten(0, 1).contiguous()

    def _is_cheaper_by_fourier(self, before: _Window, after: _Window) -> bool:
        n_out, n_in = self.weight.shape[:2]
        n_products = 1.5 * after.n_cells + 4
        if self.stride != (1, 1) or n_products > _MAX_PRODUCTS:
            return False
        through = n_products * (before.n_cells * n_in + n_in * n_out + after.n_cells * n_out)
        return through < after.n_cells * self.matrix.numel()

    def floats(self, before: _Window, after: _Window) -> float:
        n_out, n_in = self.weight.shape[:2]
        if self._is_cheaper_by_fourier(before, after):
            return 1.5 * after.n_cells * (n_in + n_out)
        return after.n_cells * (self.matrix.shape[0] + n_out) + self.reach(after).n_cells * n_in

    def run(self, shift: Tensor, after: _Window, *inputs: tuple[Tensor, _Window]) -> Tensor:
        change, window = inputs[0]
        if self._is_cheaper_by_fourier(window, after):
            new = self._by_fourier(change, after)
        else:
            new = self._by_patches(change, window, after)
        return self.mask(new, after, shift)

    def _by_patches(self, change: Tensor, window: _Window, after: _Window) -> Tensor:
        patches = _fit(change, window, self.reach(after))
        patches = patches.unfold(0, self.kernel[0], self.stride[0])
        patches = patches.unfold(1, self.kernel[1], self.stride[1])
        patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, self.matrix.shape[0])
        return (patches @ self.matrix).view(after.height, after.width, change.shape[2], -1)

    def _by_fourier(self, change: Tensor, after: _Window) -> Tensor:
        height, width, n, n_in = change.shape
        of_data, of_filter, back = (
            torch.as_tensor(matrix, dtype=change.dtype, device=change.device)
            for matrix in _fourier_algorithm((height, width), self.kernel)
        )
        if (height, width) not in self.spectra:
            if sum(kept.nbytes for kept in self.spectra.values()) > _SPECTRA_BYTES:
                self.spectra.clear()
            self.spectra[height, width] = (of_filter @ self.flipped).view(len(of_filter), n_in, -1)
        spectrum = (of_data @ change.reshape(height * width, -1)).view(-1, n, n_in)
        products = torch.bmm(spectrum, self.spectra[height, width])
        return (back @ products.flatten(1)).view(after.height, after.width, n, -1)


class LocalForward:
    """A network and one input, ready for forward passes with a rectangle of the input replaced.

    Parameters
    ----------
    module : nn.Module
        Convolutions (no groups, no dilation), batch norm, ReLU, max pooling, sums of two maps,
        dropout; then the mean over both axes; then linear layers and ReLU.  It is copied, put into
        evaluation mode and traced, and never changed.
    inputs : Tensor, shape (1, n_channels, height, width), float32

    Raises
    ------
    Unsupported
        If the network contains anything else; the message names it.
    InputError
        If the input is not a single one.

    Notes
    -----
    Logits differ from those of full passes by rounding only: on ``ResNetSmall`` by less than 1e-5
    for logits up to 50.  Uses as many threads as PyTorch does; the products are small, and where
    other programs share the cores, one thread is the fastest.
    """

    @torch.inference_mode()
    def __init__(self, module: nn.Module, inputs: Tensor) -> None:
        if inputs.ndim != 4 or inputs.shape[0] != 1:
            raise InputError(
                f"input has shape {tuple(inputs.shape)}; expected (1, n_channels, height, width)"
            )
        reader = _GraphReader(module, inputs)
        self._cells, self._layers, self._tail = _cells(inputs), reader.layers, reader.tail
        last = reader.maps[reader.last]
        self._last, self._period = reader.last, np.array(last.stride)
        self._n_last, self._mean = last.cells.shape[:2].numel(), last.cells.mean(dim=(0, 1))
        self._n_labels = reader.logits.shape[-1]
        self._check(reader.graph, inputs)

    @torch.inference_mode()
    def __call__(self, rectangles: IntArray, fill: float) -> FloatArray:
        """Logits with each rectangle filled.

        Parameters
        ----------
        rectangles : int ndarray, shape (n, 4)
            Top, bottom, left and right in cells of the input; bottom and right are exclusive.
        fill : float
            Value for all cells of the rectangle, in all channels.

        Returns
        -------
        ndarray, shape (n, n_labels), float32

        Raises
        ------
        InputError
            If a rectangle is empty or leaves the input.
        """
        rectangles = np.asarray(rectangles).reshape(-1, 4)
        starts, stops = rectangles[:, ::2], rectangles[:, 1::2]
        if np.any(starts < 0) or np.any(stops <= starts) or np.any(stops > self._cells.shape[:2]):
            raise InputError(
                "a rectangle is empty or leaves the input; expected 0 <= top < bottom and 0 <= left"
                f" < right in an input of {self._cells.shape[0]} x {self._cells.shape[1]} cells"
            )
        logits = np.empty((len(rectangles), self._n_labels), dtype=np.float32)
        alike = np.hstack([stops - starts, starts % self._period])
        kinds, kind_of = np.unique(alike, axis=0, return_inverse=True)
        for kind, (height, width, top, left) in enumerate(kinds.tolist()):
            members = np.flatnonzero(kind_of.ravel() == kind)
            windows, n_floats = self._plan(_Window(top, left, height, width))
            n_chunk = int(np.clip(_CHUNK_BYTES / 4 / n_floats, 1, _CHUNK))
            for first in range(0, len(members), n_chunk):
                chunk = members[first : first + n_chunk]
                shift = torch.as_tensor((starts[chunk] - (top, left)).T, device=self._cells.device)
                logits[chunk] = self._run(windows, shift, fill).float().cpu().numpy()
        return logits

    def _check(self, graph: fx.GraphModule, inputs: Tensor) -> None:
        """One rectangle against a full pass: a guard against what reading the graph overlooks."""
        height, width = inputs.shape[2:]
        top, bottom, left, right = height // 3, height // 3 + 1, width // 3, width // 3 + 1
        filled, fill = inputs.clone(), float(inputs.mean()) + 1.0
        filled[:, :, top:bottom, left:right] = fill
        expected = graph(filled).float().cpu().numpy()
        found = self(np.array([[top, bottom, left, right]]), fill)
        if not np.allclose(found, expected, rtol=0.0, atol=1e-4 * (1.0 + np.abs(expected).max())):
            raise Unsupported("a network that does not compute what its graph says")

    def _plan(self, rectangle: _Window) -> tuple[dict[str, _Window], float]:
        """Window of every layer, and the numbers all of them hold for one rectangle."""
        windows = {_INPUT: rectangle}
        n_floats = float(rectangle.n_cells * self._cells.shape[2])
        for layer in self._layers:
            before = [windows[name] for name in layer.inputs]
            windows[layer.name] = after = layer.step.window(*before)
            n_floats += layer.step.floats(before[0], after) + 3.0 * after.n_cells * layer.n_channels
        return windows, n_floats

    def _run(self, windows: dict[str, _Window], shift: Tensor, fill: float) -> Tensor:
        rectangle, n = windows[_INPUT], shift.shape[1]
        rows = _Map((1, 1), self._cells).rows(rectangle, shift)
        old = self._cells.flatten(0, 1).index_select(0, rows)
        changes = {_INPUT: (fill - old).view(rectangle.height, rectangle.width, n, -1)}
        for layer in self._layers:
            inputs = [(changes[name], windows[name]) for name in layer.inputs]
            changes[layer.name] = layer.step.run(shift, windows[layer.name], *inputs)
        change = changes[self._last].sum(dim=(0, 1)) / self._n_last
        return self._tail(self._mean + change)


@dataclass(frozen=True)
class _Layer:
    name: str
    step: _Step
    inputs: tuple[str, ...]
    n_channels: int


class _Recorder(fx.Interpreter):
    """Keeps the value of every node."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.values: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        # a copy, because a later layer may work in place
        self.values[n.name] = value.clone() if isinstance(value, Tensor) else value
        return value


class _GraphReader:
    """Translates a traced network into steps up to the mean, and a chain of modules after it.

    Attributes
    ----------
    maps : dict of str to _Map
    layers : list of _Layer, in order of computation
    last : str
        Name of the map that is averaged.
    tail : nn.Sequential
        From averages (n, n_channels) to logits.
    logits : Tensor, shape (1, n_labels)
        Of the unchanged input.
    """

    def __init__(self, module: nn.Module, inputs: Tensor) -> None:
        self.graph = _traced(module)
        recorder = _Recorder(self.graph)
        self.logits, self.values = recorder.run(inputs.clone()), recorder.values
        self.maps: dict[str, _Map] = {}
        self.layers: list[_Layer] = []
        self.last = ""
        self.tail = nn.Sequential()
        self._name: dict[fx.Node, str] = {}  # of the map or average that a node stands for
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                if self.maps:
                    raise Unsupported("a second input")
                self.maps[_INPUT] = _Map((1, 1), _cells(inputs))
                self._name[node] = _INPUT
            elif node.op == "output":
                if not self.last or self._sources(node) != ("averages",):
                    raise Unsupported("an output that is not a chain from the mean of a map")
            else:
                self._read(node)

    def _sources(self, node: fx.Node) -> tuple[str, ...]:
        return tuple(self._name[n] for n in node.all_input_nodes if n in self._name)

    def _read(self, node: fx.Node) -> None:
        kind, module = _kind(node, self.graph)
        names = self._sources(node)
        if len(names) != len(node.all_input_nodes) or not names:
            raise Unsupported(f"{kind} of something that is not a map")
        if kind == "identity":
            self._name[node] = names[0]
        elif self.last:
            self._read_tail(node, kind, module)
        elif kind == "mean":
            self.last, self._name[node] = names[0], "averages"
        else:
            self._read_layer(node, kind, module, names)

    def _read_tail(self, node: fx.Node, kind: str, module: nn.Module | None) -> None:
        if kind not in ("Linear", "relu", "flatten") or self._sources(node) != ("averages",):
            raise Unsupported(f"{kind} after the mean over both axes")
        if kind == "relu":
            self.tail.append(nn.ReLU())
        elif module is not None and kind == "Linear":
            self.tail.append(module)
        self._name[node] = "averages"

    def _read_layer(
        self, node: fx.Node, kind: str, module: nn.Module | None, names: tuple[str, ...]
    ) -> None:
        before, cells = self.maps[names[0]], self.values[node.name]
        if not isinstance(cells, Tensor) or cells.ndim != 4:
            raise Unsupported(f"{kind} before the mean over both axes")
        by = _pair(module.stride) if isinstance(module, nn.Conv2d | nn.MaxPool2d) else (1, 1)
        after = _Map((before.stride[0] * by[0], before.stride[1] * by[1]), _cells(cells))
        step: _Step
        if kind == "add":
            if len({self.maps[name].cells.shape for name in names}) > 1:
                raise Unsupported("a sum of maps of different shapes")
            names = names * (3 - len(names))  # one name for x + x
            step = _Add()
        elif kind == "relu":
            step = _Relu(before, after)
        elif isinstance(module, nn.BatchNorm2d):
            factor = _batch_norm_factor(module)
            previous = self.layers[-1] if self.layers else None
            if (
                previous is not None
                and isinstance(previous.step, _Conv)
                and previous.name == names[0]
                and all(len(n.users) == 1 for n in node.all_input_nodes)
            ):
                names = self.layers.pop().inputs
                weight = previous.step.weight * factor[:, None, None, None]
                step = replace(
                    previous.step, weight=weight, must_mask=not _forgives(node, self.graph)
                )
            else:
                step = _Scale(factor)
        elif isinstance(module, nn.Conv2d | nn.MaxPool2d):
            step = _sliding(module, before, after, must_mask=not _forgives(node, self.graph))
        else:
            raise Unsupported(kind)
        self._name[node] = node.name
        self.maps[node.name] = after
        self.layers.append(_Layer(node.name, step, names, cells.shape[1]))


def _traced(module: nn.Module) -> fx.GraphModule:
    if any(m._forward_hooks or m._forward_pre_hooks for m in module.modules()):
        raise Unsupported("forward hooks")  # they expect to see full maps
    try:
        return fx.symbolic_trace(copy.deepcopy(module).eval())
    except Exception as error:  # whatever Python the module runs on a value that is not there
        raise Unsupported(f"{type(module).__name__}.forward: {error}") from error


def _kind(node: fx.Node, graph: fx.GraphModule) -> tuple[str, nn.Module | None]:
    """What a node computes, under one name for all ways to write it, and its module."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        if isinstance(module, nn.ReLU):
            return "relu", module
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return "identity", module
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            return "mean", module
        if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            return "flatten", module
        return type(module).__name__, module
    target: Any = node.target
    settings: tuple[Any, ...] = (*node.args[1:], *node.kwargs.values())
    other = f"call of {getattr(target, '__name__', target)} with {settings}"
    if target in (torch.relu, functional.relu, "relu"):
        return "relu", None
    if target in (operator.add, operator.iadd, torch.add) and not node.kwargs:
        return ("add" if isinstance(settings[0], fx.Node) else other), None
    if target in (torch.mean, "mean") and settings:
        axes = settings[0] if isinstance(settings[0], Sequence) else ()
        return ("mean" if sorted(axis % 4 for axis in axes) == [2, 3] else other), None
    if target is functional.adaptive_avg_pool2d and settings[0] in (1, (1, 1)):
        return "mean", None
    if target in (torch.flatten, "flatten") and settings == (1,):
        return "flatten", None
    if target is functional.dropout and not node.kwargs.get("training", True):
        return "identity", None
    return other, None


def _sliding(
    module: nn.Conv2d | nn.MaxPool2d, before: _Map, after: _Map, *, must_mask: bool
) -> _Step:
    if isinstance(module.padding, str) or _pair(module.dilation) != (1, 1):
        raise Unsupported(f"{module} with dilation or named padding")
    geometry = (_pair(module.kernel_size), _pair(module.stride), _pair(module.padding))
    if isinstance(module, nn.Conv2d):
        if module.groups != 1 or module.padding_mode != "zeros":
            raise Unsupported(f"{module} with groups or padding that is not zero")
        return _Conv(*geometry, after, must_mask, module.weight.detach())
    if module.ceil_mode or module.return_indices:
        raise Unsupported(f"{module} with ceil_mode or return_indices")
    return _MaxPool(*geometry, after, must_mask, before)


def _forgives(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether all that read a map look up what is outside, so that nonsense there does no harm."""

    def forgives(reader: fx.Node) -> bool:
        kind, _ = _kind(reader, graph)
        passes_on = kind in ("identity", "add", "BatchNorm2d") and _forgives(reader, graph)
        return passes_on or kind in ("relu", "MaxPool2d")

    return all(forgives(reader) for reader in node.users)


def _batch_norm_factor(module: nn.BatchNorm2d) -> Tensor:
    if module.running_var is None:
        raise Unsupported(f"{module} without running statistics")
    factor = torch.rsqrt(module.running_var + module.eps)
    return factor if module.weight is None else factor * module.weight.detach()


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _cells(maps: Tensor) -> Tensor:
    """From (1, n_channels, height, width) to (height, width, n_channels)."""
    return maps[0].permute(1, 2, 0).contiguous()


def _maximum(cells: Tensor, axis: int, size: int, stride: int) -> Tensor:
    """Of every ``size`` neighbours along an axis, every ``stride`` of them."""
    n = (cells.shape[axis] - size) // stride * stride + 1
    starts = [cells.narrow(axis, i, n) for i in range(size)]
    every = (slice(None),) * axis + (slice(None, None, stride),)
    return reduce(torch.maximum, (start[every] for start in starts))


def _fit(change: Tensor, window: _Window, target: _Window) -> Tensor:
    """The same change on another window: zero where that is larger, cut where it is smaller."""
    if window == target:
        return change
    total = change.new_zeros((target.height, target.width, *change.shape[2:]))
    _paste(total, target, change, window)
    return total


def _paste(total: Tensor, target: _Window, change: Tensor, window: _Window) -> None:
    """Add a change to the cells of ``total`` that it covers."""
    top, left = window.top - target.top, window.left - target.left
    bottom = min(top + window.height, target.height)
    right = min(left + window.width, target.width)
    if bottom > max(top, 0) and right > max(left, 0):  # strides may jump over a change
        part = change[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
        total[max(top, 0) : bottom, max(left, 0) : right] += part


@lru_cache(maxsize=64)
def _fourier_algorithm(
    size: tuple[int, int], kernel: tuple[int, int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Full convolution of a window with a kernel, as ``back @ (of_data @ x * of_filter @ y)``.

    The three products of real numbers per pair of conjugate frequencies are Gauss's for
    (a + ib)(c + id): c(a + b), a(d - c) and b(c + d).

    Returns
    -------
    of_data, of_filter, back : ndarray
        Shapes (n_products, n_cells), (n_products, n_taps) and (n_cells_after, n_products), with
        ``n_cells_after = (height + kernel_height - 1) * (width + kernel_width - 1)``.
    """
    after = (size[0] + kernel[0] - 1, size[1] + kernel[1] - 1)
    frequencies = np.indices(after).reshape(2, -1).T
    conjugates = -frequencies % after
    order, order_conjugates = (f[:, 0] * after[1] + f[:, 1] for f in (frequencies, conjugates))
    real, paired = frequencies[order == order_conjugates], frequencies[order < order_conjugates]

    def waves(chosen: IntArray, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        phase = 2 * np.pi * (chosen / after) @ np.indices(shape).reshape(2, -1)
        return np.cos(phase), np.sin(phase)

    (a, b), (c, d), (cos, sin) = (waves(paired, shape) for shape in (size, kernel, after))
    b, d = -b, -d
    of_data = np.vstack([waves(real, size)[0], a + b, a, b])
    of_filter = np.vstack([waves(real, kernel)[0], c, d - c, c + d])
    back = np.vstack([waves(real, after)[0], 2 * (cos - sin), -2 * sin, -2 * cos])
    return of_data, of_filter, back.T / (after[0] * after[1])
