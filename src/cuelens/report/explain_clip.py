"""Explain one clip in full: the answer, its reasons, moments, cues, and how far to trust them.

The shortest way from a recording to a report; every step can be had by itself in the rooms below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from cuelens.audio import Audio, check_is_audio, load_audio
from cuelens.corpora import Corpus
from cuelens.cues import (
    Baseline,
    CarriedCues,
    CorpusProfile,
    clips_baseline,
    corpus_baseline,
    cue_account,
    cue_report,
    emodb_profile,
)
from cuelens.cues.profile import profile_of
from cuelens.errors import InputError
from cuelens.evaluate import removal_curve
from cuelens.evaluate.gate import Gate, gate
from cuelens.evaluate.over_clips import answer
from cuelens.evaluate.reliability import N_THOROUGH, reliability, reliability_account
from cuelens.evaluate.removed_units import removed_units
from cuelens.explain import EmoLime, Explainer, Explanation
from cuelens.explain.account import unit_words
from cuelens.explain.game import CountingModel
from cuelens.explain.moment_finder import moment_finder
from cuelens.models import BUNDLED, Model, model_name
from cuelens.models.base import model_max_duration_s
from cuelens.models.contrast import contrast
from cuelens.models.load import PREFIXES, bundled_folder
from cuelens.report.clip_report import ClipReport
from cuelens.units.kinds import layout_of

Watch = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Called with what begins and its number of steps (None: unknown); gives a context whose value is
called with the number of steps done."""

_PER_GROUP = 2  # clips of each speaker and emotion that show what a corpus shows


def unwatched(what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """Show nothing."""
    return nullcontext(lambda n: None)


@dataclass(frozen=True, kw_only=True, eq=False)
class CueSettings:
    """How cues are measured, and what they are compared with.

    Parameters
    ----------
    window_s : float, s
        Length of a moment.
    seed : int
    baseline : tuple of path
        Neutral recordings of the speaker; the clip itself is left out.
    corpus : Corpus or None
        Whose neutral speech the clip is compared with, of the same speaker if the clip is in it.
        Without both, moments are compared with the rest of the clip.
    """

    window_s: float = 0.15
    seed: int = 42
    baseline: tuple[Path, ...] = ()
    corpus: Corpus | None = None
    kept: dict[str, object] = field(default_factory=dict)  # baselines made already

    def baseline_of(self, clip: Path, *, watch: Watch = unwatched) -> Baseline | None:
        """The baseline of a clip; None is the rest of the clip itself."""
        if self.baseline:
            files = [file for file in self.baseline if file.resolve() != clip.resolve()]
            key = " ".join(map(str, files))
            if key not in self.kept and files:
                n = f"the {len(files)} neutral clip{'s' if len(files) > 1 else ''} given"
                self.kept[key] = clips_baseline(
                    [load_audio(file) for file in files], window_s=self.window_s, description=n
                )
            return self.kept.get(key)  # type: ignore[return-value]
        if self.corpus is None:
            return None
        row = self.corpus.find(clip)
        speaker = None if row is None else self.corpus.speaker_of(row)
        key = f"baseline of {speaker} without {row}"
        if row is None or self.corpus.table["emotion"].iloc[row] != "neutral":
            key = f"baseline of {speaker}"
        if key not in self.kept:
            with watch("measuring the baseline", None) as advance:
                self.kept[key] = corpus_baseline(
                    self.corpus,
                    window_s=self.window_s,
                    speaker=speaker,
                    without=row,
                    progress=advance,
                )
        return self.kept[key]  # type: ignore[return-value]

    def profile(self, model: Model, *, watch: Watch = unwatched) -> CorpusProfile | None:
        """What the corpus shows; for bundled models without a corpus, what EmoDB shows.

        EmoDB's profile ships with cuelens; of others, a few clips are measured once a run.
        """
        if self.corpus is None or self.corpus.name.startswith("emodb"):
            return emodb_profile() if self.corpus or model_name(model) in BUNDLED else None
        if "profile" not in self.kept:
            self.kept["profile"] = None
            if "neutral" in self.corpus.emotions:
                groups = self.corpus.table.groupby(["speaker", "emotion"])
                n_clips = int(groups.size().clip(upper=_PER_GROUP).sum())
                with watch(f"measuring {self.corpus.name}", n_clips) as advance:
                    self.kept["profile"] = profile_of(
                        self.corpus, per_group=_PER_GROUP, progress=advance
                    )
        return self.kept["profile"]  # type: ignore[return-value]


_REST_OF_CLIP = CueSettings()


def explain_clip(
    model: Model,
    audio: Audio,
    *,
    explainer: Explainer | None = None,
    target: str | None = None,
    rather_than: str | None = None,
    cues: CueSettings | None = _REST_OF_CLIP,
    carried: CarriedCues | None = None,
    checked: Gate | None = None,
    thorough: bool = False,
    watch: Watch = unwatched,
) -> ClipReport:
    """Explain a clip and say how far to trust the explanation.

    Parameters
    ----------
    model : Model
    audio : Audio
    explainer : Explainer or None
        None: exact Shapley values of eight mel bands.
    target : str or None
        Label to explain; None: the predicted one, the first of a regressor.
    rather_than : str or None
        Label that the target is asked against: why one and not the other.
    cues : CueSettings or None
        By default compared with the rest of the clip; None leaves moments and cues out.
    carried : CarriedCues or None
        What the model's embedding carries, see `carried_cues`; None: of bundled models, it is
        looked up.
    checked : Gate or None
        What ``gate(model)`` found; None: the model is asked first.  Give it where many clips are
        explained.
    thorough : bool
        Also try other sound in the gaps, faint noise, shifts and codecs.
    watch : callable
        Shows progress, such as :func:`~cuelens.report.show_progress`.

    Returns
    -------
    ClipReport

    Raises
    ------
    InputError
        The clip is too short, silent, or the label unknown.
    """
    if checked is None:
        with watch("checking the model", None):
            checked = gate(model)
    if carried is None and cues is not None and model_name(model) in BUNDLED:
        carried = carried_cues(model_name(model))
    *_, last = clip_stages(
        model,
        audio,
        explainer=explainer,
        target=target,
        rather_than=rather_than,
        cues=cues,
        carried=carried,
        checked=checked,
        thorough=thorough,
        watch=watch,
    )
    return last


def clip_stages(
    model: Model,
    audio: Audio,
    *,
    explainer: Explainer | None = None,
    target: str | None = None,
    rather_than: str | None = None,
    cues: CueSettings | None = _REST_OF_CLIP,
    carried: CarriedCues | None = None,
    checked: Gate | None = None,
    thorough: bool = False,
    watch: Watch = unwatched,
) -> Iterator[ClipReport]:
    """The report of `explain_clip` as it grows: weights, then moments and cues, then trust.

    What is not given is not looked up: `carried` and `checked` are as they are.
    """
    began_s = time.perf_counter()
    check_is_audio(audio)
    audio = audio.resample(model.sample_rate)
    name, heard_s = Path(audio.source).name, model_max_duration_s(model)
    if rather_than is not None:
        model, target = _contrasted(model, audio, target, rather_than)
    explainer = explainer or EmoLime()
    explanation = _watched(name, explainer, model, audio, target, watch)
    report = ClipReport(explanation=explanation, audio=audio, carried=carried)
    yield report
    finder = explainer
    if cues is not None:
        timed = explanation
        if layout_of(explanation.units) != "time":
            finder = moment_finder(
                audio.duration_s,
                cues.window_s,
                cues.seed,
                output=explainer.output if isinstance(explainer, EmoLime) else "probability",
            )
            what = f"{name}: moments"
            timed = _watched(what, finder, model, audio, explanation.target, watch)
            report = replace(report, moments=timed)
            yield report
        try:
            found = cue_report(
                timed,
                audio,
                baseline=cues.baseline_of(Path(audio.source), watch=watch),
                profile=cues.profile(model, watch=watch),
                window_s=cues.window_s,
                seed=cues.seed,
            )
            account = cue_account(explanation, found, carried=carried)
            explanation = replace(explanation, account=account)
            report = replace(report, explanation=explanation, cues=found)
        except InputError as error:  # nothing supports the target, or too short for openSMILE
            report = replace(report, notes=(f"no cues: {error}",))
        yield report
    full = thorough and _can_be_filled(explanation)
    if thorough and not full:
        note = "the full test is for bands and units of time; for these, the quick tests were done"
        report = replace(report, notes=(*report.notes, note))
    removal = removal_curve(explanation, model)
    moments = report.moments
    moments_removal = None if moments is None else removal_curve(moments, model)
    timed_full = thorough and moments is not None
    n_steps = N_THOROUGH * (full + timed_full)
    with watch(f"{name}: how far to trust it", n_steps or None) as advance:
        trust = reliability(
            explanation,
            model,
            removal=removal,
            gate=checked,
            explainer=explainer if full else None,
            audio=audio,
            progress=advance,
        )
        moments_trust = None
        if moments is not None:
            moments_trust = reliability(
                moments,
                model,
                removal=moments_removal,
                explainer=finder if thorough else None,
                audio=audio,
                progress=advance,
            )
    sentence = reliability_account(
        trust, kind=unit_words(explanation)["kind"], moments=moments_trust
    )
    if audio.duration_s > heard_s:
        sentence += (
            f" The model hears the first {heard_s:.2f} s of the clip's {audio.duration_s:.2f} s "
            "only: what comes later counts for nothing."
        )
    yield replace(
        report,
        explanation=replace(explanation, account=f"{explanation.account}\n{sentence}"),
        removal=removal,
        moments_removal=moments_removal,
        trust=trust,
        moments_trust=moments_trust,
        timing_s=time.perf_counter() - began_s,
    )


def carried_cues(model: str) -> CarriedCues | None:
    """Cues that the embedding of a model carries, where a probe is attached to its folder.

    Parameters
    ----------
    model : str
        As for `load_model`.
    """
    if model.startswith(PREFIXES):
        return None
    folder = bundled_folder(model) if model in BUNDLED else Path(model)
    if not (folder / "probe.json").is_file():
        return None
    from cuelens.probe import ProbeProfile  # start-up time

    profile = ProbeProfile.load(folder)
    return None if profile is None else CarriedCues.of(profile)


def _contrasted(
    model: Model, audio: Audio, target: str | None, rather_than: str
) -> tuple[Model, str]:
    """The model asked why one label rather than another, and the label of that question."""
    asked = contrast(model, target or answer(model, audio), rather_than=rather_than)
    return asked, asked.target


def _watched(
    what: str,
    explainer: Explainer,
    model: Model,
    audio: Audio,
    target: str | None,
    watch: Watch,
) -> Explanation:
    """Explain with progress; explainers that look inside a network show that they run."""
    if isinstance(explainer, EmoLime):
        with watch(what, explainer.n_evaluations(model, audio)) as advance:
            return explainer.explain(CountingModel(model, advance), audio, target=target)
    name = getattr(explainer, "name", type(explainer).__name__)
    with watch(f"{what}: {name}", None):
        return explainer.explain(model, audio, target=target)


def _can_be_filled(explanation: Explanation) -> bool:
    """Whether units can be cut out of another sound; harmonics, for instance, cannot."""
    try:
        removed_units(explanation)
    except InputError:
        return False
    return True
