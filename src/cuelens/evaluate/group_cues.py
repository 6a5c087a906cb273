"""Acoustic cues of a group's clips, and by how much two groups differ in them.

Every clip is compared with the neutral speech of its own speaker.  Differences count standard
deviations of neutral clips of one speaker, as Glass's delta does [1]_, so cues of different units
can be sorted by size.

References
----------
.. [1] G. Glass, "Primary, secondary, and meta-analysis of research", Educational Researcher 5,
   1976.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.cues import CUES, measure_cues
from cuelens.cues.baseline import evened_out, hardly_varies
from cuelens.errors import CuelensWarning, InputError
from cuelens.evaluate.group_difference import difference_within, group_difference, voices
from cuelens.evaluate.over_clips import clip_columns, json_ready, records

N_NEUTRAL = 12  # neutral clips of a speaker that are measured, at most
OWN, OTHERS, ALL = "own neutral speech", "neutral speech of the corpus", "mean of the corpus"
_MIN_OWN = 2
_MIN_FREEDOM = 3  # of a standard deviation
_ABOUT = ("cue", "title", "unit")


@dataclass(frozen=True, kw_only=True, eq=False)
class CueComparison:
    """Which cues differ between two groups of clips.

    Parameters
    ----------
    by, first, second : str
    within : str or None
        Column that clips of both groups share, ``"emotion"`` of right and wrong answers.
    table : DataFrame
        One row a cue, the largest effect first: cue, title, unit, effect (difference of the means
        in standard deviations of neutral clips of one speaker), low, high (95 % interval of the
        effect over speakers; NaN where there is none), difference (in the cue's unit), n (clips, or
        pairs), n_speakers, paired, differs (whether the interval leaves out 0).
    """

    by: str
    first: str
    second: str
    within: str | None
    table: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """As JSON types: ``by``, ``first``, ``second``, ``within``, ``cues``."""
        return {
            "by": self.by,
            "first": self.first,
            "second": self.second,
            "within": self.within,
            "cues": records(self.table),
        }

    @property
    def account(self) -> str:
        """What differs and what does not, in a sentence or two."""
        known = self.table[self.table["low"].notna()]
        if known.empty:
            return "No cue can be compared: too few clips or speakers for an interval."
        sure = known[known["differs"]]
        words = [
            CUES[row["cue"]].higher if row["effect"] > 0 else CUES[row["cue"]].lower
            for row in sure.to_dict("records")
        ]
        n_null = len(known) - len(sure)
        parts = [", ".join(words)] if words else []
        if n_null:
            which = f"{n_null} of {len(known)}" if words else f"all {n_null}"
            parts.append(f"no difference was found in {which} cues, whose intervals include 0")
        return f"{self.first} against {self.second}: {'; '.join(parts)}."


def clip_cues(audio: Audio) -> dict[str, Any]:
    """Cues of a whole clip and its peak, as JSON types; no values where it is too short."""
    try:
        values = {cue.cue: cue.value for cue in measure_cues(audio).clip()}
    except InputError:
        values = {}
    peak = float(np.abs(audio.samples).max(initial=0.0))
    found: dict[str, Any] = json_ready(
        {"peak_db": 20 * np.log10(max(peak, 1e-9)), "values": values}
    )
    return found


def neutral_cues(corpus: Corpus, speakers: Iterable[str | None]) -> pd.DataFrame:
    """Measured neutral clips of some speakers, up to twelve of each.

    Clips that cannot be read are left out with a warning.

    Returns
    -------
    DataFrame
        The columns of :func:`cue_frame`, without those of answers.
    """
    table = corpus.table.reset_index(drop=True)
    wanted = table["speaker"].astype(object).where(table["speaker"].notna(), None)
    chosen = table[(table["emotion"] == "neutral") & wanted.isin(set(speakers))]
    rows: list[int] = []
    for _, part in chosen.groupby("speaker", dropna=False, sort=True):
        places = np.linspace(0, len(part) - 1, min(N_NEUTRAL, len(part))).astype(int)
        rows += part.index[places].tolist()

    def measured(row: int) -> dict[str, Any] | InputError:
        try:
            return clip_cues(corpus.audio(row, sample_rate=16_000))
        except InputError as error:
            return error

    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # openSMILE runs outside Python's lock
        for row, cues in zip(rows, pool.map(measured, rows), strict=True):
            if isinstance(cues, InputError):
                warnings.warn(f"left out of the baseline: {cues}", CuelensWarning, stacklevel=2)
                continue
            found.append((clip_columns(corpus, row) | {"corpus": corpus.name}, cues))
    return cue_frame(found)


def cue_frame(clips: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> pd.DataFrame:
    """One row a clip and cue, from what is known of clips and :func:`clip_cues` of each."""
    return pd.DataFrame(
        [
            {
                **about,
                "peak_db": cues["peak_db"],
                "cue": cue.key,
                "title": cue.title,
                "unit": cue.unit,
                "place": place,
                "value": np.nan if (value := cues["values"].get(cue.key)) is None else value,
            }
            for about, cues in clips
            for place, cue in enumerate(CUES.values())
        ]
    )


def standardised(explained: pd.DataFrame, neutral: pd.DataFrame) -> pd.DataFrame:
    """Cues of clips against neutral speech.

    Parameters
    ----------
    explained, neutral : DataFrame
        As from :func:`cue_frame`; clips may be in both.

    Returns
    -------
    DataFrame
        ``explained`` with the columns baseline (what a clip is compared with), above (value less
        the mean of the baseline) and effect (that divided by the standard deviation).

    Notes
    -----
    A baseline is the mean of the speaker's other neutral clips where there are two or more, else of
    other neutral clips of the corpus, else of all clips.  The standard deviation is that of neutral
    clips about the means of their speakers, pooled over the corpus; of all clips where there are
    fewer than three degrees of freedom.  There is no effect where more than half of these have the
    same value, as pauses may, nor of loudness where all clips of a corpus have the same peak.
    """
    key = ["corpus", "clip", "start_s", "cue"]
    pool = pd.concat([neutral, explained]).drop_duplicates(key)
    parts = []
    for (corpus, cue), part in explained.groupby(["corpus", "cue"], sort=False):
        known = pool[(pool["corpus"] == corpus) & (pool["cue"] == cue)]
        known = known[known["value"].notna()]
        same_peaks = evened_out(known["peak_db"].tolist())
        if known.empty or (cue == "intensity" and same_peaks):
            parts.append(part.assign(baseline="", above=np.nan, effect=np.nan))
            continue
        quiet = known[known["emotion"] == "neutral"]
        spread = _spread(quiet)
        if not np.isfinite(spread):
            spread = _spread(known)
        compared = [_centre(row, quiet, known) for row in part.to_dict("records")]
        above = part["value"] - np.array([centre for centre, _ in compared])
        parts.append(
            part.assign(
                baseline=[name for _, name in compared],
                above=above,
                effect=above / spread if spread > 0 else np.nan,
            )
        )
    return pd.concat(parts).sort_index().drop(columns="peak_db")


def _centre(row: Mapping[Any, Any], quiet: pd.DataFrame, known: pd.DataFrame) -> tuple[float, str]:
    others = quiet[(quiet["clip"] != row["clip"]) | (quiet["start_s"] != row["start_s"])]
    own = others[others["speaker"] == row["speaker"]]["value"]
    if len(own) >= _MIN_OWN:
        return float(own.mean()), OWN
    if len(others) >= _MIN_OWN:
        return float(others["value"].mean()), OTHERS
    return float(known["value"].mean()), ALL


def _spread(clips: pd.DataFrame) -> float:
    """Standard deviation about the means of speakers; NaN for few clips, 0 for equal values."""
    names = voices(clips).fillna("")
    about = clips["value"] - clips["value"].groupby(names).transform("mean")
    freedom = len(clips) - names.nunique()
    if freedom < _MIN_FREEDOM:
        return float("nan")
    if hardly_varies(clips["value"].to_numpy()):
        return 0.0
    return float(np.sqrt((about**2).sum() / freedom))


def compare_cues(
    cues: pd.DataFrame, first: str, second: str, *, by: str, paired: bool = False
) -> CueComparison:
    """Which cues differ between two groups.

    Parameters
    ----------
    cues : DataFrame
        As from :func:`standardised`, with the column ``by``.
    first, second, by, paired
        As in :meth:`~cuelens.evaluate.group.Group.cue_difference`.
    """
    found: dict[str, dict[str, dict[Any, Any]]] = {}
    for value in ("effect", "above"):
        if by == "correct":
            table = difference_within(
                cues, first, second, by=by, value=value, about=_ABOUT, within="emotion"
            )
        else:
            table = group_difference(
                cues, first, second, by=by, value=value, about=_ABOUT, paired=paired
            )
        found[value] = {row["cue"]: row for row in table.to_dict("records")}
    rows = []
    for cue in CUES.values():
        row = found["effect"].get(cue.key, {"low": np.nan, "high": np.nan})
        rows.append(
            {
                **dict(zip(_ABOUT, (cue.key, cue.title, cue.unit), strict=True)),
                "effect": row.get("difference", np.nan),
                "low": row["low"],
                "high": row["high"],
                "difference": found["above"].get(cue.key, row).get("difference", np.nan),
                "n": row.get("n", 0),
                "n_speakers": row.get("n_speakers", 0),
                "paired": row.get("paired", False),
                "differs": bool(row["low"] > 0 or row["high"] < 0),
            }
        )
    table = pd.DataFrame(rows)
    order = np.lexsort((-table["effect"].abs(), table["low"].isna()))
    return CueComparison(
        by=by,
        first=first,
        second=second,
        within="emotion" if by == "correct" else None,
        table=table.iloc[order].reset_index(drop=True),
    )
