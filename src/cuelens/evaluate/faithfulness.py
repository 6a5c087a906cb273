"""Faithfulness: does the answer fall when what is said to matter is removed?

The units of an explanation are removed, most relevant first (deletion), or put back, most relevant
first (insertion), and the model is asked at every step.  The same is done in random orders, and,
where every combination of units can be tried, in the best order there is: what an explanation adds
lies between the two.

References
----------
.. [1] W. Samek et al., "Evaluating the visualization of what a deep neural network has learned",
   IEEE Trans. Neural Networks and Learning Systems 28(11), 2017 (removal against random order).
.. [2] V. Petsiuk, A. Das, K. Saenko, "RISE: randomized input sampling for explanation of black-box
   models", BMVC 2018 (areas under deletion and insertion).
.. [3] J. DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models", ACL 2020,
   equations 1 and 2 (comprehensiveness, sufficiency, and their mean over numbers of units).
.. [4] E. Hjuler, L. Clemmensen, S. Das, "Exploring local interpretable model-agnostic explanations
   for speech emotion recognition with distribution-shift", ICASSP 2025 (share of answers kept).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate

from cuelens.errors import InputError
from cuelens.evaluate.fills import Fill, checked_fill
from cuelens.evaluate.orders import (
    best_order,
    random_orders,
    relevance_order,
    removal_paths,
    share_beaten,
)
from cuelens.evaluate.removal import coalition_table
from cuelens.evaluate.removed_units import REMOVED, cell_relevance, removal_game, removed_units
from cuelens.explain.explanation import Explanation
from cuelens.explain.game import CoalitionGame
from cuelens.explain.shapley import all_coalitions
from cuelens.models.base import Model
from cuelens.typing import BoolArray, FloatArray, IntArray
from cuelens.units import TimeFrequencyCells

__all__ = [
    "MEASURES",
    "FaithfulnessCurves",
    "faithfulness_curves",
]

MEASURES: dict[str, tuple[str, bool]] = {
    "deletion_area": ("deletion area", True),
    "insertion_area": ("insertion area", False),
    "comprehensiveness": ("comprehensiveness", False),
    "sufficiency": ("sufficiency", True),
    "answers_kept": ("answers kept", True),
    "percentile_deletion": ("percentile, deletion", False),
    "percentile_insertion": ("percentile, insertion", False),
}
"""Name and title of each measure, and whether less is better."""

_MOST_ENUMERATED = 9  # units: 512 answers, about what 30 random orders take
_N_ORDERS_OF_TABLE = 1000
_TOP_SHARE = 0.5

Answers = Callable[[BoolArray], FloatArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class FaithfulnessCurves:
    """The answer to a clip as its units are removed or put back, in several orders.

    Position k of a curve is at ``share_removed[k]``: of deletion, the clip without that share of
    its units; of insertion, the clip with only that share.

    Parameters
    ----------
    target : str
        The label whose probability the curves show.
    fill : str
        What stands where a unit is removed; see :mod:`cuelens.evaluate.fills`.
    removed : {"frequency bands", "time windows", "time-frequency cells"}
    n_units : int
    share_removed : ndarray, shape (n_steps + 1,)
        From 0 to 1.
    deletion, insertion : ndarray, shape (n_steps + 1,)
        Most relevant first.
    kept : ndarray, shape (n_steps + 1,), bool
        On the way of deletion: whether the model still answers what it answers to the clip.
    random_deletion, random_insertion, random_kept : ndarray, shape (n_orders, n_steps + 1)
        The same in random orders.
    best_deletion, best_insertion : ndarray, shape (n_steps + 1,), or None
        In the order with the lowest deletion area, and in the one with the highest insertion area;
        known only where every combination of units was tried.
    all_orders : bool
        The random orders are all orders there are.
    n_model_calls : int
        Further calls that this took.
    """

    target: str
    fill: str
    removed: str
    n_units: int
    share_removed: FloatArray
    deletion: FloatArray
    insertion: FloatArray
    kept: BoolArray
    random_deletion: FloatArray
    random_insertion: FloatArray
    random_kept: BoolArray
    best_deletion: FloatArray | None
    best_insertion: FloatArray | None
    all_orders: bool
    n_model_calls: int

    def measures(self) -> dict[str, float]:
        """The explanation's measures, named as in `MEASURES`.

        Returns
        -------
        dict
            - ``deletion_area``, ``insertion_area``: area under the curve over the share of units,
              0 to 1, trapezoids.
            - ``comprehensiveness``: probability lost without the k most relevant units, mean over k
              up to half of them; ``sufficiency``: lost with only these.
            - ``answers_kept``: share of the same k at which the answer is unchanged.
            - ``percentile_deletion``: share of random orders whose deletion area is larger, so
              worse; ``percentile_insertion``: whose insertion area is smaller.  Ties count half:
              0.5 is no better than chance.

        Notes
        -----
        DeYoung et al. remove 1, 5, 10, 20 and 50 % of the words and count 0 % as well; here every
        step up to 50 % counts once.
        """
        own = self._of(self.deletion, self.insertion, self.kept)
        random = self._of(self.random_deletion, self.random_insertion, self.random_kept)
        worse = random["deletion_area"], -random["insertion_area"]
        return {name: float(value) for name, value in own.items()} | {
            "percentile_deletion": share_beaten(float(own["deletion_area"]), worse[0]),
            "percentile_insertion": share_beaten(-float(own["insertion_area"]), worse[1]),
        }

    def random_measures(self) -> dict[str, float]:
        """Means of the same over random orders."""
        random = self._of(self.random_deletion, self.random_insertion, self.random_kept)
        means = {name: float(value.mean()) for name, value in random.items()}
        return means | {"percentile_deletion": 0.5, "percentile_insertion": 0.5}

    def best_areas(self) -> dict[str, float]:
        """Lowest deletion area and highest insertion area of any order; NaN where unknown."""
        nowhere = np.full(len(self.share_removed), np.nan)
        deletion = nowhere if self.best_deletion is None else self.best_deletion
        insertion = nowhere if self.best_insertion is None else self.best_insertion
        return {
            "deletion_area": float(scipy.integrate.trapezoid(deletion, self.share_removed)),
            "insertion_area": float(scipy.integrate.trapezoid(insertion, self.share_removed)),
        }

    def to_dict(self) -> dict[str, Any]:
        """Curves and measures as JSON types; of random orders their mean, 2.5 and 97.5 %."""
        found: dict[str, Any] = {
            "target": self.target,
            "fill": self.fill,
            "removed": self.removed,
            "n_units": self.n_units,
            "n_random_orders": len(self.random_deletion),
            "all_orders": self.all_orders,
            "n_model_calls": self.n_model_calls,
            "measures": self.measures(),
            "random_measures": self.random_measures(),
            "best_areas": {
                name: None if np.isnan(value) else value
                for name, value in self.best_areas().items()
            },
            "share_removed": self.share_removed.tolist(),
            "deletion": self.deletion.tolist(),
            "insertion": self.insertion.tolist(),
            "kept": self.kept.tolist(),
            "random_kept": self.random_kept.mean(axis=0).tolist(),
        }
        for name in ("deletion", "insertion"):
            random = getattr(self, f"random_{name}")
            best = getattr(self, f"best_{name}")
            found[f"random_{name}"] = random.mean(axis=0).tolist()
            low, high = np.percentile(random, [2.5, 97.5], axis=0)
            found[f"random_{name}_low"], found[f"random_{name}_high"] = low.tolist(), high.tolist()
            found[f"best_{name}"] = None if best is None else best.tolist()
        return found

    def _of(
        self, deletion: FloatArray, insertion: FloatArray, kept: BoolArray
    ) -> dict[str, FloatArray]:
        """Measures of curves of shape (..., n_steps + 1), each of shape (...)."""
        n_top = max(1, int(np.sum(self.share_removed[1:] <= _TOP_SHARE + 1e-9)))
        top = slice(1, n_top + 1)
        whole = self.deletion[0]
        return {
            "deletion_area": scipy.integrate.trapezoid(deletion, self.share_removed),
            "insertion_area": scipy.integrate.trapezoid(insertion, self.share_removed),
            "comprehensiveness": whole - deletion[..., top].mean(axis=-1),
            "sufficiency": whole - insertion[..., top].mean(axis=-1),
            "answers_kept": kept[..., top].mean(axis=-1),
        }


def faithfulness_curves(
    explanation: Explanation,
    model: Model,
    *,
    fill: Fill = "silence",
    cells: TimeFrequencyCells | None = None,
    spectrum: FloatArray | None = None,
    n_steps: int = 20,
    n_random: int = 20,
    seed: int = 0,
    game: CoalitionGame | None = None,
) -> FaithfulnessCurves:
    """Remove what an explanation says is relevant, and compare with random and best orders.

    Where the explanation tried every combination of its units and the fill is silence, nothing is
    asked of the model.  Up to 9 units, all combinations are asked; beyond, those on the way of this
    order and of random ones.  Parts always add up, also for explanations made otherwise.

    Parameters
    ----------
    explanation : Explanation
        As returned by ``explain()``, with its sound.
    model : Model
    fill : {"silence", "mean spectrum", "noise"}
        What stands where a unit is removed.
    cells : TimeFrequencyCells or None
        Remove these cells of the sound; None removes the explanation's own units, or, where it has
        a map, cells of 8 mel bands and 150 ms.  With the same cells, any explanations compare.
    spectrum : ndarray or None
        For the mean spectrum; see :func:`~cuelens.evaluate.fills.mean_spectrum`.
    n_steps : int
        Cells are removed in so many steps of (nearly) equal numbers; other units one by one.
    n_random : int
        Random orders where the model is asked.  Where all combinations are known there are 1000, or
        all orders if they are no more.
    seed : int
        Of random orders, of the order of equally relevant cells, and of the fill.
    game : CoalitionGame or None
        Made by :func:`removal_game` for the same clip, units and fill, to ask nothing twice.

    Raises
    ------
    InputError
        The explanation holds no sound, or its units are unknown; see :func:`removed_units`.
    """
    checked_fill(fill)
    for name, value in (("n_steps", n_steps), ("n_random", n_random)):
        if value < 1:
            raise InputError(f"{name} is {value}; expected 1 or more")
    units = removed_units(explanation, cells)
    column, n_units = explanation.target_index, units.n_units(explanation.clip.duration_s)
    n_calls, table = 0, None
    answers: Answers
    as_explained = fill == "silence" and not isinstance(units, TimeFrequencyCells)
    if as_explained and explanation.tried_all:
        game, table = None, coalition_table(explanation)
    else:
        if game is None:
            game = removal_game(explanation, model, units, fill, spectrum=spectrum, seed=seed)
        n_calls, answers = game.n_model_calls, game
        if n_units <= _MOST_ENUMERATED:
            table = game(all_coalitions(n_units))
    if table is not None:
        answers = _reader(table)
    if isinstance(units, TimeFrequencyCells):
        n_removed = np.round(np.linspace(0, n_units, min(n_steps, n_units) + 1)).astype(int)
        order = relevance_order(cell_relevance(explanation, units), seed=seed)
    else:
        n_removed, order = np.arange(n_units + 1), explanation.order()
    n_orders = n_random if table is None else _N_ORDERS_OF_TABLE
    orders, all_orders = random_orders(n_units, n_orders, seed=seed)
    deletion, insertion = _along(answers, np.concatenate([order[None], orders]), n_removed)
    kept = deletion.argmax(axis=-1) == deletion[:, :1].argmax(axis=-1)
    best_deletion = best_insertion = None
    if table is not None and len(n_removed) == n_units + 1:
        falls = best_order(table[:, column], lowest=True)
        stays = best_order(table[:, column], lowest=False)
        ways = _along(answers, np.stack([falls, stays[::-1]]), n_removed)
        best_deletion, best_insertion = ways[0][0, :, column], ways[1][1, :, column]
    return FaithfulnessCurves(
        target=explanation.target,
        fill=fill,
        removed=REMOVED[type(units)],
        n_units=n_units,
        share_removed=n_removed / n_units,
        deletion=deletion[0, :, column],
        insertion=insertion[0, :, column],
        kept=kept[0],
        random_deletion=deletion[1:, :, column],
        random_insertion=insertion[1:, :, column],
        random_kept=kept[1:],
        best_deletion=best_deletion,
        best_insertion=best_insertion,
        all_orders=all_orders,
        n_model_calls=0 if game is None else game.n_model_calls - n_calls,
    )


def _reader(table: FloatArray) -> Answers:
    """Answers that are known for every coalition, in the order of ``all_coalitions``."""
    bits = 1 << np.arange(len(table).bit_length() - 1)
    return lambda keep: table[keep @ bits]


def _along(
    answers: Answers, orders: IntArray, n_removed: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Answers on the ways of deletion and of insertion, each (n_orders, n_steps + 1, n_labels)."""
    left = removal_paths(orders, n_removed)
    rows = left.reshape(-1, left.shape[-1])
    shape = (*left.shape[:2], -1)
    return answers(rows).reshape(shape), answers(~rows).reshape(shape)
