"""Why this label rather than that one: the difference of two outputs as an output of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cuelens.errors import InputError
from cuelens.models.base import Model, label_index, model_labels, model_name, model_output, predict
from cuelens.models.network import FrontEnd, NetworkModel, is_network
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True, eq=False)
class Contrast:
    """A model with one more label, ``"A rather than B"``: its output for A minus that for B.

    Parameters
    ----------
    model : Model
    label, rather_than : str
        Labels of the model, in any spelling of the emotion.

    Raises
    ------
    InputError
        No labels of the model, or twice the same.

    Notes
    -----
    Explanations that add up are linear in the outputs: weights of the contrast are those of A minus
    those of B (of log-odds, those of log p).  Intervals are of the difference itself.
    """

    model: Model
    label: str
    rather_than: str

    def __post_init__(self) -> None:
        first, second = self.contrast_of
        if first == second:
            raise InputError(
                f"{self.label!r} rather than {self.rather_than!r} is one label of model "
                f"{model_name(self.model)} twice; expected two of "
                f"{', '.join(model_labels(self.model))}"
            )

    @property
    def contrast_of(self) -> tuple[int, int]:
        """Columns of A and B among the model's labels."""
        return label_index(self.model, self.label), label_index(self.model, self.rather_than)

    @property
    def target(self) -> str:
        """The label that is added."""
        labels = model_labels(self.model)
        return " rather than ".join(labels[column] for column in self.contrast_of)

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's own and the added one."""
        return *model_labels(self.model), self.target

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, Hz."""
        return self.model.sample_rate

    @property
    def name(self) -> str:
        """The model's own."""
        return model_name(self.model)

    @property
    def output(self) -> str:
        """What the outputs are: see :func:`~cuelens.models.base.model_output`."""
        return model_output(self.model)

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Outputs of the model, and the difference, shape (n_waveforms, n_labels + 1)."""
        return self.extended(predict(self.model, waveforms))

    def extended(self, outputs: FloatArray) -> FloatArray:
        """A table of outputs, shape (n, n_labels), with the difference as its last column."""
        first, second = self.contrast_of
        return np.column_stack([outputs, outputs[:, first] - outputs[:, second]])


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkContrast(Contrast):
    """The same of a network behind a front end: the difference of two logits, as one more unit."""

    model: NetworkModel

    @property
    def front_end(self) -> FrontEnd:
        """The network's own."""
        return self.model.front_end

    @property
    def module(self) -> nn.Module:
        """The network followed by a linear layer that copies its logits and adds the difference."""
        import torch
        from torch import nn

        n_labels = len(model_labels(self.model))
        matrix = torch.from_numpy(self.extended(np.eye(n_labels)).T.astype(np.float32).copy())
        layer = nn.Linear(n_labels, n_labels + 1, bias=False)
        with torch.no_grad():
            layer.weight.copy_(matrix)
        return nn.Sequential(self.model.module, layer.requires_grad_(False)).eval()

    def logits(self, inputs: FloatArray) -> FloatArray:
        """Logits of pictures and the difference of two, shape (n, n_labels + 1)."""
        return self.extended(self.model.logits(inputs))


def contrast_columns(model: Model) -> tuple[int, int] | None:
    """Columns of A and B where a model's last label is ``"A rather than B"``, else None."""
    found: tuple[int, int] | None = getattr(model, "contrast_of", None)
    return found


def contrast(model: Model, label: str, *, rather_than: str) -> Contrast:
    """A model that can be asked why it says one label rather than another.

    Parameters
    ----------
    model : Model
    label, rather_than : str

    Returns
    -------
    Contrast
        Explain it with ``target=contrast.target``.

    Raises
    ------
    InputError
        No labels of the model, or twice the same.
    """
    kind = NetworkContrast if is_network(model) else Contrast
    return kind(model=model, label=label, rather_than=rather_than)  # type: ignore[arg-type]
