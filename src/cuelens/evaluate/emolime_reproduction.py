"""What comes out of trying EmoLIME's claim: tables, and whether it holds here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cuelens.evaluate.robustness import ALL, Robustness

SCHEMA_VERSION = 1
LEVEL = 0.05
"""Of the tests; intervals are of 95 %."""

Verdict = Literal["holds", "does not hold", "cannot be told"]
_CLAIMS: Mapping[Verdict, str] = {
    "holds": "the claim holds",
    "does not hold": "the claim does not hold",
    "cannot be told": "whether the claim holds cannot be told",
}
_OF_ROBUSTNESS = ("profiles", "agreement", "tests", "ceiling", "clips", "pairs")
_OWN = ("weights", "recall", "flipping", "choices")


@dataclass(frozen=True, kw_only=True, eq=False)
class EmoLimeReproduction:
    """Whether explanations agree better across models than across corpora, here.

    Parameters
    ----------
    about : dict
        ``corpora`` (a dict each: ``name``, ``licence``, ``n_clips``, ``n_speakers``, ``n_folds``,
        ``n_explained``), ``models``, ``emotions``, ``bands``, ``target``, ``variant``,
        ``correlation``, ``n_clips`` of each emotion, ``n_folds``, ``seed``, ``chance``,
        ``failed`` (explanations that could not be made, with the reason), ``versions``.
    robustness : Robustness
    weights : DataFrame
        Every explanation, see `cuelens.evaluate.emolime_tables.weight_table`.
    recall : DataFrame
        What models recognise of speakers they have not heard, see `recall_table`.
    flipping : DataFrame
        Predictions kept when bands are removed, see `flipping_table`.
    choices : DataFrame
        The same with other choices, see `choice_table`.
    """

    about: Mapping[str, Any]
    robustness: Robustness
    weights: pd.DataFrame
    recall: pd.DataFrame
    flipping: pd.DataFrame
    choices: pd.DataFrame

    def verdict(self, design: str, emotion: str = ALL) -> Verdict:
        """Whether models agree better than corpora, in one design.

        It holds where the difference is above 0 with its whole interval (other speakers) and p is
        below 0.05 (other models and corpora); it does not where the interval is below 0; otherwise
        it cannot be told.
        """
        difference = self.robustness.agreement_of(design, "difference", emotion)
        p = self.robustness.test_of(design, "difference", emotion)["p"]
        if difference["low"] > 0 and p < LEVEL:
            return "holds"
        return "does not hold" if difference["high"] < 0 else "cannot be told"

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions, in the order they were asked for."""
        return tuple(self.about["emotions"])

    @property
    def n_choices_hold(self) -> tuple[int, int]:
        """With how many choices the claim holds in both designs, and of how many."""
        rows = self.choices.dropna(subset=["same_difference", "other_difference"])
        hold = np.logical_and.reduce(
            [
                (rows[f"{design}_difference_low"] > 0) & (rows[f"{design}_p"] < LEVEL)
                for design in ("same", "other")
            ]
        )
        return int(np.count_nonzero(hold)), len(rows)

    @property
    def headline(self) -> str:
        """The claim, and whether it holds here, in one sentence."""
        same, other = self.verdict("same clips"), self.verdict("other clips")
        if same != other:
            return (
                "Explanations agree better across models than across corpora: with the same clips "
                f"for all models, as published, this {same}; with other clips, so that nothing but "
                f"models and corpora can agree, it {other}."
            )
        if same == "does not hold":
            return (
                "The claim does not hold here: explanations agree better across corpora than "
                "across models."
            )
        if same == "cannot be told":
            return (
                "Whether explanations agree better across models than across corpora cannot be "
                "told here."
            )
        hold, n = self.n_choices_hold
        if hold == n:
            return (
                "The claim holds here: explanations agree better across models than across "
                "corpora, of the same clips and of other clips too."
            )
        return (
            "The claim holds here with the choices made first, but not whatever is chosen: "
            "explanations agree better across models than across corpora, of the same clips and "
            f"of other clips, in {hold} of {n} ways to compute it."
        )

    @property
    def summary(self) -> tuple[str, ...]:
        """What was found, statistic by statistic, in a few sentences."""
        return (
            self.headline,
            *_about_recall(self),
            _about_design(self, "same clips", "With the same clips for all models, as published,"),
            _about_design(
                self, "other clips", "With other clips, one half of the speakers against the other,"
            ),
            _about_ceiling(self),
            _about_clips(self),
            _about_emotions(self),
            *_about_choices(self),
            *_about_flipping(self),
            *_about_left_out(self),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "summary": list(self.summary),
            "verdicts": {
                design: {name: self.verdict(design, name) for name in (ALL, *self.emotions)}
                for design in ("same clips", "other clips")
            },
            "robustness": dict(self.robustness.about),
            **{name: _records(getattr(self.robustness, name)) for name in _OF_ROBUSTNESS},
            **{name: _records(getattr(self, name)) for name in _OWN},
        }

    def save(self, folder: str | Path) -> None:
        """Write ``reproduction.json`` and one CSV file a table into a folder, made if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in _OF_ROBUSTNESS:
            getattr(self.robustness, name).to_csv(folder / f"{name}.csv", index=False)
        for name in _OWN:
            getattr(self, name).to_csv(folder / f"{name}.csv", index=False)
        (folder / "reproduction.json").write_text(
            json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )


def _about_recall(found: EmoLimeReproduction) -> list[str]:
    rows = found.recall.sort_values("uar")
    worst, best = rows.iloc[0], rows.iloc[-1]
    sentences = [
        f"Of speakers they have not heard, models recognise {worst['uar']:.0%} "
        f"({worst['model']} on {worst['corpus']}) to {best['uar']:.0%} ({best['model']} on "
        f"{best['corpus']}) of the emotions (unweighted average recall; chance is "
        f"{found.about['chance']:.0%})."
    ]
    chance = found.about["chance"]
    missed: dict[str, list[str]] = {}
    for _, row in found.recall.iterrows():
        for emotion in found.emotions:
            if row[f"recall_{emotion}"] <= chance and not row["void"]:
                missed.setdefault(f"{emotion} on {row['corpus']}", []).append(row["model"])
    if missed:
        told = [
            f"{what} by {'every model' if names == found.about['models'] else ', '.join(names)}"
            for what, names in missed.items()
        ]
        sentences.append(
            f"Recognised no more often than by chance: {'; '.join(told)}. What is explained there "
            "is an answer that the model hardly gives."
        )
    void = [f"{row['model']} on {row['corpus']}" for _, row in rows.iterrows() if row["void"]]
    if void:
        sentences.append(f"Void, for what is not above chance explains nothing: {', '.join(void)}.")
    return sentences


def _about_design(found: EmoLimeReproduction, design: str, opening: str) -> str:
    models, corpora, difference = (
        found.robustness.agreement_of(design, what) for what in ("models", "corpora", "difference")
    )
    test = found.robustness.test_of(design, "difference")
    alone = [
        f"{what} {p_text(found.robustness.test_of(design, what)['p_fixed'])}"
        for what in ("models", "corpora")
    ]
    return (
        f"{opening} band profiles correlate by {interval_text(models)} across models and by "
        f"{interval_text(corpora)} across corpora: a difference of "
        f"{interval_text(difference, signed=True)}, {p_text(test['p'])}, effect "
        f"{_number(test['effect'])} SD, Cliff's delta {_number(test['cliff'])}; "
        f"{_CLAIMS[found.verdict(design)]}. Each agreement alone, the other factor "
        f"fixed: {', '.join(alone)}."
    )


def _about_ceiling(found: EmoLimeReproduction) -> str:
    ceiling = found.robustness.ceiling
    half, corrected = ceiling["half"].mean(), ceiling["corrected"].mean()
    models, corpora = (
        found.robustness.agreement_of("other clips", what)["value"] / half
        for what in ("models", "corpora")
    )
    share = ""
    if half > 0:
        share = f" Two models reach {models:.0%} of it with other clips, two corpora {corpora:.0%}."
    return (
        "As far as explanations can agree at all: one model on one corpus agrees with itself by "
        f"{_number(half)} between halves of the speakers, which is {_number(corrected)} with all "
        f"clips (Spearman-Brown).{share}"
    )


def _about_clips(found: EmoLimeReproduction) -> str:
    rows = found.robustness.clips
    rows = rows[rows["emotion"] == ALL].set_index("kind")
    values = {str(kind): interval_text(row) for kind, row in rows.iterrows()}
    of_model, of_clip = (
        rows.loc[kind] for kind in ("one model, two clips", "two models, one clip")
    )
    more = ""
    if of_model["low"] > of_clip["high"]:
        more = " Explanations tell more of the model than of the clip."
    elif of_clip["low"] > of_model["high"]:
        more = " Explanations tell more of the clip than of the model."
    return (
        "Clip by clip, two models' explanations of one clip correlate by "
        f"{values['two models, one clip']}; two models' of two clips of the same emotion and "
        f"corpus by {values['two models, two clips']}, one model's of two such clips by "
        f"{values['one model, two clips']}, and one model's of clips of two corpora by "
        f"{values['one model, clips of two corpora']}.{more}"
    )


def _about_emotions(found: EmoLimeReproduction) -> str:
    parts = []
    for design in ("same clips", "other clips"):
        by_verdict: dict[str, list[str]] = {}
        for emotion in found.emotions:
            by_verdict.setdefault(found.verdict(design, emotion), []).append(emotion)
        told = "; ".join(f"{verdict} for {', '.join(of)}" for verdict, of in by_verdict.items())
        parts.append(f"with {design} it {told}")
    return f"By emotion, {', '.join(parts)}."


def _about_choices(found: EmoLimeReproduction) -> list[str]:
    rows = found.choices.dropna(subset=["same_difference", "other_difference"])
    if rows.empty:
        return []
    parts = [
        f"between {_number(rows[name].min(), signed=True)} and "
        f"{_number(rows[name].max(), signed=True)} with {design} clips"
        for design in ("same", "other")
        for name in (f"{design}_difference",)
    ]
    hold, n = found.n_choices_hold
    return [
        f"With {n} ways to choose target, estimator, correlation and clips, the difference lies "
        f"{' and '.join(parts)}; the claim holds in both designs with {hold} of them."
    ]


def _about_flipping(found: EmoLimeReproduction) -> list[str]:
    rows = found.flipping[found.flipping["model"] == ALL]
    if rows.empty:
        return []
    parts = [
        f"{row['top']:.0%} against {row['random']:.0%} without {row['n_removed']}"
        for _, row in rows.iterrows()
    ]
    n_better = int((rows["lost_low"] > 0).sum())
    return [
        "Pixel flipping: without the bands with the largest weights, models answer as before for "
        f"fewer clips than without random bands: {', '.join(parts)}; the interval of the "
        f"difference is above 0 in {n_better} of {len(rows)}."
        if n_better
        else "Pixel flipping: removing the bands with the largest weights changes no more answers "
        f"than removing random ones: kept are {', '.join(parts)}."
    ]


def _about_left_out(found: EmoLimeReproduction) -> list[str]:
    about = found.robustness.about
    left = [
        f"{n} {what}"
        for n, what in (
            (about["n_silent"], "to which some model gives no weights at all"),
            (about["n_incomplete"], "that some model could not explain"),
        )
        if n
    ]
    if not left:
        return []
    return [
        f"Left out of {about['n_clips'] + about['n_silent'] + about['n_incomplete']} clips: "
        f"{', '.join(left)}."
    ]


def interval_text(row: Mapping[str, float] | pd.Series[Any], *, signed: bool = False) -> str:
    """``"0.62 (0.55 to 0.70)"`` of a value with its interval."""
    value, low, high = (_number(row[name], signed=signed) for name in ("value", "low", "high"))
    return value if low == "–" else f"{value} ({low} to {high})"


def p_text(p: float) -> str:
    """``"p = 0.012"``, or ``"p < 0.001"``."""
    if np.isnan(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _number(value: float, *, signed: bool = False) -> str:
    if np.isnan(value):
        return "–"
    text = format(round(float(value), 2) + 0.0, "+.2f" if signed else ".2f")
    return text.replace("-", "−")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with null for what is not a number."""
    return json.loads(frame.to_json(orient="records", double_precision=6))
