"""What the dimensions are asked to tell: one emotion from the rest, all emotions, a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cuelens.corpora import Corpus, canonical_emotion
from cuelens.errors import InputError
from cuelens.typing import FloatArray, IntArray

Kind = Literal["emotion", "all emotions", "value"]
Balance = Literal["weighted", "published"]

ALL_EMOTIONS = "all emotions"
PUBLISHED_CLIPS = 96  # of the emotion, and about as many of the others together


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One thing to tell from the embedding.

    Parameters
    ----------
    name : str
        The emotion, "all emotions", or the column of the value.
    kind : {"emotion", "all emotions", "value"}
    rows : ndarray of int, shape (n_rows,)
        Clips of the corpus that take part.
    targets : ndarray, shape (n_rows, n_columns), float64
        1 and 0 for classes (one column, or one an emotion), or the values.
    """

    name: str
    kind: Kind
    rows: IntArray
    targets: FloatArray

    @property
    def is_class(self) -> bool:
        """Whether it is told by recall rather than by R2."""
        return self.kind != "value"


def emotion_tasks(
    corpus: Corpus,
    *,
    emotions: Sequence[str] | None = None,
    balance: Balance = "weighted",
    seed: int = 0,
) -> list[Task]:
    """One task an emotion against the rest, and one for all of them.

    Parameters
    ----------
    corpus : Corpus
    emotions : sequence of str, optional
        Any spelling; clips of other emotions are left out.  By default all of the corpus.
    balance : {"weighted", "published"}
        All clips, with both classes counting the same in every score; or as published 96 clips of
        the emotion and as many spread evenly over the others (fewer where there are fewer), drawn
        at random.  Balanced sets differ between emotions, so "all emotions" is left out then.
    seed : int

    Raises
    ------
    InputError
        Fewer than two emotions, or one the corpus has not.
    """
    labels = corpus.table["emotion"].to_numpy(dtype=str)
    names = (
        list(corpus.emotions)
        if emotions is None
        else list(dict.fromkeys(canonical_emotion(label) for label in emotions))
    )
    absent = [name for name in names if name not in corpus.emotions]
    if absent:
        raise InputError(
            f"{corpus.name} has no clip of {', '.join(absent)}; expected some of "
            f"{', '.join(corpus.emotions)}"
        )
    if len(names) < 2:
        raise InputError(
            f"{corpus.name}: only {', '.join(names)} to tell; expected at least two emotions"
        )
    rows = np.flatnonzero(np.isin(labels, names))
    if balance == "published":
        rng = np.random.default_rng(seed)
        return [_balanced(labels, name, names, rng) for name in names]
    every = np.stack([labels[rows] == name for name in names], axis=1).astype(np.float64)
    tasks = [
        Task(name=name, kind="emotion", rows=rows, targets=every[:, [i]])
        for i, name in enumerate(names)
    ]
    if len(names) > 2:
        tasks.append(Task(name=ALL_EMOTIONS, kind="all emotions", rows=rows, targets=every))
    return tasks


def value_task(corpus: Corpus, column: str) -> Task:
    """Predict a column of numbers, such as arousal; clips without a value are left out.

    Raises
    ------
    InputError
        No such column, no numbers in it, or all the same.
    """
    if column not in corpus.table.columns:
        raise InputError(
            f"{corpus.name} has no column {column!r}; expected one of "
            f"{', '.join(map(str, corpus.table.columns))}"
        )
    try:
        values = corpus.table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{corpus.name}: column {column!r} has values that are no numbers, such as "
            f"{corpus.table[column].iloc[0]!r}; expected numbers"
        ) from error
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) < 2 or np.ptp(values[rows]) == 0:
        raise InputError(
            f"{corpus.name}: column {column!r} has no two different numbers; expected values to "
            "predict"
        )
    return Task(name=column, kind="value", rows=rows, targets=values[rows][:, None])


def _balanced(
    labels: NDArray[np.str_], name: str, names: Sequence[str], rng: np.random.Generator
) -> Task:
    others = [other for other in names if other != name]
    counts = {other: int((labels == other).sum()) for other in names}
    n_of_class = min(PUBLISHED_CLIPS, counts[name])
    each = min(n_of_class // len(others), *(counts[other] for other in others))
    if each < 1:
        raise InputError(
            f"{n_of_class} clips of {name} cannot be balanced over {len(others)} other emotions; "
            "expected at least one of each: ask for fewer emotions, or balance='weighted'"
        )
    n_of_class = min(n_of_class, each * len(others) + len(others) - 1)
    drawn = [rng.permutation(np.flatnonzero(labels == name))[:n_of_class]]
    drawn += [rng.permutation(np.flatnonzero(labels == other))[:each] for other in others]
    rows = np.sort(np.concatenate(drawn))
    return Task(
        name=name, kind="emotion", rows=rows, targets=(labels[rows] == name)[:, None].astype(float)
    )
