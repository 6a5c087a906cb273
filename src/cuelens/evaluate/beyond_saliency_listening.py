"""What is measured in one clip, the published way and the corrected one: windows and their cues."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from cuelens.audio import Audio
from cuelens.corpora import Corpus, canonical_emotion
from cuelens.cues import WINDOW_CUES, Cue, CueTracks, chance_test, measure_cues
from cuelens.cues.baseline import (
    Baseline,
    evened_out,
    log_scaled,
    speech_values,
    tiles,
    tracks_baseline,
)
from cuelens.cues.chance import random_windows
from cuelens.cues.corpus_analysis import (
    N_RANDOM,
    loudest_windows,
    point_effects,
)
from cuelens.errors import CuelensWarning, InputError
from cuelens.evaluate.beyond_saliency_overlap import chance_iou, interval_iou
from cuelens.evaluate.explainers import EXPLAINERS, applies, explainer_named
from cuelens.evaluate.journal import Result
from cuelens.explain import MAP_EXPLAINERS, ConceptRelevance, Explanation, Occlusion
from cuelens.explain.named import Explainer
from cuelens.explain.salient_windows import Placement, salient_windows
from cuelens.models.base import Model, model_name
from cuelens.models.network import is_network
from cuelens.models.published_log_mel import PublishedLogMel
from cuelens.typing import BoolArray, FloatArray

WAYS = ("published", "corrected")
REFERENCES = ("neutral", "clip")
FLAWS = (
    "unvoiced frames count as 0",
    "times after trimming",
    "windows on a grid",
    "explainer as published",
)
WITH_TIMES = (*MAP_EXPLAINERS, *(name for name in EXPLAINERS if name.endswith("-windows")))
"""Explainers that say when."""
_PUBLISHED_LAYER = "layer1.conv1"
NEUTRAL = "speaker's neutral"
_MAX_NEUTRAL = 60  # clips of a baseline


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
        kind: Literal["speaker's neutral", "corpus"] = NEUTRAL  # type: ignore[assignment]
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
                "answer": emotion_of(explained[key].target),
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


def _mean(values: FloatArray) -> FloatArray:
    """Over the first axis without NaN; NaN where there is nothing."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    return np.where(known, values, 0.0).sum(axis=0) / np.where(n, n, np.nan)


def _by_cue(values: FloatArray) -> dict[str, float]:
    return dict(zip(WINDOW_CUES, values.tolist(), strict=True))


def emotion_of(label: str) -> str:
    try:
        return canonical_emotion(label)
    except InputError:
        return label
