"""A folder of sounds used again: the earlier run's files go, everybody else's stay."""

from __future__ import annotations

import json

import pytest

from cuelens.report.sound_folder import MANIFEST, write_sounds


def names(folder):
    return {file.name for file in folder.iterdir()} - {MANIFEST}


def test_only_what_the_earlier_run_wrote_goes(tmp_path):
    folder = tmp_path / "sounds"
    write_sounds(folder, {"a.flac": b"old a", "b.flac": b"old b", "c.flac": b"old c"})
    (folder / "mine.flac").write_bytes(b"mine")
    (folder / "c.flac").write_bytes(b"edited since")
    write_sounds(folder, {"a.flac": b"new a"})
    assert names(folder) == {"a.flac", "c.flac", "mine.flac"}
    assert (folder / "a.flac").read_bytes() == b"new a"
    assert (folder / "c.flac").read_bytes() == b"edited since"
    write_sounds(folder, {"d.flac": b"d"})
    assert names(folder) == {"c.flac", "d.flac", "mine.flac"}


@pytest.mark.parametrize(
    "content",
    ["no json", "[]", '{"sha256": ["a.flac"]}', '{"sha256": {"../kept.flac": "SHA"}}'],
)
def test_manifest_that_is_not_ours_removes_nothing(tmp_path, content):
    import hashlib

    folder = tmp_path / "sounds"
    folder.mkdir()
    (tmp_path / "kept.flac").write_bytes(b"kept")
    (folder / "a.flac").write_bytes(b"a")
    sha256 = hashlib.sha256(b"kept").hexdigest()
    (folder / MANIFEST).write_text(content.replace("SHA", sha256))
    write_sounds(folder, {"b.flac": b"b"})
    assert names(folder) == {"a.flac", "b.flac"}
    assert (tmp_path / "kept.flac").is_file()
    assert list(json.loads((folder / MANIFEST).read_text())["sha256"]) == ["b.flac"]
