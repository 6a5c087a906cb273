"""A run that is killed goes on, and its results are those of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.runs.jobs import Squares, clips

from cuelens.runs import run_corpus
from cuelens.runs.folder import read_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
N_CLIPS = 40
COMMAND = f"""
import sys
from cuelens.runs import run_corpus
from tests.runs.jobs import Squares, clips
if __name__ == "__main__":
    run_corpus(clips({N_CLIPS}), Squares(seconds=0.15), sys.argv[1], n_workers=2, shard_clips=7)
"""


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(one) for one in found.split()]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_and_resumed(tmp_path, sent):
    script = tmp_path / "run.py"
    script.write_text(COMMAND)
    out = tmp_path / "out"
    command = [sys.executable, str(script), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("shards/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = children(running.pid)
    running.send_signal(sent)
    running.communicate(timeout=60)
    assert running.returncode != 0
    n_done = read_manifest(out)["n_done"]
    assert n_done < N_CLIPS
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "workers go on for nobody"
        time.sleep(0.05)

    done: list[int] = []
    result = run_corpus(
        clips(N_CLIPS),
        Squares(),
        out,
        n_workers=1,
        shard_clips=7,
        progress=lambda n_done, n_failed: done.append(n_done),
    )
    assert done[0] >= 7  # a shard was whole
    assert done == list(range(done[0], N_CLIPS + 1))  # none twice
    whole = run_corpus(clips(N_CLIPS), Squares(), tmp_path / "whole", n_workers=0, shard_clips=7)
    for shard in whole.manifest["shards"]:
        assert (out / shard["file"]).read_bytes() == (whole.folder / shard["file"]).read_bytes()
    assert result.manifest == whole.manifest
