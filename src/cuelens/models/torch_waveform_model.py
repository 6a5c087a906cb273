"""A PyTorch network that takes waveforms as they are (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.models.base import NetworkOutput, Output, given_output, model_labels, network_answers
from cuelens.models.batching import (
    SAME_IN_BATCH,
    SAME_IN_HALF,
    answer_and_compare,
    in_batches,
)
from cuelens.models.lengths import length_hint, shortest_taken
from cuelens.models.waveforms import check_sample_rate, checked_waveforms
from cuelens.typing import FloatArray

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError("PyTorch networks", "torch") from error

from cuelens.models.torch_model import evaluating


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchWaveformModel:
    """Any ``nn.Module`` that takes waveforms (n, n_samples) and gives one row of numbers each.

    Parameters
    ----------
    module : nn.Module
        From float32 (n, n_samples), or the precision of its weights, on their device, to
        (n, n_labels) or something with such ``logits``.  Run in evaluation mode; its own mode is
        restored after every use.
    labels : tuple of str
    sample_rate : int, Hz
        Of the waveforms it takes.
    network_output : {"probability", "logit", "multi_label_logit", "value"} or None
        What the network gives.  Logits go through a softmax, those of labels that do not exclude
        each other (``"multi_label_logit"``) through a sigmoid.  None: values where every label is
        a dimension (:func:`~cuelens.models.base.are_dimensions`), else probabilities that add up
        to 1, or an error.
    min_duration_s : float, s
        Shortest waveform that it can take.
    batch_seconds : float, s
        Sound that goes through it at once, at least one waveform.
    name : str

    Notes
    -----
    Only waveforms of equal length go through the network together.
    """

    module: nn.Module
    labels: tuple[str, ...]
    sample_rate: int = 16_000
    network_output: NetworkOutput | None = None
    min_duration_s: float = 0.0
    batch_seconds: float = 60.0
    name: str = "torch"

    def __post_init__(self) -> None:
        check_sample_rate(self.sample_rate, name=self.name)
        model_labels(self)

    @property
    def output(self) -> Output:
        """What the answers are: probabilities, unless the network gives values."""
        return "value" if self._gives == "value" else "probability"

    @property
    def batch_tolerance(self) -> float:
        """How far answers in a batch and alone may differ by rounding, of the largest output."""
        weights = next((p for p in self.module.parameters() if p.is_floating_point()), None)
        return SAME_IN_HALF if weights is not None and weights.itemsize == 2 else SAME_IN_BATCH

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Answers, shape (n_waveforms, n_labels), float64.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers or too short, or a network that gives
            another shape or what was not expected of it.
        """
        given = checked_waveforms(
            waveforms,
            name=self.name,
            sample_rate=self.sample_rate,
            shortest=max(1, round(self.min_duration_s * self.sample_rate)),
        )
        return answer_and_compare(self, self._answers, given)

    def _answers(self, waveforms: list[FloatArray]) -> FloatArray:
        raw = in_batches(
            waveforms,
            self._outputs,
            n_labels=len(self.labels),
            batch_samples=int(self.batch_seconds * self.sample_rate),
        )
        return network_answers(raw, self._gives, name=self.name)

    @property
    def _gives(self) -> NetworkOutput | None:
        return given_output(self.network_output, self.labels)

    @cached_property
    def _shortest(self) -> int | None:
        """Fewest samples of silence that the network answers; None where it answers none."""
        weights = next((p for p in self.module.parameters() if p.is_floating_point()), None)

        def takes(n: int) -> bool:
            silence = torch.zeros(1, n)
            if weights is not None:
                silence = silence.to(weights.device, weights.dtype)
            try:
                self.module(silence)
            except RuntimeError:
                return False
            return True

        with evaluating(self.module), torch.inference_mode():
            return shortest_taken(takes, sample_rate=self.sample_rate)

    def _outputs(self, waveforms: list[FloatArray]) -> FloatArray:
        batch = torch.from_numpy(np.stack(waveforms))
        weights = next((p for p in self.module.parameters() if p.is_floating_point()), batch)
        with evaluating(self.module), torch.inference_mode():
            try:
                given: Any = self.module(batch.to(weights.device, weights.dtype))
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                hint = length_hint(self._shortest, batch.shape[1], sample_rate=self.sample_rate)
                raise InputError(
                    f"model {self.name}: the network fails on waveforms of shape "
                    f"{tuple(batch.shape)} ({reason}); expected {hint}"
                ) from error
        given = getattr(given, "logits", given)
        if isinstance(given, torch.Tensor) and tuple(given.shape) == (
            len(waveforms),
            len(self.labels),
        ):
            return given.float().cpu().numpy()
        shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise InputError(
            f"model {self.name}: the network returned {shape}; expected shape "
            f"{(len(waveforms), len(self.labels))}, one row a waveform and one column a label"
        )
