"""The page that says whether EmoLIME's claim holds here, in one HTML file for offline use."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.evaluate.emolime_reproduction import (
    EmoLimeReproduction,
    interval_text,
    p_text,
)
from cuelens.evaluate.robustness import ALL, DESIGNS
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import save_figure
from cuelens.report.clip_page import page_templates
from cuelens.report.clip_report import make_folder
from cuelens.report.robustness_figure import (
    GRID,
    LINES,
    plot_agreement,
    plot_clips,
    plot_flipping,
    plot_profiles,
)

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

_COLOURS = {  # of the figures, as the page names them in light and dark
    "#000000": "ink",
    SUPPORTS: "supports",
    AGAINST: "against",
    NEUTRAL: "soft",
    GRID: "line",
    **{colour: f"line-{k}" for k, colour in enumerate(LINES) if k >= 2},
}
_FIGURES: dict[str, Callable[[EmoLimeReproduction], Figure]] = {
    "agreement": plot_agreement,
    "profiles": plot_profiles,
    "clips": plot_clips,
    "flipping": plot_flipping,
}
_MARKS = {"holds": "✓", "does not hold": "✗", "cannot be told": "?"}


def write_emolime_report(found: EmoLimeReproduction, folder: str | Path) -> Path:
    """Write ``emolime.html``, figures (PNG) and the tables into a folder, made if needed.

    Returns
    -------
    Path
        The page.
    """
    folder = make_folder(folder)
    found.save(folder)
    for name, plot in _FIGURES.items():
        save_figure(plot(found), folder / f"{name}.png")
    page = folder / "emolime.html"
    page.write_text(emolime_html(found), encoding="utf-8")
    return page


def emolime_html(found: EmoLimeReproduction) -> str:
    """The page as HTML text; names of models, corpora and emotions are escaped."""
    filters: dict[str, Callable[..., str]] = {
        "interval": interval_text,
        "signed_interval": lambda row: interval_text(row, signed=True),
        "p": p_text,
        "number": _number,
        "percent": _percent,
    }
    about = found.about
    return (
        page_templates(filters)
        .get_template("emolime.html")
        .render(
            about=about,
            account=found.summary,
            agreements=[_agreement(found, name) for name in (ALL, *found.emotions)],
            designs=DESIGNS,
            recall=_by_corpus(found.recall),
            recall_columns=[f"recall_{name}" for name in found.emotions],
            ceiling=_ceiling(found),
            clips=_clips(found),
            pairs=_pairs(found),
            flipping=_flipping(found),
            choices=_rows(found.choices),
            plots={name: _svg(plot(found), name) for name, plot in _FIGURES.items()},
            robustness=found.robustness.about,
            all=ALL,
        )
    )


def _agreement(found: EmoLimeReproduction, emotion: str) -> dict[str, Any]:
    """Figures of an emotion, by design."""
    parts = {}
    for design in DESIGNS:
        verdict = found.verdict(design, emotion)
        parts[design] = {
            **{
                what: found.robustness.agreement_of(design, what, emotion)
                for what in ("models", "corpora", "difference")
            },
            "tests": {
                what: found.robustness.test_of(design, what, emotion)
                for what in ("models", "corpora", "difference")
            },
            "verdict": verdict,
            "mark": _MARKS[verdict],
        }
    return {"emotion": emotion, "designs": parts}


def _by_corpus(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"corpus": corpus, "rows": _rows(some)}
        for corpus, some in table.groupby("corpus", sort=False)
    ]


def _ceiling(found: EmoLimeReproduction) -> list[dict[str, Any]]:
    """Means over emotions, one row a cell."""
    table = found.robustness.ceiling
    means = table.groupby(["model", "corpus"], sort=False)[["half", "corrected"]].mean()
    return _rows(means.reset_index())


def _clips(found: EmoLimeReproduction) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "cells": _rows(some)}
        for kind, some in found.robustness.clips.groupby("kind", sort=False)
    ]


def _pairs(found: EmoLimeReproduction) -> list[dict[str, Any]]:
    """Means over emotions and over what a pair shares, by design."""
    table = found.robustness.pairs
    keys = ["what", "first", "second"]
    means = table.pivot_table("value", index=keys, columns="design", sort=False)
    return _rows(means.reset_index())


def _flipping(found: EmoLimeReproduction) -> list[dict[str, Any]]:
    return [
        {"model": model, "corpus": corpus, "cells": _rows(some)}
        for (model, corpus), some in found.flipping.groupby(["model", "corpus"], sort=False)
    ]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: Any = table.to_dict("records")
    return rows


def _number(value: float, *, signed: bool = False) -> str:
    if pd.isna(value):
        return "–"
    return format(round(float(value), 2) + 0.0, "+.2f" if signed else ".2f").replace("-", "−")


def _percent(share: float) -> str:
    return "–" if not np.isfinite(share) else f"{100 * share:.0f}"


def _svg(figure: Figure, name: str) -> Markup:
    """A figure as SVG inside the page, in the page's colours and letters.

    matplotlib escapes texts; names of parts are made unique in the page.
    """
    from markupsafe import Markup
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing: Mapping[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict(nothing))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|width|height|version)="[^"]*"', "", text[:400]) + text[400:]
    text = text.replace("<svg", f'<svg style="--width: {72 * figure.get_figwidth():.0f}"', 1)
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(?:font-family: |(?<=px ))'?DejaVu Sans'?[^;\"]*", "", text)
    for colour, variable in _COLOURS.items():
        text = re.sub(rf"(fill|stroke): {colour}\b", rf"\1: var(--{variable})", text)
    return Markup(text)
