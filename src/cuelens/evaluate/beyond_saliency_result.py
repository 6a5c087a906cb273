"""What was found over a corpus: tables, verdicts on the claims, and a summary in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cuelens.evaluate.beyond_saliency_listening import FLAWS, REFERENCES, WAYS
from cuelens.evaluate.beyond_saliency_tables import SAME_ANSWER, rows_of
from cuelens.evaluate.over_clips import records

SCHEMA_VERSION = 1
LEVEL = 0.05
Claim = Literal["match", "less when wrong", "beyond any window"]
Verdict = Literal["holds", "does not hold", "is not shown", "cannot be told"]
_TABLES = ("profile", "agreement", "overlap", "correlation", "flaws", "clips", "cells")


@dataclass(frozen=True, kw_only=True, eq=False)
class BeyondSaliency:
    """Whether the cues in salient windows are those that experts know, here.

    Intervals are of 95 %, over speakers, or over clips where there are fewer than three
    (``about["over"]``).

    Parameters
    ----------
    about : dict
        ``corpus``, ``model``, ``explainers`` (their settings in both ways), ``left_out`` (emotions
        that the model does not know), ``n_clips``, ``n_failed``, ``n_speakers``, ``over``,
        ``n_windows``, ``window_s``, ``n_permutations``, ``seed``, ``versions``.
    profile : DataFrame
        Mean effect of each cue for each answer, right and wrong: see `profile_table`.
    agreement : DataFrame
        With the literature: see `agreement_table`.
    overlap : DataFrame
        Of salient windows in time: see `overlap_table`.
    correlation : DataFrame
        Of what two explainers find: see `correlation_table`.
    flaws : DataFrame
        What each published flaw does alone: see `flaw_table`.
    clips : DataFrame
        One row a clip, explainer and way: see `clip_table`.
    cells : DataFrame
        What the agreement is counted from: see `cell_table`.
    """

    about: Mapping[str, Any]
    profile: pd.DataFrame
    agreement: pd.DataFrame
    overlap: pd.DataFrame
    correlation: pd.DataFrame
    flaws: pd.DataFrame
    clips: pd.DataFrame
    cells: pd.DataFrame

    @property
    def explainers(self) -> tuple[str, ...]:
        """Their names, in the order they were asked for."""
        return tuple(self.about["explainers"])

    def agreement_of(
        self,
        explainer: str,
        answers: str,
        moments: str = "salient",
        *,
        way: str = "corrected",
        reference: str = "neutral",
    ) -> dict[str, float]:
        """One row of `agreement`: ``value``, ``low``, ``high``, ``p`` and counts; NaN if none."""
        rows = self.agreement
        wanted = (explainer, way, reference, moments, answers)
        names = ("explainer", "way", "reference", "moments", "answers")
        for name, value in zip(names, wanted, strict=True):
            rows = rows[rows[name] == value]
        if rows.empty:
            nothing = dict.fromkeys(("value", "low", "high", "p"), float("nan"))
            return nothing | {"n_cells": 0, "n_clips": 0, "n_speakers": 0}
        return {str(name): value for name, value in rows.iloc[0].items() if name not in names}

    def verdict(
        self, claim: Claim, explainer: str, *, way: str = "corrected", reference: str = "neutral"
    ) -> Verdict:
        """Whether a claim of the paper holds here.

        ``"match"``
            Where the model is right, more than half of the cues in salient windows go the expected
            way.
        ``"less when wrong"``
            More where it is right than where it is wrong: the interval of the difference is above
            0, and p of shuffled answers below 0.05.
        ``"beyond any window"``
            Where the model is right, more in salient windows than in random ones of the same clip.
        """
        answers, moments, chance = {
            "match": ("right", "salient", 0.5),
            "less when wrong": ("right minus wrong", "salient", 0.0),
            "beyond any window": ("right", "salient minus random", 0.0),
        }[claim]
        row = self.agreement_of(explainer, answers, moments, way=way, reference=reference)
        if not np.isfinite(row["low"]):
            return "cannot be told"
        sure = claim != "less when wrong" or row["p"] < LEVEL
        if sure and row["low"] > chance:
            return "holds"
        return "does not hold" if sure and row["high"] < chance else "is not shown"

    @property
    def summary(self) -> tuple[str, ...]:
        """What was found, and whether the paper's claims hold here, in a few sentences."""
        return (
            *_about_clips(self),
            _about_match(self),
            _about_wrong(self),
            _about_control(self),
            *_about_others(self),
            *_about_flaws(self),
            *_about_overlap(self),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but single clips and cells, as JSON holds it."""
        claims: tuple[Claim, ...] = ("match", "less when wrong", "beyond any window")
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "n_right": int(self._answered["correct"].sum()),
            "summary": list(self.summary),
            "verdicts": [
                {"claim": claim, "explainer": name, "way": way, "reference": reference}
                | {"verdict": self.verdict(claim, name, way=way, reference=reference)}
                for claim in claims
                for name in self.explainers
                for way in WAYS
                for reference in REFERENCES
            ],
            **{
                name: records(getattr(self, name))
                for name in _TABLES
                if name not in ("clips", "cells")
            },
        }

    def save(self, folder: str | Path) -> None:
        """Write ``reproduction.json`` and one CSV file a table into a folder, made if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            getattr(self, name).to_csv(folder / f"{name}.csv", index=False)
        (folder / "reproduction.json").write_text(
            json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )

    @property
    def _answered(self) -> pd.DataFrame:
        """Clips that have an answer, one row each."""
        return self.clips[self.clips["answer"] != ""].groupby("row").first()


def _about_clips(found: BeyondSaliency) -> list[str]:
    answered, about = found._answered, found.about
    unknown = (
        f"; clips of emotions that the model does not know are left out "
        f"({', '.join(about['left_out'])})"
        if about["left_out"]
        else ""
    )
    failed = f"; of {about['n_failed']} some explanation failed" if about["n_failed"] else ""
    sentences = [
        f"{about['model']} answers {int(answered['correct'].sum())} of {len(answered)} clips of "
        f"{about['corpus']} rightly{unknown}{failed}."
    ]
    if about["over"] == "clips":
        n = about["n_speakers"]
        sentences.append(
            f"With {n} speaker{'s' if n != 1 else ''} no test over speakers is possible: intervals "
            "are over clips and say nothing about other speakers."
        )
    return sentences


def _about_match(found: BeyondSaliency) -> str:
    def told(name: str) -> str:
        right, wrong = (found.agreement_of(name, answers) for answers in ("right", "wrong"))
        return (
            f"{found.verdict('match', name)} for {name}, {share_text(right)} of {right['n_cells']} "
            f"(wrong: {share_text(wrong)} of {wrong['n_cells']})"
        )

    return (
        "That cues in salient windows match expert knowledge where the model is right, strong cues "
        f"against the speaker's neutral speech: {'; '.join(map(told, found.explainers))}."
    )


def _about_wrong(found: BeyondSaliency) -> str:
    def told(name: str) -> str:
        row = found.agreement_of(name, "right minus wrong")
        same = found.agreement_of(name, SAME_ANSWER)
        text = f"{found.verdict('less when wrong', name)} for {name}, {points_text(row)}"
        text += f", {p_text(row['p'])}"
        if np.isfinite(same["value"]):
            text += (
                f" (the same answer of the same speaker, {same['n_clips']} clips: "
                f"{points_text(same)}, {p_text(same['p'])})"
            )
        return text

    parts = "; ".join(map(told, found.explainers))
    return f"That they match less where it is wrong, right minus wrong: {parts}."


def _about_control(found: BeyondSaliency) -> str:
    parts = "; ".join(
        f"{found.verdict('beyond any window', name)} for {name}, {_with_controls(found, name)}"
        for name in found.explainers
    )
    return (
        "That they match more than any windows of the same clips do, the control that the paper "
        f"lacks, where the model is right: {parts}."
    )


def _about_others(found: BeyondSaliency) -> list[str]:
    """Against the whole clip, and as published."""
    return [
        f"{opening}, where the model is right: "
        + "; ".join(
            f"{name} {share_text(found.agreement_of(name, 'right', way=way, reference=reference))}"
            f", {_with_controls(found, name, way=way, reference=reference)}"
            for name in found.explainers
        )
        + "."
        for opening, way, reference in (
            ("Against the whole clip instead of neutral speech", "corrected", "clip"),
            (
                "With all published settings and flaws, against neutral speech",
                "published",
                REFERENCES[0],
            ),
            ("As published, against the whole clip", "published", "clip"),
        )
    ]


def _with_controls(found: BeyondSaliency, name: str, **where: str) -> str:
    random, loudest, difference = (
        found.agreement_of(name, "right", moments, **where)
        for moments in ("random", "loudest", "salient minus random")
    )
    return (
        f"random windows {share_text(random)}, loudest {share_text(loudest)}, salient minus random "
        f"{points_text(difference)}"
    )


def _about_flaws(found: BeyondSaliency) -> list[str]:
    name = found.explainers[0]
    rows = found.flaws[found.flaws["explainer"] == name]
    sentences = []
    zeros = rows[(rows["flaw"] == FLAWS[0]) & (rows["cue"] == "f0_level")]
    if not zeros.empty:
        row = zeros.iloc[0]
        clips = found.clips
        clips = clips[(clips["explainer"] == name) & (clips["way"] == "corrected")]
        sentences.append(
            f"Unvoiced frames, {1 - clips['voiced_share'].mean():.0%} of the salient windows of "
            f"{name}, counted as 0 move the pitch there by {_number(row['change'], signed=True)} "
            f"semitones on average ({row['abs_change_sd']:.1f} SD of clips)."
        )
    trimmed = found.clips.groupby("row")["trimmed_s"].first()
    parts = []
    for flaw, own in rows[rows["n_cells"] > 0].groupby("flaw", sort=False):
        n = own["n_cells"]
        before, after, flipped = (
            float((own[column] * n).sum() / n.sum())
            for column in ("expected_correct", "expected_flawed", "flipped")
        )
        parts.append(f"{flaw} {flipped:.0%} ({before:.0%} as expected before, {after:.0%} after)")
    if parts:
        sentences.append(
            f"Share of scored cues of {name} that change sides with each flaw alone: "
            f"{'; '.join(parts)}. Trimmed before the speech are {trimmed.mean():.2f} s on average."
        )
    return sentences


def _about_overlap(found: BeyondSaliency) -> list[str]:
    if found.overlap.empty:
        return []
    sentences = []
    rows = found.overlap[found.overlap["answers"] == "all"]
    for row in rows_of(rows[(rows["way"] == "corrected") & (rows["second"] != "loudest")]):
        first, second = row["first"], row["second"]
        theirs = rows[(rows["first"] == first) & (rows["second"] == second)]
        theirs = theirs[theirs["way"] == "published"]
        published = (
            f"; with published settings {interval_text(theirs.iloc[0], 'iou')} against "
            f"{theirs.iloc[0]['random']:.2f}"
            if not theirs.empty
            else ""
        )
        sentences.append(
            f"The salient windows of {first} and {second} overlap by "
            f"{interval_text(row, 'iou')} (intersection over union), those of random windows by "
            f"{row['random']:.2f}: a difference of {interval_text(row, 'minus_random', '+.2f')}"
            f"{published}."
        )
        means = found.correlation
        if not means.empty:
            means = means[(means["cue"] == "all") & (means["way"] == "corrected")]
            means = means[(means["first"] == first) & (means["second"] == second)]
        if not means.empty:
            by_kind = {entry["kind"]: interval_text(entry, "value") for entry in rows_of(means)}
            sentences.append(
                f"Over clips, the cues in their windows correlate by {by_kind.get('salient', '–')} "
                f"(Spearman, mean of cues), those in random windows of the same clips by "
                f"{by_kind.get('random', '–')}; without what is common to the windows of a clip, "
                f"by {by_kind.get('beyond the clip', '–')}."
            )
    return sentences


def share_text(row: Mapping[str, float]) -> str:
    """``"70% (62% to 78%)"``."""
    if not np.isfinite(row["value"]):
        return "–"
    text = f"{row['value']:.0%}"
    return text if np.isnan(row["low"]) else f"{text} ({row['low']:.0%} to {row['high']:.0%})"


def points_text(row: Mapping[str, float]) -> str:
    """``"+3 points (−2 to +8)"``."""
    if not np.isfinite(row["value"]):
        return "–"
    value, low, high = (_points(row[name]) for name in ("value", "low", "high"))
    return f"{value} points" + ("" if np.isnan(row["low"]) else f" ({low} to {high})")


def p_text(p: float) -> str:
    """``"p = 0.012"``, or ``"p < 0.001"``."""
    if np.isnan(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _points(share: float) -> str:
    return "–" if np.isnan(share) else f"{round(100 * share) + 0:+d}".replace("-", "−")


def _number(value: float, *, signed: bool = False) -> str:
    return format(round(float(value), 1) + 0.0, "+.1f" if signed else ".1f").replace("-", "−")


def interval_text(row: Mapping[Any, Any] | pd.Series[Any], name: str, form: str = ".2f") -> str:
    """``"0.38 (0.30 to 0.46)"``."""
    low, high = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    text = format(row[name], form)
    if not np.isnan(row[low]):
        text += f" ({row[low]:{form}} to {row[high]:{form}})"
    return text.replace("-", "−")
