"""The result of a timeline: one row a window of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.corpora.speech_detector import Segment
from cuelens.errors import InputError
from cuelens.explain.explanation import dump_json

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cuelens.figure_style import FigureFormat

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class UnitWeight:
    """Weight of a unit of one window: its place in the recording (s, Hz); above 0 supports."""

    name: str
    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """One window of a recording.

    Parameters
    ----------
    start_s, end_s : float, s
        Of the recording.
    speech_share : float, 0 to 1
        Share of the window that is speech; 1 everywhere where no detector was asked.
    probabilities : tuple of float
        In the order of the model's labels; empty where the model failed.
    target : str or None
        Label whose weights these are; None where the window was not explained.
    weights : tuple of UnitWeight
    error : str
        Why there is no answer or no explanation, in one line; "" otherwise.
    """

    start_s: float
    end_s: float
    speech_share: float
    probabilities: tuple[float, ...]
    target: str | None = None
    weights: tuple[UnitWeight, ...] = ()
    error: str = ""

    @property
    def duration_s(self) -> float:
        """Length of the window."""
        return self.end_s - self.start_s

    @property
    def answer_index(self) -> int:
        """Column of the most probable label."""
        return int(np.argmax(self.probabilities))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TimelineRow:
        """A row from JSON types."""
        weights = tuple(UnitWeight(**weight) for weight in data["weights"])
        return cls(**{**data, "probabilities": tuple(data["probabilities"]), "weights": weights})


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """What a model answers along a recording.

    Parameters
    ----------
    path, sha256 : str
        The recording, and the hash of its bytes.
    duration_s : float, s
    model : str
    labels : tuple of str
    rows : tuple of TimelineRow
        By start.
    segments : tuple of Segment
        Where there is speech.
    settings : dict
        Everything that the rows depend on, as JSON types.
    notes : tuple of str
        What was changed when the recording was read.
    """

    path: str
    sha256: str
    duration_s: float
    model: str
    labels: tuple[str, ...]
    rows: tuple[TimelineRow, ...]
    segments: tuple[Segment, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def speech_s(self) -> float:
        """Seconds of speech."""
        return float(sum(end_s - start_s for start_s, end_s in self.segments))

    @property
    def answered(self) -> tuple[TimelineRow, ...]:
        """Rows with an answer."""
        return tuple(row for row in self.rows if row.probabilities)

    @property
    def explained(self) -> tuple[TimelineRow, ...]:
        """Rows with an explanation."""
        return tuple(row for row in self.rows if row.weights)

    def answer(self, row: TimelineRow) -> str:
        """Label with the highest probability; "" where the model failed."""
        return self.labels[row.answer_index] if row.probabilities else ""

    def time_per_answer(self) -> dict[str, float]:
        """Share of the windows' time that each label is the answer to, most frequent first."""
        total = sum(row.duration_s for row in self.answered)
        spent = dict.fromkeys(self.labels, 0.0)
        for row in self.answered:
            spent[self.answer(row)] += row.duration_s / total
        return dict(sorted(spent.items(), key=lambda item: -item[1]))

    def n_changes(self) -> int:
        """How often the answer differs from that of the window before."""
        answers = [row.answer_index for row in self.answered]
        return sum(a != b for a, b in pairwise(answers))

    def top(self, label: str, n: int = 5) -> tuple[TimelineRow, ...]:
        """The windows with the highest probability of a label, highest first, none overlapping.

        Raises
        ------
        InputError
            The model does not know the label.
        """
        if label not in self.labels:
            raise InputError(f"label is {label!r}; expected one of {', '.join(self.labels)}")
        column = self.labels.index(label)
        chosen: list[TimelineRow] = []
        for row in sorted(self.answered, key=lambda row: -row.probabilities[column]):
            if len(chosen) == n:
                break
            if all(row.end_s <= other.start_s or other.end_s <= row.start_s for other in chosen):
                chosen.append(row)
        return tuple(chosen)

    def to_frame(self) -> pd.DataFrame:
        """One row a window, indexed (file, start, end) as audformat's segments are.

        Columns: answer, speech_share, ``p LABEL`` for every label, target, ``weight UNIT`` for
        every unit that has one name in several windows (bands), error.
        """
        import pandas as pd

        known = self._common_units()
        rows = []
        for row in self.rows:
            p = dict(
                zip(self.labels, row.probabilities or [np.nan] * len(self.labels), strict=True)
            )
            weights = {unit.name: unit.weight for unit in row.weights}
            rows.append(
                {
                    "file": self.path,
                    "start": pd.Timedelta(seconds=row.start_s),
                    "end": pd.Timedelta(seconds=row.end_s),
                    "answer": self.answer(row),
                    "speech_share": row.speech_share,
                    **{f"p {label}": value for label, value in p.items()},
                    "target": row.target or "",
                    **{f"weight {name}": weights.get(name, np.nan) for name in known},
                    "error": row.error,
                }
            )
        return pd.DataFrame(rows).set_index(["file", "start", "end"])

    def _common_units(self) -> tuple[str, ...]:
        """Names of units that stand for a range of frequencies over whole windows."""
        spans = {
            unit.name: unit.low_hz
            for row in self.explained
            for unit in row.weights
            if abs(unit.end_s - unit.start_s - row.duration_s) < 0.01
        }
        return tuple(sorted(spans, key=lambda name: spans[name]))

    def to_dict(self) -> dict[str, Any]:
        """The timeline as JSON types; see the JSON page of the documentation."""
        return {
            "schema_version": SCHEMA_VERSION,
            "recording": {
                "path": self.path,
                "sha256": self.sha256,
                "duration_s": self.duration_s,
                "speech_s": self.speech_s,
                "notes": list(self.notes),
            },
            "model": {"name": self.model, "labels": list(self.labels)},
            "settings": dict(self.settings),
            "segments": [list(segment) for segment in self.segments],
            "time_per_answer": self.time_per_answer(),
            "windows": [asdict(row) for row in self.rows],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Timeline:
        """A timeline from what :meth:`to_dict` made.

        Raises
        ------
        InputError
            Of another schema, or incomplete.
        """
        if data.get("schema_version") != SCHEMA_VERSION:
            raise InputError(
                f"schema_version is {data.get('schema_version')!r}; expected {SCHEMA_VERSION}: "
                "read it with the version of cuelens that wrote it"
            )
        try:
            recording = data["recording"]
            return cls(
                path=recording["path"],
                sha256=recording["sha256"],
                duration_s=recording["duration_s"],
                model=data["model"]["name"],
                labels=tuple(data["model"]["labels"]),
                rows=tuple(TimelineRow.from_dict(row) for row in data["windows"]),
                segments=tuple(Segment(*segment) for segment in data["segments"]),
                settings=data["settings"],
                notes=tuple(recording["notes"]),
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"timeline is incomplete or damaged: {error!r}") from error

    def _repr_html_(self) -> str:
        """What a notebook shows; see :func:`~cuelens.explain.explanation_html.timeline_html`."""
        from cuelens.explain.explanation_html import timeline_html

        return timeline_html(self)

    def plot(self) -> Figure:
        """Speech, a lane a label, and the weights over time and frequency, one above the other."""
        from cuelens.explain.timeline_figure import plot_timeline

        return plot_timeline(self)

    def save(self, folder: str | Path, *, figures: FigureFormat = "png") -> Path:
        """Write timeline.json, timeline.csv and the figure into a folder; returns the first."""
        from cuelens.figure_style import save_figures

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        frame = self.to_frame().reset_index()
        for column in ("start", "end"):
            frame[column] = frame[column].dt.total_seconds()
        frame = frame.rename(columns={"start": "start_s", "end": "end_s"})
        frame.to_csv(folder / "timeline.csv", index=False)
        save_figures({"timeline": self.plot()}, folder, figures)
        file = folder / "timeline.json"
        file.write_text(dump_json(self.to_dict()), encoding="utf-8")
        return file
