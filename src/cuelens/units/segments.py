"""Labelled segments that add up to the clip: phones, syllables, words, turns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.units.components import Unit
from cuelens.units.time_windows import TimeComponents

PAUSE = "(pause)"
TOLERANCE_S = 0.02
"""How far labels may run past the end of a clip: label and sound editors round differently."""
_ROUNDING_S = 0.001


class Label(NamedTuple):
    """A labelled stretch of a clip, in seconds of the clip."""

    start_s: float
    end_s: float
    name: str


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The labelled segments of one clip, and what lies between and around them.

    Parameters
    ----------
    labels : sequence of Label, or of (start_s, end_s, name)
        In order of time, without overlap.
    kind : str
        What the segments are: ``"words"``, ``"syllables"``, ``"phones"``, ``"segments"``; any
        other name is recorded, and reports call the segments units.
    source : str
        Where the labels are from, for the record.

    Raises
    ------
    InputError
        No label, or one that ends before it starts or overlaps with the one before.

    Notes
    -----
    Stretches without a label are units named ``(pause)``; less than 1 ms between two labels, and
    overlaps as short, are taken as rounding and close up.  Neighbours share a cross-fade of 5 ms
    around their boundary, or of the length of the shorter one where that is less, so that even a
    burst of 2 ms is a unit of its own.
    """

    labels: tuple[Label, ...]
    kind: str = "segments"
    source: str = ""

    def __post_init__(self) -> None:
        labels = tuple(
            Label(float(start), float(end), str(name)) for start, end, name in self.labels
        )
        object.__setattr__(self, "labels", labels)
        if not isinstance(self.kind, str) or not self.kind.strip():
            raise InputError(
                f"{self._where}kind is {self.kind!r}; expected what the segments are, such as words"
            )
        if not labels:
            raise InputError(f"{self._where}no {self.kind}; expected at least one label")
        for start_s, end_s, name in labels:
            if not 0.0 <= start_s < end_s:
                raise InputError(
                    f"{self._where}“{name}” goes from {start_s:.4f} to {end_s:.4f} s; expected an "
                    "end after the start, and times from 0"
                )
        for before, after in pairwise(labels):
            if after.start_s < before.end_s - _ROUNDING_S:
                raise InputError(
                    f"{self._where}“{after.name}” starts at {after.start_s:.4f} s, before "
                    f"“{before.name}” ends at {before.end_s:.4f} s; expected {self.kind} in order "
                    "of time that do not overlap"
                )

    @property
    def _where(self) -> str:
        return f"{self.source}: " if self.source else ""

    def n_units(self, duration_s: float) -> int:
        """Number of segments and pauses of the clip, which lasts so long."""
        return len(self.tiles(duration_s))

    def tiles(self, duration_s: float) -> tuple[Label, ...]:
        """Segments and pauses, one after the other from 0 to the end of the clip.

        Raises
        ------
        InputError
            A label runs past the end by more than 20 ms.
        """
        last = self.labels[-1]
        if last.end_s > duration_s + TOLERANCE_S:
            raise InputError(
                f"{self._where}“{last.name}” ends at {last.end_s:.3f} s and the clip at "
                f"{duration_s:.3f} s; expected labels of this very recording: cut both alike"
            )
        tiles: list[Label] = []
        now_s = 0.0
        for start_s, end_s, name in self.labels:
            if start_s >= duration_s - _ROUNDING_S:
                break
            if start_s - now_s >= _ROUNDING_S:
                tiles.append(Label(now_s, start_s, PAUSE))
            elif tiles:
                tiles[-1] = tiles[-1]._replace(end_s=start_s)
            first_s = start_s if tiles else 0.0
            now_s = min(end_s, duration_s)
            tiles.append(Label(first_s, now_s, name))
        if duration_s - now_s >= _ROUNDING_S:
            tiles.append(Label(now_s, duration_s, PAUSE))
        else:
            tiles[-1] = tiles[-1]._replace(end_s=duration_s)
        return tuple(tiles)

    def decompose(self, audio: Audio) -> TimeComponents:
        """The clip as segments and pauses that add up to it, to within rounding."""
        units = tuple(
            Unit(
                name=name,
                low_hz=0.0,
                high_hz=audio.sample_rate / 2,
                start_s=start_s,
                end_s=end_s,
            )
            for start_s, end_s, name in self.tiles(audio.duration_s)
        )
        ends = [round(unit.end_s * audio.sample_rate) for unit in units]
        for unit, (first, last) in zip(units, pairwise([0, *ends]), strict=True):
            if last <= first:
                raise InputError(
                    f"{self._where}“{unit.name}” at {unit.start_s:.4f} s is shorter than a sample "
                    f"at {audio.sample_rate} Hz; expected longer {self.kind}: join it with the next"
                )
        return TimeComponents(units=units, waveform=audio.samples, sample_rate=audio.sample_rate)


def within(labels: Iterable[Label], start_s: float, end_s: float) -> tuple[Label, ...]:
    """Labels of a part of a recording, in seconds of the part; cut where they reach beyond it."""
    return tuple(
        Label(max(label.start_s, start_s) - start_s, min(label.end_s, end_s) - start_s, label.name)
        for label in labels
        if min(label.end_s, end_s) - max(label.start_s, start_s) >= _ROUNDING_S
    )
