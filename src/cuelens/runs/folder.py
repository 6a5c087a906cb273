"""The folder of a run: what is finished stays finished, whatever happens to the process.

::

    manifest.json          what was asked, of what, with which versions; how far it is
    clips.parquet          one row a clip: what the run is over
    shards/00000.parquet   results of some hundred clips, one row a clip and unit
    unfinished/00000.jsonl results of clips whose shard is not full yet, one line each

A shard holds the same clips whatever the number of workers and the order in which they end, so
that its content does not depend on them.  It is written under another name and renamed when it is
whole.  Only one process may write a folder at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cuelens.errors import CuelensWarning, InputError
from cuelens.journal_file import refuse_other_settings
from cuelens.runs.clips import RunClips
from cuelens.runs.job import CLIP_COLUMNS, Row

MANIFEST, CLIPS, SHARDS = "manifest.json", "clips.parquet", "shards"
SCHEMA_VERSION = 1
OK, FAILED = "ok", "failed"
_UNFINISHED, _LOCK = "unfinished", ".lock"


@dataclass(kw_only=True, eq=False)
class RunFolder:
    """Results of a run as they come; made by :func:`open_folder`.

    Attributes
    ----------
    n_done, n_failed : int
        Clips whose work is finished, and those of them that failed.
    """

    path: Path
    clips: RunClips
    columns: Mapping[str, pa.DataType]
    asked: Mapping[str, Any]
    shard_clips: int
    n_done: int = 0
    n_failed: int = 0
    _open: dict[int, _Unfinished] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)

    @property
    def missing(self) -> list[int]:
        """Clips that are not finished, in order."""
        return [index for index in range(len(self.clips)) if index not in self._done]

    def add(self, index: int, rows: list[Row], *, reason: str | None = None) -> None:
        """Keep the results of a clip; they are on the disk when this returns.

        Parameters
        ----------
        index : int
            Of the clip.
        rows : list of dict
            One a unit; empty where it failed.
        reason : str or None
            Why it failed.

        Raises
        ------
        InputError
            The disk is full, or the folder can no longer be written.
        """
        if index in self._done:
            return
        number = index // self.shard_clips
        entry = {"clip": index, "rows": rows, "reason": reason}
        with _writing(self.path):
            shard = self._open.get(number)
            if shard is None:
                shard = self._open[number] = _Unfinished(self._journal(number))
            shard.add(entry)
            self._count(entry)
            if len(shard.entries) == len(self._indices(number)):
                self._seal(number)

    def close(self) -> None:
        """Write how far the run is, and let go of the folder's files."""
        for shard in self._open.values():
            shard.close()
        with _writing(self.path):
            self.write_manifest()

    def write_manifest(self) -> None:
        """Write manifest.json: what was asked, and how far the run is."""
        complete = self.n_done == len(self.clips)
        content = {
            **self.asked,
            "columns": {name: str(kind) for name, kind in schema(self.columns).items()},
            "n_clips": len(self.clips),
            "n_done": self.n_done,
            "n_failed": self.n_failed,
            "complete": complete,
            "shards": [_described(file) for file in self._shards()] if complete else [],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        _replace(self.path / MANIFEST, text.encode())

    def resume(self) -> None:
        """Find what an earlier process finished."""
        (self.path / SHARDS).mkdir(exist_ok=True)
        (self.path / _UNFINISHED).mkdir(exist_ok=True)
        for left in (*self.path.glob("*.part"), *(self.path / SHARDS).glob("*.part")):
            left.unlink()
        for file in self._shards():
            self._take_shard(file)
        for journal in sorted((self.path / _UNFINISHED).glob("*.jsonl")):
            self._take_journal(journal)

    def _take_shard(self, file: Path) -> None:
        indices = self._indices(int(file.stem))
        try:
            kept = pq.read_table(file, columns=["clip", "status"]).to_pydict()
            status = dict(zip(kept["clip"], kept["status"], strict=True))
        except (OSError, pa.ArrowException, KeyError) as error:
            status = {}
            warnings.warn(
                f"{file}: damaged ({str(error).splitlines()[0]}); its clips are done again",
                CuelensWarning,
                stacklevel=4,
            )
        if set(status) != set(indices):
            file.unlink()
            return
        self._done.update(indices)
        self.n_done += len(indices)
        self.n_failed += sum(one == FAILED for one in status.values())

    def _take_journal(self, journal: Path) -> None:
        number = int(journal.stem)
        if self._shard(number).exists():  # sealed, and killed before this was removed
            journal.unlink()
            return
        shard = self._open[number] = _Unfinished(journal)
        for entry in shard.entries.values():
            self._count(entry)
        if len(shard.entries) == len(self._indices(number)):
            self._seal(number)

    def _count(self, entry: Mapping[str, Any]) -> None:
        self._done.add(entry["clip"])
        self.n_done += 1
        self.n_failed += entry["reason"] is not None

    def _seal(self, number: int) -> None:
        """Write a shard whose clips are all finished, and remove its journal."""
        shard = self._open[number]
        entries = [shard.entries[index] for index in self._indices(number)]
        rows = [row for entry in entries for row in self._complete(entry)]
        table = pa.Table.from_pylist(rows, schema=pa.schema(list(schema(self.columns).items())))
        file = self._shard(number)
        part = file.with_suffix(".part")
        pq.write_table(table, part, compression="zstd")
        _to_disk(part)
        part.replace(file)
        self._open.pop(number).close()
        shard.file.unlink()

    def _complete(self, entry: Mapping[str, Any]) -> list[Row]:
        """Rows of a clip with what is known of the clip; one without a unit where it failed."""
        clip = self.clips.clips[entry["clip"]]
        known = {**clip.to_row(), "status": OK, "reason": None}
        if entry["reason"] is not None:
            return [_storable({**known, "status": FAILED, "reason": entry["reason"]})]
        return [_storable({**known, **row}) for row in entry["rows"]]

    def _indices(self, number: int) -> range:
        first = number * self.shard_clips
        return range(first, min(first + self.shard_clips, len(self.clips)))

    def _shard(self, number: int) -> Path:
        return self.path / SHARDS / f"{number:05d}.parquet"

    def _shards(self) -> list[Path]:
        return sorted((self.path / SHARDS).glob("*.parquet"))

    def _journal(self, number: int) -> Path:
        return self.path / _UNFINISHED / f"{number:05d}.jsonl"


class _Unfinished:
    """Finished clips of a shard that is not full: a file of lines, the last perhaps cut off."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.entries: dict[int, dict[str, Any]] = {}
        content = file.read_bytes() if file.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                self.entries[entry["clip"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # damaged: that clip is done again
        self._stream: BinaryIO = file.open("r+b" if content else "wb", buffering=0)
        self._stream.truncate(len(whole))
        self._stream.seek(len(whole))

    def add(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        while line:  # a full disk may take a part
            line = line[self._stream.write(line) :]
        self.entries[entry["clip"]] = entry

    def close(self) -> None:
        self._stream.close()


def _storable(row: Mapping[str, Any]) -> Row:
    """NaN as null, for databases count NaN as the largest number; text as UTF-8 has it."""

    def stored(value: Any) -> Any:
        if isinstance(value, float) and isnan(value):
            return None
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

    return {name: stored(value) for name, value in row.items()}


def schema(columns: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """All columns of a run with given columns of results."""
    return {**CLIP_COLUMNS, **columns}


@contextmanager
def open_folder(
    path: Path,
    clips: RunClips,
    *,
    columns: Mapping[str, pa.DataType],
    asked: Mapping[str, Any],
    shard_clips: int,
) -> Iterator[RunFolder]:
    """Begin a run in a folder, or go on with the same one.

    Parameters
    ----------
    path : Path
        Made where it does not exist.
    clips : RunClips
    columns : mapping of str to DataType
        Of results.
    asked : mapping
        Everything that results depend on, as JSON types.
    shard_clips : int
        Clips a shard.

    Raises
    ------
    InputError
        The folder holds something else, or a run of other settings or clips, or another process
        writes it.
    """
    of_clips = {"clips_sha256": _digest(clips), "shard_clips": shard_clips}
    asked = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **asked, **of_clips}))
    manifest = path / MANIFEST
    with _only_writer(path):
        if manifest.exists():
            held = read_manifest(path)
            refuse_other_settings(manifest, {name: held.get(name) for name in asked}, asked)
        elif any(file.name != _LOCK for file in path.iterdir()):
            raise InputError(
                f"{path}: holds files, and no run of cuelens; expected an empty or a new folder"
            )
        folder = RunFolder(
            path=path, clips=clips, columns=columns, asked=asked, shard_clips=shard_clips
        )
        with _writing(path):
            folder.resume()
            if not manifest.exists():
                part = path / f"{CLIPS}.part"
                clips.to_frame().to_parquet(part, index=False)
                part.replace(path / CLIPS)
                folder.write_manifest()
        try:
            yield folder
        except BaseException:
            with suppress(InputError):  # the first error is the one to tell
                folder.close()
            raise
        folder.close()


def read_manifest(path: Path) -> dict[str, Any]:
    """What a folder says of its run.

    Raises
    ------
    InputError
        It holds no run.
    """
    file = path / MANIFEST
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: no run of cuelens ({MANIFEST} {error.strerror}); expected a folder that "
            "`cuelens run` wrote"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{file}: not JSON ({error}); expected what `cuelens run` wrote"
        ) from error
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{file}: not of a run of this version; expected what `cuelens run` wrote")
    return found


def _digest(clips: RunClips) -> str:
    digest = hashlib.sha256()
    for clip in clips.clips:
        digest.update(json.dumps(vars(clip), sort_keys=True).encode())
    return digest.hexdigest()


def _described(file: Path) -> dict[str, Any]:
    return {
        "file": f"{SHARDS}/{file.name}",
        "n_rows": pq.read_metadata(file).num_rows,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


def _replace(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    _to_disk(part)
    part.replace(file)


def _to_disk(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in one line that a folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); what is finished is kept: "
            "make room, or mend the permissions, and give the same command again"
        ) from error


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """A lock that the system lets go of when the process ends, however it ends."""
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / _LOCK).open("w")
    with lock as file:
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{path}: another process is writing this run; wait for it, or give another folder"
            ) from error
        yield
