"""Occlusion sensitivity: how much the output falls when a patch of the picture is covered.

The relevance of a cell is the fall of the logit, averaged over all patches that cover the cell
[1]_.  It needs forward passes only, so it runs without PyTorch, through ONNX.  Where the network
is at hand in PyTorch, only what a patch can reach is computed again (see ``local_forward.py``).

References
----------
.. [1] M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
.. [2] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency", arXiv 2511.11691: patches of 1 mel band by
   10 frames, every band and every third frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.map_explainer import MapExplainer, Relevance
from cuelens.models.base import Model
from cuelens.models.network import NetworkInput, NetworkModel, is_network
from cuelens.typing import FloatArray, IntArray

_BATCH = 128
_AGREES = 1e-4


@dataclass(frozen=True, kw_only=True)
class Occlusion(MapExplainer):
    """Occlusion sensitivity.

    Parameters
    ----------
    patch_bands, patch_frames : int
        Size of the patch in cells; the default is about a ninth of the frequency range by 150 ms.
    stride_bands, stride_frames : int
        Steps between patches; the map is no finer than that, in time 45 ms by default.
    fill : float or None
        What a covered cell holds; None is silence.  The published code uses 0, which in a picture
        in dB below the maximum is the loudest value there is.
    """

    name: ClassVar[str] = "occlusion"
    patch_bands: int = 16
    patch_frames: int = 10
    stride_bands: int = 8
    stride_frames: int = 3
    fill: float | None = None

    def __post_init__(self) -> None:
        for name in ("patch_bands", "patch_frames", "stride_bands", "stride_frames"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                raise InputError(f"{name} is {value!r}; expected a whole number, 1 or more")
        if self.stride_bands > self.patch_bands or self.stride_frames > self.patch_frames:
            raise InputError("strides exceed the patch; expected patches that leave no gaps")

    @classmethod
    def published(cls) -> Occlusion:
        """The patch of Nasr, Ren & Johnson: 1 band by 10 frames, every band and third frame."""
        return cls(patch_bands=1, patch_frames=10, stride_bands=1, stride_frames=3, fill=0.0)

    def patches(self, n_bands: int, n_frames: int) -> IntArray:
        """Top, bottom, left and right of every patch, shape (n_patches, 4), int.

        Patches at the far edges are cut off, as in captum.
        """

        def starts(size: int, patch: int, stride: int) -> IntArray:
            return np.arange(1 + max(0, -(-(size - patch) // stride))) * stride

        tops = starts(n_bands, self.patch_bands, self.stride_bands)
        lefts = starts(n_frames, self.patch_frames, self.stride_frames)
        top, left = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
        bottom = np.minimum(top + self.patch_bands, n_bands)
        right = np.minimum(left + self.patch_frames, n_frames)
        return np.column_stack([top, bottom, left, right])

    def n_evaluations(self, model: Model, audio: Audio) -> int | None:
        if not is_network(model):
            return None
        shape = model.front_end.network_input(audio.resample(model.sample_rate).samples)
        return len(shape.values) * (1 + len(self.patches(*shape.values.shape[2:])))

    def relevance(self, model: NetworkModel, shown: NetworkInput, target: int) -> Relevance:
        n_windows, _, n_bands, n_frames = shown.values.shape
        patches = self.patches(n_bands, n_frames)
        fill = shown.silence if self.fill is None else self.fill
        cells = np.zeros((len(model.labels), n_windows, n_bands, n_frames))
        covered = np.zeros((n_bands, n_frames))
        for top, bottom, left, right in patches:
            covered[top:bottom, left:right] += 1
        whole = model.logits(shown.values).astype(np.float64)
        for window, picture in enumerate(shown.values):
            falls = whole[window] - _occluded_logits(model, picture, patches, fill)
            for fall, (top, bottom, left, right) in zip(falls, patches, strict=True):
                cells[:, window, top:bottom, left:right] += fall[:, None, None]
        return Relevance(
            cells=cells / covered,
            n_model_calls=n_windows * (1 + len(patches)),
            parameters={"fill": float(fill)},
        )


def _occluded_logits(
    model: NetworkModel, picture: FloatArray, patches: IntArray, fill: float
) -> FloatArray:
    """Logits with each patch covered, shape (n_patches, n_labels), float64."""
    local = _local_logits(model, picture, patches, fill)
    return (batched_logits(model, picture, patches, fill) if local is None else local).astype(
        np.float64
    )


def batched_logits(
    model: NetworkModel, picture: FloatArray, patches: IntArray, fill: float
) -> FloatArray:
    """Logits with each patch covered, by whole forward passes, many at a time."""
    parts = []
    for first in range(0, len(patches), _BATCH):
        some = patches[first : first + _BATCH]
        batch = np.repeat(picture[None], len(some), axis=0)
        for row, (top, bottom, left, right) in zip(batch, some, strict=True):
            row[:, top:bottom, left:right] = fill
        parts.append(model.logits(batch))
    return np.concatenate(parts)


def _local_logits(
    model: NetworkModel, picture: FloatArray, patches: IntArray, fill: float
) -> FloatArray | None:
    """The same from local changes; None where PyTorch is missing or the network is of another kind.

    A few patches are checked against whole passes.
    """
    try:
        import torch

        from cuelens.explain.local_forward import LocalForward, Unsupported
    except ImportError:
        return None
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # many small products: threads would wait for each other
    try:
        logits = LocalForward(model.module, torch.from_numpy(picture[None]))(patches, fill)
    except (ImportError, InputError, Unsupported):
        return None
    finally:
        torch.set_num_threads(n_threads)
    some = np.linspace(0, len(patches) - 1, min(8, len(patches))).astype(int)
    expected = batched_logits(model, picture, patches[some], fill)
    return logits if np.allclose(logits[some], expected, atol=_AGREES, rtol=_AGREES) else None
