"""Importance of the dimensions for a linear decision, by one of three methods."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from cuelens.probe.importance import permutation_importance
from cuelens.probe.ridge import RidgeOnDimensions
from cuelens.typing import FloatArray

Importance = Literal["shap", "integrated_gradients", "permutation"]
IMPORTANCES: tuple[Importance, ...] = get_args(Importance)

_PERMUTATION_REPEATS = 3


def importance_of(
    method: Importance,
    fitted: RidgeOnDimensions,
    targets: FloatArray,
    *,
    penalty: FloatArray,
    is_class: bool,
) -> FloatArray:
    r"""Importance of every dimension on the training rows; mean over the columns of the targets.

    - ``shap``: mean |SHAP value| of the decision over clips, in closed form.
    - ``integrated_gradients``: mean |integrated gradient| of the probability of the class, from the
      mean clip; for values the same as ``shap``.  The probability is that of linear discriminant
      analysis with equal priors, whose log-odds are the regression on 1 and 0 divided by
      :math:`\pi (1 - \pi)(1 - R^2)` [1]_.
    - ``permutation``: area under the ROC curve that is lost when the dimension is shuffled, on
      training speakers left out by the inner folds; only for classes.

    Parameters
    ----------
    method : {"shap", "integrated_gradients", "permutation"}
    fitted : RidgeOnDimensions
        Of all dimensions.
    targets : ndarray, shape (n_train, n_columns)
    penalty : ndarray, shape (n_columns,)
    is_class : bool

    Returns
    -------
    ndarray, shape (n_dimensions,)

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed.,
       2009, exercise 4.2.
    """
    if method == "permutation" and is_class:
        return _permutation(fitted, targets, penalty)
    z = fitted.standardised
    weights = fitted.weights(targets, penalty)
    if method != "integrated_gradients" or not is_class:
        return (np.abs(z).mean(axis=0)[:, None] * np.abs(weights)).mean(axis=1)
    share = targets.mean(axis=0)
    decision = z @ weights
    unexplained = ((targets - share - decision) ** 2).mean(axis=0)  # pi (1 - pi) (1 - R2)
    log_odds = decision / np.maximum(unexplained, 1e-12)
    gained = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -500, 500))) - 0.5
    flat = np.abs(log_odds) < 1e-9
    slope = np.where(flat, 0.25, gained / np.where(flat, 1.0, log_odds))
    scaled = np.abs(weights) / np.maximum(unexplained, 1e-12)
    return ((np.abs(z).T @ slope) / len(z) * scaled).mean(axis=1)


def _permutation(fitted: RidgeOnDimensions, targets: FloatArray, penalty: FloatArray) -> FloatArray:
    found = np.zeros(fitted.x_train.shape[1])
    for k, (kept, ridge, along, _) in enumerate(fitted.inner_folds):
        weights = ridge.vectors @ ((along.T @ targets[kept]) / (ridge.values[:, None] + penalty))
        rows = (fitted.x_train[~kept] - ridge.mean) / ridge.scale
        for column, truth in enumerate((targets[~kept] > 0.5).T):
            if truth.any() and not truth.all():
                losses = permutation_importance(
                    rows,
                    weights[:, column],
                    labels=truth.astype(int),
                    n_repeats=_PERMUTATION_REPEATS,
                    seed=k,
                )
                found += losses.mean(axis=0)
    return found / (len(fitted.inner_folds) * targets.shape[1])
