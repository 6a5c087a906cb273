"""The clips of a run: of a corpus with its labels, or any recordings without."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cuelens.audio import Audio, load_audio
from cuelens.corpora import Corpus, load_corpus
from cuelens.corpora.load import audio_files
from cuelens.corpora.table_file import TABLE_TYPES
from cuelens.errors import InputError

_WILD = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class RunClip:
    """One clip of a run.

    Parameters
    ----------
    index : int
        Its place in the run, from 0.
    file : str
        Absolute path.
    start_s, end_s : float, s
        Part of the file; None: to its end.
    speaker, emotion, sentence : str or None
        None where unknown; the emotion is canonical.
    """

    index: int
    file: str
    start_s: float = 0.0
    end_s: float | None = None
    speaker: str | None = None
    emotion: str | None = None
    sentence: str | None = None

    def audio(self, *, sample_rate: int | None = 16_000) -> Audio:
        """Its sound.

        Raises
        ------
        InputError
            The file is missing or cannot be read.
        """
        return load_audio(
            self.file, sample_rate=sample_rate, start_s=self.start_s, end_s=self.end_s
        )

    def to_row(self) -> dict[str, Any]:
        """Columns clip, file, start_s, end_s, speaker, emotion, sentence."""
        known = {"clip": self.index, **vars(self)}
        del known["index"]
        known["file"] = shown_path(self.file)
        return known


@dataclass(frozen=True, kw_only=True, eq=False)
class RunClips:
    """The clips of a run, in order.

    Parameters
    ----------
    name : str
        Of the corpus, the folder or the pattern.
    clips : tuple of RunClip
    notes : tuple of str
        What was left out or assumed.
    """

    name: str
    clips: tuple[RunClip, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def to_frame(self) -> pd.DataFrame:
        """One row a clip: clip, file, start_s, end_s, speaker, emotion, sentence."""
        frame = pd.DataFrame([clip.to_row() for clip in self.clips])
        return frame.astype({"clip": "int64", "start_s": "float64", "end_s": "float64"})


def shown_path(file: str) -> str:
    """A path as text that every table takes, also where its bytes are no UTF-8."""
    return file.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def find_clips(source: str | Path | Corpus | Iterable[str | Path]) -> RunClips:
    """Clips of a corpus, a folder, a table, a pattern, or a list of files.

    Parameters
    ----------
    source : str, path, Corpus or iterable of path
        A corpus as for `load_corpus`: its labels and speakers come along.  A folder that is no
        corpus, a pattern such as ``"calls/**/*.wav"``, and files: their emotions are unknown.

    Returns
    -------
    RunClips
        In the order of the corpus, or sorted by path.

    Raises
    ------
    InputError
        No clips.
    """
    if isinstance(source, Corpus):
        return _of_corpus(source)
    if not isinstance(source, str | Path):
        return _of_files("files", source)
    text = str(source)
    path = Path(source).expanduser()
    if not path.exists() and _WILD & set(text):
        matching = _matching(path)
        if not matching:
            raise InputError(f"{text}: no file is named so; expected a pattern such as '*.wav'")
        return _of_files(path.name, matching)
    if path.is_file() and path.suffix.lower() not in TABLE_TYPES:
        return _of_files(path.name, [path])
    try:
        return _of_corpus(load_corpus(source))
    except InputError:
        files = audio_files(path) if path.is_dir() else []
        if not files:
            raise
    found = _of_files(path.resolve().name, [path / file for file in files])
    note = "no corpus that is known: emotions and speakers are unknown"
    return RunClips(name=found.name, clips=found.clips, notes=(note,))


def drawn(clips: RunClips, n_clips: int | None, *, seed: int = 0) -> RunClips:
    """So many of the clips at random, in order and numbered anew; None, or more: all."""
    if n_clips is None or n_clips >= len(clips):
        return clips
    rows = np.sort(np.random.default_rng(seed).permutation(len(clips))[:n_clips])
    some = tuple(replace(clips.clips[row], index=index) for index, row in enumerate(rows))
    return replace(clips, clips=some)


def _matching(pattern: Path) -> list[Path]:
    """Files of a pattern: what stands before its first wildcard is the folder."""
    parts = pattern.parts
    first = next(place for place, part in enumerate(parts) if _WILD & set(part))
    folder = Path(*parts[:first])
    return [file for file in folder.glob(str(Path(*parts[first:]))) if file.is_file()]


def _of_corpus(corpus: Corpus) -> RunClips:
    columns = ("file", "start", "end", "speaker", "emotion", "sentence")
    values = zip(*(corpus.table[column] for column in columns), strict=True)
    clips = tuple(
        RunClip(
            index=index,
            file=str(file),
            start_s=float(start),
            end_s=None if np.isnan(end) else float(end),
            speaker=_text(speaker),
            emotion=_text(emotion),
            sentence=_text(sentence),
        )
        for index, (file, start, end, speaker, emotion, sentence) in enumerate(values)
    )
    return RunClips(name=corpus.name, clips=clips, notes=corpus.notes)


def _of_files(name: str, files: Iterable[str | Path]) -> RunClips:
    paths = sorted({str(Path(file).expanduser().absolute()) for file in files})
    if not paths:
        raise InputError("no clips; expected one or more recordings")
    folder = next((path for path in paths if Path(path).is_dir()), None)
    if folder is not None:
        raise InputError(f"{folder}: is a folder among recordings; expected one folder, or files")
    clips = tuple(RunClip(index=index, file=file) for index, file in enumerate(paths))
    return RunClips(name=name, clips=clips)


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
