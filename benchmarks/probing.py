"""Probing as published and corrected: ``python -m benchmarks.probing PART...``.

Parts (all of them without arguments; about two hours on two cores):

- ``speed``: the ridge regressions of six emotions, by grid search as published and by cuelens, in
  one run; one whole emotion of the grid search is measured, the other five are taken to be like it.
- ``whole``: probing BYOL-S on RAVDESS, after extraction.
- ``logistic``: recall of the decision beside that of logistic regression.
- ``ravdess-byols``, ``emodb-2s-byols``, ...: both procedures on a corpus and an embedding.

Every part writes ``results/probing_PART.json``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cuelens import load_corpus
from cuelens.corpora import find_corpus
from cuelens.evaluate.reproduce_probing import mixture, reproduce_probing
from cuelens.features import FeatureCache
from cuelens.features.embedding import embed_corpus
from cuelens.features.load_embedding import load_embedding
from cuelens.probe import CATEGORIES, Probing, measure_acoustics
from cuelens.probe.folds import nested_folds, z_scores_by_speaker
from cuelens.probe.published import (
    EMOTIONS,
    PENALTIES,
    SEED,
    draw_clips,
    per_speaker,
    ridge_rmse,
)
from cuelens.probe.ridge import NestedRidge
from cuelens.probe.scores import decisions, separation_of
from cuelens.probe.tasks import emotion_tasks
from cuelens.provenance import versions

RESULTS = Path(__file__).parent / "results"
CORPORA = ("ravdess", "emodb-2s")
EMBEDDINGS = ("byols", "dvectors", "egemaps")
N_DIMENSIONS = 1024  # of WavLM large
N_TOP = 100


def clips_to_regress() -> tuple[Any, Any, Any, Any, str]:
    """Embedding, acoustic features, emotions and speakers: of RAVDESS where it is, else made up."""
    rng = np.random.default_rng(0)
    if find_corpus("ravdess"):
        corpus = load_corpus("ravdess")
        features = measure_acoustics(corpus, cache=FeatureCache()).features.astype(np.float64)
        emotion_of = corpus.table["emotion"].to_numpy(dtype=str)
        speaker_of = corpus.table["speaker"].to_numpy(dtype=str)
        source = "ravdess"
    else:
        emotion_of = np.tile(np.repeat(EMOTIONS, 10), 20)
        speaker_of = np.repeat([f"speaker{k:02d}" for k in range(20)], 10 * len(EMOTIONS))
        features = rng.standard_normal((len(emotion_of), 88))
        source = "made up"
    x = mixture(features, speaker_of, n_dimensions=N_DIMENSIONS, rng=rng)
    return (
        per_speaker(x, speaker_of),
        per_speaker(features, speaker_of),
        emotion_of,
        speaker_of,
        source,
    )


def grid_search_rmse(x: Any, target: Any) -> float:
    """Error for one feature: a grid search in every one of five random folds, as published."""
    folds = KFold(n_splits=5, shuffle=True, random_state=SEED)
    errors = []
    for train, test in folds.split(x):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), Ridge()),
            {"ridge__alpha": PENALTIES},
            cv=folds,
            scoring="neg_mean_squared_error",
        ).fit(x[train], target[train])
        errors.append(np.sqrt(np.mean((search.predict(x[test]) - target[test]) ** 2)))
    return float(np.mean(errors))


def nested_rmse(x: Any, targets: Any, speakers: Any) -> Any:
    """Errors of all features for speakers held out, penalties chosen without them."""
    errors = np.zeros(targets.shape[1])
    for fold in nested_folds(speakers):
        ridge = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner).on()
        errors += ((targets[fold.test] - ridge.predict(targets[fold.train])) ** 2).sum(axis=0)
    return np.sqrt(errors / len(x))


def measure_speed(*, n_targets: int = 88) -> dict[str, Any]:
    """Seconds for 6 emotions x 88 features x (top, all) dimensions, by each way.

    Parameters
    ----------
    n_targets : int
        Features of one emotion that the grid search is measured on; its time for all of them and
        for six emotions is in proportion.
    """
    x, features, emotion_of, speaker_of, source = clips_to_regress()
    draws = draw_clips(emotion_of, contrast="others")
    rows, _ = draws["anger"]
    sets = {"all": np.arange(N_DIMENSIONS), "top": np.arange(N_TOP)}
    fast = {name: ridge_rmse(x[rows][:, some], features[rows]) for name, some in sets.items()}

    began = time.perf_counter()
    for rows_of, _ in draws.values():
        for some in sets.values():
            ridge_rmse(x[rows_of][:, some], features[rows_of])
    shared_s = time.perf_counter() - began

    slow = {}
    began = time.perf_counter()
    for name, some in sets.items():
        of_emotion = x[rows][:, some]
        slow[name] = [grid_search_rmse(of_emotion, features[rows, j]) for j in range(n_targets)]
    measured_s = time.perf_counter() - began
    grid_search_s = measured_s * 88 / n_targets * len(draws)

    began = time.perf_counter()
    for rows_of, _ in draws.values():
        for some in sets.values():
            nested_rmse(x[rows_of][:, some], features[rows_of], speaker_of[rows_of])
    nested_s = time.perf_counter() - began

    kept = np.isin(emotion_of, EMOTIONS)
    began = time.perf_counter()
    nested_rmse(x[kept], features[kept], speaker_of[kept])
    for _ in draws:
        nested_rmse(x[kept][:, :N_TOP], features[kept], speaker_of[kept])
    all_clips_s = time.perf_counter() - began

    found = {
        "features_of": source,
        "n_clips": int(np.mean([len(rows_of) for rows_of, _ in draws.values()])),
        "n_all_clips": int(kept.sum()),
        "n_dimensions": N_DIMENSIONS,
        "n_top": N_TOP,
        "n_targets_measured": n_targets,
        "grid_search_measured_s": measured_s,
        "grid_search_s": grid_search_s,
        "shared_s": shared_s,
        "nested_s": nested_s,
        "nested_all_clips_s": all_clips_s,
        "grid_search_over_shared": grid_search_s / shared_s,
        "grid_search_over_nested": grid_search_s / nested_s,
        "grid_search_over_nested_all_clips": grid_search_s / all_clips_s,
        "largest_relative_difference": float(
            max(np.abs(fast[name][:n_targets] / slow[name] - 1).max() for name in sets)
        ),
    }
    print("\nridge regressions of probing: 6 emotions, 88 features, top and all dimensions")
    for key, value in found.items():
        print(f"  {key:<36} {value if isinstance(value, str) else format(value, '10.3g')}")
    return found


def measure_whole() -> dict[str, Any]:
    """Seconds of probing BYOL-S on RAVDESS with default settings, after extraction."""
    corpus, cache = load_corpus("ravdess"), FeatureCache()
    embedded = embed_corpus(corpus, load_embedding("byols"), cache=cache)
    acoustics = measure_acoustics(corpus, cache=cache)
    began = time.perf_counter()
    result = Probing().probe(corpus, embedded, acoustics)
    seconds = time.perf_counter() - began
    print(f"probing BYOL-S on RAVDESS: {seconds:.0f} s")
    return {
        "seconds": seconds,
        "n_clips": len(corpus),
        "n_tasks": len(result.tasks),
        "n_permutations": Probing().n_permutations,
    }


def measure_logistic() -> dict[str, Any]:
    """Recall of the decision and of balanced logistic regression, BYOL-S on RAVDESS, same folds."""
    corpus, cache = load_corpus("ravdess"), FeatureCache()
    embedded = embed_corpus(corpus, load_embedding("byols"), cache=cache)
    speakers = corpus.table["speaker"].to_numpy(dtype=str)
    x = z_scores_by_speaker(embedded.layer(embedded.layers[-1]), speakers)
    told = {}
    for task in emotion_tasks(corpus):
        if task.kind != "emotion":
            continue
        truth = task.targets[:, 0]
        answers = {"ridge": np.zeros(len(truth)), "logistic": np.zeros(len(truth))}
        for fold in nested_folds(speakers):
            ridge = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner).on()
            targets = task.targets[fold.train]
            penalty = ridge.choose(targets)
            apart = separation_of(ridge.validate(targets, penalty), targets)
            decided = decisions(task, ridge.predict(targets, penalty), targets, separation=apart)
            answers["ridge"][fold.test] = decided[:, 0] > 1
            splits = [(np.delete(np.arange(len(fold.train)), part), part) for part in fold.inner]
            logistic = GridSearchCV(
                make_pipeline(
                    StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300)
                ),
                {"logisticregression__C": [1e-4, 1e-3, 1e-2]},
                cv=splits,
                scoring="balanced_accuracy",
            ).fit(x[fold.train], truth[fold.train])
            answers["logistic"][fold.test] = logistic.predict(x[fold.test])
        told[task.name] = {
            name: float(balanced_accuracy_score(truth, given)) for name, given in answers.items()
        }
        print(f"  {task.name}: {told[task.name]}", flush=True)
    mean = {name: float(np.mean([row[name] for row in told.values()])) for name in answers}
    return {"told": told, "mean": mean}


def reproduce(corpus_name: str, embedding_name: str) -> dict[str, Any]:
    """Both procedures on one corpus and embedding."""
    corpus, cache = load_corpus(corpus_name), FeatureCache()
    embedded = embed_corpus(corpus, load_embedding(embedding_name), cache=cache)
    acoustics = measure_acoustics(corpus, cache=cache)
    last = ""

    def show(what: str, _done: int, _total: int) -> None:
        nonlocal last
        if what != last:
            print(f"  {what}", flush=True)
            last = what

    print(f"\n{embedding_name} on {corpus_name}", flush=True)
    found = reproduce_probing(corpus, embedded, acoustics, progress=show)
    print(*found.summary, sep="\n", flush=True)
    return found.to_dict()


def markdown_speed(found: dict[str, Any]) -> str:
    """Times and ratios of the ridge regressions as they stand in the documentation."""
    lines = ["| way | time (s) | grid search over it |", "|---|---|---|"]
    for key, text in (
        ("grid_search_s", "grid search of every feature, as published (scikit-learn)"),
        ("shared_s", "the same regressions, decompositions shared"),
        ("nested_s", "folds of speakers, penalties chosen inside, same clips"),
        ("nested_all_clips_s", f"the same, all {found['n_all_clips']} clips"),
    ):
        lines.append(f"| {text} | {found[key]:.1f} | {found['grid_search_s'] / found[key]:.0f} |")
    return "\n".join(lines)


def markdown_features(found: dict[str, Any]) -> str:
    """F1 from eGeMAPS by emotion, as they stand in the documentation."""
    return _markdown_f1(found, (("egemaps", "eGeMAPS", "paper_egemaps"),))


def markdown_dimensions(found: dict[str, Any]) -> str:
    """F1 from the embedding's dimensions by emotion, as they stand in the documentation."""
    return _markdown_f1(found, (("all", "all", None), ("top", "top", None)))


def _markdown_f1(found: dict[str, Any], kinds: tuple[tuple[str, str, str | None], ...]) -> str:
    contrasts = list(dict.fromkeys(row["contrast"] for row in found["f1"]))
    rows = {(row["contrast"], row["emotion"]): row for row in found["f1"]}
    head = ["emotion"]
    for _, title, printed in kinds:
        head += [f"{title}, printed"] if printed and found["is_ravdess"] else []
        head += [
            f"{title}, from {'neutral' if c == 'neutral' else 'the others'}" for c in contrasts
        ]
        head += [f"{title}, speakers held out"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for ours in found["corrected"]:
        cells = [ours["emotion"]]
        for kind, _, printed in kinds:
            if printed and found["is_ravdess"]:
                cells.append(f"{100 * rows[contrasts[0], ours['emotion']][printed]:.1f}")
            for contrast in contrasts:
                row = rows[contrast, ours["emotion"]]
                cells.append(
                    f"{100 * row[f'{kind}_mean']:.1f} ± {100 * row[f'{kind}_sd']:.1f}"
                    if f"{kind}_mean" in row
                    else f"{100 * row[kind]:.1f}"
                )
            cells.append(_interval(ours, kind))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown_noise(results: dict[str, dict[str, Any]]) -> str:
    """F1 of the top dimensions of pure noise, mean over emotions and range."""
    lines = [
        "| clips of, dimensions as | published way | speakers held out | intervals that cover 50 |",
        "|---|---|---|---|",
    ]
    for found in results.values():
        cells = [f"{found['corpus']}, {found['embedding']} ({found['n_dimensions']})"]
        for name in ("published_top", "top"):
            values = np.array([100 * row[name] for row in found["noise"]])
            cells.append(f"{values.mean():.1f} ({values.min():.1f} to {values.max():.1f})")
        n = sum(row["top_low"] <= 0.5 <= row["top_high"] for row in found["noise"])
        cells.append(f"{n} of {len(found['noise'])}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown_order(results: dict[str, dict[str, Any]]) -> str:
    """Order of the categories, largest first, and how many steps of the published order hold."""
    lines = [
        "| corpus | what is probed | published way, from neutral | published way, from the others "
        "| speakers held out: gain | steps of the published order: hold, reversed, open |",
        "|---" * 6 + "|",
    ]
    for found in results.values():
        orders = {(row["of"], row["measure"]): row for row in found["orders"]}
        for of, name in (("embedding", found["embedding"]), ("mixture", "random mixture")):
            cells = [found["corpus"], name]
            for measure in ("published, neutral", "published, others", "gain"):
                row = orders.get((of, measure))
                cells.append("–" if row is None else _initials(row["order"]))
            steps = orders[of, "gain"]
            cells.append(f"{steps['holds']}, {steps['reversed']}, {steps['open']}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _initials(order: list[str]) -> str:
    assert set(order) <= set(CATEGORIES)
    return " > ".join(name[0] for name in order)


def _interval(row: dict[str, Any], name: str) -> str:
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


PARTS = {
    "speed": measure_speed,
    "whole": measure_whole,
    "logistic": measure_logistic,
    **{
        f"{corpus}-{embedding}": lambda c=corpus, e=embedding: reproduce(c, e)
        for embedding in EMBEDDINGS
        for corpus in CORPORA
    },
}


def write(part: str, found: dict[str, Any]) -> None:
    """Figures of a part, one row of a table a line."""
    content = {"versions": versions(), **found}
    entries = []
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            entries.append(f' "{key}": [\n  {rows}\n ]')
        else:
            entries.append(f' "{key}": {json.dumps(value, ensure_ascii=False)}')
    text = "{\n" + ",\n".join(entries) + "\n}\n"
    (RESULTS / f"probing_{part}.json").write_text(text, encoding="utf-8")


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    for part in sys.argv[1:] or PARTS:
        write(part, PARTS[part]())
        print(f"\n{part}: written", flush=True)


if __name__ == "__main__":
    main()
