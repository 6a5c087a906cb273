"""The errors and warnings that cuelens raises.

Every message says what was seen, what was expected and what to do, in one line.
"""

from __future__ import annotations

_LONGEST = 2000  # characters; content of a damaged file can be of any length
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    **{ord(space): " " for space in "\t\n\v\f\r\x85"},
    **dict.fromkeys((0x2028, 0x2029), " "),
}


def _one_line(message: object) -> str:
    """A message without line breaks or codes that a terminal would obey, of bounded length."""
    text = str(message)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST * 3 // 4]} ... {text[-_LONGEST // 4 :]}"
    return text.translate(_CONTROL)


class CuelensError(Exception):
    """Base of every error raised on purpose."""

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(message))


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

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(message))
