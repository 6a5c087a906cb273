"""The cues of every clip: one row a clip and cue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cuelens.cues.measure import SAMPLE_RATE, measure_cues
from cuelens.provenance import versions
from cuelens.runs.clips import RunClip
from cuelens.runs.job import Row


@dataclass(frozen=True, kw_only=True)
class CueValues:
    """Measure the cues of the whole clip."""

    name = "cues"

    def settings(self) -> dict[str, Any]:
        """See :class:`~cuelens.runs.job.Job`."""
        return {}

    def prepare(self) -> PreparedCueValues:
        """Nothing to load."""
        return PreparedCueValues()


class PreparedCueValues:
    """`CueValues`, ready."""

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        return {
            "cue": pa.string(),
            "value": pa.float64(),
            "unit": pa.string(),
            "voiced_share": pa.float64(),
            "n_frames": pa.int32(),
            "missing": pa.string(),
            "flag": pa.string(),
        }

    @property
    def provenance(self) -> Mapping[str, Any]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        return {"versions": versions()}

    def rows(self, clip: RunClip) -> list[Row]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        audio = clip.audio(sample_rate=SAMPLE_RATE)
        return [
            {
                "sha256": audio.sha256,
                "duration_s": audio.duration_s,
                "cue": found.cue,
                "value": found.value,
                "unit": found.unit,
                "voiced_share": found.voiced_share,
                "n_frames": found.n_frames,
                "missing": found.reason or None,
                "flag": found.flag or None,
            }
            for found in measure_cues(audio).clip()
        ]
