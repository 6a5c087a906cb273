"""From errors and decisions by speaker to the tables of a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from cuelens.probe.categories import CATEGORIES
from cuelens.probe.folds import sums_by_speaker
from cuelens.probe.importance import ranking_stability
from cuelens.probe.scores import confusion, counts, uar
from cuelens.probe.statistics import (
    Interval,
    balanced_f1,
    false_discovery_q,
    jackknife,
    one_sided_p,
    permutation_p,
    pooled_permutation_p,
    r2,
    recalls_to_uar,
)
from cuelens.probe.study import Findings
from cuelens.probe.tasks import Task
from cuelens.typing import FloatArray

Row = dict[str, Any]


def feature_table(
    findings: Findings, task: Task, *, names: Sequence[str], categories: Sequence[str]
) -> pd.DataFrame:
    """One row a feature; verdicts and q-values across tasks come later."""
    errors = findings.errors
    base = errors["mean"]
    columns: dict[str, Any] = {"feature": list(names), "category": list(categories)}
    columns |= _interval("r2_all", _jackknife(findings, r2, errors["all"], base, largest=1.0))
    columns |= _interval(
        "r2_within", _jackknife(findings, r2, errors["within"], errors["label"], largest=1.0)
    )
    columns["r2_label"] = r2(errors["label"].sum(axis=0), base.sum(axis=0))
    top = errors["top", task.name]
    columns |= _interval("r2_top", _jackknife(findings, r2, top, base, largest=1.0))

    shuffled = errors.get("shuffled")
    if shuffled is None:
        control = base
        columns |= {"r2_shuffled": np.nan, "p": np.nan, "q": np.nan}
    else:
        control = shuffled.mean(axis=0)
        null = r2(shuffled.sum(axis=1), base.sum(axis=0))
        columns["r2_shuffled"] = null.mean(axis=0)
        columns["p"] = permutation_p(columns["r2_all"], null)
        columns["q"] = false_discovery_q(pooled_permutation_p(columns["r2_all"], null))
    columns |= _interval("selectivity", _jackknife(findings, _gain, errors["all"], control, base))

    draws = errors.get(("random", task.name))
    random = base if draws is None else draws.mean(axis=0)
    columns["r2_random"] = np.nan if draws is None else r2(random.sum(axis=0), base.sum(axis=0))

    of_shuffled = errors.get(("top shuffled", task.name))
    if of_shuffled is None:
        control = random
        columns |= {"r2_top_shuffled": np.nan, "p_top": np.nan, "pooled_p_top": np.nan}
    else:
        control = of_shuffled.mean(axis=0)
        null = r2(of_shuffled.sum(axis=1), base.sum(axis=0))
        columns["r2_top_shuffled"] = null.mean(axis=0)
        focus, null = findings.focus[task.name], findings.focus_shuffled[task.name]
        columns["p_top"] = permutation_p(focus, null)
        columns["pooled_p_top"] = pooled_permutation_p(focus, null)
    columns |= _interval("gain", _jackknife(findings, _gain, top, control, base))

    n_rows = len(findings.speakers)
    spread = base.sum(axis=0) / n_rows
    for which, sums in (("all", errors["all"]), ("top", top), ("random", random)):
        # RMSE over every clip left out, in standard deviations of the feature
        share = sums.sum(axis=0) / n_rows / np.where(spread > 0, spread, np.nan)
        columns[f"rmse_{which}"] = np.sqrt(share)
    if draws is None:
        columns["rmse_random"] = np.nan
    columns["information_increase"] = columns["rmse_all"] / columns["rmse_top"] ** 2
    columns["information_ratio"] = columns["rmse_all"] / columns["rmse_top"]
    if "mlp" in errors:
        control = errors["mlp shuffled"].mean(axis=0)
        columns |= _interval("r2_mlp", _jackknife(findings, r2, errors["mlp"], base, largest=1.0))
        columns["r2_mlp_shuffled"] = r2(control.sum(axis=0), base.sum(axis=0))
    drop = _drop(findings, task)
    columns |= _interval("drop", drop)
    columns["p_drop"] = one_sided_p(drop, n=len(base))
    return pd.DataFrame(columns)


def task_row(findings: Findings, task: Task) -> Row:
    """How well the task is told, and how stable what matters for it is."""
    row: Row = {
        "task": task.name,
        "kind": task.kind,
        "metric": "UAR" if task.is_class else "R2",
        "chance": 1 / max(2, task.targets.shape[1]) if task.is_class else 0.0,
        "n_clips": len(task.rows),
        "n_of_class": float(task.targets.sum()) if task.kind == "emotion" else np.nan,
    }
    tallies = {
        which: _tallies(findings, task, findings.decisions[which, task.name])
        for which in ("all", "top", "features")
    }
    score = _score_of(task)
    row |= _scalars("score", _jackknife(findings, score, tallies["all"], largest=1.0))
    row |= _scalars("score_top", _jackknife(findings, score, tallies["top"], largest=1.0))
    row |= _scalars("score_features", _jackknife(findings, score, tallies["features"], largest=1.0))
    row |= _scalars(
        "better",
        _jackknife(findings, lambda a, b: score(a) - score(b), tallies["all"], tallies["features"]),
    )
    draws = findings.decisions.get(("random", task.name))
    row["score_random"] = (
        np.nan
        if draws is None
        else float(np.mean([score(_tallies(findings, task, d).sum(axis=0)) for d in draws]))
    )
    for which, name in (("all", "f1"), ("top", "f1_top"), ("features", "f1_features")):
        if task.kind == "emotion":
            row |= _scalars(name, _jackknife(findings, balanced_f1, tallies[which], largest=1.0))
        else:
            row |= {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    chosen = [top.n for top in findings.top[task.name]]
    row |= {
        "n_top": int(np.median(chosen)),
        "n_top_min": min(chosen),
        "n_top_max": max(chosen),
    }
    importances = np.stack([top.importance for top in findings.top[task.name]])
    if importances.shape[1] == 1:  # one dimension has no order
        return row | {"kendall_tau": np.nan, "top_overlap": 1.0, "top_overlap_chance": 1.0}
    stability = ranking_stability(importances, n_top=row["n_top"])
    # Folds share training speakers and agree somewhat on what matters for any label.
    shuffled = findings.importances_shuffled.get(task.name)
    by_chance = stability.chance_overlap
    if shuffled:
        of_each = np.stack(shuffled, axis=1)
        by_chance = float(
            np.mean([ranking_stability(o, n_top=row["n_top"]).top_overlap for o in of_each])
        )
    return row | {
        "kendall_tau": stability.kendall_tau,
        "top_overlap": stability.top_overlap,
        "top_overlap_chance": by_chance,
    }


def curve_rows(findings: Findings, task: Task) -> list[Row]:
    """Score against the number of dimensions."""
    score = balanced_f1 if task.kind == "emotion" else _score_of(task)
    rows = []
    for key, decision in findings.decisions.items():
        if isinstance(key, tuple) and len(key) == 3 and key[1] == task.name:
            tallies = _tallies(findings, task, decision)
            rows.append(
                {"task": task.name, "which": key[0], "n": key[2]}
                | _scalars("f1", _jackknife(findings, score, tallies, largest=1.0))
            )
    return rows


def importance_rows(findings: Findings, task: Task, dimensions: Sequence[str]) -> pd.DataFrame:
    """Importance of every dimension, averaged over the outer folds."""
    folds = np.stack([top.importance for top in findings.top[task.name]])
    mean = folds.mean(axis=0)
    rank = np.empty(len(mean), dtype=np.int64)
    rank[np.argsort(-mean, kind="stable")] = np.arange(1, len(mean) + 1)
    return pd.DataFrame(
        {
            "task": task.name,
            "dimension": list(dimensions),
            "importance": mean,
            "importance_sd": folds.std(axis=0, ddof=1),
            "rank": rank,
        }
    )


def category_tables(
    findings: Findings, task: Task, categories: Sequence[str]
) -> tuple[list[Row], list[Row]]:
    """Means of the categories, and differences of neighbours in the published order."""
    base, whole = findings.errors["mean"], findings.errors["all"]
    top = findings.errors["top", task.name]
    shuffled = findings.errors.get(("top shuffled", task.name))
    control = None if shuffled is None else shuffled.mean(axis=0)
    # Features that do not vary tell nothing about their category.
    member = np.stack([np.asarray(categories) == name for name in CATEGORIES])
    member = member & (base.sum(axis=0) > 0)
    present = [i for i in range(len(CATEGORIES)) if member[i].any()]

    def means(values: FloatArray) -> FloatArray:
        return np.stack([values[member[i]].mean() for i in present])

    def increase(all_: FloatArray, top_: FloatArray, base_: FloatArray) -> FloatArray:
        scale = np.where(base_ > 0, base_, 1.0)
        return means(np.sqrt(all_ / scale) / np.maximum(top_ / scale, 1e-12))

    found: dict[str, tuple[Callable[..., FloatArray], tuple[FloatArray, ...]]] = {}
    found["information_increase"] = (increase, (whole, top, base))
    found["r2_top"] = (lambda t, b: means(r2(t, b)), (top, base))
    if control is not None:
        found["gain"] = (lambda t, c, b: means(_gain(t, c, b)), (top, control, base))
    values: list[Row] = []
    order: list[Row] = []
    for measure, (statistic, sums) in found.items():
        interval = _jackknife(findings, statistic, *sums)
        differences = _jackknife(findings, partial(_steps, statistic), *sums)
        head = {"task": task.name, "measure": measure}
        for j, i in enumerate(present):
            values.append(head | {"category": CATEGORIES[i]} | _scalars("value", _at(interval, j)))
        for j, (above, below) in enumerate(pairwise(present)):
            order.append(
                head
                | {"above": CATEGORIES[above], "below": CATEGORIES[below]}
                | _scalars("difference", _at(differences, j))
            )
    return values, order


def _steps(statistic: Callable[..., FloatArray], *sums: FloatArray) -> FloatArray:
    """How far each category exceeds the next."""
    return -np.diff(statistic(*sums))


def _gain(errors: FloatArray, control: FloatArray, base: FloatArray) -> FloatArray:
    """R2 less the R2 of a control."""
    varies = base > 0
    return np.where(varies, (control - errors) / np.where(varies, base, 1.0), np.nan)


def _drop(findings: Findings, task: Task) -> Interval:
    """What the score loses when each feature is erased."""
    score = _score_of(task)
    whole = _tallies(findings, task, findings.decisions["all", task.name])
    without = np.stack(
        [
            _tallies(findings, task, decision)
            for decision in findings.decisions["erased", task.name]
        ],
        axis=1,
    )
    return _jackknife(findings, lambda a, b: score(a) - score(b), whole, without)


def _tallies(findings: Findings, task: Task, decision: FloatArray) -> FloatArray:
    """What the score of a task is made of, summed by speaker."""
    truth = task.targets
    if task.kind == "emotion":
        per_clip = counts(truth, decision)[:, 0]
    elif task.kind == "all emotions":
        per_clip = confusion(truth, decision)
    else:
        # against the mean of all clips: the training means differ by the folds only
        off, spread = (truth - decision) ** 2, (truth - truth.mean(axis=0)) ** 2
        per_clip = np.concatenate([off, spread], axis=1)
    return sums_by_speaker(per_clip, findings.speakers)


def _score_of(task: Task) -> Any:
    if task.kind == "emotion":
        return recalls_to_uar
    if task.kind == "all emotions":
        return uar
    return lambda sums: r2(sums[..., 0], sums[..., 1])


def _jackknife(
    findings: Findings, statistic: Callable[..., FloatArray], *sums: FloatArray, **options: float
) -> Interval:
    """Intervals over speakers, left out in as many folds as there were."""
    n_folds = len(next(iter(findings.top.values())))
    return jackknife(statistic, *sums, n_folds=n_folds, **options)


def _interval(name: str, interval: Interval) -> Row:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _scalars(name: str, interval: Interval) -> Row:
    return {key: float(value) for key, value in _interval(name, interval).items()}


def _at(interval: Interval, i: int) -> Interval:
    return Interval(interval.value[i], interval.low[i], interval.high[i])
