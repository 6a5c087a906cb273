"""The figure of groups of clips: a panel a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.explain.figure_style import (
    COLUMN_IN,
    PAGE_IN,
    SMALL_PT,
    TEXT_PT,
    new_figure,
    styled,
)
from cuelens.explain.figures import AGAINST, SUPPORTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.evaluate.group import Group, Grouping

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
