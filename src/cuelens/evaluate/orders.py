"""Orders in which parts are removed: by relevance, at random, and the best there is."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np

from cuelens.explain.shapley import all_coalitions
from cuelens.typing import BoolArray, FloatArray, IntArray

_TIE = 1e-12


def relevance_order(relevance: FloatArray, *, seed: int = 0) -> IntArray:
    """Indices of parts, most relevant first, shape (n_parts,); ties in random order.

    Maps are often 0 over large regions; in their own order these would go from low frequencies to
    high ones, which is an explanation that nobody gave.
    """
    relevance = np.asarray(relevance, dtype=np.float64)
    largest = float(np.abs(relevance).max(initial=0.0))
    rounded = np.round(relevance / (largest or 1.0), 12)  # equal but for rounding is equal
    by_chance = np.random.default_rng(seed).permutation(len(relevance))
    return np.lexsort((by_chance, -rounded))


def random_orders(n_parts: int, n_orders: int, *, seed: int = 0) -> tuple[IntArray, bool]:
    """Random orders of parts, each with its reverse; all orders where there are no more.

    What is left when an order has removed k parts is what its reverse has inserted last, so that a
    pair takes the same answers of a model for deletion and for insertion.

    Returns
    -------
    orders : ndarray, shape (n_orders or one more, n_parts), int
        Of n_orders above 0.
    exact : bool
        These are all orders, each once.
    """
    if n_parts <= 12 and factorial(n_parts) <= n_orders:
        return np.array(list(permutations(range(n_parts)))), True
    rng = np.random.default_rng(seed)
    forward = np.stack([rng.permutation(n_parts) for _ in range((n_orders + 1) // 2)])
    return np.stack([forward, forward[:, ::-1]], axis=1).reshape(-1, n_parts), False


def best_order(values: FloatArray, *, lowest: bool) -> IntArray:
    """The order of removal with the lowest (or highest) sum of values on its way, exactly.

    A dynamic program over all subsets: the best way from a set of units down to none goes through
    the best way from one of the sets that lack one more unit.

    Parameters
    ----------
    values : ndarray, shape (2**n_units,)
        Of every coalition, in the order of :func:`~cuelens.explain.shapley.all_coalitions`.
    lowest : bool
        The lowest sum; else the highest.

    Returns
    -------
    ndarray, shape (n_units,), int
        First removed first; of equal ways, the one that removes the first unit first.
    """
    n_units = len(values).bit_length() - 1
    cost = np.array(values if lowest else -values, dtype=np.float64)
    present = all_coalitions(n_units)
    size = present.sum(axis=1)
    bits = 1 << np.arange(n_units)
    first = np.zeros(len(cost), dtype=np.int64)
    for n_present in range(1, n_units + 1):
        rows = np.flatnonzero(size == n_present)
        ways = np.where(present[rows], cost[rows[:, None] & ~bits], np.inf)
        first[rows] = ways.argmin(axis=1)
        cost[rows] += ways.min(axis=1)
    order, row = [], len(cost) - 1
    while row:
        order.append(int(first[row]))
        row &= ~int(bits[first[row]])
    return np.array(order)


def removal_path(order: IntArray) -> BoolArray:
    """Coalitions met when units are removed in an order, shape (n_units + 1, n_units)."""
    rank = np.argsort(order)
    return rank[None, :] >= np.arange(len(order) + 1)[:, None]


def removal_paths(orders: IntArray, n_removed: IntArray) -> BoolArray:
    """What is left on the way of each order, shape (n_orders, n_steps + 1, n_parts), bool.

    Parameters
    ----------
    orders : ndarray, shape (n_orders, n_parts), int
    n_removed : ndarray, shape (n_steps + 1,), int
        How many parts are removed at each step, from 0 to n_parts.
    """
    return np.stack([removal_path(order)[n_removed] for order in orders])


def share_beaten(value: float, others: FloatArray) -> float:
    """Share of other values that are larger; those that are equal count half, 0 to 1."""
    tied = np.abs(others - value) <= _TIE * max(1.0, abs(value))
    return float(np.mean(np.where(tied, 0.5, others > value)))
