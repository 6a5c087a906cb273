r"""How much each dimension matters to a linear classifier.

The classifier answers with the decision value :math:`s(x) = w \cdot x + b`, and with the
probability :math:`p(x) = 1 / (1 + e^{-s(x)})`.  Everything here is a closed form of the two, except
permutation importance, which counts.

References
----------
.. [1] S. Lundberg, S.-I. Lee, "A unified approach to interpreting model predictions", NeurIPS 2017,
   corollary 1 (linear SHAP).
.. [2] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
.. [3] L. Breiman, "Random forests", Machine Learning 45, 2001, section 10 (permutation).
.. [4] M. Kendall, "The treatment of ties in ranking problems", Biometrika 33(3), 1945 (tau-b).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import scipy.special
import scipy.stats

from cuelens.errors import InputError
from cuelens.typing import FloatArray, IntArray

Link = Literal["probability", "identity"]


@dataclass(frozen=True, kw_only=True)
class RankingStability:
    """How alike the rankings of dimensions are that different folds give.

    Parameters
    ----------
    kendall_tau : float
        Tau-b, from -1 to 1, mean over pairs of folds; NaN where a fold ranks nothing (all of its
        importances are equal).
    top_overlap : float
        Share of the top dimensions that two folds have in common, mean over pairs.
    chance_overlap : float
        The same for random rankings, in expectation.
    n_top : int
    n_pairs : int
    """

    kendall_tau: float
    top_overlap: float
    chance_overlap: float
    n_top: int
    n_pairs: int


def shap_values(x: FloatArray, weights: FloatArray, *, background: FloatArray) -> FloatArray:
    r"""SHAP values of the decision value, the dimensions taken as independent.

    :math:`\phi_{ij} = w_j (x_{ij} - \bar{x}_j)` with the mean over the background [1]_.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
    weights : ndarray, shape (n_dimensions,)
    background : ndarray, shape (n_background, n_dimensions)

    Returns
    -------
    ndarray, shape (n_rows, n_dimensions), float64
        A row adds up to the decision value less its mean over the background.

    Raises
    ------
    InputError
        Shapes do not fit.
    """
    x, weights = _checked(x, weights)
    background, _ = _checked(background, weights, what="background")
    if not len(background):
        raise InputError("background has no rows; expected at least one to take the mean of")
    return weights * (x - background.mean(axis=0))


def mean_absolute_shap(x: FloatArray, weights: FloatArray, *, background: FloatArray) -> FloatArray:
    """Mean over rows of the size of the SHAP values, shape (n_dimensions,); see `shap_values`."""
    if not len(x):
        raise InputError("x has no rows; expected at least one to take the mean of")
    return np.abs(shap_values(x, weights, background=background)).mean(axis=0)


def integrated_gradients(
    x: FloatArray,
    weights: FloatArray,
    *,
    intercept: float,
    baseline: FloatArray,
    link: Link = "probability",
) -> FloatArray:
    r"""Gradients integrated along the straight line from a baseline :math:`x'` [2]_.

    The gradient of the probability is :math:`w` times a number that depends on the decision value
    alone, so that the integral is

    .. math:: (x_j - x'_j) \, w_j \, \frac{p(x) - p(x')}{s(x) - s(x')},

    whose last factor becomes :math:`p(x)(1 - p(x))` where both decision values are equal.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
    weights : ndarray, shape (n_dimensions,)
    intercept : float
    baseline : ndarray, shape (n_dimensions,)
    link : {"probability", "identity"}
        What is explained: the probability, or the decision value (then the last factor is 1 and,
        from the mean of a background, these are the SHAP values).

    Returns
    -------
    ndarray, shape (n_rows, n_dimensions), float64
        A row adds up to what is explained, less its value at the baseline.

    Raises
    ------
    InputError
        Shapes do not fit, or an unknown link.
    """
    x, weights = _checked(x, weights)
    baseline = np.asarray(baseline, dtype=np.float64)
    if baseline.shape != weights.shape:
        raise InputError(
            f"baseline has shape {baseline.shape}; expected {weights.shape}, one value a dimension"
        )
    if link not in get_args(Link):
        raise InputError(f"link is {link!r}; expected one of {', '.join(get_args(Link))}")
    linear = weights * (x - baseline)
    if link == "identity":
        return linear
    slope = _mean_slope(x @ weights + intercept, float(baseline @ weights) + intercept)
    return linear * slope[:, None]


def permutation_importance(
    x: FloatArray, weights: FloatArray, *, labels: IntArray, n_repeats: int = 10, seed: int = 0
) -> FloatArray:
    """Loss of the area under the ROC curve when one dimension is shuffled across rows [3]_.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
        Rows that the classifier was not fitted to.
    weights : ndarray, shape (n_dimensions,)
    labels : ndarray of 0 and 1, shape (n_rows,)
    n_repeats : int
    seed : int
        Of the permutations.  A repeat has one, the same for every dimension.

    Returns
    -------
    ndarray, shape (n_repeats, n_dimensions), float64
        Area with all in place less area with the dimension shuffled; 0 where the weight is 0.

    Raises
    ------
    InputError
        Shapes do not fit, labels other than 0 and 1, only one of them, or no repeats.
    """
    x, weights = _checked(x, weights)
    labels = np.asarray(labels)
    if labels.shape != (len(x),) or set(np.unique(labels).tolist()) != {0, 1}:
        raise InputError(
            f"labels have shape {labels.shape} and values {np.unique(labels).tolist()[:5]}; "
            f"expected {len(x)} of them, some 0 and some 1"
        )
    if n_repeats < 1:
        raise InputError(f"n_repeats is {n_repeats}; expected 1 or more")
    rng = np.random.default_rng(seed)
    value = (x @ weights)[:, None]
    area = _area_under_curve(value, labels)
    losses = np.empty((n_repeats, x.shape[1]))
    for loss in losses:
        shuffled = x[rng.permutation(len(x))]
        loss[:] = area - _area_under_curve(value + weights * (shuffled - x), labels)
    return losses


def ranking_stability(importances: FloatArray, *, n_top: int) -> RankingStability:
    """Compare the rankings of every pair of folds.

    Parameters
    ----------
    importances : ndarray, shape (n_folds, n_dimensions)
        Larger is more important; of equal ones the first counts as higher.
    n_top : int
        How many dimensions are "the top".

    Raises
    ------
    InputError
        Fewer than two folds, a value missing, or `n_top` out of range.
    """
    importances = np.asarray(importances, dtype=np.float64)
    if importances.ndim != 2 or len(importances) < 2 or not np.isfinite(importances).all():
        raise InputError(
            f"importances have shape {importances.shape}"
            f"{'' if np.isfinite(importances).all() else ' and missing or infinite values'}; "
            "expected (folds, dimensions), all finite, from at least two folds"
        )
    n_dimensions = importances.shape[1]
    if not 1 <= n_top <= n_dimensions:
        raise InputError(f"n_top is {n_top}; expected 1 to {n_dimensions}, the dimensions")
    tops = [set(np.argsort(-row, kind="stable")[:n_top].tolist()) for row in importances]
    pairs = list(combinations(range(len(importances)), 2))
    taus = [scipy.stats.kendalltau(importances[i], importances[j]).statistic for i, j in pairs]
    return RankingStability(
        kendall_tau=float(np.mean(taus)),
        top_overlap=float(np.mean([len(tops[i] & tops[j]) / n_top for i, j in pairs])),
        chance_overlap=n_top / n_dimensions,
        n_top=n_top,
        n_pairs=len(pairs),
    )


def _checked(
    x: FloatArray, weights: FloatArray, *, what: str = "x"
) -> tuple[FloatArray, FloatArray]:
    x, weights = np.asarray(x, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if weights.ndim != 1 or x.ndim != 2 or x.shape[1] != len(weights):
        raise InputError(
            f"{what} has shape {x.shape} and weights {weights.shape}; expected (rows, dimensions) "
            "and (dimensions,)"
        )
    return x, weights


def _mean_slope(value: FloatArray, reference: float) -> FloatArray:
    """Mean slope of the logistic function between two decision values, without cancellation."""
    half = (value - reference) / 2
    near = np.abs(half) < 1
    # p(a) - p(b) = sinh((a - b)/2) sqrt(p'(a) p'(b)) * 2, and sinh(h)/h has no pole
    slopes = scipy.special.expit(value) * scipy.special.expit(-value)
    slope = scipy.special.expit(reference) * scipy.special.expit(-reference)
    small = np.where(near, half, 0.0)
    ratio = np.where(small == 0, 1.0, np.sinh(small) / np.where(small == 0, 1.0, small))
    # further apart, subtract in the tail where the digits are
    sign = np.where(value + reference > 0, -1.0, 1.0)
    difference = sign * (scipy.special.expit(sign * value) - scipy.special.expit(sign * reference))
    far = difference / np.where(near, 1.0, 2 * half)
    return np.where(near, np.sqrt(slopes * slope) * ratio, far)


def _area_under_curve(values: FloatArray, labels: IntArray) -> FloatArray:
    """Area under the ROC curve of every column: the share of pairs in the right order."""
    ranks = scipy.stats.rankdata(values, axis=0)
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    above = ranks[labels == 1].sum(axis=0) - n_positive * (n_positive + 1) / 2
    return above / (n_positive * n_negative)
