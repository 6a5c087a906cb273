"""Planted cues: how often an explainer finds an edit whose place is known.

Real speech is edited in a known place, a model learns to tell edited clips from untouched ones,
and explainers are asked why it calls a clip edited that it has not heard, of a speaker it has not
heard.  Edited and untouched clips differ in that place only, so that is where the reason lies.  The
model must be right for 95 % of held-out clips, or the case is void.

The model also learns from clips with parts missing, and calls them edited where the place is still
there: explainers that leave parts out then ask it about sounds that it knows.  ``masked=False``
leaves that out, and shows what is lost where a model was never taught to bear it.

References
----------
.. [1] Y. Zhou, S. Booth, M. T. Ribeiro, J. Shah, "Do feature attribution methods correctly
   attribute features?", AAAI 2022 (ground truth by editing the data).
.. [2] J. Zhang et al., "Top-down neural attention by excitation backprop", IJCV 126, 2018 (the
   pointing game).
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cuelens.audio import Audio, within_full_scale
from cuelens.corpora import Corpus
from cuelens.errors import CuelensWarning, InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.detectors import EDITED, SAMPLE_RATE, Detector, FeatureDetector
from cuelens.evaluate.edits import EDITS, Place
from cuelens.evaluate.explainers import (
    applies,
    described_explainer,
    looks_inside,
)
from cuelens.evaluate.journal import Result, counted, run_tasks
from cuelens.evaluate.localisation import can_tell, located_by, overlaps
from cuelens.evaluate.planted_result import Planted
from cuelens.explain.game import RememberingModel
from cuelens.explain.named import Explainer
from cuelens.models import Model, predict
from cuelens.models.training import play_at
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray
from cuelens.units import FrequencyBands, TimeWindows

DURATION_S = 2.0
MIN_RECALL = 0.95
_N_SOUNDS = 400  # of each class to learn from, at least
_SPEEDS = (1.0, 0.94, 1.06, 0.88, 1.12)
_MASKED = 4  # versions with parts missing of every clip that is learned from
_TEST_SHARE = 3  # a third of the speakers is held out


@dataclass(frozen=True, kw_only=True)
class Case:
    """An edit, where it is planted, and the kind of model that learns to tell.

    Parameters
    ----------
    edit : str
        Name in `EDITS`.
    detector : str
    band : int or None
        For edits of a band.
    shuffle : int
        0; or above 0: the how-manieth model trained with shuffled labels, which knows nothing.
    """

    edit: str
    detector: str
    band: int | None = None
    shuffle: int = 0

    @property
    def key(self) -> str:
        """Name of the case, and of its folder."""
        parts = [self.edit, self.detector]
        parts += [] if self.band is None else [f"band{self.band}"]
        parts += [f"shuffled{self.shuffle}"] if self.shuffle else []
        return "_".join(part.replace(":", "-").replace("/", "-") for part in parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Clips to edit, and who is held out."""

    corpus: Corpus
    rows: tuple[int, ...]
    test: tuple[bool, ...]
    seed: int

    def clip(self, i: int) -> Audio:
        """The 2 s of clip i with most energy, padded with silence where it is shorter."""
        return excerpt(self.corpus.audio(self.rows[i], sample_rate=SAMPLE_RATE), DURATION_S)

    def edited(self, i: int, case: Case, *, clip: Audio | None = None) -> tuple[FloatArray, Place]:
        """Clip i with the edit, shape (n_samples,), and where it is."""
        clip = self.clip(i) if clip is None else clip
        edit = EDITS[case.edit]
        rng = np.random.default_rng([self.seed, self.rows[i], *case.edit.encode()])
        place = edit.place(clip, band=case.band, rng=rng)
        return edit.apply(clip, place, rng), place


def excerpt(audio: Audio, duration_s: float) -> Audio:
    """The part of a clip with most energy, of a given length; shorter clips end with silence."""
    n = round(duration_s * audio.sample_rate)
    samples = np.pad(audio.samples, (0, max(0, n - audio.samples.size)))
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    start = int(np.argmax(energy[n:] - energy[:-n]))
    return replace(audio, samples=samples[start : start + n])


def material(corpus: Corpus, *, n_clips: int, seed: int) -> Material:
    """Draw clips, and hold out a third of the speakers.

    Raises
    ------
    InputError
        Fewer than two speakers.
    """
    if len(corpus.speakers) < 2:
        raise InputError(
            f"{corpus.name} has {len(corpus.speakers)} speaker(s); expected two or more: models "
            "are tested on speakers that they have not heard"
        )
    rows = balanced_rows(corpus, n_clips, seed=seed)
    drawn = sorted({str(corpus.speaker_of(row)) for row in rows})
    if len(drawn) < 2:
        raise InputError(f"{n_clips} clips are of one speaker; expected more clips")
    names = np.random.default_rng(seed).permutation(np.array(drawn))
    held_out = set(names[: max(1, len(names) // _TEST_SHARE)].tolist())
    test = tuple(corpus.speaker_of(row) in held_out for row in rows)
    return Material(corpus=corpus, rows=tuple(rows), test=test, seed=seed)


def evaluate_planted(
    corpus: Corpus,
    explainers: Mapping[str, Explainer],
    detectors: Mapping[str, Detector],
    *,
    edits: Sequence[str] = ("band-noise", "moment-noise"),
    bands: Sequence[int] = (1, 3, 5),
    n_clips: int = 120,
    n_test: int = 24,
    masked: bool = True,
    n_shuffled: int = 0,
    seed: int = 0,
    folder: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Planted:
    """How often explainers find planted cues.

    Parameters
    ----------
    corpus : Corpus
        Two speakers or more; emotions do not matter.
    explainers : mapping of str to Explainer
    detectors : mapping of str to Detector
        Kinds of models.
    edits : sequence of str
        Names in `EDITS`.
    bands : sequence of int, 0 to 7
        Of 8 bands in mel: a model is trained for an edit of each.
    n_clips : int
        Drawn from the corpus; clips of a third of the speakers are held out.
    n_test : int
        Held-out clips that are explained, of each edit and kind of model; bands share them.
    masked : bool
        Models also learn from clips with parts missing.
    n_shuffled : int
        Models trained with shuffled labels, of each case: explainers must not find the place more
        often than by chance.
    seed : int
    folder : path or None
        Where models and finished clips are kept, so that a run that was killed goes on; made if
        needed.
    n_workers : int or None
        Processes; None: this one.
    progress : callable, optional
        Called with what is being done, how much is done, how much there is.

    Returns
    -------
    Planted

    Raises
    ------
    InputError
        An unknown edit, or no explainer that could point at any of the edits.
    """
    unknown = sorted(set(edits) - set(EDITS))
    if unknown:
        raise InputError(f"edit {unknown[0]!r}; expected some of {', '.join(EDITS)}")
    if not explainers or not detectors or not edits:
        raise InputError("nothing to evaluate; expected an explainer, a detector and an edit")
    edits = _asked_about(edits, explainers, detectors)
    if any(not 0 <= band < 8 for band in bands) or not bands:
        raise InputError(f"bands are {list(bands)}; expected some of 0 to 7")
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return evaluate_planted(
                corpus,
                explainers,
                detectors,
                edits=edits,
                bands=bands,
                n_clips=n_clips,
                n_test=n_test,
                masked=masked,
                n_shuffled=n_shuffled,
                seed=seed,
                folder=Path(temporary),
                n_workers=n_workers,
                progress=progress,
            )
    folder.mkdir(parents=True, exist_ok=True)
    clips = material(corpus, n_clips=n_clips, seed=seed)
    cases = {
        case.key: case
        for edit in edits
        for detector in detectors
        for band in (bands if EDITS[edit].kind != "moment" else (None,))
        for shuffle in range(n_shuffled + 1)
        for case in [Case(edit=edit, detector=detector, band=band, shuffle=shuffle)]
    }
    settings = {
        "corpus": corpus.name,
        "n_corpus": len(corpus),
        "n_clips": n_clips,
        "detectors": {name: _recipe(detector) for name, detector in detectors.items()},
        "first_clip": Path(str(corpus.table["file"].iloc[clips.rows[0]])).name,
        "masked": masked,
        "seed": seed,
        "versions": versions(detectors),
    }

    trained = run_tasks(
        _train,
        {key: (case,) for key, case in cases.items()},
        settings=settings,
        shared=(clips, dict(detectors), masked, folder),
        journal=folder / "models.jsonl",
        n_workers=n_workers,
        progress=counted(progress, "training", len(cases)),
    )
    failed = [result["error"] for result in trained.values() if "error" in result]
    if failed:
        raise InputError(failed[0])
    tasks = {
        f"{key} {i}": (case, i)
        for key, case in cases.items()
        if case.shuffle or trained[key]["recall"] >= MIN_RECALL
        for i in _tested(clips, case, bands, n_test)
    }
    found = run_tasks(
        _explain,
        tasks,
        settings=settings
        | {"explainers": {n: described_explainer(e) for n, e in explainers.items()}},
        shared=(clips, dict(detectors), dict(explainers), folder),
        journal=folder / "clips.jsonl",
        n_workers=n_workers,
        progress=counted(progress, "explaining", len(tasks)),
    )
    return Planted.of(
        about=settings
        | {
            "speakers_held_out": sorted(
                {str(corpus.speaker_of(clips.rows[i])) for i in np.flatnonzero(clips.test)}
            )
        },
        cases=[
            {**_described(cases[key]), **trained[key], "void": trained[key]["recall"] < MIN_RECALL}
            for key in cases
        ],
        clips=[
            {**_described(case), **row}
            for (case, _), result in zip(tasks.values(), found.values(), strict=True)
            for row in result.get("rows", [])
        ],
        errors=[result["error"] for result in found.values() if "error" in result],
    )


def _asked_about(
    edits: Sequence[str],
    explainers: Mapping[str, Explainer],
    detectors: Mapping[str, Detector],
) -> list[str]:
    """Edits that some explainer can point at; the others are not worth a model."""
    networks = any(getattr(detector, "network", True) for detector in detectors.values())
    usable = {
        name: explainer
        for name, explainer in explainers.items()
        if networks or not looks_inside(explainer)
    }
    if not usable:
        raise InputError(
            f"{', '.join(explainers)}: looks inside a network, and {', '.join(detectors)} is none; "
            "expected explainers for any model, such as shapley, or the detector cnn"
        )
    kept = []
    for edit in edits:
        kind = EDITS[edit].kind
        if any(can_tell(explainer, kind) for explainer in usable.values()):
            kept.append(edit)
        else:
            warnings.warn(
                f"{edit} is left out: none of {', '.join(usable)} can point at a {kind}",
                CuelensWarning,
                stacklevel=3,
            )
    if not kept:
        raise InputError(
            f"none of {', '.join(usable)} can point at {', '.join(edits)}; expected explainers of "
            "bands for bands (shapley, lime), of windows for moments (shapley-windows)"
        )
    return kept


def _recipe(detector: Detector) -> str:
    """What a detector is made of, without addresses."""
    if isinstance(detector, FeatureDetector):
        return f"{detector.classifier()!r} on {detector.feature_set}"
    return repr(detector) if is_dataclass(detector) else type(detector).__qualname__


def _tested(clips: Material, case: Case, bands: Sequence[int], n_test: int) -> list[int]:
    """Held-out clips that are explained of a case; of edits of bands, each has its share."""
    held_out = np.flatnonzero(clips.test)
    drawn = np.random.default_rng(clips.seed).permutation(held_out)
    if case.band is not None:
        n_test = -(-n_test // len(bands))
        drawn = np.roll(drawn, -n_test * list(bands).index(case.band))
    return sorted(int(i) for i in drawn[:n_test])


def _described(case: Case) -> dict[str, Any]:
    return {
        "edit": case.edit,
        "kind": EDITS[case.edit].kind,
        "detector": case.detector,
        "band": case.band,
        "shuffle": case.shuffle,
    }


def _train(
    clips: Material, detectors: Mapping[str, Detector], masked: bool, folder: Path, case: Case
) -> Result:
    """Train the model of one case, and measure it on the speakers held out."""
    began = time.perf_counter()
    learned = [i for i, test in enumerate(clips.test) if not test]
    sounds, edited = training_sounds(clips, learned, case, masked=masked)
    if case.shuffle:
        edited = np.random.default_rng([clips.seed, case.shuffle]).permutation(edited)
    place = folder / "models" / case.key
    place.mkdir(parents=True, exist_ok=True)
    detectors[case.detector].train(sounds, edited, place)
    model = detectors[case.detector].load(place)
    tested = np.flatnonzero(clips.test)
    originals = [clips.clip(int(i)) for i in tested]
    changed = [
        clips.edited(int(i), case, clip=clip)[0] for i, clip in zip(tested, originals, strict=True)
    ]
    column = list(model.labels).index(EDITED)
    hit = predict(model, changed)[:, column] > 0.5
    kept = predict(model, [clip.samples for clip in originals])[:, column] < 0.5
    return {
        "recall": float((hit.mean() + kept.mean()) / 2),
        "recall_edited": float(hit.mean()),
        "recall_untouched": float(kept.mean()),
        "n_learned": len(sounds),
        "n_held_out": 2 * len(tested),
        "seconds": time.perf_counter() - began,
    }


def training_sounds(
    clips: Material, learned: Sequence[int], case: Case, *, masked: bool
) -> tuple[list[FloatArray], BoolArray]:
    """Edited and untouched sounds to learn from, and which of them are edited.

    Few clips are also played at other speeds.  With parts missing: bands or moments left out at
    random, of the untouched and of the edited clip; the latter counts as edited where more than 0.7
    of the place is left, and as untouched where less than 0.05 is.
    """
    n_copies = 1 + (_MASKED if masked else 0)
    n_speeds = int(np.clip(-(-_N_SOUNDS // (n_copies * len(learned))), 1, len(_SPEEDS)))
    sounds: list[FloatArray] = []
    edited: list[bool] = []
    for i in learned:
        for speed in _SPEEDS[:n_speeds]:
            clip = clips.clip(i)
            if speed != 1.0:
                clip = excerpt(
                    replace(clip, samples=within_full_scale(play_at(clip.samples, speed))),
                    DURATION_S,
                )
            changed, place = clips.edited(i, case, clip=clip)
            sounds += [clip.samples, changed]
            edited += [False, True]
            if masked:
                rng = np.random.default_rng([clips.seed, clips.rows[i], round(100 * speed)])
                for units in (FrequencyBands(), TimeWindows()):
                    for sound, is_edited in _with_parts_missing(clip, changed, place, units, rng):
                        sounds.append(sound)
                        edited.append(is_edited)
    return sounds, np.array(edited)


def _with_parts_missing(
    clip: Audio,
    changed: FloatArray,
    place: Place,
    units: FrequencyBands | TimeWindows,
    rng: np.random.Generator,
) -> list[tuple[FloatArray, bool]]:
    """Two versions of a clip and up to two of its edited self, parts left out at random."""
    untouched = units.decompose(clip)
    edited = units.decompose(replace(clip, samples=within_full_scale(changed)))
    shares = overlaps(untouched.units, place)
    shares /= shares.sum()
    made: list[tuple[FloatArray, bool]] = []
    for _ in range(_MASKED // 2):
        keep = rng.random((1, len(untouched))) < rng.uniform(0.2, 0.9)
        keep[0, rng.integers(len(untouched))] = True
        left = float(shares @ keep[0])
        made.append((untouched.mix(keep)[0], False))
        if left > 0.7 or left < 0.05:
            made.append((edited.mix(keep)[0], left > 0.7))
    return made


@lru_cache(maxsize=4)
def _loaded(detector: Detector, place: Path) -> Model:
    return detector.load(place)


def _explain(
    clips: Material,
    detectors: Mapping[str, Detector],
    explainers: Mapping[str, Explainer],
    folder: Path,
    case: Case,
    i: int,
) -> Result:
    """Ask every explainer why the model calls a clip edited."""
    model = _loaded(detectors[case.detector], folder / "models" / case.key)
    changed, place = clips.edited(i, case)
    clip = replace(clips.clip(i), samples=within_full_scale(changed))
    remembering = RememberingModel(model)
    p = float(predict(remembering, [clip.samples])[0, list(model.labels).index(EDITED)])
    rows = []
    for name, explainer in explainers.items():
        if not applies(explainer, model) or not can_tell(explainer, EDITS[case.edit].kind):
            continue
        asked = model if looks_inside(explainer) else remembering
        began, before = time.perf_counter(), remembering.n_remembered
        explanation = explainer.explain(asked, clip, target=EDITED)
        n_shared = remembering.n_remembered - before  # answers that an explainer before paid for
        seconds = time.perf_counter() - began + n_shared * remembering.seconds_each
        found = located_by(explanation, place, kind=EDITS[case.edit].kind)
        if found is not None:
            rows.append(
                {
                    "explainer": name,
                    "row": clips.rows[i],
                    "speaker": clips.corpus.speaker_of(clips.rows[i]),
                    "p": p,
                    "seconds": seconds,
                    **asdict(found),
                }
            )
    return {"rows": rows}
