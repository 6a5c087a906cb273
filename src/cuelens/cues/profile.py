"""What a corpus itself shows: each emotion against the speakers' own neutral speech."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
import scipy.stats

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.cues.baseline import evened_out
from cuelens.cues.definitions import CUES
from cuelens.cues.measure import measure_cues
from cuelens.errors import InputError
from cuelens.input_file import parse_json
from cuelens.typing import FloatArray

_MIN_SPEAKERS = 3


@dataclass(frozen=True, kw_only=True)
class ProfileCell:
    """One emotion and cue.

    Parameters
    ----------
    difference : float
        Mean over speakers of (their mean with the emotion - their neutral mean) / their standard
        deviation; NaN where fewer than three speakers can be compared.
    low, high : float
        95 % t interval over speakers.
    n_speakers, n_up : int
        Speakers compared, and those with a positive difference.
    """

    difference: float
    low: float
    high: float
    n_speakers: int
    n_up: int

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval excludes 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True, kw_only=True)
class CorpusProfile:
    """Cells by (emotion, cue), and the corpus they are from."""

    corpus: str
    cells: Mapping[tuple[str, str], ProfileCell]

    def to_json(self) -> str:
        """The profile as JSON text."""
        rows = [
            {
                "emotion": emotion,
                "cue": cue,
                "difference": cell.difference,
                "low": cell.low,
                "high": cell.high,
                "n_speakers": cell.n_speakers,
                "n_up": cell.n_up,
            }
            for (emotion, cue), cell in self.cells.items()
        ]
        return json.dumps({"corpus": self.corpus, "cells": rows}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> CorpusProfile:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        InputError
            Something else.
        """
        try:
            data = parse_json(text)
            cells = {
                (row.pop("emotion"), row.pop("cue")): ProfileCell(**row) for row in data["cells"]
            }
            return cls(corpus=data["corpus"], cells=MappingProxyType(cells))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"not a profile of a corpus ({error!r})") from error


def corpus_profile(
    values: FloatArray, *, emotions: Sequence[str], speakers: Sequence[str], corpus: str
) -> CorpusProfile:
    """Within-speaker differences from neutral speech.

    Parameters
    ----------
    values : ndarray, shape (n_clips, 12)
        Whole-clip cues in the order of ``CUES``; NaN where there is none.
    emotions, speakers : sequence of str, length n_clips
    corpus : str

    Raises
    ------
    InputError
        No neutral clips.
    """
    emotion, speaker = np.array(emotions), np.array(speakers)
    if "neutral" not in emotions:
        raise InputError(f"corpus {corpus} has no neutral clips; expected some to compare with")
    cells = {}
    for name in sorted(set(emotions) - {"neutral"}):
        for column, cue in enumerate(CUES):
            differences = []
            for one in np.unique(speaker):
                own = values[speaker == one, column]
                felt = values[(speaker == one) & (emotion == name), column]
                neutral = values[(speaker == one) & (emotion == "neutral"), column]
                felt, neutral, own = (part[np.isfinite(part)] for part in (felt, neutral, own))
                if len(felt) and len(neutral) and len(own) > 2 and own.std() > 0:
                    differences.append((felt.mean() - neutral.mean()) / own.std(ddof=1))
            if len(differences) >= _MIN_SPEAKERS:
                found = np.array(differences)
                error = found.std(ddof=1) / np.sqrt(len(found))
                reach = scipy.stats.t.ppf(0.975, len(found) - 1) * error
                cells[name, cue] = ProfileCell(
                    difference=round(float(found.mean()), 4),
                    low=round(float(found.mean() - reach), 4),
                    high=round(float(found.mean() + reach), 4),
                    n_speakers=len(found),
                    n_up=int(np.sum(found > 0)),
                )
    return CorpusProfile(corpus=corpus, cells=MappingProxyType(cells))


def profile_of(
    corpus: Corpus,
    *,
    per_group: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> CorpusProfile:
    """Measure the clips of a corpus and compare emotions with neutral speech.

    Parameters
    ----------
    corpus : Corpus
    per_group : int or None
        At most so many clips of each speaker and emotion, the first; None: all.
    progress : callable, optional
        Called with the number of further clips that were measured.

    Notes
    -----
    Loudness is left out where all recordings have the same peak.
    """

    def values(index: int) -> tuple[Audio, list[float]]:
        audio = corpus.audio(index, sample_rate=16_000)
        return audio, [cue.value for cue in measure_cues(audio).clip()]

    table = corpus.table.reset_index(drop=True)
    if per_group is not None:
        table = table.groupby(["speaker", "emotion"], sort=False).head(per_group)
    rows, peaks_db = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # openSMILE runs outside Python's lock
        for audio, row in pool.map(values, table.index.tolist()):
            rows.append(row)
            peaks_db.append(20 * np.log10(float(np.abs(audio.samples).max())))
            if progress:
                progress(1)
    measured = np.array(rows)
    if evened_out(peaks_db):
        measured[:, list(CUES).index("intensity")] = np.nan
    return corpus_profile(
        measured,
        emotions=table["emotion"].tolist(),
        speakers=table["speaker"].astype(str).tolist(),
        corpus=corpus.name,
    )


@lru_cache(maxsize=1)
def emodb_profile() -> CorpusProfile:
    """The shipped profile of EmoDB, on which the bundled models were trained.

    Made by ``scripts/make_corpus_profile.py``.
    """
    text = (files("cuelens.cues") / "emodb_profile.json").read_text(encoding="utf-8")
    return CorpusProfile.from_json(text)
