"""Training and explaining, task by task: what of the EmoLIME reproduction needs sound and time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate.emolime_models import (
    DEFAULT_MODELS,
    model_title,
    saved_model,
    train_models,
)
from cuelens.evaluate.emolime_plan import Plan
from cuelens.evaluate.journal import Result, run_tasks
from cuelens.evaluate.orders import removal_path
from cuelens.evaluate.removal import coalition_table
from cuelens.explain import EmoLime, Explanation
from cuelens.explain.emolime import Variant
from cuelens.explain.game import CoalitionGame
from cuelens.explain.lime import lime_weights
from cuelens.explain.shapley import all_coalitions
from cuelens.models import Model
from cuelens.typing import BoolArray, FloatArray

StageProgress = Callable[[str, int, int], None]
N_REMOVED = 4
"""Bands that are removed, one after another."""

_N_RANDOM = 20  # sets of bands removed at random where not every set was tried


def collect(
    planned: Plan,
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    variant: Variant = "lossless",
    seed: int = 0,
    folder: Path,
    n_workers: int | None = None,
    progress: StageProgress | None = None,
) -> tuple[dict[str, Result], dict[str, Result]]:
    """Train and explain; what is finished is kept in ``folder`` and not done again.

    Returns
    -------
    trained, explained : dict
        Results of `train_models` by ``"corpus/model"``, and of `explain_clip` by
        ``"corpus/row/model"``.
    """
    check_models(models)
    report = progress or (lambda what, done, total: None)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "corpora": {corpus.name: _digest(corpus) for corpus in planned.corpora},
        "folds": {
            name: [sorted(map(int, test)) for _, test in folds]
            for name, folds in planned.folds.items()
        },
        "models": list(models),
        "seed": seed,
    }
    corpora = {corpus.name: corpus for corpus in planned.corpora}
    places = {
        (name, spec): folder / "models" / f"{_safe(name)}-{_safe(spec)}"
        for name in corpora
        for spec in models
    }
    slowest_first = sorted(models, key=("logmel", "compare").count, reverse=True)
    trained = run_tasks(
        partial(_train, seed=seed),
        {
            f"{name}/{spec}": (name, spec, planned.folds[name], places[name, spec])
            for name in corpora
            for spec in slowest_first
        },
        settings=settings,
        shared=(corpora,),
        journal=folder / "models.jsonl",
        n_workers=n_workers,
        progress=_Stage(report, "training models", len(corpora) * len(models)),
    )
    _refuse_failed(trained)
    _refuse_missing(places.values())
    tasks = {
        f"{name}/{row}/{spec}": (name, row, places[name, spec] / str(fold))
        for name in corpora
        for spec in models
        for row, fold in sorted(planned.clips[name], key=lambda item: item[1])
    }
    explained = run_tasks(
        explain_clip,
        tasks,
        settings=settings | {"variant": variant},
        shared=(corpora, EmoLime(variant=variant)),
        journal=folder / "clips.jsonl",
        n_workers=n_workers,
        progress=_Stage(report, "explaining clips", len(tasks)),
    )
    return trained, explained


def check_models(models: Sequence[str]) -> None:
    """Refuse a model that cannot be trained, one given twice, and a single one."""
    if len(set(models)) < len(models) or len(models) < 2:
        raise InputError(f"models are {', '.join(models)}; expected two or more, all different")
    for spec in models:
        model_title(spec)


def _train(
    corpora: Mapping[str, Corpus],
    name: str,
    spec: str,
    folds: list[tuple[Any, Any]],
    folder: Path,
    *,
    seed: int,
) -> Result:
    return train_models(corpora[name], spec, folds, folder, seed=seed)


def explain_clip(
    corpora: Mapping[str, Corpus], explainer: EmoLime, name: str, row: int, folder: Path
) -> Result:
    """Explain one clip of a corpus by the model in a folder.

    Returns
    -------
    dict
        ``labels``; ``prediction`` by label; ``weights`` by label and band, and ``lime``, those
        of the published regression on the same answers; ``fidelity`` by label;
        ``kept_top`` and ``kept_random``: for 1 to 4 removed bands, the share of removals after
        which the model answers as before; ``bands_hz``; ``duration_s``, ``seconds``.
    """
    model = saved_model(folder)
    audio = corpora[name].audio(row)
    found = explainer.explain(model, audio)
    top, random = kept(found, model, seed=row)
    lime = lime_weights(found.keep, found.outputs)[0] if found.tried_all else found.weights
    return {
        "labels": list(found.labels),
        "prediction": found.prediction.tolist(),
        "weights": found.weights.tolist(),
        "lime": lime.tolist(),
        "fidelity": [float(value) if np.isfinite(value) else None for value in found.fidelity],
        "kept_top": top.tolist(),
        "kept_random": random.tolist(),
        "bands_hz": [[unit.low_hz, unit.high_hz] for unit in found.units],
        "duration_s": audio.duration_s,
        "seconds": found.timing_s,
    }


def kept(found: Explanation, model: Model, *, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Whether the model still answers as it did when bands are removed (pixel flipping).

    The bands with the largest weights for the model's answer, against random ones.

    Returns
    -------
    top, random : ndarray, shape (N_REMOVED,), values in [0, 1]
        Position k: without k + 1 bands.  ``top`` is 0 or 1.  ``random`` is the share of all sets of
        so many bands where every combination was tried, else of 20 sets.
    """
    n_units = len(found.units)
    answer = int(found.prediction.argmax())
    order = np.argsort(-found.weights[answer], kind="stable")
    removed = range(1, min(N_REMOVED, n_units - 1) + 1)
    path = removal_path(order)[1 : len(removed) + 1]
    if found.tried_all:
        answers = coalition_table(found).argmax(axis=1)
        top = answers[path @ (1 << np.arange(n_units))] == answer
        n_left = all_coalitions(n_units).sum(axis=1)
        sets = [answers[n_left == n_units - k] == answer for k in removed]
    else:
        if found.components is None:
            raise InputError(
                "this explanation holds no sound (it was read from JSON); expected one returned by "
                "explain()"
            )
        game = CoalitionGame(model, found.components, n_samples=found.components.waveform.size)
        top = game(path).argmax(axis=1) == answer
        rng = np.random.default_rng(seed)
        sets = [game(_random_sets(n_units, k, rng)).argmax(axis=1) == answer for k in removed]
    return top.astype(np.float64), np.array([some.mean() for some in sets])


def _random_sets(n_units: int, n_removed: int, rng: np.random.Generator) -> BoolArray:
    keep = np.ones((_N_RANDOM, n_units), dtype=bool)
    for row in keep:
        row[rng.permutation(n_units)[:n_removed]] = False
    return keep


class _Stage:
    """Further tasks done, as a stage of progress."""

    def __init__(self, report: StageProgress, what: str, total: int) -> None:
        self._report, self._what, self._total, self._done = report, what, total, 0

    def __call__(self, n: int) -> None:
        self._done += n
        self._report(self._what, self._done, self._total)


def _refuse_failed(results: Mapping[str, Result]) -> None:
    for key, result in results.items():
        if "error" in result:
            raise InputError(f"{key} cannot be trained: {result['error']}")


def _refuse_missing(places: Iterable[Path]) -> None:
    for place in places:
        if not (place / "0" / "model.json").is_file():
            raise InputError(
                f"{place} holds no model, though it was trained; expected the models of this run: "
                "delete models.jsonl beside it to train them again"
            )


def _digest(corpus: Corpus) -> str:
    """What a corpus holds, wherever it lies."""
    table = corpus.table[["file", "start", "end", "speaker", "emotion"]]
    table = table.assign(file=[Path(str(file)).name for file in table["file"]])
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16]


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
