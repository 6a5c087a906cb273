"""The figure of a timeline: speech, a lane a label, weights over time and frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.features.log_mel import hz_to_mel
from cuelens.figure_style import PAGE_IN, SMALL_PT, TEXT_PT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.explain.timeline_result import Timeline, TimelineRow, UnitWeight


@styled
def plot_timeline(timeline: Timeline) -> Figure:
    """Draw a timeline.

    The lane of a label shows its probability from 0 to 1 in every window, orange where it is the
    answer.  Below, where windows were explained: orange supports the window's target, blue speaks
    against it, the stronger the larger the weight.
    """
    explained = timeline.explained
    heights = [0.35, *[0.62] * len(timeline.labels), *([1.6] if explained else [])]
    figure = new_figure(PAGE_IN, 0.7 + 0.75 * sum(heights))
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _plot_speech(axes[0], timeline)
    for ax, label in zip(axes[1:], timeline.labels, strict=False):
        _plot_lane(ax, timeline, label)
    if explained:
        _plot_weights(axes[-1], timeline)
    axes[-1].set_xlim(0.0, timeline.duration_s)
    axes[-1].set_xlabel("time (min:s)", fontsize=TEXT_PT)
    axes[-1].xaxis.set_major_formatter(lambda value, _: clock(value))
    ticks = tick_step(timeline.duration_s)
    axes[-1].set_xticks(np.arange(0.0, timeline.duration_s + 1e-9, ticks))
    axes[0].set_title(
        f"Answers of {timeline.model}; orange: the most probable label",
        fontsize=TEXT_PT,
        loc="left",
    )
    return figure


def clock(seconds: float, *, tenths: bool = False) -> str:
    """A time as 0:05, 12:30 or 1:02:03; with tenths of a second on request."""
    whole = np.floor(seconds * 10 + 0.5) / 10 if tenths else np.floor(seconds + 0.5)
    minutes, rest = divmod(float(whole), 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{rest:04.1f}" if tenths else f"{int(rest):02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def tick_step(duration_s: float) -> float:
    """Seconds between ticks, at most some ten of them."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    return next((step for step in steps if duration_s / step <= 12), duration_s / 10)


def strength(timeline: Timeline) -> float:
    """The weight that is drawn at full strength: the 98th percentile of their sizes."""
    sizes = [abs(unit.weight) for row in timeline.explained for unit in row.weights]
    return float(np.percentile(sizes, 98)) or 1.0 if sizes else 1.0


def _plot_speech(ax: Axes, timeline: Timeline) -> None:
    ax.broken_barh([(a, b - a) for a, b in timeline.segments], (0, 1), color="black", lw=0)
    _lane(ax, "speech")


def _plot_lane(ax: Axes, timeline: Timeline, label: str) -> None:
    column = timeline.labels.index(label)
    for answered, colour in ((False, NEUTRAL), (True, SUPPORTS)):
        rows = [
            (row, end_s)
            for row, end_s in shown_until(timeline)
            if (timeline.answer(row) == label) == answered
        ]
        ax.bar(
            [row.start_s for row, _ in rows],
            [row.probabilities[column] for row, _ in rows],
            width=[end_s - row.start_s for row, end_s in rows],
            align="edge",
            color=colour,
            lw=0,
        )
    _lane(ax, label)


def _plot_weights(ax: Axes, timeline: Timeline) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    full = strength(timeline)
    units = [unit for row in timeline.explained for unit in row.weights]
    low, high = (
        float(hz_to_mel(end))
        for end in (min(unit.low_hz for unit in units), max(unit.high_hz for unit in units))
    )

    def patch(unit: UnitWeight) -> Rectangle:
        bottom, top = float(hz_to_mel(unit.low_hz)), float(hz_to_mel(unit.high_hz))
        return Rectangle((unit.start_s, bottom), unit.end_s - unit.start_s, top - bottom)

    colours = [
        to_rgba(SUPPORTS if unit.weight > 0 else AGAINST, min(1.0, abs(unit.weight) / full))
        for unit in units
    ]
    ax.add_collection(PatchCollection([patch(u) for u in units], facecolors=colours, lw=0))
    ax.set_ylim(low, high)
    ticks_hz = [hz for hz in (500, 1000, 2000, 4000, 8000) if low <= hz_to_mel(hz) <= high]
    ax.set_yticks([float(hz_to_mel(hz)) for hz in ticks_hz], [str(hz) for hz in ticks_hz])
    ax.set_ylabel("Hz", fontsize=TEXT_PT)
    ax.tick_params(labelsize=SMALL_PT)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(
        f"Weights for {target_name(timeline)}: orange supports, blue speaks against; "
        f"full colour from {full:.2f}",
        fontsize=TEXT_PT,
        loc="left",
    )


def shown_until(timeline: Timeline) -> list[tuple[TimelineRow, float]]:
    """Windows with an answer, and where the drawing of each ends: at the next, if they overlap."""
    rows = timeline.answered
    nexts = [row.start_s for row in rows[1:]]
    return [
        (row, min(row.end_s, after))
        for row, after in zip(rows, [*nexts, np.inf], strict=bool(rows))
    ]


def target_name(timeline: Timeline) -> str:
    """What the weights are for."""
    target = timeline.settings.get("target")
    return f"“{target}”" if target else "the answer of each window"


def _lane(ax: Axes, name: str) -> None:
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=TEXT_PT)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(NEUTRAL)
    ax.tick_params(labelsize=SMALL_PT, color=NEUTRAL)
