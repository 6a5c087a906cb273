"""What every command prints with: results to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cuelens.errors import CuelensError

MODEL_HELP = (
    "A bundled model (see `cuelens models`), a model folder, hf:ORG/NAME or hf:FOLDER (Hugging "
    "Face), onnx:FILE, skops:FILE, python:package.module:callable, or resnetsmall:FILE; options as "
    "in onnx:FILE?labels=a,b&rate=16000."
)
out = Console(soft_wrap=False)
err = Console(stderr=True, soft_wrap=True)


def print_error(error: CuelensError) -> None:
    """One line on standard error."""
    text = " ".join(str(error).split())
    err.print(f"[bold red]error:[/bold red] {escape(text)}", highlight=False)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on standard error that leaves nothing behind."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
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
