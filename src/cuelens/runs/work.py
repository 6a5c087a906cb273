"""One clip's work, in whatever process does it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from cuelens.errors import CuelensError, CuelensWarning
from cuelens.runs.clips import RunClip
from cuelens.runs.job import Job, Prepared, Row
from cuelens.threads import one_blas_thread

_one_at_a_time = threading.Lock()
_prepared: dict[str, Prepared] = {}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a clip.

    Parameters
    ----------
    index : int
        Of the clip.
    rows : list of dict
        Empty where it failed.
    reason : str or None
        Why it failed.
    """

    index: int
    rows: list[Row]
    reason: str | None = None


def work_on(job: Job, clip: RunClip) -> Outcome:
    """Do a job's work on a clip; what fails becomes its reason.

    Several threads of a process take turns: libraries keep state.
    """
    import warnings

    with _one_at_a_time, one_blas_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CuelensWarning)  # notes on single clips, by the thousand
        try:
            return Outcome(index=clip.index, rows=prepared(job).rows(clip))
        except CuelensError as error:
            return Outcome(index=clip.index, rows=[], reason=one_line(str(error)))
        except Exception as error:  # of a library or a user's model: a row with its reason
            reason = f"{type(error).__name__}: {error}"
            return Outcome(index=clip.index, rows=[], reason=one_line(reason))


def prepared(job: Job) -> Prepared:
    """The job with its model in memory, loaded once a process."""
    key = described(job)
    if key not in _prepared:
        _prepared.clear()  # one model at a time
        _prepared[key] = job.prepare()
    return _prepared[key]


def described(job: Job) -> str:
    """Name and settings of a job as text."""
    return json.dumps({"job": job.name, **job.settings()}, sort_keys=True)


def one_line(text: str, *, longest: int = 500) -> str:
    """Text without line breaks, cut off where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def versions_here() -> dict[str, Any]:
    """Versions in this process, to compare with those of others."""
    from cuelens.provenance import versions

    return versions()
