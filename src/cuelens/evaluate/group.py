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
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus, canonical_emotion
from cuelens.cues import CUES
from cuelens.errors import InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.group_cues import (
    CueComparison,
    clip_cues,
    compare_cues,
    cue_frame,
    neutral_cues,
    standardised,
)
from cuelens.evaluate.group_difference import group_difference, voices
from cuelens.evaluate.intervals import bootstrap_mean
from cuelens.evaluate.journal import run_tasks
from cuelens.evaluate.over_clips import clip_key, described, divided, json_ready, records
from cuelens.explain import Explanation
from cuelens.explain.explanation import dump_json
from cuelens.explain.named import Explainer
from cuelens.models.base import Model, default_target, label_index, model_labels, model_output
from cuelens.typing import FloatArray
from cuelens.units import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.figure_style import FigureFormat

N_SHARES = 10
SCHEMA_VERSION = 1
TRUTH = "truth"
UNKNOWN = "unknown"
Grouping = Literal["emotion", "speaker", "corpus", "answer", "correct"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Explained clips of one or several corpora.

    Parameters
    ----------
    frame : DataFrame
        One row a clip and unit: corpus, clip, start_s, speaker, sentence, emotion ("unknown"
        without a label), answer, correct ("right" or "wrong", of a regressor "unknown"), target,
        unit, place (order of the units), low_hz, high_hz, weight.
    about : dict
        What was explained, and with what.
    cues : DataFrame
        One row a clip and acoustic cue: the columns of clips above, cue, title, unit, place, value,
        baseline, above, effect; see :func:`~cuelens.evaluate.group_cues.standardised`.
    """

    frame: pd.DataFrame
    about: Mapping[str, Any]
    cues: pd.DataFrame = field(default_factory=pd.DataFrame)

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

    @property
    def usual_grouping(self) -> Grouping:
        """By emotion where the clips have labels, else by answer."""
        return "answer" if set(self.frame["emotion"]) == {UNKNOWN} else "emotion"

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
                speakers = voices(of_unit)
                mean = bootstrap_mean(of_unit["weight"].to_numpy(), speakers.to_list())
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
                        "n_speakers": speakers.nunique(),
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
        self._check_groups(by, first, second)
        return group_difference(
            self.frame,
            first,
            second,
            by=by,
            value="weight",
            about=("unit", "low_hz", "high_hz"),
            paired=paired,
        )

    def cue_difference(
        self, first: str, second: str, *, by: Grouping = "emotion", paired: bool = False
    ) -> CueComparison:
        """Which acoustic cues differ between two groups, the largest difference first.

        Parameters
        ----------
        first, second, by
            As in :meth:`difference`.  Right and wrong answers (``by="correct"``) are compared
            within emotions, of which a model knows some better than others.
        paired : bool
            Compare only clips of one speaker saying one sentence; not for right and wrong answers.
            Neutral speech of the same speaker takes the voice out without that.

        Raises
        ------
        InputError
            A group does not occur; pairs are asked for and there are none; no cues were measured.
        """
        self._check_groups(by, first, second)
        if self.cues.empty:
            raise InputError("this group has no cues; expected one made by explain_group")
        return compare_cues(self.cues, first, second, by=by, paired=paired)

    def cue_differences(
        self, by: Grouping = "emotion", compared: tuple[str, str] | None = None
    ) -> list[CueComparison]:
        """The cues of two groups, where two are named, and of right and wrong answers."""
        if self.cues.empty:
            return []
        asked: list[tuple[Grouping, str, str]] = [] if compared is None else [(by, *compared)]
        if {"right", "wrong"} <= set(self.frame["correct"]):
            right = ("right", "wrong")
            if by != "correct" or compared is None or set(compared) != set(right):
                asked.append(("correct", *right))
        return [self.cue_difference(first, second, by=way) for way, first, second in asked]

    def _check_groups(self, by: Grouping, *names: str) -> None:
        known = self.groups(by)
        for name in names:
            if name not in known:
                raise InputError(f"no {by} {name!r}; expected one of {', '.join(known)}")

    def to_frame(self) -> pd.DataFrame:
        """One row a clip and unit."""
        return self.frame.copy()

    def to_dict(
        self, by: Grouping = "emotion", *, compared: tuple[str, str] | None = None
    ) -> dict[str, Any]:
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
            "cue_differences": [one.to_dict() for one in self.cue_differences(by, compared)],
        }

    def plot(self, by: Grouping = "emotion") -> Figure:
        """A panel a group: mean weights with 95 % intervals."""
        from cuelens.evaluate.group_figure import plot_groups

        return plot_groups(self, by)

    def save(
        self,
        folder: str | Path,
        by: Grouping = "emotion",
        *,
        compared: tuple[str, str] | None = None,
        figures: FigureFormat = "png",
    ) -> Path:
        """Write group.json, group.csv, clips.csv, cues.csv and figures; returns the first.

        Parameters
        ----------
        folder : path
        by : str
        compared : (str, str) or None
            Two groups whose cues are compared, as those of right and wrong answers always are.
        figures : {"png", "svg", "pdf"}
        """
        from cuelens.evaluate.group_figure import plot_cue_differences
        from cuelens.figure_style import remove_figure, save_figures

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.means(by).to_csv(folder / "group.csv", index=False)
        self.frame.to_csv(folder / "clips.csv", index=False)
        self.cues.to_csv(folder / "cues.csv", index=False)
        drawn: dict[str, Axes | Figure] = {"group": self.plot(by)}
        remove_figure(folder, "cue_differences")
        comparisons = self.cue_differences(by, compared)
        if comparisons:
            drawn["cue_differences"] = plot_cue_differences(comparisons)
        save_figures(drawn, folder, figures)
        file = folder / "group.json"
        file.write_text(dump_json(self.to_dict(by, compared=compared)), encoding="utf-8")
        return file


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
        settings={"corpora": known, "n_clips": n_clips, "target": target, "cues": list(CUES)},
        shared=(chosen, model, explainer),
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )
    done, failed = divided(results)
    rows = [{**found["clip"], **unit} for found in done.values() for unit in found["units"]]
    cues = cue_frame([(found["clip"], found["cues"]) for found in done.values()])
    neutral = pd.concat(
        [
            neutral_cues(corpus, cues[cues["corpus"] == corpus.name]["speaker"].unique())
            for corpus in chosen
        ]
    )
    return Group(
        frame=pd.DataFrame(rows),
        cues=standardised(cues, neutral),
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
    return corresponding(
        explanation.units, explanation.target_weights, duration_s=explanation.clip.duration_s
    )


def corresponding(
    units: Sequence[Unit], weights: FloatArray, *, duration_s: float
) -> list[dict[str, Any]]:
    """As `corresponding_units`, from the units, their weights and the length of the clip."""
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
            "correct": UNKNOWN if model_output(model) == "value" else correct,
            "target": found.target,
        },
        "units": corresponding_units(found),
        "cues": clip_cues(audio),
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
