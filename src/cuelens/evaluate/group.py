"""Explanations of a group of clips: mean weights with intervals, and differences of two groups.

Weights of single clips vary; what a model listens to for an emotion, a speaker or a corpus is their
mean.  Speakers, not clips, are what varies, so intervals come from drawing speakers again [1]_.

Units must correspond across clips: frequency bands do.  Time windows do not, as clips differ in
length; their weights are handed to ten equal shares of the clip.

References
----------
.. [1] C. Field, A. Welsh, "Bootstrapping clustered data", J. Royal Statistical Society B 69, 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus, canonical_emotion
from cuelens.errors import InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.intervals import (
    MIN_CLUSTERS,
    Sample,
    bootstrap_mean,
    bootstrapped,
    bootstrapped_apart,
)
from cuelens.evaluate.journal import run_tasks
from cuelens.evaluate.over_clips import clip_key, described, divided, json_ready, records
from cuelens.explain import Explanation
from cuelens.explain.explanation import dump_json
from cuelens.explain.named import Explainer
from cuelens.models.base import Model, default_target, label_index, model_labels, model_output
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cuelens.explain.figure_style import FigureFormat

N_SHARES = 10
SCHEMA_VERSION = 1
TRUTH = "truth"
Grouping = Literal["emotion", "speaker", "corpus", "answer", "correct"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Explained clips of one or several corpora.

    Parameters
    ----------
    frame : DataFrame
        One row a clip and unit: corpus, clip, start_s, speaker, sentence, emotion, answer, correct
        ("right" or "wrong", of a regressor "unknown"), target, unit, place (order of the units),
        low_hz, high_hz, weight.
    about : dict
        What was explained, and with what.
    """

    frame: pd.DataFrame
    about: Mapping[str, Any]

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Names of the units, low to high or first to last."""
        table = self.frame[["unit", "place"]].drop_duplicates().sort_values("place")
        return tuple(table["unit"])

    @property
    def n_clips(self) -> int:
        """Clips that were explained."""
        return int(self.frame.groupby(["corpus", "clip", "start_s"]).ngroups)

    def groups(self, by: Grouping) -> tuple[str, ...]:
        """The values that a column has, sorted.

        Raises
        ------
        InputError
            Not a column to group by, or a clip has none.
        """
        if by not in get_args(Grouping):
            raise InputError(f"by is {by!r}; expected one of {', '.join(get_args(Grouping))}")
        if self.frame[by].isna().any():
            raise InputError(f"some clips have no {by}; expected one for each: group otherwise")
        return tuple(sorted(self.frame[by].unique()))

    def views(self, by: Grouping = "emotion") -> tuple[Grouping, ...]:
        """How else the clips can be grouped: ``by`` first, then what has several groups."""
        others: tuple[Grouping, ...] = ("emotion", "speaker", "correct", "corpus")
        return by, *(
            name
            for name in others
            if name != by and not self.frame[name].isna().any() and len(set(self.frame[name])) > 1
        )

    def means(self, by: Grouping = "emotion") -> pd.DataFrame:
        """Mean weight of every unit in every group.

        Returns
        -------
        DataFrame
            Columns group, unit, low_hz, high_hz, mean, low, high (95 % interval over speakers; over
            clips where there are fewer than three speakers; NaN with fewer than three clips),
            n_clips, n_speakers.
        """
        rows = []
        for group in self.groups(by):
            part = self.frame[self.frame[by] == group]
            for unit, of_unit in part.groupby("unit", sort=False):
                voices = _voices(of_unit)
                mean = bootstrap_mean(of_unit["weight"].to_numpy(), voices.to_list())
                rows.append(
                    {
                        "group": group,
                        "unit": unit,
                        "place": of_unit["place"].iloc[0],
                        "low_hz": of_unit["low_hz"].iloc[0],
                        "high_hz": of_unit["high_hz"].iloc[0],
                        "mean": mean.value,
                        "low": mean.low,
                        "high": mean.high,
                        "n_clips": mean.n,
                        "n_speakers": voices.nunique(),
                    }
                )
        frame = pd.DataFrame(rows).sort_values(["group", "place"], kind="stable")
        return frame.drop(columns="place").reset_index(drop=True)

    def answers(self) -> pd.DataFrame:
        """How many clips of each emotion (rows) got each answer (columns)."""
        clips = self.frame.drop_duplicates(["corpus", "clip", "start_s"])
        return pd.crosstab(clips["emotion"], clips["answer"])

    def typical(self, by: Grouping = "emotion") -> pd.DataFrame:
        """The clip of every group whose weights are nearest to the group's mean weights.

        Returns
        -------
        DataFrame
            Columns group, corpus, clip, start_s, speaker, emotion, answer, distance (Euclidean,
            over the units); of equally near clips, the first.
        """
        about = ["corpus", "clip", "start_s"]
        rows = []
        for name in self.groups(by):
            part = self.frame[self.frame[by] == name]
            weights = part.pivot_table(index=about, columns="unit", values="weight", sort=False)
            distance = np.sqrt(((weights - weights.mean()) ** 2).sum(axis=1))
            nearest = dict(zip(about, distance.idxmin(), strict=True))
            clip = part[(part[about] == pd.Series(nearest)).all(axis=1)].iloc[0]
            rows.append(
                {
                    "group": name,
                    **{key: clip[key] for key in (*about, "speaker", "emotion", "answer")},
                    "distance": float(distance.min()),
                }
            )
        return pd.DataFrame(rows)

    def difference(
        self, first: str, second: str, *, by: Grouping = "emotion", paired: bool | None = None
    ) -> pd.DataFrame:
        """Mean weights of one group less those of another.

        Parameters
        ----------
        first, second : str
            Groups.
        by : str
        paired : bool or None
            Compare clips of one speaker saying one sentence, so that neither voices nor words
            differ; several such clips of a group are averaged.  Of two speakers: clips of one
            sentence and emotion, and intervals are over sentences.  None: where three speakers (or
            sentences) or more have such pairs.

        Returns
        -------
        DataFrame
            Columns unit, low_hz, high_hz, difference, low, high (95 % over speakers; those of
            groups that share none are drawn apart, and clips are drawn where one group has fewer
            than three), n (pairs, or clips of both groups), n_speakers, paired.

        Raises
        ------
        InputError
            A group does not occur; pairs are asked for and there are none.
        """
        known = self.groups(by)
        for name in (first, second):
            if name not in known:
                raise InputError(f"no {by} {name!r}; expected one of {', '.join(known)}")
        pairs = self._pairs(first, second, by)
        n_speakers = 0 if pairs.empty else pairs["cluster"].nunique()
        if paired and pairs.empty:
            raise InputError(
                f"no speaker says one sentence both in {first} and in {second}; expected such "
                "pairs: explain more clips, or compare without pairs (paired=False)"
            )
        if paired or (paired is None and n_speakers >= MIN_CLUSTERS):
            return self._paired_difference(pairs)
        return self._unpaired_difference(first, second, by)

    def _pairs(self, first: str, second: str, by: Grouping) -> pd.DataFrame:
        """One row a speaker, sentence and unit that both groups have."""
        keys = ["corpus", "speaker", "sentence", "unit", "place", "low_hz", "high_hz"]
        known = self.frame.dropna(subset=["speaker", "sentence"])
        if by == "speaker":  # the same sentence of two voices
            keys[keys.index("speaker")] = "emotion"
        sides = [
            known[known[by] == name].groupby(keys)["weight"].mean() for name in (first, second)
        ]
        joined = pd.concat(sides, axis=1, join="inner", keys=["first", "second"]).reset_index()
        joined["difference"] = joined["first"] - joined["second"]
        if by == "speaker":
            return joined.assign(cluster=joined["sentence"], n_speakers=2)
        return joined.assign(cluster=_voices(joined), n_speakers=_voices(joined).nunique())

    def _paired_difference(self, pairs: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for _, part in pairs.groupby("place"):
            mean = bootstrap_mean(part["difference"].to_numpy(), part["cluster"].to_list())
            rows.append(
                {
                    **part[["unit", "low_hz", "high_hz"]].iloc[0].to_dict(),
                    "difference": mean.value,
                    "low": mean.low,
                    "high": mean.high,
                    "n": mean.n,
                    "n_speakers": int(part["n_speakers"].iloc[0]),
                    "paired": True,
                }
            )
        return pd.DataFrame(rows)

    def _unpaired_difference(self, first: str, second: str, by: Grouping) -> pd.DataFrame:
        rows = []
        both = self.frame[self.frame[by].isin([first, second])]
        speakers = _voices(both)
        of_each = [set(speakers[both[by] == name]) for name in (first, second)]
        few = speakers.nunique() if of_each[0] & of_each[1] else min(map(len, of_each))
        use_speakers = by != "speaker" and not speakers.isna().any() and few >= MIN_CLUSTERS
        for _, part in both.groupby("place"):
            drawn = _voices(part) if use_speakers else part["corpus"] + " " + part["clip"]
            codes = pd.factorize(drawn)[0]
            samples = []
            for name in (first, second):
                chosen = (part[by] == name).to_numpy()
                values = part["weight"].to_numpy()[chosen]
                samples.append(Sample(values, np.ones(values.size), codes[chosen]))
            if np.intersect1d(samples[0].clusters, samples[1].clusters).size:
                value, low, high = bootstrapped(samples)
            else:
                value, low, high = bootstrapped_apart(samples[0], samples[1])
            rows.append(
                {
                    **part[["unit", "low_hz", "high_hz"]].iloc[0].to_dict(),
                    "difference": value,
                    "low": low,
                    "high": high,
                    "n": len(part),
                    "n_speakers": _voices(part).nunique(),
                    "paired": False,
                }
            )
        return pd.DataFrame(rows)

    def to_frame(self) -> pd.DataFrame:
        """One row a clip and unit."""
        return self.frame.copy()

    def to_dict(self, by: Grouping = "emotion") -> dict[str, Any]:
        """The mean explanations as JSON types; see the JSON page of the documentation."""
        return {
            "schema_version": SCHEMA_VERSION,
            "about": json_ready(dict(self.about)),
            "by": by,
            "means": records(self.means(by)),
            "views": {
                name: {"means": records(self.means(name)), "typical": records(self.typical(name))}
                for name in self.views(by)
            },
            "answers": {
                str(emotion): {str(answer): int(n) for answer, n in row.items()}
                for emotion, row in self.answers().iterrows()
            },
        }

    def plot(self, by: Grouping = "emotion") -> Figure:
        """A panel a group: mean weights with 95 % intervals."""
        from cuelens.evaluate.group_figure import plot_groups

        return plot_groups(self, by)

    def save(
        self, folder: str | Path, by: Grouping = "emotion", *, figures: FigureFormat = "png"
    ) -> Path:
        """Write group.json, group.csv, clips.csv and the figure; returns the first."""
        from cuelens.explain.figure_style import save_figures

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.means(by).to_csv(folder / "group.csv", index=False)
        self.frame.to_csv(folder / "clips.csv", index=False)
        save_figures({"group": self.plot(by)}, folder, figures)
        file = folder / "group.json"
        file.write_text(dump_json(self.to_dict(by)), encoding="utf-8")
        return file


def _voices(frame: pd.DataFrame) -> pd.Series[Any]:
    """Speakers by corpus and name, as names occur in several corpora; missing where not known."""
    return (frame["corpus"] + " " + frame["speaker"]).where(frame["speaker"].notna())


def explain_group(
    corpora: Corpus | Sequence[Corpus],
    model: Model,
    explainer: Explainer,
    *,
    n_clips: int | None = 40,
    target: str | None = None,
    seed: int = 0,
    journal: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Group:
    """Explain clips, emotions and speakers equally often.

    Parameters
    ----------
    corpora : Corpus or sequence of Corpus
    model : Model
    explainer : Explainer
        Of frequency bands or of time windows.
    n_clips : int or None
        Of each corpus; None: all.
    target : str or None
        Label to explain in every clip; ``"truth"`` is the clip's own emotion, clips of emotions
        that the model does not know being left out; by default the model's answer to each.
    seed : int
        Which clips.
    journal, n_workers, progress
        As in :func:`~cuelens.evaluate.journal.run_tasks`.

    Returns
    -------
    Group

    Raises
    ------
    InputError
        No clip could be explained; two corpora of one name; the model does not know the target.
    """
    chosen = [corpora] if isinstance(corpora, Corpus) else list(corpora)
    names = [corpus.name for corpus in chosen]
    if not chosen or len(set(names)) < len(names):
        raise InputError(f"corpora are {names}; expected one or more, all of different names")
    if target not in (None, TRUTH):
        target = model_labels(model)[label_index(model, target)]
    tasks: dict[str, tuple[Any, ...]] = {}
    for place, corpus in enumerate(chosen):
        for row in balanced_rows(corpus, n_clips, seed=seed):
            wanted = target
            if target == TRUTH:
                emotion = str(corpus.table["emotion"].iloc[row])
                wanted = _label_of(model, emotion)
                if wanted is None:
                    continue
            tasks[f"{corpus.name} {clip_key(corpus, row)}"] = (place, row, wanted)
    if not tasks:
        raise InputError(
            "no clip has an emotion that the model knows; expected one or more: see its labels"
        )
    known = [described(corpus, model, {"explainer": explainer}, seed=seed) for corpus in chosen]
    results = run_tasks(
        _explain_clip,
        tasks,
        settings={"corpora": known, "n_clips": n_clips, "target": target},
        shared=(chosen, model, explainer),
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )
    done, failed = divided(results)
    rows = [{**found["clip"], **unit} for found in done.values() for unit in found["units"]]
    return Group(
        frame=pd.DataFrame(rows),
        about={
            "corpora": names,
            "model": known[0]["model"],
            "labels": list(model_labels(model)),
            "explainer": known[0]["explainers"]["explainer"],
            "target": target,
            "n_clips": len(done),
            "failed": failed,
            "seed": seed,
            "versions": known[0]["versions"],
        },
    )


def corresponding_units(explanation: Explanation) -> list[dict[str, Any]]:
    """Weights of an explanation for units that other clips have too.

    Parameters
    ----------
    explanation : Explanation
        Of units that last as long as the clip (bands), or of units that span all frequencies.

    Returns
    -------
    list of dict
        Keys unit, place, low_hz, high_hz, weight (for the target).  Bands are as they are; weights
        of time windows are spread evenly over their time and added up over ten equal shares of the
        clip, which keeps their sum.

    Raises
    ------
    InputError
        Units of another kind, such as cells of time and frequency.
    """
    duration_s = explanation.clip.duration_s
    units, weights = explanation.units, explanation.target_weights
    if all(unit.start_s <= 0.01 and unit.end_s >= duration_s - 0.01 for unit in units):
        return [
            {
                "unit": unit.name,
                "place": place,
                "low_hz": unit.low_hz,
                "high_hz": unit.high_hz,
                "weight": float(weight),
            }
            for place, (unit, weight) in enumerate(zip(units, weights, strict=True))
        ]
    if len({(unit.low_hz, unit.high_hz) for unit in units}) > 1:
        raise InputError(
            "these units differ both in time and in frequency; expected bands or time windows, "
            "which other clips have too"
        )
    edges = np.linspace(0.0, duration_s, N_SHARES + 1)
    shares = spread(
        np.array([[unit.start_s, unit.end_s] for unit in units]), np.asarray(weights), edges
    )
    return [
        {
            "unit": f"{100 * place // N_SHARES}–{100 * (place + 1) // N_SHARES} %",
            "place": place,
            "low_hz": units[0].low_hz,
            "high_hz": units[0].high_hz,
            "weight": float(weight),
        }
        for place, weight in enumerate(shares)
    ]


def spread(intervals: FloatArray, weights: FloatArray, edges: FloatArray) -> FloatArray:
    """Weights of intervals, spread evenly over each, added up between edges.

    Parameters
    ----------
    intervals : ndarray, shape (n, 2)
    weights : ndarray, shape (n,)
    edges : ndarray, shape (m + 1,)
        Rising; what lies outside goes to the first and the last bin.

    Returns
    -------
    ndarray, shape (m,)
    """
    start, end = np.clip(intervals, edges[0], edges[-1]).T
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.maximum(0.0, np.minimum(end, high) - np.maximum(start, low))
    length = overlap.sum(axis=0)
    share = np.divide(overlap, length, out=np.zeros_like(overlap), where=length > 0)
    for place in np.flatnonzero(length <= 0):
        share[0 if start[place] <= edges[0] else -1, place] = 1.0
    return share @ weights


def _explain_clip(
    corpora: Sequence[Corpus],
    model: Model,
    explainer: Explainer,
    place: int,
    row: int,
    target: str | None,
) -> dict[str, Any]:
    corpus = corpora[place]
    audio = corpus.audio(row, sample_rate=model.sample_rate)
    found = explainer.explain(model, audio, target=target)
    clip = corpus.table.iloc[row]
    answer = found.labels[default_target(model, found.prediction)]
    correct = "right" if _emotion(answer) == str(clip["emotion"]) else "wrong"
    return {
        "clip": {
            "corpus": corpus.name,
            "clip": str(clip["file"]),
            "start_s": float(clip["start"]),
            "speaker": corpus.speaker_of(row),
            "sentence": None if pd.isna(clip["sentence"]) else str(clip["sentence"]),
            "emotion": str(clip["emotion"]),
            "answer": answer,
            "correct": "unknown" if model_output(model) == "value" else correct,
            "target": found.target,
        },
        "units": corresponding_units(found),
    }


def _label_of(model: Model, emotion: str) -> str | None:
    try:
        return model_labels(model)[label_index(model, emotion)]
    except InputError:
        return None


def _emotion(label: str) -> str:
    try:
        return canonical_emotion(label)
    except InputError:
        return label
