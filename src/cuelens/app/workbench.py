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
from cuelens.explain import EmoLime, Explanation, Interventions
from cuelens.explain import compare as compare_explanations
from cuelens.explain.changed_voice import changed_voice
from cuelens.explain.cue_doses import CUE_DOSES
from cuelens.models import Model, load_model
from cuelens.models.base import default_target, label_index, model_labels, predict
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
    model: Model
    made: float = field(default_factory=time.monotonic)


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

    def clip(self, file: str | None, demo: str | None) -> Audio:
        """The recording to explain: the one given, else the demo clip.

        Raises
        ------
        InputError
            Neither is given, or the recording cannot be taken.
        """
        if file:
            return self.limits.read(file)
        if demo in self._demo:
            return self.limits.read(self._demo[demo])
        raise InputError("no recording yet: record one, upload a file, or pick a demo clip")

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
                window_s=max(0.15, round(audio.duration_s / _MOST_WINDOWS, 2)),
                baseline=tuple(Path(file) for file in neutral),
            ),
            carried=carried_cues(self._specs[model]),
            checked=self._gate(model, watch),
            watch=watch,
        )
        for report in stages:
            self._keep(token, Kept(report=report, model=asked))
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
            prediction=_before_and_after(explanation.prediction, after, kept.model, explanation),
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
        report = kept.report
        sound = changed_voice(report.audio, doses)
        moved = [name for name in doses if doses[name] != CUE_DOSES[name].identity]
        after = predict(kept.model, [sound.samples.copy()])[0]
        notes = [note for note in sound.notes if note.startswith("scaled")]
        for name in moved:
            if off := self._shaken(kept, name):
                notes.append(off)
        return self._render(
            "switched.html",
            heading="; ".join(_dose_words(name, doses[name]) for name in moved)
            or "The clip as it is",
            url=data_url(flac_bytes(sound), "audio/flac"),
            prediction=_before_and_after(
                report.explanation.prediction, after, kept.model, report.explanation
            ),
            notes=notes,
        )

    def curves(self, token: str, cue: str) -> str:
        """How the answer moves with the dose of a cue, with every version to hear."""
        kept = self._get(token)
        found = Interventions(cues=(cue,))
        result = found.explain(
            kept.model, kept.report.audio, target=_own_target(kept.report.explanation)
        )
        return self._main(
            "interventions.html", interventions_context(result, audio=kept.report.audio)
        )

    def beside_clip(self, token: str, other: Audio) -> str:
        """The clip and another one side by side, for the same label."""
        kept = self._get(token)
        first = kept.report.explanation
        audios = (kept.report.audio, other.resample(kept.model.sample_rate))
        target = _own_target(first)
        found = compare_explanations(
            *(EmoLime().explain(kept.model, audio, target=target) for audio in audios)
        )
        trust = comparison_trust(found, kept.model)
        return self._main("comparison.html", comparison_context(found, trust=trust))

    def beside_model(self, token: str, other: str) -> str:
        """The clip explained for two models side by side."""
        kept = self._get(token)
        own, second = kept.report.explanation, self._model(other)
        audio = kept.report.audio.resample(second.sample_rate)
        label = _own_target(own)
        target = label if label in model_labels(second) else None
        if own.contrast is not None:
            own = EmoLime().explain(kept.model, kept.report.audio, target=label)
        explanations = (own, EmoLime().explain(second, audio, target=target))
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
        with self._lock:
            kept = self._kept.get(token)
        if kept is None or kept.made < time.monotonic() - self.limits.kept_s:
            raise InputError(_GONE)
        return kept

    def _shaken(self, kept: Kept, cue: str) -> str | None:
        """A note where next to no change of a cue moves the answer already."""
        about = CUE_DOSES[cue]
        if about.control == about.identity:
            return None
        near = changed_voice(kept.report.audio, {cue: about.control})
        before = predict(kept.model, [kept.report.audio.samples.copy()])[0]
        apart = float(np.abs(predict(kept.model, [near.samples.copy()])[0] - before).max())
        if apart <= Interventions().tolerance:
            return None
        return (
            f"Next to no change of {about.title} moves this answer by {apart:.2f} already: the "
            "editing itself is heard by the model, so read the change with care."
        )

    def _view(self, token: str, report: ClipReport) -> str:
        page = self._main("clip_report.html", clip_context(report) | {"switches": True})
        return f'<div class="view" data-token="{token}">{page}</div>'

    def _main(self, template: str, context: dict[str, Any]) -> str:
        """The middle of a page."""
        loaded = self._templates.get_template(template)
        return _plain("".join(loaded.blocks["main"](loaded.new_context(context))))

    def _render(self, template: str, **context: Any) -> str:
        return _plain(self._templates.get_template(template).render(**context))


def _plain(page: str) -> str:
    """Braces and dollars as entities: the page is put into a template of the browser's."""
    return page.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def _short(spec: str) -> str:
    """What a model is called in the app: no folder is shown."""
    kind, colon, rest = spec.partition(":")
    if colon and kind not in ("python",):
        return Path(rest.partition("?")[0]).name
    return spec if colon else Path(spec).name


def _own_target(explanation: Explanation) -> str:
    """The label asked about; of a question of two, the first."""
    if explanation.contrast is not None:
        return str(explanation.contrast[0])
    return explanation.target


def _before_and_after(
    before: FloatArray, after: FloatArray, model: Model, explanation: Explanation
) -> list[dict[str, Any]]:
    labels = model_labels(model)
    asked = label_index(model, _own_target(explanation))
    order = np.argsort(-after, kind="stable")
    return [
        {
            "label": labels[index],
            "p": float(after[index]),
            "before": float(before[index]),
            "target": index == asked,
        }
        for index in order
    ]


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
