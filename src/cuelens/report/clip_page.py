"""The page of one clip: everything a reader needs in one HTML file that works offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.evaluate import RemovalCurve
from cuelens.explain import Explanation
from cuelens.explain.account import is_chance, unit_words
from cuelens.explain.figures import SPECTROGRAM_RANGE_DB
from cuelens.features.log_mel import hz_to_mel
from cuelens.report.encode import data_url, flac_bytes, spectrogram_png, wav_bytes
from cuelens.report.moments import moments_context
from cuelens.report.trust import TrustSection
from cuelens.typing import FloatArray
from cuelens.units.kinds import are_named, full_names, grid_of, layout_of
from cuelens.units.segments import PAUSE

if TYPE_CHECKING:
    from jinja2 import Environment

    from cuelens.report.clip_report import ClipReport

_PLOT_WIDTH, _PLOT_HEIGHT = 560.0, 240.0
_TINT_ALPHA = 0.5  # of the largest weight


@dataclass(frozen=True, kw_only=True)
class Player:
    """One sound of the report: what it is, why it is worth hearing, and its bytes."""

    title: str
    hint: str
    url: str


def page_templates(filters: Mapping[str, Callable[..., str]] | None = None) -> Environment:
    """Templates of pages, with everything that is put into them escaped; compiled once.

    Parameters
    ----------
    filters : mapping of str to callable, optional
        Of one page, beside ``number`` and ``signed``, or instead of them.
    """
    shared = _shared_templates()
    if not filters:
        return shared
    own = shared.overlay()
    own.filters = {**shared.filters, **filters}
    return own


@cache
def _shared_templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cuelens.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:.3f}"
    environment.filters["signed"] = lambda value: f"{value:+.3f}".replace("-", "−")
    return environment


def clip_page(report: ClipReport) -> str:
    """The page as HTML text."""
    return page_templates().get_template("clip_report.html").render(**clip_context(report))


def clip_context(report: ClipReport) -> dict[str, Any]:
    """What the templates of a clip need."""
    explanation, audio = report.explanation, report.audio
    layout = layout_of(explanation.units)
    windows = explanation.map is not None or layout == "time"
    kind = unit_words(explanation)["kind"]
    timed = explanation if windows else report.moments
    curves = [] if report.removal is None else [_curve(kind, report.removal, explanation)]
    if report.moments_removal is not None:
        curves.append(_curve("moments", report.moments_removal, report.moments or explanation))
    return {
        "kind": kind,
        "one": unit_words(explanation)["one"],
        "layout": layout,
        "named": windows and explanation.map is None and are_named(explanation.units),
        "moments": None if timed is None else moments_context(timed, report.cues),
        "moments_from": report.moments,
        "explanation": explanation,
        "clip_name": report.clip_name,
        "prediction": _prediction(explanation),
        "bands": [] if windows and not are_named(explanation.units) else _bands(explanation),
        "names": _names(explanation),
        "overlap": _overlap(explanation),
        "scale": _scale(explanation),
        "level_range_db": SPECTROGRAM_RANGE_DB,
        "tint_reach": float(np.abs(_tints(explanation)).max()) or None,
        "tint_alpha": _TINT_ALPHA,
        "spectrogram": data_url(spectrogram_png(audio), "image/png"),
        "time_ticks": _time_ticks(explanation.clip.duration_s),
        "frequency_ticks": _frequency_ticks(explanation.clip.sample_rate_hz),
        "players": _players(explanation, audio),
        "removals": curves,
        "trust": [
            TrustSection.of(found, kind=called)
            for found, called in ((report.trust, kind), (report.moments_trust, "moments"))
            if found is not None
        ],
        "calls": _calls(report, kind),
        "timing_s": report.timing_s,
        "difference": explanation.target == _difference(explanation),
        "switches": False,
        "exact": explanation.ci_low is None,
        "base_is_chance": is_chance(explanation),
        "surrogate": explanation.method.parameters.get("estimator") == "lime",
    }


def clip_sounds(explanation: Explanation) -> dict[str, Audio | None]:
    """The most and the least supporting parts; None where nothing is left to hear."""
    supports = explanation.target_weights > 0

    def part(keep: Any) -> Audio | None:
        if not keep.any() or keep.all():  # nothing to hear, or the clip itself
            return None
        try:
            return explanation.audio(keep)
        except InputError:  # silent
            return None

    return {"supporting": part(supports), "without_supporting": part(~supports)}


def _players(explanation: Explanation, audio: Audio) -> list[Player]:
    hints = {
        "supporting": (
            f"Only what supports “{explanation.target}”",
            "the parts with a weight above zero",
        ),
        "without_supporting": (
            f"The clip without what supports “{explanation.target}”",
            "the other parts",
        ),
    }
    players = [
        Player(
            title="The clip",
            hint="as the model heard it",
            url=data_url(wav_bytes(audio), "audio/wav"),  # played from any moment
        )
    ]
    for name, sound in clip_sounds(explanation).items():
        title, hint = hints[name]
        if sound is not None:
            url = data_url(flac_bytes(sound), "audio/flac")
            players.append(Player(title=title, hint=hint, url=url))
    return players


def _calls(report: ClipReport, kind: str) -> dict[str, Any]:
    """How often the model was asked, and for what."""
    parts = [(kind, report.explanation.n_model_calls)]
    if report.moments is not None:
        parts.append(("moments", report.moments.n_model_calls))
    tests = [report.removal, report.moments_removal, report.trust, report.moments_trust]
    n_tests = sum(found.n_model_calls for found in tests if found is not None)
    if n_tests:
        parts.append(("tests", n_tests))
    return {"parts": parts, "sum": sum(n for _, n in parts)}


def _difference(explanation: Explanation) -> str | None:
    """The label that is no answer of the model but the difference of two."""
    return None if explanation.contrast is None else explanation.labels[-1]


def _prediction(explanation: Explanation) -> list[dict[str, Any]]:
    asked = explanation.target
    if explanation.contrast is not None and asked == _difference(explanation):
        asked = explanation.contrast[0]
    order = [
        index
        for index in np.argsort(-explanation.prediction, kind="stable")
        if explanation.labels[index] != _difference(explanation)
    ]
    return [
        {
            "label": explanation.labels[index],
            "p": float(explanation.prediction[index]),
            "target": explanation.labels[index] == asked,
        }
        for index in order
    ]


def _scale(explanation: Explanation) -> float:
    """Largest reach of weights and intervals, so that bars fill their column."""
    row = explanation.target_index
    values = [explanation.target_weights]
    values += [ci[row] for ci in (explanation.ci_low, explanation.ci_high) if ci is not None]
    return max(float(np.abs(np.concatenate(values)).max()), 1e-9)


def _bands(explanation: Explanation) -> list[dict[str, Any]]:
    """Units as bars and as places in the spectrogram.

    Bands from high to low, cells from the largest weight to the smallest, others in order.
    """
    row, scale = explanation.target_index, _scale(explanation)
    top = float(hz_to_mel(explanation.clip.sample_rate_hz / 2))
    duration_s = explanation.clip.duration_s
    layout, names = layout_of(explanation.units), full_names(explanation.units)
    order = list(range(len(explanation.units)))
    if layout == "frequency":
        order.reverse()
    elif layout == "cells":
        order = np.argsort(-np.abs(explanation.target_weights), kind="stable").tolist()
    tints = _tints(explanation)
    darkest = max(float(np.abs(tints).max()), 1e-9)
    bands = []
    for index in order:
        unit, weight = explanation.units[index], float(explanation.target_weights[index])
        low, high = (float(hz_to_mel(hz)) / top for hz in (unit.low_hz, unit.high_hz))
        band = {
            "index": index,
            "name": names[index],
            "weight": weight,
            "left": 100 * unit.start_s / duration_s,
            "width": 100 * (unit.end_s - unit.start_s) / duration_s,
            "bar": 50 * abs(weight) / scale,
            "supports": weight > 0,
            "tint": "supports" if tints[index] > 0 else "against",
            "alpha": _TINT_ALPHA * abs(float(tints[index])) / darkest,
            "from_top": 100 * (1 - high),
            "height": 100 * (high - low),
            "interval": None,
        }
        if explanation.ci_low is not None and explanation.ci_high is not None:
            ci_low, ci_high = explanation.ci_low[row, index], explanation.ci_high[row, index]
            band["interval"] = {
                "low": float(ci_low),
                "high": float(ci_high),
                "left": 50 + 50 * float(ci_low) / scale,
                "width": 50 * float(ci_high - ci_low) / scale,
            }
        bands.append(band)
    return bands


def _overlap(explanation: Explanation) -> bool:
    """Whether units lie on each other in the spectrogram, such as the harmonics of a word."""
    regions = {(u.low_hz, u.high_hz, u.start_s, u.end_s) for u in explanation.units}
    return len(regions) < len(explanation.units)


def _tints(explanation: Explanation) -> FloatArray:
    """What the place of each unit is tinted by: its weight, or those of all that lie there.

    Of units in one place, the first holds the sum and the others 0.
    """
    places: dict[tuple[float, ...], int] = {}
    tints: FloatArray = np.zeros(len(explanation.units))
    for index, unit in enumerate(explanation.units):
        place = (unit.low_hz, unit.high_hz, unit.start_s, unit.end_s)
        tints[places.setdefault(place, index)] += explanation.target_weights[index]
    return tints


def _names(explanation: Explanation) -> list[dict[str, Any]]:
    """What the times of cells are called, to stand under the spectrogram; pauses are left out."""
    grid, duration_s = grid_of(explanation.units), explanation.clip.duration_s
    return [
        {
            "name": time.name,
            "left": 100 * time.start_s / duration_s,
            "width": 100 * (time.end_s - time.start_s) / duration_s,
        }
        for time in (grid.times if grid is not None else ())
        if time.name not in ("", PAUSE)
    ]


def _time_ticks(duration_s: float) -> list[dict[str, Any]]:
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
    step = next((step for step in steps if duration_s / step <= 6), 1200)
    times = np.arange(0, duration_s * 0.98, step)
    return [{"left": 100 * float(t) / duration_s, "text": f"{t:g} s"} for t in times]


def _frequency_ticks(sample_rate: int) -> list[dict[str, Any]]:
    top = sample_rate / 2
    shown = [hz for hz in (250, 500, 1000, 2000, 4000, 8000, 16000) if hz <= top]
    return [
        {
            "from_top": 100 * (1 - float(hz_to_mel(hz)) / float(hz_to_mel(top))),
            "text": f"{hz / 1000:g}k" if hz >= 1000 else f"{hz}",
        }
        for hz in shown
    ]


def _curve(kind: str, removal: RemovalCurve, explanation: Explanation) -> dict[str, Any]:
    n_units = len(removal.by_weight) - 1
    return {
        "kind": kind,
        "points": _removal(removal, explanation.answer_range),
        "lost": removal.lost(),
        "n_lost": max(1, n_units // 2),
        "first_alone": _first_alone(removal, explanation),
    }


def _first_alone(removal: RemovalCurve, explanation: Explanation) -> tuple[float, float] | None:
    """What the first unit alone lowers the answer by, and a random one, where that is more."""
    shared_out = explanation.method.parameters.get("estimator") in ("shapley", "lime")
    own, random = removal.lost(1)
    return (own, random) if shared_out and own < random else None


def _removal(removal: RemovalCurve, span: tuple[float, float]) -> dict[str, Any]:
    """The removal curve as points of an SVG picture of 560 x 240 units."""
    n_units = len(removal.by_weight) - 1

    def height(value: float) -> float:
        return _PLOT_HEIGHT * (span[1] - value) / (span[1] - span[0])

    def points(values: Any) -> str:
        return " ".join(
            f"{_PLOT_WIDTH * k / n_units:.1f},{height(float(value)):.1f}"
            for k, value in enumerate(values)
        )

    return {
        "by_weight": points(removal.by_weight),
        "random": points(removal.random_mean),
        "range": points(removal.random_high)
        + " "
        + " ".join(reversed(points(removal.random_low).split())),
        "lowest": None if removal.lowest is None else points(removal.lowest),
        "n_units": n_units,
        "step": _PLOT_WIDTH / n_units,
        "levels": [
            {"y": height(level), "text": f"{level:.3g}".replace("-", "−")}
            for level in np.linspace(*span, 5)
        ],
        "rows": [
            {
                "n": k,
                "y": height(float(removal.by_weight[k])),
                "by_weight": float(removal.by_weight[k]),
                "random": float(removal.random_mean[k]),
                "low": float(removal.random_low[k]),
                "high": float(removal.random_high[k]),
                "lowest": None if removal.lowest is None else float(removal.lowest[k]),
            }
            for k in range(n_units + 1)
        ],
    }
