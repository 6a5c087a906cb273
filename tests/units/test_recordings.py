"""Names of recordings in label files."""

from __future__ import annotations

import pytest

from cuelens.units.recordings import is_named


@pytest.mark.parametrize(
    "name",
    ["c 1", "c 1.wav", "c 1.FLAC", "a/b/c 1.wav", "C:\\data\\c 1.mp3", "file:///x/c%201.mp4"],
)
def test_names_and_addresses(name):
    assert is_named(name, "c 1")
    assert not is_named(name, "c")
    assert not is_named(name, "b")


def test_points_in_names_are_no_endings():
    assert is_named("03.a", "03.a")
    assert not is_named("03.a", "03")
    assert is_named("03.a.wav", "03.a")
