"""The errors and warnings that cuelens raises.

Every message says what was seen, what was expected and what to do, in one line.
"""

from __future__ import annotations


class CuelensError(Exception):
    """Base of every error raised on purpose."""


class InputError(CuelensError, ValueError):
    """What the caller handed in cannot be used."""


class MissingExtraError(CuelensError, ImportError):
    """An optional dependency is needed and not installed.

    Parameters
    ----------
    what : str
        What needs it, as the user would name it.
    extra : str
        The extra of the ``cuelens`` distribution that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an optional package: pip install "cuelens[{extra}]"')


class CuelensWarning(UserWarning):
    """Something was changed or looks wrong, and the result says so too."""
