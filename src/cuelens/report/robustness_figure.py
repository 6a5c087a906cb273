"""Figures of EmoLIME's claim: band profiles, agreements with intervals, and pixel flipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.evaluate.emolime_reproduction import EmoLimeReproduction
from cuelens.evaluate.robustness import ALL, DESIGNS
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import COLUMN_IN, PAGE_IN, SMALL_PT, new_figure, styled
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = "#dedad1"
LINES = (SUPPORTS, AGAINST, "#2f8577", "#7d5ba6", "#8a6d1f", "#9c2f5c")
_MARKERS = "os^DvP"
_WHATS = (("models", SUPPORTS, "o"), ("corpora", AGAINST, "s"))
_KINDS = {  # of single clips, as the axis names them
    "two models, one clip": "two models,\none clip",
    "two models, two clips": "two models,\ntwo clips",
    "one model, two clips": "one model,\ntwo clips",
    "one model, clips of two corpora": "one model,\ntwo corpora",
}


@styled
def plot_profiles(found: EmoLimeReproduction) -> Figure:
    """Band profiles: emotions in rows, corpora in columns, one line a model.

    A profile is the mean over speakers of each band's share of the weights; above 0 a band supports
    the emotion.  Void models are left out.
    """
    profiles = found.robustness.profiles
    corpora = [corpus["name"] for corpus in found.about["corpora"]]
    emotions, models, bands = found.emotions, found.about["models"], found.about["bands"]
    figure = new_figure(PAGE_IN, 1.1 + 1.45 * len(emotions))
    panels = figure.subplots(len(emotions), len(corpora), sharex=True, sharey=True, squeeze=False)
    places = np.arange(len(bands))
    for row, emotion in enumerate(emotions):
        for column, corpus in enumerate(corpora):
            ax = panels[row, column]
            ax.axhline(0.0, color=NEUTRAL, lw=0.7)
            for k, model in enumerate(models):
                cell = profiles[
                    (profiles["model"] == model)
                    & (profiles["corpus"] == corpus)
                    & (profiles["emotion"] == emotion)
                ]
                if cell.empty:
                    continue
                ax.plot(
                    places,
                    cell[bands].to_numpy()[0],
                    marker=_MARKERS[k % len(_MARKERS)],
                    ms=3.5,
                    lw=1.3,
                    color=LINES[k % len(LINES)],
                    label=model,
                )
            _tidy(ax)
            if row == 0:
                ax.set_title(corpus)
            if column == 0:
                ax.set_ylabel(emotion)
    for ax in panels[-1]:
        ax.set_xticks(places, [_lowest(band) for band in bands], rotation=60, fontsize=SMALL_PT)
        ax.set_xlabel("band, from (Hz)")
    figure.supylabel("share of the weights")
    handles = {
        label: handle
        for ax in panels.ravel()
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(4, max(1, len(handles))),
        frameon=False,
    )
    return figure


@styled
def plot_agreement(found: EmoLimeReproduction) -> Figure:
    """Agreement across models and across corpora with 95 % intervals, for each design and emotion.

    Faint dots are single pairs; the dotted line is a cell's agreement with itself on other clips,
    the most that can be expected with other clips.
    """
    rows = (ALL, *found.emotions)
    figure = new_figure(PAGE_IN, 1.3 + 0.5 * len(rows))
    panels = figure.subplots(1, 2, sharey=True, sharex=True)
    for ax, design in zip(panels, DESIGNS, strict=True):
        ax.axvline(0.0, color=NEUTRAL, lw=0.7)
        for k, (what, colour, marker) in enumerate(_WHATS):
            place = np.arange(len(rows)) + (-0.13, 0.13)[k]
            _pairs(ax, found, design, what, rows, place, colour)
            cells = [found.robustness.agreement_of(design, what, name) for name in rows]
            ax.hlines(
                place,
                [cell["low"] for cell in cells],
                [cell["high"] for cell in cells],
                color=colour,
                lw=1.8,
            )
            values = [cell["value"] for cell in cells]
            ax.plot(values, place, marker, ms=6, color=colour, label=f"across {what}")
        if design == "other clips":
            ceiling = found.robustness.ceiling["half"].mean()
            ax.axvline(ceiling, color=NEUTRAL, lw=1.2, ls=":", label="a cell with itself")
        ax.set_title(_design_title(design), loc="left")
        ax.set_xlabel("correlation of band profiles")
        ax.set_xlim(-1.03, 1.03)
        ax.set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0])
        ax.axhline(0.5, color=GRID, lw=0.8)
        _tidy(ax)
    panels[0].set_yticks(range(len(rows)), ["all emotions", *found.emotions])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


@styled
def plot_clips(found: EmoLimeReproduction) -> Figure:
    """Correlations of single clips' weights with 95 % intervals; faint dots are emotions."""
    table = found.robustness.clips
    figure = new_figure(COLUMN_IN, 2.4)
    ax = figure.subplots()
    ax.axvline(0.0, color=NEUTRAL, lw=0.7)
    for row, kind in enumerate(_KINDS):
        some = table[table["kind"] == kind]
        whole = some[some["emotion"] == ALL].iloc[0]
        of_emotions = some[some["emotion"] != ALL]["value"]
        ax.plot(of_emotions, np.full(len(of_emotions), row), ".", color=AGAINST, alpha=0.35, ms=7)
        ax.hlines(row, whole["low"], whole["high"], color=AGAINST, lw=1.8)
        ax.plot(whole["value"], row, "s", ms=6, color=AGAINST)
    ax.set_yticks(range(len(_KINDS)), list(_KINDS.values()))
    ax.set_ylim(len(_KINDS) - 0.5, -0.5)
    ax.set_xlim(min(-0.1, *table["value"], *table["low"].dropna()) - 0.02, 1.02)
    ax.set_xlabel("correlation of weights")
    _tidy(ax)
    return figure


@styled
def plot_flipping(found: EmoLimeReproduction) -> Figure:
    """Answers kept as bands are removed: the largest weights first (orange), at random (grey)."""
    table = found.flipping
    models = [name for name in found.about["models"] if name in set(table["model"])]
    figure = new_figure(PAGE_IN if len(models) > 1 else COLUMN_IN, 2.6)
    panels = figure.subplots(1, max(1, len(models)), sharey=True, squeeze=False)[0]
    for ax, model in zip(panels, models, strict=False):
        of_model = table[table["model"] == model]
        for kind, colour, marker in (("random", NEUTRAL, "s"), ("top", SUPPORTS, "o")):
            for _, some in of_model.groupby("corpus", sort=False):
                ax.plot(some["n_removed"], 100 * some[kind], "-", color=colour, lw=0.8, alpha=0.4)
            mean = 100 * of_model.groupby("n_removed")[kind].mean()
            ax.plot(mean.index, mean, marker=marker, ms=4.5, lw=1.8, color=colour, label=kind)
        ax.set_title(model)
        ax.set_ylim(-2, 102)
        ax.set_xticks(sorted(of_model["n_removed"].unique()))
        ax.set_xlabel("bands removed")
        _tidy(ax)
    panels[0].set_ylabel("answers kept (%)")
    handles, _ = panels[0].get_legend_handles_labels()
    figure.legend(
        handles[::-1],
        ["largest weights first", "at random"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    return figure


def _pairs(
    ax: Axes,
    found: EmoLimeReproduction,
    design: str,
    what: str,
    rows: tuple[str, ...],
    place: FloatArray,
    colour: str,
) -> None:
    table = found.robustness.pairs
    table = table[(table["design"] == design) & (table["what"] == what)]
    for name, height in zip(rows, place, strict=True):
        some = table if name == ALL else table[table["emotion"] == name]
        values = some.groupby(["first", "second", "within"], sort=False)["value"].mean()
        ax.plot(values, np.full(len(values), height), ".", color=colour, alpha=0.3, ms=5)


def _design_title(design: str) -> str:
    return {
        "same clips": "same clips for all models (as published)",
        "other clips": "other clips (half against half)",
    }[design]


def _lowest(band: str) -> str:
    """Lower edge of a band, from its name."""
    return band.partition("–")[0]


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
