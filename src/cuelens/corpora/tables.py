"""Corpora described by a table: CSV, TSV, Parquet, or an audformat database."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from cuelens.corpora.corpus import COLUMNS, Corpus
from cuelens.corpora.emotions import canonical_emotion
from cuelens.corpora.table_file import TABLE_TYPES, read_frame
from cuelens.errors import InputError
from cuelens.input_file import read_yaml


def read_table(path: Path) -> Corpus:
    """Corpus from a CSV, TSV or Parquet table.

    Columns (or index levels) ``file`` and ``emotion`` are required, ``start``, ``end``,
    ``speaker`` and ``sentence`` optional; further columns are kept.  Relative paths are relative
    to the table.  Times are seconds, or time differences as pandas writes them
    (``0 days 00:00:01.5``).  Rows without an emotion are left out and counted in the notes.

    Raises
    ------
    InputError
        Not a table, a column missing, a label or time that cannot be understood, or no file there.
    """
    kind = path.suffix.lower()
    if kind not in TABLE_TYPES:
        raise InputError(
            f"{path}: is a {kind or 'file without a type'}; expected a folder of recordings or a "
            f"table ({', '.join(TABLE_TYPES)})"
        )
    frame = read_frame(path, dtype=str, keep_default_na=False)  # so that speaker 03 stays 03
    if kind != ".parquet":
        frame = frame.mask(frame == "")
    levels = [str(name) for name in frame.index.names if name is not None]
    if levels:  # audformat keeps file, start and end in the index
        frame = frame.reset_index()
    try:
        return corpus_from_frame(frame, name=path.stem, licence="unknown", folder=path.parent)
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path.stem}: ')}") from None


def corpus_from_frame(frame: pd.DataFrame, *, name: str, licence: str, folder: Path) -> Corpus:
    """Corpus from a table in memory; see `read_table` for its columns.

    Parameters
    ----------
    frame : pandas.DataFrame
        Not changed.
    name, licence : str
    folder : Path
        What relative paths are relative to.
    """
    missing = [column for column in ("file", "emotion") if column not in frame.columns]
    if missing:
        raise InputError(
            f"{name}: the table has no column {' or '.join(missing)}, only "
            f"{', '.join(map(str, frame.columns))}; expected file and emotion: rename the columns"
        )
    notes = []
    labelled = frame["emotion"].notna()
    if not labelled.all():
        notes.append(f"{(~labelled).sum()} rows without an emotion left out")
    if not labelled.any():
        raise InputError(f"{name}: no row has an emotion; expected a label in column emotion")
    table = frame[labelled].copy()
    if table["file"].isna().any():
        raise InputError(f"{name}: {table['file'].isna().sum()} rows name no file; expected a path")
    root = folder.resolve()
    table["file"] = [str(root / str(file)) for file in table["file"]]
    if not any(Path(file).is_file() for file in table["file"]):
        raise InputError(
            f"{name}: none of the {len(table)} files exists, such as {table['file'].iloc[0]}; "
            f"expected paths that are absolute or relative to {folder}"
        )
    labels: dict[object, str] = {}
    for label, file in zip(table["emotion"], table["file"], strict=True):
        if label not in labels:
            try:
                labels[label] = canonical_emotion(label)
            except InputError as error:
                raise InputError(f"{name}: {file}: {error}") from None
    table["emotion"] = [labels[label] for label in table["emotion"]]
    for column in ("speaker", "sentence"):
        values = table[column] if column in table.columns else [None] * len(table)
        table[column] = pd.Series(
            [None if pd.isna(value) else str(value) for value in values],
            index=table.index,
            dtype="str",
        )
    table["start"] = _seconds(table, "start", name).fillna(0.0)
    table["end"] = _seconds(table, "end", name)
    others = [column for column in table.columns if column not in COLUMNS]
    return Corpus(name=name, licence=licence, table=table[[*COLUMNS, *others]], notes=tuple(notes))


def _seconds(table: pd.DataFrame, column: str, name: str) -> pd.Series[float]:
    """A column of times in seconds; NaN where there is none."""
    if column not in table.columns:
        return pd.Series(float("nan"), index=table.index, dtype=float)
    values = table[column]
    seconds: pd.Series[float]
    if pd.api.types.is_timedelta64_dtype(values):
        seconds = values.dt.total_seconds()
        return seconds
    seconds = pd.to_numeric(values, errors="coerce").astype(float)
    others = values[seconds.isna() & values.notna()]
    try:
        seconds[others.index] = pd.to_timedelta(others).dt.total_seconds()
    except ValueError as error:
        raise InputError(
            f"{name}: column {column} has {others.iloc[0]!r}; expected seconds or a time such as "
            "'0 days 00:00:01.5'"
        ) from error
    return seconds


@contextmanager
def _without_pickles(folder: Path) -> Iterator[Path]:
    """A database as audformat may read it: it would run what a pickled table or a YAML tag says."""
    header = folder / "db.yaml"
    described = read_yaml(header)
    for kind in ("tables", "misc_tables"):
        names = described.get(kind) if isinstance(described, dict) else None
        for name in names if isinstance(names, dict) else ():
            if not re.fullmatch(r"[\w.-]+", str(name)):
                raise InputError(f"{header}: a table is called {name!r}; expected a plain name")
    with TemporaryDirectory() as place:
        shutil.copy(header, Path(place))
        for file in folder.glob("db.*"):
            if file.suffix in {".csv", ".parquet"} and file.is_file():
                (Path(place) / file.name).symlink_to(file.resolve())
        yield Path(place)


def read_audformat(folder: Path) -> Corpus:
    """Corpus from an audformat database: every table of it that has a column ``emotion``.

    Speaker and sentence (or transcription) come from the same tables; if they do not say, from
    the first table of whole files that does.

    Raises
    ------
    InputError
        It cannot be loaded, its description holds more than plain values, no table has a column
        ``emotion``, or two tables disagree.

    References
    ----------
    https://audeering.github.io/audformat/
    """
    import audformat  # imported when needed: start-up time

    try:
        with warnings.catch_warnings(), _without_pickles(folder) as plain:
            warnings.simplefilter("ignore", DeprecationWarning)  # between audformat and pandas
            database = audformat.Database.load(str(plain))
            frames = {table: database[table].get() for table in database.tables}
    except InputError:
        raise
    except Exception as error:  # audformat lets whatever its parsers raise through
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: cannot be read as an audformat database ({reason})") from error
    labelled = {table: frame for table, frame in frames.items() if "emotion" in frame.columns}
    if not labelled:
        raise InputError(
            f"{folder}: no table has a column emotion, only {', '.join(frames) or 'none at all'}; "
            "expected one: export a table with columns file and emotion to CSV and load that"
        )
    parts = []
    for frame in labelled.values():
        part = audformat.utils.to_segmented_index(frame, allow_nat=True).astype("str")
        part = part.rename(columns={"transcription": "sentence"})
        parts.append(part[[c for c in ("emotion", "speaker", "sentence") if c in part.columns]])
    clips = pd.concat(parts).groupby(level=["file", "start", "end"], dropna=False)
    n_labels = clips["emotion"].nunique()
    disagree = n_labels > 1
    if disagree.any():
        raise InputError(
            f"{folder}: tables {', '.join(labelled)} disagree on the emotion of "
            f"{disagree.index[disagree.to_numpy()][0][0]}; expected one label per clip: export "
            "the table you want to CSV and load that"
        )
    rows = clips.first().reset_index()
    for column, names in (("speaker", ("speaker",)), ("sentence", ("sentence", "transcription"))):
        for frame in frames.values():
            for name in names:
                if (
                    column not in rows.columns
                    and name in frame.columns
                    and audformat.is_filewise_index(frame)
                ):
                    rows[column] = rows["file"].map(frame[name].astype("str"))
    licence = str(database.license or "unknown")
    return corpus_from_frame(rows, name=str(database.name), licence=licence, folder=folder)
