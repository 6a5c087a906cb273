"""Vectors of one's own: a table of embeddings computed elsewhere."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus
from cuelens.corpora.table_file import read_frame
from cuelens.errors import InputError
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.typing import FloatArray

EMBEDDING_TABLE_TYPES = (".npy", ".parquet", ".csv", ".tsv")
_KEYS = ("file", "start", "end")
_SAME_TIME_S = 1e-3  # times written as text are rounded


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What a table holds: vectors, and the clip that each one is of."""

    vectors: FloatArray  # (n_rows, n_layers, n_dimensions)
    layers: tuple[str, ...]
    dimensions: tuple[str, ...]
    files: list[str]
    start_s: FloatArray  # NaN where the table does not say
    end_s: FloatArray


def read_embedding_table(path: str | Path, corpus: Corpus) -> EmbeddedCorpus:
    """Vectors of every clip of a corpus from a table.

    - ``.parquet``, ``.csv`` or ``.tsv``: a column (or index level) ``file``, where a file has
      several clips also ``start`` (s, or a time difference as pandas writes it) and ``end``, and
      one column of numbers a dimension.
    - ``.npy``: an array of shape (n_clips, n_dimensions) or (n_clips, n_layers, n_dimensions), and
      beside it ``NAME.txt`` or ``NAME.csv`` with the file of each row: one a line, or a CSV with a
      column ``file`` (and ``start``, ``end``).

    Rows may be in any order.  A row is of the clip whose path is the same, else ends like the row's
    relative path, else has the same file name, if there is only one in the table and the corpus.

    Parameters
    ----------
    path : str or Path
    corpus : Corpus

    Returns
    -------
    EmbeddedCorpus
        In the order of ``corpus.table``; its provenance has the checksum of the table.

    Raises
    ------
    InputError
        No such table; a column that holds no numbers; a row of no clip or of several, a clip
        without a row or with several; a value that is missing or infinite.
    """
    path = Path(path).expanduser()
    kind = path.suffix.lower()
    if kind not in EMBEDDING_TABLE_TYPES:
        raise InputError(
            f"{path}: is a {kind or 'file without a type'}; expected a table of embeddings "
            f"({', '.join(EMBEDDING_TABLE_TYPES)})"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a table of embeddings")
    table = _read_array(path) if kind == ".npy" else _read_frame(path)
    rows = _rows_of_clips(path, table, corpus)
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    try:
        return EmbeddedCorpus(
            name=path.stem,
            values=table.vectors[rows],
            layers=table.layers,
            dimensions=table.dimensions,
            provenance={"table": path.name, "sha256": sha256},
        )
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path.stem}: ')}") from None


def _read_array(path: Path) -> _Rows:
    try:
        # A pickle could run anything; mapped, because a header can claim any shape.
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header is read as Python's literals, which raise anything
        raise InputError(
            f"{path}: cannot be read as an array of numbers ({_reason(error)}); expected one "
            "written with numpy.save"
        ) from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        kind = getattr(values, "dtype", type(values).__name__)
        raise InputError(f"{path}: holds {kind}; expected one array of real numbers")
    if values.ndim not in {2, 3} or 0 in values.shape:
        raise InputError(
            f"{path}: has shape {values.shape}; expected (clips, dimensions) or (clips, layers, "
            "dimensions)"
        )
    layers: tuple[str, ...] = ("embedding",)
    if values.ndim == 2:
        values = values[:, None]
    else:
        layers = tuple(f"layer {i}" for i in range(values.shape[1]))
    files, start_s, end_s = _read_names(path)
    if len(files) != len(values):
        raise InputError(
            f"{path}: has {len(values)} rows, and the list beside it {len(files)} files; expected "
            "one file a row"
        )
    return _Rows(
        vectors=_float32(values),
        layers=layers,
        dimensions=tuple(str(i + 1) for i in range(values.shape[2])),
        files=files,
        start_s=start_s,
        end_s=end_s,
    )


def _read_names(path: Path) -> tuple[list[str], FloatArray, FloatArray]:
    """Files, starts and ends of the rows of an array, from the list beside it."""
    beside = [path.with_suffix(suffix) for suffix in (".txt", ".csv")]
    found = [file for file in beside if file.is_file()]
    if not found:
        raise InputError(
            f"{path}: no list of its files; expected {beside[0].name} or {beside[1].name} beside "
            "it, the file of each row, one a line"
        )
    if len(found) > 1:
        raise InputError(
            f"{path}: two lists of its files, {found[0].name} and {found[1].name}; expected one: "
            "delete the other"
        )
    names = found[0]
    try:
        lines = names.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{names}: cannot be read ({_reason(error)}); expected text") from error
    lines = [line.strip() for line in lines if line.strip()]
    if lines and names.suffix == ".csv" and "file" in lines[0].replace('"', "").split(","):
        frame = _frame(names)
        return _keys(names, frame)
    unknown = np.full(len(lines), np.nan)
    return [line.strip('"') for line in lines], unknown, unknown


def _read_frame(path: Path) -> _Rows:
    frame = _frame(path)
    files, start_s, end_s = _keys(path, frame)
    columns = [column for column in frame.columns if column not in _KEYS]
    if not columns or not len(frame):
        raise InputError(
            f"{path}: has {len(frame)} rows and {len(columns)} columns beside file, start and end; "
            "expected one row a clip, and one column of numbers a dimension"
        )
    counted = next((name for name in columns if name.startswith("Unnamed: ")), None)
    if counted:
        raise InputError(
            f"{path}: a column has no name, perhaps row numbers; expected named dimensions: write "
            "it with DataFrame.to_csv(..., index=False)"
        )
    others = [
        name
        for name in columns
        if not pd.api.types.is_numeric_dtype(frame[name])
        or pd.api.types.is_bool_dtype(frame[name])
        or pd.api.types.is_complex_dtype(frame[name])
    ]
    if others:
        column = frame[others[0]]
        numbers = pd.to_numeric(column, errors="coerce") if column.dtype != bool else None
        words = column.isna() if numbers is None else numbers.isna() & column.notna()
        row = int(np.argmax(words.to_numpy())) if words.any() else 0
        raise InputError(
            f"{path}: {len(others)} columns hold something else than numbers, such as "
            f"{others[0]!r} with {column.iloc[row]!r} in row {row}; expected file, start, end and "
            "numbers: mend the value, or leave the column out"
        )
    values = frame[columns].to_numpy(dtype=np.float64, na_value=np.nan)
    return _Rows(
        vectors=_float32(values)[:, None],
        layers=("embedding",),
        dimensions=tuple(columns),
        files=files,
        start_s=start_s,
        end_s=end_s,
    )


def _frame(path: Path) -> pd.DataFrame:
    """A table with its index levels as columns, and text as names."""
    frame = read_frame(path, dtype={"file": str})  # so that 03.wav and 003 stay what they are
    if any(name is not None for name in frame.index.names):  # audformat keeps its keys there
        frame = frame.reset_index()
    frame.columns = pd.Index([str(column) for column in frame.columns])
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"{path}: has several columns {twice!r}; expected each once")
    return frame


def _keys(path: Path, frame: pd.DataFrame) -> tuple[list[str], FloatArray, FloatArray]:
    """File, start and end in seconds of each row."""
    if "file" not in frame.columns:
        shown = ", ".join(frame.columns[:5])
        raise InputError(
            f"{path}: has no column file, only {shown}{' ...' * (len(frame.columns) > 5)}; "
            "expected the file of each row"
        )
    if frame["file"].isna().any():
        raise InputError(f"{path}: {frame['file'].isna().sum()} rows name no file; expected a path")
    return (
        [str(file) for file in frame["file"]],
        _seconds(path, frame, "start"),
        _seconds(path, frame, "end"),
    )


def _seconds(path: Path, frame: pd.DataFrame, column: str) -> FloatArray:
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    values = frame[column]
    try:
        if pd.api.types.is_numeric_dtype(values):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.to_timedelta(values).dt.total_seconds().to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: column {column} holds {values.iloc[0]!r}; expected seconds or times such as "
            "'0 days 00:00:01.5'"
        ) from error


def _rows_of_clips(path: Path, table: _Rows, corpus: Corpus) -> list[int]:
    """The row of the table of each clip."""
    find = _Finder(path, table, corpus)
    row_of: dict[int, int] = {}
    strangers = []
    for row, file in enumerate(table.files):
        clip = find.clip(row)
        if clip is None:
            strangers.append(file)
        elif clip in row_of:
            raise InputError(
                f"{path}: rows {row_of[clip]} and {row} are both of "
                f"{corpus.table['file'].iloc[clip]}; expected one row a clip"
            )
        else:
            row_of[clip] = row
    without = [clip for clip in range(len(corpus)) if clip not in row_of]
    if without:
        missing = str(corpus.table["file"].iloc[without[0]])
        there = "" if Path(missing).exists() else ", a file that does not exist"
        others = "".join(
            f"; {len(strangers)} rows are of no clip, such as {name}" for name in strangers[:1]
        )
        raise InputError(
            f"{path}: {len(without)} of {len(corpus)} clips of {corpus.name} have no row, such as "
            f"{missing}{there}{others}; expected one for each, under the path "
            "or the name of its file: add them, or leave the clips out of the corpus"
        )
    return [row_of[clip] for clip in range(len(corpus))]


class _Finder:
    """Finds the clip that a row is of."""

    def __init__(self, path: Path, table: _Rows, corpus: Corpus) -> None:
        self._path, self._table, self._corpus = path, table, corpus
        self._clips_named: dict[str, list[int]] = defaultdict(list)
        self._parts = [_parts(str(file)) for file in corpus.table["file"]]
        for clip, parts in enumerate(self._parts):
            self._clips_named[parts[-1]].append(clip)
        files_named = {(_parts(file)[-1:], file) for file in table.files}
        self._n_files_named = Counter(name for name, _ in files_named)
        self._start_s = corpus.table["start"].to_numpy(dtype=np.float64)
        self._end_s = corpus.table["end"].to_numpy(dtype=np.float64)

    def clip(self, row: int) -> int | None:
        start_s, end_s = self._table.start_s[row], self._table.end_s[row]
        clips = [clip for clip in self._clips_of_file(row) if _is_at(self._start_s[clip], start_s)]
        if len(clips) > 1:
            clips = [clip for clip in clips if _is_at(self._end_s[clip], end_s)]
        if len(clips) > 1:
            raise InputError(
                f"{self._path}: row {row} is of {len(clips)} clips, {self._table.files[row]}; "
                "expected one: add columns start and end, or longer paths"
            )
        return clips[0] if clips else None

    def _clips_of_file(self, row: int) -> list[int]:
        parts = _parts(self._table.files[row])
        named = self._clips_named.get(parts[-1], []) if parts else []
        ending = [clip for clip in named if self._parts[clip][-len(parts) :] == parts]
        if ending:
            return ending
        files = {self._parts[clip] for clip in named}
        if len(files) == 1 and self._n_files_named[parts[-1:]] == 1:
            return named
        return []


def _is_at(known_s: float, given_s: float) -> bool:
    """Whether a time is the one that a row gives; so is any where it gives none."""
    return bool(np.isnan(given_s) or abs(known_s - given_s) <= _SAME_TIME_S)


def _parts(file: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(file.replace("\\", "/")).parts if part != "..")


def _float32(values: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):  # what becomes infinite is refused with its row
        return np.array(values, dtype=np.float32)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
