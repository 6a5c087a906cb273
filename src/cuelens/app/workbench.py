"""What the web app does, without the web: every answer is a piece of HTML, or a file."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cuelens.app.limits import Limits
from cuelens.audio import Audio
from cuelens.corpora import demo_corpus
from cuelens.errors import CuelensError, InputError
from cuelens.evaluate.gate import Gate, gate
from cuelens.explain import DoseResponse, EmoLime, Explanation, Interventions
from cuelens.explain import compare as compare_explanations
from cuelens.explain.changed_voice import changed_voice
from cuelens.explain.cue_doses import CUE_DOSES
from cuelens.explain.moment_finder import moment_finder
from cuelens.models import Model, load_model
from cuelens.models.base import default_target, model_labels, predict
from cuelens.models.contrast import contrast
from cuelens.report.clip_page import clip_context, page_templates
from cuelens.report.clip_report import ClipReport
from cuelens.report.comparison_report import comparison_context, comparison_trust
from cuelens.report.encode import data_url, flac_bytes
from cuelens.report.explain_clip import CueSettings, Watch, carried_cues, clip_stages, unwatched
from cuelens.report.interventions_report import interventions_context
from cuelens.report.models_report import models_context
from cuelens.typing import FloatArray
from cuelens.units.kinds import full_names

KNOBS = ("f0-level", "level", "tilt", "tempo")
"""Cues that can be turned up and down."""

_MOST_WINDOWS = 40  # longer clips get longer windows, so that the wait grows with length only
_GONE = "this explanation is no longer kept; press Explain again"


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """One explanation that can be asked about further."""

    report: ClipReport
    model: Model  # of a question of two labels, with their difference as one more output
    made: float = field(default_factory=time.monotonic)
    remade: dict[str, DoseResponse] = field(default_factory=dict)  # by cue, with no dose of it

    @property
    def target(self) -> str:
        """The label asked about, or the question of two."""
        return self.report.explanation.target


class Workbench:
    """Models, limits, and explanations that were made a while ago.

    Parameters
    ----------
    models : sequence of str
        As for `load_model`; the first is the one that is chosen at the start.
    limits : Limits

    Raises
    ------
    InputError
        A model cannot be loaded.

    Notes
    -----
    An explanation is kept under a token that cannot be guessed, so that several people at once see
    only their own.
    """

    def __init__(self, models: Sequence[str], *, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._specs = {_short(name): name for name in models}
        self._models: dict[str, Model] = {
            name: load_model(spec) for name, spec in self._specs.items()
        }
        self._gates: dict[str, Gate] = {}
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()
        demo = demo_corpus()
        self._demo = {Path(file).stem.replace("_", " "): file for file in demo.table["file"]}
        self._templates = page_templates()

    @property
    def models(self) -> tuple[str, ...]:
        """Names to choose from; of folders and files, without where they lie."""
        return tuple(self._models)

    @property
    def demo_clips(self) -> tuple[str, ...]:
        """Names of the clips that come with cuelens."""
        return tuple(self._demo)

    def labels(self, model: str) -> tuple[str, ...]:
        """Labels of a model."""
        return model_labels(self._model(model))

    def clip(self, file: str | None, demo: str | None, *, what: str = "recording") -> Audio:
        """The recording to explain: the one given, else the demo clip.

        Parameters
        ----------
        file : path or None
        demo : str or None
        what : str
            What it is called where there is none.

        Raises
        ------
        InputError
            Neither is given, or the recording cannot be taken.
        """
        if file:
            return self.limits.read(file)
        if demo in self._demo:
            return self.limits.read(self._demo[demo])
        raise InputError(f"no {what} yet: record one, upload a file, or pick a demo clip")

    def answer(self, audio: Audio, model: str) -> tuple[str, str]:
        """What the model answers, in a sentence and as a page: known before its reasons are."""
        asked = self._model(model)
        outputs = predict(asked, [audio.resample(asked.sample_rate).samples.copy()])[0]
        labels, first = model_labels(asked), default_target(asked, outputs)
        order = np.argsort(-outputs, kind="stable")
        rows = [
            {"label": labels[index], "p": float(outputs[index]), "target": index == first}
            for index in order
        ]
        view = self._render("app_answer.html", label=labels[first], prediction=rows)
        return f"{model} answers {labels[first]} ({outputs[first]:.2f}).", view

    def warm(self) -> None:
        """Ask about the models and explain a demo clip, so that the first visitor waits less."""
        with suppress(CuelensError):
            audio = self.clip(None, self.demo_clips[0])
            for name in self.models:
                self._gate(name, unwatched)
            for _ in self.explained(audio, self.models[0]):
                pass

    def explained(
        self,
        audio: Audio,
        model: str,
        *,
        target: str | None = None,
        rather_than: str | None = None,
        neutral: Sequence[str] = (),
        watch: Watch = unwatched,
    ) -> Iterator[tuple[str, str, ClipReport]]:
        """Explain a clip: token, page and report, more complete from step to step.

        Parameters
        ----------
        audio : Audio
        model : str
            One of ``models``.
        target, rather_than : str or None
        neutral : sequence of path
            Neutral recordings of the same voice, to compare its cues with.
        watch : callable
            Shows progress.

        Raises
        ------
        InputError
        """
        asked = self._model(model)
        token = secrets.token_urlsafe(16)
        if len(neutral) > self.limits.max_neutral:
            raise InputError(
                f"{len(neutral)} neutral recordings; expected {self.limits.max_neutral} at most"
            )
        for file in neutral:
            self.limits.read(file)
        stages = clip_stages(
            asked,
            audio,
            target=target,
            rather_than=rather_than,
            cues=CueSettings(
                window_s=_window_s(audio),
                baseline=tuple(Path(file) for file in neutral),
            ),
            carried=carried_cues(self._specs[model]),
            checked=self._gate(model, watch),
            watch=watch,
        )
        for report in stages:
            two = report.explanation.contrast
            about = asked if two is None else contrast(asked, two[0], rather_than=two[1])
            self._keep(token, Kept(report=report, model=about))
            yield token, self._view(token, report), report

    def switched(self, token: str, part: str, off: Sequence[int]) -> str:
        """The clip with some units switched off, to hear, and what the model says then.

        Parameters
        ----------
        token : str
        part : {"units", "moments"}
        off : sequence of int
            Indices of units.

        Raises
        ------
        InputError
            The explanation is gone, or has no such unit.
        """
        kept = self._get(token)
        explanation = kept.report.explanation if part == "units" else kept.report.moments
        if explanation is None:
            raise InputError("nothing to switch off: there are no such units")
        keep = np.ones(len(explanation.units), dtype=bool)
        if not all(isinstance(index, int) and 0 <= index < len(keep) for index in off):
            raise InputError(f"units {list(off)}; expected numbers from 0 to {len(keep) - 1}")
        keep[list(off)] = False
        assert explanation.components is not None  # it was made here
        after = predict(kept.model, list(explanation.components.mix(keep[None])))[0]
        names = full_names(explanation.units)
        sound: str | None = None
        with suppress(InputError):  # silent
            sound = data_url(flac_bytes(explanation.audio(keep)), "audio/flac")
        return self._render(
            "switched.html",
            heading=_without([names[index] for index in sorted(off)]),
            url=sound,
            **_before_and_after(explanation, after),
            notes=[],
        )

    def changed(self, token: str, doses: Mapping[str, float]) -> str:
        """The clip with pitch, level, tilt and tempo changed, and what the model says then.

        Parameters
        ----------
        token : str
        doses : mapping of str to float
            By key of ``CUE_DOSES``.

        Raises
        ------
        InputError
            The explanation is gone, or a dose is outside its range.
        """
        kept = self._get(token)
        explanation = kept.report.explanation
        sound = changed_voice(kept.report.audio, doses)
        moved = [name for name in doses if doses[name] != CUE_DOSES[name].identity]
        after = predict(kept.model, [sound.samples.copy()])[0]
        return self._render(
            "switched.html",
            heading="; ".join(_dose_words(name, doses[name]) for name in moved)
            or "The clip as it is",
            url=data_url(flac_bytes(sound), "audio/flac"),
            **_before_and_after(explanation, after, self._remade(kept, moved)),
            notes=[note for note in sound.notes if note.startswith("scaled")],
        )

    def curves(self, token: str, cue: str) -> str:
        """How the answer moves with the dose of a cue, with every version to hear."""
        kept = self._get(token)
        found = Interventions(cues=(cue,))
        result = found.explain(kept.model, kept.report.audio, target=kept.target)
        return self._main(
            "interventions.html", interventions_context(result, audio=kept.report.audio)
        )

    def beside_clip(self, token: str, other: Audio, *, by: str = "bands") -> str:
        """The clip and another one side by side, for the same label.

        Parameters
        ----------
        token : str
        other : Audio
        by : {"bands", "moments"}
            What weights are of: frequency bands, or windows of time, of which the other clip's are
            shown at the times of the first.

        Raises
        ------
        InputError
            The explanation is gone.
        """
        kept = self._get(token)
        first = kept.report.audio
        explainer = EmoLime()
        if by == "moments":
            explainer = moment_finder(first.duration_s, _window_s(first), CueSettings().seed)
        found = compare_explanations(
            *(
                explainer.explain(kept.model, audio, target=kept.target)
                for audio in (first, other.resample(kept.model.sample_rate))
            )
        )
        trust = comparison_trust(found, kept.model)
        return self._main("comparison.html", comparison_context(found, trust=trust))

    def beside_model(self, token: str, other: str) -> str:
        """The clip explained for two models side by side."""
        kept = self._get(token)
        own, second = kept.report.explanation, self._model(other)
        known = model_labels(second)
        if own.contrast is not None and set(own.contrast) <= set(known):
            second = contrast(second, own.contrast[0], rather_than=own.contrast[1])
            known = second.labels
        explanations = (
            own,
            EmoLime().explain(
                second,
                kept.report.audio.resample(second.sample_rate),
                target=kept.target if kept.target in known else None,
            ),
        )
        return self._main("models.html", models_context(explanations))

    def files(self, token: str) -> str:
        """Links to report, JSON and an archive of everything; they hold what they link to."""
        report = self._get(token).report
        stem = re.sub(r"[^\w.-]+", "_", Path(report.clip_name).stem)[:80] or "clip"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            page = report.save(folder / stem)
            archive = Path(shutil.make_archive(str(folder / stem), "zip", folder, stem))
            made = [
                (page, "text/html", "Report", "one file that works offline"),
                (page.parent / "explanation.json", "application/json", "JSON", "every number"),
                (archive, "application/zip", "Everything", "report, JSON, figures, sounds"),
            ]
            links = [
                {
                    "title": title,
                    "hint": hint,
                    "name": f"{stem}{file.suffix}",
                    "size_kb": file.stat().st_size / 1000,
                    "url": data_url(file.read_bytes(), kind),
                }
                for file, kind, title, hint in made
            ]
        return self._render("app_files.html", links=links)

    def error(self, message: str) -> str:
        """An error to show; escaped."""
        return self._render("app_message.html", message=message)

    def _model(self, name: str) -> Model:
        if name not in self._models:
            raise InputError(f"model is {name!r}; expected one of {', '.join(self._models)}")
        return self._models[name]

    def _gate(self, name: str, watch: Watch) -> Gate:
        """What was found about a model; asked once."""
        with self._lock:
            found = self._gates.get(name)
        if found is None:
            with watch(f"checking {name}", None):
                found = gate(self._model(name))
            with self._lock:
                self._gates[name] = found
        return found

    def _keep(self, token: str, kept: Kept) -> None:
        with self._lock:
            self._kept[token] = kept
            self._kept.move_to_end(token)
            oldest = time.monotonic() - self.limits.kept_s
            for other in list(self._kept):
                if len(self._kept) > self.limits.n_kept or self._kept[other].made < oldest:
                    del self._kept[other]

    def _get(self, token: str) -> Kept:
        if not token:
            raise InputError("nothing is explained yet: press Explain first")
        with self._lock:
            kept = self._kept.get(token)
        if kept is None or kept.made < time.monotonic() - self.limits.kept_s:
            raise InputError(_GONE)
        return kept

    def _remade(self, kept: Kept, cues: Sequence[str]) -> tuple[float, float] | None:
        """Lowest and highest answer to the clip remade with next to no dose of some cues.

        As dose curves have it: the dose off by up to 1 % of its range, shifts of up to 5 ms, faint
        noise.
        """
        for cue in cues:
            if cue not in kept.remade:
                asked = Interventions(cues=(cue,), doses={cue: ()})
                result = asked.explain(kept.model, kept.report.audio, target=kept.target)
                kept.remade[cue] = result.response(cue)
        if not cues:
            return None
        column, found = kept.report.explanation.target_index, [kept.remade[cue] for cue in cues]
        ends = np.stack([(one.low[0], one.high[0], one.control) for one in found])[..., column]
        return float(ends.min()), float(ends.max())

    def _view(self, token: str, report: ClipReport) -> str:
        page = self._main("clip_report.html", clip_context(report) | {"switches": True})
        return f'<div class="view" data-token="{token}">{page}</div>'

    def _main(self, template: str, context: dict[str, Any]) -> str:
        """The middle of a page."""
        loaded = self._templates.get_template(template)
        return _plain("".join(loaded.blocks["main"](loaded.new_context(context))))

    def _render(self, template: str, **context: Any) -> str:
        return _plain(self._templates.get_template(template).render(**context))


def _window_s(audio: Audio) -> float:
    """Length of moments: longer in long clips."""
    return max(0.15, round(audio.duration_s / _MOST_WINDOWS, 2))


def _plain(page: str) -> str:
    """Braces and dollars as entities: the page is put into a template of the browser's."""
    return page.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def _short(spec: str) -> str:
    """What a model is called in the app: no folder is shown."""
    kind, colon, rest = spec.partition(":")
    if colon and kind not in ("python",):
        return Path(rest.partition("?")[0]).name
    return spec if colon else Path(spec).name


def _before_and_after(
    explanation: Explanation, after: FloatArray, remade: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Answers of the model before and after, and where the one asked about lies in a range."""
    column, before = explanation.target_index, explanation.prediction
    two = explanation.contrast
    asked, own = (two[0], -1) if two else (explanation.target, None)
    return {
        "prediction": [
            {
                "label": explanation.labels[index],
                "p": float(after[index]),
                "before": float(before[index]),
                "target": explanation.labels[index] == asked,
            }
            for index in np.argsort(-after[:own], kind="stable")
        ],
        "asked": {
            "quantity": explanation.answer_quantity,
            "two": two is not None,
            "now": float(after[column]),
            "before": float(before[column]),
        },
        "remade": None
        if remade is None
        else {
            "low": remade[0],
            "high": remade[1],
            "within": remade[0] <= float(after[column]) <= remade[1],
        },
    }


def _without(names: Sequence[str]) -> str:
    if not names:
        return "The whole clip"
    if len(names) > 4:
        return f"The clip without {len(names)} parts"
    return "The clip without " + ", ".join(names)


def _dose_words(cue: str, dose: float) -> str:
    about = CUE_DOSES[cue]
    return (
        f"{about.title} {dose:+g} {about.unit}" if about.lowest < 0 else f"{about.title} × {dose:g}"
    )
