"""A PyTorch network behind a front end (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.models.base import Output, softmax
from cuelens.models.batching import answer_and_compare
from cuelens.models.network import FrontEnd
from cuelens.models.waveforms import checked_waveforms
from cuelens.typing import FloatArray

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError("PyTorch networks", "torch") from error

_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchModel:
    """Any ``nn.Module`` that takes pictures (n, 1, n_bands, n_frames) and gives logits.

    Parameters
    ----------
    module : nn.Module
        Run in evaluation mode; its own mode is restored after every use.
    labels : tuple of str
    front_end : FrontEnd
        Turns a waveform into pictures: :class:`~cuelens.models.WindowedLogMel`,
        :class:`~cuelens.models.PublishedLogMel`, or anything with the same ``network_input``.
    name : str
    """

    module: nn.Module
    labels: tuple[str, ...]
    front_end: FrontEnd
    name: str = "torch"

    @property
    def output(self) -> Output:
        """Probabilities, by a softmax."""
        return "probability"

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, Hz."""
        return self.front_end.sample_rate

    def logits(self, inputs: FloatArray) -> FloatArray:
        """Logits of pictures, (n, 1, n_bands, n_frames) float32 to (n, n_labels) float32."""
        parts = []
        with evaluating(self.module), torch.inference_mode():
            for first in range(0, len(inputs), _BATCH):
                batch = torch.from_numpy(np.ascontiguousarray(inputs[first : first + _BATCH]))
                parts.append(self.module(batch).numpy())
        if not parts:
            return np.empty((0, len(self.labels)), dtype=np.float32)
        logits = np.concatenate(parts)
        if logits.shape != (len(inputs), len(self.labels)):
            raise InputError(
                f"model {self.name}: the network returned shape {logits.shape}; expected "
                f"{(len(inputs), len(self.labels))}, one column a label"
            )
        return logits

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Probabilities, shape (n_waveforms, n_labels), float64; equal ones for silence.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers, or another number of labels.
        """
        return answer_and_compare(self, self._answers, checked_waveforms(waveforms, name=self.name))

    def _answers(self, waveforms: list[FloatArray]) -> FloatArray:
        answers = np.full((len(waveforms), len(self.labels)), 1.0 / len(self.labels))
        for first in range(0, len(waveforms), _BATCH):
            shown = [
                self.front_end.network_input(waveform)
                for waveform in waveforms[first : first + _BATCH]
            ]
            stacks = [picture.values for picture in shown]
            probabilities = softmax(self.logits(np.concatenate(stacks)))
            ends = np.cumsum([len(stack) for stack in stacks])
            for row, (picture, end) in enumerate(zip(shown, ends, strict=True), start=first):
                if len(picture.values):
                    own = probabilities[end - len(picture.values) : end]
                    answers[row] = picture.shares @ own
        return answers


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every submodule's own mode afterwards, whatever happens."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
