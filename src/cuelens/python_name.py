"""Things of the user's, named as ``python:package.module:name``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from cuelens.errors import InputError

PREFIX = "python:"


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
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except AttributeError as error:
        raise InputError(f"{what} {spec!r}: {module_name} has no {attribute!r}") from error
    except Exception as error:  # whatever the user's module raises while it is imported
        raise InputError(f"{what} {spec!r}: cannot import {module_name} ({error!r})") from error
