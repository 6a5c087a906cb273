"""What a model is to cuelens, and the checks that every answer passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np

from cuelens.corpora import canonical_emotion
from cuelens.errors import CuelensError, InputError
from cuelens.models.batching import answer_and_compare
from cuelens.models.waveforms import check_sample_rate, checked_waveforms
from cuelens.python_name import where_it_failed
from cuelens.typing import FloatArray

Output = Literal["probability", "logit", "value"]
NetworkOutput = Literal["probability", "logit", "multi_label_logit", "value"]
DIMENSIONS = frozenset({"arousal", "activation", "dominance", "control", "valence", "liking"})
_NOT_PROBABILITY = 1e-3  # as in the gate: rounding of half precision stays below


@runtime_checkable
class Model(Protocol):
    """A speech emotion model.

    A model may also have a ``name``; an ``output`` that says what its answers are, see
    :func:`model_output`; a ``max_duration_s``, beyond which it hears nothing or fails; and
    ``notes``, sentences on what speaks against trusting it.

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
        ndarray, shape (n_waveforms, n_labels)
            Values in [0, 1], unless its ``output`` says otherwise.
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
    output : {"probability", "logit", "value"} or None
        What the numbers are; see :func:`model_output`.

    Notes
    -----
    The first call with two different waveforms asks for two of them alone too, and warns where
    the answers differ.
    """

    function: Callable[[list[FloatArray]], FloatArray]
    labels: tuple[str, ...]
    sample_rate: int = 16_000
    name: str = "callable"
    output: Output | None = None

    def __post_init__(self) -> None:
        check_sample_rate(self.sample_rate, name=self.name)
        object.__setattr__(self, "labels", model_labels(self))
        object.__setattr__(self, "output", model_output(self))

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """The function's answer, shape (n_waveforms, n_labels).

        Raises
        ------
        InputError
            A waveform that has another number of axes, or a sample that is no number.
        """
        given = checked_waveforms(waveforms, name=self.name)
        if not given:
            return np.empty((0, len(self.labels)))
        return answer_and_compare(self, lambda some: np.asarray(self.function(some)), given)


def predict(model: Model, waveforms: Sequence[FloatArray]) -> FloatArray:
    """The model's answer, checked.

    Returns
    -------
    ndarray, shape (n_waveforms, n_labels), float64

    Raises
    ------
    InputError
        The model returned another shape, or NaN, or the user's own code failed: then with its file
        and line.
    """
    try:
        outputs = np.asarray(model.predict_proba(waveforms), dtype=np.float64)
    except (CuelensError, Warning):
        raise
    except Exception as error:
        where = where_it_failed(error)
        if where is not None:
            raise InputError(
                f"model {model_name(model)} failed in {where}: {type(error).__name__}: {error}; "
                "expected an array (n_waveforms, n_labels)"
            ) from error
        if not isinstance(error, TypeError | ValueError):
            raise
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
    broken = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if len(broken):
        first = np.asarray(waveforms[broken[0]])
        peak = float(np.abs(first).max(initial=0.0))
        raise InputError(
            f"model {model_name(model)} answers {len(broken)} of {len(outputs)} waveforms with NaN "
            f"or infinity, the first of {len(first) / model.sample_rate:.2f} s with a peak of "
            f"{peak:.2g}; expected numbers: check its features on silent, very quiet or short "
            "sound, and its weights"
        )
    return outputs


def model_labels(model: Model) -> tuple[str, ...]:
    """The model's labels as text.

    Raises
    ------
    InputError
        None, one of them twice, or text instead of a sequence.
    """
    given = model.labels
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(
            f"model {model_name(model)} has labels {given!r}; expected a sequence of names, such "
            'as ("angry", "calm")'
        )
    labels = tuple(str(label) for label in given)
    if not labels or len(set(labels)) < len(labels):
        raise InputError(
            f"model {model_name(model)} has labels {list(labels)}; expected one or more, all "
            "different"
        )
    return labels


def are_dimensions(labels: Iterable[str]) -> bool:
    """Whether labels name dimensions, such as arousal, whose numbers are values, not emotions."""
    return DIMENSIONS.issuperset(label.strip().lower() for label in labels)


def default_target(model: Model, outputs: FloatArray) -> int:
    """Which label is explained where nobody says which.

    Parameters
    ----------
    model : Model
    outputs : ndarray, shape (n_labels,)
        Its answer to the clip.

    Returns
    -------
    int
        Column of the largest output; of values the first, because the largest of several
        dimensions means nothing.
    """
    return 0 if model_output(model) == "value" else int(np.argmax(outputs))


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


def model_output(model: Model) -> Output:
    """What a model's answers are.

    Returns
    -------
    {"probability", "logit", "value"}
        ``"value"``: any real number, of regression, such as arousal.  Where the model has no
        attribute ``output``, or it is None: ``"value"`` if every label is a dimension
        (:func:`are_dimensions`), else ``"probability"``.

    Raises
    ------
    InputError
        The attribute is something else.
    """
    output: Output | None = getattr(model, "output", None)
    if output is None:
        return "value" if are_dimensions(model_labels(model)) else "probability"
    if output not in get_args(Output):
        raise InputError(
            f"model {model_name(model)} says its output is {output!r}; expected one of "
            f"{', '.join(get_args(Output))}"
        )
    return output


def given_output(given: NetworkOutput | None, labels: Iterable[str]) -> NetworkOutput | None:
    """What a network gives: what was said, else values where every label is a dimension."""
    return "value" if given is None and are_dimensions(labels) else given


def network_answers(raw: FloatArray, given: NetworkOutput | None, *, name: str) -> FloatArray:
    """Answers of a model from what its network gives.

    Parameters
    ----------
    raw : ndarray, shape (n, n_labels)
    given : {"probability", "logit", "multi_label_logit", "value"} or None
        What the network gives: probabilities and values stay as they are, logits go through a
        softmax, a single one and those of labels that do not exclude each other through a sigmoid.
        None: probabilities that add up to 1, or an error.
    name : str
        Of the model, for messages.

    Returns
    -------
    ndarray, shape (n, n_labels), float64

    Raises
    ------
    InputError
        Nobody said what the network gives, and it is no probabilities.
    """
    raw = np.asarray(raw, dtype=np.float64)
    if given == "multi_label_logit" or (given == "logit" and raw.shape[1] == 1):
        return sigmoid(raw)
    if given == "logit":
        return softmax(raw)
    if given is None and raw.size:
        off = max(-raw.min(), raw.max() - 1.0, np.abs(raw.sum(axis=1) - 1.0).max())
        if off > _NOT_PROBABILITY:
            raise InputError(
                f"model {name}: the network gives numbers from {raw.min():.3g} to {raw.max():.3g} "
                "that do not add up to 1; say what they are, with output= in its name or "
                "network_output= in Python: logit (a softmax makes probabilities of them), "
                "multi_label_logit (a sigmoid of each label), value (regression) or probability "
                "(each label by itself)"
            )
    return raw


def model_max_duration_s(model: Model) -> float:
    """Longest sound that the model hears, in s: its ``max_duration_s``, else infinity."""
    return float(getattr(model, "max_duration_s", float("inf")))


def model_name(model: Model) -> str:
    """The model's ``name`` where it has one, else that of its class."""
    return str(getattr(model, "name", type(model).__name__))


def sigmoid(logits: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)) of every number, in float64, without overflow."""
    from scipy.special import expit

    found: FloatArray = expit(np.asarray(logits, dtype=np.float64))
    return found


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities from logits along the last axis, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    exponent = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)
