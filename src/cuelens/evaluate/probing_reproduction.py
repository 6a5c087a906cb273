"""What comes out of running published probing beside ours: tables, and what changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cuelens.probe.categories import CATEGORIES

SCHEMA_VERSION = 1
CHANCE = 0.5
"""F1 of guessing, both classes equally often: sets are balanced, or classes count the same."""

_TABLES = ("f1", "corrected", "noise", "categories", "order")


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbingReproduction:
    """Published probing and ours, side by side.

    F1 is from 0 to 1.  ``_low`` and ``_high`` are 95 % intervals over speakers.

    Parameters
    ----------
    about : dict
        ``corpus``, ``embedding``, ``layer``, ``n_clips``, ``n_speakers``, ``n_dimensions``,
        ``emotions``, ``is_ravdess``, ``n_repeats``, ``n_permutations``, ``seed``, ``versions``.
    f1 : DataFrame
        The published procedure: one row a contrast ("neutral", "others") and emotion.

        - ``n_clips``; ``egemaps`` and ``all`` (all dimensions): F1 with the seed, ``_mean`` and
          ``_sd`` over draws of clips and of speakers to test on;
        - ``top`` (with the seed): the best of the numbers of top dimensions tried; ``n_top``;
        - ``paper_egemaps``, ``paper_wavlm``, ``paper_wavlm_top``: as printed; NaN off RAVDESS.
    corrected : DataFrame
        One row an emotion, told from all clips of the others, both classes counting the same:
        ``egemaps``, ``all``, ``top`` (F1 of speakers held out) with interval, ``uar_top`` with
        interval, ``n_top``, ``n_clips``, ``n_of_class``.
    noise : DataFrame
        One row an emotion: ``published_all``, ``published_top``, ``published_n_top`` (told from the
        others) and the same ``all``, ``top``, ``uar_top`` as in `corrected`, from random numbers.
    categories : DataFrame
        ``of`` ("embedding", "mixture", "noise"), ``measure``, ``emotion``, ``category``, ``value``
        with interval.  Measures: information increase as published ("published, neutral" and
        "published, others"; no intervals), "information_increase" and "gain" for speakers held out
        (see `ProbeResult`).
    order : DataFrame
        The same columns with ``above``, ``below`` and ``difference`` with interval: whether a
        category exceeds the next in the published order, Energy > Frequency > Spectral > Temporal.
    """

    about: Mapping[str, Any]
    f1: pd.DataFrame
    corrected: pd.DataFrame
    noise: pd.DataFrame
    categories: pd.DataFrame
    order: pd.DataFrame

    @property
    def contrasts(self) -> tuple[str, ...]:
        """What emotions were told from as published; "neutral" only where there are such clips."""
        return tuple(dict.fromkeys(self.f1["contrast"]))

    @property
    def summary(self) -> tuple[str, ...]:
        """What changes, in a few sentences."""
        return (
            *_about_contrasts(self),
            _about_held_out(self),
            _about_noise(self),
            *_about_order(self),
        )

    def published(self, contrast: str) -> pd.DataFrame:
        """The rows of `f1` of one contrast, by emotion."""
        return self.f1[self.f1["contrast"] == contrast].set_index("emotion")

    def order_of(self, of: str, measure: str) -> tuple[str, ...]:
        """Categories, the largest mean over emotions first.

        Neutral told from neutral clips means nothing and is left out.
        """
        rows = self.categories[
            (self.categories["of"] == of) & (self.categories["measure"] == measure)
        ]
        if measure == "published, neutral":
            rows = rows[rows["emotion"] != "neutral"]
        means = rows.groupby("category")["value"].mean().sort_values(ascending=False)
        return tuple(str(name) for name in means.index)

    def steps(self, of: str, measure: str) -> dict[str, int]:
        """Steps of the published order over all emotions: how many hold, are reversed, are open."""
        rows = self.order[(self.order["of"] == of) & (self.order["measure"] == measure)]
        holds = int((rows["difference_low"] > 0).sum())
        reversed_ = int((rows["difference_high"] < 0).sum())
        return {"holds": holds, "reversed": reversed_, "open": len(rows) - holds - reversed_}

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "summary": list(self.summary),
            "orders": [
                {
                    "of": of,
                    "measure": measure,
                    "order": list(self.order_of(of, measure)),
                    **({} if measure.startswith("published") else self.steps(of, measure)),
                }
                for of, measure in dict.fromkeys(
                    zip(self.categories["of"], self.categories["measure"], strict=True)
                )
            ],
            **{name: _records(getattr(self, name)) for name in _TABLES},
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


def _about_contrasts(found: ProbingReproduction) -> list[str]:
    """What the emotions were told from."""
    if "neutral" not in found.contrasts:
        return [
            "There are no neutral clips, so emotions are told from the others, as the paper's text "
            "says, and not from neutral, as its figures are."
        ]
    neutral, others = found.published("neutral"), found.published("others")
    ours = found.corrected.set_index("emotion")
    real = [name for name in neutral.index if name != "neutral"]
    paper = ""
    if found.about["is_ravdess"]:
        paper = f" (printed: {_percent(neutral.loc[real, 'paper_egemaps'].mean())})"
    sd = neutral.loc[real, "egemaps_sd"].mean()
    return [
        "The published figures tell each emotion from neutral clips, not from the other emotions: "
        f"so told, eGeMAPS reach F1 {_percent(neutral.loc[real, 'egemaps_mean'].mean())}{paper} on "
        f"average; told from the others, {_percent(others.loc[real, 'egemaps_mean'].mean())}. "
        f"Other clips and test speakers move a single figure by {100 * sd:.1f} points (SD).",
        "Neutral is told from itself there, hence F1 "
        f"{_percent(_of(neutral, 'neutral', 'egemaps_mean'))}; told from the others on speakers "
        f"held out it is {_percent(_of(ours, 'neutral', 'egemaps'))} with eGeMAPS"
        + (
            "."
            if found.about["embedding"] == "eGeMAPS"
            else f" and {_percent(_of(ours, 'neutral', 'all'))} with {found.about['embedding']}."
        ),
    ]


def _about_held_out(found: ProbingReproduction) -> str:
    """What ranking and counting dimensions on the test clips is worth."""
    published = found.published("others")
    ours = found.corrected.set_index("emotion")
    below = [
        str(name) for name in ours.index if ours.loc[name, "top_high"] < published.loc[name, "top"]
    ]
    changed = (
        f"for {', '.join(below)} even the upper end of the interval is below the published way's"
        if below
        else "no interval lies below the published way's figure"
    )
    return (
        f"The top dimensions of {found.about['embedding']}, ranked and counted on the clips they "
        f"are scored on, reach F1 {_percent(published['top'].mean())} on average against the "
        f"others; chosen without the speakers they are scored on, {_percent(ours['top'].mean())}: "
        f"{changed}."
    )


def _about_noise(found: ProbingReproduction) -> str:
    noise = found.noise
    covering = int(((noise["top_low"] <= CHANCE) & (noise["top_high"] >= CHANCE)).sum())
    return (
        f"Pure noise with as many dimensions reaches F1 {_percent(noise['published_top'].mean())} "
        f"in the published way ({_percent(noise['published_top'].min())} to "
        f"{_percent(noise['published_top'].max())}), {_percent(noise['top'].mean())} in the "
        f"corrected one, where {covering} of {len(noise)} intervals cover chance (50.0)."
    )


def _about_order(found: ProbingReproduction) -> list[str]:
    """The order of the categories, and whether it is one of the embedding."""
    measures = {
        "from neutral" if name == "neutral" else "from the others": f"published, {name}"
        for name in found.contrasts
    }
    ours, of_mixture = (
        {told: " > ".join(found.order_of(of, measure)) for told, measure in measures.items()}
        for of in ("embedding", "mixture")
    )
    printed = " > ".join(CATEGORIES)
    sentences = [
        f"Categories by information increase in the published way (printed: {printed}): "
        + "; ".join(f"{order} told {told}" for told, order in ours.items())
        + ". A random mixture of the acoustic features, that favours none, gives "
        + (
            "the same: this is an order of the features, not of the embedding."
            if of_mixture == ours
            else "; ".join(f"{order} told {told}" for told, order in of_mixture.items()) + "."
        )
    ]
    gains = "gain" if "gain" in set(found.order["measure"]) else "information_increase"
    steps = found.steps("embedding", gains)
    n = sum(steps.values())
    what = (
        "gain over dimensions chosen for shuffled labels"
        if gains == "gain"
        else "information increase"
    )
    sentences.append(
        f"On speakers held out, of the {n} steps of the published order (three an emotion) "
        f"{steps['holds']} hold, {steps['reversed']} are reversed and {steps['open']} are open, by "
        f"{what}."
    )
    return sentences


def _of(table: pd.DataFrame, emotion: str, column: str) -> float:
    return float(table[column].to_dict()[emotion])


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with null for what is not a number."""
    return json.loads(frame.to_json(orient="records", double_precision=6))
