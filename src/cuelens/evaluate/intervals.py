"""95 % intervals over clips that come in groups: speakers, or models.

References
----------
.. [1] C. Field, A. Welsh, "Bootstrapping clustered data", J. Royal Statistical Society B 69, 2007.
.. [2] E. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
   1927.
"""

from __future__ import annotations

import numpy as np
import scipy.stats

from cuelens.typing import FloatArray

N_BOOTSTRAP = 4000
_MIN_CLUSTERS = 3


def clustered_interval(
    values: FloatArray, clusters: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN is left out.
    clusters : ndarray, shape (n,)
        Whole clusters are drawn; with fewer than three, single values.
    seed : int

    Returns
    -------
    low, high : float
        NaN with fewer than two values.
    """
    known = np.isfinite(values)
    values, clusters = values[known], clusters[known]
    if values.size < 2:
        return float("nan"), float("nan")
    names, index = np.unique(clusters, return_inverse=True)
    if names.size < _MIN_CLUSTERS:
        index = np.arange(values.size)
    sums = np.bincount(index, weights=values)
    sizes = np.bincount(index).astype(float)
    draws = np.random.default_rng(seed).integers(sums.size, size=(N_BOOTSTRAP, sums.size))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def share_interval(hits: FloatArray, clusters: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Interval of a share: the bootstrap's, and no narrower than Wilson's for single clips.

    The bootstrap alone says that a share of 1 is certain.

    Parameters
    ----------
    hits : ndarray, shape (n,), values 0 or 1
    clusters : ndarray, shape (n,)
    seed : int
    """
    low, high = clustered_interval(hits, clusters, seed=seed)
    if not hits.size:
        return low, high
    n_hits = int(np.nansum(hits))
    wilson = scipy.stats.binomtest(n_hits, hits.size).proportion_ci(0.95, method="wilson")
    if np.isnan(low):
        return float(wilson.low), float(wilson.high)
    return min(low, float(wilson.low)), max(high, float(wilson.high))
