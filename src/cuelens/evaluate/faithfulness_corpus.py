"""Faithfulness of several explainers over a corpus, with intervals over speakers.

Every explainer explains the model's own answer to the same clips, and its units are removed from
the sound in the order that it gives, in random orders, and, where all combinations can be tried, in
the best order there is; see :mod:`cuelens.evaluate.faithfulness`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cuelens.corpora import Corpus
from cuelens.errors import CuelensError, InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.explainers import applies, described_explainer
from cuelens.evaluate.faithfulness import faithfulness_curves
from cuelens.evaluate.faithfulness_result import Faithfulness
from cuelens.evaluate.fills import FILLS, Fill, checked_fill, mean_spectrum
from cuelens.evaluate.journal import run_tasks
from cuelens.evaluate.removed_units import RemovedUnits, removal_game, removed_units
from cuelens.explain.game import CoalitionGame
from cuelens.explain.named import Explainer
from cuelens.models.base import Model, model_labels, model_name, predict
from cuelens.provenance import versions
from cuelens.typing import FloatArray
from cuelens.units import TimeFrequencyCells

_N_CLIPS_OF_SPECTRUM = 100


def evaluate_faithfulness(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    *,
    n_clips: int | None = 40,
    seed: int = 0,
    fills: Sequence[Fill] = FILLS,
    cells: TimeFrequencyCells | None = None,
    n_steps: int = 20,
    n_random: int = 20,
    journal: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Faithfulness:
    """Judge explainers by what a model answers when their units are removed.

    Parameters
    ----------
    corpus : Corpus
        Best of speakers that the model has not heard in training.
    model : Model
    explainers : mapping of str to Explainer
        By name; the others are compared with the first.
    n_clips : int or None
        Clips, balanced over emotions and speakers; None takes all.
    seed : int
        Of clips, random orders, ties and fills.
    fills : sequence of {"silence", "mean spectrum", "noise"}
        What stands where a unit is removed; the mean spectrum is that of up to 100 clips of the
        corpus.
    cells : TimeFrequencyCells or None
        Remove these cells, whatever an explainer is about, so that all explainers compare.  None
        removes each explainer's own units: bands, windows, or cells of maps.
    n_steps, n_random : int
        See :func:`~cuelens.evaluate.faithfulness.faithfulness_curves`.
    journal : path or None
        File of finished clips, with which an interrupted run goes on.
    n_workers : int or None
        Processes; None: this one.
    progress : callable, optional
        Called with the number of further clips that are done.

    Returns
    -------
    Faithfulness
        Explainers that cannot explain the model are in ``about["skipped"]``; an explanation that
        failed is an entry with an error.

    Raises
    ------
    InputError
        No explainer or fill, none that applies, or none of the clips could be explained.
    """
    fills = tuple(dict.fromkeys(checked_fill(fill) for fill in fills))
    if not fills or not explainers:
        raise InputError(
            f"{len(explainers)} explainers and {len(fills)} fills; expected at least one of each"
        )
    usable = {name: one for name, one in explainers.items() if applies(one, model)}
    skipped = {
        name: f"looks inside a network, and {model_name(model)} is none behind a front end"
        for name in explainers
        if name not in usable
    }
    if not usable:
        raise InputError(
            f"{', '.join(skipped)}: {next(iter(skipped.values()))}; expected an explainer for any "
            "model: shapley, lime"
        )
    rows = balanced_rows(corpus, n_clips, seed=seed)
    about = {
        "corpus": corpus.name,
        "model": model_name(model),
        "labels": list(model_labels(model)),
        "explainers": {name: described_explainer(one) for name, one in explainers.items()},
        "skipped": skipped,
        "fills": list(fills),
        "cells": None if cells is None else repr(cells),
        "n_clips": len(rows),
        "n_steps": n_steps,
        "n_random": n_random,
        "seed": seed,
        "versions": versions(model, explainers),
    }
    results = run_tasks(
        _judge_clip,
        {_key(corpus, row): (row,) for row in rows},
        settings={key: value for key, value in about.items() if key != "n_clips"}
        | {"answers_to_first_clip": _fingerprint(corpus, model, 0)},
        shared=(
            *(corpus, model, usable, fills, cells),
            _spectrum(corpus, model, seed) if "mean spectrum" in fills else None,
            *(n_steps, n_random, seed),
        ),
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )
    entries: list[dict[str, Any]] = []
    for row, result in zip(rows, results.values(), strict=True):
        found = result.get("entries")
        if found is None:  # the clip cannot be read
            found = [_failed(name, fill, result["error"]) for name in usable for fill in fills]
        entries += [_clip_columns(corpus, row) | entry for entry in found]
    if all(entry["error"] for entry in entries):
        raise InputError(f"no clip could be judged, the first because: {entries[0]['error']}")
    return Faithfulness(about=about, entries=tuple(entries))


def _judge_clip(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    fills: Sequence[Fill],
    cells: TimeFrequencyCells | None,
    spectrum: FloatArray | None,
    n_steps: int,
    n_random: int,
    seed: int,
    row: int,
) -> dict[str, Any]:
    """Curves of one clip: one entry an explainer and fill."""
    audio = corpus.audio(row, sample_rate=model.sample_rate)
    games: dict[tuple[RemovedUnits, Fill], CoalitionGame] = {}
    entries = []
    for name, explainer in explainers.items():
        try:
            explanation = explainer.explain(model, audio)
            units = removed_units(explanation, cells)
        except CuelensError as error:
            entries += [_failed(name, fill, str(error)) for fill in fills]
            continue
        for fill in fills:
            try:
                if (units, fill) not in games:
                    games[units, fill] = removal_game(
                        explanation, model, units, fill, spectrum=spectrum, seed=seed
                    )
                curves = faithfulness_curves(
                    explanation,
                    model,
                    fill=fill,
                    cells=cells,
                    n_steps=n_steps,
                    n_random=n_random,
                    seed=seed,
                    game=games[units, fill],
                )
            except CuelensError as error:
                entries.append(_failed(name, fill, str(error)))
                continue
            entries.append(
                {
                    "explainer": name,
                    "fill": fill,
                    "answer": explanation.target,
                    "probability": float(explanation.prediction[explanation.target_index]),
                    "curves": curves.to_dict(),
                    "error": "",
                }
            )
    return {"entries": entries}


def _failed(explainer: str, fill: str, error: str) -> dict[str, Any]:
    return {
        "explainer": explainer,
        "fill": fill,
        "answer": "",
        "probability": None,
        "curves": None,
        "error": error,
    }


def _fingerprint(corpus: Corpus, model: Model, row: int) -> dict[str, Any]:
    """What tells apart corpora, and models, of one name."""
    try:
        clip = corpus.audio(row, sample_rate=model.sample_rate).samples.copy()
    except CuelensError:  # said where the clip is judged
        return {"n_clips": len(corpus)}
    return {"n_clips": len(corpus), "answers": predict(model, [clip])[0].round(5).tolist()}


def _spectrum(corpus: Corpus, model: Model, seed: int) -> FloatArray:
    """Mean spectrum of up to 100 clips; those that cannot be read are left out."""
    clips = []
    for row in balanced_rows(corpus, _N_CLIPS_OF_SPECTRUM, seed=seed):
        try:
            clips.append(corpus.audio(row, sample_rate=model.sample_rate))
        except CuelensError:  # said where the clip is judged
            continue
    return mean_spectrum(clips)


def _key(corpus: Corpus, row: int) -> str:
    clip = corpus.table.iloc[row]
    return f"{clip['file']} {clip['start']:g}"


def _clip_columns(corpus: Corpus, row: int) -> dict[str, Any]:
    return {
        "file": str(corpus.table["file"].iloc[row]),
        "start_s": float(corpus.table["start"].iloc[row]),
        "speaker": corpus.speaker_of(row),
        "emotion": str(corpus.table["emotion"].iloc[row]),
    }
