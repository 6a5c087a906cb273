"""Folds that keep speakers apart, and rows made comparable between speakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from cuelens.errors import InputError
from cuelens.typing import FloatArray, IntArray

MIN_SPEAKERS = 4  # one left out, and three to choose a penalty on
FEW_SPEAKERS = 10  # up to here every speaker is left out alone
N_FOLDS = 5
N_INNER = 4


class OuterFold(NamedTuple):
    """Rows to learn from, rows of other speakers, and parts of the first by speakers."""

    train: IntArray
    test: IntArray
    inner: Sequence[IntArray]  # positions within train


def nested_folds(speakers: NDArray[np.str_], n_folds: int | None = None) -> list[OuterFold]:
    """Nested folds; no speaker is on both sides of any split.

    Parameters
    ----------
    speakers : ndarray of str, shape (n_rows,)
    n_folds : int, optional
        By default one a speaker up to ten speakers, five beyond.

    Raises
    ------
    InputError
        Fewer than four speakers, or `n_folds` out of range.
    """
    names = np.unique(speakers)
    if len(names) < MIN_SPEAKERS:
        raise InputError(
            f"{len(names)} speakers ({', '.join(map(str, names))}); expected at least "
            f"{MIN_SPEAKERS}: one is left out and the others must choose the penalty"
        )
    if n_folds is None:
        n_folds = len(names) if len(names) <= FEW_SPEAKERS else N_FOLDS
    if not 2 <= n_folds <= len(names):
        raise InputError(
            f"n_folds is {n_folds}; expected 2 to {len(names)}, the number of speakers"
        )
    rows = np.arange(len(speakers))
    folds = []
    for train, test in GroupKFold(n_folds).split(rows, groups=speakers):
        left = speakers[train]
        if len(np.unique(left)) < MIN_SPEAKERS - 1:
            raise InputError(
                f"n_folds is {n_folds}: {len(np.unique(left))} of {len(names)} speakers are left "
                f"to learn from; expected at least {MIN_SPEAKERS - 1}: ask for more folds"
            )
        n_inner = min(N_INNER, len(np.unique(left)))
        inner = [part for _, part in GroupKFold(n_inner).split(train, groups=left)]
        folds.append(OuterFold(train, test, inner))
    return folds


def z_scores_by_speaker(values: FloatArray, speakers: NDArray[np.str_]) -> FloatArray:
    """Each column standardised over the clips of each speaker; labels are not looked at.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
    speakers : ndarray of str, shape (n_rows,)

    Returns
    -------
    ndarray, shape (n_rows, n_columns), float64
        0 where a column does not vary over a speaker's clips.
    """
    scored = np.asarray(values, dtype=np.float64).copy()
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        centred = scored[mine] - scored[mine].mean(axis=0)
        spread = centred.std(axis=0)
        varies = spread > 1e-10 * np.maximum(np.abs(scored[mine]).max(axis=0), 1e-300)
        scored[mine] = np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)
    return scored


def shuffled_within_speakers(speakers: NDArray[np.str_], rng: np.random.Generator) -> IntArray:
    """Rows in random order within each speaker, shape (n_rows,)."""
    order = np.arange(len(speakers))
    for speaker in np.unique(speakers):
        mine = np.flatnonzero(speakers == speaker)
        order[mine] = rng.permutation(mine)
    return order


def sums_by_speaker(values: FloatArray, speakers: NDArray[np.str_]) -> FloatArray:
    """Sums over the rows of each speaker in sorted order, shape (n_speakers, ...)."""
    order = np.argsort(speakers, kind="stable")
    _, first = np.unique(speakers[order], return_index=True)
    return np.add.reduceat(np.asarray(values, dtype=np.float64)[order], first, axis=0)
