"""Sanity: is there a model to explain, and does the explanation depend on what it has learned?

`gate` asks the first, before any explaining: a network whose head was never trained, or that gives
the same answer to everything, can be explained all the same, and the explanation looks like any
other.

`evaluate_sanity` asks the second.  The weights of a network are drawn again, layer by layer from
the top down [1]_, and each clip is explained again for the same label.  An explanation that stays
what it was shows the clip, not the model: edges of the spectrogram, loud bands.  Models without
layers are compared with one that was trained on shuffled labels (`compare_models`).

References
----------
.. [1] J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, sections 3 and 4.
.. [2] L. Sixt, M. Granz, T. Landgraf, "When explanations lie: why many modified BP attributions
   fail", ICML 2020.
.. [3] B. Phipson, G. Smyth, "Permutation p-values should never be zero", Statistical Applications
   in Genetics and Molecular Biology 9(1), 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.errors import CuelensError, InputError
from cuelens.evaluate.binning import (
    cropped,
    pairwise_correlation,
    rank_correlation,
    weights_by_place,
    why_unknown,
)
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.gate import Gate, gate
from cuelens.evaluate.intervals import bootstrap_mean
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
)
from cuelens.evaluate.randomised_models import (
    How,
    OneOther,
    Order,
    OtherModels,
    Randomised,
    layers,
    redraw,
)
from cuelens.explain.named import Explainer
from cuelens.models.base import Model, label_index, model_labels, model_name, predict
from cuelens.models.network import is_network
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Verdict = Literal["changes", "undecided", "does not change", "unknown"]

ALIKE = 0.5  # mean rank correlation that separates "changes" from "does not change"
N_PERMUTATIONS = 999
_WORST_FIRST: tuple[Verdict, ...] = ("does not change", "undecided", "unknown", "changes")
KINDS = ("signed", "absolute")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sanity:
    """How much explanations of a trained model resemble those of one that has learned nothing.

    Parameters
    ----------
    about : mapping
        Corpus, model, explainers, what they are compared with, and clips that failed.
    gate : Gate
    frame : pandas.DataFrame
        A row a clip, explainer and other model: ``depth`` (layers drawn so far), ``layer``, rank
        correlation ``signed`` and ``absolute`` (of the weights, and of their absolute values, for
        the label that the trained model answers), ``probability`` of that label from the other
        model, and ``reason`` where a value is missing.
    tests : pandas.DataFrame
        A row an explainer and kind (signed, absolute): mean rank correlation at the last depth
        with its 95 % interval, ``verdict``, ``different_clips`` (mean rank correlation of
        different clips' explanations under the trained model) and ``p_same_clip``.

    Notes
    -----
    The verdict is "changes" where the interval lies below 0.5, "does not change" where it lies
    above, else "undecided"; "unknown" where there is no interval.  ``p_same_clip`` is the
    permutation p-value [3]_ that the two explanations of a clip are more alike than those of two
    clips: a small one says that what was not learned still shows the clip.
    """

    about: Mapping[str, Any]
    gate: Gate
    frame: pd.DataFrame
    tests: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Means over clips with 95 % intervals, by explainer, depth and kind."""
        rows = []
        groups = self.frame.groupby(["explainer", "depth", "layer"], sort=False)
        for (explainer, depth, layer), part in groups:
            for kind in KINDS:
                values = part[kind].to_numpy(np.float64)
                rows.append(
                    {
                        "explainer": explainer,
                        "depth": depth,
                        "layer": layer,
                        "kind": kind,
                        **mean_entry(values, list(part["speaker"])),
                    }
                )
        return pd.DataFrame(rows)

    def verdicts(self) -> dict[str, Verdict]:
        """Of every explainer the worse of both kinds.

        Rules that hand back positive parts only keep their pattern and merely change its sign
        [2]_: signed weights alone would pass them.
        """
        return {
            str(explainer): min(part["verdict"], key=_WORST_FIRST.index)
            for explainer, part in self.tests.groupby("explainer", sort=False)
        }

    def sentences(self) -> dict[str, str]:
        """One sentence an explainer."""
        found = {}
        for explainer, verdict in self.verdicts().items():
            part = self.tests[self.tests["explainer"] == explainer].set_index("kind")
            own = self.frame[self.frame["explainer"] == explainer]
            reasons = own[own["depth"] == own["depth"].max()]["reason"]
            found[explainer] = f"{explainer}: {self._sentence(verdict, part, reasons)}"
        return found

    def _sentence(self, verdict: Verdict, part: pd.DataFrame, reasons: pd.Series[str]) -> str:
        when = self.about["at_the_end"]
        signed, absolute = (part.loc[kind].to_dict() for kind in KINDS)
        if not np.isfinite(signed["mean"]):
            return f"{when}, nothing can be compared: {reasons.mode().iloc[0]}."
        says = {
            "changes": f"changes {when}, as it should",
            "does not change": f"does NOT change {when}: it shows the clip more than the model",
            "undecided": f"it is undecided whether it changes {when}",
            "unknown": f"no verdict {when}",
        }[verdict]
        numbers = ", ".join(
            f"{value['mean']:.2f}"
            + (f" ({value['low']:.2f} to {value['high']:.2f})" if np.isfinite(value["low"]) else "")
            + f" {kind}"
            for kind, value in (("signed", signed), ("absolute", absolute))
        )
        text = f"{says} (rank correlation with the trained model's {numbers}"
        if np.isfinite(signed["different_clips"]):
            text += (
                f"; different clips {signed['different_clips']:.2f} and "
                f"{absolute['different_clips']:.2f}"
            )
        return text + ")."

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON types, NaN as null; single clips are in the table."""
        return {
            **self.about,
            "gate": self.gate.to_dict(),
            "verdicts": self.verdicts(),
            "sentences": self.sentences(),
            "tests": records(self.tests),
            "summary": records(self.summary()),
        }

    def save(self, folder: str | Path) -> Path:
        """Write sanity.json, sanity.csv and sanity.png; returns the JSON file."""
        return save_result(self, self.frame, folder, "sanity")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Rank correlation by depth with 95 % intervals, signed (full) and absolute (dashed)."""
        from cuelens.evaluate.sanity_figure import plot_sanity

        return plot_sanity(self, ax)


def evaluate_sanity(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    *,
    n_clips: int | None = 20,
    depths: int | None = 5,
    order: Order = "cascade",
    how: How = "reset",
    seed: int = 0,
    journal: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sanity:
    """Explain clips with a network's weights drawn again, layer by layer from the top down.

    Parameters
    ----------
    corpus : Corpus
    model : NetworkModel
        A network behind a front end, with its weights in PyTorch.
    explainers : mapping of str to Explainer
    n_clips : int or None
        Clips, drawn so that emotions and speakers come equally often; None: all.
    depths : int or None
        So many depths, evenly spread, among them the first and the last; None: every layer.
    order : {"cascade", "independent"}
        Draw all layers down to one, or one alone, which gives no verdicts.
    how : {"reset", "permute"}
        See :func:`redraw`.
    seed : int
        Of the draw of clips, and of weights, which are drawn anew for each clip, so that intervals
        hold for other draws too.
    journal, n_workers, progress
        As in :func:`~cuelens.evaluate.journal.run_tasks`; a task is a clip.

    Raises
    ------
    InputError
        The model is no network (see :func:`compare_models`), a layer cannot be drawn again, or no
        clip could be explained.
    MissingExtraError
        PyTorch is not installed.
    """
    for value, allowed in ((order, get_args(Order)), (how, get_args(How))):
        if value not in allowed:
            raise InputError(f"{value!r}; expected one of {', '.join(allowed)}")
    if not is_network(model):
        raise InputError(
            f"model {model_name(model)} has no layers to draw again; expected a network behind a "
            "front end: give a model trained on shuffled labels to compare_models"
        )
    trial = deepcopy(model.module)
    names = layers(trial)
    if not names:
        raise InputError(f"model {model_name(model)} has no weights; expected a trained network")
    for layer in names:  # before the work, so that what cannot be drawn costs nothing
        redraw(trial, layer, seed=0, how=how)
    places = np.arange(len(names))
    if depths is not None:
        places = np.unique(np.round(np.linspace(0, len(names) - 1, max(2, depths))).astype(int))
    others = Randomised(seed=seed, order=order, how=how, chosen=tuple(names[k] for k in places))
    cascade = order == "cascade"
    return _evaluate(
        corpus,
        model,
        explainers,
        others,
        {
            "order": order,
            "how": how,
            "layers": list(names),
            "compared_with": "with layers drawn again, from the top down"
            if cascade
            else "with single layers drawn again",
            "at_the_end": "when all weights are drawn again"
            if cascade
            else f"when {names[-1]} alone is drawn again",
        },
        decide=cascade,
        n_clips=n_clips,
        seed=seed,
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )


def compare_models(
    corpus: Corpus,
    model: Model,
    other_model: Model,
    explainers: Mapping[str, Explainer],
    *,
    name: str = "shuffled labels",
    n_clips: int | None = 20,
    seed: int = 0,
    journal: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sanity:
    """Explain clips with another model that has not learned what the model has.

    Parameters
    ----------
    corpus, explainers, n_clips, seed, journal, n_workers, progress
        As in :func:`evaluate_sanity`.
    model, other_model : Model
        Such as a trained one, and one trained on shuffled labels (:func:`shuffled_labels_model`).
        Where the label that the model answers is unknown to the other, the clip is not scored.
    name : str
        What the other model is, in a word or two.
    """
    first = corpus.audio(0, sample_rate=other_model.sample_rate)
    return _evaluate(
        corpus,
        model,
        explainers,
        OneOther(name=name, model=other_model),
        {
            "order": "other model",
            "other_model": model_name(other_model),
            "other_labels": list(model_labels(other_model)),
            "other_answer_to_first_clip": predict(other_model, [first.samples.copy()])[0]
            .round(5)
            .tolist(),
            "compared_with": f"and of a model with {name}",
            "at_the_end": f"with {name}",
        },
        decide=True,
        n_clips=n_clips,
        seed=seed,
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )


def _evaluate(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    others: OtherModels,
    what: Mapping[str, Any],
    *,
    decide: bool,
    n_clips: int | None,
    seed: int,
    journal: Path | None,
    n_workers: int | None,
    progress: Callable[[int], None] | None,
) -> Sanity:
    rows = balanced_rows(corpus, n_clips, seed=seed)
    about = described(corpus, model, explainers, seed=seed) | dict(what)
    chosen = list(others.chosen) if isinstance(others, Randomised) else []
    passed = gate(model)
    results = run_tasks(
        _one_clip,
        {clip_key(corpus, row): (row,) for row in rows},
        settings=about | {"chosen": chosen},
        shared=(corpus, model, dict(explainers), others),
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
    return Sanity(
        about={**about, "n_clips": len(done), "failed": failed},
        gate=passed,
        frame=frame.astype(dict.fromkeys((*KINDS, "probability"), np.float64)),
        tests=pd.DataFrame(
            _test(name, kind, done, clips, decide=decide, seed=seed)
            for name in explainers
            for kind in KINDS
        ),
    )


def _one_clip(
    corpus: Corpus,
    model: Model,
    explainers: Mapping[str, Explainer],
    others: OtherModels,
    row: int,
) -> dict[str, Any]:
    """A task: one clip, all explainers, all other models."""
    audio = corpus.audio(row, sample_rate=model.sample_rate)
    label = answer(model, audio)
    target = model_labels(model).index(label)
    own: dict[str, FloatArray | str] = {}
    for name, explainer in explainers.items():
        try:
            own[name] = weights_by_place(explainer.explain(model, audio, target=label))
        except CuelensError as error:
            own[name] = str(error)
    rows: list[dict[str, Any]] = []
    last: dict[str, FloatArray] = {}
    for depth, layer, other in others.of(model, row):
        for name, explainer in explainers.items():
            entry, table = _compare(model, other, explainer, audio, own[name], target)
            rows.append({"explainer": name, "depth": depth, "layer": layer, **entry})
            last |= {} if table is None else {name: table}
    return {
        "target": label,
        "target_index": target,
        "rows": json_ready(rows),
        "tables": {
            name: [table.tolist(), json_ready(last[name].tolist())]
            for name, table in own.items()
            if not isinstance(table, str) and name in last
        },
    }


def _compare(
    model: Model,
    other: Model,
    explainer: Explainer,
    audio: Audio,
    own: FloatArray | str,
    target: int,
) -> tuple[dict[str, Any], FloatArray | None]:
    """Likeness of two models' explanations; the other's weights in the order of our labels."""
    nothing: dict[str, Any] = {**dict.fromkeys((*KINDS, "probability")), "reason": ""}
    if isinstance(own, str):
        return {**nothing, "reason": own}, None
    labels = model_labels(model)
    try:
        label = model_labels(other)[label_index(other, labels[target])]
        explanation = explainer.explain(other, audio, target=label)
    except CuelensError as error:
        return {**nothing, "reason": str(error)}, None
    found = weights_by_place(explanation)
    table = np.full((len(labels), *found.shape[1:]), np.nan)
    for place, name in enumerate(labels):
        try:
            table[place] = found[label_index(other, name)]
        except InputError:  # a label that the other model has not
            continue
    one, two = cropped(own[target], table[target])
    return {
        "signed": rank_correlation(one, two),
        "absolute": rank_correlation(np.abs(one), np.abs(two)),
        "probability": float(explanation.prediction[explanation.target_index]),
        "reason": why_unknown(one, two),
    }, table


def _test(
    explainer: str,
    kind: str,
    done: Mapping[str, Any],
    clips: Mapping[str, Mapping[str, Any]],
    *,
    decide: bool,
    seed: int,
) -> dict[str, Any]:
    """The verdict on one explainer, and its controls."""
    keys = [key for key, result in done.items() if explainer in result["tables"]]
    change = np.abs if kind == "absolute" else np.asarray
    trained, others = (
        [change(np.array(done[key]["tables"][explainer][k], dtype=np.float64)) for key in keys]
        for k in (0, 1)
    )
    of = [done[key]["target_index"] for key in keys]
    same_units = len({table.shape[1] for table in trained}) == 1
    across = pairwise_correlation(trained, others, of) if same_units else np.empty((0, 0))
    control = pairwise_correlation(trained, trained, of) if same_units else np.empty((0, 0))
    np.fill_diagonal(control, np.nan)
    mean = bootstrap_mean(np.diagonal(across), [clips[key]["speaker"] for key in keys])
    verdict: Verdict = "unknown"
    if decide and np.isfinite(mean.low):
        verdict = "changes" if mean.high < ALIKE else "undecided"
        verdict = "does not change" if mean.low > ALIKE else verdict
    return {
        "explainer": explainer,
        "kind": kind,
        "mean": mean.value,
        "low": mean.low,
        "high": mean.high,
        "n_clips": mean.n,
        "n_missing": len(done) - mean.n,
        "verdict": verdict,
        "different_clips": mean_of_known(control.ravel()),
        "p_same_clip": same_clip_p(across, seed=seed),
    }


def same_clip_p(likeness: FloatArray, *, seed: int = 0) -> float:
    """Permutation p-value [3]_ that matching pairs are more alike than mismatched ones.

    Parameters
    ----------
    likeness : ndarray, shape (n_clips, n_clips)
        Of each clip's explanation by one model (rows) with each clip's by another (columns); NaN
        where unknown.  Clips whose own pair is unknown are left out.
    seed : int

    Returns
    -------
    float
        (1 + dealings with at least the mean of the diagonal) / (1 + 999); NaN for fewer than four
        clips, of which there are too few dealings for a p below 0.05.
    """
    keep = np.isfinite(np.diagonal(likeness))
    likeness = likeness[np.ix_(keep, keep)]
    n = len(likeness)
    if n < 4:
        return float("nan")
    rng = np.random.default_rng(seed)
    dealt = np.array([rng.permutation(n) for _ in range(N_PERMUTATIONS)])
    means = np.array([mean_of_known(pairs) for pairs in likeness[np.arange(n), dealt]])
    own = float(np.diagonal(likeness).mean())
    return float((1 + np.count_nonzero(means >= own - 1e-12)) / (1 + N_PERMUTATIONS))
