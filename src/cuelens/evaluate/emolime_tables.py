"""Tables of the EmoLIME reproduction, from what was trained and explained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate.emolime_models import model_title
from cuelens.evaluate.journal import Result
from cuelens.evaluate.robustness import ALL, Robustness, robustness
from cuelens.models.evaluation import HeldOut
from cuelens.typing import FloatArray

Target = Literal["truth", "answer"]
Estimator = Literal["weights", "lime"]
_N_DRAWS = 2000
_FEWEST = 2  # clips of an emotion and corpus that all models get right
_CHOICES = ("weights", "target", "correlation", "clips")


def band_names(explained: Mapping[str, Result]) -> tuple[str, ...]:
    """Names of the bands, lowest first, such as ``"377–754 Hz"``.

    Raises
    ------
    InputError
        No clip could be explained, or models disagree about the bands.
    """
    found = {
        tuple(f"{low:.0f}–{high:.0f} Hz" for low, high in result["bands_hz"])
        for result in explained.values()
        if "error" not in result
    }
    if len(found) != 1:
        raise InputError(
            f"explanations have {len(found)} sets of bands; expected one: models at one sample rate"
        )
    return found.pop()


def weight_table(
    corpora: Sequence[Corpus],
    explained: Mapping[str, Result],
    *,
    models: Sequence[str],
    target: Target = "truth",
    weights: Estimator = "weights",
) -> pd.DataFrame:
    """One row an explanation.

    Parameters
    ----------
    corpora : sequence of Corpus
    explained : mapping
        Results of `explain_clip` by ``"corpus/row/model"``; failed ones are left out.
    models : sequence of str
    target : {"truth", "answer"}
        Which label's weights: the clip's emotion, or what the model answers.
    weights : {"weights", "lime"}
        Shapley values, or the coefficients of the published regression.

    Returns
    -------
    DataFrame
        ``model``, ``corpus``, ``emotion``, ``speaker``, ``clip`` (row of the corpus); ``file``,
        ``answer``, ``right``; ``kept_top_1`` ..., ``kept_random_1`` ...; then the bands.
    """
    bands = band_names(explained)
    rows: list[dict[str, Any]] = []
    for corpus in corpora:
        table = corpus.table
        for spec in models:
            for row in range(len(table)):
                result = explained.get(f"{corpus.name}/{row}/{spec}")
                if result is None or "error" in result:
                    continue
                emotion = str(table["emotion"].iloc[row])
                answer = result["labels"][int(np.argmax(result["prediction"]))]
                label = result["labels"].index(emotion if target == "truth" else answer)
                values = dict(zip(bands, result[weights][label], strict=True))
                rows.append(
                    {
                        "model": model_title(spec),
                        "corpus": corpus.name,
                        "emotion": emotion,
                        "speaker": str(table["speaker"].iloc[row]),
                        "clip": str(row),
                        "file": str(table["file"].iloc[row]).rpartition("/")[2],
                        "answer": answer,
                        "right": answer == emotion,
                        **{f"kept_top_{k + 1}": kept for k, kept in enumerate(result["kept_top"])},
                        **{
                            f"kept_random_{k + 1}": kept
                            for k, kept in enumerate(result["kept_random"])
                        },
                        **values,
                    }
                )
    return pd.DataFrame(rows)


def recall_table(
    corpora: Sequence[Corpus], trained: Mapping[str, Result], *, models: Sequence[str]
) -> pd.DataFrame:
    """What each model recognises of speakers that it has not heard, one row a model and corpus.

    Returns
    -------
    DataFrame
        ``model``, ``corpus``, ``n_clips``, ``n_speakers``; ``uar`` with 95 % interval over speakers
        (``uar_low``, ``uar_high``); ``void``: the interval reaches down to chance; ``recall_...``
        of each emotion; ``seconds`` of training.
    """
    rows: list[dict[str, Any]] = []
    for corpus in corpora:
        for spec in models:
            result = trained[f"{corpus.name}/{spec}"]
            labels = tuple(result["labels"])
            tested = corpus.table.take(result["rows"])
            held_out = HeldOut(
                labels=labels,
                truth=np.array([labels.index(emotion) for emotion in tested["emotion"]]),
                probabilities=np.eye(len(labels))[result["answers"]],
                speakers=tested["speaker"].to_numpy(dtype=str),
            )
            low, high = held_out.uar_interval()
            recall = dict(zip(labels, held_out.recall.tolist(), strict=True))
            rows.append(
                {
                    "model": model_title(spec),
                    "corpus": corpus.name,
                    "n_clips": len(tested),
                    "n_speakers": tested["speaker"].nunique(),
                    "uar": held_out.uar,
                    "uar_low": low,
                    "uar_high": high,
                    "void": low <= 1 / len(labels),
                    **{f"recall_{name}": value for name, value in recall.items()},
                    "seconds": result["seconds"],
                }
            )
    return pd.DataFrame(rows)


def flipping_table(
    weights: pd.DataFrame, *, void: Collection[tuple[str, str]], seed: int
) -> pd.DataFrame:
    """Predictions kept without the bands with the largest weights, and without random ones.

    Returns
    -------
    DataFrame
        ``model``, ``corpus`` ("all" for the mean over those that count), ``n_removed``; ``top``,
        ``random``, ``lost`` (random less top: what the weights know), each the mean over speakers
        of means over clips, ``lost_low`` and ``lost_high`` over speakers; ``n_clips``.
    """
    counts = [
        (model, corpus) not in void
        for model, corpus in zip(weights["model"], weights["corpus"], strict=True)
    ]
    kept = weights[counts]
    n_removed = sum(name.startswith("kept_top_") for name in weights.columns)
    columns = [f"kept_{kind}_{k + 1}" for kind in ("top", "random") for k in range(n_removed)]
    rng = np.random.default_rng(seed)
    cells: dict[tuple[str, str], tuple[FloatArray, FloatArray, int]] = {}
    for corpus, some in kept.groupby("corpus", sort=False):
        speakers = sorted(some["speaker"].unique())
        n = len(speakers)
        drawn = rng.integers(n, size=(_N_DRAWS, max(1, n - 1)))  # as in `robustness`
        for model, of_model in some.groupby("model", sort=False):
            means = of_model.groupby("speaker")[columns].mean().reindex(speakers)
            values = means.to_numpy().reshape(n, 2, n_removed)
            cells[str(model), str(corpus)] = (
                np.nanmean(values, axis=0),
                np.nanmean(values[drawn], axis=1),
                len(of_model),
            )
    cells[ALL, ALL] = (
        np.mean([value for value, _, _ in cells.values()], axis=0),
        np.mean([draws for _, draws, _ in cells.values()], axis=0),
        len(kept),
    )
    rows = []
    for (model, corpus), (value, draws, n_clips) in cells.items():
        lost = draws[:, 1] - draws[:, 0]
        low, high = np.nanpercentile(lost, [2.5, 97.5], axis=0)
        rows += [
            {
                "model": model,
                "corpus": corpus,
                "n_removed": k + 1,
                "top": value[0, k],
                "random": value[1, k],
                "lost": value[1, k] - value[0, k],
                "lost_low": low[k],
                "lost_high": high[k],
                "n_clips": n_clips,
            }
            for k in range(n_removed)
        ]
    return pd.DataFrame(rows)


def choice_table(
    corpora: Sequence[Corpus],
    explained: Mapping[str, Result],
    *,
    models: Sequence[str],
    void: Collection[tuple[str, str]],
    seed: int,
    n_bootstrap: int,
    n_permutations: int,
    lime: bool,
) -> pd.DataFrame:
    """The same with other choices: target, estimator, correlation, and clips all models get right.

    Returns
    -------
    DataFrame
        ``weights``, ``target``, ``correlation``, ``clips`` ("all", or "right": of the emotions that
        have two in every corpus); ``n_clips``, ``n_emotions``; for each design (``same_...``,
        ``other_...``) ``models``, ``corpora``, ``difference`` with ``_low`` and ``_high``, ``p``.
        NaN where fewer than two emotions are left.
    """
    rows: list[dict[str, Any]] = []
    for choice in (
        ("weights", "truth", "pearson", "all"),
        ("weights", "truth", "spearman", "all"),
        ("weights", "answer", "pearson", "all"),
        ("weights", "truth", "pearson", "right"),
        *([("lime", "truth", "pearson", "all")] if lime else []),
    ):
        estimator, target, correlation, clips = choice
        table = weight_table(corpora, explained, models=models, target=target, weights=estimator)  # type: ignore[arg-type]
        if clips == "right":
            table = _right(table, void)
            if table["emotion"].nunique() < 2:
                rows.append(dict(zip(_CHOICES, choice, strict=True)))
                continue
        found = robustness(
            table,
            bands=band_names(explained),
            correlation=correlation,  # type: ignore[arg-type]
            void=void,
            n_bootstrap=n_bootstrap,
            n_permutations=n_permutations,
            seed=seed,
        )
        counts = {
            "n_clips": found.about["n_clips"],
            "n_emotions": len(found.about["emotions"]),
        }
        rows.append(dict(zip(_CHOICES, choice, strict=True)) | counts | _figures(found))
    return pd.DataFrame(rows)


def _right(table: pd.DataFrame, void: Collection[tuple[str, str]]) -> pd.DataFrame:
    """Clips that every model which counts gets right, of emotions with two in every corpus."""
    counts = [
        right or (model, corpus) in void
        for model, corpus, right in zip(
            table["model"], table["corpus"], table["right"], strict=True
        )
    ]
    of_clip = table.assign(counts=counts).groupby(["corpus", "clip"])["counts"]
    kept = table[of_clip.transform("all").to_numpy(dtype=bool)]
    n_clips = kept.groupby(["emotion", "corpus"])["clip"].nunique()
    n_corpora = n_clips[n_clips >= _FEWEST].groupby("emotion").size()
    everywhere = n_corpora.index[n_corpora == table["corpus"].nunique()]
    return kept[kept["emotion"].isin(everywhere)]


def _figures(found: Robustness) -> dict[str, float]:
    figures: dict[str, float] = {}
    for design in ("same", "other"):
        name = f"{design} clips"
        for what in ("models", "corpora"):
            figures[f"{design}_{what}"] = found.agreement_of(name, what)["value"]
        difference = found.agreement_of(name, "difference")
        for end, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            figures[f"{design}_difference{end}"] = difference[key]
        figures[f"{design}_p"] = found.test_of(name, "difference")["p"]
    return figures
