"""What probing found, held against what the literature expects of each emotion.

Two questions are asked of every cue that the literature expects of an emotion: do the dimensions of
the embedding that matter for the emotion carry it, and does the decision need it [1]_?  Both are
about association: a cue falls with whatever goes along with it in the corpus.

References
----------
.. [1] S. Dixit, D. Low, G. Elbanna, F. Catania, S. Ghosh, "Explaining deep learning embeddings for
   speech emotion recognition by predicting interpretable acoustic features", arXiv 2409.09511.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cuelens.cues.definitions import CUES
from cuelens.cues.experts import expert_table
from cuelens.errors import InputError
from cuelens.explain.account import ENGLISH, listed
from cuelens.probe.categories import title
from cuelens.probe.result import ProbeResult
from cuelens.probe.verdicts import NEGLIGIBLE_SHARE, VERDICTS

NOT_MEASURED = "not measured"
_COPIED = (
    *("r2_all", "r2_all_low", "r2_all_high", "r2_top", "r2_top_low", "r2_top_high"),
    *("gain", "gain_low", "gain_high", "q_top", "verdict", "drop", "drop_low", "drop_high"),
    "q_drop",
)
_MAX_NAMED = 4
_FEW_SPEAKERS = 12  # below, intervals over speakers are wide


def shown_layer(result: ProbeResult, layer: str | None = None) -> str:
    """The layer asked for, by default the last.

    Raises
    ------
    InputError
        The result has no such layer.
    """
    layers = [str(name) for name in result.about["layers"]]
    if layer is None:
        return layers[-1]
    if layer not in layers:
        raise InputError(f"there is no layer {layer!r}; expected one of {', '.join(layers)}")
    return layer


def expected_cues(result: ProbeResult, layer: str | None = None) -> pd.DataFrame:
    """What became of every cue that the literature expects of an emotion.

    Parameters
    ----------
    result : ProbeResult
    layer : str, optional
        By default the last.

    Returns
    -------
    DataFrame
        One row an emotion and cue, in the order of the tasks and of `CUES`: ``emotion, cue, title,
        feature`` (the functional that stands for the cue; missing where none of the 88 does),
        ``expected`` (direction against neutral speech), ``status, sources``; ``r2_all``,
        ``r2_top``, ``gain`` and ``drop`` with interval, ``q_top`` and ``verdict`` as in
        `ProbeResult`, and

        - ``in_top``: whether the dimensions that matter carry the cue. "readable" where the
          interval of ``r2_top`` lies above ``negligible_r2``; "more than elsewhere" where they also
          carry more of it than as many dimensions chosen for shuffled labels (``q_top`` up to
          ``alpha / 2``, interval of ``gain`` above 0); "no" where the interval lies below; else
          "undecided".
        - ``needed``: "loses by it" where erasing the cue lowers the score (interval of ``drop``
          above 0, ``q_drop`` up to ``alpha / 2``); "does without it" where the emotion is told
          above chance and no worse than from the features (``better_high`` above 0), and less
          than a fifth of the score above chance is lost (``drop_high``); else "undecided".

        Both are "not measured" where no functional stands for the cue.

    Raises
    ------
    InputError
        The result has no such layer.
    """
    layer = shown_layer(result, layer)
    settings = result.about["settings"]
    features = result.features[result.features["layer"] == layer].set_index(["task", "feature"])
    tasks = result.tasks[(result.tasks["layer"] == layer) & (result.tasks["kind"] == "emotion")]
    rows = []
    for task in tasks.to_dict("records"):
        for cue in CUES.values():
            expectation = expert_table().get((task["task"], cue.key))
            if expectation is None:
                continue
            row: dict[str, Any] = {
                "emotion": task["task"],
                "cue": cue.key,
                "title": cue.title,
                "feature": cue.functional,
                "expected": expectation.direction,
                "status": expectation.status,
                "sources": expectation.citation,
            }
            if (task["task"], cue.functional) in features.index:
                found = features.loc[(task["task"], cue.functional)]
                row |= {name: found[name] for name in _COPIED}
                row["in_top"] = _in_top(
                    row, negligible_r2=settings["negligible_r2"], alpha=settings["alpha"]
                )
                row["needed"] = needed(row, task, alpha=settings["alpha"])
            else:
                row |= dict.fromkeys(_COPIED, np.nan)
                row |= dict.fromkeys(("verdict", "in_top", "needed"), NOT_MEASURED)
            rows.append(row)
    columns = ["emotion", "cue", "title", "feature", "expected", "status", "sources"]
    return pd.DataFrame(rows, columns=[*columns, *_COPIED, "in_top", "needed"])


def needed(feature: Any, task: Any, *, alpha: float) -> str:
    """Whether the decision needs a feature: see `expected_cues`.

    Parameters
    ----------
    feature : mapping
        With ``drop_low``, ``drop_high`` and ``q_drop``.
    task : mapping
        With ``score``, ``score_low``, ``chance`` and ``better_high``.
    alpha : float
        False discovery rate of the two tests of use together.
    """
    if feature["drop_low"] > 0 and feature["q_drop"] <= alpha / 2:
        return "loses by it"
    told = task["score_low"] > task["chance"] and task["better_high"] > 0
    kept = feature["drop_high"] < NEGLIGIBLE_SHARE * (task["score"] - task["chance"])
    return "does without it" if told and kept else "undecided"


def _in_top(row: dict[str, Any], *, negligible_r2: float, alpha: float) -> str:
    if row["r2_top_low"] > negligible_r2:
        more = row["q_top"] <= alpha / 2 and row["gain_low"] > 0
        return "more than elsewhere" if more else "readable"
    return "no" if row["r2_top_high"] < negligible_r2 else "undecided"


def probe_account(result: ProbeResult, layer: str | None = None) -> str:
    """What probing found in plain sentences, one thought a line.

    Something is said to be so only where an interval or a test says so; what is left open is
    called undecided.

    Parameters
    ----------
    result : ProbeResult
    layer : str, optional
        By default the last.

    Raises
    ------
    InputError
        The result has no such layer.
    """
    layer = shown_layer(result, layer)
    tasks = result.tasks[result.tasks["layer"] == layer]
    features = result.features[result.features["layer"] == layer]
    cues = expected_cues(result, layer)
    lines = [
        _told(result, tasks),
        _against_features(tasks, n_features=features["feature"].nunique()),
        _carried(result, features, tasks),
        _in_the_top(result, features),
        *_expected(cues),
        _needed(cues),
        " ".join(_confounded(result, layer)),
        _stable(tasks),
        _ordered(result, layer),
    ]
    return "\n".join(line for line in lines if line)


def _told(result: ProbeResult, tasks: pd.DataFrame) -> str:
    about = result.about
    single = tasks[tasks["kind"] == "emotion"].sort_values("score", ascending=False)
    lead = (
        f"{about['embedding']} ({about['n_dimensions']} dimensions) was probed on "
        f"{about['n_clips']} clips of {about['n_speakers']} speakers in {about['corpus']}, scored "
        "on speakers left out of the probe"
    )
    if single.empty:
        return lead + "."
    best, worst = single.iloc[0], single.iloc[-1]
    text = f"{lead}; it tells {best['task']} from the rest best ({_score(best, 'score')}"
    if len(single) > 1:
        text += f") and {worst['task']} least well ({_score(worst, 'score')}"
    text += f", chance {best['chance']:.2f})"
    chance = single[~(single["score_low"] > single["chance"])]["task"]
    if len(chance):
        text += f"; that {_and(chance)} {'is' if len(chance) == 1 else 'are'} told at all is not"
        text += " shown"
    return text + "."


def _against_features(tasks: pd.DataFrame, *, n_features: int) -> str:
    """Better, worse, or not decided, against the acoustic features."""
    better = tasks[tasks["better_low"] > 0]
    worse = tasks[tasks["better_high"] < 0]
    rest = tasks[~tasks["task"].isin([*better["task"], *worse["task"]])]
    parts = [
        f"it is {word} for " + _and([f"{row['task']} ({_signed(row, 'better')})" for row in some])
        for word, some in (("better", _records(better)), ("worse", _records(worse)))
        if some
    ]
    if len(rest):
        names = "every task" if len(rest) == len(tasks) else _and(rest["task"])
        parts.append(f"for {names} the interval of the difference includes 0")
    return f"Against the same decision from the {n_features} acoustic features, {'; '.join(parts)}."


def _carried(result: ProbeResult, features: pd.DataFrame, tasks: pd.DataFrame) -> str:
    """How many features all dimensions carry."""
    settings = result.about["settings"]
    if not settings["n_permutations"]:
        return "No shuffles were made, so that no feature is called carried or used."
    task = overall_task(tasks)
    of_task = features[features["task"] == task]
    floor = settings["negligible_r2"]
    is_carried = (of_task["q"] <= settings["alpha"]) & (of_task["selectivity_low"] > floor)
    carried = of_task[is_carried].sort_values("r2_all", ascending=False)
    absent = int((of_task["verdict"] == "not carried").sum())
    n = len(of_task)
    text = (
        f"Of the {n} features, {len(carried)} can be read from all dimensions (better than "
        f"shuffled ones, by more than R² {floor:g}), {absent} cannot, and "
        f"{n - len(carried) - absent} are undecided"
    )
    if not len(carried):
        return text + "."
    best = carried.iloc[0]
    text += f"; best is {title(str(best['feature']))} ({_score(best, 'r2_all', 'R²')})"
    within = int((carried["r2_within_low"] > floor).sum())
    text += (
        f". Once the differences between emotions are taken out, {within} of {len(carried)} can "
    )
    if within < len(carried):
        text += "still be shown to be read; the rest may be known only by the emotion they come "
        return text + "with."
    return text + "still be read."


def _in_the_top(result: ProbeResult, features: pd.DataFrame) -> str:
    """Whether the dimensions that matter are those that carry a feature."""
    settings = result.about["settings"]
    is_carried = (features["q"] <= settings["alpha"]) & (
        features["selectivity_low"] > settings["negligible_r2"]
    )
    carried = features[is_carried]
    if carried.empty:
        return ""
    rate = result.about["settings"]["alpha"] / 2
    more = (carried["q_top"] <= rate) & (carried["gain_low"] > 0)
    used = carried["verdict"] == "carried and used"
    needs = (carried["q_drop"] <= rate) & (carried["drop_low"] > 0)
    text = (
        f"Of {len(carried)} cases of a carried feature and a task, in {int(more.sum())} the "
        "dimensions that matter carry more of the feature than as many chosen for shuffled labels"
    )
    if used.any():
        text += f"; {int((used & needs).sum())} of the {int(used.sum())} cases called used lose "
        text += "score when the feature is erased"
    left = int((carried["verdict"] == "undecided").sum())
    if left:
        text += f"; in {left} it is undecided whether the feature is used"
        if result.about["n_speakers"] < _FEW_SPEAKERS:
            text += f", which is to be expected of {result.about['n_speakers']} speakers"
    return text + "."


def _expected(cues: pd.DataFrame) -> list[str]:
    """One sentence an emotion that has a strong cue: the verdicts of what theory expects."""
    lines = []
    agreed = cues[(cues["status"] != "contested") & (cues["verdict"] != NOT_MEASURED)]
    for emotion, rows in agreed.groupby("emotion", sort=False):
        if not (rows["status"] == "strong").any():
            continue
        parts = []
        for verdict in VERDICTS:
            names = [_plain(name) for name in rows[rows["verdict"] == verdict]["title"]]
            if names:
                parts.append(f"{_and(names)} {'is' if len(names) == 1 else 'are'} {verdict}")
        lines.append(f"Of what the literature expects of {emotion}, {_and(parts, last=', and ')}.")
    return lines


def _needed(cues: pd.DataFrame) -> str:
    """What the decision loses by, and what it does without."""
    certain = cues[cues["status"] != "contested"]
    measured = certain[certain["needed"] != NOT_MEASURED]
    if measured.empty:
        return ""
    loses = measured[measured["needed"] == "loses by it"].sort_values("drop", ascending=False)
    without = measured[measured["needed"] == "does without it"]
    named = [
        f"{_plain(row['title'])} for {row['emotion']} ({_size(row, 'drop')})"
        for row in _records(loses[:_MAX_NAMED])
    ]
    text = f"With one such cue erased and the decision learned anew, {len(loses)} of the "
    text += f"{len(measured)} pairs of cue and emotion lose score"
    if named:
        text += f", most of all {_and(named)}" if len(loses) > 1 else f": {named[0]}"
    text += f"; {len(without)} can be done without"
    strong = without[without["status"] == "strong"]
    if len(strong):
        by_emotion = [
            f"{_and([_plain(name) for name in rows['title']])} for {emotion}"
            for emotion, rows in strong.groupby("emotion", sort=False)
        ]
        text += f", among them what theory is sure of: {'; '.join(by_emotion)}"
    open_ = len(measured) - len(loses) - len(without)
    return text + f"; {open_ or 'none'} {'is' if open_ == 1 else 'are'} undecided."


def _confounded(result: ProbeResult, layer: str) -> list[str]:
    """Where the dimensions that matter tell something else, above chance and above random ones."""
    rows = result.confounds[result.confounds["layer"] == layer]
    rows = rows[(rows["dimensions"] != "all") & (rows["value_low"] > rows["chance"])]
    lines = []
    speaker = rows[rows["confound"] == "speaker"].sort_values("value", ascending=False)
    if len(speaker):
        most = speaker.iloc[0]
        beyond = speaker[speaker["value_low"] > speaker["random"]]["dimensions"]
        before = "before the mean voice of each speaker is taken away, "
        before = before if result.about["settings"]["normalise"] else ""
        text = (
            f"Caution: {before}the dimensions that matter for {most['dimensions']} tell who speaks "
            f"in {most['value']:.0%} of cases "
            f"(interval {most['value_low']:.0%} to {min(1.0, most['value_high']):.0%}, chance "
            f"{most['chance']:.0%})"
        )
        if len(beyond):
            text += f"; for {_and(beyond)} that is more than as many random dimensions do"
        elif np.isfinite(most["random"]):
            text += (
                "; for no task is that clearly more than as many random dimensions do "
                f"(there {most['random']:.0%})"
            )
        lines.append(text + ".")
    others = rows[(rows["confound"] != "speaker") & (rows["value_low"] > rows["random"])]
    if len(others):
        parts = [
            f"the {name} ({_and(some['dimensions'])})"
            for name, some in others.groupby("confound", sort=False)
        ]
        lines.append(
            "The dimensions that matter also tell more than random ones about "
            f"{_and(parts)}, which may be part of how an emotion is spoken or of how it was "
            "recorded."
        )
    return lines


def _stable(tasks: pd.DataFrame) -> str:
    shares = tasks["top_overlap"].dropna()
    if shares.empty:
        return ""
    chance, tau = tasks["top_overlap_chance"], tasks["kendall_tau"]
    clear = (tasks["top_overlap"] > chance + 0.1).all()
    return (
        f"Two folds share {_range(shares, '.0%')} of the dimensions that matter (for shuffled "
        f"labels {_range(chance, '.0%')}) and rank all of them alike with a Kendall τ of "
        f"{_range(tau, '.2f')}: "
        + ("read them as a group, not one by one." if clear else "little is stable in them.")
    )


def _ordered(result: ProbeResult, layer: str) -> str:
    """Whether the published order of categories holds: see `order_counts`."""
    parts = []
    for measure, name in (
        ("information_increase", "the published measure"),
        ("gain", "what the dimensions that matter carry beyond chance"),
    ):
        counts = order_counts(result, measure, layer)
        n = sum(counts.values())
        if n:
            parts.append(
                f"by {name} {counts['holds']} of {n} steps hold, {counts['reversed']} are reversed "
                f"and {counts['undecided']} undecided"
            )
    if not parts:
        return ""
    return (
        f"As for the published order Energy > Frequency > Spectral > Temporal, {'; '.join(parts)}."
    )


def order_verdict(row: Any) -> str:
    """Say "holds" where the interval of a step lies above 0, "reversed" below, or "undecided"."""
    if row["difference_low"] > 0:
        return "holds"
    return "reversed" if row["difference_high"] < 0 else "undecided"


def order_counts(result: ProbeResult, measure: str, layer: str | None = None) -> dict[str, int]:
    """How many steps of the published order of categories hold, over all tasks of a layer."""
    rows = result.order[
        (result.order["layer"] == shown_layer(result, layer)) & (result.order["measure"] == measure)
    ]
    found = [order_verdict(row) for row in _records(rows)]
    return {name: found.count(name) for name in ("holds", "reversed", "undecided")}


def overall_task(tasks: pd.DataFrame) -> str:
    """The task that stands for all: "all emotions" where it was asked, else the first."""
    every = tasks[tasks["kind"] == "all emotions"]["task"]
    return str(every.iloc[0] if len(every) else tasks["task"].iloc[0])


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _and(items: Sequence[str] | pd.Series, *, last: str = " and ") -> str:
    return listed([str(item) for item in items], {**ENGLISH, "and": last})


def _plain(cue_title: str) -> str:
    """A cue's title without its explanation in brackets."""
    return cue_title.partition(" (")[0]


def _score(row: Any, name: str, metric: str | None = None) -> str:
    return (
        f"{metric or row['metric']} {row[name]:.2f}, 95 % interval {row[f'{name}_low']:.2f} to "
        f"{row[f'{name}_high']:.2f}"
    ).replace("-", "−")


def _signed(row: Any, name: str) -> str:
    numbers = [f"{row[key]:+.3f}" for key in (name, f"{name}_low", f"{name}_high")]
    return f"{numbers[0]}, interval {numbers[1]} to {numbers[2]}".replace("-", "−")


def _size(row: Any, name: str) -> str:
    return f"{row[name]:.2f}, interval {row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f}"


def _range(values: pd.Series, form: str) -> str:
    low, high = format(values.min(), form), format(values.max(), form)
    return low if low == high else f"{low} to {high}"
