"""A million clips on a hundred workers: ``python -m benchmarks.million``.

What a run does beside the clips themselves is measured here: what the process that writes the
folder spends on a clip, and how many tasks a second a Dask scheduler hands to a hundred workers.
With the measured time of a clip (``benchmarks.runs``) a simulation of all events, one by one, then
gives the time of the whole: workers that take as long as real ones did, a scheduler and a writer
that serve one clip at a time, and two clips a worker on their way, as in a real run.

Writes ``results/million.json``.
"""

from __future__ import annotations

import heapq
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cuelens.runs import Explanations, RunClip, RunClips, find_clips
from cuelens.runs.clips import drawn
from cuelens.runs.folder import open_folder

FILE = Path(__file__).parent / "results" / "million.json"
N_CLIPS, N_WORKERS = 1_000_000, 100
_QUEUED = 2
N_WRITTEN, N_TASKS = 10_000, 4_000


def measure_writer() -> dict[str, float]:
    """Time a clip of the process that writes, and memory of a list of a million clips."""
    ready = Explanations().prepare()
    clip = drawn(find_clips("ravdess"), 1).clips[0]
    rows = ready.rows(clip)
    clips = RunClips(
        name="many",
        clips=tuple(
            RunClip(index=index, file=f"/data/corpus/speaker{index % 977:03d}/{index:08d}.wav")
            for index in range(N_WRITTEN)
        ),
    )
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        with open_folder(
            Path(name) / "run", clips, columns=ready.columns, asked={}, shard_clips=200
        ) as folder:
            for index in range(N_WRITTEN):
                folder.add(index, rows)
        seconds = time.perf_counter() - began
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many = [RunClip(index=i, file=f"/data/corpus/x{i:08d}.wav") for i in range(200_000)]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "clip_s": seconds / N_WRITTEN,
        "list_of_million_mb": (after - before) / 1024 / len(many) * N_CLIPS,
    }


def nothing(number: int) -> int:
    """A task that takes no time."""
    return number


def measure_scheduler() -> dict[str, float]:
    """Tasks a second of a real Dask scheduler with a hundred workers, all in this process."""
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(
            n_workers=N_WORKERS,
            threads_per_worker=1,
            processes=False,
            memory_limit=None,
            dashboard_address=":0",
        ) as cluster,
        Client(cluster) as client,
    ):
        began = time.perf_counter()
        numbers = iter(range(N_TASKS))
        done = as_completed()
        for _ in range(_QUEUED * N_WORKERS):
            done.add(client.submit(nothing, next(numbers), pure=False))
        n_done = 0
        for future in done:
            future.result()
            n_done += 1
            number = next(numbers, None)
            if number is not None:
                done.add(client.submit(nothing, number, pure=False))
        seconds = time.perf_counter() - began
    return {"n_tasks": n_done, "task_s": seconds / n_done}


def simulate(
    clip_s: np.ndarray, *, n_workers: int, writer_s: float, scheduler_s: float
) -> dict[str, float]:
    """Time until all clips are written, event by event.

    The scheduler and the writer are one server, which takes both times for every clip; each worker
    holds up to two clips and works on one.

    Parameters
    ----------
    clip_s : ndarray, shape (n_clips,)
        How long each clip takes.
    n_workers : int
    writer_s, scheduler_s : float, s
        That each clip costs beside.
    """
    serve_s = writer_s + scheduler_s
    n_clips = len(clip_s)
    given = min(n_clips, _QUEUED * n_workers)
    free = [0.0] * n_workers  # when each worker has done what it holds
    finished: list[tuple[float, int]] = []
    for clip in range(given):
        worker = clip % n_workers
        free[worker] = max(free[worker], (clip + 1) * scheduler_s) + clip_s[clip]
        heapq.heappush(finished, (free[worker], worker))
    server = given * scheduler_s
    busy = 0.0
    while finished:
        at, worker = heapq.heappop(finished)
        server = max(server, at) + serve_s
        busy += serve_s
        if given < n_clips:
            free[worker] = max(free[worker], server) + clip_s[given]
            heapq.heappush(finished, (free[worker], worker))
            given += 1
    return {
        "seconds": server,
        "workers_busy": float(clip_s.sum() / (n_workers * server)),
        "server_busy": busy / server,
    }


def drawn_times(mean_s: float, n_clips: int, *, spread: float = 0.3, seed: int = 0) -> np.ndarray:
    """Times of clips, log-normal: lengths of clips differ."""
    rng = np.random.default_rng(seed)
    return mean_s * np.exp(rng.normal(-(spread**2) / 2, spread, n_clips))


def markdown_million(found: dict[str, Any]) -> str:
    """The figures as they stand in the documentation."""
    lines = ["| workers | time of a million clips | workers at work |", "|---|---|---|"]
    lines += [
        f"| {n} | {one['seconds'] / 3600:.1f} h | {one['workers_busy']:.0%} |"
        for n, one in found["simulated"].items()
    ]
    return "\n".join(lines)


def main() -> None:
    measured = json.loads((FILE.parent / "runs.json").read_text(encoding="utf-8"))
    few = measured["workers"]["runs"]
    clip_s = few["1"]["seconds"] / few["1"]["n_clips"]
    writer, scheduler = measure_writer(), measure_scheduler()
    costs = {"writer_s": writer["clip_s"], "scheduler_s": scheduler["task_s"]}
    found = {
        "clip_s": clip_s,
        "writer": writer,
        "scheduler": scheduler,
        "simulated": {
            str(n): simulate(drawn_times(clip_s, N_CLIPS), n_workers=n, **costs)
            for n in (1, 10, N_WORKERS, 1000)
        },
        "ideal_hours": N_CLIPS * clip_s / N_WORKERS / 3600,
    }
    simulated = simulate(drawn_times(clip_s, few["2"]["n_clips"]), n_workers=2, **costs)
    found["check_two_workers"] = {
        "simulated_s": simulated["seconds"],
        "measured_s": few["2"]["seconds"],
    }
    print(json.dumps(found, indent=1))
    FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
