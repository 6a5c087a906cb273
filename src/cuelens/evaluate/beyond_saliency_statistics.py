"""Intervals over speakers or clips, and right against wrong answers shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from cuelens.cues import WINDOW_CUES
from cuelens.cues.baseline import N_BOOTSTRAP
from cuelens.evaluate.intervals import Sample, percentile_interval
from cuelens.typing import BoolArray, FloatArray

_MIN_CLIPS = 10  # of a correlation


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """Right against wrong answers, and what shuffling them gives.

    Parameters
    ----------
    right : ndarray, shape (n_clips,), bool
    hits, n : ndarray, shape (n_clips,)
        Sum over the cells of a clip, and how many there are.
    strata : ndarray, shape (n_clips,), int
        Answers are shuffled within them.
    groups : ndarray, shape (n_clips,), int
        Right and wrong are compared within them.
    speakers : ndarray, shape (n_groups,)
    """

    right: BoolArray
    hits: FloatArray
    n: FloatArray
    strata: np.ndarray
    groups: np.ndarray
    speakers: np.ndarray

    @classmethod
    def of(
        cls, cells: pd.DataFrame, moments: str, *, within: list[str], by_group: bool = False
    ) -> Shuffled:
        """From cells of one explainer, way and reference; compared in all, or by stratum."""
        by_clip = cells.groupby("row").agg(
            right=("correct", "first"),
            hits=(moments, "sum"),
            n=(moments, "size"),
            speaker=("speaker", "first"),
            answer=("answer", "first"),
        )
        strata = by_clip.groupby(within).ngroup().to_numpy(dtype=int)
        groups = strata if by_group else np.zeros_like(strata)
        return cls(
            right=by_clip["right"].to_numpy(dtype=bool),
            hits=by_clip["hits"].to_numpy(dtype=float),
            n=by_clip["n"].to_numpy(dtype=float),
            strata=strata,
            groups=groups,
            speakers=by_clip["speaker"].to_numpy(dtype=str)[
                np.unique(groups, return_index=True)[1]
            ],
        )

    def difference(self) -> float:
        """Right minus wrong: mean over groups by the weights n_right n_wrong / n."""
        return float(self._differences(self.right[None])[0])

    def p(self, n_permutations: int, *, seed: int = 0) -> float:
        """Share of shuffles with a difference as large or larger, to either side."""
        seen = self.difference()
        if not np.isfinite(seen):
            return float("nan")
        rng = np.random.default_rng(seed)
        order = np.argsort(self.strata, kind="stable")
        keys = rng.random((n_permutations, len(order))) + self.strata
        labels = np.empty(keys.shape, dtype=bool)
        labels[:, order] = self.right[np.argsort(keys, axis=1)]
        drawn = self._differences(labels)
        far = np.abs(drawn[np.isfinite(drawn)]) >= abs(seen) - 1e-12
        return float((1 + far.sum()) / (1 + len(far)))

    def by_speaker(self) -> Sample:
        """The difference as a ratio of sums over groups, each of one speaker."""
        difference, weight = self._by_group(self.right[None])
        return Sample(np.where(weight > 0, difference * weight, 0.0)[0], weight[0], self.speakers)

    def tells(self, cells: pd.DataFrame) -> BoolArray:
        """Cells of clips in groups that hold right and wrong answers."""
        weight = self._by_group(self.right[None])[1][0]
        rows = np.unique(cells["row"])
        found: BoolArray = np.isin(cells["row"], rows[weight[self.groups] > 0])
        return found

    def _by_group(self, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        member = self.groups[:, None] == np.arange(len(self.speakers))
        n_right, n_wrong = (right * self.n) @ member, (~right * self.n) @ member
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = (right * self.hits) @ member / n_right
            difference = difference - (~right * self.hits) @ member / n_wrong
        weight = n_right * n_wrong / np.maximum(n_right + n_wrong, 1)
        return np.where(weight > 0, difference, 0.0), weight

    def _differences(self, right: BoolArray) -> FloatArray:
        difference, weight = self._by_group(right)
        total = weight.sum(axis=1)
        return (difference * weight).sum(axis=1) / np.where(total > 0, total, np.nan)


def rank_correlations(
    x: FloatArray, y: FloatArray, clusters: np.ndarray, *, seed: int
) -> Iterator[dict[str, Any]]:
    """Of each column, and their mean, with bootstrap intervals of clusters."""
    if len(x) < _MIN_CLIPS:
        return
    names, index = np.unique(clusters, return_inverse=True)
    draws = np.random.default_rng(seed).integers(len(names), size=(N_BOOTSTRAP, len(names)))
    values, drawn = [], []
    for column, cue in enumerate(WINDOW_CUES):
        both = np.isfinite(x[:, column]) & np.isfinite(y[:, column])
        if both.sum() < _MIN_CLIPS:
            continue
        a, b = (scipy.stats.rankdata(one[both, column]) for one in (x, y))
        a, b = a - a.mean(), b - b.mean()
        n, sa, sb, saa, sbb, sab = (
            np.bincount(index[both], weights=one, minlength=len(names))[draws].sum(axis=1)
            for one in (np.ones(len(a)), a, b, a * a, b * b, a * b)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            values.append(float(a @ b / np.sqrt((a @ a) * (b @ b))))
            drawn.append((n * sab - sa * sb) / np.sqrt((n * saa - sa**2) * (n * sbb - sb**2)))
        low, high = percentile_interval(values[-1], drawn[-1], len(names))
        yield {"cue": cue, "value": values[-1], "low": low, "high": high, "n_clips": both.sum()}
    if values:
        value = float(np.mean(values))
        low, high = percentile_interval(value, np.mean(drawn, axis=0), len(names))
        yield {"cue": "all", "value": value, "low": low, "high": high, "n_clips": len(x)}
