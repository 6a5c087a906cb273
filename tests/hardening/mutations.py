"""Valid content, made invalid: the same seed gives the same bytes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

EXTREMES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
TOKENS = (
    *(b"nan", b"-1", b"1e309", b"-0", b"9" * 5000, b"99999999999999999999", b"0x10", b"1_0"),
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b"\t", b'"', b"'", b",", b";"),
    *(b"null", b"true", b"[]", b"{}", b"[" * 20_000, b'{"a":' * 20_000, b"<a>" * 20_000),
    *(b"NaN", b"Infinity", b"../../etc/passwd", b"&lol;", b"*a", b"&a [*a]", b"!!python/none"),
    *(
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"%s%n",
        b"\x1b[31m",
    ),
)
VALUES = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**30, -0.5, 1e308, float("nan"), float("inf")),
    *("", "a", "nan", "../..", "/etc/passwd", "\0", "\n", "\u2028", "x" * 5000, "\ud800"),
    *([], {}, [[]], [None], {"a": {}}, [0, "a"], [1.0] * 1000),
)


def flipped(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """One to sixteen bits turned over."""
    data = bytearray(content)
    for place in rng.integers(0, len(data), rng.integers(1, 17)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """The beginning alone, perhaps nothing."""
    return content[: rng.integers(0, len(content))]


def without_middle(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A piece left out."""
    first, last = np.sort(rng.integers(0, len(content) + 1, 2))
    return content[:first] + content[last:]


def inserted(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes, or a piece of itself, somewhere."""
    place = rng.integers(0, len(content) + 1)
    piece = rng.bytes(int(rng.integers(1, 300)))
    if rng.random() < 0.5:
        first, last = np.sort(rng.integers(0, len(content) + 1, 2))
        piece = content[first:last]
    return content[:place] + piece + content[place:]


def claims(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A number near the beginning or the end with the largest, smallest or a wrong sign."""
    data = bytearray(content)
    width = int(rng.choice([1, 2, 4, 8]))
    near = int(rng.integers(0, min(len(data), 200)))
    place = near if rng.random() < 0.8 else len(data) - 1 - near
    value = int(rng.choice(EXTREMES)) & (256**width - 1)
    data[place : place + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))
    return bytes(data)


def erased(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A piece of zeros, or of ones."""
    first, last = np.sort(rng.integers(0, len(content) + 1, 2))
    return content[:first] + bytes([int(rng.choice([0, 255]))]) * (last - first) + content[last:]


def swapped(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one kind and the end of another."""
    place = rng.integers(0, len(content) + 1)
    return content[:place] + other[rng.integers(0, len(other)) :]


def with_token(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A word of the text replaced by one that readers trip over."""
    words = [i for i, byte in enumerate(content) if byte in b' \n\t,;:"<>=[]{}']
    token = TOKENS[int(rng.integers(len(TOKENS)))]
    if len(words) < 2:
        return content + token
    first = int(rng.integers(len(words) - 1))
    return content[: words[first] + 1] + token + content[words[first + 1] :]


def other_value(content: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """One value of a JSON file replaced, left out, or put into a list; else bits turned over."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return flipped(content, _, rng)
    places: list[tuple[Any, Any]] = []
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list) and value:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            places += [(value, key) for key in keys]
            waiting += [value[key] for key in keys]
    if places:
        holder, key = places[int(rng.integers(len(places)))]
        how = rng.random()
        if how < 0.2:
            del holder[key]
        elif how < 0.3:
            holder[key] = [holder[key]] * 2
        else:
            holder[key] = VALUES[int(rng.integers(len(VALUES)))]
    return json.dumps(data).encode()


MUTATIONS = (
    *(flipped, cut, without_middle, inserted, claims, erased, swapped, with_token),
    other_value,
)


def malformed(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Content after one to three mutations."""
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        if content:
            content = MUTATIONS[int(rng.integers(len(MUTATIONS)))](content, other, rng)
    return content
