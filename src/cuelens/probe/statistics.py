"""Intervals over speakers, permutation p-values and false discovery control.

References
----------
.. [1] B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9(3), 1981.
.. [2] B. Phipson, G. Smyth, "Permutation p-values should never be zero", SAGMB 9(1), 2010.
.. [3] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS B 57(1), 1995.
.. [4] V. Tusher, R. Tibshirani, G. Chu, "Significance analysis of microarrays applied to the
   ionizing radiation response", PNAS 98(9), 2001 (null values pooled over tests).
.. [5] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.stats

from cuelens.typing import FloatArray


class Interval(NamedTuple):
    """An estimate and its 95 % interval; arrays of equal shape."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def jackknife(
    statistic: Callable[..., FloatArray],
    *per_speaker: FloatArray,
    level: float = 0.95,
    largest: float = np.inf,
    n_folds: int | None = None,
) -> Interval:
    """A statistic of sums over speakers, with an interval over speakers.

    Each speaker is left out in turn; the pseudo-values are taken as independent and the interval
    uses Student's t, because speakers are few [1]_.

    Parameters
    ----------
    statistic : callable
        Takes one array of sums for each of `per_speaker`, returns the statistic.
    per_speaker : ndarray, shape (n_speakers, ...)
        What is summed, a row a speaker.
    level : float
    largest : float
        Largest possible value, at which the interval ends.
    n_folds : int, optional
        The folds in which the speakers were left out.  Folds share training speakers, so that the
        pseudo-values are not independent: the variance is multiplied by 1 + k / (k - 1), which is
        the correction of [5]_ for k folds.

    Returns
    -------
    Interval
        Of the shape the statistic has.  NaN bounds for fewer than three speakers.
    """
    n = len(per_speaker[0])
    totals = [part.sum(axis=0) for part in per_speaker]
    value = np.asarray(statistic(*totals), dtype=np.float64)
    if n < 3:
        nan = np.full_like(value, np.nan)
        return Interval(value, nan, nan)
    without = np.stack(
        [
            statistic(*(total - part[i] for total, part in zip(totals, per_speaker, strict=True)))
            for i in range(n)
        ]
    )
    pseudo = n * value - (n - 1) * without
    error = pseudo.std(axis=0, ddof=1) / np.sqrt(n)
    if n_folds is not None:
        error = error * np.sqrt(1.0 + n_folds / (n_folds - 1.0))
    margin = error * scipy.stats.t.ppf(0.5 + level / 2, n - 1)
    return Interval(value, value - margin, np.minimum(value + margin, largest))


def one_sided_p(interval: Interval, *, n: int, level: float = 0.95) -> FloatArray:
    """p-values for "not above 0" that belong to intervals of `jackknife` over `n` speakers."""
    quantile = scipy.stats.t.ppf(0.5 + level / 2, n - 1)
    error = (interval.high - interval.value) / quantile
    certain = np.where(interval.value > 0, 0.0, 1.0)
    t = interval.value / np.where(error > 0, error, 1.0)
    return np.where(error > 0, scipy.stats.t.sf(t, n - 1), certain)


def r2(squared_errors: FloatArray, squared_deviations: FloatArray) -> FloatArray:
    """Share of the variance explained; NaN where nothing varies."""
    varies = squared_deviations > 0
    return np.where(
        varies, 1.0 - squared_errors / np.where(varies, squared_deviations, 1.0), np.nan
    )


def permutation_p(observed: FloatArray, null: FloatArray) -> FloatArray:
    """Share of null values at least as large, counting the observed one [2]_.

    Parameters
    ----------
    observed : ndarray, shape (n_tests,)
    null : ndarray, shape (n_permutations, n_tests)

    Returns
    -------
    ndarray, shape (n_tests,)
        NaN where the observed or a null value is.
    """
    known = np.isfinite(observed) & np.isfinite(null).all(axis=0)
    return np.where(known, (1 + (null >= observed).sum(axis=0)) / (1 + len(null)), np.nan)


def pooled_permutation_p(observed: FloatArray, null: FloatArray) -> FloatArray:
    """Permutation p-values finer than one over the number of permutations.

    Observed and null values are standardised by the null mean and deviation of their test, and the
    null values of all tests are pooled [4]_: this takes the shape of the null, not its place or
    width, to be the same for every test.

    Parameters
    ----------
    observed : ndarray, shape (n_tests,)
    null : ndarray, shape (n_permutations, n_tests)
    """
    known = np.isfinite(observed) & np.isfinite(null).all(axis=0)
    p = np.full(len(observed), np.nan)
    if known.any():
        centre = null[:, known].mean(axis=0)
        width = np.maximum(null[:, known].std(axis=0, ddof=1), 1e-12)
        standard = (observed[known] - centre) / width
        pool = np.sort(((null[:, known] - centre) / width).ravel())
        at_least = pool.size - np.searchsorted(pool, standard, side="left")
        p[known] = (1 + at_least) / (1 + pool.size)
    return p


def false_discovery_q(p: FloatArray) -> FloatArray:
    """Benjamini-Hochberg adjusted p-values [3]_, of any shape; NaN stays NaN."""
    q = np.full(np.shape(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = scipy.stats.false_discovery_control(np.asarray(p)[known])
    return q


def recalls_to_uar(counts: FloatArray) -> FloatArray:
    """Unweighted average recall from counts (..., 4): hits, misses, false alarms, rejections."""
    hits, misses, false, rejected = np.moveaxis(counts, -1, 0)
    return (_share(hits, misses) + _share(rejected, false)) / 2


def balanced_f1(counts: FloatArray) -> FloatArray:
    """F1 with both classes weighted to count the same, from the same counts.

    Equal to the usual F1 where there are as many of the class as of the rest.
    """
    hits, misses, false, rejected = np.moveaxis(counts, -1, 0)
    recall, false_alarms = _share(hits, misses), _share(false, rejected)
    total = recall + 1.0 + false_alarms  # 2 TP + FP + FN with TP = recall, FN = 1 - recall
    return 2 * recall / total


def _share(these: FloatArray, others: FloatArray) -> FloatArray:
    n = these + others
    return np.where(n > 0, these / np.where(n > 0, n, 1), np.nan)
