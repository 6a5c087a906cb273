"""The figure of planted cues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cuelens.figure_style import PAGE_IN, SMALL_PT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cuelens.evaluate.planted_result import Planted

_COLOURS = ("#1b6ca8", "#d95f02", "#5e8c31", "#7a5195", "#555555")


@styled
def plot_planted(found: Planted) -> Figure:
    """Share of clips in which the planted place carries the largest weight.

    A panel an edit, a row an explainer, a colour a kind of model; bars are 95 % intervals, the
    dashed line is chance.
    """
    board = found.leaderboard()
    edits = list(dict.fromkeys(board["edit"]))
    names = {edit: list(dict.fromkeys(board[board["edit"] == edit]["explainer"])) for edit in edits}
    rows = [max(2, len(names[edit])) for edit in edits]
    figure = new_figure(PAGE_IN, 0.9 + sum(0.3 * n + 0.55 for n in rows))
    axes = figure.subplots(len(edits), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    detectors = list(dict.fromkeys(board["detector"]))
    for ax, edit in zip(axes, edits, strict=True):
        part = board[board["edit"] == edit]
        place = {name: k for k, name in enumerate(names[edit])}
        for k, detector in enumerate(detectors):
            own = part[part["detector"] == detector]
            offset = 0.18 * (k - (len(detectors) - 1) / 2)
            y = [place[name] + offset for name in own["explainer"]]
            ax.errorbar(
                own["hit"],
                y,
                xerr=[own["hit"] - own["hit_low"], own["hit_high"] - own["hit"]],
                fmt="o",
                markersize=4,
                linewidth=1.2,
                color=_COLOURS[k % len(_COLOURS)],
                label=detector,
            )
        ax.axvline(part["chance_hit"].mean(), color="#888888", linestyle="--", linewidth=1)
        ax.set_yticks(range(len(names[edit])), names[edit])
        ax.invert_yaxis()
        n_clips = part["n_clips"].max()
        ax.set_title(f"{edit}, {n_clips} clips", loc="left")
        ax.set_xlim(-0.02, 1.02)
        ax.grid(axis="x", color="#dddddd", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("share of clips in which the planted place comes first (dashed: chance)")
    axes[0].legend(title="model", title_fontsize=SMALL_PT, loc="lower right", frameon=False)
    return figure
