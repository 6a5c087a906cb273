"""The LIME surrogate: a ridge regression of the output on which units are present.

References
----------
.. [1] M. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?", KDD 2016.
.. [2] E. Hjuler, L. Clemmensen, S. Das, "Exploring local interpretable model-agnostic explanations
   for speech emotion recognition with distribution-shift", ICASSP 2025, arXiv 2504.05368.
"""

from __future__ import annotations

import numpy as np

from cuelens.typing import BoolArray, FloatArray

KERNEL_WIDTH = 0.25
RIDGE_ALPHA = 1.0
_N_BOOTSTRAP = 1000


def bernoulli_coalitions(n_units: int, *, n_samples: int, rng: np.random.Generator) -> BoolArray:
    """Random subsets, every unit present with probability 1/2; the first row is the whole clip."""
    keep = rng.random((n_samples, n_units)) < 0.5
    keep[0] = True
    return keep


def kernel_weights(keep: BoolArray, *, width: float = KERNEL_WIDTH) -> FloatArray:
    """How much each coalition counts: sqrt(exp(-d^2 / width^2)), d its cosine distance to all ones.

    For a subset of m of n units the cosine to all ones is sqrt(m / n); the empty set has d = 1.

    Returns
    -------
    ndarray, shape (n_coalitions,), values in (0, 1]
    """
    distance = 1.0 - np.sqrt(keep.mean(axis=1))
    return np.exp(-0.5 * (distance / width) ** 2)


def lime_weights(
    keep: BoolArray, outputs: FloatArray, *, width: float = KERNEL_WIDTH
) -> tuple[FloatArray, FloatArray]:
    """Weights and intercept of the weighted ridge surrogate, for every label.

    Parameters
    ----------
    keep : ndarray, shape (n_coalitions, n_units), bool
    outputs : ndarray, shape (n_coalitions, n_labels)

    Returns
    -------
    weights : ndarray, shape (n_labels, n_units), float64
    intercepts : ndarray, shape (n_labels,), float64
    """
    return _ridge(keep.astype(np.float64), np.asarray(outputs), kernel_weights(keep, width=width))


def bootstrap_lime(
    keep: BoolArray,
    outputs: FloatArray,
    *,
    rng: np.random.Generator,
    width: float = KERNEL_WIDTH,
    confidence: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Percentile intervals of the weights when the coalitions are drawn again.

    Returns
    -------
    low, high : ndarray, each of shape (n_labels, n_units), float64
    """
    design = keep.astype(np.float64)
    sample_weight = kernel_weights(keep, width=width)
    counts = rng.multinomial(len(keep), np.full(len(keep), 1 / len(keep)), size=_N_BOOTSTRAP)
    draws = np.stack([_ridge(design, outputs, sample_weight * count)[0] for count in counts])
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def weighted_r2(
    keep: BoolArray,
    outputs: FloatArray,
    weights: FloatArray,
    intercepts: FloatArray,
    *,
    width: float = KERNEL_WIDTH,
) -> FloatArray:
    """Local fidelity: share of variance near the clip that the additive model explains.

    Both the variance and the error are weighted by :func:`kernel_weights`.  1 is perfect; below 0
    the additive model is worse than a constant.  NaN where the output never changes.

    Returns
    -------
    ndarray, shape (n_labels,), float64
    """
    sample_weight = kernel_weights(keep, width=width)[:, None]
    outputs = np.asarray(outputs, dtype=np.float64)
    predicted = keep.astype(np.float64) @ weights.T + intercepts
    mean = (sample_weight * outputs).sum(axis=0) / sample_weight.sum()
    total = (sample_weight * (outputs - mean) ** 2).sum(axis=0)
    error = (sample_weight * (outputs - predicted) ** 2).sum(axis=0)
    varies = total > 1e-18 * sample_weight.sum()
    return np.where(varies, 1.0 - error / np.where(varies, total, 1.0), np.nan)


def _ridge(
    design: FloatArray, outputs: FloatArray, sample_weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weighted ridge with an unpenalised intercept, in closed form."""
    share = sample_weight / sample_weight.sum()
    design_mean, output_mean = share @ design, share @ outputs
    centred = design - design_mean
    gram = (centred * sample_weight[:, None]).T @ centred
    moment = (centred * sample_weight[:, None]).T @ (outputs - output_mean)
    coefficients = np.linalg.solve(gram + RIDGE_ALPHA * np.eye(design.shape[1]), moment)
    return coefficients.T, output_mean - design_mean @ coefficients
