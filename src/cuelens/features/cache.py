"""Computed once, found again: features on disk, keyed by the sound they were computed from."""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cuelens.cache_dir import cache_dir
from cuelens.errors import CuelensWarning
from cuelens.typing import FloatArray

_CHUNK = 500  # rows per transaction: what a kill can cost


@dataclass(frozen=True, kw_only=True)
class FeatureCache:
    """One SQLite file of feature rows; several processes may read and write it at once.

    A damaged or unwritable file costs time, never the result: the rows are computed again and a
    :class:`~cuelens.errors.CuelensWarning` says so.

    Parameters
    ----------
    file : Path
        Made when first written to.  By default ``features.sqlite`` in the cache folder.
    """

    file: Path = field(default_factory=lambda: cache_dir("features.sqlite"))

    def rows(
        self,
        waveforms: Sequence[FloatArray],
        *,
        recipe: str,
        compute: Callable[[Sequence[FloatArray]], FloatArray],
        progress: Callable[[int], None] | None = None,
    ) -> FloatArray:
        """Feature rows of waveforms, from the file where it has them.

        Parameters
        ----------
        waveforms : sequence of ndarray, shape (n_samples,), float32
        recipe : str
            Everything but the sound that the features depend on: their name, the sample rate,
            every parameter, the version of the program.
        compute : callable
            Takes a list of waveforms, returns an array of shape (n, n_features), float32.
        progress : callable, optional
            Called with the number of further rows that are ready.

        Returns
        -------
        ndarray, shape (n, n_features), float32
        """
        keys = [_key(waveform, recipe) for waveform in waveforms]
        found = self._read(keys)
        if progress and found:
            progress(sum(key in found for key in keys))
        missing = [index for index, key in enumerate(keys) if key not in found]
        for first in range(0, len(missing), _CHUNK):
            chunk = missing[first : first + _CHUNK]
            new = compute([waveforms[index] for index in chunk]).astype(np.float32, copy=False)
            fresh = {keys[index]: row for index, row in zip(chunk, new, strict=True)}
            self._write(fresh)
            found.update(fresh)
            if progress:
                progress(len(chunk))
        return np.stack([found[key] for key in keys]) if keys else np.empty((0, 0), np.float32)

    def _connect(self) -> sqlite3.Connection:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.file, timeout=60.0)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS features "
            "(key BLOB PRIMARY KEY, digest BLOB NOT NULL, row BLOB NOT NULL) WITHOUT ROWID"
        )
        return connection

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, FloatArray]:
        if not self.file.exists():
            return {}
        found: dict[bytes, FloatArray] = {}
        try:
            with closing(self._connect()) as connection:
                for first in range(0, len(keys), _CHUNK):
                    some = keys[first : first + _CHUNK]
                    marks = ",".join("?" * len(some))
                    query = f"SELECT key, digest, row FROM features WHERE key IN ({marks})"
                    for key, digest, row in connection.execute(query, some):
                        if hashlib.sha256(row).digest() == digest:
                            found[key] = np.frombuffer(row, dtype=np.float32)
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        except OSError as error:
            self._warn(error)
        return found

    def _write(self, rows: dict[bytes, FloatArray]) -> None:
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO features VALUES (?, ?, ?)",
                    [
                        (key, hashlib.sha256(row.tobytes()).digest(), row.tobytes())
                        for key, row in rows.items()
                    ],
                )
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        except OSError as error:
            self._warn(error)

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move a file that is no database out of the way; keep one that is busy or read-only."""
        damaged = not isinstance(error, sqlite3.OperationalError)
        if damaged:
            with suppress(OSError):  # another process may have moved it, or the folder be read-only
                self.file.replace(self.file.with_suffix(".damaged"))
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        warnings.warn(
            f"feature cache {self.file} could not be used ({error}); computing without it",
            CuelensWarning,
            stacklevel=4,
        )


def _key(waveform: FloatArray, recipe: str) -> bytes:
    digest = hashlib.sha256(recipe.encode())
    digest.update(b"\0")
    digest.update(np.ascontiguousarray(waveform, dtype=np.float32).tobytes())
    return digest.digest()
