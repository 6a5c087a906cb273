"""95 % intervals of means over clips that come in groups: speakers, or models.

References
----------
.. [1] C. Field, A. Welsh, "Bootstrapping clustered data", J. Royal Statistical Society B 69, 2007.
.. [2] E. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
   1927.
.. [3] B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, chapters 8 and 13.
.. [4] B. Welch, "The generalization of 'Student's' problem when several different population
   variances are involved", Biometrika 34, 1947.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats

from cuelens.cues.baseline import N_BOOTSTRAP, stretch
from cuelens.typing import FloatArray

MIN_CLUSTERS = 3  # fewer cannot be drawn again with replacement


@dataclass(frozen=True)
class Sample:
    """Sums whose ratio is a mean: numerators, denominators, and what is drawn together."""

    numerators: FloatArray
    denominators: FloatArray
    clusters: np.ndarray


class Mean(NamedTuple):
    """A mean with its 95 % interval, of so many values."""

    value: float
    low: float
    high: float
    n: int


def bootstrapped(samples: Sequence[Sample], *, seed: int = 0) -> tuple[float, float, float]:
    """A mean, or the first mean less the second, with its percentile interval [3]_.

    Whole clusters are drawn [1]_, the same for both; deviations are widened for their number
    (:func:`~cuelens.cues.baseline.stretch`).  NaN for the interval with fewer than three clusters,
    or where a draw in twenty leaves one side without values.
    """
    nan = float("nan")
    if any(not sample.denominators.sum() > 0 for sample in samples):
        return nan, nan, nan
    names = np.unique(
        np.concatenate([sample.clusters[sample.denominators > 0] for sample in samples])
    )
    signs = (1.0, -1.0)[: len(samples)]
    draws = np.random.default_rng(seed).integers(len(names), size=(N_BOOTSTRAP, len(names)))
    value, drawn = 0.0, np.zeros(N_BOOTSTRAP)
    for sign, sample in zip(signs, samples, strict=True):
        counts = sample.denominators > 0
        where = np.searchsorted(names, sample.clusters[counts])
        top, bottom = (
            np.bincount(where, weights=part[counts], minlength=len(names))
            for part in (sample.numerators, sample.denominators)
        )
        value += sign * float(top.sum() / bottom.sum())
        with np.errstate(invalid="ignore"):
            drawn += sign * top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
    return value, *percentile_interval(value, drawn, len(names))


def bootstrapped_apart(
    first: Sample, second: Sample, *, seed: int = 0
) -> tuple[float, float, float]:
    """The difference of two means that share no cluster, with its percentile interval [3]_.

    The clusters of each are drawn by themselves, and deviations are widened for the degrees of
    freedom of Welch's test [4]_: of three clusters against thirty, the three decide.  NaN for the
    interval where one has fewer than three clusters.
    """
    nan = float("nan")
    random = np.random.default_rng(seed)
    value, deviation = 0.0, np.zeros(N_BOOTSTRAP)
    numbers: list[int] = []
    variances: list[float] = []
    for sign, sample in ((1.0, first), (-1.0, second)):
        counts = sample.denominators > 0
        names, where = np.unique(sample.clusters[counts], return_inverse=True)
        if not names.size:
            return nan, nan, nan
        top, bottom = (
            np.bincount(where, weights=part[counts])
            for part in (sample.numerators, sample.denominators)
        )
        draws = random.integers(len(names), size=(N_BOOTSTRAP, len(names)))
        mean = float(top.sum() / bottom.sum())
        value += sign * mean
        numbers.append(len(names))
        drawn = top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
        own = np.sqrt(len(names) / max(1, len(names) - 1)) * (drawn - mean)
        variances.append(float(own.var()))
        deviation += sign * own
    if min(numbers) < MIN_CLUSTERS:
        return value, nan, nan
    least = sum(v**2 / (n - 1) for v, n in zip(variances, numbers, strict=True))
    freedom = sum(variances) ** 2 / least if least > 0 else np.inf
    wider = scipy.stats.t.ppf(0.975, freedom) / scipy.stats.norm.ppf(0.975)
    low, high = np.percentile(value + wider * deviation, [2.5, 97.5])
    return value, float(low), float(high)


def percentile_interval(value: float, drawn: FloatArray, n_clusters: int) -> tuple[float, float]:
    """Percentiles of bootstrap draws, stretched; NaN where they say nothing."""
    n_drawn, drawn = len(drawn), drawn[np.isfinite(drawn)]
    if n_clusters < MIN_CLUSTERS or len(drawn) < 0.95 * n_drawn or not np.isfinite(value):
        return float("nan"), float("nan")
    low, high = np.percentile(value + stretch(n_clusters) * (drawn - value), [2.5, 97.5])
    return float(low), float(high)


def bootstrap_mean(
    values: FloatArray,
    clusters: Sequence[object] | np.ndarray,
    *,
    lowest: float = -np.inf,
    highest: float = np.inf,
    seed: int = 0,
) -> Mean:
    """Mean with its interval from drawing clusters again.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where unknown: left out.
    clusters : sequence of str or None, length n
        Speakers, as clips of one resemble each other.  Where one is not known, or there are fewer
        than three, single values are drawn instead.
    lowest, highest : float
        What a value can be, where the interval ends.
    seed : int

    Returns
    -------
    Mean
        NaN bounds for fewer than three values.
    """
    known = np.isfinite(values)
    values = values[known]
    of_value = pd.Series(list(clusters), dtype=object)[known]
    cluster = np.arange(values.size)
    if of_value.notna().all() and of_value.nunique() >= MIN_CLUSTERS:
        cluster = pd.factorize(of_value)[0]
    sample = Sample(values.astype(float), np.ones(values.size), cluster)
    value, low, high = bootstrapped([sample], seed=seed)
    low, high = (float(np.clip(end, lowest, highest)) for end in (low, high))
    return Mean(value, low, high, values.size)


def share_interval(
    hits: FloatArray, clusters: Sequence[object] | np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Interval of a share: the bootstrap's, and no narrower than Wilson's for single clips.

    The bootstrap alone says that a share of 1 is certain.

    Parameters
    ----------
    hits : ndarray, shape (n,), values 0 to 1
        NaN where unknown: left out.
    clusters : sequence, length n
        As in :func:`bootstrap_mean`.
    seed : int
    """
    share, low, high, n = bootstrap_mean(hits, clusters, lowest=0.0, highest=1.0, seed=seed)
    return no_narrower_than_wilson(share, low, high, n)


def no_narrower_than_wilson(share: float, low: float, high: float, n: int) -> tuple[float, float]:
    """A share's interval, widened to Wilson's [2]_ of n where it is narrower or unknown."""
    if not n:
        return low, high
    z2 = float(scipy.stats.norm.ppf(0.975)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = np.sqrt(z2 * share * (1 - share) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
    low, high = np.fmin(low, centre - reach), np.fmax(high, centre + reach)
    return max(0.0, float(low)), min(1.0, float(high))
