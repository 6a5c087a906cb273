"""Grad-CAM: where the channels that speak for a label are active (extra ``torch``).

Every channel of a late layer is weighted by the mean gradient of the label's logit, summed, and
what is below zero is set to zero [1]_.  The few cells of that layer are put back at the centres of
their receptive fields, which depend on strides and paddings, and interpolated between; stretching
the coarse picture over the fine one, as is usual, would shift it by half a cell (56 ms in
ResNetSmall).

References
----------
.. [1] R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
   localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cuelens.errors import InputError
from cuelens.explain.map_explainer import MapExplainer, Relevance
from cuelens.models.network import NetworkInput, NetworkModel
from cuelens.typing import FloatArray


@dataclass(frozen=True, kw_only=True)
class GradCam(MapExplainer):
    """Grad-CAM.

    Parameters
    ----------
    layer : str or None
        Module whose channels are weighted; None: the last with time and frequency.
    """

    name: ClassVar[str] = "grad-cam"
    layer: str | None = None

    def relevance(self, model: NetworkModel, shown: NetworkInput, target: int) -> Relevance:
        from cuelens.explain.network_graph import canonise, chosen_layer, layer_shapes

        n_windows, _, n_bands, n_frames = shown.values.shape
        cells = np.zeros((len(model.labels), n_windows, n_bands, n_frames))
        if not n_windows:
            return Relevance(cells=cells, n_model_calls=0)
        import torch
        from captum.attr import LayerGradCam

        graph = canonise(model.module)
        shapes = layer_shapes(graph, shown.values[:1])
        layer = chosen_layer(graph, shapes, self.layer)
        if layer not in shapes.centres:
            raise InputError(
                f"layer {layer} lies behind something other than convolutions and pooling that "
                "changes the size of maps; expected one before it, whose cells have a known place"
            )
        method = LayerGradCam(graph, graph.get_submodule(layer))
        pictures = torch.from_numpy(shown.values).requires_grad_()
        for label in range(len(model.labels)):
            coarse = method.attribute(pictures, target=label, relu_attributions=True)
            coarse = coarse.detach().numpy()[:, 0]
            for axis, size in enumerate((n_bands, n_frames), start=1):
                offset, step = shapes.centres[layer][axis - 1]
                coarse = placed(coarse, offset, step, size, axis=axis)
            cells[label] = coarse
        return Relevance(
            cells=cells,
            n_model_calls=2 * n_windows * len(model.labels),
            parameters={"layer": layer},
        )


def placed(coarse: FloatArray, offset: float, step: float, size: int, *, axis: int) -> FloatArray:
    """Interpolate cells centred on ``offset + i * step`` linearly to 0 ... size - 1."""
    position = np.clip((np.arange(size) - offset) / step, 0, coarse.shape[axis] - 1)
    left = np.floor(position).astype(int)
    right = np.minimum(left + 1, coarse.shape[axis] - 1)
    share = (position - left).reshape([-1 if a == axis else 1 for a in range(coarse.ndim)])
    return (1 - share) * coarse.take(left, axis) + share * coarse.take(right, axis)
