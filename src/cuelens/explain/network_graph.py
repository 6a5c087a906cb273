"""A network as a chain of modules that relevance can be sent back through (extra ``torch``).

Rules of relevance propagation attach to modules.  Networks also add, rectify and average with
plain functions, and batch norms have no rule of their own.  ``canonise`` copies a network, folds
batch norms into the convolutions before them, and turns those functions into modules; the
original is not touched.
"""

from __future__ import annotations

import copy
import operator
import warnings
from collections import Counter
from typing import Any

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.typing import FloatArray

try:
    import torch
    from torch import fx, nn
    from torch.nn import functional
    from torch.nn.utils.fusion import fuse_conv_bn_eval
    from zennit.layer import Sum
except ImportError as error:
    raise MissingExtraError("explainers that look inside a network", "torch") from error

_ADDITIONS = (operator.add, operator.iadd, torch.add)
_RECTIFIERS = (functional.relu, torch.relu)
_POOLS = {
    functional.max_pool2d: nn.MaxPool2d,
    torch.max_pool2d: nn.MaxPool2d,
    functional.avg_pool2d: nn.AvgPool2d,
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
}
_POOL_SETTINGS = {
    nn.MaxPool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    nn.AvgPool2d: (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    ),
    nn.AdaptiveAvgPool2d: ("output_size",),
}  # in the order of the functions' arguments
_Grid = tuple[tuple[float, float], tuple[float, float]]
_SPATIAL = ({2, 3}, {-1, -2}, {2, -1}, {-2, 3})


def canonise(module: nn.Module) -> fx.GraphModule:
    """A copy of a network in which every operation that relevance passes is a module.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    GraphModule
        In evaluation mode, without gradients of parameters; the same function to within rounding.
        Modules keep their names; new ones are called ``add_1``, ``relu_1``, ``pool_1``, ...

    Raises
    ------
    InputError
        The network cannot be traced, because its path depends on values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.symbolic_trace(copy.deepcopy(module).eval())
    except Exception as error:  # torch.fx raises what the traced code raises
        first_line = (str(error).splitlines() or [repr(error)])[0]
        raise InputError(
            f"{type(module).__name__} cannot be traced ({first_line}); expected a network whose "
            "path does not depend on values: use occlusion or integrated-gradients instead"
        ) from error
    _fold_batch_norms(graph)
    _ModuleMaker(graph).run()
    return graph.eval().requires_grad_(False)


def _fold_batch_norms(graph: fx.GraphModule) -> None:
    """Put every batch norm into the convolution before it, where that feeds nothing else."""
    modules = dict(graph.named_modules())
    n_calls = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    for node in list(graph.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
            continue
        source = node.args[0]
        if source.op != "call_module" or len(source.users) > 1 or n_calls[source.target] > 1:
            continue
        convolution = modules[source.target]
        if isinstance(convolution, nn.Conv2d):
            folded = fuse_conv_bn_eval(convolution, modules[node.target])
            graph.set_submodule(source.target, folded)
            modules[source.target] = folded
            node.replace_all_uses_with(source)
            graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()


class _ModuleMaker:
    def __init__(self, graph: fx.GraphModule) -> None:
        self._graph = graph
        self._counts: dict[str, int] = {}

    def run(self) -> None:
        modules = dict(self._graph.named_modules())
        for node in list(self._graph.graph.nodes):
            if _is_addition(node):
                with self._graph.graph.inserting_before(node):
                    stacked = self._graph.graph.call_function(_stacked, tuple(node.args))
                self._replace(node, "add", Sum(dim=-1), stacked)
            elif _is_rectifier(node):
                self._replace(node, "relu", nn.ReLU(), node.args[0])
            elif _is_average(node):
                pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
                self._replace(node, "pool", pool, node.args[0])
            elif node.op == "call_function" and node.target in _POOLS:
                kind = _POOLS[node.target]
                names = _POOL_SETTINGS[kind]
                settings = dict(zip(names, node.args[1:], strict=False))
                settings |= {key: value for key, value in node.kwargs.items() if key in names}
                self._replace(node, "pool", kind(**settings), node.args[0])
            elif node.op == "call_module" and isinstance(modules[node.target], nn.ReLU):
                modules[node.target].inplace = False  # hooks need the values before it
        self._graph.graph.lint()
        self._graph.recompile()

    def _replace(self, node: fx.Node, kind: str, module: nn.Module, source: Any) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        name = f"{kind}_{self._counts[kind]}"
        while hasattr(self._graph, name):
            name += "_"
        self._graph.add_submodule(name, module)
        with self._graph.graph.inserting_before(node):
            new = self._graph.graph.call_module(name, (source,))
        node.replace_all_uses_with(new)
        self._graph.graph.erase_node(node)


def _stacked(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    shape = (first + second).shape
    return torch.stack([first.expand(shape), second.expand(shape)], dim=-1)


def _is_addition(node: fx.Node) -> bool:
    known = (node.op == "call_function" and node.target in _ADDITIONS) or (
        node.op == "call_method" and node.target in ("add", "add_")
    )
    return known and all(isinstance(part, fx.Node) for part in node.args) and not node.kwargs


def _is_rectifier(node: fx.Node) -> bool:
    return (node.op == "call_function" and node.target in _RECTIFIERS) or (
        node.op == "call_method" and node.target in ("relu", "relu_")
    )


def _is_average(node: fx.Node) -> bool:
    is_mean = (node.op == "call_function" and node.target is torch.mean) or (
        node.op == "call_method" and node.target == "mean"
    )
    if not is_mean:
        return False
    axes = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    flat = not node.kwargs.get("keepdim", False) and len(node.args) < 3
    return flat and isinstance(axes, tuple | list) and set(axes) in _SPATIAL


class LayerShapes(fx.Interpreter):
    """Shapes of what every module of a canonised network gives, and where its cells look.

    Attributes
    ----------
    shapes : dict of str to tuple
    centres : dict of str to (bands, frames)
        For every module with spatial output: (offset, step) of its cells along both axes, in cells
        of the picture, from the strides and paddings on the way.  Not for modules after something
        else that changes the size of maps.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.centres: dict[str, _Grid] = {}
        self._of_node: dict[fx.Node, tuple[_Grid | None, tuple[int, ...]]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        shape = tuple(result.shape) if isinstance(result, torch.Tensor) else ()
        grid: _Grid | None = ((0.0, 1.0), (0.0, 1.0))
        parents = [self._of_node[parent] for parent in n.all_input_nodes]
        alike = [before for before, size in parents if size[2:4] == shape[2:4]]
        module = self.module.get_submodule(str(n.target)) if n.op == "call_module" else None
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            grid = parents[0][0] and _moved(parents[0][0], module)
        elif parents:
            grid = alike[0] if alike else None
        if module is not None:
            self.shapes[str(n.target)] = shape
            if grid is not None:
                self.centres[str(n.target)] = grid
        self._of_node[n] = (grid, shape)
        return result


def _moved(grid: _Grid, module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> _Grid:
    """Centres of the cells after a convolution or pooling."""
    moved = []
    for axis, (offset, step) in enumerate(grid):
        kernel, stride = (_along(axis, size) for size in (module.kernel_size, module.stride))
        dilation = 1 if isinstance(module, nn.AvgPool2d) else _along(axis, module.dilation)
        if isinstance(module.padding, str):
            padding = dilation * (kernel - 1) // 2 if module.padding == "same" else 0
        else:
            padding = _along(axis, module.padding)
        reach = dilation * (kernel - 1) / 2
        moved.append((offset + step * (reach - padding), step * stride))
    return moved[0], moved[1]


def _along(axis: int, size: Any) -> int:
    return int(size[axis] if isinstance(size, tuple) else size)


def layer_shapes(graph: fx.GraphModule, picture: FloatArray) -> LayerShapes:
    """Send one picture, (1, 1, n_bands, n_frames), through a canonised network."""
    shapes = LayerShapes(graph)
    with torch.inference_mode():
        shapes.run(torch.from_numpy(np.ascontiguousarray(picture)))
    return shapes


def chosen_layer(graph: fx.GraphModule, shapes: LayerShapes, layer: str | None) -> str:
    """The named layer, or the last one whose output still has time and frequency.

    Raises
    ------
    InputError
        No such layer, or none with time and frequency.
    """
    spatial = [
        name for name, shape in shapes.shapes.items() if len(shape) == 4 and shape[2] * shape[3] > 1
    ]
    if layer is None and spatial:
        return spatial[-1]
    if layer is None or layer not in spatial:
        raise InputError(
            f"layer is {layer!r}; expected one whose output has time and frequency: "
            f"{', '.join(spatial) or 'this network has none'}"
        )
    return layer


def last_convolution(graph: fx.GraphModule, shapes: LayerShapes) -> str:
    """Name of the last convolution that runs on the way to the output and is no shortcut."""
    modules = ((name, graph.get_submodule(name)) for name in shapes.shapes)
    names = [
        name
        for name, module in modules
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
    ]
    if not names:
        raise InputError("the network has no convolution; expected one to find concepts in")
    return names[-1]
