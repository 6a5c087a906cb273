"""What every command prints with: results to standard output, everything else to standard error."""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cuelens.errors import CuelensError

MODEL_HELP = (
    "A bundled model (see `cuelens models`), a model folder, hf:ORG/NAME or hf:FOLDER (Hugging "
    "Face), onnx:FILE, skops:FILE, python:package.module:callable, resnetsmall:FILE, or a prefix that "
    "an installed package registers; options as in onnx:FILE?labels=a,b&rate=16000."
)
out = Console(soft_wrap=False)
err = Console(stderr=True, soft_wrap=True)


def print_error(error: CuelensError) -> None:
    """One line on standard error."""
    text = " ".join(str(error).split())
    err.print(f"[bold red]error:[/bold red] {escape(text)}", highlight=False)


_ESTIMATE_AFTER_S = 5.0
_ESTIMATE_FROM_S = 3.0  # of work after the first part
_LONG_S = 60.0
_AT_ONCE_S = 1.0


@dataclass
class _Stage:
    """What is known of a task: its beginning, its first part, what an earlier run did, was said."""

    began_s: float
    resumed: float | None = None
    first_s: float = 0.0
    first: float | None = None
    told: bool = False
    ended: bool = False


class StageProgress(Progress):
    """Progress bars that also say, once a stage, how long it will take.

    After 5 s with something done, a line tells how long the rest takes at the same pace: in a
    terminal where that is more than a minute, in a log always.  In a log, where there are no bars,
    stages that were announced so also say when they are done.
    """

    def __init__(self, *columns: Any, **settings: Any) -> None:
        super().__init__(*columns, **settings)
        self._stages: dict[TaskID, _Stage] = {}

    def add_task(self, *arguments: Any, **settings: Any) -> TaskID:
        """As Rich's; the clock starts."""
        task = super().add_task(*arguments, **settings)
        self._stages[task] = _Stage(began_s=time.monotonic())
        return task

    def update(self, task_id: TaskID, **settings: Any) -> None:
        """As Rich's."""
        super().update(task_id, **settings)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """As Rich's."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task, stage = self._tasks[task_id], self._stages[task_id]
        passed_s = time.monotonic() - stage.began_s
        if stage.resumed is None:  # what an earlier run has done is reported at once
            stage.resumed = task.completed if passed_s < _AT_ONCE_S else 0.0
        done, total = task.completed - stage.resumed, task.total or 0.0
        if stage.ended or done <= 0 or total <= 0:
            return
        if stage.first is None:  # until then models were loaded, which says nothing of the rest
            stage.first, stage.first_s = task.completed, passed_s
        in_log = not self.console.is_terminal
        if task.completed >= total:
            stage.ended = True
            if stage.told and in_log:
                self._print(f"{task.description}: done in {rough(passed_s)}")
        elif not stage.told and passed_s >= _ESTIMATE_AFTER_S:
            since_first = task.completed - stage.first
            if since_first <= 0 or passed_s - stage.first_s < _ESTIMATE_FROM_S:
                return
            left_s = (total - task.completed) * (passed_s - stage.first_s) / since_first
            stage.told = in_log or left_s >= _LONG_S
            if stage.told:
                self._print(
                    f"{task.description}: {task.completed / total:.0%} done, about "
                    f"{rough(left_s)} to go"
                )

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


def rough(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def result_folder(folder: Path) -> None:
    """Make a folder for results, which goes again where the process ends with nothing in it.

    Raises
    ------
    InputError
        It cannot be made.
    """
    from cuelens.report import make_folder

    made = [one for one in (folder, *folder.parents) if not one.exists()]
    make_folder(folder)
    atexit.register(_remove_empty, made)


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, inner ones first, up to the first that holds something."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


class RateColumn(ProgressColumn):
    """How many a second, or a minute where that is less than one a second."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        """As Rich's."""
        speed = task.speed or 0.0
        if not speed:
            return Text("")
        if speed >= 1.0:
            return Text(f"{speed:.1f} {self._what}/s")
        return Text(f"{60 * speed:.1f} {self._what}/min")


@contextmanager
def progress_bar(rate_of: str | None = None) -> Iterator[Progress]:
    """A progress bar on standard error that leaves nothing behind but how long it takes.

    Parameters
    ----------
    rate_of : str or None
        What is counted, to show how many are done a second.
    """
    with StageProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *([] if rate_of is None else [RateColumn(rate_of)]),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,  # in a log it would leave blank lines
    ) as progress:
        yield progress


class StagedProgress:
    """Shows ``(what, done, total)`` reports, one bar a stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, object] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)  # type: ignore[arg-type]
