"""Figures that need more than the explanation alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.evaluate import RemovalCurve
from cuelens.explain import Explanation
from cuelens.explain.figures import NEUTRAL, SUPPORTS, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_removal(removal: RemovalCurve, explanation: Explanation, ax: Axes | None = None) -> Axes:
    """Probability of the target as bands are removed: by weight, at random, and at best."""
    ax = ax or new_axes()
    steps = np.arange(len(removal.by_weight))
    ax.fill_between(
        steps,
        removal.random_low,
        removal.random_high,
        color=NEUTRAL,
        alpha=0.2,
        lw=0,
        label="random order, 95 %",
    )
    ax.plot(steps, removal.random_mean, color=NEUTRAL, ls="--", label="random order, mean")
    ax.plot(steps, removal.by_weight, color=SUPPORTS, marker="o", ms=3.5, label="by weight")
    if removal.lowest is not None:
        ax.plot(steps, removal.lowest, color="black", ls=":", lw=1, label="lowest possible")
    ax.set_ylim(0, 1)
    ax.set_xlim(0, steps[-1])
    ax.set_xlabel("bands removed")
    ax.set_ylabel(f"p({explanation.target})")
    ax.legend(fontsize=7, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
