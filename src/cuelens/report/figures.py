"""Figures that need more than the explanation alone."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from cuelens.audio import Audio
from cuelens.cues import CUES, WINDOW_CUES, CorpusCues, CueReport
from cuelens.evaluate import RemovalCurve
from cuelens.explain import Explanation
from cuelens.explain.account import unit_words
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS, plot_spectrogram
from cuelens.figure_style import (
    COLUMN_IN,
    PAGE_IN,
    SMALL_PT,
    TEXT_PT,
    new_axes,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle


@styled
def plot_removal(removal: RemovalCurve, explanation: Explanation, ax: Axes | None = None) -> Axes:
    """Probability of the target as units are removed: by weight, at random, and at best."""
    ax = ax or new_axes()
    steps = np.arange(len(removal.by_weight))
    ax.fill_between(
        steps,
        removal.random_low,
        removal.random_high,
        color=NEUTRAL,
        alpha=0.2,
        lw=0,
        label="random order, 95 %",
    )
    ax.plot(steps, removal.random_mean, color=NEUTRAL, ls="--", label="random order, mean")
    ax.plot(steps, removal.by_weight, color=SUPPORTS, marker="o", ms=3.5, label="by weight")
    if removal.lowest is not None:
        ax.plot(steps, removal.lowest, color="black", ls=":", lw=1, label="lowest possible")
    ax.set_ylim(*explanation.answer_range)
    ax.set_xlim(0, steps[-1])
    ax.set_xlabel(f"{unit_words(explanation)['kind']} removed")
    ax.set_ylabel(explanation.answer_quantity)
    ax.legend(fontsize=SMALL_PT, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


@styled
def plot_moments(
    audio: Audio, explanation: Explanation, cues: CueReport, ax: Axes | None = None
) -> Axes:
    """Spectrogram with relevance and the salient windows, most relevant numbered first."""
    ax = plot_spectrogram(audio, explanation, ax)
    low, high = ax.get_ylim()
    for rank, window in enumerate(cues.windows, start=1):
        ax.add_patch(
            _frame((window.start_s, low), window.end_s - window.start_s, 0.995 * (high - low))
        )
        ax.text(window.start_s, high, f" {rank}", va="top", fontsize=SMALL_PT)
    return ax


@styled
def plot_cues(cues: CueReport, ax: Axes | None = None) -> Axes:
    """Differences of the cues from the baseline with 95 % intervals, and what is expected.

    Filled where the interval excludes 0; arrows show the direction that the literature expects,
    black where sources agree strongly, grey where they are few.
    """
    rows = [row for row in cues.rows if np.isfinite(row.effect.low)]
    ax = ax or new_axes(COLUMN_IN, 0.95 + 0.21 * max(1, len(rows)))
    for place, row in enumerate(reversed(rows)):
        effect = row.effect
        colour = SUPPORTS if effect.size > 0 else AGAINST
        ax.plot([effect.low, effect.high], [place, place], color=colour, lw=1.5)
        ax.plot(effect.size, place, "o", ms=5, color=colour, mfc=colour if effect.sign else "white")
    reach = max([3.0, *(abs(row.effect.size) + 1 for row in rows)])
    for place, row in enumerate(reversed(rows)):
        if row.expectation is not None and row.expectation.sign:
            ax.annotate(
                "▶" if row.expectation.sign > 0 else "◀",
                (reach * 1.03, place),
                ha="left",
                va="center",
                fontsize=SMALL_PT,
                color="black" if row.expectation.status == "strong" else "#a0a0a0",
                annotation_clip=False,
            )
    ax.axvline(0.0, color="black", lw=0.8)
    ax.set_xlim(-reach, reach)
    names = [CUES[row.cue].title.split(" (")[0] for row in reversed(rows)]
    ax.set_yticks(range(len(rows)), names)
    ax.set_xlabel(fill(f"SD from {cues.baseline}", 34))
    title = "filled: 95 % interval excludes 0"
    if cues.emotion:
        title += f"\n▶◀ expected of {cues.emotion}:\nblack, sources agree; grey, few sources"
    ax.set_title(title, fontsize=SMALL_PT, loc="right")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL_PT)
    return ax


@styled
def plot_profile(result: CorpusCues, ax: Axes | None = None) -> Axes:
    """Mean differences of cues (columns) for answers (rows), right and wrong beside each other.

    In standard deviations of the baseline; a dot marks false discovery rates below 0.05, an arrow
    what the literature expects where sources agree strongly.
    """
    profile = result.profile()
    profile = profile[profile["group"].isin(["right", "wrong"])]
    emotions, cues = sorted(profile["emotion"].unique()), list(WINDOW_CUES)
    known = set(zip(profile["emotion"], profile["group"], strict=True))
    rows = [(e, group) for e in emotions for group in ("right", "wrong") if (e, group) in known]
    values = np.full((len(rows), len(cues)), np.nan)
    ax = ax or new_axes(PAGE_IN, 1.5 + 0.22 * max(1, len(rows)))
    for entry in profile.to_dict("records"):
        place = rows.index((entry["emotion"], entry["group"])), cues.index(entry["cue"])
        values[place] = entry["effect"]
        marks = "•" if entry["q"] < 0.05 else ""
        if entry["status"] == "strong":
            marks += "▲" if entry["expected"] in ("up", "rising") else "▼"
        ax.text(place[1], place[0], marks, ha="center", va="center", fontsize=SMALL_PT)
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("difference", [AGAINST, "#f4f4f4", SUPPORTS])
    reach = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    shown = ax.imshow(values, cmap=colours, vmin=-reach, vmax=reach, aspect="auto")
    ax.set_xticks(
        range(len(cues)),
        [CUES[cue].title.split(" (")[0] for cue in cues],
        rotation=40,
        ha="right",
        fontsize=TEXT_PT,
    )
    ax.set_yticks(
        range(len(rows)), [f"{emotion}, {group}" for emotion, group in rows], fontsize=TEXT_PT
    )
    ax.set_title(
        "Cues where it listened, by answer; • q < 0.05, ▲▼ expected by strong agreement",
        fontsize=TEXT_PT,
    )
    ax.figure.colorbar(shown, ax=ax, label="SD from baseline", pad=0.02)
    return ax


@styled
def plot_agreement(result: CorpusCues, ax: Axes | None = None) -> Axes:
    """Share of scored cues that go the expected way: salient, random and loudest moments."""
    ax = ax or new_axes(COLUMN_IN, 2.2)
    groups = [
        (name, shares)
        for name, shares in result.agreement().items()
        if name in ("right", "wrong") and shares["salient"].n_cells
    ]
    for place, (_, shares) in enumerate(groups):
        for offset, name, colour in (
            (-0.16, "salient", SUPPORTS),
            (0.0, "random", NEUTRAL),
            (0.16, "loudest", AGAINST),
        ):
            share = shares[name]
            ax.plot([place + offset] * 2, [share.low, share.high], color=colour, lw=1.5)
            ax.plot(
                place + offset,
                share.value,
                "o",
                color=colour,
                label=f"{name} moments" if not place else None,
            )
    ax.set_ylim(0, 1)
    ax.set_xlim(-0.6, max(1, len(groups)) - 0.4)
    ax.set_xticks(
        range(len(groups)),
        [f"{name} answers\n{shares['salient'].n_clips} clips" for name, shares in groups],
    )
    ax.set_ylabel("share as expected", fontsize=TEXT_PT)
    ax.set_title(f"Strong cues, {result.model} on {result.corpus}", fontsize=TEXT_PT)
    if groups:
        ax.legend(fontsize=SMALL_PT, frameon=False, loc="lower right")
    else:
        ax.text(0, 0.5, "no answer with a cue that can be scored", ha="center", fontsize=TEXT_PT)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL_PT)
    return ax


def _frame(corner: tuple[float, float], width: float, height: float) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, fill=False, lw=1.2, ec="black")
