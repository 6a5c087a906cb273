"""Clips together and alone: answered in batches, and the check that batches change nothing.

Waveforms of different lengths can go through a network together only padded, and padding changes
the answer of most networks: means over time count it, norms over time are scaled by it.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np

from cuelens.errors import CuelensWarning, InputError
from cuelens.typing import FloatArray

Answer = Callable[[list[FloatArray]], FloatArray]
SAME_IN_BATCH = 1e-4  # of the largest output
SAME_IN_HALF = 1e-2  # the same of 16-bit networks: 10 to 11 bits through a network
_compared: WeakSet[Any] = WeakSet()  # models that need not be compared again


@dataclass(frozen=True, kw_only=True, eq=False)
class Batching:
    """Answers together, alone, and alone once more.

    Parameters
    ----------
    alone : ndarray, shape (n_waveforms, n_labels)
    in_batch : float
        Largest difference of the answers together from `alone`, as a share of the largest output.
    again : float
        The same of the first waveform's answer alone, asked again.
    tolerance : float
        The model's own: :func:`batch_tolerance`.
    """

    alone: FloatArray
    in_batch: float
    again: float
    tolerance: float

    @property
    def differs(self) -> bool:
        """Whether being in a batch changes the answer by more than rounding and asking again do."""
        return not self.in_batch <= max(self.tolerance, 2 * self.again)


def batch_tolerance(model: object) -> float:
    """How far answers together and alone may differ by rounding, of the largest output.

    The model's ``batch_tolerance`` where it has one (adapters of 16-bit networks: 0.01), else
    0.0001.
    """
    return float(getattr(model, "batch_tolerance", SAME_IN_BATCH))


def relative_difference(one: FloatArray, other: FloatArray) -> float:
    """Largest difference of two sets of outputs, as a share of the largest output of `other`."""
    scale = float(np.abs(other).max(initial=0.0)) or 1.0
    return float(np.abs(one - other).max(initial=0.0)) / scale


def compare_batching(model: object, answer: Answer, waveforms: Sequence[FloatArray]) -> Batching:
    """Ask for waveforms together and one by one; the adapter then need not do it again.

    An adapter that was said to mask padding does it all the same, because a difference is an error
    there.

    Parameters
    ----------
    model : object
        Whose answers they are.
    answer : callable
        From a list of waveforms to answers (n_waveforms, n_labels).
    waveforms : sequence of ndarray, shape (n_samples,)

    Raises
    ------
    InputError
        The model was said to mask padding and does not.
    """
    if not getattr(model, "masks_padding", False):
        dismiss(model)
    alone = np.concatenate([answer([waveform.copy()]) for waveform in waveforms])
    again = answer([waveforms[0].copy()])
    together = answer([waveform.copy() for waveform in waveforms])
    return Batching(
        alone=alone,
        in_batch=relative_difference(together, alone),
        again=relative_difference(again, alone[:1]),
        tolerance=batch_tolerance(model),
    )


def dismiss(model: object) -> None:
    """Leave out the comparison on first use: someone else makes it."""
    try:
        _compared.add(model)
    except TypeError:  # it cannot be remembered, and is no adapter
        return


def answer_and_compare(
    model: Any,
    answer: Answer,
    waveforms: list[FloatArray],
    *,
    padded: Answer | None = None,
) -> FloatArray:
    """A model's answers; on first use, those to two different waveforms are compared with alone.

    Parameters
    ----------
    model : object
        Compared once, in the first call that holds two different waveforms.
    answer : callable
        From a list of waveforms to answers (n_waveforms, n_labels).
    waveforms : list of ndarray, shape (n_samples,)
    padded : callable or None
        Of a model that was said to mask padding: answers to waveforms of two lengths, padded in
        one batch.  The shortest and the longest are given to it, and a difference is an error.

    Returns
    -------
    ndarray, shape (n_waveforms, n_labels)

    Raises
    ------
    InputError
        The answers differ, and the model was said to mask padding.

    Warns
    -----
    CuelensWarning
        The answers differ: being in a batch changes them, or asking again does.
    """
    answers = answer(waveforms)
    numbers = answers.shape[:1] == (len(waveforms),) and np.issubdtype(answers.dtype, np.number)
    if model in _compared or not numbers:
        return answers
    pair = _most_different(waveforms, by_length=padded is not None)
    if pair is None:
        return answers
    _compared.add(model)
    tolerance = batch_tolerance(model)
    alone = np.concatenate([answer([waveforms[row]]) for row in pair])
    together = answers[pair] if padded is None else padded([waveforms[row] for row in pair])
    in_batch = relative_difference(together, alone)
    if in_batch <= tolerance or not np.isfinite(in_batch):  # NaN is told by those who see it
        return answers
    found = Batching(
        alone=alone,
        in_batch=in_batch,
        again=relative_difference(answer([waveforms[pair[0]]]), alone[:1]),
        tolerance=tolerance,
    )
    name = getattr(model, "name", type(model).__name__)
    if not found.differs:
        warnings.warn(
            f"model {name} answers the same clip differently when asked again (by "
            f"{found.again:.2g} of the largest output); expected the same: switch it to evaluation "
            "mode, or fix its seed",
            CuelensWarning,
            stacklevel=3,
        )
        return answers
    by = f"(by {in_batch:.2g} of the largest output); expected at most {tolerance:g}"
    if padded is not None:
        raise InputError(
            f"model {name} answers a clip differently when it is padded to a longer one than alone "
            f"{by} of a model that masks padding: leave out masks_padding, so that only equal "
            "lengths go together"
        )
    warnings.warn(
        f"model {name} answers a clip differently in a batch of {len(waveforms)} than alone {by}: "
        "let it take clips one by one, or mask what is padded",
        CuelensWarning,
        stacklevel=3,
    )
    return answers


def _most_different(waveforms: list[FloatArray], *, by_length: bool) -> list[int] | None:
    """Rows of the shortest and the longest waveform; of equal ones, quietest and loudest."""

    def key(row: int) -> tuple[int, float]:
        waveform = waveforms[row]
        return len(waveform), 0.0 if by_length else float(np.dot(waveform, waveform))

    rows = range(len(waveforms))
    if len(rows) < 2:
        return None
    low, high = min(rows, key=key), max(rows, key=key)
    return None if key(low) == key(high) else [low, high]


def in_batches(
    waveforms: list[FloatArray],
    answer: Answer,
    *,
    n_labels: int,
    batch_samples: int,
    padded: bool = False,
    padded_to: int = 0,
) -> FloatArray:
    """Answers to waveforms of equal length together, in the order given.

    Parameters
    ----------
    waveforms : list of ndarray, shape (n_samples,)
    answer : callable
        From a list of waveforms to answers (n_waveforms, n_labels).
    n_labels : int
    batch_samples : int
        Most samples at once, padding counted, but at least one waveform.
    padded : bool
        Waveforms of different lengths go together too, sorted by length.
    padded_to : int
        Samples that every waveform is padded to at least, as Whisper's are to 30 s.

    Returns
    -------
    ndarray, shape (n_waveforms, n_labels), float64
    """
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, waveform in enumerate(waveforms):
        rows_of[0 if padded else len(waveform)].append(row)
    answers = np.empty((len(waveforms), n_labels))
    for rows in rows_of.values():
        rows.sort(key=lambda row: len(waveforms[row]))
        at_once = max(1, batch_samples // max(1, padded_to, len(waveforms[rows[-1]])))
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            answers[some] = answer([waveforms[row] for row in some])
    return answers
