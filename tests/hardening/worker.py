"""Malformed inputs by the thousand, in a process whose memory and time are limited.

``python -m tests.hardening.worker N [SEED]`` prints what came of them as JSON; what is neither read
nor refused in one line is listed, with the seed that makes it again.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tests.hardening.inputs import Kind, kinds
from tests.hardening.mutations import malformed

from cuelens.errors import CuelensError, CuelensWarning

MAX_S = 10
MAX_BYTES = 2**30  # more than before the first input


class Hang(BaseException):
    """An input took too long."""


def most_memory_mb() -> float:
    """Largest memory of this process; what getrusage says counts that of its parent, too."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _rings(*_: object) -> None:
    raise Hang


def outcome(kind: Kind, path: Path) -> str:
    """ "read", "refused", or what is wrong with how it ended."""
    try:
        kind.read(path)
    except CuelensError as error:
        text = str(error)
        if len(text.splitlines()) != 1:
            return f"not one line: {text!r}"
        if kind.named and path.name not in text:
            return f"names no file: {text}"
        return "refused"
    except Hang:
        return "hangs"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "read"


def run(n_inputs: int, seed: int) -> dict[str, Any]:
    """What came of `n_inputs`, spread over all kinds."""
    signal.signal(signal.SIGALRM, _rings)
    counts: dict[str, Counter[str]] = {}
    bad: list[str] = []
    slowest = (0.0, "")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "inputs"
        folder.mkdir()
        known = kinds(folder)
        for kind in known:  # what is valid is read: else nothing below would mean anything
            path = folder / kind.name / kind.file
            path.write_bytes(kind.content)
            if outcome(kind, path) != "read":
                bad.append(f"{kind.name}, valid: {outcome(kind, path)}")
        _limit_memory()
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CuelensWarning)
        for index in range(n_inputs):
            kind = known[index % len(known)]
            rng = np.random.default_rng([seed, index])
            other = known[int(rng.integers(len(known)))].content
            path = folder / kind.name / kind.file
            path.write_bytes(malformed(kind.content, other, rng))
            _note(kind, index)
            signal.alarm(MAX_S)
            began = time.perf_counter()
            found = outcome(kind, path)
            signal.alarm(0)
            slowest = max(slowest, (time.perf_counter() - began, f"{kind.name} {index}"))
            if found not in ("read", "refused"):
                bad.append(f"{kind.name} {index}: {found}")
                found = "bad"
            counts.setdefault(kind.name, Counter())[found] += 1
    return {
        "n_inputs": n_inputs,
        "seed": seed,
        "counts": counts,
        "total": sum(counts.values(), Counter()),
        "slowest_s": slowest,
        "max_mb": most_memory_mb(),
        "bad": bad,
    }


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MAX_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _note(kind: Kind, index: int) -> None:
    """Which input it was, should the process die of it."""
    if "HARDENING_NOTE" in os.environ:
        Path(os.environ["HARDENING_NOTE"]).write_text(f"{kind.name} {index}", encoding="utf-8")


if __name__ == "__main__":
    asked = [int(word) for word in sys.argv[1:]] or [2000]
    found = run(asked[0], asked[1] if len(asked) > 1 else 0)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
