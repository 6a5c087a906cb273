"""Salient windows and expert cues: how often they agree, and whether explainers agree on them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.evaluate.beyond_saliency_result import BeyondSaliency
from cuelens.evaluate.beyond_saliency_tables import MOMENTS
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import PAGE_IN, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = dict(zip(MOMENTS[:3], (SUPPORTS, NEUTRAL, AGAINST), strict=True))
_MARKERS = dict(zip(MOMENTS[:3], ("o", "D", "s"), strict=True))


@styled
def plot_beyond_saliency(found: BeyondSaliency) -> Figure:
    """Agreement with the literature on the left, overlap of windows in time on the right.

    Left: share of strong cues, against the speaker's neutral speech, that go the expected way in
    salient, random and loudest windows, where the model is right and where it is wrong; hollow is
    the published way.  Right: mean intersection over union of salient windows; diamonds are random
    windows of the same clips.  Bars are 95 % intervals.
    """
    groups = list(product(found.explainers, ("right", "wrong")))
    overlap = found.overlap[found.overlap["answers"] == "all"]
    figure = new_figure(PAGE_IN, 1.9 + 0.7 * len(groups))
    left, right = figure.subplots(1, 2)
    _agreement(left, found, groups)
    _overlap(right, overlap.to_dict("records"))
    over = found.about["over"]
    figure.suptitle(
        f"{found.about['model']} on {found.about['corpus']}, {found.about['n_clips']} clips; "
        f"intervals over {over}"
    )
    return figure


def _agreement(ax: Axes, found: BeyondSaliency, groups: list[tuple[str, str]]) -> None:
    ax.axvline(50, color=NEUTRAL, lw=0.8, ls=":")
    labels = []
    for place, (name, answers) in enumerate(groups):
        n_clips = 0
        for (way, filled), (k, moments) in product(
            (("corrected", True), ("published", False)), enumerate(MOMENTS[:3])
        ):
            row = found.agreement_of(name, answers, moments, way=way)
            n_clips = max(n_clips, int(row["n_clips"]))
            y = place + 0.13 * (k - 1) + (-0.04 if filled else 0.04)
            colour = _COLOURS[moments]
            ax.plot(
                100 * row["value"],
                y,
                _MARKERS[moments],
                ms=5 if filled else 4,
                color=colour,
                mfc=colour if filled else "white",
                label=f"{moments} windows{'' if filled else ', as published'}",
                zorder=3 if filled else 2,
            )
            ax.plot(
                [100 * row["low"], 100 * row["high"]],
                [y, y],
                color=colour,
                lw=1.5 if filled else 0.7,
                zorder=1,
            )
        labels.append(f"{name}, {answers}\n{n_clips} clips")
    ax.set_yticks(range(len(groups)), labels)
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.set_xlim(-3, 103)
    ax.set_xlabel("strong cues that go the expected way (%)")
    ax.set_title("agreement with the literature", loc="left")
    _tidy(ax)


def _overlap(ax: Axes, rows: list[dict[Any, Any]]) -> None:
    pairs = list(dict.fromkeys((row["first"], row["second"]) for row in rows))
    for row in rows:
        place = float(pairs.index((row["first"], row["second"])))
        filled = row["way"] != "published"
        if row["first"] != row["second"]:
            place += -0.12 if filled else 0.12
        width, face = (1.5, None) if filled else (0.7, "white")
        note = "" if filled else ", as published"
        reach = [row["iou_low"], row["iou_high"]]
        ax.plot(reach, [place, place], color=SUPPORTS, lw=width, zorder=1)
        for name, mark, colour, what in (
            ("iou", "o", SUPPORTS, "salient windows"),
            ("random", "D", NEUTRAL, "random windows"),
        ):
            ax.plot(
                row[name], place, mark, ms=5, color=colour, mfc=face or colour, label=what + note
            )
    ax.set_yticks(
        range(len(pairs)),
        [
            f"{first}: published\nand corrected" if first == second else f"{first}\nand {second}"
            for first, second in pairs
        ],
    )
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    ends = [row[name] for row in rows for name in ("iou_high", "iou", "random")]
    ax.set_xlim(0, min(1.0, 1.1 * max([0.5, *(end for end in ends if np.isfinite(end))])))
    ax.set_xlabel("intersection over union in time")
    ax.set_title("overlap of windows", loc="left")
    _tidy(ax)


def _tidy(ax: Axes) -> None:
    handles: dict[str, Any] = {}
    for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
        handles.setdefault(label, handle)
    ax.legend(
        handles.values(),
        handles.keys(),
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=1,
    )
    ax.spines[["top", "right"]].set_visible(False)
