"""How well a task is told: recall for classes, R2 for values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from cuelens.probe.tasks import Kind, Task
from cuelens.typing import FloatArray


def decision_scale(task: Task, targets: FloatArray) -> FloatArray:
    """What predictions are divided by: the share of each class in training, 1 for values.

    A regression on 1 and 0 predicts the share of the class among clips like this one.  Divided by
    the share among all clips it is the ratio of likelihoods, so that classes count the same however
    many clips they have: a clip is taken for the class when the ratio is above 1.
    """
    if not task.is_class:
        return np.ones(targets.shape[1])
    return np.maximum(targets.mean(axis=0), 1e-12)


def counts(truth: FloatArray, decision: FloatArray) -> FloatArray:
    """Hits, misses, false alarms and right rejections of every clip, shape (..., n_rows, 4)."""
    of_class = np.broadcast_to(truth > 0.5, decision.shape)
    taken = decision > 1.0
    return np.stack(
        [of_class & taken, of_class & ~taken, ~of_class & taken, ~of_class & ~taken], axis=-1
    ).astype(np.float64)


def confusion(truth: FloatArray, decision: FloatArray) -> FloatArray:
    """Right answers and clips of each class, shape (..., n_rows, 2, n_classes)."""
    right = decision.argmax(axis=-1) == truth.argmax(axis=-1)
    clips = np.broadcast_to(truth, decision.shape)
    return np.stack([clips * right[..., None], clips], axis=-2)


def uar(sums: FloatArray) -> FloatArray:
    """Unweighted average recall from sums of `confusion`, shape (..., 2, n_classes)."""
    right, clips = sums[..., 0, :], sums[..., 1, :]
    recall = np.where(clips > 0, right / np.where(clips > 0, clips, 1), np.nan)
    return np.nanmean(recall, axis=-1)


def _area_under_curve(truth: FloatArray, predicted: FloatArray, _: FloatArray) -> float:
    import scipy.stats

    of_class = truth[:, 0] > 0.5
    n, m = int(of_class.sum()), int((~of_class).sum())
    if not n or not m:
        return float("nan")
    ranks = scipy.stats.rankdata(predicted[:, 0])
    return float((ranks[of_class].sum() - n * (n + 1) / 2) / (n * m))


def _recall(truth: FloatArray, predicted: FloatArray, known: FloatArray) -> float:
    decision = predicted / np.maximum(known.mean(axis=0), 1e-12)
    return float(uar(confusion(truth, decision).sum(axis=0)))


def _explained(truth: FloatArray, predicted: FloatArray, known: FloatArray) -> float:
    off = ((truth - predicted) ** 2).sum()
    return float(1.0 - off / max(((truth - known.mean(axis=0)) ** 2).sum(), 1e-300))


SCORES: Mapping[Kind, Callable[[FloatArray, FloatArray, FloatArray], float]] = {
    "emotion": _area_under_curve,
    "all emotions": _recall,
    "value": _explained,
}
"""Score of predictions on inner folds, by kind of task: (truth, predicted, training targets)."""
