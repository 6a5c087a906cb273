"""What is done to every clip of a run.

A job is a frozen dataclass that names what it needs; each process that works on clips prepares it
once, which loads the model.  A new job has a ``name``, :meth:`Job.settings` and
:meth:`Job.prepare`, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from cuelens.runs.clips import RunClip

Row = dict[str, Any]

CLIP_COLUMNS: dict[str, pa.DataType] = {
    "clip": pa.int64(),
    "file": pa.string(),
    "start_s": pa.float64(),
    "end_s": pa.float64(),
    "speaker": pa.string(),
    "emotion": pa.string(),
    "sentence": pa.string(),
    "status": pa.string(),
    "reason": pa.string(),
    "sha256": pa.string(),
    "duration_s": pa.float64(),
}
"""Columns of every run: what is known of a clip, and whether its work was done."""


class Prepared(Protocol):
    """A job with what it needs in memory."""

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """The columns of its rows, beside `CLIP_COLUMNS`."""
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What results depend on beside the settings, as JSON types: model, labels, versions."""
        ...

    def rows(self, clip: RunClip) -> list[Row]:
        """Do the work: one row a unit, with ``sha256`` and ``duration_s`` of the clip.

        Raises
        ------
        CuelensError
            It cannot be done for this clip.
        """
        ...


class Job(Protocol):
    """What is done to every clip; must survive being sent to another process."""

    @property
    def name(self) -> str: ...

    def settings(self) -> dict[str, Any]:
        """Everything that results depend on and that a user chose, as JSON types."""
        ...

    def prepare(self) -> Prepared:
        """Load what it needs.

        Raises
        ------
        InputError
            A model or a setting does not exist, or they do not fit.
        """
        ...
