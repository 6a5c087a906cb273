"""The target's probability as the units of an explanation are removed one by one.

References
----------
.. [1] W. Samek et al., "Evaluating the visualization of what a deep neural network has learned",
   IEEE Trans. Neural Networks and Learning Systems 28(11), 2017 (pixel flipping).
.. [2] J. DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models", ACL 2020
   (comprehensiveness).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate

from cuelens.errors import InputError
from cuelens.evaluate.orders import random_orders, removal_path, share_beaten
from cuelens.explain.explanation import Explanation
from cuelens.explain.game import CoalitionGame
from cuelens.explain.shapley import (
    PERMUTATION_PAIRS,
    all_coalitions,
    n_pairs_within,
    permutation_coalitions,
)
from cuelens.models.base import Model
from cuelens.typing import FloatArray

_N_RANDOM_ORDERS = 20
_N_ORDERS_OF_TABLE = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class RemovalCurve:
    """The target's probability as units are removed one by one.

    All arrays have shape (n_units + 1,): position k is the clip without k units.

    Parameters
    ----------
    by_weight : ndarray
        Most supporting unit removed first.
    random_mean, random_low, random_high : ndarray
        Random orders: their mean, and the 2.5 and 97.5 percentiles over orders.
    lowest : ndarray or None
        The lowest probability that removing any k units can give; known only where every
        combination was tried.
    exact : bool
        The random figures are over all orders; otherwise over some of them.
    share_beaten : float
        Share of random orders along which more of the probability is left, area under the curve;
        0.5 is no better than chance.
    n_orders : int
        Random orders that this was counted on.
    n_model_calls : int
        Further calls that this curve took.
    """

    by_weight: FloatArray
    random_mean: FloatArray
    random_low: FloatArray
    random_high: FloatArray
    lowest: FloatArray | None
    exact: bool
    share_beaten: float
    n_orders: int
    n_model_calls: int

    def lost(self, n_removed: int | None = None) -> tuple[float, float]:
        """Probability lost on average over removing 1 to ``n_removed`` units.

        Parameters
        ----------
        n_removed : int or None
            By default half of the units.

        Returns
        -------
        by_weight, random : float
        """
        last = n_removed or max(1, (len(self.by_weight) - 1) // 2)
        steps = slice(1, last + 1)
        whole = self.by_weight[0]
        return (
            float(whole - self.by_weight[steps].mean()),
            float(whole - self.random_mean[steps].mean()),
        )

    def to_dict(self) -> dict[str, Any]:
        """The curve as JSON types."""
        by_weight, random = self.lost()
        return {
            "by_weight": self.by_weight.tolist(),
            "random_mean": self.random_mean.tolist(),
            "random_low": self.random_low.tolist(),
            "random_high": self.random_high.tolist(),
            "lowest": None if self.lowest is None else self.lowest.tolist(),
            "exact": self.exact,
            "share_of_random_orders_beaten": self.share_beaten,
            "n_random_orders": self.n_orders,
            "probability_lost": by_weight,
            "probability_lost_random": random,
            "n_model_calls": self.n_model_calls,
        }


def removal_curve(explanation: Explanation, model: Model, *, seed: int = 0) -> RemovalCurve:
    """Remove units in the order of their weights, and in random orders.

    Where the explanation tried every combination of units, nothing is asked of the model again and
    the random figures are exact (1000 orders are drawn for the share that is beaten).  Where it was
    sampled along random orders, these serve again.  Otherwise the model is asked about the removals
    of this order and of as many random ones as 20 lack.  Removal always uses the parts that add up,
    also for explanations made with another perturbation.

    Parameters
    ----------
    explanation : Explanation
        As returned by ``explain()``, with its components.
    model : Model
    seed : int
        Of the random orders.
    """
    n_units = len(explanation.units)
    order = explanation.order()
    path = removal_path(order)
    row = explanation.target_index
    if explanation.tried_all:
        table = coalition_table(explanation)[:, row]
        index = 1 << np.arange(n_units)
        size = n_units - all_coalitions(n_units).sum(axis=1)
        groups = [table[size == k] for k in range(n_units + 1)]
        orders, _ = random_orders(n_units, _N_ORDERS_OF_TABLE, seed=seed)
        own = table[path @ index]
        random = np.stack([table[removal_path(order) @ index] for order in orders])
        return RemovalCurve(
            by_weight=own,
            random_mean=np.array([group.mean() for group in groups]),
            random_low=np.array([np.percentile(group, 2.5) for group in groups]),
            random_high=np.array([np.percentile(group, 97.5) for group in groups]),
            lowest=np.array([group.min() for group in groups]),
            exact=True,
            share_beaten=share_beaten(float(_area(own)), _area(random)),
            n_orders=len(orders),
            n_model_calls=0,
        )
    if explanation.components is None:
        raise InputError(
            "this explanation holds no sound (it was read from JSON); expected one returned by "
            "explain()"
        )
    components = explanation.components
    game = CoalitionGame(model, components, n_samples=components.waveform.size)
    known = _walks(explanation)
    n_missing = max(0, _N_RANDOM_ORDERS - len(known))
    orders, _ = random_orders(n_units, max(1, n_missing), seed=seed)
    paths = [path, *(removal_path(order) for order in orders)] if n_missing else [path]
    values = game(np.concatenate(paths))[:, row].reshape(-1, n_units + 1)
    own, random = values[0], np.concatenate([known, values[1:]])
    low, high = np.percentile(random, [2.5, 97.5], axis=0)
    return RemovalCurve(
        by_weight=own,
        random_mean=random.mean(axis=0),
        random_low=low,
        random_high=high,
        lowest=None,
        exact=False,
        share_beaten=share_beaten(float(_area(own)), _area(random)),
        n_orders=len(random),
        n_model_calls=game.n_model_calls,
    )


def _area(curves: FloatArray) -> FloatArray:
    """Areas under removal curves, shape (..., n_units + 1) to (...)."""
    areas: FloatArray = scipy.integrate.trapezoid(curves, dx=1.0 / (curves.shape[-1] - 1))
    return areas


def _walks(explanation: Explanation) -> FloatArray:
    """What sampling along random orders has met already, shape (n_orders, n_units + 1).

    Position k is the clip without k units.  Empty where the explanation was not sampled so.
    """
    found = explanation.method.parameters
    nothing = np.empty((0, len(explanation.units) + 1))
    if found.get("sampling") != PERMUTATION_PAIRS or found.get("variant") != "lossless":
        return nothing
    n_units = len(explanation.units)
    keep, _ = permutation_coalitions(
        n_units,
        n_pairs=n_pairs_within(int(found["samples"]), n_units),
        rng=np.random.default_rng(explanation.method.seed),
    )
    known = {
        bits.tobytes(): output
        for bits, output in zip(
            np.ascontiguousarray(explanation.keep),
            explanation.outputs[:, explanation.target_index],
            strict=True,
        )
    }
    try:
        return np.array([[known[bits.tobytes()] for bits in walk[::-1]] for walk in keep])
    except KeyError:  # made otherwise
        return nothing


def coalition_table(explanation: Explanation) -> FloatArray:
    """Outputs of every coalition in the order of ``all_coalitions``, shape (2**n_units, n_labels).

    Raises
    ------
    InputError
        The explanation did not try every combination.
    """
    n_units = len(explanation.units)
    if not explanation.tried_all:
        raise InputError(
            f"the explanation tried {len(explanation.keep)} of {2**n_units} combinations of units; "
            "expected all: raise samples or take fewer units"
        )
    table = np.empty_like(explanation.outputs)
    table[explanation.keep @ (1 << np.arange(n_units))] = explanation.outputs
    return table
