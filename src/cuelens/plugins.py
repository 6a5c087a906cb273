"""What other packages add to cuelens, registered as entry points.

A package names its explainers, model adapters and corpora in its ``pyproject.toml``, in the groups
of :data:`GROUPS`.  Nothing of it is imported until one of them is named or listed, and a package
that is broken stops only what names it.

References
----------
.. [1] Python Packaging User Guide, "Entry points specification",
   https://packaging.python.org/specifications/entry-points/
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from cuelens.errors import CuelensError, CuelensWarning, InputError

Kind = Literal["explainer", "model", "corpus"]

GROUPS: dict[Kind, str] = {
    "explainer": "cuelens.explainers",
    "model": "cuelens.models",
    "corpus": "cuelens.corpora",
}
"""Groups of entry points, by what their entries are."""


def plugin_names(kind: Kind, *, taken: Collection[str]) -> tuple[str, ...]:
    """Names that installed packages register, sorted; nothing is imported.

    Parameters
    ----------
    kind : {"explainer", "model", "corpus"}
    taken : collection of str
        Names of cuelens' own.  One of them that a package registers is refused with a
        `CuelensWarning`, and keeps its meaning.
    """
    names = sorted(_registered(kind))
    for name in names:
        if name in taken:
            _refuse_clash(kind, name)
    return tuple(name for name in names if name not in taken)


def load_plugin(kind: Kind, name: str, *, taken: Collection[str]) -> Any:
    """What a package registered under a name.

    Parameters
    ----------
    kind : {"explainer", "model", "corpus"}
    name : str
    taken : collection of str
        As for :func:`plugin_names`.

    Returns
    -------
    object or None
        None where no package registers the name, or it is taken.

    Raises
    ------
    InputError
        Two packages register it, or the package cannot be imported; the message names them.
    """
    found = _registered(kind).get(name, [])
    if found and name in taken:
        _refuse_clash(kind, name)
    if not found or name in taken:
        return None
    if len(found) > 1:
        raise InputError(
            f"{kind} {name!r} is registered by {packages_of(kind, name)}; expected "
            "one package: uninstall the others"
        )
    try:
        return found[0].load()
    except Exception as error:  # whatever the package raises while it is imported
        raise InputError(
            f"{kind} {name!r} of the package {_package(found[0])} cannot be imported "
            f"({type(error).__name__}: {error}); expected {found[0].value}: update the package, or "
            "uninstall it"
        ) from error


def refuse_plugin(kind: Kind, name: str, *, seen: str, expected: str) -> CuelensError:
    """The error of something that is registered and is not what it should be."""
    return InputError(
        f"{kind} {name!r} of the package {packages_of(kind, name)} is {seen}; expected {expected}"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean X? Expected``, or ``expected`` where no known name is alike."""
    alike = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {alike[0]}? Expected" if alike else "expected"


def packages_of(kind: Kind, name: str) -> str:
    """Names and versions of the packages that register a name."""
    return " and ".join(map(_package, _registered(kind).get(name, [])))


def _package(entry: EntryPoint) -> str:
    return "unknown" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _registered(kind: Kind) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUPS[kind]):
        found.setdefault(entry.name, []).append(entry)
    return found


def _refuse_clash(kind: Kind, name: str) -> None:
    warnings.warn(
        f"the package {packages_of(kind, name)} registers the {kind} {name!r}, a name of cuelens' "
        "own: it is refused, and the name keeps its meaning",
        CuelensWarning,
        stacklevel=3,
    )
