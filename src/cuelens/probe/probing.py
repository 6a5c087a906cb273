"""Probing: what an embedding knows about the voice, and which of it matters for an emotion.

The method of Dixit et al. [1]_, made to hold on speakers that were never seen: see `study` for what
happens inside the folds, `verdicts` for the rule.  The procedure as published is in `published`.

References
----------
.. [1] S. Dixit, D. Low, G. Elbanna, F. Catania, S. Ghosh, "Explaining deep learning embeddings for
   speech emotion recognition by predicting interpretable acoustic features", arXiv 2409.09511.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.probe.acoustics import Acoustics
from cuelens.probe.categories import category
from cuelens.probe.confounds import confounds_of, probe_confounds
from cuelens.probe.folds import OuterFold, nested_folds, z_scores_by_speaker
from cuelens.probe.mlp import mlp_errors
from cuelens.probe.ranking import IMPORTANCES, Importance
from cuelens.probe.result import ProbeResult
from cuelens.probe.statistics import false_discovery_q
from cuelens.probe.study import STEPS_PER_FOLD, Findings, LayerStudy
from cuelens.probe.tables import (
    category_tables,
    curve_rows,
    feature_table,
    importance_rows,
    task_row,
)
from cuelens.probe.tasks import Balance, Task, emotion_tasks, value_task
from cuelens.probe.verdicts import verdicts
from cuelens.provenance import versions
from cuelens.typing import FloatArray, IntArray

_MLP_SHUFFLES = 3  # controls of the network, each as costly as the network itself

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, kw_only=True)
class Probing:
    """How an embedding is probed.

    Parameters
    ----------
    emotions : tuple of str, optional
        Any spelling; by default all of the corpus.
    values : tuple of str
        Columns of numbers to predict beside the emotions, such as arousal.
    balance : {"weighted", "published"}
        See `emotion_tasks`.
    normalise : bool
        Z-scores by speaker, of the embedding and of the features.  They need the speaker's other
        clips, never a label.
    importance : {"shap", "integrated_gradients", "permutation"}
        See `importance_of`.
    n_folds : int, optional
        See `nested_folds`.
    n_permutations : int
        Shuffles of features and of labels within speakers, 2 / alpha or more; 0 leaves tests out,
        and then nothing is called carried or used.
    n_random : int
        Draws of random dimensions.
    negligible_r2 : float
        R2 below which a feature counts as not carried.
    alpha : float
        False discovery rate.
    mlp : bool
        Also probe with a small neural network (columns ``r2_mlp`` and ``r2_mlp_shuffled``).
    seed : int
    """

    emotions: tuple[str, ...] | None = None
    values: tuple[str, ...] = ()
    balance: Balance = "weighted"
    normalise: bool = True
    importance: Importance = "shap"
    n_folds: int | None = None
    n_permutations: int = 200
    n_random: int = 20
    negligible_r2: float = 0.1
    alpha: float = 0.05
    mlp: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("balance", self.balance, get_args(Balance)),
            ("importance", self.importance, IMPORTANCES),
        ):
            if value not in allowed:
                raise InputError(f"{what} is {value!r}; expected one of {', '.join(allowed)}")
        if self.n_random < 0:
            raise InputError(f"n_random is {self.n_random}; expected 0 or more")
        for what, share in (("negligible_r2", self.negligible_r2), ("alpha", self.alpha)):
            if not 0 < share < 1:
                raise InputError(f"{what} is {share}; expected a number between 0 and 1")
        fewest = int(np.ceil(2 / self.alpha))
        if self.n_permutations and self.n_permutations < fewest:
            raise InputError(
                f"n_permutations is {self.n_permutations}; expected 0 (no tests) or {fewest} and "
                f"more: fewer cannot reach p = {self.alpha / 2:g} in each of two tests"
            )

    def probe(
        self,
        corpus: Corpus,
        embedded: EmbeddedCorpus,
        acoustics: Acoustics,
        *,
        layers: Sequence[str] | None = None,
        progress: Progress = lambda *_: None,
    ) -> ProbeResult:
        """Probe an embedding of a corpus.

        Parameters
        ----------
        corpus : Corpus
            Every clip with a speaker; at least four speakers.
        embedded : EmbeddedCorpus
        acoustics : Acoustics
            Features, level and duration of every clip, in the order of the corpus.
        layers : sequence of str, optional
            By default the last.
        progress : callable

        Raises
        ------
        InputError
            The three do not belong together, speakers are missing or too few, or an emotion has
            too few speakers.
        """
        layers = (embedded.layers[-1],) if layers is None else tuple(layers)
        n = len(corpus)
        if len(embedded.values) != n or len(acoustics.features) != n:
            raise InputError(
                f"{corpus.name} has {n} clips, the embedding {len(embedded.values)} and the "
                f"features {len(acoustics.features)}; expected as many of each"
            )
        tasks = self.check(corpus)
        speakers = corpus.table["speaker"].to_numpy(dtype=str)
        confounds = confounds_of(
            corpus, level_db=acoustics.level_db, duration_s=acoustics.duration_s
        )
        groups = _sharing_rows(tasks)
        n_folds = [len(nested_folds(speakers[group[0].rows], self.n_folds)) for group in groups]
        per_layer = (STEPS_PER_FOLD + self.mlp) * sum(n_folds) + 1
        done = 0

        def step(n: int) -> None:
            nonlocal done
            done += n
            progress("probing", done, per_layer * len(layers))

        step(0)
        parts: dict[str, list[pd.DataFrame]] = {}
        together = self._correlations(corpus, acoustics)
        for layer in layers:
            x = embedded.layer(layer).astype(np.float64)
            tables: dict[str, list[pd.DataFrame]] = {}
            tops: dict[str, IntArray] = {}
            for group in groups:
                findings = self._study(x, acoustics, corpus, group, step)
                for task in group:
                    tops[task.name] = self._describe(
                        findings, task, acoustics, embedded.dimensions, tables
                    )
            tables["confounds"] = [
                probe_confounds(
                    x,
                    confounds,
                    speakers=speakers,
                    tops=tops,
                    n_random=min(self.n_random, 5),
                    seed=self.seed,
                )
            ]
            step(1)
            finished = {name: pd.concat(some, ignore_index=True) for name, some in tables.items()}
            finished["features"] = _with_companions(
                self._judged(finished["features"], finished["tasks"]), together
            )
            for name, table in finished.items():
                table.insert(0, "layer", layer)
                parts.setdefault(name, []).append(table)
        whole = {name: pd.concat(some, ignore_index=True) for name, some in parts.items()}
        return ProbeResult(about=self._about(corpus, embedded, layers, tasks, whole), **whole)

    def check(self, corpus: Corpus) -> list[Task]:
        """The tasks of a corpus; what cannot be probed is refused before any work.

        Raises
        ------
        InputError
            Speakers are missing or too few, or an emotion or a value cannot be told.
        """
        if corpus.table["speaker"].isna().any():
            raise InputError(
                f"{corpus.name}: {int(corpus.table['speaker'].isna().sum())} clips have no "
                "speaker; expected one for each, or a voice would be on both sides of a split: "
                "add a column 'speaker'"
            )
        tasks = emotion_tasks(corpus, emotions=self.emotions, balance=self.balance, seed=self.seed)
        tasks += [value_task(corpus, column) for column in self.values]
        names = [task.name for task in tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"{', '.join(twice)} would be told twice; expected every emotion and every column "
                "of values once, under names of their own"
            )
        speakers = corpus.table["speaker"].to_numpy(dtype=str)
        for task in tasks:
            folds = nested_folds(speakers[task.rows], self.n_folds)
            if task.kind == "emotion":
                voices = len(np.unique(speakers[task.rows][task.targets[:, 0] > 0]))
                if voices < 3:
                    raise InputError(
                        f"{corpus.name}: {task.name} is spoken by {voices} of the speakers; "
                        "expected at least three: name other emotions"
                    )
                _refuse_uneven(corpus.name, task, folds)
        return tasks

    def _study(
        self,
        x: FloatArray,
        acoustics: Acoustics,
        corpus: Corpus,
        tasks: Sequence[Task],
        progress: Callable[[int], None],
    ) -> Findings:
        """Tasks that share their rows, on one layer."""
        rows = tasks[0].rows
        table = corpus.table.iloc[rows]
        speakers = table["speaker"].to_numpy(dtype=str)
        inputs: FloatArray = x[rows]
        features: FloatArray = np.asarray(acoustics.features[rows], dtype=np.float64)
        if self.normalise:
            inputs = z_scores_by_speaker(inputs, speakers)
            features = z_scores_by_speaker(features, speakers)
        else:
            spread = features.std(axis=0)
            features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        folds = nested_folds(speakers, self.n_folds)
        findings = LayerStudy(
            x=inputs,
            y=features,
            speakers=speakers,
            emotions=table["emotion"].to_numpy(dtype=str),
            tasks=tasks,
            folds=folds,
            importance=self.importance,
            n_permutations=self.n_permutations,
            n_random=self.n_random,
            seed=self.seed,
            progress=progress,
        ).run()
        if self.mlp:
            findings.errors["mlp"], findings.errors["mlp shuffled"] = mlp_errors(
                inputs,
                features,
                speakers=speakers,
                folds=folds,
                n_shuffles=_MLP_SHUFFLES,
                seed=self.seed,
                progress=progress,
            )
        return findings

    def _describe(
        self,
        findings: Findings,
        task: Task,
        acoustics: Acoustics,
        dimensions: Sequence[str],
        tables: dict[str, list[pd.DataFrame]],
    ) -> IntArray:
        """Add the tables of one task; returns the dimensions that matter, over all folds."""
        categories = [category(name) for name in acoustics.names]
        features = feature_table(findings, task, names=acoustics.names, categories=categories)
        features.insert(0, "task", task.name)
        row = task_row(findings, task)
        importance = importance_rows(findings, task, dimensions)
        values, order = category_tables(findings, task, categories)
        for name, table in (
            ("features", features),
            ("tasks", pd.DataFrame([row])),
            ("curve", pd.DataFrame(curve_rows(findings, task))),
            ("importance", importance),
            ("categories", pd.DataFrame(values)),
            ("order", pd.DataFrame(order)),
        ):
            tables.setdefault(name, []).append(table)
        return np.flatnonzero(importance["rank"].to_numpy() <= row["n_top"])

    def _correlations(self, corpus: Corpus, acoustics: Acoustics) -> pd.DataFrame:
        """How features go together over the clips."""
        features: FloatArray = np.asarray(acoustics.features, dtype=np.float64)
        if self.normalise:
            speakers = corpus.table["speaker"].to_numpy(dtype=str)
            features = z_scores_by_speaker(features, speakers)
        return pd.DataFrame(features, columns=list(acoustics.names)).corr()

    def _judged(self, features: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
        """False discovery control within every task, and the verdicts."""
        features = features.copy()
        # Within a task: verdicts are read task by task.
        for test, column in (("top", "pooled_p_top"), ("drop", "p_drop")):
            features[f"q_{test}"] = np.nan
            for rows in features.groupby("task").indices.values():
                q = false_discovery_q(features[column].to_numpy()[rows])
                features.loc[features.index[rows], f"q_{test}"] = q
        features = features.drop(columns="pooled_p_top")
        told = tasks.set_index("task")[["score", "score_low", "score_top_low", "chance"]]
        told = told.loc[features["task"]].reset_index(drop=True)
        features["verdict"] = verdicts(
            features,
            told=(told["score_low"] > told["chance"]).to_numpy(dtype=bool),
            told_by_top=(told["score_top_low"] > told["chance"]).to_numpy(dtype=bool),
            above_chance=(told["score"] - told["chance"]).to_numpy(),
            negligible_r2=self.negligible_r2,
            alpha=self.alpha,
        )
        return features

    def _about(
        self,
        corpus: Corpus,
        embedded: EmbeddedCorpus,
        layers: Sequence[str],
        tasks: Sequence[Task],
        tables: dict[str, pd.DataFrame],
    ) -> dict[str, Any]:
        settings = asdict(self)
        seed = settings.pop("seed")
        return {
            "embedding": embedded.name,
            "corpus": corpus.name,
            "n_clips": len(corpus),
            "n_speakers": len(corpus.speakers),
            "n_dimensions": len(embedded.dimensions),
            "layers": list(layers),
            "tasks": [task.name for task in tasks],
            "settings": settings,
            "seed": seed,
            "provenance": dict(embedded.provenance),
            "versions": versions(),
            "notes": list(corpus.notes),
            "warnings": _warnings(tables["confounds"], normalise=self.normalise),
        }


def _with_companions(features: pd.DataFrame, together: pd.DataFrame) -> pd.DataFrame:
    """The used feature that goes most closely with each one, and their correlation."""
    features = features.assign(goes_with="", goes_with_r=np.nan)
    for _, rows in features.groupby("task", sort=False):
        used = rows.loc[rows["verdict"] == "carried and used", "feature"].tolist()
        for index, name in rows["feature"].items():
            others = together.loc[name, [other for other in used if other != name]].dropna()
            if len(others):
                closest = str(others.abs().idxmax())
                features.loc[index, ["goes_with", "goes_with_r"]] = [closest, others[closest]]
    return features


def _refuse_uneven(corpus: str, task: Task, folds: Sequence[OuterFold]) -> None:
    """Every inner fold must have the emotion and others on both sides."""
    of_class = task.targets[:, 0] > 0
    for fold in folds:
        usable = 0
        for part in fold.inner:
            inside = of_class[fold.train[part]]
            outside = np.delete(of_class[fold.train], part)
            if outside.all() or not outside.any():
                usable = 0
                break
            usable += bool(inside.any() and not inside.all())
        if usable < 2:
            raise InputError(
                f"{corpus}: {task.name} is spoken by too few speakers for nested folds; expected "
                "it, and something else, on both sides of every split: name other emotions"
            )


def _sharing_rows(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks of the same clips together: they share every decomposition."""
    groups: list[list[Task]] = []
    for task in tasks:
        for group in groups:
            if np.array_equal(group[0].rows, task.rows):
                group.append(task)
                break
        else:
            groups.append([task])
    return groups


def _warnings(confounds: pd.DataFrame, *, normalise: bool) -> list[str]:
    """Where the dimensions that matter for an emotion tell the speaker."""
    found = []
    of_speaker = confounds[confounds["confound"] == "speaker"]
    telling = of_speaker[
        (of_speaker["dimensions"] != "all") & (of_speaker["value_low"] > 2 * of_speaker["chance"])
    ]
    for layer, rows in telling.groupby("layer", sort=False):
        strongest = rows.sort_values("value", ascending=False).iloc[0]
        names = ", ".join(rows["dimensions"])
        found.append(
            f"{layer}: the dimensions that matter for {names} also tell who speaks (up to "
            f"{strongest['value']:.0%} of {round(1 / strongest['chance'])} speakers recognised, "
            f"chance {strongest['chance']:.0%}; as many random dimensions "
            f"{strongest['random']:.0%})."
            + (
                " Z-scores by speaker take the mean voice of each speaker away before the emotion "
                "is told; without them it may lean on who speaks."
                if normalise
                else " The emotion may be told by who speaks."
            )
        )
    return found
