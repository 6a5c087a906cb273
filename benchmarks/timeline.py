"""Memory and time of timelines of an hour: ``python -m benchmarks.timeline [MINUTES]``.

Speech of RAVDESS, clips with their silences one after the other until the recording is long enough,
in a temporary file; answers of the bundled network, no explanations.  Each length runs in a process
of its own, three times: the median wall time and the largest resident memory count.  Writes
``results/timeline.json``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
MINUTES = 60
REPETITIONS = 3
RATE = 16_000


def write_recording(file: Path, minutes: float) -> None:
    """Clips of RAVDESS in random order, the same for every length."""
    import soundfile

    from cuelens import load_corpus

    corpus = load_corpus("ravdess")
    rng, left = np.random.default_rng(0), round(60 * minutes * RATE)
    with soundfile.SoundFile(file, "w", RATE, 1, subtype="PCM_16") as target:
        while left > 0:
            for row in rng.permutation(len(corpus)):
                samples = corpus.audio(int(row), sample_rate=RATE).samples[:left]
                target.write(samples)
                left -= len(samples)
                if left <= 0:
                    break


def measure(file: Path) -> dict[str, float]:
    """One timeline, in this process."""
    from cuelens import load_model
    from cuelens.explain import open_timeline

    model = load_model("emodb-cnn")
    began = time.perf_counter()
    run = open_timeline(model, file)
    speech_found_s = time.perf_counter() - began
    found = run.collect()
    return {
        "seconds": time.perf_counter() - began,
        "seconds_finding_speech": speech_found_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "duration_s": found.duration_s,
        "speech_share": found.speech_s / found.duration_s,
        "n_windows": len(found.rows),
    }


def in_new_process(file: Path) -> dict[str, float]:
    """What :func:`measure` finds where nothing else was in memory before."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.timeline", "--measure", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure_lengths(minutes: float) -> dict[str, object]:
    """A length and a tenth of it, each in a process of its own."""
    from cuelens.provenance import versions

    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, length in (("tenth", minutes / 10), ("whole", minutes)):
            file = Path(folder) / f"{name}.wav"
            write_recording(file, length)
            runs = [in_new_process(file) for _ in range(REPETITIONS)]
            found[name] = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
            found[name]["peak_mb"] = max(run["peak_mb"] for run in runs)
            file.unlink()
    return {
        "minutes": minutes,
        **found,
        "time_ratio": found["whole"]["seconds"] / found["tenth"]["seconds"],
        "versions": dict(versions()),
    }


def markdown_timeline(results: dict[str, dict[str, float]]) -> str:
    """The figures as they stand in the documentation."""
    lines = [
        "| recording | windows | finding speech (s) | all (s) | peak memory (MB) |",
        "|---|---|---|---|---|",
    ]
    for name in ("tenth", "whole"):
        row = results[name]
        lines.append(
            f"| {row['duration_s'] / 60:.0f} min | {row['n_windows']} | "
            f"{row['seconds_finding_speech']:.1f} | {row['seconds']:.1f} | {row['peak_mb']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
        return
    results = measure_lengths(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "timeline.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(markdown_timeline(results))
    print(f"time ratio {results['time_ratio']:.2f}")


if __name__ == "__main__":
    main()
