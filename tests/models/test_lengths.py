"""Lengths that a model takes, against a search through all of them."""

from __future__ import annotations

import pytest

from cuelens.models.lengths import length_hint, longest_taken, shortest_taken

RATE = 1000


@pytest.mark.parametrize("least", [1, 2, 3, 63, 64, 65, 400, 1999, 2000])
def test_the_shortest_is_exact(least):
    asked = []

    def takes(n):
        asked.append(n)
        return n >= least

    found = shortest_taken(takes, sample_rate=RATE)
    assert found == next(n for n in range(1, 2001) if n >= least)
    assert len(asked) <= 24


def test_what_takes_nothing_has_no_shortest():
    assert shortest_taken(lambda n: n > 2000, sample_rate=RATE) is None


@pytest.mark.parametrize("most", [50, 51, 77, 480, 999])
def test_the_longest_is_found_to_a_hundredth(most):
    found = longest_taken(lambda n: n <= most, failed=1000, shortest=50)
    assert 0.985 * most <= found <= most
    assert longest_taken(lambda n: n < 50, failed=1000, shortest=50) is None


def test_hints():
    assert length_hint(400, 300, sample_rate=16_000) == "400 samples or more (25 ms)"
    assert (
        length_hint(400, 500, sample_rate=16_000) == "a length that it takes, such as 400 samples"
    )
    assert length_hint(None, 500, sample_rate=16_000).startswith("a network that takes")
