"""How well a task is told: recall for classes, R2 for values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from cuelens.probe.tasks import Kind, Task
from cuelens.typing import FloatArray


def decisions(
    task: Task, predicted: FloatArray, targets: FloatArray, *, separation: FloatArray
) -> FloatArray:
    r"""From what a regression on 1 and 0 predicts to decisions that count classes the same.

    - One emotion: above 1 is the emotion.  The bound lies midway between what is predicted for
      clips of the emotion and for others, as in linear discriminant analysis with equal priors.
      Their mean is known, the share of the emotion, so that their separation :math:`s` gives the
      bound :math:`\pi + s (1/2 - \pi)`.
    - All emotions: predictions divided by the share of the class; the largest is taken.
    - A value: the prediction.

    Parameters
    ----------
    task : Task
    predicted : ndarray, shape (..., n_rows, n_columns)
    targets : ndarray, shape (n_train, n_columns)
        Those learned from.
    separation : ndarray, shape (..., n_columns)
        See `separation_of`; used for one emotion.

    Returns
    -------
    ndarray, shape (..., n_rows, n_columns)
    """
    share = np.maximum(targets.mean(axis=0), 1e-12)
    if task.kind == "value":
        return predicted
    if task.kind == "all emotions":
        return predicted / share
    bound = share + np.maximum(separation, 0.0) * (0.5 - share)
    return 1.0 + predicted - bound[..., None, :]


def separation_of(predicted: FloatArray, targets: FloatArray) -> FloatArray:
    """How far predictions for 1 lie above those for 0, on average, shape (n_columns,)."""
    share = targets.mean(axis=0)
    product = ((targets - share) * predicted).mean(axis=0)
    return product / np.maximum(share * (1.0 - share), 1e-12)


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
