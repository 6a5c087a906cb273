"""Labels from files: Praat TextGrid, ELAN, CTM, tables (of EmoDB: :mod:`emodb_labels`).

Readers are written out here, without a library: each format is a page, and every error can name
the line.  ELAN files are XML; they are read by expat, which fetches nothing, and refused where they
declare a document type, because entities could be made to expand without end.

References
----------
.. [1] P. Boersma, D. Weenink, "TextGrid file formats", Praat manual.
.. [2] "ELAN annotation format, EAF 3.0", Max Planck Institute for Psycholinguistics.
.. [3] NIST, "Speech recognition scoring toolkit (SCTK)", CTM file format.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cuelens.errors import InputError
from cuelens.input_file import read_bytes
from cuelens.units.elan import eaf_rows
from cuelens.units.recordings import is_named
from cuelens.units.segments import Label

SILENCES = frozenset(("", "sil", "sp", "pau", "<sil>", "<eps>", "<p:>", "<pause>", "(pause)"))
"""Labels, in lower case, that stand for a pause."""

TIER_NAMES: Mapping[str, tuple[str, ...]] = {
    "words": ("words", "word", "wrd", "ort", "ort-mau", "wörter", "wort", "tokens"),
    "syllables": ("syllables", "syllable", "syll", "syl", "mas", "silben", "silbe"),
    "phones": ("phones", "phone", "phonemes", "phn", "mau", "kan-mau", "segments", "laute"),
}
"""Names under which tiers are looked for, in lower case, the most common first."""

_ROUNDING_S = 0.001


class Row(NamedTuple):
    """An interval of a file, before it is checked."""

    start_s: float
    end_s: float
    name: str
    line: int


def read_tiers(file: str | Path, *, recording: str | None = None) -> dict[str, tuple[Label, ...]]:
    """The interval tiers of a label file, by name, in the order of the file.

    Parameters
    ----------
    file : path
        ``.TextGrid`` (long or short text, UTF-8 or UTF-16), ``.eaf``, ``.ctm``, ``.csv`` or
        ``.tsv`` with columns start, end, label, in seconds, and optionally tier and file.
    recording : str or None
        Name of the recording, without folder and ending.  Files that say which recording a label
        is of (CTM, tables with a column ``file``) must hold it; None: they hold one only.

    Returns
    -------
    dict of str to tuple of Label
        Intervals without text and marks of silence are left out.  Formats without names of tiers
        give one tier, ``""``.

    Raises
    ------
    InputError
        Missing, not of a known format, damaged, without the recording, or with intervals that
        overlap or end before they start: the line says which.
    """
    file = Path(file)
    return {name: _sound(rows, file) for name, rows in _found(file, recording).items()}


def names_recordings(file: str | Path) -> bool:
    """Whether a label file says of every label which recording it is of."""
    file = Path(file)
    suffix = file.suffix.lower()
    if suffix not in (".csv", ".tsv"):
        return suffix == ".ctm"
    try:
        return "file" in _columns(_text(_bytes(file), file).splitlines())[1]
    except csv.Error:  # no table: said when its labels are read
        return False


def _found(file: Path, recording: str | None) -> dict[str, list[Row] | InputError]:
    """Every tier, unchecked: a bad one costs the others nothing."""
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file}: unknown kind of label file; expected {', '.join(_READERS)}")
    return reader(_bytes(file), file, recording)


def _bytes(file: Path) -> bytes:
    return read_bytes(file, expected="a label file")


def _sound(found: list[Row] | InputError, file: Path) -> tuple[Label, ...]:
    if isinstance(found, InputError):
        raise found
    return checked_labels(found, file)


def read_labels(
    file: str | Path, *, kind: str = "words", tier: str | None = None, recording: str | None = None
) -> tuple[Label, ...]:
    """Labels of one tier; what is wrong in others does not matter.

    Parameters
    ----------
    file, recording
        As in :func:`read_tiers`.
    kind : {"words", "syllables", "phones"}
        What is wanted: finds the tier by its usual names.
    tier : str or None
        Name of the tier, where it is another.

    Raises
    ------
    InputError
        As :func:`read_tiers`; or there is no such tier: the error lists those there are.
    """
    file = Path(file)
    tiers = _found(file, recording)
    if tier is None:
        names = {name.casefold(): name for name in reversed(tiers)}
        found = [names[name] for name in TIER_NAMES.get(kind, (kind,)) if name in names]
        tier = found[0] if found else next(iter(tiers)) if len(tiers) == 1 else None
    there = ", ".join(f"“{name}”" for name in tiers) or "no tier of intervals with times"
    if tier is None:
        raise InputError(
            f"{file}: no tier that is called as {kind} usually are, but {there}; expected one of "
            f"these: write {kind}:FILE#TIER"
        )
    if tier not in tiers:
        raise InputError(
            f"{file}: no tier “{tier}” of intervals with times of their own; expected one of "
            f"{there}"
        )
    labels = _sound(tiers[tier], file)
    if not labels:
        raise InputError(f"{file}: tier “{tier}” holds no label; expected at least one")
    return labels


def checked_labels(rows: Sequence[Row], file: Path) -> tuple[Label, ...]:
    """Rows in order of time without silences; reversed or overlapping ones are InputErrors."""
    kept: list[Row] = []
    for row in rows:
        if not (0.0 <= row.start_s < row.end_s < math.inf):
            raise InputError(
                f"{file}, line {row.line}: “{row.name}” goes from {row.start_s:g} to "
                f"{row.end_s:g} s; expected an end after the start, and times from 0"
            )
        kept.append(row)
    kept.sort(key=lambda row: row.start_s)
    for before, after in pairwise(kept):
        if after.start_s < before.end_s - _ROUNDING_S:
            raise InputError(
                f"{file}, line {after.line}: “{after.name}” starts at {after.start_s:g} s, before "
                f"“{before.name}” (line {before.line}) ends at {before.end_s:g} s; expected "
                "intervals that do not overlap"
            )
    return tuple(
        Label(row.start_s, row.end_s, row.name.strip())
        for row in kept
        if row.name.strip().casefold() not in SILENCES
    )


def number(text: str, file: Path, line: int, what: str) -> float:
    """A time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{file}, line {line}: {what} is {text!r}; expected a time in seconds")
    return value


def _text(data: bytes, file: Path) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}: byte {error.start} is not {encoding.removesuffix('-sig').upper()}; expected "
            "UTF-8 or UTF-16: save it again as UTF-8"
        ) from error


# Praat reads texts in double quotes, numbers that stand alone and <flags>; all else is a comment.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(<[^>\s]+>|[-+]?[0-9][0-9.eE+-]*%?)(?!\S)')


class _Tokens:
    """What counts in a text file of Praat, long or short, token by token."""

    def __init__(self, text: str, file: Path) -> None:
        self._found = _TOKEN.finditer(text)
        self._text, self._file = text, file
        self._line, self._at = 1, 0

    def next(self, what: str, *, quoted: bool) -> str:
        match = next(self._found, None)
        if match is None:
            raise InputError(f"{self._file}: ends before {what}; expected a complete TextGrid")
        self._line += self._text.count("\n", self._at, match.start())
        self._at = match.start()
        if quoted != (match[1] is not None):
            raise InputError(
                f"{self._file}, line {self._line}: found {match[0]}; expected {what}"
                f"{' in double quotes' if quoted else ''}"
            )
        return match[1].replace('""', '"') if quoted else match[2]

    def number(self, what: str) -> float:
        return number(self.next(what, quoted=False), self._file, self._line, what)

    @property
    def line(self) -> int:
        return self._line


def _textgrid_rows(
    data: bytes, file: Path, _recording: str | None
) -> dict[str, list[Row] | InputError]:
    tokens = _Tokens(_text(data, file), file)
    kind = tokens.next("the file type", quoted=True), tokens.next("the object class", quoted=True)
    if kind[0] not in ("ooTextFile", "ooTextFile short") or kind[1] != "TextGrid":
        raise InputError(f"{file}: a Praat file of {kind[1]}; expected a TextGrid saved as text")
    tokens.number("the start"), tokens.number("the end")
    if tokens.next("<exists>", quoted=False) != "<exists>":
        return {}
    tiers: dict[str, list[Row] | InputError] = {}
    for _ in range(int(tokens.number("the number of tiers"))):
        of_intervals = tokens.next("the class of a tier", quoted=True) == "IntervalTier"
        name = tokens.next("the name of a tier", quoted=True)
        tokens.number("the start of a tier"), tokens.number("its end")
        rows = []
        for _ in range(int(tokens.number("the number of its intervals"))):
            start_s = tokens.number("the start of an interval")
            end_s = tokens.number("the end of an interval") if of_intervals else start_s
            label = tokens.next("the text of an interval", quoted=True)
            rows.append(Row(start_s, end_s, label, tokens.line))
        if of_intervals:
            tiers[_new_name(name, tiers)] = rows
    return tiers


def _new_name(name: str, taken: Mapping[str, object]) -> str:
    """Tiers of one name are told apart by a number."""
    number_, new = 1, name
    while new in taken:
        number_ += 1
        new = f"{name} {number_}"
    return new


def _ctm_rows(data: bytes, file: Path, recording: str | None) -> dict[str, list[Row] | InputError]:
    rows: list[tuple[str, Row]] = []
    for line, content in enumerate(_text(data, file).splitlines(), start=1):
        parts = content.split()
        if not parts or content.lstrip().startswith(";;"):
            continue
        if len(parts) not in (5, 6, 7, 8):
            raise InputError(
                f"{file}, line {line}: {len(parts)} columns; expected recording, channel, start, "
                "duration, word, and perhaps a confidence"
            )
        start_s = number(parts[2], file, line, "the start")
        end_s = start_s + number(parts[3], file, line, "the duration")
        rows.append((parts[0], Row(start_s, end_s, parts[4], line)))
    own = _own_name(dict.fromkeys(name for name, _ in rows), file, recording)
    return {"": [row for name, row in rows if name == own]}


def _own_name(names: Mapping[str, object], file: Path, recording: str | None) -> str:
    """Which of the recordings that a file names is meant; ``""`` where it names none at all."""
    if not names:
        return ""
    some = ", ".join(list(names)[:4]) + (", ..." if len(names) > 4 else "")
    if recording is None:
        if len(names) == 1:
            return next(iter(names))
        raise InputError(
            f"{file}: holds {len(names)} recordings ({some}); expected to be told which: recording="
        )
    own = [name for name in names if is_named(name, recording)]
    if not own:
        raise InputError(
            f"{file}: holds labels of {some} and not of “{recording}”; expected the clip and its "
            "recording in the file to have one name"
        )
    if len(own) > 1:
        raise InputError(
            f"{file}: {' and '.join(own)} are both named “{recording}”; expected one of that name"
        )
    return own[0]


def _columns(lines: Sequence[str]) -> tuple[str, list[str]]:
    """What separates the columns of a table, and their names in lower case."""
    header = lines[0] if lines else ""
    delimiter = max("\t;,", key=header.count)
    names = next(csv.reader(lines[:1], delimiter=delimiter, skipinitialspace=True), [])
    return delimiter, [name.strip().casefold() for name in names]


def _table_rows(
    data: bytes, file: Path, recording: str | None
) -> dict[str, list[Row] | InputError]:
    try:
        return _rows_of_table(_text(data, file).splitlines(), file, recording)
    except csv.Error as error:
        raise InputError(
            f"{file}: no table ({error}); expected columns start, end and label, in seconds"
        ) from error


def _rows_of_table(
    lines: Sequence[str], file: Path, recording: str | None
) -> dict[str, list[Row] | InputError]:
    delimiter, columns = _columns(lines)
    if not {"start", "end", "label"} <= set(columns):
        raise InputError(
            f"{file}, line 1: columns are {', '.join(columns) or 'missing'}; expected start, end "
            "and label, in seconds"
        )
    if len(set(columns)) < len(columns):
        raise InputError(
            f"{file}, line 1: columns are {', '.join(columns)}; expected every name once"
        )
    reader = csv.DictReader(lines[1:], columns, delimiter=delimiter, skipinitialspace=True)
    rows = [(reader.line_num + 1, row) for row in reader]
    for line, row in rows:
        if None in row or None in row.values():
            raise InputError(
                f"{file}, line {line}: not as many columns as the header has; expected "
                f"{len(columns)}: put labels with a “{delimiter}” in double quotes"
            )
    if "file" in columns:
        own = _own_name(dict.fromkeys(row["file"] for _, row in rows), file, recording)
        rows = [(line, row) for line, row in rows if row["file"] == own]
    tiers: dict[str, list[Row] | InputError] = {}
    for line, row in rows:
        found = tiers.setdefault(row.get("tier", "").strip(), [])
        if isinstance(found, InputError):
            continue
        try:
            start_s = number(row["start"], file, line, "the start")
            end_s = number(row["end"], file, line, "the end")
        except InputError as error:
            tiers[row.get("tier", "").strip()] = error
            continue
        found.append(Row(start_s, end_s, row["label"], line))
    return tiers


def _eaf_rows(data: bytes, file: Path, recording: str | None) -> dict[str, list[Row] | InputError]:
    return {
        name: rows if isinstance(rows, InputError) else [Row(*row) for row in rows]
        for name, rows in eaf_rows(data, file, recording).items()
    }


_Reader = Callable[[bytes, Path, str | None], dict[str, list[Row] | InputError]]
_READERS: dict[str, _Reader] = {
    ".textgrid": _textgrid_rows,
    ".eaf": _eaf_rows,
    ".ctm": _ctm_rows,
    ".csv": _table_rows,
    ".tsv": _table_rows,
}
SUFFIXES = tuple(_READERS)
"""Of the files that :func:`read_tiers` reads, in lower case."""
