"""Files that others made: regular, of bounded size, JSON without surprises."""

from __future__ import annotations

import json
import math
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from cuelens.errors import InputError

MAX_TEXT_BYTES = 32 * 2**20
"""Largest label or JSON file that is read; real ones have thousandths of that."""
MAX_WEIGHTS_BYTES = 2**31
"""Largest network, as of ONNX."""
MAX_YAML_BYTES = 2**20
MAX_YAML_VALUES = 1_000_000  # aliases followed: a kilobyte of them can stand for billions


def open_regular(path: str | Path, *, expected: str) -> BufferedReader:
    """A file opened for reading; pipes and devices, which may never end, are refused unopened.

    Parameters
    ----------
    path : str or Path
    expected : str
        What it should be, for messages: "a recording (wav, flac)".

    Raises
    ------
    InputError
        Missing, a folder, no regular file, empty, or not readable.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        file = path.open("rb") if stat.S_ISREG(mode) else None
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected {expected}"
        ) from error
    except ValueError as error:  # a NUL in the path
        shown = str(path).replace("\0", "\\0")
        raise InputError(f"{shown}: cannot be read ({error}); expected {expected}") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; expected {expected}")
    if file is None:
        raise InputError(
            f"{path}: is a pipe or a device; expected {expected}: save it to a file first"
        )
    if not os.fstat(file.fileno()).st_size:
        file.close()
        raise InputError(f"{path}: empty (0 bytes); expected {expected}")
    return file


def read_bytes(path: str | Path, *, expected: str, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The content of a file of bounded size.

    Raises
    ------
    InputError
        As :func:`open_regular`, or larger than `max_bytes`.
    """
    with open_regular(path, expected=expected) as file:
        if os.fstat(file.fileno()).st_size <= max_bytes:
            return file.read()
        raise InputError(
            f"{path}: larger than {max_bytes / 2**20:.1f} MB; expected {expected} of that size at "
            "most"
        )


def read_json(path: str | Path, *, expected: str = "a JSON file") -> Any:
    """What a JSON file holds.

    Raises
    ------
    InputError
        As :func:`read_bytes`, or as :func:`parse_json` with the file named.
    """
    path = Path(path)
    content = read_bytes(path, expected=expected)
    try:
        return parse_json(content.decode("utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error


def parse_json(text: str) -> Any:
    """JSON by the letter of RFC 8259, whatever Python's reader would also take.

    Raises
    ------
    ValueError
        Not JSON, NaN or a number beyond the range of floats, a name twice in one object, or nested
        too deeply.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_yaml(path: str | Path, *, expected: str = "a YAML file") -> Any:
    """What a YAML file holds: plain values, none of them made by code.

    Raises
    ------
    InputError
        As :func:`read_bytes`, no YAML, tags of Python, nested too deeply, or aliases that stand for
        more than a million values.
    """
    import yaml

    content = read_bytes(path, expected=expected, max_bytes=MAX_YAML_BYTES)
    try:
        found = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (ValueError, RecursionError, yaml.YAMLError, *_CONSTRUCTORS) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be read as YAML ({reason})") from error
    waiting, n_values = [found], 0
    while waiting:
        value = waiting.pop()
        n_values += 1
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
        if n_values + len(waiting) > MAX_YAML_VALUES:
            raise InputError(
                f"{path}: stands for more than {MAX_YAML_VALUES} values; expected less"
            )
    return found


_CONSTRUCTORS = (AttributeError, KeyError, OverflowError, TypeError)  # of dates, of mappings


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is beyond the range of floats")
    return value
