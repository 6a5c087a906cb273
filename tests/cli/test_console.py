"""What commands say while they work, and what they leave behind when they fail."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.console import Console

from cuelens.cli import console
from cuelens.cli.console import StagedProgress, StageProgress, rough


class Clock:
    """Time that passes when told to."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(console, "time", found)
    return found


def said(*, terminal: bool):
    target = io.StringIO()
    shown = Console(file=target, force_terminal=terminal, width=200)
    return StageProgress(console=shown, disable=True), target


def test_log_tells_once_how_long_it_takes_and_that_it_is_done(clock):
    progress, target = said(terminal=False)
    staged = StagedProgress(progress)
    for done in range(11):
        staged("explaining", done, 10)
        clock.now += 3.0  # 2 were done after 6 s: 8 to go, 3 s each
    assert target.getvalue().splitlines() == [
        "explaining: 20% done, about 24 s to go",
        "explaining: done in 30 s",
    ]


def test_terminal_is_told_of_long_work_alone(clock):
    progress, target = said(terminal=True)
    short = progress.add_task("short", total=10)
    long = progress.add_task("long", total=1000)
    for _ in range(4):
        clock.now += 3.0
        progress.advance(short)
        progress.advance(long)
    assert target.getvalue().splitlines() == ["long: 0% done, about 50 min to go"]


def test_what_an_earlier_run_has_done_is_not_its_pace(clock):
    progress, target = said(terminal=False)
    task = progress.add_task("clips", total=100)
    progress.advance(task, 90)  # from the journal
    clock.now += 40.0
    progress.advance(task)  # the first of this run: models were loaded meanwhile
    assert not target.getvalue()
    clock.now += 20.0
    progress.advance(task)
    assert target.getvalue() == "clips: 92% done, about 3 min to go\n"


def test_quick_stages_say_nothing(clock):
    progress, target = said(terminal=False)
    staged = StagedProgress(progress)
    for done in range(4):
        staged("quick", done, 3)
        clock.now += 1.0
    assert target.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(41.6, "42 s"), (170.0, "3 min"), (5000.0, "83 min"), (9000.0, "2.5 h")]
)
def test_times_as_people_say_them(seconds, text):
    assert rough(seconds) == text


@pytest.mark.parametrize("writes", [False, True])
def test_folder_of_a_failed_command_goes_where_it_is_empty(tmp_path, writes):
    (tmp_path / "mine").mkdir()
    folder = tmp_path / "mine" / "new" / "inner"
    code = (
        "import sys; from pathlib import Path\n"
        "from cuelens.cli.console import result_folder\n"
        "folder = Path(sys.argv[1]); result_folder(folder); assert folder.is_dir()\n"
        "if sys.argv[2] == 'True': (folder / 'journal').touch()\n"
        "sys.exit(2)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder, str(writes)], check=False)
    assert done.returncode == 2
    assert folder.is_dir() == writes
    assert (tmp_path / "mine" / "new").is_dir() == writes
    assert (tmp_path / "mine").is_dir()  # was there before
