"""Timelines: what a model answers along a recording of minutes to hours, and why.

The recording is read in blocks, twice: once to find speech, once for the model.  Only the rows of
the result are kept, so memory hardly grows with length.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, get_args

import numpy as np

from cuelens.audio import Audio, within_full_scale
from cuelens.corpora.long_recording import (
    LongRecording,
    SpeechMap,
    map_speech,
    read_parts,
    speech_windows,
)
from cuelens.corpora.speech_detector import Segment, SpeechDetector
from cuelens.errors import InputError
from cuelens.explain.explanation import Explanation
from cuelens.explain.timeline_result import Timeline, TimelineRow, UnitWeight
from cuelens.journal_file import appending, read_journal
from cuelens.models.base import Model, label_index, model_labels, model_name, predict
from cuelens.provenance import versions
from cuelens.typing import FloatArray

WINDOW_S = 6.0
DETECTOR = SpeechDetector()
_AT_ONCE = 8  # windows handed to the model together

ExplainWhich = Literal["changes", "all"]
Progress = Callable[[str, int, int], None]
P = ParamSpec("P")


class Explainer(Protocol):
    """Anything that explains a model's answer to one clip."""

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> Explanation: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class TimelineRun:
    """A recording whose speech is known, ready to be gone through.

    Made by :func:`open_timeline`; iterate over :meth:`rows` to see each window as it is answered.
    """

    model: Model
    recording: LongRecording
    speech: SpeechMap
    windows: tuple[Segment, ...]
    explainer: Explainer | None
    explain: ExplainWhich
    target: str | None
    settings: Mapping[str, Any]
    journal: Path | None = None
    progress: Progress | None = None

    def rows(self) -> Iterator[TimelineRow]:
        """Windows in order, answered and explained; those that the journal holds come first.

        Every row is written to the journal before it is yielded.

        Raises
        ------
        InputError
            The journal is of other settings; the recording is damaged.
        """
        first = next(read_parts(self.recording, self.windows[:1], self.model.sample_rate))
        settings = {**self.settings, "answer_to_first_window": self._fingerprint(first)}
        wanted = json.loads(json.dumps({"settings": settings}, sort_keys=True))
        done = {} if self.journal is None else read_journal(self.journal, wanted)
        total = round(self.recording.duration_s)
        with appending(self.journal) as write:
            for row, new in self._all_rows(done):
                if new:
                    write({"key": _key(row.start_s), "result": asdict(row)})
                if self.progress:
                    self.progress("answers", round(row.end_s), total)
                yield row
        if self.progress:
            self.progress("answers", total, total)

    def collect(self) -> Timeline:
        """All rows.

        Raises
        ------
        InputError
            No window could be answered.
        """
        rows = tuple(self.rows())
        if not any(row.probabilities for row in rows):
            raise InputError(f"{self.recording.path}: no window could be answered: {rows[0].error}")
        return Timeline(
            path=self.recording.source,
            sha256=self.recording.sha256,
            duration_s=self.speech.duration_s,
            model=model_name(self.model),
            labels=model_labels(self.model),
            rows=rows,
            segments=self.speech.segments,
            settings=self.settings,
            notes=(*self.recording.notes(self.model.sample_rate), *self.speech.notes()),
        )

    def sounds(self, rows: Sequence[TimelineRow]) -> list[Audio | None]:
        """The sound of windows, read again in one go; None where a window is silent.

        Parameters
        ----------
        rows : sequence of TimelineRow
            By start.
        """
        parts = [Segment(row.start_s, row.end_s) for row in rows]
        found: list[Audio | None] = []
        sounds = read_parts(self.recording, parts, self.model.sample_rate)
        for part, samples in zip(parts, sounds, strict=True):
            try:
                found.append(self._audio(part, samples))
            except InputError:
                found.append(None)
        return found

    def _fingerprint(self, samples: FloatArray) -> list[float] | None:
        """What tells apart models of one name."""
        try:
            outputs = predict(self.model, [within_full_scale(samples)])[0]
        except InputError:
            return None
        return outputs.round(5).tolist()

    def _all_rows(self, done: Mapping[str, Any]) -> Iterator[tuple[TimelineRow, bool]]:
        """Rows, and whether each is new.

        The model is always given the same windows together, so that a run that goes on gives the
        same numbers as one that was never stopped.
        """
        n_done = next(
            (n for n, part in enumerate(self.windows) if _key(part.start_s) not in done),
            len(self.windows),
        )
        before = None
        for part in self.windows[:n_done]:
            row = TimelineRow.from_dict(done[_key(part.start_s)])
            before = row.answer_index if row.probabilities else before
            yield row, False
        if n_done == len(self.windows):
            return
        first = n_done // _AT_ONCE * _AT_ONCE
        sounds = read_parts(self.recording, self.windows[first:], self.model.sample_rate)
        for begin in range(first, len(self.windows), _AT_ONCE):
            some = self.windows[begin : begin + _AT_ONCE]
            samples = [within_full_scale(sound) for sound in islice(sounds, len(some))]
            answers = self._answers(samples)
            for place in range(max(0, n_done - begin), len(some)):
                row = self._row(some[place], samples[place], answers[place], before)
                before = row.answer_index if row.probabilities else before
                yield row, True

    def _answers(self, samples: list[FloatArray]) -> list[FloatArray | InputError]:
        try:
            return list(predict(self.model, samples))
        except InputError as error:
            if len(samples) == 1:
                return [error]
        return [self._answers([sound])[0] for sound in samples]  # which of them is it?

    def _row(
        self,
        part: Segment,
        samples: FloatArray,
        answer: FloatArray | InputError,
        before: int | None,
    ) -> TimelineRow:
        row = TimelineRow(
            start_s=part.start_s,
            end_s=part.end_s,
            speech_share=self.speech.speech_share(part),
            probabilities=(),
        )
        if isinstance(answer, InputError):
            return replace(row, error=_one_line(answer))
        row = replace(row, probabilities=tuple(answer.tolist()))
        if self.explainer is None or (self.explain == "changes" and row.answer_index == before):
            return row
        try:
            found = self.explainer.explain(
                self.model, self._audio(part, samples), target=self.target
            )
        except InputError as error:
            return replace(row, error=_one_line(error))
        weights = tuple(
            UnitWeight(
                name=unit.name,
                start_s=part.start_s + unit.start_s,
                end_s=part.start_s + unit.end_s,
                low_hz=unit.low_hz,
                high_hz=unit.high_hz,
                weight=float(weight),
            )
            for unit, weight in zip(found.units, found.target_weights, strict=True)
        )
        return replace(row, target=found.target, weights=weights)

    def _audio(self, part: Segment, samples: FloatArray) -> Audio:
        return Audio(
            samples=within_full_scale(samples),
            sample_rate=self.model.sample_rate,
            source=self.recording.source,
            sha256=self.recording.sha256,
            start_s=part.start_s,
            notes=self.recording.notes(self.model.sample_rate),
        )


def open_timeline(
    model: Model,
    path: str | Path,
    *,
    explainer: Explainer | None = None,
    explain: ExplainWhich = "changes",
    target: str | None = None,
    window_s: float = WINDOW_S,
    hop_s: float | None = None,
    detector: SpeechDetector | None = DETECTOR,
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> TimelineRun:
    """Find the speech of a recording and lay windows on it; nothing is asked of the model yet.

    Parameters
    ----------
    model : Model
    path : path
        Any format of libsndfile, any length; read in blocks.
    explainer : Explainer or None
        Of windows; None: probabilities alone.
    explain : {"changes", "all"}
        Explain windows whose answer differs from that of the window before, or every window.
    target : str or None
        Label to explain; by default each window's own answer.
    window_s : float, s
        Longest window, 0.25 to 60 s.
    hop_s : float or None, s
        From one window to the next within a stretch of speech.  None: windows do not overlap, and
        speech longer than a window is cut at the quietest place.
    detector : SpeechDetector or None
        None: windows over the whole recording, speech or not.
    journal : path or None
        File of finished windows, one JSON line each: a run that was killed goes on.
    progress : callable, optional
        Called with what is being done ("finding speech", "answers"), and whole seconds of
        the recording done and in all.

    Raises
    ------
    InputError
        The file cannot be read; there is no speech in it; a setting is out of range; the model does
        not know the target.
    MissingExtraError
        The detector is not installed.
    """
    if explain not in get_args(ExplainWhich):
        raise InputError(f"explain is {explain!r}; expected {' or '.join(get_args(ExplainWhich))}")
    if target is not None:
        target = model_labels(model)[label_index(model, target)]
    recording = LongRecording.open(path)
    speech_windows(_NOTHING, window_s=window_s, hop_s=hop_s)  # refuses settings before the work

    def found_speech(done_s: float) -> None:
        if progress:
            total = round(recording.duration_s)
            progress("finding speech", min(round(done_s), total), total)

    speech = map_speech(recording, detector, progress=found_speech)
    windows = speech_windows(speech, window_s=window_s, hop_s=hop_s)
    if not windows:
        raise InputError(
            f"{path}: no speech found in {recording.duration_s:.1f} s; expected some: lower the "
            "detector's threshold, or go without it (detector=None)"
        )
    return TimelineRun(
        model=model,
        recording=recording,
        speech=speech,
        windows=windows,
        explainer=explainer,
        explain=explain,
        target=target,
        settings={
            "sha256": recording.sha256,
            "model": model_name(model),
            "labels": list(model_labels(model)),
            "explainer": _described(explainer),
            "explain": explain if explainer is not None else None,
            "target": target,
            "window_s": window_s,
            "hop_s": hop_s,
            "detector": None if detector is None else asdict(detector),
            "versions": versions(model, explainer, detector),
        },
        journal=None if journal is None else Path(journal),
        progress=progress,
    )


def _collected(opens: Callable[P, TimelineRun]) -> Callable[P, Timeline]:
    """The same settings, all rows at once."""

    def timeline(*arguments: P.args, **settings: P.kwargs) -> Timeline:
        return opens(*arguments, **settings).collect()

    timeline.__doc__ = (
        "A model's answers along a recording, and why: the settings are those of "
        ":func:`open_timeline`."
    )
    signature = inspect.signature(opens).replace(return_annotation="Timeline")
    timeline.__signature__ = signature  # type: ignore[attr-defined]
    return timeline


timeline = _collected(open_timeline)


_NOTHING = SpeechMap(
    duration_s=0.0, level_db=np.empty(0, np.float32), probability=None, segments=()
)


def _key(start_s: float) -> str:
    return f"{start_s:.3f}"


def _described(explainer: Explainer | None) -> str | None:
    if explainer is None:
        return None
    return repr(explainer) if is_dataclass(explainer) else type(explainer).__qualname__


def _one_line(error: InputError) -> str:
    return " ".join(str(error).split())
