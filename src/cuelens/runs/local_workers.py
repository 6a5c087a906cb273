"""Processes of this machine that work on clips, each with one thread."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from cuelens.errors import InputError
from cuelens.runs.clips import RunClip
from cuelens.runs.job import Job
from cuelens.runs.work import Outcome, work_on
from cuelens.threads import begin_worker, one_thread_each

MAX_DEATHS = 3  # of the process that worked on a clip, and on nothing else
_QUEUED = 2  # clips a worker: one in work, one waiting


def local_outcomes(job: Job, clips: Iterable[RunClip], *, n_workers: int) -> Iterator[Outcome]:
    """Outcomes as they come, in any order.

    Parameters
    ----------
    job : Job
    clips : iterable of RunClip
        Taken as workers become free.
    n_workers : int

    Raises
    ------
    InputError
        The job cannot be sent to other processes, or these end before they begin.

    Notes
    -----
    When a process is lost (killed, out of memory, a crash in a library), the clips that were with
    the workers are done again one by one, so that a clip that ends its process is found out and
    becomes a failed one instead of a stop.
    """
    _check_can_be_sent(job)
    waiting = iter(clips)
    n_finished = n_killed = 0
    while True:
        lost: list[RunClip] = []
        for outcome in _until_lost(job, waiting, lost, n_workers=n_workers, queued=_QUEUED):
            n_finished += 1
            yield outcome
        if not lost:
            return
        suspects = deque(sorted(lost, key=lambda clip: clip.index))
        deaths = dict.fromkeys((clip.index for clip in lost), 0)
        while suspects:
            lost.clear()
            for outcome in _until_lost(job, _taken_from(suspects), lost, n_workers=1, queued=1):
                n_finished += 1
                yield outcome
            for clip in lost:
                deaths[clip.index] += 1
                if deaths[clip.index] < MAX_DEATHS:
                    suspects.append(clip)
                    continue
                n_killed += 1
                if not n_finished and n_killed == MAX_DEATHS:
                    raise InputError(
                        "processes end before they finish a clip, without a message; expected "
                        "enough memory for the model: try --workers 1"
                    )
                yield killed(clip, "its process")


def _until_lost(
    job: Job, clips: Iterator[RunClip], lost: list[RunClip], *, n_workers: int, queued: int
) -> Iterator[Outcome]:
    """Outcomes until all clips are done, or a process is lost: ``lost`` then has what it had.

    No more than ``queued`` clips a worker are taken at a time.
    """
    held: dict[int, RunClip] = {}
    futures: set[Future[Outcome]] = set()
    with _pool(n_workers) as pool:
        try:
            while True:
                while len(held) < queued * n_workers and (clip := next(clips, None)) is not None:
                    held[clip.index] = clip
                    futures.add(_submitted(pool, job, clip))
                if not held:
                    return
                done, futures = wait(futures, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    del held[outcome.index]
                    yield outcome
        except BrokenProcessPool:
            lost.extend(held.values())


def _taken_from(clips: deque[RunClip]) -> Iterator[RunClip]:
    while clips:
        yield clips.popleft()


def killed(clip: RunClip, what: str) -> Outcome:
    """A clip that ends whatever works on it."""
    reason = (
        f"{what} ended without a message {MAX_DEATHS} times while it worked on this clip: out of "
        "memory, killed, or a crash in a library"
    )
    return Outcome(index=clip.index, rows=[], reason=reason)


def _check_can_be_sent(job: Job) -> None:
    try:
        pickle.dumps(job)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise InputError(
            f"this cannot be sent to other processes ({error}); expected models and explainers by "
            "name, such as python:module:name"
        ) from error


@contextmanager
def _pool(n_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with one thread each; killed where the run ends before its work does."""
    context = multiprocessing.get_context("spawn")
    with one_thread_each():
        pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=begin_worker)
        try:
            yield pool
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, job: Job, clip: RunClip) -> Future[Outcome]:
    """Hand over a clip; processes that this starts take no notice of Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        return pool.submit(work_on, job, clip)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return pool.submit(work_on, job, clip)
    finally:
        signal.signal(signal.SIGINT, before)
