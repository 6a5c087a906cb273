"""The figure of two clips side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.explain.figures import AGAINST, NEUTRAL, SPECTROGRAM_RANGE_DB, SUPPORTS, spectrogram_db
from cuelens.features.log_mel import hz_to_mel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.explain.comparison import Comparison

_LINE_EVERY_S = 0.1


def plot_comparison(comparison: Comparison) -> Figure:
    """Draw a comparison.

    The first clip above, the second below, lines between the same places of the sentence; to the
    right the weights of the bands (first filled, second open), or below the weights over the time
    of the first clip.
    """
    from matplotlib.figure import Figure

    if comparison.bands:
        figure = Figure(figsize=(11.0, 4.6), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[2.2, 1.0], squeeze=False)[0]
        top, between, bottom = left.subplots(3, 1, height_ratios=[1, 0.45, 1])
        _plot_clips(top, between, bottom, comparison)
        _plot_bands(right.subplots(), comparison)
    else:
        figure = Figure(figsize=(9.0, 6.2), layout="constrained")
        top, between, bottom, over_time = figure.subplots(4, 1, height_ratios=[1, 0.45, 1, 1])
        _plot_clips(top, between, bottom, comparison)
        _plot_windows(over_time, comparison)
    return figure


def _plot_clips(top: Axes, between: Axes, bottom: Axes, comparison: Comparison) -> None:
    pairs = (("first", comparison.first, top), ("second", comparison.second, bottom))
    for (name, explanation, ax), audio in zip(pairs, comparison.audios, strict=True):
        shown = spectrogram_db(audio, n_rows=120)
        ax.imshow(
            shown,
            origin="lower",
            aspect="auto",
            cmap="gray_r",
            extent=(0.0, audio.duration_s, 0.0, float(hz_to_mel(audio.sample_rate / 2))),
            vmin=-SPECTROGRAM_RANGE_DB,
            vmax=0.0,
        )
        p = explanation.prediction[explanation.labels.index(comparison.target)]
        answer = explanation.labels[int(np.argmax(explanation.prediction))]
        ax.set_title(
            f"{name}: p({comparison.target}) = {p:.2f}, answer {answer}", fontsize=8, loc="left"
        )
        ticks_hz = [hz for hz in (500, 1000, 2000, 4000) if hz <= audio.sample_rate / 2]
        ax.set_yticks([float(hz_to_mel(hz)) for hz in ticks_hz], [str(hz) for hz in ticks_hz])
        ax.set_ylabel("Hz (mel scale)", fontsize=8)
        ax.tick_params(labelsize=7)
    bottom.set_xlabel("time (s)", fontsize=8)
    first_s = np.arange(0.0, comparison.audios[0].duration_s, _LINE_EVERY_S)
    second_s = comparison.alignment.to_second(first_s)
    ends = comparison.audios[0].duration_s, comparison.audios[1].duration_s
    for a, b in zip(first_s / ends[0], second_s / ends[1], strict=True):
        between.plot([a, b], [1, 0], color=NEUTRAL, lw=0.7)
    between.set_xlim(0, 1)
    between.set_ylim(0, 1)
    between.axis("off")


def _plot_bands(ax: Axes, comparison: Comparison) -> None:
    frame = comparison.to_frame()
    rows = np.arange(len(frame))
    for offset, column, filled in ((0.19, "first", True), (-0.19, "second", False)):
        values = frame[column].to_numpy()
        colours = [SUPPORTS if value > 0 else AGAINST for value in values]
        ax.barh(
            rows + offset,
            values,
            height=0.34,
            color=colours if filled else "white",
            edgecolor=colours,
            label=f"{column} clip",
        )
    ax.axvline(0.0, color="black", lw=0.8)
    ax.set_yticks(rows, frame["unit"].tolist(), fontsize=7)
    ax.set_xlabel(f"weight for {comparison.target}", fontsize=8)
    ax.set_title("first: filled; second: open", fontsize=8, loc="left")
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def _plot_windows(ax: Axes, comparison: Comparison) -> None:
    frame = comparison.to_frame()
    edges = [*frame["start_s"], frame["end_s"].iloc[-1]]
    for column, colour, style in (("first", SUPPORTS, "-"), ("second", AGAINST, "--")):
        values = frame[column].fillna(0.0)
        ax.stairs(values, edges, color=colour, ls=style, label=f"{column} clip", baseline=None)
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set_xlim(0.0, comparison.audios[0].duration_s)
    ax.set_xlabel("time of the first clip (s)", fontsize=8)
    ax.set_ylabel(f"weight for {comparison.target}", fontsize=8)
    ax.legend(fontsize=7, frameon=False)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
