"""The page of two or more models side by side on one clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from cuelens.errors import InputError
from cuelens.explain import Explanation
from cuelens.report.clip_page import page_templates
from cuelens.report.clip_report import make_folder


def write_models_report(folder: str | Path, explanations: Sequence[Explanation]) -> Path:
    """Write ``models.html``: one clip, several models.

    Parameters
    ----------
    folder : path
        Made if needed.
    explanations : sequence of Explanation
        Of one clip, of models with the same units.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        Fewer than two, or of different clips or units.
    """
    page = make_folder(folder) / "models.html"
    context = models_context(explanations)
    page.write_text(
        page_templates().get_template("models.html").render(**context), encoding="utf-8"
    )
    return page


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
    order = np.argsort(-explanation.prediction, kind="stable")
    return [
        {
            "label": explanation.labels[index],
            "p": float(explanation.prediction[index]),
            "target": explanation.labels[index] == explanation.target,
        }
        for index in order
    ]


def _agreement(weights: Any) -> float | None:
    """Rank correlation of the first two models' weights; None where one has none."""
    if any(np.ptp(row) == 0 for row in weights[:2]):
        return None
    return float(scipy.stats.spearmanr(weights[0], weights[1]).statistic)
