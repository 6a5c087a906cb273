"""What a network is shown of a clip, and where each cell of it lies in the clip.

Explainers that look inside a network need two things beside its answer: the pictures (log-mel
spectrograms) that the front end makes of a clip, and the time and frequency of every cell, in
seconds and Hz of the clip as given.  Trimming, padding and windows inside a front end then never
shift an explanation.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard

from cuelens.models.base import Model
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkInput:
    """The pictures a network is shown of one clip.

    Parameters
    ----------
    values : ndarray, shape (n_windows, 1, n_bands, n_frames), float32
        Empty where the clip holds nothing that the model listens to.
    times_s : ndarray, shape (n_windows, n_frames), s
        Centre of each frame in the clip as given; NaN where a frame is padding.
    edges_hz : ndarray, shape (n_bands + 1,), Hz
        Boundaries of the frequency bands, rising.
    hop_s : float, s
        Distance of neighbouring frames.
    silence : float
        Value of a cell that holds no sound.
    shares : ndarray, shape (n_windows,)
        How much each window counts in the model's answer to the clip; they add up to 1.
    """

    values: FloatArray
    times_s: FloatArray
    edges_hz: FloatArray
    hop_s: float
    silence: float
    shares: FloatArray


class FrontEnd(Protocol):
    """Makes pictures of a clip."""

    @property
    def sample_rate(self) -> int: ...

    def network_input(self, waveform: FloatArray, /) -> NetworkInput:
        """Pictures of one waveform, shape (n_samples,), float32."""
        ...


class NetworkModel(Model, Protocol):
    """A model that is a network behind a front end.

    Its answer to a clip is the mean, weighted by ``NetworkInput.shares``, of the softmax of its
    logits for each window.
    """

    @property
    def front_end(self) -> FrontEnd: ...

    @property
    def module(self) -> nn.Module:
        """The network in PyTorch, (n, 1, n_bands, n_frames) to logits (n, n_labels).

        Raises
        ------
        MissingExtraError
            PyTorch is not installed.
        """
        ...

    def logits(self, inputs: FloatArray, /) -> FloatArray:
        """Logits of pictures, (n, 1, n_bands, n_frames) float32 to (n, n_labels); any n."""
        ...


def is_network(model: Model) -> TypeGuard[NetworkModel]:
    """Whether a model is a network behind a front end.

    ``module`` is not asked for: where PyTorch is missing that fails, and ONNX still answers.
    """
    parts = (inspect.getattr_static(model, name, None) for name in ("front_end", "module"))
    return all(part is not None for part in parts) and callable(getattr(model, "logits", None))
