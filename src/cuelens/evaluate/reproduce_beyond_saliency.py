"""Salient windows and expert cues over a whole corpus: the published way beside the corrected one.

Nasr, Ren & Johnson [1]_ look at one clip an emotion: where a network looks, what the voice does
there, and whether that is what the literature expects.  Here every clip is looked at, by every
explainer, in two ways:

``published``
    Occlusion of single bands by the loudest value there is, concept relevance through one channel
    of an early layer, windows on a grid; every frame counts, with 0 where there is no voice to
    measure; the windows' times count from the end of the trimmed silence, and the sound is cut from
    the untrimmed clip.
``corrected``
    The explainers of cuelens, windows where they hold most, voiced frames, the clip's own times.

What is found in the salient windows stands beside two controls that the paper lacks: random windows
of the same clip, as many in speech, and its loudest windows.  Cues are compared with the speaker's
neutral speech, which is what the literature speaks of, and with the whole clip, as published.

Notes
-----
Deviations in the published way: the channel is the one most relevant to the answer (the paper's
was picked by hand), the grid begins with the clip and not with the trimmed sound, and the cues are
those of :mod:`cuelens.cues`, so that both ways compare.

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency: enhancing explanation of speech emotion
   recognition with expert-referenced acoustic cues", arXiv 2511.11691, and its code.
.. [2] N. Mantel, W. Haenszel, "Statistical aspects of the analysis of data from retrospective
   studies of disease", J. National Cancer Institute 22, 1959 (weights of strata).
.. [3] E. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
   1927.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.stats

from cuelens.audio import Audio
from cuelens.corpora import Corpus, canonical_emotion
from cuelens.cues import CUES, WINDOW_CUES, Cue, CueTracks, chance_test, expert_table, measure_cues
from cuelens.cues.baseline import (
    Baseline,
    evened_out,
    log_scaled,
    speech_values,
    stretch,
    tiles,
    tracks_baseline,
)
from cuelens.cues.chance import random_windows
from cuelens.cues.corpus_analysis import (
    N_RANDOM,
    ClipCues,
    CorpusCues,
    loudest_windows,
    point_effects,
)
from cuelens.cues.measure import windows_in_speech
from cuelens.cues.report import OF_UTTERANCES
from cuelens.errors import CuelensWarning, InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.explainers import EXPLAINERS, Explainer, applies, explainer_named
from cuelens.evaluate.journal import Result, run_tasks
from cuelens.explain import MAP_EXPLAINERS, ConceptRelevance, Explanation, Occlusion
from cuelens.explain.salient_windows import N_WINDOWS, WINDOW_S, Placement, salient_windows
from cuelens.models.base import Model, model_labels, model_name, predict
from cuelens.models.network import is_network
from cuelens.models.published_log_mel import PublishedLogMel
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray

SCHEMA_VERSION = 1
LEVEL = 0.05
WAYS = ("published", "corrected")
REFERENCES = ("neutral", "clip")
SAME_ANSWER = "right minus wrong, same answer"
MOMENTS = ("salient", "random", "loudest", "salient minus random", "salient minus loudest")
FLAWS = (
    "unvoiced frames count as 0",
    "times after trimming",
    "windows on a grid",
    "explainer as published",
)
WITH_TIMES = (*MAP_EXPLAINERS, *(name for name in EXPLAINERS if name.endswith("-windows")))
"""Explainers that say when."""

Claim = Literal["match", "less when wrong", "beyond any window"]
Verdict = Literal["holds", "does not hold", "is not shown", "cannot be told"]

_ENDS = ("", "_low", "_high")
_PUBLISHED_LAYER = "layer1.conv1"
_NEUTRAL = "speaker's neutral"
_TABLES = ("profile", "agreement", "overlap", "correlation", "flaws", "clips", "cells")
_MAX_NEUTRAL = 60  # clips of a baseline
_MIN_SPEAKERS = 3  # for intervals over speakers; clips otherwise
_MIN_CLIPS = 10  # of a correlation
_N_BOOTSTRAP = 2000
_N_OVERLAPS = 200  # pairs of random sets of windows
_OTHER_SEED = 1_000_003  # of the second explainer's random windows


def reproduce_beyond_saliency(
    corpus: Corpus,
    model: Model,
    *,
    explainers: Sequence[str] = ("occlusion", "crp"),
    n_clips: int | None = 100,
    n_windows: int = N_WINDOWS,
    window_s: float = WINDOW_S,
    n_permutations: int = 5000,
    seed: int = 0,
    folder: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> BeyondSaliency:
    """Measure the cues in salient windows of a corpus, as published and corrected.

    Parameters
    ----------
    corpus : Corpus
        With neutral clips.  Clips are drawn from the emotions that the model knows.
    model : Model
    explainers : sequence of str
        Of `WITH_TIMES`.  Those without published settings have their own in both ways.
    n_clips : int or None
        Balanced over emotions and speakers; None: all.
    n_windows, window_s
        As in :func:`~cuelens.explain.salient_windows`.
    n_permutations : int
        Of right and wrong answers.
    seed : int
    folder : path or None
        Where finished clips are kept (``clips.jsonl``); a run that was killed goes on there.
    n_workers : int or None
        Processes; None: this one.
    progress : callable, optional
        Called with the number of further clips that are done.

    Raises
    ------
    InputError
        An explainer that has no times or cannot explain the model; a corpus without neutral clips,
        or without an emotion that the model knows; no clip could be explained.
    """
    ways = {name: ways_of(name, model, seed=seed) for name in dict.fromkeys(explainers)}
    if not ways:
        raise InputError(f"no explainers; expected some of {', '.join(WITH_TIMES)}")
    rows, unknown = _chosen_rows(corpus, model, n_clips, seed)
    about = {
        "corpus": corpus.name,
        "model": model_name(model),
        "explainers": {
            name: {way: repr(one.explainer) for way, one in own.items() if way in WAYS}
            for name, own in ways.items()
        },
        "left_out": unknown,
        "n_clips": len(rows),
        "n_windows": n_windows,
        "window_s": window_s,
        "seed": seed,
        "versions": versions(),
    }
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    results = run_tasks(
        listen_to_clip,
        {_key(corpus, row): (row,) for row in rows},
        settings=about | {"answers": _fingerprint(corpus, model, rows[0])},
        shared=(corpus, model, ways, Neutral(corpus, window_s), n_windows, window_s, seed),
        journal=None if folder is None else folder / "clips.jsonl",
        n_workers=n_workers,
        progress=progress,
    )
    clips = clip_table(corpus, rows, list(results.values()), list(ways))
    if clips["error"].ne("").all():
        raise InputError(f"no clip could be explained, the first because: {clips['error'][0]}")
    by_row = dict(zip(rows, results.values(), strict=True))
    cells = cell_table(clips, by_row)
    known = clips[clips["error"] == ""]
    n_speakers = int(known["speaker"].nunique())
    over = "speakers" if n_speakers >= _MIN_SPEAKERS else "clips"
    return BeyondSaliency(
        about=about
        | {"n_permutations": n_permutations, "over": over, "n_speakers": n_speakers}
        | {"n_failed": int(clips[clips["error"] != ""]["row"].nunique())},
        profile=profile_table(clips, by_row, corpus=corpus.name, model=model_name(model)),
        agreement=agreement_table(cells, over=over, n_permutations=n_permutations, seed=seed),
        overlap=overlap_table(known, by_row, over=over, seed=seed),
        correlation=correlation_table(known, by_row, over=over, seed=seed),
        flaws=flaw_table(known, by_row),
        clips=clips,
        cells=cells,
    )


# Listening to one clip


@dataclass(frozen=True, kw_only=True)
class Way:
    """How salient windows are found, and how cues are measured there.

    Parameters
    ----------
    explainer : Explainer
    placement : {"best", "grid"}
    every_frame : bool
        Frames without voice count, as 0 where only voice has a value; so does silence.
    shifted : bool
        The windows' times count from the end of the trimmed silence, but the clip is not trimmed.
    """

    explainer: Explainer
    placement: Placement = "best"
    every_frame: bool = False
    shifted: bool = False


def ways_of(name: str, model: Model, *, seed: int = 0) -> dict[str, Way]:
    """Both ways with an explainer, and the corrected one with each flaw alone.

    Raises
    ------
    InputError
        The explainer is unknown, says nothing about time, or cannot explain the model.
    """
    if name not in WITH_TIMES:
        raise InputError(
            f"explainer {name!r}; expected one that says when: {', '.join(WITH_TIMES)}"
        )
    explainer = explainer_named(name, seed=seed)
    if not applies(explainer, model):
        raise InputError(
            f"explainer {name!r} looks inside a network, and {model_name(model)} is none behind a "
            "front end; expected shapley-windows or lime-windows"
        )
    published: Explainer = explainer
    if name == Occlusion.name:
        published = Occlusion.published()
    if name == ConceptRelevance.name and is_network(model):
        layers = {layer for layer, _ in model.module.named_modules()}
        layer = _PUBLISHED_LAYER if _PUBLISHED_LAYER in layers else None
        published = ConceptRelevance(layer=layer, n_concepts=1)
    corrected = Way(explainer=explainer)
    alone = (
        replace(corrected, every_frame=True),
        replace(corrected, shifted=True),
        replace(corrected, placement="grid"),
        replace(corrected, explainer=published),
    )
    return {
        "published": Way(explainer=published, placement="grid", every_frame=True, shifted=True),
        "corrected": corrected,
        **{flaw: way for flaw, way in zip(FLAWS, alone, strict=True) if way != corrected},
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class EveryFrame(CueTracks):
    """Tracks of which every frame counts, as published: 0 where there is no voice to measure."""

    def _counts(self, cue: Cue) -> BoolArray:
        return np.ones(len(self.frames), dtype=bool)


class Neutral:
    """Neutral speech to compare a clip with: the speaker's own where there is some.

    Chosen as :func:`~cuelens.cues.corpus_baseline` does, but each clip is measured once.
    """

    def __init__(self, corpus: Corpus, window_s: float) -> None:
        self._corpus, self._window_s = corpus, window_s
        self._measured: dict[int, tuple[CueTracks, float] | None] = {}
        self._made: dict[tuple[tuple[int, ...], bool], Baseline] = {}

    def __call__(self, row: int, *, every_frame: bool) -> Baseline:
        """The baseline of a clip by its row, which is never its own."""
        table, speaker = self._corpus.table, self._corpus.speaker_of(row)
        neutral = np.flatnonzero(table["emotion"] == "neutral")
        neutral = neutral[neutral != row]
        own = neutral[(table["speaker"].iloc[neutral] == speaker).to_numpy(dtype=bool)]
        kind: Literal["speaker's neutral", "corpus"] = _NEUTRAL  # type: ignore[assignment]
        if len(own) < 2:
            kind, own = "corpus", np.setdiff1d(neutral, own)
        if len(own) > _MAX_NEUTRAL:
            own = own[np.linspace(0, len(own) - 1, _MAX_NEUTRAL).astype(int)]
        key = tuple(int(one) for one in own), every_frame
        if key not in self._made:
            measured = [found for found in map(self._measure, key[0]) if found is not None]
            self._made[key] = tracks_baseline(
                [_all_frames(tracks) if every_frame else tracks for tracks, _ in measured],
                window_s=self._window_s,
                kind=kind,
                description=f"{len(measured)} neutral clips",
                same_peaks=evened_out([peak_db for _, peak_db in measured]),
            )
        return self._made[key]

    def _measure(self, row: int) -> tuple[CueTracks, float] | None:
        if row not in self._measured:
            try:
                clip = self._corpus.audio(row, sample_rate=16_000)
                peak_db = 20 * np.log10(float(np.abs(clip.samples).max()))
                self._measured[row] = measure_cues(clip), peak_db
            except InputError as error:
                warnings.warn(f"left out of the baseline: {error}", CuelensWarning, stacklevel=2)
                self._measured[row] = None
        return self._measured[row]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ear:
    """Cues of parts of one clip, against its references."""

    tracks: CueTracks
    window_s: float
    references: Mapping[str, Baseline]

    def values(self, edges: FloatArray) -> FloatArray:
        """Cues of windows, shape (n_windows, n_window_cues)."""
        if isinstance(self.tracks, EveryFrame):
            return self.tracks.values(edges)
        return speech_values(self.tracks, edges, window_s=self.window_s)

    def random(self, sets: FloatArray) -> FloatArray:
        """Cues of sets of windows by their starts, shape (n_sets, n_windows, n_window_cues)."""
        if not len(sets):
            return np.full((1, 1, len(WINDOW_CUES)), np.nan)
        starts = sets.ravel()
        ends = np.minimum(starts + self.window_s, self.tracks.duration_s)
        values = self.values(np.column_stack([starts, ends]))
        return values.reshape(*sets.shape, len(WINDOW_CUES))


def listen_to_clip(
    corpus: Corpus,
    model: Model,
    ways: Mapping[str, Mapping[str, Way]],
    neutral: Neutral,
    n_windows: int,
    window_s: float,
    seed: int,
    row: int,
) -> Result:
    """Everything that is measured in one clip.

    Returns
    -------
    dict
        ``trimmed_s``, silence before the speech; ``explainers``, by name and way: ``answer``,
        ``windows``, ``cues`` there, and what `_heard` gives, or ``error``; ``overlaps``.
    """
    audio = corpus.audio(row)
    tracks = measure_cues(audio)
    length_s = min(window_s, audio.duration_s)
    trimmed_s = leading_silence_s(audio)
    ears = {}
    for every_frame in (False, True):
        own = _all_frames(tracks) if every_frame else tracks
        references = {
            "neutral": neutral(row, every_frame=every_frame),
            "clip": _whole_clip(own, length_s),
        }
        ears[every_frame] = _Ear(tracks=own, window_s=length_s, references=references)
    explained: dict[tuple[str, str], Explanation] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, own_ways in ways.items():
        found[name] = {}
        for label, way in own_ways.items():
            try:
                key = name, repr(way.explainer)
                if key not in explained:
                    explained[key] = way.explainer.explain(model, audio)
                windows = salient_windows(
                    explained[key], n=n_windows, window_s=length_s, placement=way.placement
                )
                if not windows:
                    raise InputError("no moment supports the answer")
            except InputError as error:
                found[name][label] = {"error": str(error)}
                continue
            edges = np.array([(window.start_s, window.end_s) for window in windows])
            lead_s = trimmed_s if way.shifted else 0.0
            starts_s = np.maximum(edges[:, 0] - lead_s, 0.0)
            ends_s = np.minimum(starts_s + length_s, audio.duration_s)
            cut = np.column_stack([starts_s, ends_s])
            found[name][label] = {
                "answer": _emotion(explained[key].target),
                "windows": edges.tolist(),
                "voiced_share": tracks.windows(edges.tolist())[0].voiced_share,
                **_heard(ears[way.every_frame], edges, cut, seed + row, full=label in WAYS),
            }
            if label == "corrected":
                p = chance_test(tracks, edges.tolist(), seed=seed + row).p
                found[name][label]["p"] = p
    return {
        "trimmed_s": trimmed_s,
        "explainers": found,
        "overlaps": list(_overlaps(tracks, found, length_s, seed + row)),
    }


def _heard(
    ear: _Ear, edges: FloatArray, cut: FloatArray, seed: int, *, full: bool
) -> dict[str, Any]:
    """Cues in windows, their effects, and where ``full`` those of random and loudest windows."""
    values = ear.values(cut)
    heard: dict[str, Any] = {"cues": _by_cue(_mean(values)), "baseline": {}, "effects": {}}
    for name, baseline in ear.references.items():
        heard["baseline"][name] = baseline.kind
        heard["effects"][name] = _by_cue(point_effects(values[None], baseline)[0])
    if not full:
        return heard
    loud = loudest_windows(ear.tracks, n=len(edges), window_s=ear.window_s)
    sets = random_windows(
        ear.tracks, edges[:, 0], window_s=ear.window_s, n_draws=N_RANDOM, seed=seed
    )
    random, loudest = ear.random(sets), ear.values(loud)[None]
    heard |= {"loudest_windows": loud.tolist(), "loudest": {}, "random": {}, "random_up": {}}
    heard["random_sets"] = {}
    for name, baseline in ear.references.items():
        effects = point_effects(random, baseline)
        up = np.where(np.isfinite(effects), effects > 0, np.nan)
        heard["loudest"][name] = _by_cue(point_effects(loudest, baseline)[0])
        heard["random"][name] = _by_cue(_mean(effects))
        heard["random_up"][name] = _by_cue(_mean(up))
        heard["random_sets"][name] = [_by_cue(effects[k % len(effects)]) for k in (0, 1)]
    return heard


def leading_silence_s(audio: Audio) -> float:
    """What the published front end trims from the start of a clip, s."""
    front_end = PublishedLogMel()
    kept = front_end.kept(audio.resample(front_end.sample_rate).samples)
    return float(kept[0] / front_end.sample_rate) if len(kept) else 0.0


def _whole_clip(tracks: CueTracks, window_s: float) -> Baseline:
    """The clip itself: its windows in speech, or all of them where every frame counts."""
    whole = tracks_baseline(
        [tracks], window_s=window_s, kind="rest of the clip", description="the whole clip"
    )
    if not isinstance(tracks, EveryFrame):
        return whole
    return replace(whole, windows=log_scaled(tracks.values(tiles(tracks.duration_s, window_s))))


def _all_frames(tracks: CueTracks) -> EveryFrame:
    return EveryFrame(
        frames=tracks.frames, functionals=tracks.functionals, duration_s=tracks.duration_s
    )


# Overlap of windows in time


def interval_iou(first: FloatArray, second: FloatArray) -> float:
    """Time that two sets of windows share, over the time that either covers.

    Parameters
    ----------
    first, second : ndarray, shape (n_windows, 2), s
        Windows of a set do not overlap.
    """
    low = np.maximum(first[:, None, 0], second[None, :, 0])
    high = np.minimum(first[:, None, 1], second[None, :, 1])
    shared_s = float(np.maximum(high - low, 0.0).sum())
    covered_s = float(np.ptp(first, axis=1).sum() + np.ptp(second, axis=1).sum()) - shared_s
    return shared_s / covered_s if covered_s > 0 else float("nan")


def tile_iou(strata: Sequence[tuple[int, int, int]]) -> float:
    """Expected overlap of two random sets of tiles of one grid, exactly.

    Parameters
    ----------
    strata : sequence of (n_tiles, n_first, n_second)
        Of each kind of tile (speech, no speech), how many there are and are in either set.

    Returns
    -------
    float
        Shared tiles are hypergeometric in each kind: the mean of k / (n_first + n_second - k).
    """
    n = sum(first + second for _, first, second in strata)
    chance = np.ones(1)
    for n_tiles, first, second in strata:
        k = np.arange(min(first, second) + 1)
        chance = np.convolve(chance, scipy.stats.hypergeom(n_tiles, first, second).pmf(k))
    k = np.arange(len(chance))
    return float(chance @ (k / np.maximum(n - k, 1)))


def chance_iou(
    tracks: CueTracks,
    first: FloatArray,
    second: FloatArray,
    *,
    window_s: float,
    on_grid: bool = False,
    seed: int = 0,
) -> float:
    """Expected overlap of random windows like two given sets: as many, and as many in speech.

    NaN where the clip has no room for others.
    """
    if on_grid:
        edges = tiles(tracks.duration_s, window_s)
        speech = windows_in_speech(tracks, edges[:, 0], window_s=window_s)
        counts = []
        for kind in (False, True):
            chosen = [
                int((speech[np.rint(one[:, 0] / window_s).astype(int)] == kind).sum())
                for one in (first, second)
            ]
            counts.append((int((speech == kind).sum()), chosen[0], chosen[1]))
        return tile_iou(counts)
    sets = [
        random_windows(
            tracks, one[:, 0], window_s=window_s, n_draws=_N_OVERLAPS, seed=seed + offset
        )
        for one, offset in ((first, 0), (second, _OTHER_SEED))
    ]
    drawn = [
        interval_iou(*(np.column_stack([starts, starts + window_s]) for starts in pair))
        for pair in zip(*sets, strict=False)
    ]
    return float(np.mean(drawn)) if drawn else float("nan")


def _overlaps(
    tracks: CueTracks, found: Mapping[str, Mapping[str, Any]], window_s: float, seed: int
) -> Iterator[dict[str, Any]]:
    """Overlaps of every two explainers, of each with the loudest windows, and of both ways."""
    pairs: list[tuple[str, tuple[str, FloatArray], tuple[str, FloatArray]]] = []
    for way in WAYS:
        sets = {
            name: np.array(own[way]["windows"])
            for name, own in found.items()
            if "windows" in own[way]
        }
        pairs += [(way, one, other) for one, other in combinations(sets.items(), 2)]
        pairs += [
            (way, (name, edges), ("loudest", np.array(found[name][way]["loudest_windows"])))
            for name, edges in sets.items()
        ]
    for name, own in found.items():
        if all("windows" in own[way] for way in WAYS):
            theirs, ours = (np.array(own[way]["windows"]) for way in WAYS)
            pairs.append(("published against corrected", (name, theirs), (name, ours)))
    for way, (first, one), (second, other) in pairs:
        on_grid = way == "published" and second != "loudest"
        yield {
            "way": way,
            "first": first,
            "second": second,
            "iou": interval_iou(one, other),
            "random": chance_iou(tracks, one, other, window_s=window_s, on_grid=on_grid, seed=seed),
        }


# Tables


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
        found = [_clip_cues(entry, results[entry["row"]]) for entry in _entries(part)]
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
    for entry in _entries(clips[clips["error"] == ""]):
        own = results[entry["row"]]["explainers"][entry["explainer"]][entry["way"]]
        for reference, cue in product(REFERENCES, WINDOW_CUES):
            sign = scored_sign(entry["answer"], cue)
            if not sign or (reference == "neutral" and own["baseline"]["neutral"] != _NEUTRAL):
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
                    found = _no_narrower_than_wilson(*found, own["row"].nunique())
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
        for clip in _entries(clips.drop_duplicates("row"))
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
    known = _entries(clips.drop_duplicates("row"))
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
            rows += [head | row for row in _rank_correlations(x, y, clusters, seed=seed)]
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
    entries = _entries(clips[clips["way"] == "corrected"])
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
    scored = sign and own["baseline"]["neutral"] == _NEUTRAL and np.isfinite(effect)
    return float(effect * sign > 0) if scored else float("nan")


def _known_pairs(pairs: Sequence[tuple[float, ...]]) -> FloatArray:
    values = np.array(pairs, dtype=float).reshape(-1, 2)
    return values[np.isfinite(values).all(axis=1)]


# Statistics


@dataclass(frozen=True)
class Sample:
    """Sums whose ratio is a mean: numerators, denominators, and what is drawn together."""

    numerators: FloatArray
    denominators: FloatArray
    clusters: np.ndarray


def bootstrapped(samples: Sequence[Sample], *, seed: int = 0) -> tuple[float, float, float]:
    """A mean, or the first mean less the second, with its 95 % percentile interval.

    Clusters are drawn, the same for both; deviations are widened for their number
    (:func:`~cuelens.cues.baseline.stretch`).  NaN for the interval with fewer than three clusters,
    or where a draw in twenty leaves one side without values.
    """
    nan = float("nan")
    if any(not sample.denominators.sum() > 0 for sample in samples):
        return nan, nan, nan
    names = np.unique(
        np.concatenate([sample.clusters[sample.denominators > 0] for sample in samples])
    )
    signs = (1.0, -1.0)[: len(samples)]
    draws = np.random.default_rng(seed).integers(len(names), size=(_N_BOOTSTRAP, len(names)))
    value, drawn = 0.0, np.zeros(_N_BOOTSTRAP)
    for sign, sample in zip(signs, samples, strict=True):
        counts = sample.denominators > 0
        where = np.searchsorted(names, sample.clusters[counts])
        top, bottom = (
            np.bincount(where, weights=part[counts], minlength=len(names))
            for part in (sample.numerators, sample.denominators)
        )
        value += sign * float(top.sum() / bottom.sum())
        with np.errstate(invalid="ignore"):
            drawn += sign * top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
    return value, *_interval(value, drawn, len(names))


def _interval(value: float, drawn: FloatArray, n_clusters: int) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if n_clusters < _MIN_SPEAKERS or len(drawn) < 0.95 * _N_BOOTSTRAP or not np.isfinite(value):
        return float("nan"), float("nan")
    low, high = np.percentile(value + stretch(n_clusters) * (drawn - value), [2.5, 97.5])
    return max(-1.0, float(low)), min(1.0, float(high))


def _no_narrower_than_wilson(
    share: float, low: float, high: float, n: int
) -> tuple[float, float, float]:
    """A share's interval, widened to Wilson's of n where it is narrower [3]_."""
    z2 = float(scipy.stats.norm.ppf(0.975)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = np.sqrt(z2 * share * (1 - share) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
    low, high = np.fmin(low, centre - reach), np.fmax(high, centre + reach)
    return share, max(0.0, float(low)), min(1.0, float(high))


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """Right against wrong answers, and what shuffling them gives.

    Parameters
    ----------
    right : ndarray, shape (n_clips,), bool
    hits, n : ndarray, shape (n_clips,)
        Sum over the cells of a clip, and how many there are.
    strata : ndarray, shape (n_clips,), int
        Answers are shuffled within them.
    groups : ndarray, shape (n_clips,), int
        Right and wrong are compared within them.
    speakers : ndarray, shape (n_groups,)
    """

    right: BoolArray
    hits: FloatArray
    n: FloatArray
    strata: np.ndarray
    groups: np.ndarray
    speakers: np.ndarray

    @classmethod
    def of(
        cls, cells: pd.DataFrame, moments: str, *, within: list[str], by_group: bool = False
    ) -> Shuffled:
        """From cells of one explainer, way and reference; compared in all, or by stratum."""
        by_clip = cells.groupby("row").agg(
            right=("correct", "first"),
            hits=(moments, "sum"),
            n=(moments, "size"),
            speaker=("speaker", "first"),
            answer=("answer", "first"),
        )
        strata = by_clip.groupby(within).ngroup().to_numpy(dtype=int)
        groups = strata if by_group else np.zeros_like(strata)
        return cls(
            right=by_clip["right"].to_numpy(dtype=bool),
            hits=by_clip["hits"].to_numpy(dtype=float),
            n=by_clip["n"].to_numpy(dtype=float),
            strata=strata,
            groups=groups,
            speakers=by_clip["speaker"].to_numpy(dtype=str)[
                np.unique(groups, return_index=True)[1]
            ],
        )

    def difference(self) -> float:
        """Right minus wrong: mean over groups by the weights n_right n_wrong / n."""
        return float(self._differences(self.right[None])[0])

    def p(self, n_permutations: int, *, seed: int = 0) -> float:
        """Share of shuffles with a difference as large or larger, to either side."""
        seen = self.difference()
        if not np.isfinite(seen):
            return float("nan")
        rng = np.random.default_rng(seed)
        order = np.argsort(self.strata, kind="stable")
        keys = rng.random((n_permutations, len(order))) + self.strata
        labels = np.empty(keys.shape, dtype=bool)
        labels[:, order] = self.right[np.argsort(keys, axis=1)]
        drawn = self._differences(labels)
        far = np.abs(drawn[np.isfinite(drawn)]) >= abs(seen) - 1e-12
        return float((1 + far.sum()) / (1 + len(far)))

    def by_speaker(self) -> Sample:
        """The difference as a ratio of sums over groups, each of one speaker."""
        difference, weight = self._by_group(self.right[None])
        return Sample(np.where(weight > 0, difference * weight, 0.0)[0], weight[0], self.speakers)

    def tells(self, cells: pd.DataFrame) -> BoolArray:
        """Cells of clips in groups that hold right and wrong answers."""
        weight = self._by_group(self.right[None])[1][0]
        rows = np.unique(cells["row"])
        found: BoolArray = np.isin(cells["row"], rows[weight[self.groups] > 0])
        return found

    def _by_group(self, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        member = self.groups[:, None] == np.arange(len(self.speakers))
        n_right, n_wrong = (right * self.n) @ member, (~right * self.n) @ member
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = (right * self.hits) @ member / n_right
            difference = difference - (~right * self.hits) @ member / n_wrong
        weight = n_right * n_wrong / np.maximum(n_right + n_wrong, 1)
        return np.where(weight > 0, difference, 0.0), weight

    def _differences(self, right: BoolArray) -> FloatArray:
        difference, weight = self._by_group(right)
        total = weight.sum(axis=1)
        return (difference * weight).sum(axis=1) / np.where(total > 0, total, np.nan)


def _rank_correlations(
    x: FloatArray, y: FloatArray, clusters: np.ndarray, *, seed: int
) -> Iterator[dict[str, Any]]:
    """Of each column, and their mean, with bootstrap intervals of clusters."""
    if len(x) < _MIN_CLIPS:
        return
    names, index = np.unique(clusters, return_inverse=True)
    draws = np.random.default_rng(seed).integers(len(names), size=(_N_BOOTSTRAP, len(names)))
    values, drawn = [], []
    for column, cue in enumerate(WINDOW_CUES):
        both = np.isfinite(x[:, column]) & np.isfinite(y[:, column])
        if both.sum() < _MIN_CLIPS:
            continue
        a, b = (scipy.stats.rankdata(one[both, column]) for one in (x, y))
        a, b = a - a.mean(), b - b.mean()
        n, sa, sb, saa, sbb, sab = (
            np.bincount(index[both], weights=one, minlength=len(names))[draws].sum(axis=1)
            for one in (np.ones(len(a)), a, b, a * a, b * b, a * b)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            values.append(float(a @ b / np.sqrt((a @ a) * (b @ b))))
            drawn.append((n * sab - sa * sb) / np.sqrt((n * saa - sa**2) * (n * sbb - sb**2)))
        low, high = _interval(values[-1], drawn[-1], len(names))
        yield {"cue": cue, "value": values[-1], "low": low, "high": high, "n_clips": both.sum()}
    if values:
        value = float(np.mean(values))
        low, high = _interval(value, np.mean(drawn, axis=0), len(names))
        yield {"cue": "all", "value": value, "low": low, "high": high, "n_clips": len(x)}


# The result


@dataclass(frozen=True, kw_only=True, eq=False)
class BeyondSaliency:
    """Whether the cues in salient windows are those that experts know, here.

    Intervals are of 95 %, over speakers, or over clips where there are fewer than three
    (``about["over"]``).

    Parameters
    ----------
    about : dict
        ``corpus``, ``model``, ``explainers`` (their settings in both ways), ``left_out`` (emotions
        that the model does not know), ``n_clips``, ``n_failed``, ``n_speakers``, ``over``,
        ``n_windows``, ``window_s``, ``n_permutations``, ``seed``, ``versions``.
    profile : DataFrame
        Mean effect of each cue for each answer, right and wrong: see `profile_table`.
    agreement : DataFrame
        With the literature: see `agreement_table`.
    overlap : DataFrame
        Of salient windows in time: see `overlap_table`.
    correlation : DataFrame
        Of what two explainers find: see `correlation_table`.
    flaws : DataFrame
        What each published flaw does alone: see `flaw_table`.
    clips : DataFrame
        One row a clip, explainer and way: see `clip_table`.
    cells : DataFrame
        What the agreement is counted from: see `cell_table`.
    """

    about: Mapping[str, Any]
    profile: pd.DataFrame
    agreement: pd.DataFrame
    overlap: pd.DataFrame
    correlation: pd.DataFrame
    flaws: pd.DataFrame
    clips: pd.DataFrame
    cells: pd.DataFrame

    @property
    def explainers(self) -> tuple[str, ...]:
        """Their names, in the order they were asked for."""
        return tuple(self.about["explainers"])

    def agreement_of(
        self,
        explainer: str,
        answers: str,
        moments: str = "salient",
        *,
        way: str = "corrected",
        reference: str = "neutral",
    ) -> dict[str, float]:
        """One row of `agreement`: ``value``, ``low``, ``high``, ``p`` and counts; NaN if none."""
        rows = self.agreement
        wanted = (explainer, way, reference, moments, answers)
        names = ("explainer", "way", "reference", "moments", "answers")
        for name, value in zip(names, wanted, strict=True):
            rows = rows[rows[name] == value]
        if rows.empty:
            nothing = dict.fromkeys(("value", "low", "high", "p"), float("nan"))
            return nothing | {"n_cells": 0, "n_clips": 0, "n_speakers": 0}
        return {str(name): value for name, value in rows.iloc[0].items() if name not in names}

    def verdict(
        self, claim: Claim, explainer: str, *, way: str = "corrected", reference: str = "neutral"
    ) -> Verdict:
        """Whether a claim of the paper holds here.

        ``"match"``
            Where the model is right, more than half of the cues in salient windows go the expected
            way.
        ``"less when wrong"``
            More where it is right than where it is wrong: the interval of the difference is above
            0, and p of shuffled answers below 0.05.
        ``"beyond any window"``
            Where the model is right, more in salient windows than in random ones of the same clip.
        """
        answers, moments, chance = {
            "match": ("right", "salient", 0.5),
            "less when wrong": ("right minus wrong", "salient", 0.0),
            "beyond any window": ("right", "salient minus random", 0.0),
        }[claim]
        row = self.agreement_of(explainer, answers, moments, way=way, reference=reference)
        if not np.isfinite(row["low"]):
            return "cannot be told"
        sure = claim != "less when wrong" or row["p"] < LEVEL
        if sure and row["low"] > chance:
            return "holds"
        return "does not hold" if sure and row["high"] < chance else "is not shown"

    @property
    def summary(self) -> tuple[str, ...]:
        """What was found, and whether the paper's claims hold here, in a few sentences."""
        return (
            *_about_clips(self),
            _about_match(self),
            _about_wrong(self),
            _about_control(self),
            *_about_others(self),
            *_about_flaws(self),
            *_about_overlap(self),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but single clips and cells, as JSON holds it."""
        claims: tuple[Claim, ...] = ("match", "less when wrong", "beyond any window")
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "n_right": int(self._answered["correct"].sum()),
            "summary": list(self.summary),
            "verdicts": [
                {"claim": claim, "explainer": name, "way": way, "reference": reference}
                | {"verdict": self.verdict(claim, name, way=way, reference=reference)}
                for claim in claims
                for name in self.explainers
                for way in WAYS
                for reference in REFERENCES
            ],
            **{
                name: _records(getattr(self, name))
                for name in _TABLES
                if name not in ("clips", "cells")
            },
        }

    def save(self, folder: str | Path) -> None:
        """Write ``reproduction.json`` and one CSV file a table into a folder, made if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            getattr(self, name).to_csv(folder / f"{name}.csv", index=False)
        (folder / "reproduction.json").write_text(
            json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )

    @property
    def _answered(self) -> pd.DataFrame:
        """Clips that have an answer, one row each."""
        return self.clips[self.clips["answer"] != ""].groupby("row").first()


def _about_clips(found: BeyondSaliency) -> list[str]:
    answered, about = found._answered, found.about
    unknown = (
        f"; clips of emotions that the model does not know are left out "
        f"({', '.join(about['left_out'])})"
        if about["left_out"]
        else ""
    )
    failed = f"; of {about['n_failed']} some explanation failed" if about["n_failed"] else ""
    sentences = [
        f"{about['model']} answers {int(answered['correct'].sum())} of {len(answered)} clips of "
        f"{about['corpus']} rightly{unknown}{failed}."
    ]
    if about["over"] == "clips":
        n = about["n_speakers"]
        sentences.append(
            f"With {n} speaker{'s' if n != 1 else ''} no test over speakers is possible: intervals "
            "are over clips and say nothing about other speakers."
        )
    return sentences


def _about_match(found: BeyondSaliency) -> str:
    def told(name: str) -> str:
        right, wrong = (found.agreement_of(name, answers) for answers in ("right", "wrong"))
        return (
            f"{found.verdict('match', name)} for {name}, {share_text(right)} of {right['n_cells']} "
            f"(wrong: {share_text(wrong)} of {wrong['n_cells']})"
        )

    return (
        "That cues in salient windows match expert knowledge where the model is right, strong cues "
        f"against the speaker's neutral speech: {'; '.join(map(told, found.explainers))}."
    )


def _about_wrong(found: BeyondSaliency) -> str:
    def told(name: str) -> str:
        row = found.agreement_of(name, "right minus wrong")
        same = found.agreement_of(name, SAME_ANSWER)
        text = f"{found.verdict('less when wrong', name)} for {name}, {points_text(row)}"
        text += f", {p_text(row['p'])}"
        if np.isfinite(same["value"]):
            text += (
                f" (the same answer of the same speaker, {same['n_clips']} clips: "
                f"{points_text(same)}, {p_text(same['p'])})"
            )
        return text

    parts = "; ".join(map(told, found.explainers))
    return f"That they match less where it is wrong, right minus wrong: {parts}."


def _about_control(found: BeyondSaliency) -> str:
    parts = "; ".join(
        f"{found.verdict('beyond any window', name)} for {name}, {_with_controls(found, name)}"
        for name in found.explainers
    )
    return (
        "That they match more than any windows of the same clips do, the control that the paper "
        f"lacks, where the model is right: {parts}."
    )


def _about_others(found: BeyondSaliency) -> list[str]:
    """Against the whole clip, and as published."""
    return [
        f"{opening}, where the model is right: "
        + "; ".join(
            f"{name} {share_text(found.agreement_of(name, 'right', way=way, reference=reference))}"
            f", {_with_controls(found, name, way=way, reference=reference)}"
            for name in found.explainers
        )
        + "."
        for opening, way, reference in (
            ("Against the whole clip instead of neutral speech", "corrected", "clip"),
            (
                "With all published settings and flaws, against neutral speech",
                "published",
                REFERENCES[0],
            ),
            ("As published, against the whole clip", "published", "clip"),
        )
    ]


def _with_controls(found: BeyondSaliency, name: str, **where: str) -> str:
    random, loudest, difference = (
        found.agreement_of(name, "right", moments, **where)
        for moments in ("random", "loudest", "salient minus random")
    )
    return (
        f"random windows {share_text(random)}, loudest {share_text(loudest)}, salient minus random "
        f"{points_text(difference)}"
    )


def _about_flaws(found: BeyondSaliency) -> list[str]:
    name = found.explainers[0]
    rows = found.flaws[found.flaws["explainer"] == name]
    sentences = []
    zeros = rows[(rows["flaw"] == FLAWS[0]) & (rows["cue"] == "f0_level")]
    if not zeros.empty:
        row = zeros.iloc[0]
        clips = found.clips
        clips = clips[(clips["explainer"] == name) & (clips["way"] == "corrected")]
        sentences.append(
            f"Unvoiced frames, {1 - clips['voiced_share'].mean():.0%} of the salient windows of "
            f"{name}, counted as 0 move the pitch there by {_number(row['change'], signed=True)} "
            f"semitones on average ({row['abs_change_sd']:.1f} SD of clips)."
        )
    trimmed = found.clips.groupby("row")["trimmed_s"].first()
    parts = []
    for flaw, own in rows[rows["n_cells"] > 0].groupby("flaw", sort=False):
        n = own["n_cells"]
        before, after, flipped = (
            float((own[column] * n).sum() / n.sum())
            for column in ("expected_correct", "expected_flawed", "flipped")
        )
        parts.append(f"{flaw} {flipped:.0%} ({before:.0%} as expected before, {after:.0%} after)")
    if parts:
        sentences.append(
            f"Share of scored cues of {name} that change sides with each flaw alone: "
            f"{'; '.join(parts)}. Trimmed before the speech are {trimmed.mean():.2f} s on average."
        )
    return sentences


def _about_overlap(found: BeyondSaliency) -> list[str]:
    if found.overlap.empty:
        return []
    sentences = []
    rows = found.overlap[found.overlap["answers"] == "all"]
    for row in _entries(rows[(rows["way"] == "corrected") & (rows["second"] != "loudest")]):
        first, second = row["first"], row["second"]
        theirs = rows[(rows["first"] == first) & (rows["second"] == second)]
        theirs = theirs[theirs["way"] == "published"]
        published = (
            f"; with published settings {interval_text(theirs.iloc[0], 'iou')} against "
            f"{theirs.iloc[0]['random']:.2f}"
            if not theirs.empty
            else ""
        )
        sentences.append(
            f"The salient windows of {first} and {second} overlap by "
            f"{interval_text(row, 'iou')} (intersection over union), those of random windows by "
            f"{row['random']:.2f}: a difference of {interval_text(row, 'minus_random', '+.2f')}"
            f"{published}."
        )
        means = found.correlation
        if not means.empty:
            means = means[(means["cue"] == "all") & (means["way"] == "corrected")]
            means = means[(means["first"] == first) & (means["second"] == second)]
        if not means.empty:
            by_kind = {entry["kind"]: interval_text(entry, "value") for entry in _entries(means)}
            sentences.append(
                f"Over clips, the cues in their windows correlate by {by_kind.get('salient', '–')} "
                f"(Spearman, mean of cues), those in random windows of the same clips by "
                f"{by_kind.get('random', '–')}; without what is common to the windows of a clip, "
                f"by {by_kind.get('beyond the clip', '–')}."
            )
    return sentences


def share_text(row: Mapping[str, float]) -> str:
    """``"70% (62% to 78%)"``."""
    if not np.isfinite(row["value"]):
        return "–"
    text = f"{row['value']:.0%}"
    return text if np.isnan(row["low"]) else f"{text} ({row['low']:.0%} to {row['high']:.0%})"


def points_text(row: Mapping[str, float]) -> str:
    """``"+3 points (−2 to +8)"``."""
    if not np.isfinite(row["value"]):
        return "–"
    value, low, high = (_points(row[name]) for name in ("value", "low", "high"))
    return f"{value} points" + ("" if np.isnan(row["low"]) else f" ({low} to {high})")


def p_text(p: float) -> str:
    """``"p = 0.012"``, or ``"p < 0.001"``."""
    if np.isnan(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _points(share: float) -> str:
    return "–" if np.isnan(share) else f"{round(100 * share) + 0:+d}".replace("-", "−")


def _number(value: float, *, signed: bool = False) -> str:
    return format(round(float(value), 1) + 0.0, "+.1f" if signed else ".1f").replace("-", "−")


def interval_text(row: Mapping[Any, Any] | pd.Series[Any], name: str, form: str = ".2f") -> str:
    """``"0.38 (0.30 to 0.46)"``."""
    low, high = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    text = format(row[name], form)
    if not np.isnan(row[low]):
        text += f" ({row[low]:{form}} to {row[high]:{form}})"
    return text.replace("-", "−")


# Small parts


def _chosen_rows(
    corpus: Corpus, model: Model, n_clips: int | None, seed: int
) -> tuple[list[int], list[str]]:
    """Rows of clips whose emotion the model knows, and the emotions that it does not."""
    if int((corpus.table["emotion"] == "neutral").sum()) < 3:
        raise InputError(
            f"{corpus.name} has fewer than 3 neutral clips; expected some to compare with: the "
            "literature speaks of differences from neutral speech"
        )
    known = {_emotion(label) for label in model_labels(model)} & set(corpus.emotions)
    if not known:
        raise InputError(
            f"{corpus.name} has none of the emotions of {model_name(model)} "
            f"({', '.join(model_labels(model))}); expected at least one"
        )
    where = np.flatnonzero(corpus.table["emotion"].isin(known))
    rows = where[balanced_rows(corpus.select(emotions=sorted(known)), n_clips, seed=seed)]
    return [int(row) for row in rows], [name for name in corpus.emotions if name not in known]


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


def _mean(values: FloatArray) -> FloatArray:
    """Over the first axis without NaN; NaN where there is nothing."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    return np.where(known, values, 0.0).sum(axis=0) / np.where(n, n, np.nan)


def _by_cue(values: FloatArray) -> dict[str, float]:
    return dict(zip(WINDOW_CUES, values.tolist(), strict=True))


def _row(by_cue: Mapping[str, float]) -> FloatArray:
    return np.array([by_cue[cue] for cue in WINDOW_CUES], dtype=float)


def _emotion(label: str) -> str:
    try:
        return canonical_emotion(label)
    except InputError:
        return label


def _key(corpus: Corpus, row: int) -> str:
    clip = corpus.table.iloc[row]
    return f"{clip['file']} {clip['start']:g}"


def _fingerprint(corpus: Corpus, model: Model, row: int) -> list[float]:
    """What tells apart models of one name."""
    try:
        clip = corpus.audio(row, sample_rate=model.sample_rate).samples.copy()
    except InputError:  # said where the clip is listened to
        return []
    return predict(model, [clip])[0].round(5).tolist()


def _entries(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with null for what is not a number."""
    return json.loads(frame.to_json(orient="records", double_precision=6))
