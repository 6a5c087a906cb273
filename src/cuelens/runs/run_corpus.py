"""Do a job for every clip of a corpus, on one machine or many, so that nothing is lost.

Results are one row a clip and unit in Parquet files that pandas, Polars and DuckDB read.  A clip
that fails is a row with its reason.  A run that was stopped, however, goes on where it stopped, and
the results do not depend on the number of workers or on the order in which clips were done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.runs.clips import RunClip, RunClips, find_clips
from cuelens.runs.folder import SHARDS, open_folder, read_manifest
from cuelens.runs.job import Job
from cuelens.runs.local_workers import local_outcomes
from cuelens.runs.work import Outcome, work_on

SHARD_CLIPS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Results of a run in a folder.

    Parameters
    ----------
    folder : Path
    manifest : dict
        What was asked, of what, with which versions; how far it is.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def n_failed(self) -> int:
        """Clips that failed."""
        return int(self.manifest["n_failed"])

    def to_frame(self, *, failed: bool = False) -> pd.DataFrame:
        """All rows: one a clip and unit.

        Parameters
        ----------
        failed : bool
            Also a row for every clip that failed, with its ``reason``.
        """
        frame = pd.read_parquet(self.folder / SHARDS)
        return frame if failed else frame[frame["status"] == "ok"].reset_index(drop=True)

    def failures(self) -> pd.DataFrame:
        """Columns clip, file and reason of the clips that failed."""
        frame = pd.read_parquet(
            self.folder / SHARDS,
            columns=["clip", "file", "reason"],
            filters=[("status", "==", "failed")],
        )
        return frame.reset_index(drop=True)


def read_run(folder: str | Path) -> Run:
    """A run from its folder.

    Raises
    ------
    InputError
        It holds no run, or one that is not finished.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if not manifest["complete"]:
        raise InputError(
            f"{folder}: {manifest['n_done']} of {manifest['n_clips']} clips are finished; expected "
            "a whole run: give its `cuelens run` command again, and it goes on"
        )
    return Run(folder=folder, manifest=manifest)


def run_corpus(
    clips: RunClips | Corpus | str | Path | Iterable[str | Path],
    job: Job,
    out: str | Path,
    *,
    n_workers: int | None = None,
    cluster: str | None = None,
    shard_clips: int = SHARD_CLIPS,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Do a job for every clip.

    Parameters
    ----------
    clips : RunClips, or what `find_clips` takes
    job : Job
        `Explanations`, `CueValues`, `Embeddings` or `FaithfulnessValues`.
    out : path
        Folder of the results; one that holds a part of the same run goes on.
    n_workers : int or None
        Processes, each with one thread; 0: this process.  None: one a core.
    cluster : str or None
        Address of a Dask scheduler, whose workers do the work instead.
    shard_clips : int
        Clips a file of results.
    progress : callable, optional
        Called with the number of clips that are finished and of those that failed, first with
        what an earlier run did.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        The job cannot be prepared, the folder holds another run, or it cannot be written.
    """
    found = clips if isinstance(clips, RunClips) else find_clips(clips)
    if shard_clips < 1 or (n_workers is not None and n_workers < 0):
        raise InputError(
            f"shard_clips is {shard_clips} and n_workers {n_workers}; expected 1 or more, and 0 or "
            "more"
        )
    ready = job.prepare()  # a mistake in a setting is told before the folder is touched
    columns, provenance = dict(ready.columns), dict(ready.provenance)
    del ready  # processes load their own
    asked = {
        "job": {"name": job.name, **job.settings()},
        "corpus": found.name,
        "provenance": provenance,
    }
    with open_folder(
        Path(out), found, columns=columns, asked=asked, shard_clips=shard_clips
    ) as folder:
        if progress:
            progress(folder.n_done, folder.n_failed)
        left = [found.clips[index] for index in folder.missing]
        with closing(_outcomes(job, left, n_workers, cluster)) as outcomes:
            for outcome in outcomes:
                folder.add(outcome.index, outcome.rows, reason=outcome.reason)
                if progress:
                    progress(folder.n_done, folder.n_failed)
    return read_run(out)


def _outcomes(
    job: Job, clips: list[RunClip], n_workers: int | None, cluster: str | None
) -> Generator[Outcome, None, None]:
    if cluster is not None:
        from cuelens.runs.dask_workers import dask_outcomes

        yield from dask_outcomes(job, clips, address=cluster)
    elif n_workers == 0:
        yield from (work_on(job, clip) for clip in clips)
    else:
        workers = min(n_workers or os.cpu_count() or 1, max(1, len(clips)))
        yield from local_outcomes(job, clips, n_workers=workers)
