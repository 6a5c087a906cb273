"""The page of a corpus: mean explanations by emotion, by speaker, of right and wrong answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cuelens.audio import Audio
from cuelens.corpora import Corpus, canonical_emotion
from cuelens.errors import CuelensError, InputError
from cuelens.evaluate.group import TRUTH, Group, Grouping
from cuelens.evaluate.group_cues import CueComparison
from cuelens.evaluate.intervals import MIN_CLUSTERS
from cuelens.report.clip_page import page_templates
from cuelens.report.encode import data_url, flac_bytes

_TITLES = {
    "emotion": "By emotion",
    "speaker": "By speaker",
    "corpus": "By corpus",
    "answer": "By the model’s answer",
    "correct": "Right and wrong answers",
}


Sounds = Callable[[str, str, float], Audio]
"""From the name of a corpus, the path of a file and a start in s to the sound of a clip."""


def corpus_sounds(corpora: Sequence[Corpus]) -> Sounds:
    """The sounds of clips of corpora."""
    named = {corpus.name: corpus for corpus in corpora}

    def sound(name: str, clip: str, start_s: float) -> Audio:
        table = named[name].table
        rows = np.flatnonzero((table["file"].astype(str) == clip) & (table["start"] == start_s))
        return named[name].audio(int(rows[0]))

    return sound


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupDifference:
    """Two groups and how they differ, as `Group.difference` returns it."""

    first: str
    second: str
    table: pd.DataFrame


def write_group_report(
    file: str | Path,
    group: Group,
    *,
    by: Grouping = "emotion",
    sounds: Sounds | None = None,
    difference: GroupDifference | None = None,
    cue_differences: Sequence[CueComparison] = (),
) -> Path:
    """Write the page of a group: one file that works offline.

    Parameters
    ----------
    file : path
        Replaced if it exists.
    group : Group
    by : str
        The grouping shown first; those by emotion, speaker, corpus and right or wrong follow.
    sounds : callable or None
        Gives the sound of a clip by its corpus, file and start in s (see `corpus_sounds`), for
        players of the most typical clips; None: no players.
    difference : GroupDifference or None
    cue_differences : sequence of CueComparison
        As from :meth:`~cuelens.evaluate.group.Group.cue_differences`.

    Returns
    -------
    Path
    """
    page = page_templates().get_template("group.html")
    context = group_context(
        group, by=by, sounds=sounds, difference=difference, cue_differences=cue_differences
    )
    file = Path(file)
    file.write_text(page.render(**context), encoding="utf-8")
    return file


def group_context(
    group: Group,
    *,
    by: Grouping = "emotion",
    sounds: Sounds | None = None,
    difference: GroupDifference | None = None,
    cue_differences: Sequence[CueComparison] = (),
) -> dict[str, Any]:
    """What the template of a group needs."""
    about = {"corpora": [], "failed": {}, "seed": 0, "explainer": "", "versions": {}, **group.about}
    target = about.get("target")
    clips = group.frame.drop_duplicates(["corpus", "clip", "start_s"])
    players = _Players(sounds)
    return {
        "about": about,
        "n_clips": group.n_clips,
        "target": {None: "the model’s answer", TRUTH: "the clip’s emotion"}.get(
            target, f"“{target}”"
        ),
        "account": _account(clips),
        "confusion": _confusion(group, clips),
        "views": [_view(group, name, players) for name in group.views(by)],
        "difference": None if difference is None else _difference(difference),
        "cues": [_cues(one) for one in cue_differences],
        "baseline": _baseline(group),
    }


def _account(clips: pd.DataFrame) -> list[str]:
    n_speakers = int(clips[["corpus", "speaker"]].dropna().drop_duplicates().shape[0])
    lines = [f"{len(clips)} clips of {n_speakers} speakers were explained."]
    judged = clips[clips["correct"] != "unknown"]
    if len(judged):
        n_right = int((judged["correct"] == "right").sum())
        lines.append(
            f"The model answered {n_right} of them right ({100 * n_right / len(judged):.0f} %)."
        )
    return lines


def _confusion(group: Group, clips: pd.DataFrame) -> dict[str, Any] | None:
    if (clips["correct"] == "unknown").all():
        return None
    table = group.answers()
    return {
        "answers": list(table.columns),
        "rows": [
            {
                "emotion": emotion,
                "cells": [
                    {
                        "n": int(n),
                        "share": float(n) / max(1.0, float(row.sum())),
                        "right": _same(str(emotion), str(answer)),
                    }
                    for answer, n in row.items()
                ],
            }
            for emotion, row in table.iterrows()
        ],
    }


def _same(emotion: str, label: str) -> bool:
    try:
        return canonical_emotion(label) == emotion
    except InputError:
        return label == emotion


def _view(group: Group, by: Grouping, players: _Players) -> dict[str, Any]:
    means = group.means(by)
    ends = means[["mean", "low", "high"]].abs().to_numpy()
    reach = max(float(np.nanmax(ends)), 1e-9)
    typical = {row["group"]: row for row in group.typical(by).to_dict("records")}
    few = int(means["n_speakers"].min()) < MIN_CLUSTERS
    return {
        "by": by,
        "title": _TITLES[by],
        "reach": reach,
        "over": "speakers (clips, of fewer than three)" if few else "speakers",
        "groups": [
            {
                "name": name,
                "n_clips": int(part["n_clips"].max()),
                "n_speakers": int(part["n_speakers"].max()),
                "rows": [_bar(row, reach) for row in _high_to_low(part)],
                "typical": _typical(typical[name], players),
            }
            for name, part in means.groupby("group", sort=False)
        ],
    }


def _high_to_low(part: pd.DataFrame) -> list[Any]:
    """Bands from high to low; shares of the clip in their order."""
    bands = len(set(part["low_hz"])) > 1
    return (part[::-1] if bands else part).to_dict("records")


def _bar(row: Mapping[Any, Any], reach: float) -> dict[str, Any]:
    known = bool(np.isfinite(row["low"]) and np.isfinite(row["high"]))
    return {
        "unit": row["unit"],
        "mean": row["mean"],
        "low": row["low"],
        "high": row["high"],
        "known": known,
        "sure": known and (row["low"] > 0 or row["high"] < 0),
        "supports": row["mean"] > 0,
        "bar": 50 * abs(row["mean"]) / reach,
        "left": 50 + 50 * row["low"] / reach,
        "width": 50 * (row["high"] - row["low"]) / reach,
    }


def _typical(row: Mapping[Any, Any], players: _Players) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("emotion", "answer", "distance")},
        "speaker": None if pd.isna(row["speaker"]) else row["speaker"],
        "clip": Path(row["clip"]).name,
        "url": players.url(row["corpus"], row["clip"], row["start_s"]),
    }


def _difference(difference: GroupDifference) -> dict[str, Any]:
    table = difference.table
    paired = bool(table["paired"].iloc[0])
    n = int(table["n"].max())
    rows = table[::-1] if len(set(table["low_hz"])) > 1 else table
    return {
        "first": difference.first,
        "second": difference.second,
        "how": f"{n} pairs of one speaker and sentence" if paired else f"{n} clips, not paired",
        "rows": [
            {**row, "known": bool(np.isfinite(row["low"]))} for row in rows.to_dict("records")
        ],
    }


def _cues(found: CueComparison) -> dict[str, Any]:
    ends = found.table[["effect", "low", "high"]].abs().to_numpy()
    reach = max(float(np.nanmax(ends, initial=0.0)), 1e-9)
    return {
        "first": found.first,
        "second": found.second,
        "within": found.within,
        "account": found.account,
        "reach": reach,
        "what": "pairs" if found.table["paired"].any() else "clips",
        "rows": [
            {
                **{str(name): value for name, value in row.items()},
                **_bar(row | {"mean": row["effect"]}, reach),
                "unit": row["unit"].partition(" above ")[0],
            }
            for row in found.table.to_dict("records")
        ],
    }


def _baseline(group: Group) -> str:
    """What the cues of clips were compared with, and how many of them."""
    if group.cues.empty:
        return ""
    clips = group.cues.drop_duplicates(["corpus", "clip", "start_s"])
    counts = clips["baseline"].value_counts()
    return ", ".join(f"{name} ({n} clip{'' if n == 1 else 's'})" for name, n in counts.items())


class _Players:
    """Clips as data URLs, each read once."""

    def __init__(self, sounds: Sounds | None) -> None:
        self._sounds = sounds
        self._urls: dict[tuple[str, str, float], str | None] = {}

    def url(self, corpus: str, clip: str, start_s: float) -> str | None:
        key = corpus, clip, start_s
        if key not in self._urls:
            self._urls[key] = self._read(*key)
        return self._urls[key]

    def _read(self, corpus: str, clip: str, start_s: float) -> str | None:
        if self._sounds is None:
            return None
        try:
            return data_url(flac_bytes(self._sounds(corpus, clip, start_s)), "audio/flac")
        except CuelensError:  # gone since it was explained: the page does without
            return None
