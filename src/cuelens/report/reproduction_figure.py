"""Published probing against ours: F1 of every emotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.evaluate.probing_reproduction import CHANCE, ProbingReproduction
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import PAGE_IN, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PLACES = {"neutral": -0.24, "others": -0.08, "held out": 0.08, "noise": 0.24}


@styled
def plot_reproduction(found: ProbingReproduction) -> Figure:
    """F1 in percent, emotions in rows: eGeMAPS on the left, top dimensions on the right.

    Blue is the published way (hollow: told from neutral, filled: from the others; bars: SD over
    draws), orange the corrected one with 95 % intervals over speakers, crosses are figures as
    printed, and grey is pure noise in the published way.
    """
    emotions = [str(name) for name in found.corrected["emotion"]]
    figure = new_figure(PAGE_IN, 1.5 + 0.52 * len(emotions))
    left, right = figure.subplots(1, 2, sharey=True)
    for ax, column, printed in (
        (left, "egemaps", "paper_egemaps"),
        (right, "top", "paper_wavlm_top"),
    ):
        _panel(ax, found, emotions, column, printed)
    left.set_title("eGeMAPS features", loc="left")
    right.set_title(f"top dimensions of {found.about['embedding']}", loc="left")
    noise = found.noise.set_index("emotion")["published_top"].reindex(emotions)
    right.plot(
        100 * noise,
        np.arange(len(emotions)) + _PLACES["noise"],
        "D",
        ms=4,
        color=NEUTRAL,
        ls="",
        label="pure noise, published way",
    )
    left.set_yticks(range(len(emotions)), emotions)
    left.set_ylim(len(emotions) - 0.5, -0.5)
    handles: dict[str, Any] = {}
    for ax in (left, right):
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    return figure


def _panel(
    ax: Axes, found: ProbingReproduction, emotions: list[str], column: str, printed: str
) -> None:
    rows = np.arange(len(emotions))
    ax.axvline(100 * CHANCE, color=NEUTRAL, lw=0.8, ls=":")
    for contrast in found.contrasts:
        table = found.published(contrast).reindex(emotions)
        repeated = f"{column}_mean" in table
        ax.errorbar(
            100 * table[f"{column}_mean" if repeated else column],
            rows + _PLACES[contrast],
            xerr=100 * table[f"{column}_sd"] if repeated else None,
            fmt="s",
            ms=4.5,
            mfc="none" if contrast == "neutral" else AGAINST,
            color=AGAINST,
            lw=1.4,
            label=f"published way, from {'neutral' if contrast == 'neutral' else 'the others'}",
        )
        if found.about["is_ravdess"] and contrast == "neutral":
            name = "as printed (eGeMAPS; right: WavLM)"
            ax.plot(
                100 * table[printed],
                rows + _PLACES[contrast],
                "x",
                ms=5,
                color="black",
                ls="",
                label=name,
            )
    ours: pd.DataFrame = 100 * found.corrected.set_index("emotion").select_dtypes("number")
    ours = ours.reindex(emotions)
    place = rows + _PLACES["held out"]
    ax.hlines(place, ours[f"{column}_low"], ours[f"{column}_high"], color=SUPPORTS, lw=1.6)
    ax.plot(ours[column], place, "o", ms=5, color=SUPPORTS, label="speakers held out")
    ax.set_xlim(-3, 103)
    ax.set_xlabel("F1 (%)")
    ax.spines[["top", "right"]].set_visible(False)
