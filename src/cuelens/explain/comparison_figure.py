"""The figure of two clips side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.explain.figures import AGAINST, NEUTRAL, SPECTROGRAM_RANGE_DB, SUPPORTS, spectrogram_db
from cuelens.features.log_mel import hz_to_mel
from cuelens.figure_style import COLUMN_IN, PAGE_IN, SMALL_PT, TEXT_PT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.explain.comparison import Comparison

_LINE_EVERY_S = 0.1


@styled
def plot_comparison(comparison: Comparison, *, narrow: bool = False) -> Figure:
    """Draw a comparison.

    The first clip above, the second below, lines between the same places of the sentence; to the
    right the weights of the bands (first filled, second open), or below the weights over the time
    of the first clip.

    Parameters
    ----------
    comparison : Comparison
    narrow : bool
        As wide as a column, with the weights below, for telephones.
    """
    if narrow:
        figure = new_figure(COLUMN_IN, 5.2)
        above, below = figure.subfigures(2, 1, height_ratios=[1.2, 1.0], squeeze=False)[:, 0]
        top, between, bottom = above.subplots(3, 1, height_ratios=[1, 0.35, 1])
        _plot_clips(top, between, bottom, comparison)
        (_plot_bands if comparison.bands else _plot_windows)(below.subplots(), comparison)
    elif comparison.bands:
        figure = new_figure(PAGE_IN, 3.4)
        left, right = figure.subfigures(1, 2, width_ratios=[1.7, 1.0], squeeze=False)[0]
        top, between, bottom = left.subplots(3, 1, height_ratios=[1, 0.45, 1])
        _plot_clips(top, between, bottom, comparison)
        _plot_bands(right.subplots(), comparison)
    else:
        figure = new_figure(PAGE_IN, 4.8)
        top, between, bottom, over_time = figure.subplots(4, 1, height_ratios=[1, 0.45, 1, 1])
        _plot_clips(top, between, bottom, comparison)
        _plot_windows(over_time, comparison)
    return figure


def _plot_clips(top: Axes, between: Axes, bottom: Axes, comparison: Comparison) -> None:
    about = comparison.first
    of_two = about.contrast is not None and comparison.target == about.target
    asked = about.answer_quantity if of_two else f"p({comparison.target})"
    pairs = (("first", comparison.first, top), ("second", comparison.second, bottom))
    for (name, explanation, ax), audio in zip(pairs, comparison.audios, strict=True):
        shown = spectrogram_db(audio, n_rows=120)
        image = ax.imshow(
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
        title = f"{name}: {asked} = {p:.2f}" + ("" if of_two else f", answer {answer}")
        ax.set_title(title, fontsize=TEXT_PT, loc="left")
        ticks_hz = [hz for hz in (500, 1000, 2000, 4000) if hz <= audio.sample_rate / 2]
        ax.set_yticks([float(hz_to_mel(hz)) for hz in ticks_hz], [str(hz) for hz in ticks_hz])
        ax.set_ylabel("Hz (mel scale)", fontsize=TEXT_PT)
        ax.tick_params(labelsize=SMALL_PT)
    bottom.set_xlabel("time (s)", fontsize=TEXT_PT)
    places = [top, between, bottom]
    top.figure.colorbar(image, ax=places, label="level (dB)", pad=0.01, aspect=40)
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
    ax.set_yticks(rows, frame["unit"].tolist(), fontsize=SMALL_PT)
    ax.set_xlabel(_weight_for(comparison), fontsize=TEXT_PT)
    ax.set_title("first: filled; second: open", fontsize=TEXT_PT, loc="left")
    ax.tick_params(labelsize=SMALL_PT)
    ax.spines[["top", "right"]].set_visible(False)


def _plot_windows(ax: Axes, comparison: Comparison) -> None:
    frame = comparison.to_frame()
    edges = [*frame["start_s"], frame["end_s"].iloc[-1]]
    for column, colour, style in (("first", SUPPORTS, "-"), ("second", AGAINST, "--")):
        values = frame[column].fillna(0.0)
        ax.stairs(values, edges, color=colour, ls=style, label=f"{column} clip", baseline=None)
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set_xlim(0.0, comparison.audios[0].duration_s)
    ax.set_xlabel("time of the first clip (s)", fontsize=TEXT_PT)
    ax.set_ylabel(_weight_for(comparison), fontsize=TEXT_PT)
    ax.legend(fontsize=SMALL_PT, frameon=False)
    ax.tick_params(labelsize=SMALL_PT)
    ax.spines[["top", "right"]].set_visible(False)


def _weight_for(comparison: Comparison) -> str:
    between = "\n" if comparison.first.contrast else " "
    return f"weight for{between}{comparison.target}"
