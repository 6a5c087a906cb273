"""The report of a timeline: one HTML file that works offline, with few sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cuelens.audio import Audio
from cuelens.explain.timeline_figure import clock, shown_until, strength, target_name, tick_step
from cuelens.explain.timeline_result import Timeline, TimelineRow
from cuelens.features.log_mel import hz_to_mel
from cuelens.report.clip_page import page_templates
from cuelens.report.encode import data_url, flac_bytes

N_PLAYERS = 12
_PER_LABEL = 2
_STRIP_HEIGHT = 100.0

Sounds = Callable[[Sequence[TimelineRow]], list[Audio | None]]


def write_timeline_report(
    file: str | Path, timeline: Timeline, *, sounds: Sounds | None = None
) -> Path:
    """Write the page of a timeline.

    Parameters
    ----------
    file : path
        Replaced if it exists.
    timeline : Timeline
    sounds : callable, optional
        Gives the sound of windows, such as `TimelineRun.sounds`; asked for the few that have a
        player: the two with the highest probability of each label, where that is above chance,
        twelve at most.

    Returns
    -------
    Path
    """
    filters = {"clock": clock, "exact": lambda seconds: clock(seconds, tenths=True)}
    content = (
        page_templates(filters)
        .get_template("timeline.html")
        .render(
            timeline=timeline,
            name=Path(timeline.path).name,
            shares=timeline.time_per_answer(),
            lanes=[_lane(timeline, label) for label in timeline.labels],
            speech=_path([(a, b, 1.0) for a, b in timeline.segments]),
            strip=_strip(timeline),
            strip_height=_STRIP_HEIGHT,
            strip_hz=_strip_hz(timeline),
            full=strength(timeline),
            target=target_name(timeline),
            ticks=_ticks(timeline.duration_s),
            tops={label: timeline.top(label) for label in timeline.labels},
            players=_players(timeline, sounds),
            n_changes=timeline.n_changes(),
            errors=[row for row in timeline.rows if row.error],
        )
    )
    file = Path(file)
    file.write_text(content, encoding="utf-8")
    return file


def _lane(timeline: Timeline, label: str) -> dict[str, str]:
    """Bars of a label as two SVG paths: where it is the answer, and where not."""
    column = timeline.labels.index(label)
    bars: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    for row, end_s in shown_until(timeline):
        bars[timeline.answer(row) == label].append((row.start_s, end_s, row.probabilities[column]))
    return {"label": label, "answer": _path(bars[True]), "other": _path(bars[False])}


def _path(bars: list[tuple[float, float, float]]) -> str:
    """Bars (start, end, height 0 to 1) as one path; y runs downwards from 0 to 1."""
    return "".join(f"M{a:.2f} 1V{1 - height:.3f}H{b:.2f}V1Z" for a, b, height in bars)


def _strip(timeline: Timeline) -> list[dict[str, Any]]:
    units = [unit for row in timeline.explained for unit in row.weights]
    if not units:
        return []
    full = strength(timeline)
    low, high = (
        float(hz_to_mel(end))
        for end in (min(unit.low_hz for unit in units), max(unit.high_hz for unit in units))
    )

    def from_top(hz: float) -> float:
        return _STRIP_HEIGHT * (high - float(hz_to_mel(hz))) / (high - low)

    return [
        {
            "x": unit.start_s,
            "width": unit.end_s - unit.start_s,
            "y": from_top(unit.high_hz),
            "height": from_top(unit.low_hz) - from_top(unit.high_hz),
            "supports": unit.weight > 0,
            "alpha": min(1.0, abs(unit.weight) / full),
            "name": unit.name,
            "weight": unit.weight,
        }
        for unit in units
    ]


def _strip_hz(timeline: Timeline) -> tuple[str, str]:
    """Lowest and highest frequency of the weights."""
    units = [unit for row in timeline.explained for unit in row.weights]
    ends = min((u.low_hz for u in units), default=0.0), max((u.high_hz for u in units), default=0.0)
    return f"{ends[0]:.0f} Hz", f"{ends[1]:.0f} Hz"


def _ticks(duration_s: float) -> list[dict[str, Any]]:
    step = tick_step(duration_s)
    n_ticks = int(duration_s * 0.98 // step) + 1
    return [{"left": 100 * i * step / duration_s, "text": clock(i * step)} for i in range(n_ticks)]


def _players(timeline: Timeline, sounds: Sounds | None) -> list[dict[str, Any]]:
    """The most notable windows, in the order of the recording."""
    if sounds is None:
        return []
    titles: dict[TimelineRow, list[str]] = {}
    for place in range(_PER_LABEL):
        for column, label in enumerate(timeline.labels):
            row = next(iter(timeline.top(label, _PER_LABEL)[place:]), None)
            if row is None or row.probabilities[column] <= 1 / len(timeline.labels):
                continue
            if row in titles or len(titles) < N_PLAYERS:
                titles.setdefault(row, []).append(f"{label} {row.probabilities[column]:.2f}")
    rows = sorted(titles, key=lambda row: row.start_s)
    return [
        {
            "title": ", ".join(titles[row]),
            "row": row,
            "url": data_url(flac_bytes(audio), "audio/flac"),
        }
        for row, audio in zip(rows, sounds(rows), strict=True)
        if audio is not None
    ]
