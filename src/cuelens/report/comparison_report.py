"""The page of two clips side by side: one HTML file that works offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cuelens.evaluate.reliability import Reliability, reasons_against, reliability
from cuelens.explain import Explanation
from cuelens.explain.account import listed
from cuelens.explain.comparison import Comparison
from cuelens.figure_style import figure_png
from cuelens.models.base import Model
from cuelens.report.clip_page import page_templates
from cuelens.report.encode import data_url, flac_bytes


def write_comparison_report(
    file: str | Path, found: Comparison, *, trust: Sequence[Reliability] = ()
) -> Path:
    """Write the page of a comparison; labels, names and paths are escaped."""
    file = Path(file)
    page = page_templates().get_template("comparison.html")
    file.write_text(page.render(**comparison_context(found, trust=trust)), encoding="utf-8")
    return file


def comparison_trust(found: Comparison, model: Model) -> tuple[Reliability, Reliability]:
    """How far the weights of both clips can be trusted, for the label that is compared."""
    first, second = (
        reliability(replace(explanation, target=found.target), model)
        for explanation in (found.first, found.second)
    )
    return first, second


def comparison_sentences(found: Comparison, trust: Sequence[Reliability] = ()) -> list[str]:
    """The account, and the verdict on the weights of both clips."""
    sentences = found.account.splitlines()
    if trust:
        parts = [
            f"{which} clip {one.verdict} "
            f"({listed([f'{one.orders_beaten()} random orders beaten', *reasons_against(one)])})"
            for which, one in zip(("first", "second"), trust, strict=True)
        ]
        sentences.append(
            f"Trust (with silence in the gaps; other sound was not tried): {', '.join(parts)}."
        )
    return sentences


def comparison_context(found: Comparison, *, trust: Sequence[Reliability] = ()) -> dict[str, Any]:
    """What the template of a comparison needs."""
    pictures = [figure_png(found.plot(narrow=narrow)) for narrow in (False, True)]
    frame = found.to_frame()
    return {
        "found": found,
        "asked": found.first.contrast[0] if found.first.contrast else found.target,
        "sentences": comparison_sentences(found, trust),
        "sampled": bool(frame["difference_low"].notna().any()),
        "clips": [
            {
                "name": Path(explanation.clip.path).name,
                "path": explanation.clip.path,
                "duration_s": explanation.clip.duration_s,
                "answers": _answers(explanation),
                "difference": float(explanation.prediction[-1]) if explanation.contrast else None,
                "url": data_url(flac_bytes(audio), "audio/flac"),
            }
            for explanation, audio in zip((found.first, found.second), found.audios, strict=True)
        ],
        "pictures": [data_url(picture, "image/png") for picture in pictures],
        "rows": [
            {**row, "known": bool(np.isfinite(row["difference"]))}
            for row in (frame[::-1] if found.bands else frame).to_dict("records")
        ],
    }


def _answers(explanation: Explanation) -> list[tuple[str, float]]:
    """Labels with their outputs, largest first; of a question of two, without the difference."""
    own = explanation.prediction[: -1 if explanation.contrast else None]
    return [(explanation.labels[place], float(own[place])) for place in np.argsort(-own)]
