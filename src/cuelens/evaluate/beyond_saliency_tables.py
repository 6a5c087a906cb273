"""From single clips to tables of a corpus: cues, agreement with the literature, overlap, flaws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, combinations, product
from typing import Any

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus
from cuelens.cues import CUES, WINDOW_CUES, expert_table
from cuelens.cues.corpus_analysis import (
    ClipCues,
    CorpusCues,
)
from cuelens.cues.report import OF_UTTERANCES
from cuelens.evaluate.beyond_saliency_listening import FLAWS, NEUTRAL, REFERENCES, WAYS
from cuelens.evaluate.beyond_saliency_statistics import Shuffled, rank_correlations
from cuelens.evaluate.intervals import Sample, bootstrapped, no_narrower_than_wilson
from cuelens.evaluate.journal import Result
from cuelens.typing import FloatArray

SAME_ANSWER = "right minus wrong, same answer"
MOMENTS = ("salient", "random", "loudest", "salient minus random", "salient minus loudest")
_ENDS = ("", "_low", "_high")


def clip_table(
    corpus: Corpus, rows: Sequence[int], results: Sequence[Result], explainers: Sequence[str]
) -> pd.DataFrame:
    """One row a clip, explainer and way."""
    entries = []
    for row, result in zip(rows, results, strict=True):
        for name, way in product(explainers, WAYS):
            own = result.get("explainers", {}).get(name, {}).get(way, result)
            answer, truth = own.get("answer", ""), str(corpus.table["emotion"].iloc[row])
            entries.append(
                {
                    "row": row,
                    "file": str(corpus.table["file"].iloc[row]),
                    "speaker": corpus.speaker_of(row) or "",
                    "truth": truth,
                    "trimmed_s": result.get("trimmed_s", np.nan),
                    "explainer": name,
                    "way": way,
                    "answer": answer,
                    "correct": answer == truth,
                    "n_windows": len(own.get("windows", ())),
                    "voiced_share": own.get("voiced_share", np.nan),
                    "p": own.get("p", np.nan),
                    "error": own.get("error", ""),
                }
            )
    return pd.DataFrame(entries)


def profile_table(
    clips: pd.DataFrame, results: Mapping[int, Result], *, corpus: str, model: str
) -> pd.DataFrame:
    """:meth:`CorpusCues.profile` of every explainer and way: effects against neutral speech."""
    parts = []
    names = dict.fromkeys(clips["explainer"])
    for name, way in product(names, WAYS):
        part = clips[(clips["explainer"] == name) & (clips["way"] == way)]
        found = [_clip_cues(entry, results[entry["row"]]) for entry in rows_of(part)]
        cues = CorpusCues(corpus=corpus, model=model, clips=tuple(found), settings={})
        parts.append(cues.profile().assign(explainer=name, way=way))
    profile = pd.concat(parts, ignore_index=True)
    return profile[["explainer", "way", *profile.columns.drop(["explainer", "way"])]]


def cell_table(clips: pd.DataFrame, results: Mapping[int, Result]) -> pd.DataFrame:
    """Cues on which the literature agrees, one row a clip, explainer, way, reference and cue.

    ``salient`` and ``loudest`` say whether the cue goes the expected way there (0 or 1),
    ``random`` in which share of the random sets of windows it does.  As in
    :meth:`CorpusCues.agreement`, cues of whole utterances are left out; against neutral speech only
    the speaker's own counts.
    """
    keys = ("explainer", "way", "row", "speaker", "truth", "answer", "correct")
    cells = []
    for entry in rows_of(clips[clips["error"] == ""]):
        own = results[entry["row"]]["explainers"][entry["explainer"]][entry["way"]]
        for reference, cue in product(REFERENCES, WINDOW_CUES):
            sign = scored_sign(entry["answer"], cue)
            if not sign or (reference == "neutral" and own["baseline"]["neutral"] != NEUTRAL):
                continue
            effect, up, loud = (
                own[what][reference][cue] for what in ("effects", "random_up", "loudest")
            )
            if np.isfinite([effect, up, loud]).all():
                shares = (effect * sign > 0, up if sign > 0 else 1.0 - up, loud * sign > 0)
                named = {key: entry[key] for key in keys} | {"reference": reference, "cue": cue}
                cells.append(named | dict(zip(MOMENTS[:3], map(float, shares), strict=True)))
    return pd.DataFrame(cells, columns=pd.Index([*keys, "reference", "cue", *MOMENTS[:3]]))


def scored_sign(emotion: str, cue: str) -> int:
    """+1 or -1 where the literature agrees about a cue of moments, else 0."""
    cell = expert_table().get((emotion, cue))
    return cell.sign if cell and cell.status == "strong" and cue not in OF_UTTERANCES else 0


def agreement_table(
    cells: pd.DataFrame, *, over: str, n_permutations: int = 5000, seed: int = 0
) -> pd.DataFrame:
    """Shares of cells that go the expected way, and their differences.

    Returns
    -------
    DataFrame
        ``explainer``, ``way``, ``reference``, ``moments`` (of `MOMENTS`), ``answers``, ``value``,
        ``low``, ``high``, ``p``, ``n_cells``, ``n_clips``, ``n_speakers``.  Answers: "all",
        "right", "wrong"; "right minus wrong", of all cells, with p from shuffling right and wrong
        among the clips of each speaker; "right minus wrong, same answer", the mean over speakers
        and answers (weights of Mantel and Haenszel), with p from shuffling within them.

    Notes
    -----
    Intervals are from a bootstrap of speakers, or of clips, widened for their number; those of
    single shares are no narrower than Wilson's for as many clips.
    """
    columns = ["explainer", "way", "reference", "moments", "answers", "value", "low", "high", "p"]
    rows = []
    for keys, part in cells.groupby(columns[:3], sort=False):
        for name in MOMENTS[1:3]:
            part[f"salient minus {name}"] = part["salient"] - part[name]
        right, wrong = part[part["correct"]], part[~part["correct"]]
        for moments in MOMENTS:
            for answers, own in (("all", part), ("right", right), ("wrong", wrong)):
                found = bootstrapped([_sample(own, moments, over)], seed=seed)
                if moments in MOMENTS[:3] and len(own):
                    found = found[0], *no_narrower_than_wilson(*found, own["row"].nunique())
                rows.append([*keys, moments, answers, *found, np.nan, *_counts(own)])
            pooled = Shuffled.of(part, moments, within=["speaker"])
            both = [_sample(own, moments, over) for own in (right, wrong)]
            found = bootstrapped(both, seed=seed)
            p = pooled.p(n_permutations, seed=seed)
            rows.append([*keys, moments, "right minus wrong", *found, p, *_counts(part)])
            alike = Shuffled.of(part, moments, within=["speaker", "answer"], by_group=True)
            found = bootstrapped([alike.by_speaker()], seed=seed)
            if over == "clips":
                found = found[0], np.nan, np.nan
            p, told = alike.p(n_permutations, seed=seed), part[alike.tells(part)]
            rows.append([*keys, moments, SAME_ANSWER, *found, p, *_counts(told)])
    names = [*columns, "n_cells", "n_clips", "n_speakers"]
    return pd.DataFrame(rows, columns=pd.Index(names))


def overlap_table(
    clips: pd.DataFrame, results: Mapping[int, Result], *, over: str, seed: int = 0
) -> pd.DataFrame:
    """Mean overlap of salient windows, that of random windows, and the difference.

    Returns
    -------
    DataFrame
        ``way``, ``first``, ``second`` (explainers, or "loudest"), ``answers`` ("all", "right",
        "wrong"); ``iou``, ``random`` and ``minus_random`` with intervals; ``n_clips``.
    """
    entries = [
        {name: clip[name] for name in ("row", "speaker", "correct")}
        | overlap
        | {"minus_random": overlap["iou"] - overlap["random"]}
        for clip in rows_of(clips.drop_duplicates("row"))
        for overlap in results[clip["row"]]["overlaps"]
        if np.isfinite(overlap["random"])
    ]
    keys, measures = ["way", "first", "second"], ("iou", "random", "minus_random")
    columns = [*keys, "answers", *(name + end for name in measures for end in _ENDS), "n_clips"]
    if not entries:
        return pd.DataFrame(columns=pd.Index(columns))
    rows = []
    for key, part in pd.DataFrame(entries).groupby(keys, sort=False):
        right = part["correct"].to_numpy(dtype=bool)
        for answers, own in (("all", part), ("right", part[right]), ("wrong", part[~right])):
            found = [bootstrapped([_sample(own, name, over)], seed=seed) for name in measures]
            rows.append([*key, answers, *chain.from_iterable(found), len(own)])
    return pd.DataFrame(rows, columns=pd.Index(columns))


def correlation_table(
    clips: pd.DataFrame, results: Mapping[int, Result], *, over: str, seed: int = 0
) -> pd.DataFrame:
    """Rank correlation over clips of what two explainers find in their windows.

    Returns
    -------
    DataFrame
        ``way``, ``first``, ``second``, ``kind``, ``cue`` ("all": mean over cues), ``value``,
        ``low``, ``high``, ``n_clips``.  Kinds: "salient", effects against neutral speech; "random",
        the same of random windows like those of either explainer, which is what two windows of one
        clip share; "beyond the clip", effects less their mean over random windows.

    Notes
    -----
    Spearman's correlation; the bootstrap draws ranked values and does not rank them again.
    """
    columns = ("way", "first", "second", "kind", "cue", "value", "low", "high", "n_clips")
    rows: list[dict[str, Any]] = []
    names = dict.fromkeys(clips["explainer"])
    known = rows_of(clips.drop_duplicates("row"))
    for way, pair in product(WAYS, combinations(names, 2)):
        both = [
            (clip, [results[clip["row"]]["explainers"][name][way] for name in pair])
            for clip in known
        ]
        both = [(clip, found) for clip, found in both if all("effects" in one for one in found)]
        clusters = np.array([clip["speaker" if over == "speakers" else "row"] for clip, _ in both])
        for kind in ("salient", "random", "beyond the clip"):
            x, y = (_effects_of([own[k] for _, own in both], kind, k) for k in (0, 1))
            head = dict(zip(columns, (way, *pair, kind), strict=False))
            rows += [head | row for row in rank_correlations(x, y, clusters, seed=seed)]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def flaw_table(clips: pd.DataFrame, results: Mapping[int, Result]) -> pd.DataFrame:
    """What each published flaw alone does to the corrected values.

    Returns
    -------
    DataFrame
        ``explainer``, ``flaw``, ``cue``, ``unit``; ``correct`` and ``flawed``, means over clips of
        the cue in the salient windows; ``change``, mean of the difference; ``abs_change``, mean of
        its size, and ``abs_change_sd`` in standard deviations of the correct value over clips;
        ``n_clips``, and ``n_lost`` that have no value with the flaw; of cells that are scored:
        ``n_cells``, the share as expected without and with the flaw, and ``flipped``, the share
        that changes sides.
    """
    rows = []
    entries = rows_of(clips[clips["way"] == "corrected"])
    for name, flaw in product(dict.fromkeys(clips["explainer"]), FLAWS):
        pairs = []
        for entry in entries:
            ways = results[entry["row"]]["explainers"][name]
            if entry["explainer"] == name and "cues" in ways.get(flaw, {}):
                pairs.append((entry["answer"], ways["corrected"], ways[flaw]))
        for cue in WINDOW_CUES:
            found = [(a["cues"][cue], b["cues"][cue]) for _, a, b in pairs]
            values = _known_pairs(found)
            if not len(values):
                continue
            hits = _known_pairs(
                [
                    tuple(_expected(one, cue, scored_sign(answer, cue)) for one in (a, b))
                    for answer, a, b in pairs
                ]
            )
            change = values[:, 1] - values[:, 0]
            spread = float(values[:, 0].std(ddof=1)) if len(values) > 1 else 0.0
            rows.append(
                {
                    "explainer": name,
                    "flaw": flaw,
                    "cue": cue,
                    "unit": CUES[cue].unit,
                    "correct": values[:, 0].mean(),
                    "flawed": values[:, 1].mean(),
                    "change": change.mean(),
                    "abs_change": np.abs(change).mean(),
                    "abs_change_sd": np.abs(change).mean() / spread if spread else np.nan,
                    "n_clips": len(values),
                    "n_lost": sum(np.isfinite(a) and not np.isfinite(b) for a, b in found),
                    "n_cells": len(hits),
                    "expected_correct": hits[:, 0].mean() if len(hits) else np.nan,
                    "expected_flawed": hits[:, 1].mean() if len(hits) else np.nan,
                    "flipped": (hits[:, 0] != hits[:, 1]).mean() if len(hits) else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _expected(own: Mapping[str, Any], cue: str, sign: int) -> float:
    """Whether a cue goes the expected way against the speaker's neutral speech; NaN: not scored."""
    effect = own["effects"]["neutral"][cue]
    scored = sign and own["baseline"]["neutral"] == NEUTRAL and np.isfinite(effect)
    return float(effect * sign > 0) if scored else float("nan")


def _known_pairs(pairs: Sequence[tuple[float, ...]]) -> FloatArray:
    values = np.array(pairs, dtype=float).reshape(-1, 2)
    return values[np.isfinite(values).all(axis=1)]


def _clip_cues(entry: Mapping[str, Any], result: Result) -> ClipCues:
    own = result.get("explainers", {}).get(entry["explainer"], {}).get(entry["way"], {})
    nothing = dict.fromkeys(WINDOW_CUES, float("nan"))

    def of(what: str) -> dict[str, float]:
        return own.get(what, {}).get("neutral", nothing)

    return ClipCues(
        file=entry["file"],
        speaker=entry["speaker"],
        truth=entry["truth"],
        answer=entry["answer"],
        p=entry["p"],
        baseline=own.get("baseline", {}).get("neutral", ""),
        effects=of("effects"),
        random_effects=of("random"),
        random_up=of("random_up"),
        loudest_effects=of("loudest"),
        error=entry["error"],
    )


def _effects_of(found: Sequence[Mapping[str, Any]], kind: str, which: int) -> FloatArray:
    """Effects against neutral speech, shape (n_clips, n_window_cues)."""

    def one(own: Mapping[str, Any]) -> FloatArray:
        if kind == "random":
            return _row(own["random_sets"]["neutral"][which])
        effects = _row(own["effects"]["neutral"])
        return effects - _row(own["random"]["neutral"]) if kind == "beyond the clip" else effects

    return np.array([one(own) for own in found]).reshape(-1, len(WINDOW_CUES))


def _sample(frame: pd.DataFrame, column: str, over: str) -> Sample:
    return Sample(
        frame[column].to_numpy(dtype=float),
        np.ones(len(frame)),
        frame["speaker" if over == "speakers" else "row"].to_numpy(),
    )


def _counts(frame: pd.DataFrame) -> tuple[int, int, int]:
    """Cells, clips, speakers."""
    return len(frame), int(frame["row"].nunique()), int(frame["speaker"].nunique())


def _row(by_cue: Mapping[str, float]) -> FloatArray:
    return np.array([by_cue[cue] for cue in WINDOW_CUES], dtype=float)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
