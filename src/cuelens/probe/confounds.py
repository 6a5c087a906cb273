"""What else the dimensions tell: the speaker, the sex, the sentence, the level, the duration.

A model that recognises speakers in the dimensions that matter for an emotion may lean on who
speaks.  All of it is measured on the embedding as it is, not on z-scores by speaker, which take the
mean voice of every speaker away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from cuelens.corpora import Corpus
from cuelens.probe.folds import N_FOLDS, N_INNER, OuterFold, nested_folds, sums_by_speaker
from cuelens.probe.ridge import NestedRidge
from cuelens.probe.scores import confusion, uar
from cuelens.probe.statistics import jackknife, r2
from cuelens.typing import FloatArray, IntArray

_MOST_CLASSES = 200
_FEWEST_CLIPS = 4  # of every speaker: on both sides of two nested splits
ALL_DIMENSIONS = "all"


@dataclass(frozen=True, kw_only=True, eq=False)
class Confound:
    """One thing that is not an emotion.

    Parameters
    ----------
    name : str
    targets : ndarray, shape (n_rows, n_columns)
        One column of 1 and 0 a class, or one of values.
    is_class : bool
    folds : sequence of OuterFold
    """

    name: str
    targets: FloatArray
    is_class: bool
    folds: Sequence[OuterFold]


def confounds_of(corpus: Corpus, *, level_db: FloatArray, duration_s: FloatArray) -> list[Confound]:
    """What can be asked of a corpus: columns that are known and differ.

    Parameters
    ----------
    corpus : Corpus
    level_db, duration_s : ndarray, shape (n_clips,)
        Root mean square level and length of every clip.
    """
    table = corpus.table
    speakers = table["speaker"].to_numpy(dtype=str)
    by_speaker = nested_folds(speakers)
    found = []
    if np.unique(speakers, return_counts=True)[1].min() >= _FEWEST_CLIPS:
        found.append(
            Confound(
                name="speaker",
                targets=_one_hot(speakers),
                is_class=True,
                folds=_folds_of_clips(speakers),
            )
        )
    for name in ("sex", "sentence"):
        if name not in table.columns or table[name].isna().any():
            continue
        values = table[name].astype(str).to_numpy(dtype=str)
        classes, n = np.unique(values, return_counts=True)
        voices = [len(np.unique(speakers[values == value])) for value in classes]
        # Every class must be there in training when some speakers are left out.
        if 2 <= len(classes) <= _MOST_CLASSES and min(voices) >= 2 and n.min() >= 2:
            found.append(
                Confound(name=name, targets=_one_hot(values), is_class=True, folds=by_speaker)
            )
    for name, values in (("level", level_db), ("duration", duration_s)):
        if np.ptp(values) > 0:
            found.append(
                Confound(name=name, targets=values[:, None], is_class=False, folds=by_speaker)
            )
    return found


def probe_confounds(
    x: FloatArray,
    confounds: Sequence[Confound],
    *,
    speakers: NDArray[np.str_],
    tops: Mapping[str, IntArray],
    n_random: int,
    seed: int,
) -> pd.DataFrame:
    """Each confound from all dimensions, from those that matter for each task, from random ones.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
    confounds : sequence of Confound
    speakers : ndarray of str, shape (n_rows,)
    tops : dict of ndarray of int
        Dimensions that matter, by task.
    n_random, seed : int

    Returns
    -------
    DataFrame
        See `ProbeResult`.
    """
    rng = np.random.default_rng(seed)
    draws = [rng.permutation(x.shape[1]) for _ in range(n_random)]
    rows = []
    for confound in confounds:
        problems = [
            (fold, NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner))
            for fold in confound.folds
        ]
        random: dict[int, float] = {}
        for name, dimensions in {ALL_DIMENSIONS: None, **tops}.items():
            tallies = _tallies(confound, problems, dimensions, speakers)
            statistic = uar if confound.is_class else lambda s: r2(s[..., 0], s[..., 1])
            interval = jackknife(statistic, tallies, largest=1.0, n_folds=len(confound.folds))
            control = np.nan
            if dimensions is not None and draws:
                n = len(dimensions)
                if n not in random:
                    random[n] = float(
                        np.mean(
                            [
                                statistic(
                                    _tallies(confound, problems, draw[:n], speakers).sum(axis=0)
                                )
                                for draw in draws
                            ]
                        )
                    )
                control = random[n]
            rows.append(
                {
                    "dimensions": name,
                    "n": x.shape[1] if dimensions is None else len(dimensions),
                    "confound": confound.name,
                    "metric": "UAR" if confound.is_class else "R2",
                    "value": float(interval.value),
                    "value_low": float(interval.low),
                    "value_high": float(interval.high),
                    "chance": 1 / confound.targets.shape[1] if confound.is_class else 0.0,
                    "random": control,
                }
            )
    return pd.DataFrame(rows)


def _tallies(
    confound: Confound,
    problems: Sequence[tuple[OuterFold, NestedRidge]],
    dimensions: IntArray | None,
    speakers: NDArray[np.str_],
) -> FloatArray:
    """Sums by speaker that the score is made of."""
    truth = confound.targets
    decision, mean = np.empty(truth.shape), np.empty(truth.shape)
    for fold, nested in problems:
        targets = truth[fold.train]
        mean[fold.test] = targets.mean(axis=0)
        decision[fold.test] = nested.on(dimensions).predict(targets)
    if confound.is_class:
        per_clip = confusion(truth, decision / np.maximum(mean, 1e-12))
    else:
        per_clip = np.concatenate([(truth - decision) ** 2, (truth - mean) ** 2], axis=1)
    return sums_by_speaker(per_clip, speakers)


def _folds_of_clips(speakers: NDArray[np.str_]) -> list[OuterFold]:
    """Folds with clips of every speaker on both sides: who speaks cannot be told otherwise."""
    fewest = int(np.unique(speakers, return_counts=True)[1].min())
    n_folds = max(2, min(N_FOLDS, fewest))
    rows = np.arange(len(speakers))
    folds = []
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=0).split(rows, speakers):
        inner = StratifiedKFold(max(2, min(N_INNER, fewest - 1)), shuffle=True, random_state=0)
        folds.append(
            OuterFold(train, test, [part for _, part in inner.split(train, speakers[train])])
        )
    return folds


def _one_hot(values: NDArray[np.str_]) -> FloatArray:
    return (values[:, None] == np.unique(values)).astype(np.float64)
