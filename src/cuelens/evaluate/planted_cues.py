"""Planted cues of whole clips: does the cue table name the cue that was edited?

Neutral speech is edited in one acoustic cue (`cue_edits`), a model learns to tell edited from
untouched clips of some speakers, and clips of others are explained.  Nothing else was edited, so
the edited cue should come first among the cues where the model listened, by their distance in
standard deviations from the same speaker's other untouched clips; and in the column of the whole
clip, where the edit was made.  The model must be right for 95 % of held-out clips, or the edit is
void.

How often the cue comes first in the *untouched* clip, at the same moments, is what chance does.
Where another cue comes first, either the clip differed in it before, or the edit changes it too (a
flatter spectrum moves what is measured as the first formant): the differences between edited and
untouched clip tell these apart.

The same clips test probing: of an embedding that holds all functionals, rotated at random and with
noise, those that the edit leaves alone shuffled within speakers, is the edited one called used, and
none of the shuffled ones?
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.cues import WINDOW_CUES, CueReport, CueTracks, cue_report, measure_cues
from cuelens.cues.account import clear_rows
from cuelens.cues.baseline import Baseline, tracks_baseline
from cuelens.errors import InputError
from cuelens.evaluate.cue_edits import CUE_EDITS, CueEdit
from cuelens.evaluate.detectors import EDITED, SAMPLE_RATE, UNTOUCHED, linear_classifier
from cuelens.evaluate.journal import Result, counted, run_tasks
from cuelens.evaluate.planted_cues_result import PlantedCues
from cuelens.explain import EmoLime
from cuelens.explain.salient_windows import WINDOW_S, SalientWindow
from cuelens.features import EmbeddedCorpus, OpenSmile
from cuelens.models import FeaturesModel
from cuelens.probe import Acoustics, Probing
from cuelens.probe.folds import z_scores_by_speaker
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray
from cuelens.units import TimeWindows
from cuelens.vocoder import Voice, load_world

EMOTIONS = ("neutral", "calm")
MIN_RECALL = 0.95
_MIN_CLIPS = 5  # of a speaker: cues of whole clips are compared with four others or more
_PEAK_DB = -20.0  # of the loudest clip, so that the edited ones stay within full scale
_MAX_FOLDS = 8
_CHANGED = 0.2  # standard deviations within speakers: what changes less was left alone
_NOISE = 0.5  # in every dimension of the probed embedding, where functionals have 1
_STAND_INS = {EDITED: "anger", UNTOUCHED: "neutral"}  # names that probing takes


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Clips to edit, each with other clips of its speaker.

    Parameters
    ----------
    corpus : Corpus
    rows : tuple of int
    edits : tuple of str
    folder : path
        Where what was measured is kept.
    gain : float
        All sound is scaled by it, untouched and edited.
    n_versions : int
    seed : int
    """

    corpus: Corpus
    rows: tuple[int, ...]
    edits: tuple[str, ...]
    folder: Path
    gain: float
    n_versions: int
    seed: int

    @cached_property
    def speakers(self) -> dict[int, str]:
        """Speaker of every clip."""
        return {row: str(self.corpus.speaker_of(row)) for row in self.rows}

    def others(self, row: int) -> list[int]:
        """Other clips of the same speaker."""
        return [k for k in self.rows if k != row and self.speakers[k] == self.speakers[row]]

    def voice(self, row: int) -> Voice:
        """A clip taken apart."""
        audio = self.corpus.audio(row, sample_rate=SAMPLE_RATE)
        return Voice.of(audio.samples, sample_rate=SAMPLE_RATE)

    def sound(self, row: int, samples: FloatArray) -> Audio:
        """What the vocoder gives for a clip, at the level at which all are heard."""
        name = str(self.corpus.table["file"].iloc[row])
        return Audio(
            samples=(self.gain * samples).astype(np.float32), sample_rate=SAMPLE_RATE, source=name
        )

    def held(self, row: int) -> Path:
        """Where a clip's untouched sound and functionals are kept."""
        return self.folder / "measured" / f"{row}.npz"

    @cached_property
    def folds(self) -> list[set[str]]:
        """Speakers that are held out together."""
        names = sorted(set(self.speakers.values()))
        drawn = np.random.default_rng(self.seed).permutation(names)
        return [set(part.tolist()) for part in np.array_split(drawn, min(_MAX_FOLDS, len(names)))]


def evaluate_planted_cues(
    corpus: Corpus,
    *,
    edits: Sequence[str] = tuple(CUE_EDITS),
    emotions: Sequence[str] = EMOTIONS,
    n_clips: int = 160,
    n_test: int = 40,
    n_versions: int = 64,
    n_probes: int = 3,
    seed: int = 0,
    folder: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PlantedCues:
    """How often the cue table and probing find a cue that was edited.

    Parameters
    ----------
    corpus : Corpus
        Two speakers or more with five clips of these emotions each; four or more to probe.
    edits : sequence of str
        Names in `CUE_EDITS`.
    emotions : sequence of str
        Of the clips; emotions themselves are cues that would stand in the way.
    n_clips : int
        Drawn from the corpus, as many of each speaker, five at least.
    n_test : int
        Clips that are explained, of each edit, by models that have not heard their speaker.
    n_versions : int
        Versions of a clip that the model is asked about to find the moments (four a moment at
        least).  The whole clip is edited, so moments need not be sharp.
    n_probes : int
        Random embeddings that are probed, of each edit; 0 leaves probing out.
    seed : int
    folder : path or None
        Where finished clips are kept, so that a run that was killed goes on; made if needed.
    n_workers : int or None
        Processes; None: this one.
    progress : callable, optional
        Called with what is being done, how much is done, how much there is.

    Raises
    ------
    InputError
        An unknown edit, or too few speakers or clips.
    MissingExtraError
        The vocoder is not installed.

    Returns
    -------
    PlantedCues

    Notes
    -----
    The model hears functionals of eGeMAPS less their mean over the speaker's other untouched clips,
    as someone who knows the voice does: 6 semitones up are within what other speakers differ by.
    It hears level.  It is logistic regression, with up to eight groups of speakers held out in
    turn.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return evaluate_planted_cues(
                corpus,
                edits=edits,
                emotions=emotions,
                n_clips=n_clips,
                n_test=n_test,
                n_versions=n_versions,
                n_probes=n_probes,
                seed=seed,
                folder=Path(temporary),
                n_workers=n_workers,
                progress=progress,
            )
    unknown = sorted(set(edits) - set(CUE_EDITS))
    if unknown or not edits:
        wrong = repr(unknown[0]) if unknown else "not given"
        raise InputError(f"edit is {wrong}; expected some of {', '.join(CUE_EDITS)}")
    for name, value, least in (
        ("n_clips", n_clips, 2 * _MIN_CLIPS),
        ("n_test", n_test, 1),
        ("n_versions", n_versions, 1),
        ("n_probes", n_probes, 0),
    ):
        if value < least:
            raise InputError(f"{name} is {value}; expected {least} or more")
    load_world()  # where it is missing, no clip can be edited
    (folder / "measured").mkdir(parents=True, exist_ok=True)
    settings = {
        "corpus": corpus.name,
        "n_corpus": len(corpus),
        "emotions": list(emotions),
        "edits": list(edits),
        "n_clips": n_clips,
        "seed": seed,
        "versions": versions(Voice),
    }
    rows = _drawn(corpus, emotions, n_clips=n_clips, seed=seed)
    clips = Material(
        corpus=corpus,
        rows=rows,
        edits=tuple(edits),
        folder=folder,
        gain=_gain(corpus, rows),
        n_versions=n_versions,
        seed=seed,
    )

    measured = run_tasks(
        _measure,
        {str(row): (row,) for row in rows},
        settings=settings,
        shared=(clips,),
        journal=folder / "measured.jsonl",
        n_workers=n_workers,
        progress=counted(progress, "editing and measuring", len(rows)),
    )
    errors = [found["error"] for found in measured.values() if "error" in found]
    kept = [row for row in rows if "error" not in measured[str(row)]]
    clips = replace(clips, rows=tuple(_with_enough(corpus, kept)))
    if len(clips.folds) < 2:
        raise InputError(errors[0] if errors else f"{corpus.name}: too few clips are left")
    models = pd.DataFrame([_told(clips, edit) for edit in edits])
    told = [edit for edit, void in zip(edits, models["void"], strict=True) if not void]
    tested = _tested(clips, n_test)
    explained = run_tasks(
        _explain,
        {f"{edit} {row}": (edit, row) for edit in told for row in tested},
        settings=settings | {"n_versions": n_versions, "rows": list(clips.rows)},
        shared=(clips,),
        journal=folder / "clips.jsonl",
        n_workers=n_workers,
        progress=counted(progress, "explaining", len(told) * len(tested)),
    )
    probed = run_tasks(
        _probe,
        {f"{edit} {draw}": (edit, draw) for edit in told for draw in range(n_probes)},
        settings=settings | {"rows": list(clips.rows)},
        shared=(clips,),
        journal=folder / "probes.jsonl",
        n_workers=n_workers,
        progress=counted(progress, "probing", len(told) * n_probes),
    )
    both = [*explained.values(), *probed.values()]
    return PlantedCues(
        about=settings
        | {
            "n_used": len(clips.rows),
            "n_test": len(tested),
            "n_versions": n_versions,
            "speakers": sorted(set(clips.speakers.values())),
        },
        models=models,
        clips=pd.DataFrame([found["clip"] for found in explained.values() if "clip" in found]),
        cues=pd.DataFrame([one for found in explained.values() for one in found.get("cues", [])]),
        probes=pd.DataFrame([one for found in probed.values() for one in found.get("rows", [])]),
        errors=(*errors, *(found["error"] for found in both if "error" in found)),
    )


def _drawn(corpus: Corpus, emotions: Sequence[str], *, n_clips: int, seed: int) -> tuple[int, ...]:
    """As many clips of each speaker; fewer speakers where there would be fewer than five."""
    right = corpus.table["emotion"].isin(list(emotions)).to_numpy()
    possible = _with_enough(corpus, np.flatnonzero(right).tolist())
    rng = np.random.default_rng(seed)
    speakers = rng.permutation(sorted({str(corpus.speaker_of(row)) for row in possible}))
    speakers = speakers[: n_clips // _MIN_CLIPS]
    if len(speakers) < 2:
        raise InputError(
            f"{corpus.name}: {len(speakers)} speaker(s) with {_MIN_CLIPS} clips or more of "
            f"{' or '.join(emotions)}; expected two or more, as models are tested on speakers that "
            "they have not heard: name other emotions, or take a larger corpus"
        )
    drawn: list[int] = []
    for speaker in speakers:
        own = [row for row in possible if corpus.speaker_of(row) == speaker]
        drawn += rng.permutation(own)[: n_clips // len(speakers)].tolist()
    return tuple(sorted(drawn))


def _with_enough(corpus: Corpus, rows: Sequence[int]) -> list[int]:
    """Clips of speakers with five or more of them."""
    speakers = [corpus.speaker_of(row) for row in rows]
    return [
        row
        for row, speaker in zip(rows, speakers, strict=True)
        if speaker is not None and speakers.count(speaker) >= _MIN_CLIPS
    ]


def _gain(corpus: Corpus, rows: Sequence[int]) -> float:
    """Brings the loudest clip to -20 dB below full scale.

    openSMILE hears 16 bits: what is far below that becomes coarse.
    """
    peaks = [np.abs(corpus.audio(row, sample_rate=SAMPLE_RATE).samples).max() for row in rows]
    return float(10 ** (_PEAK_DB / 20) / max(peaks))


def _tested(clips: Material, n_test: int) -> list[int]:
    """Clips that are explained, spread over the speakers."""
    drawn = np.random.default_rng(clips.seed + 1).permutation(clips.rows).tolist()
    turn = {
        row: sum(clips.speakers[k] == clips.speakers[row] for k in drawn[:place])
        for place, row in enumerate(drawn)
    }
    return sorted(sorted(drawn, key=lambda row: turn[row])[:n_test])


def _smile() -> OpenSmile:
    return OpenSmile(feature_set="eGeMAPSv02", n_workers=1)


def _measure(clips: Material, row: int) -> Result:
    """Edit a clip in every way, and keep the untouched sound and all functionals."""
    voice = clips.voice(row)
    untouched = clips.sound(row, voice.samples())
    edited = [clips.sound(row, CUE_EDITS[edit].apply(voice)) for edit in clips.edits]
    functionals = _smile().functionals(
        [sound.samples for sound in (untouched, *edited)], sample_rate=SAMPLE_RATE
    )
    if not np.isfinite(functionals).all():
        raise InputError(f"{untouched.source}: openSMILE measures nothing; expected more speech")
    np.savez(clips.held(row), untouched=untouched.samples, functionals=functionals)
    return {}


@lru_cache(maxsize=4)
def _functionals(clips: Material, edit: str) -> tuple[FloatArray, FloatArray]:
    """Of all clips, untouched and edited, shape (n_clips, 88) each."""
    column = 1 + clips.edits.index(edit)
    values = []
    for row in clips.rows:
        with np.load(clips.held(row), allow_pickle=False) as held:
            values.append(held["functionals"][[0, column]].astype(np.float64))
    return np.array(values)[:, 0], np.array(values)[:, 1]


@lru_cache(maxsize=256)
def _untouched(clips: Material, row: int) -> tuple[Audio, CueTracks]:
    with np.load(clips.held(row), allow_pickle=False) as held:
        audio = Audio(samples=held["untouched"], sample_rate=SAMPLE_RATE)
    return audio, measure_cues(audio)


def _usual(clips: Material, edit: str, row: int) -> FloatArray:
    """Mean functionals of the speaker's other untouched clips, shape (88,)."""
    untouched = _functionals(clips, edit)[0]
    return untouched[[clips.rows.index(k) for k in clips.others(row)]].mean(axis=0)


@lru_cache(maxsize=4)
def _apart(clips: Material, edit: str) -> tuple[FloatArray, FloatArray]:
    """Functionals of all clips less what is usual, untouched and edited, shape (n_clips, 88)."""
    usual = np.array([_usual(clips, edit, row) for row in clips.rows])
    untouched, edited = _functionals(clips, edit)
    return untouched - usual, edited - usual


@lru_cache(maxsize=16)
def _fitted(clips: Material, edit: str, fold: int) -> Any:
    """A classifier that has not heard the speakers of a fold."""
    untouched, edited = _apart(clips, edit)
    heard = ~_held_out(clips, fold)
    classifier = linear_classifier()
    classifier.fit(
        np.concatenate([untouched[heard], edited[heard]]),
        np.repeat([UNTOUCHED, EDITED], heard.sum()),
    )
    return classifier


def _held_out(clips: Material, fold: int) -> BoolArray:
    """Which clips are of the speakers of a fold, shape (n_clips,)."""
    return np.array([clips.speakers[row] in clips.folds[fold] for row in clips.rows])


def _told(clips: Material, edit: str) -> dict[str, Any]:
    """How well models tell an edit in clips of speakers held out."""
    untouched, edited = _apart(clips, edit)
    hit, kept = np.zeros(len(clips.rows), bool), np.zeros(len(clips.rows), bool)
    for fold in range(len(clips.folds)):
        out = _held_out(clips, fold)
        classifier = _fitted(clips, edit, fold)
        hit[out] = classifier.predict(edited[out]) == EDITED
        kept[out] = classifier.predict(untouched[out]) == UNTOUCHED
    recall = float((hit.mean() + kept.mean()) / 2)
    described, changes = CUE_EDITS[edit], _changes(clips, edit)
    column = _smile().names.index(described.functional)
    return {
        "edit": edit,
        "cue": described.cue,
        "sign": described.sign,
        "size": described.size,
        "recall": recall,
        "recall_edited": float(hit.mean()),
        "recall_untouched": float(kept.mean()),
        "n_clips": len(clips.rows),
        "void": recall < MIN_RECALL,
        "change": float((edited - untouched)[:, column].mean()),
        "change_sd": float(changes[column]),
        "n_changed": int((np.abs(changes) >= _CHANGED).sum()),
    }


def _changes(clips: Material, edit: str) -> FloatArray:
    """Mean change of every functional in standard deviations within speakers, shape (88,)."""
    untouched, edited = _functionals(clips, edit)
    speakers = np.array(list(clips.speakers.values()))
    squares = np.zeros(untouched.shape[1])
    for name in np.unique(speakers):
        own = untouched[speakers == name]
        squares += ((own - own.mean(axis=0)) ** 2).sum(axis=0)
    spread = np.sqrt(squares / (len(speakers) - len(np.unique(speakers))))
    return (edited - untouched).mean(axis=0) / np.where(spread > 0, spread, np.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class _KnowsVoice:
    """A classifier of functionals less what is usual for a voice."""

    classifier: Any
    usual: FloatArray

    @property
    def classes_(self) -> Any:
        return self.classifier.classes_

    @property
    def n_features_in_(self) -> int:
        return int(self.classifier.n_features_in_)

    def predict_proba(self, values: FloatArray) -> FloatArray:
        return np.asarray(self.classifier.predict_proba(values - self.usual))


def _explain(clips: Material, edit: str, row: int) -> Result:
    """Explain an edited clip, and rank its cues."""
    fold = next(k for k, names in enumerate(clips.folds) if clips.speakers[row] in names)
    model = FeaturesModel(
        classifier=_KnowsVoice(
            classifier=_fitted(clips, edit, fold), usual=_usual(clips, edit, row)
        ),
        features=_smile(),
        sample_rate=SAMPLE_RATE,
        normalise=False,
        name=f"detector of {edit}",
    )
    planted = CUE_EDITS[edit]
    audio = clips.sound(row, planted.apply(clips.voice(row)))
    window_s = min(WINDOW_S, audio.duration_s)
    units = TimeWindows(window_s=window_s)
    n_versions = max(clips.n_versions, 2 + 4 * units.n_units(audio.duration_s))
    finder = EmoLime(units=units, samples=n_versions, seed=clips.seed)
    explanation = finder.explain(model, audio, target=EDITED)
    baseline = _baseline(clips, row, window_s)
    report = cue_report(explanation, audio, baseline=baseline, window_s=window_s, seed=clips.seed)
    untouched, tracks = _untouched(clips, row)
    before = cue_report(
        explanation,
        untouched,
        baseline=baseline,
        tracks=tracks,
        windows=_moved(report.windows, audio, untouched),
        window_s=window_s,
        seed=clips.seed,
    )
    known = [one for one in report.rows if np.isfinite(one.effect.low)]
    twins = {one.cue: one.effect for one in before.rows if np.isfinite(one.effect.low)}
    effects = {one.cue: one.effect.size for one in known}
    found = _led(effects, planted)
    of_clip = {
        one.cue: one.clip_effect.size for one in report.rows if np.isfinite(one.clip_effect.low)
    }
    whole = _led(of_clip, planted)
    twin = _led({cue: effect.size for cue, effect in twins.items()}, planted)
    change = _led({cue: effects[cue] - twins[cue].size for cue in effects if cue in twins}, planted)
    return {
        "clip": {
            "edit": edit,
            "cue": planted.cue,
            "row": row,
            "speaker": clips.speakers[row],
            "p": float(explanation.prediction[list(explanation.labels).index(EDITED)]),
            **found,
            "n_cues": len(effects),
            "effect": effects.get(planted.cue, float("nan")),
            "named": _named(report, planted),
            "clip_first": whole["first"],
            "clip_leader": whole["leader"],
            "clip_effect": of_clip.get(planted.cue, float("nan")),
            "untouched_first": twin["first"],
            "untouched_leader": twin["leader"],
            "untouched_effect": twins[planted.cue].size if planted.cue in twins else float("nan"),
            "first_change": change["first"],
            "leader_change": change["leader"],
        },
        "cues": [
            {
                "edit": edit,
                "row": row,
                "cue": one.cue,
                "size": one.effect.size,
                "low": one.effect.low,
                "high": one.effect.high,
                "untouched_size": twins[one.cue].size if one.cue in twins else float("nan"),
            }
            for one in known
        ],
    }


def _baseline(clips: Material, row: int, window_s: float) -> Baseline:
    return tracks_baseline(
        [_untouched(clips, k)[1] for k in clips.others(row)],
        window_s=window_s,
        kind="speaker's neutral",
        description="other untouched clips of the speaker",
    )


def _moved(
    windows: Sequence[SalientWindow], edited: Audio, untouched: Audio
) -> list[SalientWindow]:
    """The same moments in the untouched clip, which is longer where tempo was edited."""
    ratio = untouched.duration_s / edited.duration_s
    moved = []
    for window in windows:
        length_s = window.end_s - window.start_s
        start_s = min(ratio * window.start_s, untouched.duration_s - length_s)
        moved.append(replace(window, start_s=start_s, end_s=start_s + length_s))
    return moved


def _named(report: CueReport, edit: CueEdit) -> float:
    """Whether the account names the edited cue first; NaN where it never can."""
    if edit.cue not in WINDOW_CUES:
        return float("nan")
    return float(_led({row.cue: row.effect.size for row in clear_rows(report)}, edit)["first"])


def _led(effects: Mapping[str, float], edit: CueEdit) -> dict[str, Any]:
    """Which cue has the largest effect, and where the edited one stands (NaN: has none)."""
    names = sorted(effects, key=lambda cue: -abs(effects[cue]))
    leads = names[:1] == [edit.cue] and effects[edit.cue] * edit.sign > 0
    return {
        "first": leads,
        "rank": float(names.index(edit.cue) + 1) if edit.cue in names else float("nan"),
        "leader": names[0] if names else "",
    }


def _probe(clips: Material, edit: str, draw: int) -> Result:
    """Probe a random embedding of the edited and the untouched clips."""
    rng = np.random.default_rng([clips.seed, draw, *edit.encode()])
    smile, functional = _smile(), CUE_EDITS[edit].functional
    values = np.concatenate(_functionals(clips, edit))
    speakers = np.array(list(clips.speakers.values()) * 2)
    changed = np.abs(_changes(clips, edit)) >= _CHANGED
    changed |= np.array(smile.names) == functional
    for column in np.flatnonzero(~changed):
        for name in np.unique(speakers):
            own = np.flatnonzero(speakers == name)
            values[own, column] = values[rng.permutation(own), column]
    varies = values.std(axis=0) > 0
    names = [name for name, some in zip(smile.names, varies, strict=True) if some]
    values, changed = values[:, varies], changed[varies]
    z = z_scores_by_speaker(values, speakers)
    turned = z @ np.linalg.qr(rng.normal(size=(z.shape[1], z.shape[1])))[0]
    turned += _NOISE * rng.normal(size=turned.shape)
    labels = np.repeat([_STAND_INS[UNTOUCHED], _STAND_INS[EDITED]], len(clips.rows))
    table = pd.DataFrame(
        {
            "file": [f"{k:06d}" for k in range(len(values))],
            "start": 0.0,
            "end": np.nan,
            "speaker": speakers,
            "emotion": labels,
            "sentence": pd.NA,
        }
    )
    durations = np.ones(len(values))
    result = Probing(n_permutations=100, n_random=5, seed=clips.seed).probe(
        Corpus(name=clips.corpus.name, licence=clips.corpus.licence, table=table),
        EmbeddedCorpus(
            name=f"rotated functionals, {edit}",
            values=turned[:, None].astype(np.float32),
            layers=("rotated",),
            dimensions=tuple(f"{k}" for k in range(turned.shape[1])),
        ),
        Acoustics(names=tuple(names), features=values, level_db=durations, duration_s=durations),
    )
    judged = result.features[result.features["task"] == _STAND_INS[EDITED]]
    verdicts = dict(zip(judged["feature"], judged["verdict"], strict=True))
    roles = {
        name: "changed" if one else "shuffled" for name, one in zip(names, changed, strict=True)
    }
    roles[functional] = "edited"
    return {
        "rows": [
            {"edit": edit, "draw": draw, "feature": n, "role": roles[n], "verdict": verdicts[n]}
            for n in names
        ]
    }
