"""The report of interventions: how the answer moves with each cue, with every version to hear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cuelens.audio import Audio
from cuelens.explain import DoseResponse, DoseResponses
from cuelens.explain.dose_responses import measured_text
from cuelens.figure_style import FigureFormat
from cuelens.report.clip_page import page_templates
from cuelens.report.clip_report import make_folder
from cuelens.report.encode import data_url, flac_bytes
from cuelens.report.sound_folder import write_sounds

_WIDTH, _HEIGHT = 420.0, 200.0
_SOUNDS = "interventions"


def write_interventions_report(
    folder: str | Path,
    *,
    result: DoseResponses,
    audio: Audio,
    figures: FigureFormat = "png",
) -> Path:
    """Write ``interventions.html``, ``.json``, ``.csv``, the figure and the versions as FLAC.

    Parameters
    ----------
    folder : path
        Made if needed; files of the same names are replaced, and versions that an earlier run
        wrote there are removed.
    result : DoseResponses
        As returned by ``explain()``.
    audio : Audio
        The recording.
    figures : {"png", "svg", "pdf"}
        Format of the figure.

    Returns
    -------
    Path
        The report.
    """
    folder = make_folder(folder)
    result.save(folder, figures=figures)
    sounds = {}
    for response in result.responses:
        for dose, sound in zip(response.doses, response.sounds, strict=True):
            text = f"{dose:+g}" if response.about.lowest < 0 else f"{dose:g}"
            sounds[f"{response.cue}_{text}.flac"] = flac_bytes(sound)
    write_sounds(folder / _SOUNDS, sounds)
    report = folder / "interventions.html"
    report.write_text(interventions_html(result, audio=audio), encoding="utf-8")
    return report


def interventions_html(result: DoseResponses, *, audio: Audio) -> str:
    """The report as HTML text; labels, names and paths are escaped."""
    page = page_templates().get_template("interventions.html")
    return page.render(**interventions_context(result, audio=audio))


def interventions_context(result: DoseResponses, *, audio: Audio) -> dict[str, Any]:
    """What the template of interventions needs."""
    account = result.account().splitlines()
    n_notes = len(result.warnings())
    low, high = _limits(result)
    recording = flac_bytes(audio.resample(result.clip.sample_rate_hz))
    return {
        "result": result,
        "clip_name": Path(result.clip.path).name,
        "lead": account[: len(account) - n_notes],
        "warnings": result.warnings(),
        "recording": data_url(recording, "audio/flac"),
        "cues": [_cue(result, response, low, high) for response in result.responses],
    }


def _limits(result: DoseResponses) -> tuple[float, float]:
    """Ends of the vertical axis, the same for all cues."""
    if result.probabilities:
        return 0.0, 1.0
    column = result.target_index
    values = [np.array([result.output_value])]
    values += [
        np.concatenate([r.low[:, column], r.high[:, column], r.control[[column]]])
        for r in result.responses
    ]
    every = np.concatenate(values)
    margin = 0.05 * max(float(np.ptp(every)), 1e-6)
    return float(every.min()) - margin, float(every.max()) + margin


def _cue(result: DoseResponses, response: DoseResponse, low: float, high: float) -> dict[str, Any]:
    """A cue's curve as points of an SVG picture of 420 x 200 units, and its sounds."""
    column, about = result.target_index, response.about
    first, last = float(response.doses[0]), float(response.doses[-1])

    def x(dose: float) -> float:
        return _WIDTH * (dose - first) / max(last - first, 1e-9)

    def y(value: float) -> float:
        return _HEIGHT * (high - value) / (high - low)

    rows = [
        {
            "dose": f"{dose:g}".replace("-", "−"),
            "x": x(float(dose)),
            "y": y(float(response.outputs[row, column])),
            "low_y": y(float(response.low[row, column])),
            "high_y": y(float(response.high[row, column])),
            "value": float(response.outputs[row, column]),
            "low": float(response.low[row, column]),
            "high": float(response.high[row, column]),
            "answer": result.labels[int(np.argmax(response.outputs[row]))],
            "measured": (
                "–"
                if np.isnan(response.measured[row])
                else measured_text(float(response.measured[row]))
            ),
            "as_asked": bool(response.as_asked[row]),
            "identity": row == response.identity_index,
            "url": (
                data_url(flac_bytes(response.sounds[row]), "audio/flac")
                if response.sounds
                else None
            ),
        }
        for row, dose in enumerate(response.doses)
    ]
    return {
        "name": response.cue,
        "title": about.title,
        "unit": about.unit,
        "measured_unit": about.measured_unit,
        "sentence": result.sentence(response.cue),
        "attenuated_db": response.attenuated_db,
        "identity_x": x(about.identity),
        "control": {
            "x": x(about.control),
            "y": y(float(response.control[column])),
            "dose": f"{about.control:g}",
            "value": float(response.control[column]),
        },
        "recording_y": y(result.output_value),
        "line": " ".join(f"{row['x']:.1f},{row['y']:.1f}" for row in rows),
        "band": " ".join(
            [f"{row['x']:.1f},{row['high_y']:.1f}" for row in rows]
            + [f"{row['x']:.1f},{row['low_y']:.1f}" for row in reversed(rows)]
        ),
        "levels": [{"y": y(value), "text": f"{value:.2g}"} for value in np.linspace(low, high, 5)],
        "rows": rows,
    }
