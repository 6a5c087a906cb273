"""Names of models with options, ``FILE?labels=a,b&rate=16000``, and what lies beside a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote

from cuelens.errors import InputError
from cuelens.input_file import read_json
from cuelens.models.base import NetworkOutput


def split_spec(spec: str, known: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Place and options of a name such as ``FILE?a=1&b=2``.

    Parameters
    ----------
    spec : str
        Without the part before the colon.
    known : iterable of str
        Options there are.

    Raises
    ------
    InputError
        No place, or an option that is none of them, twice, or without a value.
    """
    place, _, query = spec.partition("?")
    options: dict[str, str] = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name not in known or name in options or not value:
            raise InputError(
                f"model option {part!r}; expected NAME=VALUE, each once, of "
                f"{', '.join(f'{name}=' for name in known)} joined by &"
            )
        options[name] = unquote(value)
    if not place:
        raise InputError(f"model {spec!r} names no file; expected one before the ?")
    return place, options


def read_sidecar(file: Path) -> dict[str, Any]:
    """``FILE.json``, which lies beside a model and describes it; empty where there is none.

    Raises
    ------
    InputError
        No JSON object.
    """
    beside = file.with_name(f"{file.name}.json")
    if not beside.exists():
        return {}
    content = read_json(beside)
    if not isinstance(content, dict):
        raise InputError(f'{beside}: is no JSON object; expected {{"labels": [...], ...}}')
    return content


def labels_of(given: object, *, name: str) -> tuple[str, ...]:
    """Labels from a list, or from text with commas.

    Raises
    ------
    InputError
        Neither, or none.
    """
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not names or "" in names:
        raise InputError(
            f"model {name}: labels are {given!r}; expected a list of names, or names with commas"
        )
    return tuple(str(label).strip() for label in names)


def output_of(given: object, *, name: str) -> NetworkOutput | None:
    """What a network is said to give; None where nothing is said.

    Raises
    ------
    InputError
        Something else.
    """
    if given is None or given in get_args(NetworkOutput):
        return given  # type: ignore[return-value]
    raise InputError(
        f"model {name}: output is {given!r}; expected one of {', '.join(get_args(NetworkOutput))}"
    )


def switch_of(options: Mapping[str, Any], option: str, *, default: bool = False) -> bool:
    """An option that is on or off.

    Raises
    ------
    InputError
        Neither true nor false.
    """
    value = options.get(option, default)
    known = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in known:
        raise InputError(f"model option {option}={value}; expected true or false")
    return known[value]
