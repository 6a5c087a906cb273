"""The part of a clip's report that is about time: windows, tracks, cue table, concepts."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from cuelens.audio import Audio
from cuelens.cues import CUES, SOURCES, CueReport, CueRow
from cuelens.cues.account import signed
from cuelens.cues.experts import SHORT_NAMES
from cuelens.explain import Explanation, TimeFrequencyMap
from cuelens.explain.account import unit_words
from cuelens.explain.figures import AGAINST, SUPPORTS
from cuelens.features.log_mel import hz_to_mel, mel_to_hz
from cuelens.report.encode import data_url, flac_bytes, spectrogram_png
from cuelens.typing import FloatArray
from cuelens.units.kinds import are_named
from cuelens.units.segments import PAUSE

_TRACKS = (
    ("f0_level", "pitch (F0), Hz"),
    ("intensity", "loudness (openSMILE)"),
    ("hnr", "harmonics to noise (HNR), dB"),
)
_WIDTH, _HEIGHT = 1000.0, 100.0
_MAX_ALPHA = 0.75  # of a map
_TINT_ALPHA = 0.6  # of the largest weight of a window
_BOUNDS = ("size", "low", "high")
_ARROWS = {"up": "↑", "rising": "↗", "down": "↓", "falling": "↘", "mixed": "↕"}


def moments_context(explanation: Explanation, cues: CueReport | None) -> dict[str, Any]:
    """What the templates need of an explanation with times, and of the cues.

    Parameters
    ----------
    explanation : Explanation
        With a map, or with time windows as units.
    cues : CueReport or None
    """
    duration_s = explanation.clip.duration_s
    windows = cues.windows if cues else ()
    return {
        "method": explanation.method.name,
        "sampled": explanation.ci_low is not None,
        "is_map": explanation.map is not None,
        "n_calls": explanation.n_model_calls,
        "overlay": (
            None
            if explanation.map is None
            else _overlay(explanation.map, explanation.target_index, explanation)
        ),
        "reach": (
            float(np.abs(explanation.target_weights).max()) or None
            if explanation.map is None
            else _map_reach(explanation.map, explanation.target_index)
        ),
        "alpha": _TINT_ALPHA if explanation.map is None else _MAX_ALPHA,
        "tints": [] if explanation.map is not None else _tints(explanation),
        "named": explanation.map is None and are_named(explanation.units),
        "kind": unit_words(explanation)["kind"],
        "windows": [
            {
                "rank": rank,
                "start": window.start_s,
                "end": window.end_s,
                "left": 100 * window.start_s / duration_s,
                "width": 100 * (window.end_s - window.start_s) / duration_s,
                "share": 100 * window.score,
            }
            for rank, window in enumerate(windows, start=1)
        ],
        "tracks": [] if cues is None else [_track(cues, key, title) for key, title in _TRACKS],
        "rows": [] if cues is None else [_row(row, len(cues.windows)) for row in cues.rows],
        "whole": cues is not None and any(np.isfinite(row.clip_effect.low) for row in cues.rows),
        "cues": cues,
        "sources": [] if cues is None else _sources(cues),
        "concepts": [_concept(explanation, index) for index in range(len(explanation.concepts))],
    }


def map_png(cells: TimeFrequencyMap, label: int, sample_rate: int, *, n_rows: int = 192) -> bytes:
    """A map as a transparent picture to lay over the spectrogram (mel axis, low at the bottom)."""
    import matplotlib.image
    from matplotlib.colors import to_rgb

    top = float(hz_to_mel(sample_rate / 2))
    rows_hz = mel_to_hz((np.arange(n_rows) + 0.5) / n_rows * top)
    band = np.clip(
        np.searchsorted(cells.edges_hz, rows_hz, side="right") - 1, 0, cells.values.shape[1] - 1
    )
    values = cells.values[label][band].astype(np.float64)
    values[rows_hz > cells.edges_hz[-1]] = 0.0
    # Relevance per Hz would fade where bands are wide: pictures show it as the network sees it.
    scale = _map_reach(cells, label)
    strength = np.clip(np.abs(values) / scale, 0.0, 1.0)
    picture = np.zeros((*values.shape, 4))
    picture[..., :3] = np.where(
        (values > 0)[..., None], np.array(to_rgb(SUPPORTS)), np.array(to_rgb(AGAINST))
    )
    picture[..., 3] = _MAX_ALPHA * strength
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, picture[::-1], format="png", metadata={"Software": ""})
    return buffer.getvalue()


def _map_reach(cells: TimeFrequencyMap, label: int) -> float:
    """The relevance drawn at full strength: the 99.5th percentile of the cells."""
    sizes = np.abs(cells.values[label].astype(np.float64))
    return float(np.percentile(sizes, 99.5)) or float(sizes.max()) or 1.0


def _overlay(cells: TimeFrequencyMap, label: int, explanation: Explanation) -> str:
    return data_url(map_png(cells, label, explanation.clip.sample_rate_hz), "image/png")


def _tints(explanation: Explanation) -> list[dict[str, Any]]:
    duration_s = explanation.clip.duration_s
    weights = explanation.target_weights
    largest = max(float(np.abs(weights).max()), 1e-9)
    return [
        {
            "name": unit.name,
            "pause": unit.name == PAUSE,
            "weight": float(weight),
            "left": 100 * unit.start_s / duration_s,
            "width": 100 * (unit.end_s - unit.start_s) / duration_s,
            "supports": weight > 0,
            "alpha": _TINT_ALPHA * abs(float(weight)) / largest,
        }
        for unit, weight in zip(explanation.units, weights, strict=True)
    ]


def _track(cues: CueReport, key: str, title: str) -> dict[str, Any]:
    """A descriptor as SVG lines in a box of 1000 x 100, broken where there is no value."""
    times_s, values = cues.tracks.track(key)
    if key == "f0_level":
        values = 27.5 * 2 ** (values / 12)
    known = np.isfinite(values)
    if not known.any():
        return {"title": title, "lines": [], "low": "", "high": "", "empty": True}
    low, high = (float(v) for v in np.percentile(values[known], [1, 99]))
    x = _WIDTH * times_s / cues.tracks.duration_s
    y = 0.08 + 0.84 * np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
    y = _HEIGHT * (1 - y)
    return {
        "title": title,
        "lines": _lines(x, y, known),
        "low": f"{low:.3g}",
        "high": f"{high:.3g}",
        "empty": False,
    }


def _lines(x: FloatArray, y: FloatArray, known: Any) -> list[str]:
    places = np.flatnonzero(known)
    pieces = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    lines = []
    for piece in pieces:
        points = [f"{x[i]:.1f},{y[i]:.1f}" for i in piece]
        if len(points) == 1:  # a lone frame would draw nothing
            points.append(f"{x[piece[0]] + 2:.1f},{y[piece[0]]:.1f}")
        lines.append(" ".join(points))
    return lines


def _n_of(row: CueRow, n_windows: int) -> str:
    """In how many of the moments a cue has a value, where it has none in some."""
    if not row.in_windows or row.n_windows == n_windows:
        return ""
    return f"; in {row.n_windows} of {n_windows} moments"


def _row(row: CueRow, n_windows: int) -> dict[str, Any]:
    cue, effect, expectation = CUES[row.cue], row.effect, row.expectation
    of_clip = row.clip_effect
    reach = 3.0
    known = np.isfinite(effect.low)
    return {
        "key": row.cue,
        "title": cue.title,
        "unit": row.unit + _n_of(row, n_windows),
        "scope": cue.scope,
        "in_windows": row.in_windows,
        "value": _measured(row.value),
        "baseline": _measured(effect.baseline),
        "known": known,
        "size": signed(effect.size) if np.isfinite(effect.size) else "–",
        "low": signed(effect.low),
        "high": signed(effect.high),
        "clip": None
        if np.isnan(of_clip.low)
        else [signed(x) for x in (of_clip.size, of_clip.low, of_clip.high)],
        "dot": 50 + 50 * float(np.clip(effect.size, -reach, reach)) / reach if known else 50,
        "left": 50 + 50 * float(np.clip(effect.low, -reach, reach)) / reach if known else 50,
        "right": 50 + 50 * float(np.clip(effect.high, -reach, reach)) / reach if known else 50,
        "differs": effect.sign != 0,
        "up": effect.size > 0,
        "beyond": ("above" if effect.size > 0 else "below")
        if known and abs(effect.size) > reach
        else "",
        "p": "" if np.isnan(row.p_adjusted) else f"{row.p_adjusted:.3f}",
        "scored": row.scored,
        "arrow": _ARROWS[expectation.direction] if expectation else "",
        "direction": expectation.direction if expectation else "",
        "status": expectation.status if expectation else "",
        "citation": expectation.citation if expectation else "",
        "agrees": row.agrees,
        "corpus": (
            None
            if row.corpus is None
            else {
                "difference": signed(row.corpus.difference),
                "low": signed(row.corpus.low),
                "high": signed(row.corpus.high),
                "n_speakers": row.corpus.n_speakers,
            }
        ),
        "reason": row.reason,
        "flag": row.flag,
    }


def _measured(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if np.isfinite(value) else "–"


def _sources(cues: CueReport) -> list[dict[str, str]]:
    """Full references of the sources named in the table."""
    keys = sorted(
        {
            source.partition("(")[0]
            for row in cues.rows
            if row.expectation
            for source in row.expectation.sources
        }
    )
    return [{"short": SHORT_NAMES[key], "full": SOURCES[key]} for key in keys]


def _concept(explanation: Explanation, index: int) -> dict[str, Any]:
    concept = explanation.concepts[index]
    return {
        "layer": concept.layer,
        "channel": concept.channel,
        "share": 100 * concept.share,
        "overlay": _overlay(concept.map, 0, explanation),
        "reach": _map_reach(concept.map, 0),
        "references": [
            {
                "name": reference.source.rsplit("/", 1)[-1],
                "start": reference.start_s,
                "end": reference.end_s,
                "url": _sound_url(reference.sound),
                "picture": _picture_url(reference.sound),
            }
            for reference in concept.references
        ],
    }


def _sound_url(sound: Audio | None) -> str:
    return "" if sound is None else data_url(flac_bytes(sound), "audio/flac")


def _picture_url(sound: Audio | None) -> str:
    return "" if sound is None else data_url(spectrogram_png(sound, n_rows=96), "image/png")
