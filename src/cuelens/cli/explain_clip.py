"""Explain one clip and show it: the work behind ``cuelens explain`` and ``cuelens demo``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cuelens.cli.console import err, out, progress_bar

if TYPE_CHECKING:
    from cuelens.audio import Audio
    from cuelens.corpora import Corpus
    from cuelens.cues import Baseline, CarriedCues, CorpusProfile, CueReport
    from cuelens.evaluate import RemovalCurve
    from cuelens.evaluate.gate import Gate
    from cuelens.evaluate.reliability import Reliability
    from cuelens.explain import EmoLime, Explanation, MapExplainer
    from cuelens.models import Model
    from cuelens.units import UnitSpec

    _Made = tuple[Explanation, RemovalCurve | None, EmoLime | MapExplainer]

_BAR_WIDTH, _SHORTEST_BAR = 12, 4
_NUMBERS_WIDTH = 9  # of a weight and what separates columns; an interval takes twice as much
_PER_GROUP = 2  # clips of each speaker and emotion that show what a corpus shows
_FEWEST_PAIRS = 8  # of orders in which the units are put together, where no budget is given
_WIDE = 1 / 8  # of the largest weight
_MOST_ROWS = 24  # of cells in the terminal; the report lists all


@dataclass(frozen=True, kw_only=True, eq=False)
class CueSettings:
    """How cues are measured, and what they are compared with."""

    window_s: float = 0.15
    seed: int = 42
    baseline: tuple[Path, ...] = ()
    corpus: Corpus | None = None
    kept: dict[str, object] = field(default_factory=dict)  # baselines made already

    def baseline_of(self, clip: Path) -> Baseline | None:
        """The baseline of a clip; None is the rest of the clip itself."""
        from cuelens.audio import load_audio
        from cuelens.cues import clips_baseline, corpus_baseline

        if self.baseline:
            files = [file for file in self.baseline if file.resolve() != clip.resolve()]
            key = " ".join(map(str, files))
            if key not in self.kept and files:
                n = f"the {len(files)} neutral clip{'s' if len(files) > 1 else ''} given"
                self.kept[key] = clips_baseline(
                    [load_audio(file) for file in files], window_s=self.window_s, description=n
                )
            return self.kept.get(key)  # type: ignore[return-value]
        if self.corpus is not None:
            row = self.corpus.find(clip)
            speaker = None if row is None else self.corpus.speaker_of(row)
            key = f"baseline of {speaker} without {row}"
            if row is None or self.corpus.table["emotion"].iloc[row] != "neutral":
                key = f"baseline of {speaker}"
            if key not in self.kept:
                with progress_bar() as progress:
                    task = progress.add_task("measuring the baseline", total=None)
                    self.kept[key] = corpus_baseline(
                        self.corpus,
                        window_s=self.window_s,
                        speaker=speaker,
                        without=row,
                        progress=lambda n: progress.advance(task, n),
                    )
            return self.kept[key]  # type: ignore[return-value]
        return None

    def profile(self, model: Model) -> CorpusProfile | None:
        """What the corpus shows; for bundled models without a corpus, what EmoDB shows.

        EmoDB's profile ships with cuelens; of others, a few clips are measured once a run.
        """
        from cuelens.cues import emodb_profile
        from cuelens.cues.profile import profile_of
        from cuelens.models import BUNDLED, model_name

        if self.corpus is not None and not self.corpus.name.startswith("emodb"):
            if "profile" not in self.kept:
                self.kept["profile"] = None
                if "neutral" in self.corpus.emotions:
                    with progress_bar() as progress:
                        groups = self.corpus.table.groupby(["speaker", "emotion"])
                        task = progress.add_task(
                            f"measuring {self.corpus.name}",
                            total=int(groups.size().clip(upper=_PER_GROUP).sum()),
                        )
                        self.kept["profile"] = profile_of(
                            self.corpus,
                            per_group=_PER_GROUP,
                            progress=lambda n: progress.advance(task, n),
                        )
            return self.kept["profile"]  # type: ignore[return-value]
        return emodb_profile() if self.corpus or model_name(model) in BUNDLED else None


def explain_one(
    clip: Path,
    folder: Path | None,
    *,
    explainer: EmoLime | MapExplainer,
    units: UnitSpec | None = None,
    model: Model,
    target: str | None = None,
    rather_than: str | None = None,
    cues: CueSettings | None = None,
    carried: CarriedCues | None = None,
    checked: Gate | None = None,
    thorough: bool = False,
    as_json: bool = False,
    json_lines: bool = False,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> Path | None:
    """Explain one clip, print the result, write its report if there is a folder for it.

    ``units`` depend on the clip and take the place of the explainer's.
    """
    from cuelens.audio import load_audio
    from cuelens.cues import cue_account, cue_report
    from cuelens.errors import InputError
    from cuelens.evaluate import removal_curve
    from cuelens.evaluate.reliability import reliability_account
    from cuelens.explain import EmoLime
    from cuelens.explain.account import unit_words
    from cuelens.explain.explanation import dump_json, json_line
    from cuelens.report import clip_content, write_clip_report
    from cuelens.units.kinds import layout_of

    audio = load_audio(clip, sample_rate=model.sample_rate, start_s=start_s, end_s=end_s)
    if rather_than is not None:
        model, target = _contrasted(model, audio, target, rather_than)
    if isinstance(explainer, EmoLime):
        explainer = _of_clip(explainer, units, clip, audio, part=end_s is not None)
    explanation = _watched(clip.name, explainer, model, audio, target)
    in_time = layout_of(explanation.units) == "time"
    moments = found = None
    finder = explainer
    if cues is not None:
        timed = explanation
        if not in_time:
            finder = moment_finder(audio.duration_s, cues.window_s, cues.seed)
            timed = moments = _watched(
                f"{clip.name}: moments", finder, model, audio, explanation.target
            )
        try:
            found = cue_report(
                timed,
                audio,
                baseline=cues.baseline_of(clip),
                profile=cues.profile(model),
                window_s=cues.window_s,
                seed=cues.seed,
            )
            account = cue_account(explanation, found, carried=carried)
            explanation = replace(explanation, account=account)
        except InputError as error:  # nothing supports the target, or too short for openSMILE
            err.print(f"[yellow]note:[/yellow] no cues: {escape(str(error))}", highlight=False)
    _note_wide_intervals(explanation)
    report = None
    removal = removal_curve(explanation, model)
    moments_removal = None if moments is None else removal_curve(moments, model)
    trust, moments_trust = _reliabilities(
        (explanation, removal, explainer),
        None if moments is None else (moments, moments_removal, finder),
        model=model,
        checked=checked,
        audio=audio,
        thorough=thorough,
    )
    explanation = replace(
        explanation,
        account=f"{explanation.account}\n"
        + reliability_account(trust, kind=unit_words(explanation)["kind"]),
    )
    if folder is not None:
        report = write_clip_report(
            folder,
            explanation=explanation,
            removal=removal,
            audio=audio,
            moments=moments,
            moments_removal=moments_removal,
            cues=found,
            carried=carried,
            trust=trust,
            moments_trust=moments_trust,
        )
    if as_json:
        content = clip_content(
            explanation,
            removal=removal,
            moments=moments,
            moments_removal=moments_removal,
            cues=found,
            carried=carried,
            trust=trust,
            moments_trust=moments_trust,
        )
        typer.echo(json_line(content) if json_lines else dump_json(content), nl=False)
    else:
        print_explanation(explanation, removal, found)
        if report is not None:
            out.print(f"  report: {report}", markup=False, highlight=False, soft_wrap=True)
            out.print()
    return report


def _of_clip(
    explainer: EmoLime, units: UnitSpec | None, clip: Path, audio: Audio, *, part: bool
) -> EmoLime:
    """The explainer with the units of this clip, and a budget for as many."""
    if units is not None:
        explainer = replace(explainer, units=units.of_clip(clip, audio, part=part))
    return with_budget(explainer, explainer.units.n_units(audio.duration_s))


def _note_wide_intervals(explanation: Explanation) -> None:
    hint = precision_hint(explanation)
    if hint:
        err.print(f"[yellow]note:[/yellow] {escape(hint)}", highlight=False)


def with_budget(explainer: EmoLime, n_units: int) -> EmoLime:
    """Where no budget was given, one in which sampled weights of so many units have intervals.

    Of more than 64 units, 1024 versions of the clip hold fewer than eight pairs of orders, and
    Student's t of so few widens the intervals.
    """
    from cuelens.explain.emolime import DEFAULT_SAMPLES

    if explainer.samples is not None or explainer.variant == "published":
        return explainer
    needed = 2 + 2 * _FEWEST_PAIRS * (n_units - 1)
    return replace(explainer, samples=needed) if needed > DEFAULT_SAMPLES else explainer


def precision_hint(explanation: Explanation) -> str:
    """How to get narrower intervals, where they are wide; empty where they are not."""
    parameters = explanation.method.parameters
    reach = float(parameters.get("reach", 0.0))
    largest = float(abs(explanation.target_weights).max())
    if reach <= max(_WIDE * largest, parameters.get("precision", 0.0)):
        return ""
    return (
        f"95 % intervals reach up to {reach:.2g} to either side, with the largest weight "
        f"{largest:.2g}: --samples {4 * int(parameters['samples'])}, four times the work, makes "
        f"them half as wide; with --precision {_WIDE * largest:.1g} beside it, sampling stops where "
        "they reach no further than that"
    )


def _contrasted(
    model: Model, audio: Audio, target: str | None, rather_than: str
) -> tuple[Model, str]:
    """The model asked why one label rather than another, and the label of that question."""
    from cuelens.models.base import model_labels, model_output, predict
    from cuelens.models.contrast import contrast

    if target is None:
        answer = predict(model, [audio.samples.copy()])[0]
        regression = model_output(model) == "value"  # the largest of several means nothing
        target = model_labels(model)[0 if regression else int(answer.argmax())]
    asked = contrast(model, target, rather_than=rather_than)
    return asked, asked.target


def _reliabilities(
    found: _Made,
    moments: _Made | None,
    *,
    model: Model,
    checked: Gate | None,
    audio: Audio,
    thorough: bool,
) -> tuple[Reliability, Reliability | None]:
    """How far an explanation, and its moments if any, can be trusted.

    Units that lie nowhere in the spectrogram, such as harmonics, cannot be cut out of another sound
    to fill their gaps: of them, only the quick part is done, with a note.
    """
    from cuelens.evaluate.reliability import reliability

    def trusted(made: _Made, gate: Gate | None) -> Reliability:
        explanation, removal, explainer = made
        full = thorough and _can_be_filled(explanation)
        if thorough and not full:
            err.print(
                "[yellow]note:[/yellow] --trust full is for bands and units of time; of these "
                "units, the quick tests were done",
                highlight=False,
            )
        return reliability(
            explanation,
            model,
            removal=removal,
            gate=gate,
            explainer=explainer if full else None,
            audio=audio,
        )

    with progress_bar() as progress:
        if thorough:
            progress.add_task(f"{Path(audio.source).name}: how far to trust it", total=None)
        return trusted(found, checked), None if moments is None else trusted(moments, None)


def _can_be_filled(explanation: Explanation) -> bool:
    from cuelens.errors import InputError
    from cuelens.evaluate.removed_units import removed_units

    try:
        removed_units(explanation)
    except InputError:
        return False
    return True


def checked_model(model: Model) -> Gate:
    """What speaks against explaining a model at all, with a note for each thing found."""
    from cuelens.evaluate.gate import gate

    found = gate(model)
    for flag in found.flags:
        err.print(f"[yellow]note:[/yellow] {escape(flag.sentence)}", highlight=False)
    return found


def carried_cues(model: str) -> CarriedCues | None:
    """Cues that the embedding of a model carries, where a probe is attached to its folder."""
    from cuelens.cues import CarriedCues
    from cuelens.models import BUNDLED
    from cuelens.models.load import PREFIXES, bundled_folder

    if model.startswith(PREFIXES):
        return None
    folder = bundled_folder(model) if model in BUNDLED else Path(model)
    if not (folder / "probe.json").is_file():
        return None
    from cuelens.probe import ProbeProfile  # start-up time

    profile = ProbeProfile.load(folder)
    return None if profile is None else CarriedCues.of(profile)


def moment_finder(duration_s: float, window_s: float, seed: int) -> EmoLime:
    """Sampled Shapley values of time windows: 256 versions of the clip, more for long clips."""
    from cuelens.explain import EmoLime
    from cuelens.units import TimeWindows

    units = TimeWindows(window_s=min(window_s, max(0.03, duration_s)))
    n_units = units.n_units(duration_s)
    return EmoLime(units=units, samples=max(256, 2 + 8 * n_units), seed=seed)


def _watched(
    what: str,
    explainer: EmoLime | MapExplainer,
    model: Model,
    audio: Audio,
    target: str | None,
) -> Explanation:
    """Explain with a progress bar; explainers that look inside a network show that they run."""
    from cuelens.explain import EmoLime
    from cuelens.explain.game import CountingModel

    with progress_bar() as progress:
        if isinstance(explainer, EmoLime):
            task = progress.add_task(what, total=explainer.n_evaluations(model, audio))
            watched = CountingModel(model, lambda n: progress.advance(task, n))
            return explainer.explain(watched, audio, target=target)
        progress.add_task(f"{what}: {explainer.name}", total=None)
        return explainer.explain(model, audio, target=target)


def print_explanation(
    explanation: Explanation, removal: RemovalCurve | None, cues: CueReport | None = None
) -> None:
    """The answer, the units, the cues and the account, as tables for the terminal."""
    from cuelens.explain.account import unit_words
    from cuelens.units.kinds import full_names, layout_of

    row = explanation.target_index
    exact = explanation.ci_low is None
    table = Table(box=None, pad_edge=False)
    called, units = unit_words(explanation), explanation.units
    kind, names = called["kind"], full_names(units)
    if layout_of(units) == "cells":  # long names: times only where they are needed
        counts = Counter(unit.name for unit in units)
        names = tuple(
            unit.name if counts[unit.name] == 1 else name
            for unit, name in zip(units, names, strict=True)
        )
    room = out.width - max(map(len, names)) - (_NUMBERS_WIDTH if exact else 3 * _NUMBERS_WIDTH)
    bar_width = max(_SHORTEST_BAR, min(_BAR_WIDTH, room // 2))
    table.add_column(called["one"], justify="right")
    table.add_column("against | supports" if bar_width == _BAR_WIDTH else "− | +", no_wrap=True)
    table.add_column("weight", justify="right", no_wrap=True, min_width=6)
    if not exact:
        table.add_column("95 % interval", no_wrap=True, min_width=16)
    largest = max(float(abs(explanation.target_weights).max()), 1e-9)
    order: Sequence[int] = range(len(units))
    if layout_of(units) == "frequency":
        order = order[::-1]
    elif layout_of(units) == "cells" and len(units) > _MOST_ROWS:
        strongest = abs(explanation.target_weights).argsort()[::-1][:_MOST_ROWS]
        order = sorted(int(index) for index in strongest)
    for index in order:
        weight = float(explanation.target_weights[index])
        cells = [escape(names[index]), _bar(weight / largest, bar_width), f"{weight:+.3f}"]
        if explanation.ci_low is not None and explanation.ci_high is not None:
            low, high = explanation.ci_low[row, index], explanation.ci_high[row, index]
            cells.append(f"{low:+.3f} to {high:+.3f}")
        table.add_row(*cells)
    own = explanation.labels[: len(explanation.labels) - (explanation.contrast is not None)]
    if len(order) < len(units):
        table.caption = f"the {len(order)} of {len(units)} {kind} with the largest weights"
        table.caption_justify = "left"
    answers = sorted(zip(explanation.prediction, own, strict=False), reverse=True)
    said = ", ".join(f"{label} {probability:.2f}" for probability, label in answers[:3])
    out.print()
    out.print(escape(explanation.clip.path), style="bold", highlight=False, soft_wrap=True)
    out.print(table)
    out.print(
        f"  {explanation.model}: {said}; weights for “{explanation.target}”",
        markup=False,
        highlight=False,
    )
    if removal is not None:
        lost, random = removal.lost()
        half = max(1, len(explanation.units) // 2)
        out.print(
            f"  removing 1 to {half} {kind} loses {lost:.2f} by weight, {random:.2f} at random",
            highlight=False,
        )
    if cues is not None:
        out.print(_cue_table(cues))
    out.print(Padding(escape(explanation.account), (0, 2)), highlight=False)


def _cue_table(cues: CueReport) -> Table:
    """Cues that can be compared, and what is expected of them."""
    import math

    from cuelens.cues import CUES

    table = Table(
        box=None,
        pad_edge=False,
        title_justify="left",
        title_style="",
        title=f"  cues where it listened, in SD from {escape(cues.baseline)}",
    )
    table.add_column("cue", justify="right", no_wrap=True)
    table.add_column("SD", justify="right")
    table.add_column("95 % interval", no_wrap=True)
    whole = any(not math.isnan(row.clip_effect.low) for row in cues.rows)
    if whole:
        table.add_column("whole clip", justify="right", no_wrap=True)
    table.add_column("literature")
    for row in cues.rows:
        if math.isnan(row.effect.low):
            continue
        expectation, text, of_clip = row.expectation, "", row.clip_effect.size
        if expectation is not None:
            text = f"{expectation.direction} ({expectation.status})"
            if row.scored:
                verdict = {True: "agrees", False: "opposite", None: "undecided"}[row.agrees]
                text = f"{expectation.direction}: {verdict}"
        style = "bold" if row.effect.sign else ""
        table.add_row(
            CUES[row.cue].title,
            f"{row.effect.size:+.1f}",
            f"{row.effect.low:+.1f} to {row.effect.high:+.1f}",
            *(["" if math.isnan(of_clip) else f"{of_clip:+.1f}"] if whole else []),
            text,
            style=style,
        )
    return table


def _bar(share: float, width: int) -> str:
    n = round(abs(share) * width)
    if share < 0:
        return f"{' ' * (width - n)}[blue]{'█' * n}[/blue]│{' ' * width}"
    return f"{' ' * width}│[dark_orange]{'█' * n}[/dark_orange]{' ' * (width - n)}"
