"""What a model is to cuelens, and the checks that every answer passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np

from cuelens.corpora import canonical_emotion
from cuelens.errors import InputError
from cuelens.typing import FloatArray

Output = Literal["probability", "logit", "value"]


@runtime_checkable
class Model(Protocol):
    """A speech emotion model.

    Attributes
    ----------
    labels : sequence of str
    sample_rate : int, Hz
        Rate of the waveforms it takes.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def sample_rate(self) -> int: ...

    def predict_proba(self, waveforms: Sequence[FloatArray], /) -> FloatArray:
        """Probabilities of waveforms.

        Parameters
        ----------
        waveforms : sequence of ndarray, shape (n_samples,), float32

        Returns
        -------
        ndarray, shape (n_waveforms, n_labels), values in [0, 1]
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class CallableModel:
    """Any Python function as a model.

    Parameters
    ----------
    function : callable
        Takes a list of waveforms (n_samples,) float32 and returns an array (n, n_labels).
    labels : tuple of str
    sample_rate : int, Hz
    name : str
        Shown in results.
    """

    function: Callable[[list[FloatArray]], FloatArray]
    labels: tuple[str, ...]
    sample_rate: int = 16_000
    name: str = "callable"

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """The function's answer, shape (n_waveforms, n_labels)."""
        return np.asarray(self.function(list(waveforms)))


def predict(model: Model, waveforms: Sequence[FloatArray]) -> FloatArray:
    """The model's answer, checked.

    Returns
    -------
    ndarray, shape (n_waveforms, n_labels), float64

    Raises
    ------
    InputError
        The model returned another shape, or NaN.
    """
    try:
        outputs = np.asarray(model.predict_proba(waveforms), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"model {model_name(model)} failed or returned no table of numbers ({error}); expected "
            "an array (n_waveforms, n_labels)"
        ) from error
    expected = (len(waveforms), len(model.labels))
    if outputs.shape != expected:
        raise InputError(
            f"model {model_name(model)} returned shape {outputs.shape}; expected {expected}: one "
            "row a waveform and one column a label"
        )
    if not np.isfinite(outputs).all():
        raise InputError(
            f"model {model_name(model)} returned NaN or infinite values; expected probabilities: "
            "check its features on silent or very quiet sound"
        )
    return outputs


def model_labels(model: Model) -> tuple[str, ...]:
    """The model's labels as text.

    Raises
    ------
    InputError
        None, or one of them twice.
    """
    labels = tuple(str(label) for label in model.labels)
    if not labels or len(set(labels)) < len(labels):
        raise InputError(
            f"model {model_name(model)} has labels {list(labels)}; expected one or more, all "
            "different"
        )
    return labels


def label_index(model: Model, target: str) -> int:
    """Which label of a model is meant: its own spelling, or another of the same emotion.

    Raises
    ------
    InputError
        None of its labels.
    """
    labels = model_labels(model)
    if target in labels:
        return labels.index(target)
    same = [row for row, label in enumerate(labels) if _emotion(label) == _emotion(target)]
    if len(same) != 1:
        raise InputError(
            f"target is {target!r}; expected one of the model's labels: {', '.join(labels)}"
        )
    return same[0]


def _emotion(label: str) -> str:
    try:
        return canonical_emotion(label)
    except InputError:
        return label


def model_name(model: Model) -> str:
    """The model's ``name`` where it has one, else that of its class."""
    return str(getattr(model, "name", type(model).__name__))


def model_output(model: Model) -> Output:
    """What the model's outputs are: its attribute ``output``, by default probabilities.

    Raises
    ------
    InputError
        Neither "probability", "logit" nor "value" (regression: any number).
    """
    found = getattr(model, "output", "probability")
    kinds: tuple[Output, ...] = get_args(Output)
    for kind in kinds:
        if found == kind:
            return kind
    raise InputError(
        f"model {model_name(model)} has output {found!r}; expected one of {', '.join(kinds)}"
    )


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities from logits along the last axis, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    exponent = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)
