"""Models that know less than the one explained: layers drawn again, or labels shuffled.

References
----------
.. [1] J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from cuelens.corpora import Corpus
from cuelens.errors import InputError, MissingExtraError
from cuelens.models.base import Model, model_labels, model_name
from cuelens.models.network import NetworkModel, is_network
from cuelens.models.training import FeatureName, Progress, fit_model

if TYPE_CHECKING:
    from torch import nn

    from cuelens.models.torch_model import TorchModel

Order = Literal["cascade", "independent"]


How = Literal["reset", "permute"]


def layers(module: nn.Module) -> tuple[str, ...]:
    """Names of the submodules that have weights of their own, the last defined (top) first."""
    names = [
        name
        for name, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
    ]
    return tuple(reversed(names))


def layer_seed(seed: Sequence[int], depth: int) -> int:
    """Seed of the layer that is drawn again at a depth."""
    return int(np.random.SeedSequence([*seed, depth]).generate_state(1)[0])


def redraw(module: nn.Module, layer: str, *, seed: int, how: How = "reset") -> None:
    """Draw the weights of one layer again, in place.

    Parameters
    ----------
    module : nn.Module
    layer : str
        Name of a submodule.
    seed : int
        PyTorch's own random state is left as it was.
    how : {"reset", "permute"}
        As the layer is initialised (its ``reset_parameters``), or the weights it has in another
        order.

    Raises
    ------
    InputError
        The layer has no ``reset_parameters``.

    Notes
    -----
    Running statistics of batch norms are kept: they are measured, not learned.
    """
    import torch

    part = module.get_submodule(layer)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        if how == "permute":
            for weights in part.parameters(recurse=False):
                order = torch.randperm(weights.numel())
                weights.copy_(weights.flatten()[order].reshape(weights.shape))
            return
        reset = getattr(part, "reset_parameters", None)
        if reset is None:
            raise InputError(
                f"layer {layer or type(part).__name__} has weights and no reset_parameters; "
                'expected one: take how="permute"'
            )
        kept = {name: buffer.clone() for name, buffer in part.named_buffers(recurse=False)}
        reset()
        for name, buffer in kept.items():
            part.get_buffer(name).copy_(buffer)


def randomised(
    model: NetworkModel, *, seed: Sequence[int] = (0,), order: Order = "cascade", how: How = "reset"
) -> Iterator[tuple[str, TorchModel]]:
    """Copies of a network with more and more layers drawn again, from the top down [1]_.

    Parameters
    ----------
    model : NetworkModel
        Never changed.
    seed : sequence of int
    order : {"cascade", "independent"}
        All layers down to this one, or this one alone.
    how : {"reset", "permute"}
        See :func:`redraw`.

    Yields
    ------
    layer, model : str, TorchModel
        The layer drawn last, and the copy, behind the same front end.

    Notes
    -----
    The top is what is defined last, as in the published code, not what runs last.
    """
    try:
        from cuelens.models.torch_model import TorchModel
    except ImportError as error:
        raise MissingExtraError("drawing weights again", "torch") from error
    module = deepcopy(model.module)
    for depth, layer in enumerate(layers(module), start=1):
        if order == "independent":
            module = deepcopy(model.module)
        redraw(module, layer, seed=layer_seed(seed, depth), how=how)
        yield (
            layer,
            TorchModel(
                module=deepcopy(module).eval(),
                labels=model_labels(model),
                front_end=model.front_end,
                name=f"{model_name(model)}, {depth} layers drawn again"
                if order == "cascade"
                else f"{model_name(model)}, {layer} drawn again",
            ),
        )


def shuffled_labels_model(
    corpus: Corpus,
    *,
    features: FeatureName = "egemaps",
    seed: int = 0,
    progress: Progress | None = None,
) -> Model:
    """A model trained on a corpus with its labels dealt out again at random [1]_.

    Parameters
    ----------
    corpus, features, seed, progress
        As in :func:`cuelens.models.training.fit_model`; the seed also deals the labels.
    """
    emotions = np.random.default_rng(seed).permutation(corpus.table["emotion"].to_numpy())
    shuffled = replace(corpus, table=corpus.table.assign(emotion=emotions))
    return fit_model(shuffled, features=features, seed=seed, progress=progress)


class OtherModels(Protocol):
    """What the explanations of a model are compared with."""

    def of(self, model: Model, row: int) -> Iterator[tuple[int, str, Model]]:
        """Depths, names and models for one clip; verdicts are about the last."""
        ...


@dataclass(frozen=True, kw_only=True)
class Randomised:
    """Copies of the network with weights drawn again, anew for every clip."""

    seed: int
    order: Order
    how: How
    chosen: tuple[str, ...]

    def of(self, model: Model, row: int) -> Iterator[tuple[int, str, Model]]:
        if not is_network(model):
            raise InputError(f"model {model_name(model)} has no layers; expected a network")
        copies = randomised(model, seed=(self.seed, row), order=self.order, how=self.how)
        for depth, (layer, copy) in enumerate(copies, start=1):
            if layer in self.chosen:
                yield depth, layer, copy


@dataclass(frozen=True, kw_only=True, eq=False)
class OneOther:
    """One other model, the same for every clip."""

    name: str
    model: Model

    def of(self, model: Model, row: int) -> Iterator[tuple[int, str, Model]]:
        yield 1, self.name, self.model
