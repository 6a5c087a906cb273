"""The shortest and the longest sound that a model takes, found by trying."""

from __future__ import annotations

import math
from collections.abc import Callable

Takes = Callable[[int], bool]
_LONGEST_TRIED_S = 2.0  # a network that fails on this fails for another reason than length
_TOLERANCE = 0.01  # of the longest length


def shortest_taken(takes: Takes, *, sample_rate: int) -> int | None:
    """Fewest samples that are taken, by doubling and bisection.

    Parameters
    ----------
    takes : callable
        Whether so many samples are taken; what takes some is expected to take more.
    sample_rate : int, Hz

    Returns
    -------
    int or None
        None: not even two seconds are taken.
    """
    most = int(_LONGEST_TRIED_S * sample_rate)
    failed, n = 0, 1
    while not takes(n):
        if n == most:
            return None
        failed, n = n, min(2 * n, most)
    while n - failed > 1:
        middle = (n + failed) // 2
        failed, n = (failed, middle) if takes(middle) else (middle, n)
    return n


def longest_taken(takes: Takes, *, failed: int, shortest: int) -> int | None:
    """Most samples that are taken, to one hundredth, by halving and bisection.

    Parameters
    ----------
    takes : callable
        Whether so many samples are taken; what takes some is expected to take fewer.
    failed : int
        Samples that are not taken.
    shortest : int
        No fewer are tried.

    Returns
    -------
    int or None
        None: nothing that was tried is taken.
    """
    n = failed
    while not takes(n := max(n // 2, shortest)):
        if n == shortest:
            return None
        failed = n
    while failed - n > max(1, _TOLERANCE * n):
        middle = (n + failed) // 2
        failed, n = (failed, middle) if takes(middle) else (middle, n)
    return n


def length_hint(shortest: int | None, given: int, *, sample_rate: int) -> str:
    """What a network that failed on so many samples expects, for a message.

    Parameters
    ----------
    shortest : int or None
        From :func:`shortest_taken`.
    given : int
        Samples that it failed on.
    sample_rate : int, Hz
    """
    if shortest is None:
        return "a network that takes (n, n_samples) at this rate"
    if given < shortest:
        needed = math.ceil(shortest / sample_rate * 1000)
        return f"{shortest} samples or more ({needed} ms)"
    return f"a length that it takes, such as {shortest} samples"
