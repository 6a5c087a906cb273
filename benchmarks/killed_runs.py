"""Runs that are killed, and what is lost: ``python -m benchmarks.killed_runs [local] [dask]``.

``local``: a run of 200 clips whose process is killed (SIGKILL) at random moments until it was
killed 20 times, each time begun again.  ``dask``: the same run on a cluster whose workers are
killed 20 times.  Afterwards every value is compared with that of a run that nothing disturbed.

Each part replaces its entry in ``results/killed_runs.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.run import CLIP
from cuelens import EmoLime, FrequencyBands, load_audio
from cuelens.runs import Explanations, Run, RunClips, find_clips, run_corpus

FILE = Path(__file__).parent / "results" / "killed_runs.json"
N_CLIPS, N_KILLS, SHARD_CLIPS = 200, 20, 25
JOB = Explanations(model="emodb-egemaps", explainer=EmoLime(units=FrequencyBands(n_bands=3)))
_BAD = (17, 90, 151)


def made_clips(folder: Path) -> RunClips:
    """Half seconds of a demo clip, each from another place; three files are damaged."""
    import soundfile

    audio = load_audio(CLIP)
    n_samples = audio.sample_rate // 2
    for index in range(N_CLIPS):
        file = folder / f"{index:03d}.wav"
        first = (index * 97) % (audio.samples.size - n_samples)
        soundfile.write(file, audio.samples[first : first + n_samples], audio.sample_rate)
        if index in _BAD:
            file.write_bytes(file.read_bytes()[:60])
    return find_clips(folder)


def digests(run: Run) -> list[str]:
    """Of every shard."""
    return [
        hashlib.sha256((run.folder / shard["file"]).read_bytes()).hexdigest()
        for shard in run.manifest["shards"]
    ]


def killed_locally(clips: Path, out: Path, rng: random.Random) -> dict[str, Any]:
    """Begin, kill after a random time, begin again."""
    command = [sys.executable, "-m", "benchmarks.killed_runs", "child", str(clips), str(out)]
    kills = 0
    done_at_kill = []
    while kills < N_KILLS:
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = finished(out)
        deadline = time.monotonic() + 120
        while finished(out) == before and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)  # it is at work
        time.sleep(rng.uniform(0.0, 0.5))
        if running.poll() is not None:
            break
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        kills += 1
        done_at_kill.append(finished(out))
    return {"kills": kills, "finished_at_kills": done_at_kill}


def finished(out: Path) -> int:
    """Finished clips that a folder holds."""
    shards = len(list(out.glob("shards/*.parquet")))
    lines = sum(file.read_bytes().count(b"\n") for file in out.glob("unfinished/*.jsonl"))
    return shards * SHARD_CLIPS + lines


def killed_on_dask(clips: RunClips, out: Path, rng: random.Random) -> tuple[Run, dict[str, Any]]:
    """One run; its cluster's workers are killed now and then."""
    from distributed import LocalCluster

    moments = set(rng.sample(range(5, N_CLIPS - 5), N_KILLS))
    kills = 0
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:

        def progress(n_done: int, n_failed: int) -> None:
            """Kill a worker at the chosen moments; another takes the place of one that is gone."""
            nonlocal kills
            if n_done not in moments:
                return
            workers = [one.process for one in cluster.workers.values() if one.process]
            alive = [one.pid for one in workers if one.pid]
            if alive:
                os.kill(rng.choice(alive), signal.SIGKILL)
                kills += 1
            if len(cluster.scheduler.workers) < 2:
                cluster.scale(len(cluster.worker_spec) + 1)

        run = run_corpus(
            clips,
            JOB,
            out,
            cluster=cluster.scheduler_address,
            shard_clips=SHARD_CLIPS,
            progress=progress,
        )
    return run, {"kills": kills}


def measure(part: str) -> dict[str, Any]:
    """Kill, finish, compare."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        clips = made_clips(folder / "clips")
        whole = run_corpus(clips, JOB, folder / "whole", n_workers=2, shard_clips=SHARD_CLIPS)
        if part == "dask":
            run, found = killed_on_dask(clips, folder / "out", rng)
        else:
            found = killed_locally(folder / "clips", folder / "out", rng)
            again = []
            run = run_corpus(
                clips,
                JOB,
                folder / "out",
                n_workers=2,
                shard_clips=SHARD_CLIPS,
                progress=lambda n_done, n_failed: again.append(n_done),
            )
            found["done_again"] = len(again) - 1 - (N_CLIPS - again[0])
        return {
            "n_clips": N_CLIPS,
            "n_failed": run.n_failed,
            **found,
            "same_bytes": digests(run) == digests(whole),
            "same_values": run.to_frame(failed=True).equals(whole.to_frame(failed=True)),
        }


def markdown_killed(results: dict[str, Any]) -> str:
    """The outcome as it stands in the documentation."""
    lines = [
        "| | kills | clips | of them failed | values as undisturbed |",
        "|---|---|---|---|---|",
    ]
    for part, title in (("local", "this machine"), ("dask", "workers of a Dask cluster")):
        found = results[part]
        same = "all" if found["same_values"] and found["same_bytes"] else "not all"
        lines.append(
            f"| {title} | {found['kills']} | {found['n_clips']} | {found['n_failed']} | {same} |"
        )
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        clips = find_clips(sys.argv[2])
        run_corpus(clips, JOB, sys.argv[3], n_workers=2, shard_clips=SHARD_CLIPS)
        return
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for part in sys.argv[1:] or ("local", "dask"):
        known[part] = measure(part)
        print(part, known[part])
        FILE.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
