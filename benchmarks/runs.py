"""What a run over a corpus costs: ``python -m benchmarks.runs [PART ...]``; needs RAVDESS.

``overhead``: processor time of a clip beyond the model's, and cost against bands and length.
``workers``: one process and two, the same clips, one after the other.
``clips``: ten times the clips, on two processes (five minutes).

Everything is exact Shapley values of eight bands with emodb-cnn.  Each part replaces its entry in
``results/runs.json``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.run import CLIP
from cuelens import Audio, EmoLime, FrequencyBands, load_audio, load_model
from cuelens.models import predict
from cuelens.provenance import versions
from cuelens.runs import Explanations, RunClips, find_clips, run_corpus
from cuelens.runs.clips import drawn

FILE = Path(__file__).parent / "results" / "runs.json"
MODEL = "emodb-cnn"
N_CLIPS = 60
FEW, MANY = 12, 120
BANDS = (4, 5, 6, 7, 8, 9, 10)
LENGTHS_S = (1.0, 2.0, 4.0, 8.0, 16.0)


def slope(x: list[float], y: list[float]) -> float:
    """Exponent of a power law through measured costs: least squares on logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


class Timed:
    """A model that counts the processor time of its answers."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.labels, self.sample_rate, self.name = model.labels, model.sample_rate, model.name
        self.seconds = 0.0

    def predict_proba(self, waveforms: Any) -> Any:
        began = time.process_time()
        answers = predict(self._model, waveforms)
        self.seconds += time.process_time() - began
        return answers


def explained_s(audio: Audio, n_bands: int, repetitions: int = 3) -> float:
    """Least processor time of explaining a clip, in s."""
    model = load_model(MODEL)
    explainer = EmoLime(units=FrequencyBands(n_bands=n_bands), samples=2**n_bands)
    times = []
    for _ in range(repetitions):
        began = time.process_time()
        explainer.explain(model, audio)
        times.append(time.process_time() - began)
    return min(times)


def tiled(audio: Audio, seconds: float) -> Audio:
    """A clip repeated or cut to a length."""
    n_samples = int(seconds * audio.sample_rate)
    repeated = np.tile(audio.samples, -(-n_samples // audio.samples.size))[:n_samples]
    return Audio(samples=repeated, sample_rate=audio.sample_rate)


def measure_overhead() -> dict[str, Any]:
    """Processor time of whole clips of a run, and of the model alone; exponents."""
    from dataclasses import replace

    job = Explanations(model=MODEL)
    ready = job.prepare()
    model = Timed(ready.model)
    timed = replace(ready, model=model)
    clips = drawn(find_clips("ravdess"), 12).clips
    timed.rows(clips[0])
    model.seconds = 0.0
    began = time.process_time()
    for clip in clips:
        timed.rows(clip)
    whole = time.process_time() - began
    audio = load_audio(CLIP)
    by_bands = {n: explained_s(audio, n) for n in BANDS}
    by_length = {s: explained_s(tiled(audio, s), 8) for s in LENGTHS_S}
    return {
        "n_clips": len(clips),
        "clip_s": whole / len(clips),
        "model_s": model.seconds / len(clips),
        "beyond_model": whole / model.seconds - 1.0,
        "bands_s": {str(n): seconds for n, seconds in by_bands.items()},
        "exponent_of_versions": slope([2.0**n for n in BANDS], list(by_bands.values())),
        "length_s": {str(s): seconds for s, seconds in by_length.items()},
        "exponent_of_length": slope(list(LENGTHS_S), list(by_length.values())),
    }


@contextmanager
def watched_memory() -> Iterator[dict[str, float]]:
    """Largest resident memory of a worker and of this process, in MB."""
    found = {"worker": 0.0, "this": 0.0}
    ended = threading.Event()
    own = psutil.Process()

    def watch() -> None:
        while not ended.wait(0.2):
            found["this"] = max(found["this"], own.memory_info().rss / 1e6)
            for child in own.children():
                try:
                    found["worker"] = max(found["worker"], child.memory_info().rss / 1e6)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def timed_run(clips: RunClips, n_workers: int) -> dict[str, float]:
    """A whole run: its time, and the largest memory of a worker."""
    with tempfile.TemporaryDirectory() as folder, watched_memory() as memory:
        began = time.perf_counter()
        first: list[float] = []

        def progress(n_done: int, n_failed: int) -> None:
            if n_done and not first:
                first.append(time.perf_counter() - began)

        result = run_corpus(
            clips, Explanations(model=MODEL), folder, n_workers=n_workers, progress=progress
        )
        seconds = time.perf_counter() - began
        n_bytes = sum(file.stat().st_size for file in (Path(folder) / "shards").iterdir())
    print(f"{len(clips)} clips, {n_workers} workers: {seconds:.0f} s, {memory}")
    return {
        "n_clips": len(clips),
        "n_failed": result.n_failed,
        "seconds": seconds,
        "first_clip_s": first[0],
        "worker_mb": memory["worker"],
        "this_mb": memory["this"],
        "bytes_a_clip": n_bytes / len(clips),
    }


def measure_workers() -> dict[str, Any]:
    """The same clips on one process and on two."""
    clips = drawn(find_clips("ravdess"), N_CLIPS)
    found = {str(n): timed_run(clips, n) for n in (2, 1)}
    return {"runs": found, "two_over_one": found["1"]["seconds"] / found["2"]["seconds"]}


def measure_clips() -> dict[str, Any]:
    """Ten times the clips."""
    all_clips = drawn(find_clips("ravdess"), MANY)
    few = timed_run(drawn(all_clips, FEW), 2)
    many = timed_run(all_clips, 2)
    return {
        "runs": {str(FEW): few, str(MANY): many},
        "tenfold": many["seconds"] / few["seconds"],
        "exponent": slope([FEW, MANY], [few["seconds"], many["seconds"]]),
    }


PARTS = {"overhead": measure_overhead, "workers": measure_workers, "clips": measure_clips}


def markdown_runs(results: dict[str, Any]) -> str:
    """The figures as they stand in the documentation."""
    overhead, workers, clips = (results[part] for part in PARTS)
    few, many = (clips["runs"][str(n)] for n in (FEW, MANY))
    lines = ["| measured | |", "|---|---|"]
    lines += [
        f"| {what} | {value} |"
        for what, value in (
            ("processor time of a clip beyond the model's", f"{overhead['beyond_model']:.1%}"),
            (
                f"two processes against one, {N_CLIPS} clips",
                f"{workers['two_over_one']:.2f} times as fast",
            ),
            (
                f"{many['n_clips']} clips against {FEW}, two processes",
                f"{clips['tenfold']:.1f} times as long "
                f"({many['seconds'] / 60:.0f} min; {few['seconds']:.0f} s)",
            ),
            (
                "largest memory of a process that works",
                f"{max(few['worker_mb'], many['worker_mb']):.0f} MB",
            ),
            ("results on the disk", f"{many['bytes_a_clip'] / 1000:.1f} kB a clip"),
            (
                "cost against versions of a clip, 2^4 to 2^10",
                f"exponent {overhead['exponent_of_versions']:.2f}",
            ),
            (
                "cost against length, 1 to 16 s",
                f"exponent {overhead['exponent_of_length']:.2f}",
            ),
            (f"cost against clips, {FEW} and {MANY}", f"exponent {clips['exponent']:.2f}"),
        )
    ]
    return "\n".join(lines)


def main() -> None:
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for part in sys.argv[1:] or PARTS:
        known[part] = PARTS[part]()
        known["machine"] = {"cores": os.cpu_count(), "versions": versions()}
        print(part, json.dumps(known[part], indent=1))
        FILE.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
