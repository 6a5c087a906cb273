"""Shapley values of coalition tables: exact, sampled, and pairwise interactions.

A unit's Shapley value is what it adds to the model's output, averaged over all orders in which the
units can be put together [1]_.  The values add up to the output of the whole clip minus the output
with every unit absent.

References
----------
.. [1] L. Shapley, "A value for n-person games", 1953.
.. [2] M. Grabisch, M. Roubens, "An axiomatic approach to the concept of interaction among players
   in cooperative games", Int. J. Game Theory 28, 1999 (equation for the interaction index).
.. [3] R. Mitchell et al., "Sampling permutations for Shapley value estimation", JMLR 23, 2022
   (antithetic pairs).
.. [4] G. Smyth, "Linear models and empirical Bayes methods for assessing differential expression in
   microarray experiments", Stat. Appl. Genet. Mol. Biol. 3, 2004 (variances drawn towards their
   mean).
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import scipy.stats

from cuelens.typing import BoolArray, FloatArray, IntArray


def all_coalitions(n_units: int) -> BoolArray:
    """Every subset of the units, shape (2**n_units, n_units); row r holds the bits of r."""
    rows = np.arange(2**n_units)
    return (rows[:, None] >> np.arange(n_units)) & 1 == 1


def exact_shapley(outputs: FloatArray) -> FloatArray:
    """Shapley values from the outputs of every coalition.

    Parameters
    ----------
    outputs : ndarray, shape (2**n_units, n_labels)
        In the order of :func:`all_coalitions`.

    Returns
    -------
    ndarray, shape (n_labels, n_units), float64
    """
    n_units = _n_units(outputs)
    keep = all_coalitions(n_units)
    size = keep.sum(axis=1)
    # phi_i = sum over S without i of |S|! (n-|S|-1)! / n! * (v(S + i) - v(S)),
    # gathered by coalition: + with weight of size-1 where i is in it, - with weight of size if not.
    weight = np.array([1.0 / (n_units * comb(n_units - 1, s)) for s in range(n_units)])
    gain = np.concatenate([[0.0], weight])[size]
    loss = np.concatenate([weight, [0.0]])[size]
    coefficients = np.where(keep, gain[:, None], -loss[:, None])
    return (coefficients.T @ np.asarray(outputs, dtype=np.float64)).T


def exact_interactions(outputs: FloatArray) -> FloatArray:
    """Pairwise Shapley interaction index from the outputs of every coalition.

    Positive: the two units support the label more together than the sum of what each does alone.

    Parameters
    ----------
    outputs : ndarray, shape (2**n_units, n_labels)
        In the order of :func:`all_coalitions`.

    Returns
    -------
    ndarray, shape (n_labels, n_units, n_units), float64
        Symmetric; the diagonal is 0.
    """
    n_units = _n_units(outputs)
    outputs = np.asarray(outputs, dtype=np.float64)
    rows = np.arange(2**n_units)
    size = all_coalitions(n_units).sum(axis=1)
    weight = np.array([1.0 / ((n_units - 1) * comb(n_units - 2, s)) for s in range(n_units - 1)])
    index = np.zeros((outputs.shape[1], n_units, n_units))
    for i, j in combinations(range(n_units), 2):
        without = rows[(rows >> i & 1 == 0) & (rows >> j & 1 == 0)]
        both = without | 1 << i | 1 << j
        difference = (
            outputs[both] - outputs[without | 1 << i] - outputs[without | 1 << j] + outputs[without]
        )
        index[:, i, j] = index[:, j, i] = weight[size[without]] @ difference
    return index


_PRIOR_PAIRS = 2
PERMUTATION_PAIRS = "permutation pairs"
"""How sampled Shapley values are recorded."""


def n_pairs_within(budget: int, n_units: int) -> int:
    """Pairs of orders whose coalitions fit a budget of model calls."""
    return (budget - 2) // (2 * max(1, n_units - 1))


def permutation_coalitions(
    n_units: int, *, n_pairs: int, rng: np.random.Generator
) -> tuple[BoolArray, IntArray]:
    """Coalitions met when units enter one by one, in random orders and the same orders reversed.

    Returns
    -------
    keep : ndarray, shape (2 * n_pairs, n_units + 1, n_units), bool
        ``keep[p, k]`` holds the first k units of order p.
    orders : ndarray, shape (2 * n_pairs, n_units), int
        Rows ``2 i`` and ``2 i + 1`` are each other's reverse.
    """
    forward = np.stack([rng.permutation(n_units) for _ in range(n_pairs)])
    orders = np.stack([forward, forward[:, ::-1]], axis=1).reshape(2 * n_pairs, n_units)
    rank = np.argsort(orders, axis=1)
    keep = rank[:, None, :] < np.arange(n_units + 1)[None, :, None]
    return keep, orders


def sampled_shapley(
    outputs: FloatArray, orders: IntArray, *, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shapley values estimated from permutations, with confidence intervals.

    Parameters
    ----------
    outputs : ndarray, shape (2 * n_pairs, n_units + 1, n_labels)
        Outputs of the coalitions of :func:`permutation_coalitions`.
    orders : ndarray, shape (2 * n_pairs, n_units), int
    confidence : float
        Of the two-sided t interval over the pairs (two or more).

    Returns
    -------
    values, low, high : ndarray, each of shape (n_labels, n_units), float64
        The values add up to output minus base exactly, however few the samples.

    Notes
    -----
    A unit that matters in few orders only can look as if it never did.  Its variance over the pairs
    is therefore drawn towards the mean of all units [4]_, which counts for two pairs.
    """
    outputs = np.asarray(outputs, dtype=np.float64)
    gains = np.diff(outputs, axis=1)
    by_unit = np.empty_like(gains)
    np.put_along_axis(by_unit, np.asarray(orders)[:, :, None], gains, axis=1)
    n_pairs = len(by_unit) // 2
    pairs = by_unit.reshape(n_pairs, 2, *by_unit.shape[1:]).mean(axis=1)
    values = pairs.mean(axis=0).T
    variance = pairs.var(axis=0, ddof=1).T
    common = variance.mean(axis=1, keepdims=True)
    variance = ((n_pairs - 1) * variance + _PRIOR_PAIRS * common) / (n_pairs - 1 + _PRIOR_PAIRS)
    reach = scipy.stats.t.ppf((1 + confidence) / 2, n_pairs - 1) * np.sqrt(variance / n_pairs)
    return values, values - reach, values + reach


def _n_units(outputs: FloatArray) -> int:
    return len(outputs).bit_length() - 1
