"""Stability: does the explanation stay when nothing that matters changes?

Each clip is explained, changed in a way that listeners hardly notice (another seed, faint noise, a
shift of 5 ms, a codec, a telephone line), and explained again for the same label.  How alike two
explanations are means little by itself, because explanations of *different* clips are alike too:
most voices have their energy in the same bands.  That likeness is measured as well, and is the
level that stability is read against.

References
----------
.. [1] D. Alvarez-Melis, T. Jaakkola, "On the robustness of interpretability methods", arXiv
   1806.08049, 2018.
.. [2] ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988 (mu-law).
.. [3] B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, chapters 8 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.errors import CuelensError, InputError
from cuelens.evaluate.binning import (
    pairwise_correlation,
    rank_correlation,
    top_overlap,
    weights_by_place,
    why_unknown,
)
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.journal import run_tasks
from cuelens.evaluate.over_clips import (
    answer,
    clip_columns,
    clip_key,
    described,
    divided,
    json_ready,
    mean_entry,
    mean_of_known,
    records,
    save_result,
    style,
)
from cuelens.evaluate.perturbations import PERTURBATIONS, Perturbation, Perturbed
from cuelens.explain.explanation import Explanation
from cuelens.explain.named import Explainer
from cuelens.figure_style import PAGE_IN, new_axes, styled
from cuelens.models.base import Model, model_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


OTHER_SEED = "other seed"
DIFFERENT_CLIPS = "different clips"
_NUMBERS = (
    *("rank_correlation", "top_overlap", "probability", "probability_change"),
    *("answer_changed", "delay_ms"),
)
_LOWEST = {  # value of each measure
    "rank_correlation": -1.0,
    "above_chance": -2.0,
    "top_overlap": 0.0,
    "absolute_probability_change": 0.0,
    "answer_changed": 0.0,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Stability:
    """How much explanations change when nothing that matters does.

    Parameters
    ----------
    about : mapping
        Corpus, model, explainers, perturbations, seed, and clips that failed, with why.
    frame : pandas.DataFrame
        A row a clip, explainer and perturbation: ``rank_correlation`` (Spearman, of all units'
        weights for the label that the model answers to the clip), ``top_overlap`` (share of the 3
        most supporting units), ``probability`` of that label, ``probability_change``,
        ``answer_changed`` (1 or 0, NaN of a regressor), ``delay_ms`` (of a codec, undone),
        ``by_definition`` (nothing in the explainer is random, so that another seed changes
        nothing), and ``reason`` where a value is missing.
    chance : pandas.DataFrame
        A row a clip and explainer: mean ``rank_correlation`` with all other clips' explanations
        for the same label, and whether clips had other numbers of moments and were ``cropped`` to
        the shorter of two.
    """

    about: Mapping[str, Any]
    frame: pd.DataFrame
    chance: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Means over clips with 95 % intervals (:func:`.bootstrap_mean`).

        Returns
        -------
        pandas.DataFrame
            Columns explainer, perturbation, measure, mean, low, high, n_clips, n_missing,
            by_definition.  Measures are rank_correlation, above_chance (the same minus that with
            different clips, clip by clip), top_overlap, absolute_probability_change and
            answer_changed.  The perturbation "different clips" is the level of chance.
        """
        place = ["clip", "start_s", "explainer"]
        level = self.chance.set_index(place)["rank_correlation"].rename("level")
        frame = self.frame.join(level, on=place)
        rows = []
        for (explainer, name), part in frame.groupby(["explainer", "perturbation"], sort=False):
            speakers = list(part["speaker"])
            values = {
                "rank_correlation": part["rank_correlation"],
                "above_chance": part["rank_correlation"] - part["level"],
                "top_overlap": part["top_overlap"],
                "absolute_probability_change": part["probability_change"].abs(),
                "answer_changed": part["answer_changed"],
            }
            rows += [
                {
                    "explainer": explainer,
                    "perturbation": name,
                    "measure": measure,
                    **mean_entry(column.to_numpy(np.float64), speakers, lowest=_LOWEST[measure]),
                    "by_definition": bool(part["by_definition"].any()),
                }
                for measure, column in values.items()
            ]
        rows += [
            {
                "explainer": explainer,
                "perturbation": DIFFERENT_CLIPS,
                "measure": "rank_correlation",
                **mean_entry(part["rank_correlation"].to_numpy(np.float64), list(part["speaker"])),
                "by_definition": False,
            }
            for explainer, part in self.chance.groupby("explainer", sort=False)
        ]
        return pd.DataFrame(rows)

    def sentences(self) -> dict[str, str]:
        """One sentence an explainer.

        After a change an explanation is *clearly more alike* than different clips' where the
        interval of the difference, over clips, lies above 0.
        """
        summary = self.summary()
        summary = summary[~summary["by_definition"]]
        found = {}
        for explainer, part in summary.groupby("explainer", sort=False):
            by_measure = {
                measure: dict(zip(rows["perturbation"], rows.to_dict("records"), strict=True))
                for measure, rows in part.groupby("measure")
            }
            ranks, above = by_measure["rank_correlation"], by_measure.get("above_chance", {})
            found[str(explainer)] = f"{explainer}: {_sentence(ranks, above)}"
        return found

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON types, NaN as null; single clips are in the table."""
        return {
            **self.about,
            "summary": records(self.summary()),
            "sentences": self.sentences(),
        }

    def save(self, folder: str | Path) -> Path:
        """Write stability.json, stability.csv and stability.png; returns the JSON file."""
        return save_result(self, self.frame, folder, "stability")

    @styled
    def plot(self, ax: Axes | None = None) -> Axes:
        """Rank correlations with 95 % intervals; dashed lines are those of different clips."""
        summary = self.summary()
        ranks = summary[summary["measure"] == "rank_correlation"]
        changes = [name for name in ranks["perturbation"].unique() if name != DIFFERENT_CLIPS]
        explainers = list(ranks["explainer"].unique())
        ax = ax or new_axes(PAGE_IN, 1.3 + 0.14 * len(changes) * (1 + len(explainers)))
        for place, explainer in enumerate(explainers):
            colour, marker = style(place)
            offset = 0.7 * ((place + 0.5) / len(explainers) - 0.5)
            for row in ranks[ranks["explainer"] == explainer].to_dict("records"):
                if row["perturbation"] == DIFFERENT_CLIPS:
                    ax.axvline(row["mean"], color=colour, ls="--", lw=1)
                    continue
                y = changes.index(row["perturbation"]) + offset
                ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.4)
                ax.plot(row["mean"], y, marker, ms=4.5, color=colour)
            ax.plot([], [], marker, color=colour, label=explainer)
        ax.set_yticks(range(len(changes)), changes)
        ax.set_ylim(len(changes) - 0.5, -0.5)
        ax.set_xlim(min(-0.05, ax.get_xlim()[0]), 1.03)
        ax.set_xlabel("rank correlation of weights; dashed: different clips")
        ax.set_title(
            f"Explanations of {self.about['model']} after changes that should not matter, "
            f"{self.about['n_clips']} clips"
        )
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        ax.spines[["top", "right"]].set_visible(False)
        return ax


def evaluate_stability(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    *,
    n_clips: int | None = 40,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    seed: int = 0,
    journal: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Stability:
    """Measure how much explanations of a corpus change when nothing that matters does.

    Parameters
    ----------
    corpus : Corpus
    model : Model
    explainers : mapping of str to Explainer
        By the name that they have in the result.
    n_clips : int or None
        Clips, drawn so that emotions and speakers come equally often; None: all.
    perturbations : sequence of Perturbation
        Beside another seed of the explainer, which is always tried.
    seed : int
        Of the draw of clips and of noise.
    journal, n_workers, progress
        As in :func:`~cuelens.evaluate.journal.run_tasks`; a task is a clip.

    Raises
    ------
    InputError
        An explainer cannot explain the model, or no clip could be explained.
    """
    rows = balanced_rows(corpus, n_clips, seed=seed)
    about = described(corpus, model, explainers, seed=seed)
    about["perturbations"] = [OTHER_SEED, *(change.name for change in perturbations)]
    results = run_tasks(
        _one_clip,
        {clip_key(corpus, row): (row,) for row in rows},
        settings=about | {"settings": [repr(change) for change in perturbations]},
        shared=(corpus, model, dict(explainers), tuple(perturbations), seed),
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )
    done, failed = divided(results)
    clips = {clip_key(corpus, row): clip_columns(corpus, row) for row in rows}
    frame = pd.DataFrame(
        {**clips[key], "target": result["target"], **row}
        for key, result in done.items()
        for row in result["rows"]
    )
    return Stability(
        about={**about, "n_clips": len(done), "failed": failed},
        frame=frame.astype(dict.fromkeys(_NUMBERS, np.float64)),
        chance=pd.DataFrame(row for name in explainers for row in _chance(name, done, clips)),
    )


def changed_explanations(
    explanation: Explanation,
    model: Model,
    explainer: Explainer,
    audio: Audio,
    *,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    seed: int = 0,
) -> Iterator[tuple[str, float, int]]:
    """Change one clip, and compare its explanation with that of each changed clip.

    Parameters
    ----------
    explanation : Explanation
        Of `audio`, by `explainer`.
    model, explainer, audio
        That it was made with.
    perturbations : sequence of Perturbation
    seed : int
        Of noise.

    Yields
    ------
    name, rank_correlation, n_model_calls : str, float, int
        NaN where the changed clip cannot be explained, or all weights are equal.
    """
    audio = audio.resample(model.sample_rate)
    for change in perturbations:
        try:
            changed = change.apply(audio, seed=(seed, 0))
            after = explainer.explain(model, changed.audio, target=explanation.target)
        except CuelensError:  # such as: nothing left to hear
            yield change.name, float("nan"), 0
            continue
        entry = _compared(explanation, after, changed)
        yield change.name, float(entry["rank_correlation"]), after.n_model_calls


def _one_clip(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    perturbations: Sequence[Perturbation],
    seed: int,
    row: int,
) -> dict[str, Any]:
    """A task: one clip, all changes, all explainers."""
    audio = corpus.audio(row, sample_rate=model.sample_rate)
    label = answer(model, audio)
    changed: dict[str, Perturbed | str] = {}
    for change in perturbations:
        try:
            changed[change.name] = change.apply(audio, seed=(seed, row))
        except CuelensError as error:  # such as: nothing left to hear
            changed[change.name] = str(error)
    rows: list[dict[str, Any]] = []
    tables: dict[str, Any] = {}
    for name, explainer in explainers.items():
        try:
            before = explainer.explain(model, audio, target=label)
            tables[name] = weights_by_place(before).tolist()
            found = _all_changes(model, explainer, before, Perturbed(audio=audio), changed)
        except CuelensError as error:
            found = {change: _missing(str(error)) for change in (OTHER_SEED, *changed)}
        rows += [
            {"explainer": name, "perturbation": change, **entry} for change, entry in found.items()
        ]
    return {
        "target": label,
        "target_index": model_labels(model).index(label),
        "rows": json_ready(rows),
        "tables": tables,
    }


def _all_changes(
    model: Model,
    explainer: Explainer,
    before: Explanation,
    unchanged: Perturbed,
    changed: Mapping[str, Perturbed | str],
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    try:
        other = reseeded(explainer)
    except InputError as error:
        found[OTHER_SEED] = _missing(str(error))
    else:
        found[OTHER_SEED] = (
            _nothing_random(before) if other is None else _compare(model, other, before, unchanged)
        )
    for name, version in changed.items():
        try:
            found[name] = (
                _missing(version)
                if isinstance(version, str)
                else _compare(model, explainer, before, version)
            )
        except CuelensError as error:
            found[name] = _missing(str(error))
    return found


def _compare(
    model: Model, explainer: Explainer, before: Explanation, changed: Perturbed
) -> dict[str, Any]:
    after = explainer.explain(model, changed.audio, target=before.target)
    return _compared(before, after, changed)


def _compared(before: Explanation, after: Explanation, changed: Perturbed) -> dict[str, Any]:
    target = before.target_index
    one = weights_by_place(before)[target]
    other = weights_by_place(after, shift_s=changed.shift_s)[target]
    return {
        "rank_correlation": rank_correlation(one, other),
        "top_overlap": top_overlap(one, other),
        "probability": float(before.prediction[target]),
        "probability_change": float(after.prediction[target] - before.prediction[target]),
        "answer_changed": _answer_changed(before, after),
        "delay_ms": 1000 * changed.delay_s,
        "by_definition": False,
        "reason": why_unknown(one, other),
    }


def _answer_changed(before: Explanation, after: Explanation) -> float:
    """1 where the model's answer is another, else 0; NaN of values, which are no answers."""
    if before.output_kind == "value":
        return float("nan")
    return float(after.prediction.argmax() != before.prediction.argmax())


def _nothing_random(before: Explanation) -> dict[str, Any]:
    """Another seed of an explainer that takes none."""
    own = weights_by_place(before)[before.target_index]
    return {
        "rank_correlation": rank_correlation(own, own),
        "top_overlap": top_overlap(own, own),
        "probability": float(before.prediction[before.target_index]),
        "probability_change": 0.0,
        "answer_changed": _answer_changed(before, before),
        "delay_ms": 0.0,
        "by_definition": True,
        "reason": why_unknown(own, own),
    }


def _missing(reason: str) -> dict[str, Any]:
    return {**dict.fromkeys(_NUMBERS, float("nan")), "by_definition": False, "reason": reason}


def reseeded(explainer: Explainer) -> Explainer | None:
    """The explainer with the next seed; None where it takes no seed.

    Raises
    ------
    InputError
        It has a seed and is no dataclass, so that the seed cannot be replaced.
    """
    seed = getattr(explainer, "seed", None)
    if seed is None:
        return None
    if not is_dataclass(explainer) or isinstance(explainer, type):
        raise InputError(
            f"explainer {type(explainer).__name__} has a seed and is no dataclass; expected one, "
            "whose seed can be replaced: try other seeds by hand"
        )
    return replace(explainer, seed=seed + 1)


def _chance(
    explainer: str, done: Mapping[str, Any], clips: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Likeness of each clip's explanation to those of all other clips, for the same label."""
    keys = [key for key, result in done.items() if explainer in result["tables"]]
    tables = [np.array(done[key]["tables"][explainer]) for key in keys]
    level = dict.fromkeys(done, float("nan"))
    if len({table.shape[1] for table in tables}) == 1:  # else other units: nothing to compare
        found = pairwise_correlation(tables, tables, [done[key]["target_index"] for key in keys])
        np.fill_diagonal(found, np.nan)
        level |= {key: mean_of_known(row) for key, row in zip(keys, found, strict=True)}
    cropped = len({table.shape[2] for table in tables}) > 1
    return [
        {**clips[key], "explainer": explainer, "rank_correlation": value, "cropped": cropped}
        for key, value in level.items()
    ]


def _sentence(ranks: dict[Any, dict[Any, Any]], above: dict[Any, dict[Any, Any]]) -> str:
    level = ranks.pop(DIFFERENT_CLIPS, {"mean": float("nan")})["mean"]
    known = {str(name): row["mean"] for name, row in ranks.items() if np.isfinite(row["mean"])}
    if not known:
        return "no explanation has an order of weights to compare; the table says why."
    lowest = min(known, key=lambda name: known[name])
    text = f"ranks correlate by {known[lowest]:.2f} ({lowest}) to {max(known.values()):.2f}"
    if not np.isfinite(level):
        return f"{text}; how alike explanations of different clips are is not known."
    text += f", and by {level:.2f} between different clips"
    if not all(np.isfinite(above[name]["low"]) for name in known):
        return f"{text}; too few clips to say more."
    unlike = [name for name in known if not above[name]["low"] > 0]
    if unlike:
        return f"{text}; not clearly more alike than different clips: {', '.join(unlike)}."
    return f"{text}; after every change it is clearly more alike than that."
