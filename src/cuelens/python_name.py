"""Things of the user's, named as ``python:package.module:name``."""

from __future__ import annotations

import importlib
import os
import site
import sys
import traceback
from pathlib import Path
from typing import Any

from cuelens.errors import InputError
from cuelens.torchvision_aside import watch_transformers

PREFIX = "python:"
_OURS = Path(__file__).resolve().parent
_LIBRARIES = {
    Path(path).resolve() for path in (*site.getsitepackages(), str(Path(os.__file__).parent))
}


def imported(spec: str, what: str) -> Any:
    """What a name like ``python:package.module:name`` stands for.

    The folder that cuelens runs in is searched too, after the installed packages.

    Parameters
    ----------
    spec : str
    what : str
        What it should be, for messages: "model", "explainer".

    Raises
    ------
    InputError
        Not of that form, no such module, it fails, or it holds no such name.
    """
    module_name, _, attribute = spec.removeprefix(PREFIX).partition(":")
    if not module_name or not attribute:
        raise InputError(f"{what} {spec!r}; expected python:package.module:name")
    here = str(Path.cwd())
    if here not in sys.path:  # last, so that a file of the user's never hides a library
        sys.path.append(here)
    watch_transformers()
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except AttributeError as error:
        raise InputError(f"{what} {spec!r}: {module_name} has no {attribute!r}") from error
    except Exception as error:  # whatever the user's module raises while it is imported
        where = where_it_failed(error)
        place = "" if where is None else f", {where}"
        raise InputError(
            f"{what} {spec!r}: cannot import {module_name} ({error!r}{place})"
        ) from error


def where_it_failed(error: BaseException) -> str | None:
    """File and line of the user's that an error passed last, such as ``mine.py, line 3``.

    None where it passed none: cuelens' own files and installed packages do not count.
    """
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and not {_OURS, *_LIBRARIES}.intersection(Path(frame.filename).resolve().parents)
    ]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else None
