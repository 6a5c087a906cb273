"""The report of a probing: what an embedding carries and uses, in one HTML file for offline use."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.cues.probed import (
    expected_cues,
    order_verdict,
    overall_task,
    probe_account,
    shown_layer,
)
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import save_figure
from cuelens.probe.categories import CATEGORIES, FEATURES, category, title
from cuelens.probe.result import ProbeResult
from cuelens.probe.verdicts import VERDICTS
from cuelens.report import probe_figures
from cuelens.report.clip_page import page_templates
from cuelens.report.clip_report import make_folder
from cuelens.report.probe_figures import VERDICT_SIGNS, ordered_features, task_names

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_VERDICT_CSS = dict(zip(VERDICTS, ("v-used", "v-unused", "v-absent", "v-undecided"), strict=True))
_ARROWS = {"up": "↑", "rising": "↗", "down": "↓", "falling": "↘", "mixed": "↕"}
_COLOURS = {  # of the figures, as the page names them in light and dark
    "#000000": "ink",
    "#010101": "on-unused",
    "#fffffe": "on-used",
    SUPPORTS: "supports",
    AGAINST: "against",
    NEUTRAL: "soft",
    probe_figures.GRID: "line",
    probe_figures.UNUSED: "unused",
    probe_figures.UNDECIDED: "undecided",
    probe_figures.ABSENT: "card",
    probe_figures.SPECTRAL: "spectral",
    probe_figures.TEMPORAL: "temporal",
}
_COLUMNS = (  # name, title, form, interval
    ("r2_all", "R², all", "2", True),
    ("r2_within", "R² within", "2", True),
    ("r2_label", "R² by label", "2", False),
    ("r2_top", "R², top", "2", True),
    ("r2_random", "R², random", "2", False),
    ("r2_top_shuffled", "R², top for shuffled labels", "2", False),
    ("gain", "gain over these", "+3", True),
    ("q_top", "q of importance", "q", False),
    ("drop", "score lost when erased", "+3", True),
    ("q_drop", "q of loss", "q", False),
)
_MEASURES = (
    (
        "gain",
        "Beyond chance",
        "Mean R² that the dimensions that matter carry beyond as many dimensions chosen for "
        "shuffled labels; dotted: as much as those.",
    ),
    (
        "information_increase",
        "Information increase, as published",
        "RMSE of all dimensions over squared RMSE of those that matter, mean over features. It "
        "grows with how well a feature can be read at all, and above 1 (dotted) does not mean that "
        "these dimensions carry more than others: the gain above has a control for that.",
    ),
    ("r2_top", "From the dimensions that matter", "Mean R² of the features of each category."),
)
_N_BEST = 20


def write_probe_report(result: ProbeResult, folder: str | Path) -> Path:
    """Write ``report.html``, figures (PNG) and the tables (`ProbeResult.save`) into a folder.

    Parameters
    ----------
    result : ProbeResult
    folder : path
        Made if needed; files of the same names are replaced.

    Returns
    -------
    Path
        The report.
    """
    folder = make_folder(folder)
    result.save(folder)
    for name, figure in _figures(result).items():
        save_figure(figure, folder / f"{name}.png")
    report = folder / "report.html"
    report.write_text(probe_report_html(result), encoding="utf-8")
    return report


def probe_report_html(result: ProbeResult) -> str:
    """The report as HTML text, about the last layer; names of corpus and embedding are escaped."""
    environment = page_templates(
        {"num": _number, "count": _count, "metric": _metric, "setting": _setting}
    )
    layer = shown_layer(result)
    about = {"provenance": {}, "notes": [], "warnings": [], **result.about}
    return environment.get_template("probe_report.html").render(
        about=about,
        settings=about["settings"],
        layer=layer,
        account=probe_account(result).splitlines(),
        warnings=about["warnings"],
        signs={name: {"css": _VERDICT_CSS[name], "sign": VERDICT_SIGNS[name]} for name in VERDICTS},
        categories=CATEGORIES,
        tasks=_records(result.tasks, layer),
        counts=_counts(result, layer),
        heat=_heat(result, layer),
        columns=[
            {"name": name, "title": text, "form": form, "interval": interval}
            for name, text, form, interval in _COLUMNS
        ],
        features=[
            row | {"title": title(row["feature"])} for row in _records(result.features, layer)
        ],
        cues=_cues(result, layer),
        measures=_measures(result, layer),
        confounds=_records(result.confounds, layer),
        plots=_plots(result, layer),
        n_best=min(_N_BEST, result.features["feature"].nunique()),
        egemaps=_is_egemaps(result),
        importance_note=_importance_note(result),
    )


def _figures(result: ProbeResult) -> dict[str, Axes | Figure]:
    """Every figure, by the name of its file."""
    figures: dict[str, Axes | Figure] = {
        "verdicts": probe_figures.plot_verdicts(result),
        "verdict_counts": probe_figures.plot_verdicts(result, compact=True),
        "curve": probe_figures.plot_curve(result),
        "importance": probe_figures.plot_importance(result),
        "decodability": probe_figures.plot_decodability(result),
        "decodability_all": probe_figures.plot_decodability(result, n=None),
        "confounds": probe_figures.plot_confounds(result),
    }
    for measure in _measures_taken(result):
        figures[measure] = probe_figures.plot_categories(result, measure=measure)
    if len(result.about["layers"]) > 1:
        figures["layer_scores"] = probe_figures.plot_layers(result, what="scores")
        figures["layer_categories"] = probe_figures.plot_layers(result, what="categories")
        figures["layer_cues"] = probe_figures.plot_layers(result, what="cues")
    return figures


def _plots(result: ProbeResult, layer: str) -> dict[str, Any]:
    """Figures for the page: one a task, so that they flow with its width."""
    tasks = task_names(result, layer)
    confounds = result.confounds["confound"].unique()
    layers = {}
    for what in ("scores", "categories", "cues"):
        several = len(result.about["layers"]) > 1
        layers[f"layer_{what}"] = (
            _svg(probe_figures.plot_layers(result, what=what), f"layer-{what}") if several else None
        )
    return layers | {
        "decodability": _svg(probe_figures.plot_decodability(result, n=_N_BEST), "decodability"),
        "curve": [
            _svg(probe_figures.plot_curve(result, tasks=[task]), f"curve-{i}", legend=False)
            for i, task in enumerate(tasks)
        ],
        "importance": [
            _svg(probe_figures.plot_importance(result, tasks=[task]), f"importance-{i}")
            for i, task in enumerate(tasks)
        ],
        "confounds": [
            _svg(probe_figures.plot_confounds(result, confounds=[name]), f"confound-{i}")
            for i, name in enumerate(confounds)
        ],
    }


def _svg(figure: Axes | Figure, name: str, *, legend: bool = True) -> Markup:
    """A figure as SVG inside the page, in the page's colours and letters.

    matplotlib escapes texts; names of parts are made unique in the page.
    """
    from markupsafe import Markup
    from matplotlib import rc_context

    drawn = _figure_of(figure)
    if not legend:
        for part in list(drawn.legends):
            part.remove()
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawn.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|width|height|version)="[^"]*"', "", text[:400]) + text[400:]
    width = drawn.get_figwidth() * 72
    text = text.replace("<svg", f'<svg style="--width: {width:.0f}"', 1)
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(?:font-family: |(?<=px ))'?DejaVu Sans'?[^;\"]*", "", text)
    for colour, variable in _COLOURS.items():
        text = re.sub(rf"(fill|stroke): {colour}\b", rf"\1: var(--{variable})", text)
    return Markup(text)


def _figure_of(figure: Axes | Figure) -> Figure:
    found = figure.get_figure(root=True)
    if found is None:
        raise ValueError("axes without a figure")
    return found


def _counts(result: ProbeResult, layer: str) -> list[dict[str, Any]]:
    """Numbers of features, by task and category."""
    counts = probe_figures.verdict_counts(result, layer)
    return [
        {
            "name": task,
            "rows": [
                {
                    "category": group,
                    "n": int(some["n"].sum()),
                    "parts": some[some["n"] > 0].to_dict("records"),
                }
                for group, some in of_task.groupby("category", sort=False)
            ],
        }
        for task, of_task in counts.groupby("task", sort=False)
    ]


def _heat(result: ProbeResult, layer: str) -> list[dict[str, Any]]:
    """Rows of the table of verdicts, by category."""
    by_cell = {(row["feature"], row["task"]): row for row in _records(result.features, layer)}
    tasks = task_names(result, layer)
    overall = overall_task(result.tasks[result.tasks["layer"] == layer])
    groups: dict[str, list[dict[str, Any]]] = {}
    for feature in ordered_features(result, layer):
        cells = [by_cell[feature, task] for task in tasks]
        shown = by_cell[feature, overall]
        r2, low, high = (shown[f"r2_all{end}"] for end in ("", "_low", "_high"))
        left, dot, right = (100 * float(np.clip(np.nan_to_num(v), 0, 1)) for v in (low, r2, high))
        groups.setdefault(category(feature), []).append(
            {
                "feature": feature,
                "title": title(feature),
                "r2": r2,
                "low": low,
                "high": high,
                "left": left,
                "width": right - left,
                "dot": dot,
                "verdicts": "|".join(dict.fromkeys(cell["verdict"] for cell in cells)),
                "cells": [{"verdict": cell["verdict"], "tip": _tip(cell)} for cell in cells],
            }
        )
    return [{"category": name, "rows": rows} for name, rows in groups.items()]


def _tip(cell: Mapping[str, Any]) -> str:
    companion = ""
    if cell["goes_with"]:
        closest = f"{title(cell['goes_with'])}, which is called used"
        companion = f". Correlates {_number(cell['goes_with_r'], '2')} with {closest}"
    return (
        f"{title(cell['feature'])}, {cell['task']}: {cell['verdict']}. R² of those that matter "
        f"{_number(cell['r2_top'], '2')}; score lost when erased {_number(cell['drop'], '+3')} "
        f"({_number(cell['drop_low'], '+3')} to {_number(cell['drop_high'], '+3')}), "
        f"q of importance {_number(cell['q_top'], 'q')}, q of loss "
        f"{_number(cell['q_drop'], 'q')}{companion}"
    )


def _cues(result: ProbeResult, layer: str) -> list[dict[str, Any]]:
    found = expected_cues(result, layer)
    rows = [row | {"arrow": _ARROWS[row["expected"]]} for row in found.to_dict("records")]
    for row in rows:
        if row["verdict"] not in VERDICTS:
            row["feature"] = None
    emotions = dict.fromkeys(row["emotion"] for row in rows)
    return [
        {"emotion": emotion, "rows": [row for row in rows if row["emotion"] == emotion]}
        for emotion in emotions
    ]


def _measures_taken(result: ProbeResult) -> list[Any]:
    taken = set(result.categories["measure"])
    return [name for name, _, _ in _MEASURES if name in taken]


def _measures(result: ProbeResult, layer: str) -> list[dict[str, Any]]:
    """Figures and steps of the published order, by measure."""
    taken = _measures_taken(result)
    measures = []
    for name, text, note in _MEASURES:
        if name not in taken:
            continue
        order = result.order[(result.order["layer"] == layer) & (result.order["measure"] == name)]
        steps = [f"{row['above']} > {row['below']}" for row in order.to_dict("records")]
        measures.append(
            {
                "title": text,
                "note": note,
                "plots": [
                    _svg(
                        probe_figures.plot_categories(result, measure=name, tasks=[task]),  # type: ignore[arg-type]
                        f"{name}-{i}",
                    )
                    for i, task in enumerate(task_names(result, layer))
                ],
                "steps": list(dict.fromkeys(steps)),
                "rows": [
                    {
                        "task": task,
                        "cells": [
                            row | {"verdict": order_verdict(row)} for row in rows.to_dict("records")
                        ],
                    }
                    for task, rows in order.groupby("task", sort=False)
                ],
            }
        )
    return measures


def _is_egemaps(result: ProbeResult) -> bool:
    return bool(result.importance["dimension"].isin(FEATURES).all())


def _importance_note(result: ProbeResult) -> str:
    if _is_egemaps(result):
        return (
            "The dimensions are acoustic features themselves: a dot is a feature, a bar the mean "
            "of its category."
        )
    return (
        "Mean over folds, with the standard deviation over folds. Single dimensions change from "
        "fold to fold; read them as a group."
    )


def _records(table: pd.DataFrame, layer: str) -> list[dict[str, Any]]:
    rows: Any = table[table["layer"] == layer].to_dict("records")
    return rows


def _number(value: Any, form: str) -> str:
    """A number with a minus as typeset; "q" is for q-values, "raw" for sorting."""
    if value is None or not np.isfinite(value):
        return "" if form == "raw" else "–"
    if form == "raw":
        return f"{value:.6g}"
    if form == "q":
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    digits = int(form[-1])
    if round(float(value), digits) == 0:
        return f"{0:.{digits}f}"
    sign = "+" if form.startswith("+") else ""
    return format(float(value), f"{sign}.{digits}f").replace("-", "−")


def _count(value: Any) -> str:
    return "all" if value is None or np.isnan(value) else f"{value:.0f}"


def _metric(name: str) -> str:
    return name.replace("R2", "R²")


def _setting(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )
