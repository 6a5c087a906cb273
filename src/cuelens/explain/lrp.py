"""Layer-wise relevance propagation: the logit handed back, layer by layer, to the cells.

The rule of every layer shares the relevance of its outputs among its inputs [1]_: in proportion to
their contributions in linear layers (epsilon rule), to their positive contributions in
convolutions (z-plus rule), evenly in the first layer (flat rule), in proportion to the parts where
branches add up and where cells are averaged.  Biases get no share, so that what leaves a layer
equals what entered it and the map adds up to the logit.  Rules are zennit's hooks [2]_; batch
norms and sums are made ready in ``network_graph.py``.

References
----------
.. [1] G. Montavon et al., "Layer-wise relevance propagation: an overview", in "Explainable AI",
   Springer 2019, sections 10.2 and 10.3.
.. [2] C. Anders et al., "Software for dataset-wide XAI: from local explanations to global insights
   with Zennit, CoRelAy, and ViRelAy", arXiv 2106.13200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cuelens.explain.map_explainer import MapExplainer, Relevance
from cuelens.models.network import NetworkInput, NetworkModel

if TYPE_CHECKING:
    from zennit.core import Composite


@dataclass(frozen=True, kw_only=True)
class LayerwiseRelevance(MapExplainer):
    """Layer-wise relevance propagation, epsilon-plus-flat.

    ``relevance_kept`` among the result's parameters is the sum of the map over the sum of the
    logits: 1 where nothing was lost on the way, for instance in a layer without a rule.
    """

    name: ClassVar[str] = "lrp"

    def relevance(self, model: NetworkModel, shown: NetworkInput, target: int) -> Relevance:
        from cuelens.explain.network_graph import canonise

        cells = np.zeros((len(model.labels), *shown.values.shape[:1], *shown.values.shape[2:]))
        if not len(shown.values):
            return Relevance(cells=cells, n_model_calls=0)
        import torch

        graph = canonise(model.module)
        kept = []
        with torch.enable_grad(), epsilon_plus_flat().context(graph) as network:
            for label in range(len(model.labels)):
                pictures = torch.from_numpy(shown.values).requires_grad_()
                logits = network(pictures)
                start = torch.zeros_like(logits)
                start[:, label] = logits.detach()[:, label]
                (found,) = torch.autograd.grad(logits, pictures, grad_outputs=start)
                cells[label] = found.numpy()[:, 0]
                kept.append(float(cells[label].sum()) / (float(start.sum()) or 1.0))
        return Relevance(
            cells=cells,
            base=np.zeros((len(model.labels), len(shown.values))),
            n_model_calls=2 * len(shown.values) * len(model.labels),
            parameters={"rules": "epsilon-plus-flat", "relevance_kept": round(kept[target], 6)},
        )


def epsilon_plus_flat() -> Composite:
    """The rules, for a network that :func:`~cuelens.explain.network_graph.canonise` made."""
    import torch
    from zennit.composites import SpecialFirstLayerMapComposite
    from zennit.core import BasicHook, stabilize
    from zennit.layer import Sum
    from zennit.rules import Flat, Norm, Pass
    from zennit.types import Activation, AvgPool, Convolution, Linear

    def positive(param: torch.Tensor, name: str) -> torch.Tensor:
        return torch.zeros_like(param) if name == "bias" else param.clamp(min=0)

    def negative(param: torch.Tensor, name: str) -> torch.Tensor:
        return torch.zeros_like(param) if name == "bias" else param.clamp(max=0)

    def weights_only(param: torch.Tensor, name: str) -> torch.Tensor:
        return torch.zeros_like(param) if name == "bias" else param

    def as_is(value: torch.Tensor) -> torch.Tensor:
        return value

    z_plus = BasicHook(
        input_modifiers=[lambda x: x.clamp(min=0), lambda x: x.clamp(max=0)],
        param_modifiers=[positive, negative],
        output_modifiers=[as_is, as_is],
        gradient_mapper=lambda relevance, outputs: [relevance / stabilize(sum(outputs))] * 2,
        reducer=lambda inputs, gradients: sum(
            x * g for x, g in zip(inputs, gradients, strict=True)
        ),
    )
    epsilon = BasicHook(
        input_modifiers=[as_is],
        param_modifiers=[weights_only],
        output_modifiers=[as_is],
        gradient_mapper=lambda relevance, outputs: relevance / stabilize(outputs[0]),
        reducer=lambda inputs, gradients: inputs[0] * gradients[0],
    )
    return SpecialFirstLayerMapComposite(
        layer_map=[
            (Activation, Pass()),
            (Sum, Norm()),
            (AvgPool, Norm()),
            (Convolution, z_plus),
            (torch.nn.Linear, epsilon),
        ],
        first_map=[(Linear, Flat())],
    )
