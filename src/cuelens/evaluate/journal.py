"""Long evaluations: tasks in several processes, results in a journal that survives a crash.

A task is a key and arguments; its result is JSON.  Every finished task is appended to a file at
once, so that a run that was killed goes on where it stopped.  Results do not depend on the number
of processes or on the order in which tasks end.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from pickle import PicklingError
from typing import Any

from cuelens.errors import CuelensError, InputError
from cuelens.journal_file import appending, read_journal
from cuelens.threads import begin_worker, one_thread_each

Result = dict[str, Any]


def counted(
    progress: Callable[[str, int, int], None] | None, what: str, total: int
) -> Callable[[int], None]:
    """For :func:`run_tasks`: a stage by name, how much is done, of how much."""
    done = 0

    def further(n: int) -> None:
        nonlocal done
        done += n
        if progress:
            progress(what, done, total)

    return further


def run_tasks(
    work: Callable[..., Result],
    tasks: Mapping[str, tuple[Any, ...]],
    *,
    settings: Mapping[str, Any],
    shared: tuple[Any, ...] = (),
    journal: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Result]:
    """Do tasks, each once.

    Parameters
    ----------
    work : callable
        A function of a module, called as ``work(*shared, *arguments)``; returns JSON types.
    tasks : mapping of str to tuple
        Arguments by key; they are pickled, so sound is best given as a file or a row of a corpus.
    settings : mapping
        Everything that the results depend on, as JSON types: a journal of other settings is not
        continued.
    shared : tuple
        First arguments of every task, such as a model; sent to each process once.
    journal : path or None
        File of finished tasks, one JSON line each; None keeps nothing.
    n_workers : int or None
        Processes, each with one thread.  None: this process, where nothing is pickled.
    progress : callable, optional
        Called with the number of further tasks that are done, those found in the journal first.

    Returns
    -------
    dict
        Results by key in the order of ``tasks``.  A task that fails with a `CuelensError` has the
        result ``{"error": its message}``.

    Raises
    ------
    InputError
        The journal is of other settings, or cannot be written; `shared` cannot be sent to other
        processes.
    """
    wanted = json.loads(json.dumps({"settings": settings}, sort_keys=True))
    done = {} if journal is None else read_journal(journal, wanted)
    found = {key: done[key] for key in tasks if key in done}
    if progress and found:
        progress(len(found))
    missing = [key for key in tasks if key not in found]
    if missing:
        with appending(journal) as write:
            for key, result in _results(work, shared, tasks, missing, n_workers):
                found[key] = json.loads(json.dumps(result))  # the same types as from a journal
                write({"key": key, "result": result})
                if progress:
                    progress(1)
    return {key: found[key] for key in tasks}


def _results(
    work: Callable[..., Result],
    shared: tuple[Any, ...],
    tasks: Mapping[str, tuple[Any, ...]],
    keys: list[str],
    n_workers: int | None,
) -> Iterator[tuple[str, Result]]:
    """Results as they come."""
    if n_workers is None:
        for key in keys:
            yield key, _attempt(work, (*shared, *tasks[key]))
        return
    context = multiprocessing.get_context("spawn")
    with (
        one_thread_each(),
        ProcessPoolExecutor(
            min(n_workers, len(keys)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(work, shared),
        ) as pool,
    ):
        try:
            jobs = {pool.submit(_attempt_in_worker, tasks[key]): key for key in keys}
        except (AttributeError, TypeError, PicklingError) as error:
            raise InputError(
                f"this cannot be sent to other processes ({error}); expected models and "
                "explainers made of functions and classes of a module: name the model as "
                "python:module:name, or do without workers (n_workers=None)"
            ) from error
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _attempt(work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    try:
        return work(*arguments)
    except CuelensError as error:
        return {"error": str(error)}


_in_worker: tuple[Callable[..., Result], tuple[Any, ...]]


def _attempt_in_worker(arguments: tuple[Any, ...]) -> Result:
    work, shared = _in_worker
    return _attempt(work, (*shared, *arguments))


def _start_worker(work: Callable[..., Result], shared: tuple[Any, ...]) -> None:
    """Keep what all tasks share; one thread in libraries that count their own."""
    global _in_worker  # noqa: PLW0603 (one copy a process)
    _in_worker = work, shared
    begin_worker()
