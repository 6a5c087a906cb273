"""The figure of sanity checks: rank correlation by depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.evaluate.over_clips import style
from cuelens.evaluate.sanity import ALIKE, KINDS
from cuelens.explain.figures import NEUTRAL
from cuelens.figure_style import PAGE_IN, new_axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cuelens.evaluate.sanity import Sanity


@styled
def plot_sanity(found: Sanity, ax: Axes | None = None) -> Axes:
    """Rank correlation by depth with 95 % intervals, signed (full) and absolute (dashed)."""
    summary, cascade = found.summary(), found.about["order"] == "cascade"
    names = ["trained", *dict.fromkeys(summary["layer"])]
    ax = ax or new_axes(PAGE_IN, 3.4)
    ax.axhspan(ALIKE, 1.05, color=NEUTRAL, alpha=0.08, lw=0)
    explainers = list(dict.fromkeys(summary["explainer"]))
    for place, explainer in enumerate(explainers):
        colour, marker = style(place)
        for kind, dashes in zip(KINDS, ("-", "--"), strict=True):
            rows = summary[(summary["explainer"] == explainer) & (summary["kind"] == kind)]
            at = np.array([names.index(layer) for layer in rows["layer"]])
            at = at + 0.16 * (place - (len(explainers) - 1) / 2)
            value, low, high = (rows[name].to_numpy() for name in ("mean", "low", "high"))
            ax.plot(
                [0, *at] if cascade else at,
                [1, *value] if cascade else value,
                marker,
                ls=dashes if cascade else "",
                ms=4,
                color=colour,
                mfc=colour if kind == "signed" else "white",
                label=f"{explainer}, {kind}",
            )
            ax.vlines(at, low, high, color=colour, lw=1.2)
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_ylim(min(-0.25, *summary["low"].fillna(0)), 1.05)
    ax.set_ylabel("rank correlation with the trained model's")
    ax.set_title(
        f"Explanations of {found.about['model']} {found.about['compared_with']}, "
        f"{found.about['n_clips']} clips"
    )
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.spines[["top", "right"]].set_visible(False)
    return ax
