import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cuelens.errors import InputError
from cuelens.evaluate.journal import run_tasks

SETTINGS = {"seed": 1, "bands": [1, 2]}


def square(value, folder=None):
    """A task that leaves a trace each time it is done."""
    if folder is not None:
        with (Path(folder) / f"{value}.txt").open("a") as trace:
            trace.write("x")
        time.sleep(0.1)
    if value < 0:
        raise InputError(f"{value} is below 0")
    return {"square": value**2, "threads": os.environ.get("OMP_NUM_THREADS")}


def tasks(n, folder=None):
    return {f"task {k}": (k, folder) for k in range(n)}


@pytest.mark.parametrize("n_workers", [None, 2])
def test_results_in_order_of_tasks(tmp_path, n_workers):
    found = run_tasks(square, tasks(7), settings=SETTINGS, n_workers=n_workers)
    assert [result["square"] for result in found.values()] == [k**2 for k in range(7)]
    if n_workers:
        assert {result["threads"] for result in found.values()} == {"1"}


def test_a_failed_task_does_not_stop_the_others(tmp_path):
    journal = tmp_path / "j.jsonl"
    found = run_tasks(square, {"bad": (-1,), "good": (2,)}, settings={}, journal=journal)
    assert found["bad"] == {"error": "-1 is below 0"}
    assert found["good"]["square"] == 4
    assert run_tasks(square, {"bad": (-1,)}, settings={}, journal=journal)["bad"] == found["bad"]


def test_goes_on_after_a_kill(tmp_path):
    """``kill -9`` in the middle: nothing finished is lost or done again."""
    journal, traces = tmp_path / "j.jsonl", tmp_path / "traces"
    traces.mkdir()
    script = (
        "from tests.evaluate.test_journal import *\n"
        f"run_tasks(square, tasks(30, {str(traces)!r}), settings=SETTINGS, "
        f"journal=Path({str(journal)!r}))\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root)
    for _ in range(600):
        if journal.exists() and len(journal.read_bytes().splitlines()) > 4:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_before = len(journal.read_bytes().splitlines()) - 1
    assert 3 < n_before < 30
    with journal.open("ab") as file:  # as if the last line had been cut off
        file.write(b'{"key": "task 29", "resu')
    seen = []
    found = run_tasks(
        square,
        tasks(30, str(traces)),
        settings=SETTINGS,
        journal=journal,
        progress=seen.append,
    )
    assert [result["square"] for result in found.values()] == [k**2 for k in range(30)]
    assert seen[0] == n_before
    assert sum(seen) == 30
    repeated = [file for file in traces.iterdir() if len(file.read_text()) > 1]
    assert len(repeated) <= 1  # the one that was killed
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 31


def slow(seconds, file):
    Path(file).write_text(str(os.getpid()))
    time.sleep(seconds)
    return {}


def test_workers_end_with_a_run_that_is_killed(tmp_path):
    file = tmp_path / "pid"
    script = (
        "from tests.evaluate.test_journal import *\n"
        "if __name__ == '__main__':\n"
        f"    run_tasks(slow, {{'a': (120, {str(file)!r})}}, settings={{}}, n_workers=1)\n"
    )
    (tmp_path / "run.py").write_text(script)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, tmp_path / "run.py"], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    for _ in range(6000):
        if file.exists() and file.read_text():
            break
        time.sleep(0.05)
    worker = int(file.read_text())
    process.kill()
    process.wait()
    for _ in range(400):
        if not runs(worker):
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on without its run")


def runs(process_id):
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_a_journal_of_other_settings_is_not_continued(tmp_path):
    journal = tmp_path / "j.jsonl"
    run_tasks(square, tasks(2), settings=SETTINGS, journal=journal)
    with pytest.raises(InputError, match="other settings \\(seed was"):
        run_tasks(square, tasks(2), settings={**SETTINGS, "seed": 2}, journal=journal)
    journal.write_text("no journal\n")
    with pytest.raises(InputError, match="not a journal of cuelens"):
        run_tasks(square, tasks(2), settings=SETTINGS, journal=journal)


def test_a_failure_of_the_program_is_raised(tmp_path):
    with pytest.raises(TypeError):
        run_tasks(square, {"wrong": ("a",)}, settings={}, n_workers=1)


def scaled(factor, value):
    return {"scaled": factor(value)}


def double(value):
    return 2 * value


@pytest.mark.parametrize("n_workers", [None, 1])
def test_what_all_tasks_share(n_workers):
    found = run_tasks(
        scaled, {"a": (1,), "b": (2,)}, settings={}, shared=(double,), n_workers=n_workers
    )
    assert found == {"a": {"scaled": 2}, "b": {"scaled": 4}}


def test_what_cannot_be_sent_to_other_processes():
    shared = (lambda value: value,)
    found = run_tasks(scaled, {"a": (1,)}, settings={}, shared=shared)
    assert found["a"] == {"scaled": 1}
    with pytest.raises(InputError, match="cannot be sent to other processes"):
        run_tasks(scaled, {"a": (1,)}, settings={}, shared=shared, n_workers=1)
