"""Probing one layer: which features its dimensions carry, and which of them matter for a task.

Everything happens inside folds that keep speakers apart.  In every outer fold, on its training
speakers only: dimensions are ranked by their importance for the task, their number n is chosen on
inner folds (each with a ranking of its own), penalties are chosen on inner folds.  The speakers
left out are only predicted.  Controls run through the same code: features shuffled within speakers,
dimensions ranked for labels shuffled within speakers, random dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cuelens.probe.erasure import erased_predictions
from cuelens.probe.folds import OuterFold, shuffled_within_speakers, sums_by_speaker
from cuelens.probe.ranking import Importance, importance_of
from cuelens.probe.ridge import NestedRidge, RidgeOnDimensions
from cuelens.probe.scores import SCORES, decisions, separation_of
from cuelens.probe.tasks import Task
from cuelens.typing import FloatArray, IntArray

_COLUMNS_AT_ONCE = 2200  # shuffled features predicted together: bounds memory
STEPS_PER_FOLD = 3
_RANKINGS_KEPT = 20  # for shuffled labels, to tell how far folds agree on nothing


@dataclass(frozen=True, kw_only=True, eq=False)
class TopDimensions:
    """The dimensions that matter for one task, in one outer fold.

    Parameters
    ----------
    importance : ndarray, shape (n_dimensions,)
        On the training speakers.
    n : int
        How many, chosen on inner folds.
    """

    importance: FloatArray
    n: int

    @property
    def ranking(self) -> IntArray:
        """All dimensions, the most important first."""
        return np.argsort(-self.importance, kind="stable")

    @property
    def top(self) -> IntArray:
        """The dimensions that matter."""
        return self.ranking[: self.n]


@dataclass(kw_only=True, eq=False)
class Findings:
    """Errors and decisions for speakers left out; all scores and intervals come from these.

    Parameters
    ----------
    speakers : ndarray of str, shape (n_rows,)
        Of every row; sums are over speakers in sorted order.
    errors : dict of ndarray, shape (..., n_speakers, n_features)
        Sums of squared errors.  Keys: ``"mean"`` (the training mean), ``"all"``, ``"label"`` (the
        training means of the emotions), ``"within"`` (all dimensions, differences between emotions
        taken out), ``"shuffled"`` (leading axis: shuffles), and by task ``("top", task)``,
        ``("random", task)`` (draws), ``("top shuffled", task)`` (shuffles).
    decisions : dict of ndarray, shape (..., n_rows, n_columns)
        Predicted targets, by ``(which, task)`` with which one of ``"all"``, ``"top"``,
        ``"random"`` (leading axis: draws), ``"features"``, ``"erased"`` (features), or by
        ``(which, task, n)`` with ``"top"``, ``"rest"``, ``"bottom"``; see `scores.decisions`.
    focus, focus_shuffled : dict of ndarray, shape (n_features,) and (n_shuffles, n_features)
        By task, see `focus_on`; sums over the outer folds, for the labels and for shuffled ones.
    top : dict of list of TopDimensions
        By task, one an outer fold.
    importances_shuffled : dict of list of ndarray, shape (n, n_dimensions)
        By task, one an outer fold: importance for some shuffled labels, the same in every fold.
    """

    speakers: NDArray[np.str_]
    errors: dict[object, FloatArray] = field(default_factory=dict)
    decisions: dict[object, FloatArray] = field(default_factory=dict)
    focus: dict[str, FloatArray] = field(default_factory=dict)
    focus_shuffled: dict[str, FloatArray] = field(default_factory=dict)
    top: dict[str, list[TopDimensions]] = field(default_factory=dict)
    importances_shuffled: dict[str, list[FloatArray]] = field(default_factory=dict)

    def add_errors(self, key: object, errors: FloatArray, rows: IntArray) -> None:
        """Sum squared errors, shape (..., n_test, n_features), by speaker."""
        names = np.unique(self.speakers)
        mine = np.searchsorted(names, np.unique(self.speakers[rows]))
        if key not in self.errors:
            shape = (*errors.shape[:-2], len(names), errors.shape[-1])
            self.errors[key] = np.zeros(shape)
        sums = sums_by_speaker(np.moveaxis(errors, -2, 0), self.speakers[rows])
        self.errors[key][..., mine, :] = np.moveaxis(sums, 0, -2)

    def add_decisions(self, key: object, values: FloatArray, rows: IntArray) -> None:
        """Place decisions, shape (..., n_test, n_columns), in their rows."""
        if key not in self.decisions:
            shape = (*values.shape[:-2], len(self.speakers), values.shape[-1])
            self.decisions[key] = np.full(shape, np.nan)
        self.decisions[key][..., rows, :] = values


def numbers_of_dimensions(n_dimensions: int) -> tuple[int, ...]:
    """Numbers of top dimensions tried: powers of two from 4 to 64, up to a quarter of all."""
    largest = max(1, n_dimensions // 4)
    return tuple(n for n in (4, 8, 16, 32, 64) if n <= largest) or (largest,)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerStudy:
    """Probe one layer for tasks that share their rows.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
    y : ndarray, shape (n_rows, n_features)
    speakers, emotions : ndarray of str, shape (n_rows,)
    tasks : sequence of Task
    folds : sequence of OuterFold
    importance : {"shap", "integrated_gradients", "permutation"}
    n_permutations, n_random : int
        Shuffles, and draws of random dimensions.
    seed : int
    progress : callable
        Called with the number of further steps done; there are `STEPS_PER_FOLD` a fold.
    """

    x: FloatArray
    y: FloatArray
    speakers: NDArray[np.str_]
    emotions: NDArray[np.str_]
    tasks: Sequence[Task]
    folds: Sequence[OuterFold]
    importance: Importance = "shap"
    n_permutations: int = 200
    n_random: int = 20
    seed: int = 0
    progress: Callable[[int], None] = lambda _: None

    def run(self) -> Findings:
        """Everything, fold by fold."""
        rng = np.random.default_rng(self.seed)
        shuffles = [
            shuffled_within_speakers(self.speakers, rng) for _ in range(self.n_permutations)
        ]
        draws = [rng.permutation(self.x.shape[1]) for _ in range(self.n_random)]
        findings = Findings(speakers=self.speakers, top={task.name: [] for task in self.tasks})
        for fold in self.folds:
            nested = NestedRidge(self.x, train=fold.train, test=fold.test, inner=fold.inner)
            full = nested.on()
            feature_penalty = full.choose(self.y[fold.train])
            self._probe_all(findings, fold, full, feature_penalty, shuffles)
            self.progress(1)
            inner = [
                (part, rest, problem, problem.on())
                for part, rest, problem in nested.inner_problems()
            ]
            on_features = NestedRidge(
                self.y, train=fold.train, test=fold.test, inner=fold.inner
            ).on()
            for task in self.tasks:
                n_top = self._choose_n(inner, task, fold)
                self._probe_task(
                    findings, fold, nested, full, feature_penalty, on_features, task, n_top
                )
            self.progress(1)
            self._probe_random(findings, fold, nested, draws)
            self._probe_shuffled_labels(findings, fold, nested, full, shuffles)
            self.progress(1)
        return findings

    def _probe_all(
        self,
        findings: Findings,
        fold: OuterFold,
        full: RidgeOnDimensions,
        feature_penalty: FloatArray,
        shuffles: Sequence[IntArray],
    ) -> None:
        """All dimensions: the features, what emotions leave of them, shuffled features."""
        y = self.y[fold.train]
        truth = self.y[fold.test]
        findings.add_errors("mean", (truth - y.mean(axis=0)) ** 2, fold.test)
        predicted = full.predict(y, feature_penalty)
        findings.add_errors("all", (truth - predicted) ** 2, fold.test)
        of_label = _means_of(y, self.emotions[fold.train])
        expected = np.stack([of_label.get(e, y.mean(axis=0)) for e in self.emotions[fold.test]])
        residual = y - np.stack([of_label[e] for e in self.emotions[fold.train]])
        left = truth - expected
        findings.add_errors("label", left**2, fold.test)
        findings.add_errors("within", (left - full.predict(residual)) ** 2, fold.test)
        n_features = y.shape[1]
        at_once = max(1, _COLUMNS_AT_ONCE // n_features)
        parts = []
        for first in range(0, len(shuffles), at_once):
            some = shuffles[first : first + at_once]
            shuffled = np.concatenate([self.y[order] for order in some], axis=1)
            off = (shuffled[fold.test] - full.predict(shuffled[fold.train])) ** 2
            parts.append(np.moveaxis(off.reshape(len(off), len(some), n_features), 1, 0))
        if parts:
            findings.add_errors("shuffled", np.concatenate(parts), fold.test)

    def _probe_task(
        self,
        findings: Findings,
        fold: OuterFold,
        nested: NestedRidge,
        full: RidgeOnDimensions,
        feature_penalty: FloatArray,
        on_features: RidgeOnDimensions,
        task: Task,
        n_top: int,
    ) -> None:
        """The task from all dimensions, from those that matter, without each feature."""
        y, targets = self.y[fold.train], task.targets[fold.train]
        penalty = full.choose(targets)
        importance = importance_of(
            self.importance, full, targets, penalty=penalty, is_class=task.is_class
        )
        top = TopDimensions(importance=importance, n=n_top)
        findings.top[task.name].append(top)
        focus = focus_on(importance[None], full.standardised, y)[0]
        findings.focus[task.name] = findings.focus.get(task.name, 0.0) + focus
        on_top = nested.on(top.top)
        findings.add_errors(
            ("top", task.name), (self.y[fold.test] - on_top.predict(y)) ** 2, fold.test
        )
        for which, part in (("all", full), ("top", on_top), ("features", on_features)):
            findings.add_decisions((which, task.name), _decide(task, part, targets), fold.test)
        # Where inner folds would cost too much, the separation is that of the rows learned from,
        # less as much of it as inner folds take from all dimensions.
        of_all = separation_of(full.validate(targets, penalty), targets)
        learned = separation_of(full.train @ full.along(targets, penalty), targets)
        kept = np.clip(of_all / np.maximum(learned, 1e-12), 0.0, 1.0)
        share = targets.mean(axis=0)
        erased, products = erased_predictions(
            values=full.outer.values,
            train=full.train,
            test=full.test,
            features=y,
            feature_penalty=feature_penalty,
            targets=targets,
            target_penalty=penalty,
        )
        separation = kept * products / np.maximum(share * (1 - share), 1e-12)
        findings.add_decisions(
            ("erased", task.name),
            decisions(task, erased, targets, separation=separation),
            fold.test,
        )
        for n in self._curve_grid():
            for which, dimensions in (
                ("top", top.ranking[:n]),
                ("rest", top.ranking[n:]),
                ("bottom", top.ranking[-n:]),
            ):
                # The penalty that all dimensions chose: 3 sets a number would cost as many searches
                predicted, known = nested.predict_on(dimensions, targets, penalty=penalty)
                separation = kept * separation_of(known, targets)
                findings.add_decisions(
                    (which, task.name, n),
                    decisions(task, predicted, targets, separation=separation),
                    fold.test,
                )

    def _choose_n(
        self,
        inner: Sequence[tuple[IntArray, IntArray, NestedRidge, RidgeOnDimensions]],
        task: Task,
        fold: OuterFold,
    ) -> int:
        """The fewest dimensions within one standard error of the best inner score [1]_.

        In every inner fold the dimensions are ranked without the speakers it leaves out.

        .. [1] L. Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3.
        """
        targets = task.targets[fold.train]
        grid = numbers_of_dimensions(self.x.shape[1])
        scores = np.zeros((len(inner), len(grid)))
        for k, (part, rest, problem, whole) in enumerate(inner):
            known = targets[rest]
            importance = importance_of(
                self.importance,
                whole,
                known,
                penalty=whole.choose(known),
                is_class=task.is_class,
            )
            ranking = np.argsort(-importance, kind="stable")
            for i, n in enumerate(grid):
                predicted = problem.on(ranking[:n]).predict(known)
                scores[k, i] = SCORES[task.kind](targets[part], predicted, known)
        mean = np.nanmean(scores, axis=0)
        error = np.nanstd(scores, axis=0, ddof=1) / np.sqrt(len(scores))
        best = int(np.nanargmax(mean))
        return grid[int(np.argmax(mean >= mean[best] - error[best]))]

    def _probe_random(
        self,
        findings: Findings,
        fold: OuterFold,
        nested: NestedRidge,
        draws: Sequence[IntArray],
    ) -> None:
        """As many random dimensions as matter for each task."""
        if not draws:
            return
        y, truth = self.y[fold.train], self.y[fold.test]
        for n, tasks in self._tasks_by_n(findings):
            errors = []
            found: dict[str, list[FloatArray]] = {task.name: [] for task in tasks}
            for order in draws:
                part = nested.on(order[:n])
                errors.append((truth - part.predict(y)) ** 2)
                for task in tasks:
                    found[task.name].append(_decide(task, part, task.targets[fold.train]))
            for task in tasks:
                findings.add_errors(("random", task.name), np.stack(errors), fold.test)
                findings.add_decisions(("random", task.name), np.stack(found[task.name]), fold.test)

    def _probe_shuffled_labels(
        self,
        findings: Findings,
        fold: OuterFold,
        nested: NestedRidge,
        full: RidgeOnDimensions,
        shuffles: Sequence[IntArray],
    ) -> None:
        """As many dimensions as matter for each task, ranked for labels shuffled in speakers."""
        y, truth = self.y[fold.train], self.y[fold.test]
        for tasks in self._tasks_by_kind():
            found = []
            for i, order in enumerate(shuffles):
                task = tasks[i % len(tasks)]  # the ranking for a shuffled label: any task's will do
                targets = task.targets[order][fold.train]
                found.append(
                    importance_of(
                        self.importance,
                        full,
                        targets,
                        penalty=full.choose(targets),
                        is_class=task.is_class,
                    )
                )
            if not found:
                continue
            importances = np.stack(found)
            for task in tasks:
                kept = findings.importances_shuffled.setdefault(task.name, [])
                kept.append(importances[:_RANKINGS_KEPT])
            rankings = np.argsort(-importances, axis=1, kind="stable")
            focus = focus_on(importances, full.standardised, y)
            names = {task.name for task in tasks}
            for name in names:
                findings.focus_shuffled[name] = findings.focus_shuffled.get(name, 0.0) + focus
            for n, of_n in self._tasks_by_n(findings):
                wanted = [task for task in of_n if task.name in names]
                if not wanted:
                    continue
                errors = np.stack(
                    [(truth - nested.on(ranking[:n]).predict(y)) ** 2 for ranking in rankings]
                )
                for task in wanted:
                    findings.add_errors(("top shuffled", task.name), errors, fold.test)

    def _tasks_by_n(self, findings: Findings) -> Iterator[tuple[int, list[Task]]]:
        """Numbers of dimensions in the last fold, with their tasks."""
        chosen = {task.name: findings.top[task.name][-1].n for task in self.tasks}
        for n in sorted(set(chosen.values())):
            yield n, [task for task in self.tasks if chosen[task.name] == n]

    def _tasks_by_kind(self) -> Iterator[list[Task]]:
        """Emotions share the rankings for shuffled labels; other tasks have their own."""
        kinds: dict[str, list[Task]] = {}
        for task in self.tasks:
            kinds.setdefault("emotion" if task.kind == "emotion" else task.name, []).append(task)
        yield from kinds.values()

    def _curve_grid(self) -> tuple[int, ...]:
        d = self.x.shape[1]
        return tuple(n for n in (*numbers_of_dimensions(d), d // 4, d // 2) if 0 < n < d)


def _decide(task: Task, fitted: RidgeOnDimensions, targets: FloatArray) -> FloatArray:
    """Decisions on the test rows, shape (n_test, n_columns)."""
    penalty = fitted.choose(targets)
    separation = separation_of(fitted.validate(targets, penalty), targets)
    return decisions(task, fitted.predict(targets, penalty), targets, separation=separation)


def focus_on(importances: FloatArray, standardised: FloatArray, y: FloatArray) -> FloatArray:
    """How far importance lies on dimensions that carry each feature.

    The squared correlation of a dimension with a feature, averaged over dimensions with their
    importance as weights.

    Parameters
    ----------
    importances : ndarray, shape (n, n_dimensions)
    standardised : ndarray, shape (n_rows, n_dimensions)
        Columns of mean 0 and deviation 1, or 0.
    y : ndarray, shape (n_rows, n_features)

    Returns
    -------
    ndarray, shape (n, n_features), values in [0, 1]
    """
    centred = y - y.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    products = standardised.T @ (centred / np.where(spread > 0, spread, 1.0))
    squared = products**2 / len(y)
    weights = np.maximum(importances, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    return (weights / np.where(total > 0, total, 1.0)) @ squared


def _means_of(values: FloatArray, labels: NDArray[np.str_]) -> dict[str, FloatArray]:
    return {str(label): values[labels == label].mean(axis=0) for label in np.unique(labels)}
