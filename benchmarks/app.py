"""What the web app costs: ``python -m benchmarks.app``.

The app runs in a process of its own and is asked over the network as a browser would.

- From *Explain* to the whole result: a clip of 3 s, the bundled CNN, nine times after the
  first; each is the time until the last stage arrives.
- 200 requests of 1 s in sequence, and then 8 at once, five times: how many succeed, whether all
  give the same page, and how much the server's resident memory grows from the twentieth request on
  (the first ones fill caches).

Writes ``results/app.json``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
N_LATENCY, N_SEQUENCE, N_AT_ONCE, N_ROUNDS = 9, 200, 8, 5
_WARM = 20
_DURATION_S, _SHORT_S = 3.0, 1.0


def memory_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024 / 1e6


def write_clip(folder: Path, duration_s: float) -> Path:
    """Demo clips after each other, cut to a length."""
    import soundfile

    from cuelens.corpora import demo_corpus

    demo = demo_corpus()
    samples = np.concatenate([demo.audio(row).samples for row in (0, 1, 2)])
    file = folder / f"{duration_s:g}.flac"
    soundfile.write(file, samples[: round(duration_s * 16_000)], 16_000)
    return file


def explained(client: object, file: Path) -> tuple[str, str]:
    """Status and page of one request."""
    from gradio_client import handle_file

    status, view = client.predict(
        handle_file(str(file)), "", "emodb-cnn", "", "", None, api_name="/explain"
    )
    return status, re.sub(r'data-token="[^"]*"|Time</dt><dd>[^<]*', "", view)


def measure() -> dict[str, object]:
    """Everything, with the server started and ended."""
    from gradio_client import Client

    from cuelens.provenance import versions

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, short = write_clip(folder, _DURATION_S), write_clip(folder, _SHORT_S)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "cuelens", "app", "--port", str(port)]
        with (folder / "log.txt").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        try:
            address = f"http://127.0.0.1:{port}/"
            for attempt in range(240):
                try:
                    client = Client(address, verbose=False)
                    break
                except Exception:
                    if attempt == 239 or server.poll() is not None:
                        raise
                    time.sleep(0.5)
            explained(client, file)
            seconds = []
            for _ in range(N_LATENCY):
                began = time.perf_counter()
                explained(client, file)
                seconds.append(time.perf_counter() - began)
            memory, pages = [], set()
            began = time.perf_counter()
            for _ in range(N_SEQUENCE):
                status, page = explained(client, short)
                pages.add(page if "Explained" in status else status)
                memory.append(memory_mb(server.pid))
            sequence_s = time.perf_counter() - began
            failed = 0
            for _ in range(N_ROUNDS):
                with ThreadPoolExecutor(N_AT_ONCE) as pool:
                    clients = [Client(address, verbose=False) for _ in range(N_AT_ONCE)]
                    for status, page in pool.map(explained, clients, [short] * N_AT_ONCE):
                        failed += "Explained" not in status
                        pages.add(page)
                memory.append(memory_mb(server.pid))
        finally:
            server.terminate()
            server.wait(30)
    return {
        "duration_s": _DURATION_S,
        "seconds_median": float(np.median(seconds)),
        "seconds_largest": float(np.max(seconds)),
        "n_latency": N_LATENCY,
        "n_sequence": N_SEQUENCE,
        "sequence_s": sequence_s,
        "n_at_once": N_AT_ONCE,
        "n_rounds": N_ROUNDS,
        "n_failed": failed,
        "n_different_pages": len(pages),
        "memory_mb_warm": memory[_WARM],
        "memory_mb_end": memory[-1],
        "memory_growth_mb": max(memory[_WARM:]) - memory[_WARM],
        "n_cores": os.cpu_count(),
        "versions": versions(),
    }


def markdown_app(found: dict[str, object]) -> str:
    """The table of the documentation."""
    rows = [
        (
            "from *Explain* to the whole result, clip of 3 s, median (largest) of "
            f"{found['n_latency']}",
            f"{found['seconds_median']:.1f} s ({found['seconds_largest']:.1f} s)",
        ),
        (f"{found['n_sequence']} requests in sequence", f"{found['sequence_s']:.0f} s"),
        (
            f"{found['n_at_once']} requests at once, {found['n_rounds']} times: failed",
            f"{found['n_failed']}",
        ),
        ("different results for the same question", f"{found['n_different_pages'] - 1}"),
        ("growth of the server's memory after the first 20", f"{found['memory_growth_mb']:.0f} MB"),
    ]
    lines = ["| measured | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    found = measure()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "app.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(markdown_app(found))
