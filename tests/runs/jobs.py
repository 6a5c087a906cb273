"""Jobs for tests: quick ones, and ones that go wrong."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cuelens.errors import InputError
from cuelens.runs import RunClip, RunClips


@dataclass(frozen=True, kw_only=True)
class Squares:
    """Two rows a clip: its number and its square; some go wrong.

    Parameters
    ----------
    refused, broken : tuple of int
        Clips that raise an error of the project, and one of Python.
    deadly : tuple of int
        Clips that kill their process.
    deadly_once : path or None
        A process kills itself unless this file exists, and makes it first.
    seconds : float
        That a clip takes.
    """

    refused: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    deadly: tuple[int, ...] = ()
    deadly_once: str | None = None
    seconds: float = 0.0
    unknown: str = "nothing"
    name = "squares"

    def settings(self) -> dict[str, Any]:
        return {"refused": list(self.refused), "unknown": self.unknown}

    def prepare(self) -> Squares:
        if self.unknown == "model":
            raise InputError("no such model; expected another")
        return self

    @property
    def columns(self) -> dict[str, pa.DataType]:
        return {"power": pa.int32(), "value": pa.float64()}

    @property
    def provenance(self) -> dict[str, Any]:
        return {"versions": {"squares": "1"}}

    def rows(self, clip: RunClip) -> list[dict[str, Any]]:
        time.sleep(self.seconds)
        if clip.index in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deadly_once and not Path(self.deadly_once).exists():
            Path(self.deadly_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if clip.index in self.refused:
            raise InputError(f"{clip.file}: refused;\nexpected another")
        if clip.index in self.broken:
            raise ZeroDivisionError("by nought")
        of_clip = {"sha256": "0", "duration_s": 1.0}
        value = clip.index + 1 / 3
        return [{**of_clip, "power": n, "value": value**n} for n in (1, 2)]


def clips(n_clips: int) -> RunClips:
    """Clips of files that do not exist."""
    return RunClips(
        name="numbers",
        clips=tuple(
            RunClip(index=index, file=f"/nowhere/{index:03d}.wav", speaker="a")
            for index in range(n_clips)
        ),
    )
