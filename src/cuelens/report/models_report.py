"""The page of two or more models side by side on one clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.stats

from cuelens.errors import InputError
from cuelens.evaluate.group_figure import plot_bars
from cuelens.evaluate.over_clips import json_ready
from cuelens.explain import Explanation
from cuelens.explain.explanation import dump_json
from cuelens.figure_style import (
    PAGE_IN,
    TEXT_PT,
    FigureFormat,
    new_figure,
    save_figures,
    styled,
)
from cuelens.report.clip_page import page_templates
from cuelens.report.clip_report import make_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
_PER_ROW = 3


def write_models_report(
    folder: str | Path, explanations: Sequence[Explanation], *, figures: FigureFormat = "png"
) -> Path:
    """Write ``models.html``, ``.json``, ``.csv`` and the figure: one clip, several models.

    Parameters
    ----------
    folder : path
        Made if needed.
    explanations : sequence of Explanation
        Of one clip, of models with the same units.
    figures : {"png", "svg", "pdf"}
        Format of the figure.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        Fewer than two, or of different clips or units.
    """
    context = models_context(explanations)
    folder = make_folder(folder)
    (folder / "models.json").write_text(dump_json(models_dict(explanations)), encoding="utf-8")
    models_frame(explanations).to_csv(folder / "models.csv", index=False)
    save_figures({"models": plot_models(explanations)}, folder, figures)
    page = folder / "models.html"
    page.write_text(
        page_templates().get_template("models.html").render(**context), encoding="utf-8"
    )
    return page


def models_frame(explanations: Sequence[Explanation]) -> pd.DataFrame:
    """One row a model and unit: model, target, unit, low_hz, high_hz, start_s, end_s, weight."""
    return pd.DataFrame(
        [
            {
                "model": explanation.model,
                "target": explanation.target,
                "unit": unit.name,
                "low_hz": unit.low_hz,
                "high_hz": unit.high_hz,
                "start_s": unit.start_s,
                "end_s": unit.end_s,
                "weight": float(weight),
            }
            for explanation in explanations
            for unit, weight in zip(explanation.units, explanation.target_weights, strict=True)
        ]
    )


def models_dict(explanations: Sequence[Explanation]) -> dict[str, Any]:
    """The models side by side as JSON types; see the JSON page of the documentation."""
    context, first = models_context(explanations), explanations[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "clip": {
            "path": first.clip.path,
            "sha256": first.clip.sha256,
            "duration_s": first.clip.duration_s,
        },
        "models": [
            {
                "name": explanation.model,
                "labels": list(explanation.labels),
                "prediction": [float(p) for p in explanation.prediction],
                "target": explanation.target,
                "quantity": explanation.quantity,
                "fidelity": json_ready(float(explanation.fidelity[explanation.target_index])),
                "weights": [float(weight) for weight in explanation.target_weights],
            }
            for explanation in explanations
        ],
        "units": [
            {
                "unit": unit.name,
                "low_hz": unit.low_hz,
                "high_hz": unit.high_hz,
                "start_s": unit.start_s,
                "end_s": unit.end_s,
            }
            for unit in first.units
        ],
        "rank_correlation": context["agreement"],
    }


@styled
def plot_models(explanations: Sequence[Explanation]) -> Figure:
    """Weights of every model, a panel a model, one scale for all."""
    n_columns = min(_PER_ROW, len(explanations))
    n_rows = -(-len(explanations) // n_columns)
    names = [unit.name for unit in explanations[0].units]
    figure = new_figure(PAGE_IN, 0.3 + n_rows * (0.6 + 0.17 * len(names)))
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, explanation in zip(axes, explanations, strict=False):
        weights = explanation.target_weights
        plot_bars(ax, weights, weights, weights, names)
        ax.set_title(f"{explanation.model}\n{explanation.target}", fontsize=TEXT_PT)
    for ax in axes[len(explanations) :]:
        ax.set_visible(False)
    figure.supxlabel("weight", fontsize=TEXT_PT)
    return figure


def models_context(explanations: Sequence[Explanation]) -> dict[str, Any]:
    """What the template of models side by side needs."""
    if len(explanations) < 2:
        raise InputError(f"{len(explanations)} explanations; expected those of two models or more")
    first = explanations[0]
    names = [unit.name for unit in first.units]
    for other in explanations[1:]:
        if other.clip.sha256 != first.clip.sha256:
            raise InputError(
                f"explanations are of {first.clip.path} and {other.clip.path}; expected one clip"
            )
        if [unit.name for unit in other.units] != names:
            raise InputError(
                f"{first.model} and {other.model} were explained by different units; expected the "
                "same, which models of one sample rate have"
            )
    weights = np.stack([explanation.target_weights for explanation in explanations])
    scale = max(float(np.abs(weights).max()), 1e-9)
    order = reversed(range(len(names)))
    return {
        "clip_name": Path(first.clip.path).name,
        "duration_s": first.clip.duration_s,
        "models": [
            {
                "name": explanation.model,
                "target": explanation.target,
                "quantity": explanation.quantity,
                "answers": _answers(explanation),
                "fidelity": float(explanation.fidelity[explanation.target_index]),
                "method": explanation.method,
            }
            for explanation in explanations
        ],
        "rows": [
            {
                "name": names[index],
                "cells": [
                    {
                        "weight": float(row[index]),
                        "bar": 50 * abs(float(row[index])) / scale,
                        "supports": row[index] > 0,
                    }
                    for row in weights
                ],
            }
            for index in order
        ],
        "agreement": _agreement(weights),
    }


def _answers(explanation: Explanation) -> list[dict[str, Any]]:
    two = explanation.contrast
    own = explanation.prediction[: -1 if two else None]
    asked = two[0] if two else explanation.target
    order = np.argsort(-own, kind="stable")
    return [
        {
            "label": explanation.labels[index],
            "p": float(explanation.prediction[index]),
            "target": explanation.labels[index] == asked,
        }
        for index in order
    ]


def _agreement(weights: Any) -> float | None:
    """Rank correlation of the first two models' weights; None where one has none."""
    if any(np.ptp(row) == 0 for row in weights[:2]):
        return None
    return float(scipy.stats.spearmanr(weights[0], weights[1]).statistic)
