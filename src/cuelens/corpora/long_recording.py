"""Recordings of minutes to hours, read in blocks: never the whole file in memory."""

from __future__ import annotations

import os
import warnings
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cuelens.audio import MIN_DURATION_S
from cuelens.corpora.speech_detector import FRAME, FRAME_S, SAMPLE_RATE, Segment, SpeechDetector
from cuelens.errors import CuelensWarning, InputError
from cuelens.sound_file import LARGEST_SAMPLE, open_sound, truncated
from cuelens.typing import FloatArray

BLOCK_S = 10.0
SHORTEST_WINDOW_S = 0.25
LONGEST_WINDOW_S = 60.0
_LOWEST_DB = -120.0
_SHORTEST_HOP_S = 0.01
_ROUNDING_S = 0.001  # resampling gives a sample more or less
_OUTWARDS, _INWARDS = 5, 8  # frames of 32 ms
_BELOW_LOUD_DB = 40.0
_ABOVE_FLOOR_DB = 6.0

Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class LongRecording:
    """A file of sound and what its header says.

    Parameters
    ----------
    path : Path
    sample_rate : int, Hz
        Of the file.
    n_channels : int
    n_frames : int
        Samples a channel.
    sha256 : str
        Of the file's bytes.
    """

    path: Path
    sample_rate: int
    n_channels: int
    n_frames: int
    sha256: str

    @classmethod
    def open(cls, path: str | Path) -> LongRecording:
        """Read the header.

        Raises
        ------
        InputError
            Missing, empty, not audio, or truncated: one line each.
        """
        with open_sound(path) as sound:
            if not sound.n_frames:
                raise InputError(f"{path}: holds no sound; expected a recording of some seconds")
            return cls(
                path=sound.path,
                sample_rate=sound.sample_rate,
                n_channels=sound.n_channels,
                n_frames=sound.n_frames,
                sha256=sound.sha256(),
            )

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_frames / self.sample_rate

    @property
    def source(self) -> str:
        """The path as text."""
        return os.fsencode(self.path).decode("utf-8", "replace")

    def notes(self, sample_rate: int) -> tuple[str, ...]:
        """What :meth:`blocks` changes, one short phrase each."""
        notes = []
        if self.n_channels > 1:
            notes.append(f"{self.n_channels} channels averaged to mono")
        if sample_rate != self.sample_rate:
            notes.append(f"resampled from {self.sample_rate} to {sample_rate} Hz")
        return tuple(notes)

    def blocks(self, sample_rate: int) -> Iterator[FloatArray]:
        """The sound in consecutive blocks of some ten seconds, mono.

        Parameters
        ----------
        sample_rate : int, Hz
            Rate to resample to (soxr, very high quality; the same samples as the whole file at
            once).

        Yields
        ------
        ndarray, shape (n_samples,), float32
            Beyond [-1, 1] where the file is, or where resampling overshoots.

        Raises
        ------
        InputError
            Damaged or truncated, or samples that are NaN or infinite.
        """
        import soxr

        resampler = None
        if sample_rate != self.sample_rate:
            resampler = soxr.ResampleStream(
                self.sample_rate, sample_rate, 1, dtype="float32", quality="VHQ"
            )
        n_read, size = 0, round(BLOCK_S * self.sample_rate)
        with open_sound(self.path) as sound:
            for block in sound.blocks(n_frames=size):
                if not (np.abs(block) < LARGEST_SAMPLE).all():
                    raise InputError(
                        f"{self.path}: samples after {n_read / self.sample_rate:.0f} s are NaN or "
                        "infinite; expected finite values: export the recording again"
                    )
                n_read += len(block)
                mono = block[:, 0] if sound.n_channels == 1 else block.mean(axis=1)
                yield mono if resampler is None else resampler.resample_chunk(mono)
        if n_read < 0.99 * self.n_frames:
            raise InputError(truncated(self.path, n_read, self.n_frames, self.sample_rate))
        if resampler is not None:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class SpeechMap:
    """Speech and level of a recording, a value every 32 ms.

    Parameters
    ----------
    duration_s : float, s
        Of the sound that could be read.
    missing_s : float, s
        What the header promises beyond that: less than 1 %, else the recording is refused.
    level_db : ndarray, shape (n_frames,), float32
        Root mean square in dB of full scale, at least -120.
    probability : ndarray, shape (n_frames,), float32, or None
        Of speech; None where no detector was asked.
    segments : tuple of Segment
        Where there is speech; the whole recording where no detector was asked.
    """

    duration_s: float
    level_db: FloatArray
    probability: FloatArray | None
    segments: tuple[Segment, ...]
    missing_s: float = 0.0

    @cached_property
    def _edges(self) -> tuple[list[float], list[float]]:
        """Starts and ends of the segments."""
        return [part.start_s for part in self.segments], [part.end_s for part in self.segments]

    def notes(self) -> tuple[str, ...]:
        """What is missing of the recording, one short phrase each."""
        if not self.missing_s:
            return ()
        return (f"the last {self.missing_s:.2f} s that the header promises could not be read",)

    @property
    def speech_s(self) -> float:
        """Seconds of speech."""
        return sum(segment.end_s - segment.start_s for segment in self.segments)

    def speech_share(self, part: Segment) -> float:
        """Share of a part that lies in segments, 0 to 1."""
        starts, ends = self._edges
        first, last = bisect_right(ends, part.start_s), bisect_left(starts, part.end_s)
        inside = sum(
            min(part.end_s, segment.end_s) - max(part.start_s, segment.start_s)
            for segment in self.segments[first:last]
        )
        return min(1.0, inside / (part.end_s - part.start_s))


def map_speech(
    recording: LongRecording,
    detector: SpeechDetector | None,
    *,
    progress: Progress | None = None,
) -> SpeechMap:
    """Read a recording once and find its speech.

    Parameters
    ----------
    recording : LongRecording
    detector : SpeechDetector or None
        None: all of it counts.
    progress : callable, optional
        Called with the seconds read so far.

    Raises
    ------
    InputError
        As :meth:`LongRecording.blocks`.
    MissingExtraError
        The detector is not installed.

    Warns
    -----
    CuelensWarning
        Up to 1 % of what the header promises is missing at the end.
    """
    levels: list[FloatArray] = []
    n_samples = 0

    def watched() -> Iterator[FloatArray]:
        nonlocal n_samples
        rest = np.empty(0, np.float32)
        for block in recording.blocks(SAMPLE_RATE):
            joined = np.concatenate([rest, block])
            whole = len(joined) // FRAME * FRAME
            levels.append(_level_db(joined[:whole].reshape(-1, FRAME)))
            rest = joined[whole:]
            n_samples += len(block)
            if progress:
                progress(n_samples / SAMPLE_RATE)
            yield block
        if len(rest):
            levels.append(_level_db(rest[None]))

    if detector is None:
        for _ in watched():
            pass
        probability = None
    else:
        found = list(detector.probabilities(watched()))
        probability = np.concatenate([np.empty(0, np.float32), *found])
    duration_s = n_samples / SAMPLE_RATE
    level_db = np.concatenate([np.empty(0, np.float32), *levels])
    segments: tuple[Segment, ...] = (Segment(0.0, duration_s),)
    if detector is not None and probability is not None:
        segments = detector.segments(probability, duration_s=duration_s)
        segments = tuple(
            Segment(start_s, min(end_s, duration_s))
            for start_s, end_s in follow_level(segments, level_db)
        )
    missing_s = recording.duration_s - duration_s
    found_map = SpeechMap(
        duration_s=duration_s,
        level_db=level_db,
        probability=probability,
        segments=segments,
        missing_s=missing_s if missing_s > _ROUNDING_S else 0.0,
    )
    for note in found_map.notes():
        warnings.warn(f"{recording.path}: {note}", CuelensWarning, stacklevel=2)
    return found_map


def follow_level(segments: Sequence[Segment], level_db: FloatArray) -> tuple[Segment, ...]:
    """Ends of segments moved to where the sound starts and stops.

    By 0.16 s outwards and 0.26 s inwards at most.

    The detector is late by some frames, and misses quiet first and last sounds.

    Parameters
    ----------
    segments : sequence of Segment
    level_db : ndarray, shape (n_frames,)
        Level of the recording, a value every 32 ms.

    Returns
    -------
    tuple of Segment
        From the first to the last 32 ms, among those within reach of each end, that are less than
        40 dB below the segment's loud parts (95 % of it is quieter); outside, they must also be 6
        dB above the recording's quietest twentieth.  An end that has none within reach stays, and
        both stay where less than 0.25 s would be left.
    """
    if not len(level_db):
        return tuple(segments)
    floor = float(np.quantile(level_db, 0.05)) + _ABOVE_FLOOR_DB
    moved: list[Segment] = []
    for place, (start_s, end_s) in enumerate(segments):
        first, last = round(start_s / FRAME_S), min(round(end_s / FRAME_S), len(level_db))
        if last <= first:
            moved.append(Segment(start_s, end_s))
            continue
        inside = float(np.quantile(level_db[first:last], 0.95)) - _BELOW_LOUD_DB
        outside = max(inside, floor)
        heard = np.flatnonzero(level_db[first:last] >= inside)
        before = np.flatnonzero(level_db[max(0, first - _OUTWARDS) : first] >= outside)
        after = np.flatnonzero(level_db[last : last + _OUTWARDS] >= outside)
        start, end = start_s, end_s
        if len(before):
            start = (max(0, first - _OUTWARDS) + before[0]) * FRAME_S
        elif heard[0] <= _INWARDS:
            start = (first + heard[0]) * FRAME_S
        if len(after):
            end = (last + after[-1] + 1) * FRAME_S
        elif last - first - 1 - heard[-1] <= _INWARDS:
            end = (first + heard[-1] + 1) * FRAME_S
        if end - start < SHORTEST_WINDOW_S:
            start, end = min(start, start_s), max(end, end_s)
        earliest = moved[-1].end_s if moved else 0.0
        latest = segments[place + 1].start_s if place + 1 < len(segments) else np.inf
        moved.append(Segment(float(max(start, earliest)), float(min(end, latest))))
    return tuple(moved)


def speech_windows(
    speech: SpeechMap, *, window_s: float, hop_s: float | None = None
) -> tuple[Segment, ...]:
    """Parts of a recording that a model is asked about.

    Parameters
    ----------
    speech : SpeechMap
    window_s : float, s
        Longest window, 0.25 to 60 s: whole windows are held in memory.
    hop_s : float or None, s
        From one window to the next within a segment; the last one ends with the segment.  None:
        segments longer than a window are cut at the quietest place, into pieces of half a window to
        a window.

    Returns
    -------
    tuple of Segment
        By start.  Segments shorter than a window are one window; those below 50 ms, which no model
        can be asked about, are left out.

    Raises
    ------
    InputError
        `window_s` below 0.25 s or above 60 s, or `hop_s` below 0.01 s.
    """
    if not SHORTEST_WINDOW_S <= window_s <= LONGEST_WINDOW_S:
        raise InputError(
            f"window_s is {window_s:g}; expected {SHORTEST_WINDOW_S:g} to {LONGEST_WINDOW_S:g} s: "
            "a window is one phrase, held in memory as a whole"
        )
    if hop_s is not None and not hop_s >= _SHORTEST_HOP_S:
        raise InputError(f"hop_s is {hop_s}; expected {_SHORTEST_HOP_S} s or more")
    windows: list[Segment] = []
    for segment in speech.segments:
        if segment.end_s - segment.start_s < MIN_DURATION_S - _ROUNDING_S / 10:
            continue
        if segment.end_s - segment.start_s <= window_s:
            windows.append(segment)
        elif hop_s is None:
            windows += cut_at_quiet(segment, speech.level_db, window_s)
        else:
            last = segment.end_s - window_s
            starts = np.arange(segment.start_s, last - _SHORTEST_HOP_S / 2, hop_s).tolist()
            windows += [Segment(start, start + window_s) for start in [*starts, last]]
    return tuple(windows)


def cut_at_quiet(segment: Segment, level_db: FloatArray, longest_s: float) -> list[Segment]:
    """A segment in pieces no longer than `longest_s`, cut where it is quietest.

    Parameters
    ----------
    segment : Segment
    level_db : ndarray, shape (n_frames,)
        Level of the recording, a value every 32 ms.
    longest_s : float, s

    Returns
    -------
    list of Segment
        Each cut lies in the middle of the quietest 32 ms between half of `longest_s` and all of it
        after the cut before, or as near to that as leaves half of `longest_s` behind it.
    """
    pieces = []
    start = segment.start_s
    while segment.end_s - start > longest_s:
        earliest = start + longest_s / 2
        latest = max(earliest, min(start + longest_s, segment.end_s - longest_s / 2))
        first = int(np.ceil(earliest / FRAME_S - 0.5))
        last = int(np.floor(latest / FRAME_S - 0.5))
        cut = (earliest + latest) / 2
        if last >= first:
            cut = (first + int(level_db[first : last + 1].argmin()) + 0.5) * FRAME_S
        pieces.append(Segment(start, cut))
        start = cut
    return [*pieces, Segment(start, segment.end_s)]


def read_parts(
    recording: LongRecording, parts: Sequence[Segment], sample_rate: int
) -> Iterator[FloatArray]:
    """The sound of parts of a recording, one after the other; the rest is dropped as it is read.

    Parameters
    ----------
    recording : LongRecording
    parts : sequence of Segment
        By start; they may overlap.
    sample_rate : int, Hz

    Yields
    ------
    ndarray, shape (n_samples,), float32
        For every part; shorter than asked where the recording ends earlier.
    """
    held: deque[FloatArray] = deque()
    begins = ends = 0  # samples of the recording that are held
    blocks = recording.blocks(sample_rate)
    for part in parts:
        first, last = (round(time_s * sample_rate) for time_s in part)
        while held and begins + len(held[0]) <= first:
            begins += len(held.popleft())
        while ends < last and (block := next(blocks, None)) is not None:
            ends += len(block)
            if ends > first:
                held.append(block)
            else:
                begins = ends
        joined = np.concatenate([np.empty(0, np.float32), *held])
        yield joined[max(0, first - begins) : max(0, last - begins)].copy()


def _level_db(frames: FloatArray) -> FloatArray:
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    return (10 * np.log10(np.maximum(power, 10 ** (_LOWEST_DB / 10)))).astype(np.float32)
