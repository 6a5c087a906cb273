"""Progress to look at while a clip is explained from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def show_progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error for one step, to give as ``watch`` to `explain_clip`.

    Parameters
    ----------
    what : str
        What begins.
    total : int or None
        Number of steps; None: unknown.

    Yields
    ------
    callable
        To be called with the number of further steps done.
    """
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.advance(task, n)
