"""Mean deletion and insertion curves of explainers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import PAGE_IN, SMALL_PT, TITLE_PT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.evaluate.faithfulness_result import Faithfulness


@styled
def plot_faithfulness(found: Faithfulness) -> Figure:
    """Mean probability of the answer by share of units: a row an explainer, a column a fill.

    Orange falls as units are removed, blue rises as they are put back, each most relevant first;
    dashed are random orders, and dotted the best orders there are.  The shaded area is what the
    explanation's order adds to random order.
    """
    curves, summary = found.curves(), found.summary()
    explainers = [name for name in found.about["explainers"] if (curves["explainer"] == name).any()]
    fills = found.about["fills"]
    figure = new_figure(PAGE_IN, 1.2 + 1.7 * len(explainers))
    axes = figure.subplots(len(explainers), len(fills), squeeze=False, sharex=True, sharey=True)
    for line, name in zip(axes, explainers, strict=True):
        for ax, fill in zip(line, fills, strict=True):
            own = curves[(curves["explainer"] == name) & (curves["fill"] == fill)]
            chosen = summary[(summary["explainer"] == name) & (summary["fill"] == fill)]
            if own.empty:
                ax.set_axis_off()
                continue
            means = dict(zip(chosen["measure"], chosen["mean"], strict=True))
            _panel(ax, own, means)
        line[0].set_ylabel(f"{name}\nprobability", fontsize=SMALL_PT)
    for ax, fill in zip(axes[0], fills, strict=True):
        ax.annotate(
            f"filled with {fill}",
            (0.5, 1.0),
            xytext=(0, 24),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            fontsize=TITLE_PT,
        )
    figure.suptitle(f"{found.about['model']}, {found.about['n_clips']} clips")
    for ax in axes[-1]:
        ax.set_xlabel("share of units", fontsize=SMALL_PT)
    handles: dict[str, Any] = {}
    for ax in axes.flat:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=3,
        fontsize=SMALL_PT,
        frameon=False,
    )
    return figure


def _panel(ax: Axes, curves: pd.DataFrame, means: Mapping[str, float]) -> None:
    share = curves["share"].to_numpy()
    for name, colour, words in (
        ("deletion", SUPPORTS, "removed"),
        ("insertion", AGAINST, "put back"),
    ):
        own, random = curves[name].to_numpy(), curves[f"random_{name}"].to_numpy()
        ax.fill_between(share, own, random, color=colour, alpha=0.15, lw=0)
        ax.plot(share, own, color=colour, lw=1.6, label=f"{words}, most relevant first")
        ax.plot(share, random, color=colour, lw=1.0, ls="--", label=f"{words}, random order")
        best = curves[f"best_{name}"].to_numpy()
        if np.isfinite(best).all():
            ax.plot(share, best, color="black", lw=0.8, ls=":", label="best order")
    ranks = [f"{100 * means[f'percentile_{name}']:.0f}" for name in ("deletion", "insertion")]
    ax.set_title(
        f"percentile: removed {ranks[0]},\nput back {ranks[1]}",
        fontsize=SMALL_PT,
        color=NEUTRAL,
        pad=3,
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.05)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL_PT)
