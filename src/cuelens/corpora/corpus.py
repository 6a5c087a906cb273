"""A corpus: a table of clips, their sound on demand, and splits that keep speakers apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cuelens.audio import Audio, load_audio
from cuelens.corpora.emotions import CANONICAL, canonical_emotion
from cuelens.errors import InputError
from cuelens.typing import IntArray

COLUMNS = ("file", "start", "end", "speaker", "emotion", "sentence")


class SpeakerSplit(NamedTuple):
    """One speaker for testing, all others for training (row numbers of the table)."""

    speaker: str
    train: IntArray
    test: IntArray


class SpeakerFold(NamedTuple):
    """Some speakers for testing, all others for training (row numbers of the table)."""

    speakers: tuple[str, ...]
    train: IntArray
    test: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Clips of emotional speech.

    Parameters
    ----------
    name : str
    licence : str
        Short name of the licence, or "unknown".
    table : pandas.DataFrame
        One row per clip.  ``file`` (str, absolute path), ``start`` and ``end`` (float, s; NaN
        end = to the end of the file), ``speaker`` and ``sentence`` (str, missing where
        unknown), ``emotion`` (one of `CANONICAL`), then whatever else is known.  Copied, sorted
        by file and start, and numbered from 0.
    notes : tuple of str
        What was left out or assumed on reading, one sentence each.

    Raises
    ------
    InputError
        No clips, a column missing, an emotion that is not canonical, an impossible start or end,
        or the same part of a file twice.
    """

    name: str
    licence: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table.columns]
        if missing:
            raise InputError(
                f"{self.name}: the table has no column {', '.join(missing)}; expected "
                f"{', '.join(COLUMNS)}: use load_corpus, which fills them in"
            )
        if self.table.empty:
            raise InputError(f"{self.name}: no clips; expected at least one")
        others = [column for column in self.table.columns if column not in COLUMNS]
        table = self.table[[*COLUMNS, *others]].sort_values(["file", "start", "end"])
        table = table.reset_index(drop=True)
        strange = sorted(set(table["emotion"]) - set(CANONICAL), key=str)
        if strange:
            raise InputError(
                f"{self.name}: emotion {strange[0]!r} is not canonical; expected one of "
                f"{', '.join(CANONICAL)}: pass it through canonical_emotion"
            )
        _refuse_impossible_times(self.name, table)
        object.__setattr__(self, "table", table)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The known speakers, sorted."""
        return tuple(sorted(self.table["speaker"].dropna().unique()))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, sorted."""
        return tuple(sorted(self.table["emotion"].unique()))

    def audio(self, i: int, *, sample_rate: int | None = 16_000) -> Audio:
        """The sound of clip `i`.

        Parameters
        ----------
        i : int
            Row number in the table.
        sample_rate : int or None, Hz
            Rate to resample to; None keeps the file's own.

        Raises
        ------
        InputError
            No such clip, or its file is missing or cannot be read.
        """
        if not 0 <= i < len(self):
            raise InputError(f"{self.name}: no clip {i}; expected 0 to {len(self) - 1}")
        end = float(self.table["end"].iloc[i])
        return load_audio(
            str(self.table["file"].iloc[i]),
            sample_rate=sample_rate,
            start_s=float(self.table["start"].iloc[i]),
            end_s=None if np.isnan(end) else end,
        )

    def find(self, file: str | Path) -> int | None:
        """Row of a recording, by its path; None where it is not in the corpus."""
        wanted = Path(file).resolve()
        for row, known in enumerate(self.table["file"]):
            if Path(str(known)).name == wanted.name and Path(str(known)).resolve() == wanted:
                return row
        return None

    def speaker_of(self, row: int) -> str | None:
        """Speaker of a clip by its row; None where unknown."""
        speaker = self.table["speaker"].iloc[row]
        return None if pd.isna(speaker) else str(speaker)

    def select(
        self, *, emotions: Iterable[str] | None = None, speakers: Iterable[str] | None = None
    ) -> Corpus:
        """The clips of some emotions (any spelling) and some speakers.

        Raises
        ------
        InputError
            An emotion or a speaker does not occur, or nothing is left.
        """
        keep = pd.Series(data=True, index=self.table.index)
        if emotions is not None:
            wanted = [canonical_emotion(label) for label in _names("emotions", emotions)]
            _refuse_absent(self.name, "emotion", wanted, self.emotions)
            keep &= self.table["emotion"].isin(wanted)
        if speakers is not None:
            wanted = _names("speakers", speakers)
            _refuse_absent(self.name, "speaker", wanted, self.speakers)
            keep &= self.table["speaker"].isin(wanted)
        if not keep.any():
            raise InputError(
                f"{self.name}: no clip has both one of these emotions and one of these speakers; "
                "expected at least one: ask for more"
            )
        return replace(self, table=self.table[keep])

    def leave_one_speaker_out(self) -> Iterator[SpeakerSplit]:
        """One split per speaker, in order: test on that speaker, train on all others.

        Raises
        ------
        InputError
            A clip has no speaker, or there is only one speaker.
        """
        speaker = self._speaker_of_each_clip()
        return (
            SpeakerSplit(name, np.flatnonzero(speaker != name), np.flatnonzero(speaker == name))
            for name in self.speakers
        )

    def speaker_folds(self, n_folds: int, *, seed: int = 0) -> list[SpeakerFold]:
        """Splits in which no speaker is on both sides and every clip is tested once.

        Speakers, largest first, each go to the fold with the fewest clips so far; speakers with
        equally many clips go in random order.

        Parameters
        ----------
        n_folds : int
            2 up to the number of speakers.
        seed : int

        Raises
        ------
        InputError
            A clip has no speaker, or `n_folds` is out of range.
        """
        speaker = self._speaker_of_each_clip()
        names = np.array(self.speakers)
        if not 2 <= n_folds <= len(names):
            raise InputError(
                f"{self.name}: n_folds is {n_folds}; expected 2 to {len(names)}, the number of "
                "speakers: a speaker is never split"
            )
        names = np.random.default_rng(seed).permutation(names)
        n_clips = np.array([np.count_nonzero(speaker == name) for name in names])
        filled = np.zeros(n_folds, dtype=np.int64)
        members: list[list[str]] = [[] for _ in range(n_folds)]
        for i in np.argsort(-n_clips, kind="stable"):
            smallest = int(filled.argmin())
            members[smallest].append(str(names[i]))
            filled[smallest] += n_clips[i]
        folds = []
        for fold in members:
            tested = np.isin(speaker, fold)
            folds.append(
                SpeakerFold(tuple(sorted(fold)), np.flatnonzero(~tested), np.flatnonzero(tested))
            )
        return folds

    def _speaker_of_each_clip(self) -> NDArray[np.str_]:
        unknown = self.table["speaker"].isna()
        if unknown.any():
            raise InputError(
                f"{self.name}: {unknown.sum()} of {len(self)} clips have no speaker, such as "
                f"{self.table['file'][unknown].iloc[0]}; expected one for each, or the same voice "
                "would be on both sides of a split: add a column 'speaker' to the table, or load "
                r"the folder with speaker_pattern, e.g. r'(?P<speaker>[^/]+)/'"
            )
        if len(self.speakers) < 2:
            raise InputError(
                f"{self.name}: the only speaker is {self.speakers[0]}; expected at least two: "
                "a split that keeps speakers apart needs another voice"
            )
        speaker: NDArray[np.str_] = self.table["speaker"].to_numpy(dtype=np.str_)
        return speaker


def _names(what: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str):
        raise InputError(f"{what} is {values!r}; expected a list of names, such as [{values!r}]")
    return list(values)


def _refuse_absent(corpus: str, what: str, wanted: list[str], present: tuple[str, ...]) -> None:
    absent = [name for name in wanted if name not in present]
    if absent:
        raise InputError(
            f"{corpus}: no {what} {', '.join(map(str, absent))}; expected some of "
            f"{', '.join(present) or 'none: no clip has one'}"
        )


def _refuse_impossible_times(corpus: str, table: pd.DataFrame) -> None:
    start, end = table["start"], table["end"]
    wrong = ~(start >= 0) | (end <= start)
    if wrong.any():
        row = table[wrong].iloc[0]
        raise InputError(
            f"{corpus}: {row['file']} goes from {row['start']} to {row['end']} s; expected a "
            "start of 0 or more and an end after it"
        )
    twice = table.duplicated(["file", "start", "end"])
    if twice.any():
        row = table[twice].iloc[0]
        raise InputError(
            f"{corpus}: {twice.sum()} rows repeat a part of a file that another row has, such as "
            f"{row['file']} from {row['start']} s; expected each once: keep one row per clip"
        )
