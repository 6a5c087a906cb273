"""What a model knows before it decides: the vector that its last layer is shown.

For a network that is the input of its last linear layer (extra ``torch``), averaged over the
windows of the clip as its answers are; for a model on openSMILE features, the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cuelens.errors import InputError
from cuelens.features import OpenSmile
from cuelens.features.embedding import Embedding
from cuelens.models.base import Model, model_name
from cuelens.models.features_model import FeaturesModel
from cuelens.models.level import normalise_level
from cuelens.models.network import NetworkModel, is_network
from cuelens.provenance import versions
from cuelens.typing import FloatArray

LAYER = "before the last layer"


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelEmbedding(Embedding):
    """The vectors that the last layer of a network is shown.

    Parameters
    ----------
    model : Model
        A network behind a front end whose PyTorch module ends in a linear layer.

    Raises
    ------
    InputError
        Not such a model, or no linear layer in it.
    """

    model: NetworkModel

    def __post_init__(self) -> None:
        self._last_layer  # noqa: B018 - fails here rather than in the middle of a corpus

    @property
    def name(self) -> str:
        """Name of the model."""
        return model_name(self.model)

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, in Hz."""
        return self.model.sample_rate

    @property
    def layers(self) -> tuple[str, ...]:
        """One."""
        return (LAYER,)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Numbered."""
        return tuple(f"unit {i}" for i in range(self._last_layer.in_features))

    @property
    def recipe(self) -> str:
        """Weights, front end and versions."""
        import hashlib

        digest = hashlib.sha256()
        for name, weights in sorted(self.model.module.state_dict().items()):
            digest.update(name.encode())
            digest.update(weights.cpu().numpy().tobytes())
        return (
            f"{self.name} {LAYER} {digest.hexdigest()} {self.model.front_end!r} "
            f"cuelens {versions()['cuelens']}"
        )

    @cached_property
    def _last_layer(self) -> Any:
        from torch import nn  # imported when used: PyTorch is optional

        linear = [part for part in self.model.module.modules() if isinstance(part, nn.Linear)]
        if not linear:
            raise InputError(
                f"model {self.name} has no linear layer; expected one at its end, whose input is "
                "the embedding"
            )
        return linear[-1]

    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Vectors, shape (n_waveforms, 1, n_dimensions), float32; zeros for silence."""
        import torch

        from cuelens.models.torch_model import evaluating

        found = np.zeros((len(waveforms), 1, self._last_layer.in_features), dtype=np.float32)
        seen: list[torch.Tensor] = []
        hook = self._last_layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            with evaluating(self.model.module), torch.inference_mode():
                for row, waveform in enumerate(waveforms):
                    shown = self.model.front_end.network_input(np.asarray(waveform, np.float32))
                    if len(shown.values):
                        seen.clear()
                        self.model.module(torch.from_numpy(np.ascontiguousarray(shown.values)))
                        found[row, 0] = shown.shares @ seen[-1].numpy()
        finally:
            hook.remove()
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFeatures(Embedding):
    """The openSMILE functionals that a linear model is shown.

    Parameters
    ----------
    model : FeaturesModel
    """

    model: FeaturesModel

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, in Hz."""
        return self.model.sample_rate

    @property
    def layers(self) -> tuple[str, ...]:
        """One."""
        return ("features",)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the functionals."""
        return self.model.features.names

    @property
    def recipe(self) -> str:
        """Features, level and versions."""
        level = "one level" if self.model.normalise else "as given"
        return f"{self.model.features.recipe(self.sample_rate)}, {level}"

    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Vectors, shape (n_waveforms, 1, n_dimensions), float32."""
        given = [
            normalise_level(waveform) if self.model.normalise else waveform
            for waveform in waveforms
        ]
        smile = OpenSmile(feature_set=self.model.features.feature_set)
        return smile.functionals(given, sample_rate=self.sample_rate)[:, None]


def embedding_of(model: Model) -> Embedding:
    """The embedding inside a model.

    Raises
    ------
    InputError
        A model that cannot be looked into.
    MissingExtraError
        A network, and PyTorch is not installed.
    """
    if isinstance(model, FeaturesModel):
        return ModelFeatures(model=model)
    if is_network(model):
        return ModelEmbedding(model=model)
    raise InputError(
        f"model {model_name(model)} has no embedding that can be looked at; expected a network "
        "behind a front end or a linear model on features: give a table of vectors instead"
    )
