"""The folder of a run: nothing is lost, and the content does not depend on the order."""

import errno
import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.runs.jobs import Squares, clips

from cuelens import CuelensWarning, InputError
from cuelens.runs.folder import open_folder, read_manifest
from cuelens.runs.run_corpus import read_run
from cuelens.runs.work import work_on

N_CLIPS = 7
JOB = Squares(refused=(2,), broken=(5,))


def opened(path, n_clips=N_CLIPS, job=JOB, shard_clips=3):
    """A run's folder."""
    return open_folder(
        path,
        clips(n_clips),
        columns=job.columns,
        asked={"job": {"name": job.name, **job.settings()}},
        shard_clips=shard_clips,
    )


def add(folder, indices, job=JOB):
    """Do the work of some clips."""
    for index in indices:
        outcome = work_on(job, folder.clips.clips[index])
        folder.add(index, outcome.rows, reason=outcome.reason)


def go_on(path):
    """Finish a run; gives the clips that were missing."""
    with opened(path) as folder:
        missing = folder.missing
        add(folder, missing)
    return missing


def shards(path):
    """Content of every shard, as bytes."""
    return {file.name: file.read_bytes() for file in sorted((path / "shards").iterdir())}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A run that nothing disturbed."""
    with opened(tmp_path / "whole") as folder:
        add(folder, range(N_CLIPS))
    return tmp_path / "whole"


def test_what_is_in_it(whole):
    run = read_run(whole)
    frame = run.to_frame(failed=True)
    assert frame["clip"].tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6]
    assert run.to_frame()["value"].tolist() == [
        value for index in (0, 1, 3, 4, 6) for value in (index + 1 / 3, (index + 1 / 3) ** 2)
    ]
    failed = run.failures()
    assert failed["clip"].tolist() == [2, 5]
    assert failed["reason"].tolist() == [
        "/nowhere/002.wav: refused; expected another",
        "ZeroDivisionError: by nought",
    ]
    assert run.n_failed == 2
    manifest = read_manifest(whole)
    assert manifest["complete"]
    assert manifest["n_done"] == N_CLIPS
    assert [shard["n_rows"] for shard in manifest["shards"]] == [5, 5, 2]
    for shard in manifest["shards"]:
        content = (whole / shard["file"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()
    assert not list((whole / "unfinished").iterdir())


def test_polars_and_duckdb_read_it(whole):
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    known = read_run(whole).to_frame()
    query = f"select sum(value) from '{whole}/shards/*.parquet' where status = 'ok'"
    assert duckdb.sql(query).fetchall()[0][0] == pytest.approx(known["value"].sum(), rel=1e-12)
    frame = polars.read_parquet(whole / "shards" / "*.parquet")
    assert frame.filter(polars.col("status") == "ok")["value"].to_list() == known["value"].tolist()
    assert frame["value"].null_count() == 2  # not NaN, which sorts above all numbers


@pytest.mark.parametrize("seed", range(3))
def test_the_order_changes_nothing(whole, tmp_path, seed):
    order = np.random.default_rng(seed).permutation(N_CLIPS).tolist()
    with opened(tmp_path / "other") as folder:
        add(folder, order)
    assert shards(tmp_path / "other") == shards(whole)
    assert (tmp_path / "other" / "manifest.json").read_bytes() == (
        whole / "manifest.json"
    ).read_bytes()


@pytest.mark.parametrize("n_done", range(N_CLIPS))
def test_it_goes_on(whole, tmp_path, n_done):
    other = tmp_path / "other"
    with opened(other) as folder:
        add(folder, range(n_done))
    assert read_manifest(other)["n_done"] == n_done
    with opened(other) as folder:
        assert folder.missing == list(range(n_done, N_CLIPS))
        assert folder.n_failed == sum(index < n_done for index in (2, 5))
        add(folder, folder.missing)
    assert shards(other) == shards(whole)


def test_a_run_that_is_not_whole_is_not_read(tmp_path):
    with opened(tmp_path) as folder:
        add(folder, [0])
    with pytest.raises(InputError, match="1 of 7 clips are finished; expected a whole run"):
        read_run(tmp_path)


def test_every_way_to_cut_off_a_journal(whole, tmp_path):
    """The file of an unfinished shard, cut off anywhere: whole lines count, no other."""
    other = tmp_path / "other"
    with opened(other) as folder:
        add(folder, [0, 1])
    journal = other / "unfinished" / "00000.jsonl"
    content = journal.read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    for length in range(0, len(content) + 1, 7):
        journal.write_bytes(content[:length])
        with opened(other) as folder:
            assert folder.n_done == sum(end <= length for end in ends)
        assert journal.exists() == (length > 0) or not journal.read_bytes()
    with opened(other) as folder:
        add(folder, folder.missing)
    assert shards(other) == shards(whole)


def test_a_damaged_line_is_done_again(whole, tmp_path):
    other = tmp_path / "other"
    with opened(other) as folder:
        add(folder, [0, 1])
    journal = other / "unfinished" / "00000.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"\x00" * (len(lines[0]) - 1) + b"\n" + lines[1])
    with opened(other) as folder:
        assert folder.missing == [0, *range(2, N_CLIPS)]
        add(folder, folder.missing)
    assert shards(other) == shards(whole)


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "flipped"])
def test_a_damaged_shard_is_done_again(whole, damage):
    before = shards(whole)
    file = whole / "shards" / "00001.parquet"
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[-20] ^= 0xFF
    damaged = {"cut": content[:100], "empty": b"", "other": b"no table", "flipped": bytes(flipped)}
    file.write_bytes(damaged[damage])
    with pytest.warns(CuelensWarning, match="damaged"):
        assert go_on(whole) == [3, 4, 5]
    assert shards(whole) == before


def test_killed_between_shard_and_journal(whole, tmp_path):
    """The shard has its name already and the journal is still there."""
    before = shards(whole)
    (whole / "unfinished" / "00000.jsonl").write_text("{}\n")
    (whole / "shards" / "00002.part").write_bytes(b"half")
    (whole / "manifest.json.part").write_bytes(b"half")
    with opened(whole) as folder:
        assert folder.missing == []
    assert shards(whole) == before
    assert not list(whole.glob("**/*.part"))


def test_a_full_disk(tmp_path, monkeypatch):
    with opened(tmp_path) as folder:
        add(folder, [0])
        stream = folder._open[0]._stream

        class Full:
            """Takes ten bytes, then no more."""

            taken = 0

            def write(self, line):
                if self.taken:
                    raise OSError(errno.ENOSPC, "No space left on device")
                self.taken = 1
                return stream.write(line[:10])

            def close(self):
                stream.close()

        folder._open[0]._stream = Full()
        with pytest.raises(InputError, match=r"No space left on device.*make room"):
            add(folder, [1])
    with opened(tmp_path) as folder:
        assert folder.missing == list(range(1, N_CLIPS))
        add(folder, folder.missing)
    assert read_run(tmp_path).manifest["complete"]


def test_a_disk_that_stays_full(tmp_path, monkeypatch):
    """The error that is told is the first one, and nothing else is raised on the way out."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(tmp_path) as folder:
        add(folder, [0])
    monkeypatch.setattr("cuelens.runs.folder._Unfinished.add", full)
    monkeypatch.setattr("cuelens.runs.folder._replace", full)
    with pytest.raises(InputError, match="No space left on device"), opened(tmp_path) as folder:
        add(folder, [1])
    monkeypatch.undo()
    assert go_on(tmp_path) == list(range(1, N_CLIPS))


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), opened(tmp_path / "file" / "run"):
        pass


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"job": Squares()}, "job"),
        ({"n_clips": 8}, "clips_sha256"),
        ({"shard_clips": 4}, "shard_clips was 3, is 4"),
    ],
)
def test_another_run_is_refused(whole, changed, words):
    before = shards(whole)
    with pytest.raises(InputError, match=words), opened(whole, **changed):
        pass
    assert shards(whole) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds files, and no run"), opened(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "mine"
    assert not (tmp_path / "shards").exists()


def test_one_process_at_a_time(tmp_path):
    other = (
        "from tests.runs.test_run_folder import opened; from pathlib import Path; import sys\n"
        "with opened(Path(sys.argv[1])): pass"
    )
    with opened(tmp_path):
        found = subprocess.run(
            [sys.executable, "-c", other, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "another process is writing this run" in found.stderr
    subprocess.run([sys.executable, "-c", other, str(tmp_path)], check=True)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema_version": 99}', "null"])
def test_a_manifest_of_something_else(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_no_run_there(tmp_path):
    with pytest.raises(InputError, match="no run of cuelens"):
        read_run(tmp_path)


def test_strange_names_and_values(tmp_path):
    """File names that are no UTF-8, quotes, line breaks; NaN, infinity."""
    from dataclasses import replace

    strange = clips(2)
    names = ["/a/\udcff\"'\n.wav", "/b/ü\u2028.wav"]
    strange = replace(
        strange,
        clips=tuple(replace(c, file=name) for c, name in zip(strange.clips, names, strict=True)),
    )
    job = Squares()
    with open_folder(tmp_path, strange, columns=job.columns, asked={}, shard_clips=2) as folder:
        folder.add(0, [{"power": 1, "value": float("nan")}, {"power": 2, "value": float("inf")}])
        folder.add(1, [], reason="\udcff broken")
    frame = pd.read_parquet(tmp_path / "shards")
    assert frame["file"].tolist()[0] == "/a/\ufffd\"'\n.wav"
    assert frame["value"].isna().tolist() == [True, False, True]
    assert frame["value"].tolist()[1] == np.inf


def test_numbers_come_back_bit_for_bit(tmp_path):
    values = [*np.random.default_rng(0).normal(size=50).tolist(), 1e-308, 5e-324, 1 / 3, -0.0]
    path = tmp_path / "run"
    job = Squares()
    with open_folder(path, clips(2), columns=job.columns, asked={}, shard_clips=2) as folder:
        folder.add(0, [{"power": 1, "value": value} for value in values])
    with open_folder(path, clips(2), columns=job.columns, asked={}, shard_clips=2) as folder:
        folder.add(1, [])
    found = pd.read_parquet(path / "shards")["value"].to_numpy()
    assert found.tobytes() == np.array(values).tobytes()


def test_settings_are_in_the_manifest(whole):
    job = json.loads((whole / "manifest.json").read_text())["job"]
    assert job == {"name": "squares", "refused": [2], "unknown": "nothing"}
    assert list(itertools.islice(job, 1)) == ["name"]
