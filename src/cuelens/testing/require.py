"""How the checks of contracts fail."""

from __future__ import annotations


def require(holds: object, sentence: str) -> None:
    """Raise an AssertionError with the sentence unless something holds.

    A statement ``assert`` would vanish under ``python -O``.
    """
    if not holds:
        raise AssertionError(sentence)
