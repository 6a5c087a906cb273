"""Asking the model: coalitions in, outputs out, each asked once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from cuelens.models.base import Model, model_labels, model_name, model_output, predict
from cuelens.models.contrast import contrast_columns
from cuelens.threads import one_blas_thread
from cuelens.typing import BoolArray, FloatArray

_BATCH_SAMPLES = 8_000_000  # samples handed to the model at once: 32 MB of float32


class Mixer(Protocol):
    """What a game needs of a decomposed clip."""

    def __len__(self) -> int: ...

    def mix(self, keep: BoolArray) -> FloatArray: ...


class CoalitionGame:
    """The model's output as a function of which units are present.

    Parameters
    ----------
    model : Model
    components : Components
        Anything with ``mix(keep) -> (n_coalitions, n_samples)``.
    n_samples : int
        Length of the clip, to size the batches.

    Attributes
    ----------
    n_model_calls : int
        Waveforms that the model was given.  A coalition asked for again costs nothing.
    """

    def __init__(self, model: Model, components: Mixer, *, n_samples: int) -> None:
        self._model = model
        self._components = components
        self._batch = max(1, _BATCH_SAMPLES // n_samples)
        self._rows: dict[bytes, int] = {}
        self._keep: list[BoolArray] = []
        self._outputs: list[FloatArray] = []

    @property
    def n_model_calls(self) -> int:
        return len(self._rows)

    def __call__(self, keep: BoolArray) -> FloatArray:
        """Outputs of coalitions.

        Parameters
        ----------
        keep : ndarray, shape (n_coalitions, n_units), bool

        Returns
        -------
        ndarray, shape (n_coalitions, n_labels), float64
        """
        keys = [row.tobytes() for row in np.ascontiguousarray(keep)]
        new = {key: index for index, key in enumerate(keys) if key not in self._rows}
        indices = sorted(new.values())
        for first in range(0, len(indices), self._batch):
            rows = keep[indices[first : first + self._batch]]
            with one_blas_thread():
                mixed = list(self._components.mix(rows))
            outputs = predict(self._model, mixed)
            for row, output in zip(rows, outputs, strict=True):
                self._rows[row.tobytes()] = len(self._outputs)
                self._keep.append(row)
                self._outputs.append(output)
        return np.stack([self._outputs[self._rows[key]] for key in keys])

    def evaluations(self) -> tuple[BoolArray, FloatArray]:
        """Every coalition asked so far, in order, and its outputs."""
        return np.stack(self._keep), np.stack(self._outputs)


Progress = Callable[[int], None]


class CountingModel:
    """A model that reports how many waveforms it has answered, for progress bars and tests."""

    def __init__(self, model: Model, progress: Progress, *, batch_size: int = 32) -> None:
        self._model = model
        self._progress = progress
        self._batch_size = batch_size
        self.labels = model_labels(model)
        self.sample_rate: int = model.sample_rate
        self.name = model_name(model)
        self.output = model_output(model)
        self.contrast_of = contrast_columns(model)

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        outputs = []
        for first in range(0, len(waveforms), self._batch_size):
            some = waveforms[first : first + self._batch_size]
            outputs.append(predict(self._model, some))
            self._progress(len(some))
        return np.concatenate(outputs)


class RememberingModel:
    """A model that answers the same waveform from memory, so that several explainers share calls.

    Attributes
    ----------
    n_waveforms : int
        Waveforms that the model itself was given.
    n_remembered : int
        Waveforms that were answered from memory.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._seconds = 0.0
        self.n_remembered = 0
        self._answers: dict[bytes, FloatArray] = {}
        self.labels = model_labels(model)
        self.sample_rate: int = model.sample_rate
        self.name = model_name(model)
        self.output = model_output(model)
        self.contrast_of = contrast_columns(model)
        self.n_waveforms = 0

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        keys = [hashlib.blake2b(w.tobytes(), digest_size=16).digest() for w in waveforms]
        new = {key: w for key, w in zip(keys, waveforms, strict=True) if key not in self._answers}
        if new:
            began = time.perf_counter()
            outputs = predict(self._model, list(new.values()))
            self._seconds += time.perf_counter() - began
            self._answers.update(zip(new, outputs, strict=True))
            self.n_waveforms += len(new)
        self.n_remembered += len(waveforms) - len(new)
        return np.stack([self._answers[key] for key in keys])

    @property
    def seconds_each(self) -> float:
        """Mean time in s that the model itself took for a waveform."""
        return self._seconds / max(1, self.n_waveforms)
