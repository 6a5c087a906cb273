"""Figures of groups of clips: weights, a panel a group; cues that differ, a panel a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import (
    COLUMN_IN,
    PAGE_IN,
    SMALL_PT,
    TEXT_PT,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.evaluate.group import Group, Grouping
    from cuelens.evaluate.group_cues import CueComparison

_PER_ROW = 4


@styled
def plot_groups(group: Group, by: Grouping) -> Figure:
    """Mean weights of every unit with 95 % intervals, one scale for all groups.

    Pale where the interval holds 0.
    """
    means = group.means(by)
    names = group.groups(by)
    n_columns = min(_PER_ROW, len(names))
    n_rows = -(-len(names) // n_columns)
    height = 0.6 + 0.15 * len(group.units)
    figure = new_figure(PAGE_IN if n_columns > 1 else COLUMN_IN, 0.3 + n_rows * height)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, name in zip(axes, names, strict=False):
        part = means[means["group"] == name].set_index("unit").loc[list(group.units)]
        plot_bars(ax, part["mean"], part["low"], part["high"], group.units)
        n_speakers = int(part["n_speakers"].max())
        ax.set_title(
            f"{name}\n{int(part['n_clips'].max())} clips, {n_speakers} "
            f"speaker{'' if n_speakers == 1 else 's'}",
            fontsize=TEXT_PT,
        )
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    what = {None: "the model's answer", "truth": "the clip's emotion"}
    target = group.about["target"]
    figure.supxlabel(
        f"mean weight for {what.get(target, target)}, 95 %; {group.about['model']}",
        fontsize=TEXT_PT,
    )
    return figure


@styled
def plot_cue_differences(comparisons: Sequence[CueComparison]) -> Figure:
    """Effects of every cue with 95 % intervals, the largest on top; grey where they hold 0."""
    n_cues = max(len(one.table) for one in comparisons)
    width = PAGE_IN if len(comparisons) > 1 else COLUMN_IN
    figure = new_figure(width, 0.8 + 0.16 * n_cues)
    axes = figure.subplots(1, len(comparisons), squeeze=False)[0]
    for ax, one in zip(axes, comparisons, strict=True):
        rows = np.arange(len(one.table))
        ax.axvline(0.0, color="black", lw=0.8)
        for y, row in zip(rows, one.table.to_dict("records"), strict=True):
            colour = (SUPPORTS if row["effect"] > 0 else AGAINST) if row["differs"] else NEUTRAL
            ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.2)
            ax.plot(row["effect"], y, "o", ms=3.5, color=colour)
        ax.set_yticks(rows, list(one.table["title"]), fontsize=SMALL_PT)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        n, n_speakers = one.table[["n", "n_speakers"]].max()
        what = "pairs" if one.table["paired"].any() else "clips"
        ax.set_title(f"{one.first} less {one.second}\n{n} {what}, {n_speakers} speakers")
        ax.set_xlabel("difference in SD, 95 %")
        ax.tick_params(labelsize=SMALL_PT)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def plot_bars(ax: Axes, means: object, lows: object, highs: object, names: object) -> None:
    """Weights as bars with intervals, pale where the interval holds 0; NaN: not known."""
    mean, low, high = (np.asarray(values, dtype=float) for values in (means, lows, highs))
    rows = np.arange(len(mean))
    certain = (low > 0) | (high < 0)
    ax.barh(
        rows,
        mean,
        height=0.72,
        color=[
            (SUPPORTS if value > 0 else AGAINST, 1.0 if sure else 0.4)
            for value, sure in zip(mean, certain, strict=True)
        ],
    )
    reach = np.nan_to_num(np.abs(np.stack([low, high]) - mean))
    ax.errorbar(mean, rows, xerr=reach, fmt="none", ecolor="black", capsize=1.5, lw=0.8)
    ax.axvline(0.0, color="black", lw=0.8)
    ax.set_yticks(rows, list(names), fontsize=SMALL_PT)  # type: ignore[call-overload]
    ax.tick_params(labelsize=SMALL_PT)
    ax.spines[["top", "right"]].set_visible(False)
