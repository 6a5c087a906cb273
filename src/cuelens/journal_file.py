"""A file of results, one JSON line each, that survives a crash: finished work is not done again.

The first line holds the settings that the results depend on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cuelens.errors import InputError


def read_journal(journal: Path, wanted: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Finished tasks by key; a last line that was cut off by a crash is removed.

    Parameters
    ----------
    journal : Path
        Made, with the settings as its first line, where it does not exist.
    wanted : mapping
        ``{"settings": ...}``, as JSON types.

    Raises
    ------
    InputError
        It is of other settings, or no journal.
    """
    if not journal.exists():
        journal.write_text(json.dumps(wanted, sort_keys=True) + "\n", encoding="utf-8")
        return {}
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        lines = whole.decode("utf-8").splitlines()
        held = json.loads(lines[0]) if lines else None
        entries = [json.loads(line) for line in lines[1:]]
        results = {entry["key"]: entry["result"] for entry in entries}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{journal}: not a journal of cuelens ({error!r}); expected one line a finished task: "
            "give another folder"
        ) from error
    if held is not None and not isinstance(held, dict):
        raise InputError(f"{journal}: not a journal of cuelens; give another folder")
    if held is None:
        journal.write_text(json.dumps(wanted, sort_keys=True) + "\n", encoding="utf-8")
        return {}
    if held != wanted:
        refuse_other_settings(journal, held.get("settings", {}), wanted["settings"])
    if len(whole) < len(content):
        with journal.open("r+b") as file:
            file.truncate(len(whole))
    return results


def refuse_other_settings(file: Path, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Whether what a file says of its run is what is asked now.

    Raises
    ------
    InputError
        It is not; the message tells what differs.
    """
    names = _different(held, wanted)
    if names:
        raise InputError(
            f"{file} is of a run with other settings ({', '.join(names)}); only the same run "
            "goes on: give another folder, or delete the file to start again"
        )


def _different(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    names = [name for name in sorted({*held, *wanted}) if held.get(name) != wanted.get(name)]
    return [_told(name, held.get(name), wanted.get(name)) for name in names]


def _told(name: str, before: Any, now: Any) -> str:
    """A setting that differs, with both values where they are short."""
    short = all(isinstance(value, str | int | float | None) for value in (before, now))
    return f"{name} was {before}, is {now}" if short else name


@contextmanager
def appending(journal: Path | None) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Something to write one line with, ``{"key": ..., "result": ...}``; None writes nothing."""
    if journal is None:
        yield lambda entry: None
        return
    with journal.open("a", encoding="utf-8") as file:

        def write(entry: Mapping[str, Any]) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        yield write
