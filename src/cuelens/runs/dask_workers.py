"""Workers of a Dask cluster: on this machine, on many, under SLURM or Kubernetes.

Clips go to the workers by path: their files must be readable there under the same name.  Results
come back to the process that writes the folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from cuelens.errors import InputError, MissingExtraError
from cuelens.runs.clips import RunClip
from cuelens.runs.job import Job
from cuelens.runs.local_workers import MAX_DEATHS, killed
from cuelens.runs.work import Outcome, versions_here, work_on

_QUEUED = 2  # clips a thread of a worker: one in work, one on its way
_CONNECT_S = 30.0
_LOOK_S = 5.0  # how often it is asked how many workers there are
_POLL_S = 0.01
_NO_WORKERS_S = 600.0  # after which the run ends


def dask_outcomes(job: Job, clips: Iterable[RunClip], *, address: str) -> Iterator[Outcome]:
    """Outcomes as they come, in any order.

    Parameters
    ----------
    job : Job
    clips : iterable of RunClip
        Taken as workers become free.
    address : str
        Of the scheduler, such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    InputError
        There is no scheduler, no worker at once or for ten minutes, a worker has other versions or
        cannot read the clips, or the scheduler is lost.
    MissingExtraError
        Dask is not installed.

    Notes
    -----
    The work of a lost worker is done by another.  Dask gives a clip up that was with several lost
    workers; it is then handed out again, and becomes a failed one after three times.
    """
    try:
        from distributed import as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise MissingExtraError("running on a Dask cluster", "cluster") from error
    queue = iter(clips)
    deaths: dict[int, int] = {}
    with _connected(address) as client:
        first = next(queue, None)
        if first is None:
            return
        _check_workers(client, first)
        done: Any = as_completed(loop=client.loop, raise_errors=False)  # type: ignore[no-untyped-call]
        clip_of: dict[str, RunClip] = {}
        run = f"{time.time_ns():x}"  # keys of another run on the same cluster are others

        def hand_out(clip: RunClip) -> None:
            key = f"cuelens-{run}-{clip.index}-{deaths.get(clip.index, 0)}"
            clip_of[key] = clip
            done.add(client.submit(work_on, job, clip, key=key, pure=False))

        hand_out(first)
        threads = _Threads(client)
        try:
            while clip_of:
                at_once = _QUEUED * threads.now()
                while len(clip_of) < at_once and (clip := next(queue, None)) is not None:
                    hand_out(clip)
                while not done.has_ready():
                    time.sleep(_POLL_S)
                    threads.now()
                future = next(done)
                clip = clip_of.pop(future.key)
                try:
                    yield _result(future, threads)
                except KilledWorker:
                    deaths[clip.index] = deaths.get(clip.index, 0) + 1
                    if deaths[clip.index] == MAX_DEATHS:
                        yield killed(clip, "workers")
                    else:
                        hand_out(clip)
        except (CancelledError, OSError) as error:
            raise InputError(
                f"{address}: the scheduler is lost ({error!r}); what is finished is kept: start "
                "it, and give the same command again"
            ) from error


def _result(future: Any, threads: _Threads) -> Outcome:
    """What a worker found; while its worker is lost, another is doing the work again."""
    while True:
        try:
            outcome: Outcome = future.result(timeout=_LOOK_S)
        except TimeoutError:
            threads.now()
        else:
            return outcome


class _Threads:
    """How many threads the workers have, looked at now and then.

    Raises
    ------
    InputError
        There were none for ten minutes.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._n = 1
        self._looked = self._seen = time.monotonic()

    def now(self) -> int:
        began = time.monotonic()
        if began - self._looked < _LOOK_S:
            return self._n
        n_threads = sum(self._client.nthreads().values())
        self._n, self._looked = max(1, n_threads), time.monotonic()
        if n_threads:
            self._seen = self._looked
        elif self._looked - self._seen > _NO_WORKERS_S:
            raise InputError(
                f"the cluster has had no workers for {_NO_WORKERS_S:.0f} s; what is finished is "
                "kept: start workers, and give the same command again"
            )
        return self._n


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        return Client(  # type: ignore[no-untyped-call]
            address, timeout=_CONNECT_S, set_as_default=False, name="cuelens"
        )
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"{address}: no Dask scheduler answers ({error}); expected its address, such as "
            "tcp://127.0.0.1:8786, as `dask scheduler` prints it"
        ) from error


def _check_workers(client: Any, clip: RunClip) -> None:
    """Whether there are workers, with the versions of this process, that can read the clips."""
    try:
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except TimeoutError as error:
        raise InputError(
            "the cluster has no workers; expected one or more: start them with `dask worker "
            "ADDRESS --nworkers N --nthreads 1`"
        ) from error
    own = versions_here()
    for worker, found in _versions_there(client).items():
        if isinstance(found, Exception):
            raise InputError(f"worker {worker} has no cuelens that works ({found!r}); install it")
        other = [f"{name} {found.get(name)}" for name in own if found.get(name) != own[name]]
        if other:
            raise InputError(
                f"worker {worker} has {', '.join(other)}; expected what is installed here: "
                f"{', '.join(f'{name} {version}' for name, version in own.items())}"
            )
    unread = [worker for worker, there in client.run(_is_there, clip.file).items() if not there]
    if unread:
        raise InputError(
            f"worker {unread[0]} finds no file {clip.file}; expected recordings on a disk that all "
            "machines share, under the same path"
        )


def _versions_there(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.run(versions_here, on_error="return")
    return found


def _is_there(file: str) -> bool:
    from pathlib import Path

    return Path(file).is_file()
