"""How long cuelens takes to start: ``python -m benchmarks.start_up``.

Each command runs in a process of its own, once to fill the caches of the disk and then
nine times: the shortest and the median time on the clock, and the shortest time of the processor.
Python itself is measured beside it.

Writes ``results/start_up.json``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
N_RUNS = 9
HEAVY = (
    *("captum", "gradio", "matplotlib", "numpy", "onnxruntime", "opensmile", "pandas", "pyarrow"),
    *("scipy", "skops", "sklearn", "soundfile", "soxr", "torch", "transformers"),
)
"""Packages that neither loads."""
COMMANDS = {
    "python": ("-c", "pass"),
    "import cuelens": ("-c", "import cuelens"),
    "cuelens --version": ("-m", "cuelens", "--version"),
    "cuelens --help": ("-m", "cuelens", "--help"),
    "cuelens explain --help": ("-m", "cuelens", "explain", "--help"),
}


def seconds(arguments: tuple[str, ...]) -> tuple[float, float]:
    """Time on the clock and of the processor of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    passed = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return passed, used


def measure() -> dict[str, object]:
    """Every command, taking turns."""
    from cuelens.provenance import versions

    for arguments in COMMANDS.values():
        seconds(arguments)
    runs = [{name: seconds(own) for name, own in COMMANDS.items()} for _ in range(N_RUNS)]
    found = {}
    for name in COMMANDS:
        passed, used = np.array([run[name] for run in runs]).T
        found[name] = {
            "shortest_s": float(passed.min()),
            "median_s": float(np.median(passed)),
            "processor_s": float(used.min()),
        }
    return {
        "n_runs": N_RUNS,
        "commands": found,
        "n_cores": os.cpu_count(),
        "versions": versions(),
    }


def markdown_start_up(found: dict[str, object]) -> str:
    """The table of the documentation."""
    lines = [
        "| | shortest (s) | median (s) | processor (s) |",
        "|---|---|---|---|",
        *(
            f"| `{name}` | {row['shortest_s']:.2f} | {row['median_s']:.2f} | "
            f"{row['processor_s']:.2f} |"
            for name, row in found["commands"].items()
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    found = measure()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "start_up.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(markdown_start_up(found))
