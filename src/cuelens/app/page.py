"""The web page: what is where on it, and what happens on a click."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuelens.app.workbench import KNOBS, Workbench
from cuelens.errors import CuelensError, MissingExtraError
from cuelens.explain.cue_doses import CUE_DOSES
from cuelens.report.clip_page import page_templates

if TYPE_CHECKING:
    import gradio as gr

_STATIC = Path(__file__).parent / "static"
_PREDICTED = "the answer"
_NOTHING = "no other label"
_FAILURES = (CuelensError, OSError)
_SO_FAR, _DONE = "Explaining {}: {:.1f} s so far.", "Explained {} in {:.1f} s."
_HEAVY: dict[str, Any] = {"concurrency_id": "heavy", "concurrency_limit": 2}

_WELCOME = """<div class="view"><header><h1>Which cues does the model listen to?</h1>
<div class="lead"><p>Record or upload speech, or pick a demo clip, and press Explain.</p>
<p>You see what the model answers, when and in which frequencies its reasons lie, what the voice did
there, whether that is what people know of this emotion, and how far to trust all this.</p></div>
</header></div>"""

_NO_VIEW = """<div class="view"><header><h1>Nothing is explained</h1>
<div class="lead"><p>The message beside Explain says why.</p></div></header></div>"""

_ASKED = "() => { document.body.dataset.asked = true; return []; }"  # view.js leads there


def gradio_or_error() -> Any:
    """The package ``gradio``.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise MissingExtraError("the web app", "app") from error
    return gradio


def build_page(workbench: Workbench) -> gr.Blocks:
    """The page, not yet served.

    Parameters
    ----------
    workbench : Workbench

    Raises
    ------
    MissingExtraError
        Gradio is not installed.
    """
    gr = gradio_or_error()
    limits = workbench.limits
    cleaning = (60, int(limits.kept_s))
    with gr.Blocks(title="cuelens", analytics_enabled=False, delete_cache=cleaning) as page:
        token = gr.State("")
        gr.HTML('<p class="brand">cuelens <span>which cues does the model listen to?</span></p>')
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=310, elem_id="ask"):
                asked, explain, status, progress = _ask(workbench)
            with (
                gr.Column(scale=4, min_width=320, elem_id="answer"),
                gr.Tabs(overflow_behavior="wrap", selected="explanation") as tabs,
            ):
                with gr.Tab("Explanation", id="explanation"):
                    view = gr.HTML(
                        _WELCOME,
                        elem_id="view",
                        apply_default_css=False,
                        js_on_load=_script("view.js"),
                        server_functions=[_switched(workbench)],
                    )
                with gr.Tab("Change the voice"):
                    of_former = _voice_tab(workbench, token)
                with gr.Tab("Compare"):
                    of_former += _compare_tab(workbench, token)
                with gr.Tab("Download"):
                    of_former += _download_tab(workbench, token)
        gr.HTML(
            '<p class="foot">An explanation describes a model’s answer to a recording; it is no '
            "finding about a person. Recordings stay on this machine and are deleted after "
            f"{limits.kept_s / 60:.0f} minutes.</p>"
        )
        explain.click(
            lambda: [gr.Tabs(selected="explanation"), *[""] * len(of_former)],
            None,
            [tabs, *of_former],
            js=_ASKED,
            queue=False,
            api_visibility="private",
        )
        explain.click(
            _on_explain(workbench),
            asked,
            [status, view, token],
            show_progress_on=[progress],
            api_name="explain",
            **_HEAVY,
        )
    return page.queue(max_size=limits.max_waiting)


def _ask(workbench: Workbench) -> tuple[list[Any], Any, Any, Any]:
    """What is asked: recording, model, labels, neutral speech; the button, status and progress."""
    gr = gradio_or_error()
    limits, models = workbench.limits, workbench.models
    clip = _recording(f"Recording (at most {limits.max_s:g} s, {limits.max_mb:g} MB)", "clip")
    demo = _demo_clips(workbench, "demo")
    model = gr.Dropdown(list(models), value=models[0], label="Model", elem_id="model")
    explain = gr.Button("Explain", variant="primary", elem_id="explain")
    status = gr.HTML(_status(""), elem_id="status")
    progress = gr.HTML("", elem_id="progress", min_height=0, padding=False)
    with gr.Accordion("Why this rather than that", open=False):
        target = gr.Dropdown(label="Why", elem_id="target")
        rather_than = gr.Dropdown(label="rather than", elem_id="rather-than")
    with gr.Accordion("Neutral speech of the same voice", open=False):
        neutral = gr.File(
            file_count="multiple",
            type="filepath",
            label="Cues are compared with it; without it, with the rest of the clip",
            elem_id="neutral",
        )

    def labels(name: str) -> tuple[Any, Any]:
        found = [(label, label) for label in workbench.labels(name)]
        return (
            gr.update(choices=[(_PREDICTED, ""), *found], value=""),
            gr.update(choices=[(_NOTHING, ""), *found], value=""),
        )

    for box, update in zip((target, rather_than), labels(models[0]), strict=True):
        box.choices, box.value = update["choices"], update["value"]
    model.change(labels, [model], [target, rather_than], api_visibility="private")
    return [clip, demo, model, target, rather_than, neutral], explain, status, progress


def _on_explain(workbench: Workbench) -> Callable[..., Iterator[tuple[Any, ...]]]:
    gr = gradio_or_error()

    def on_explain(
        file: str | None,
        demo: str,
        model: str,
        target: str,
        rather_than: str,
        neutral: list[str] | None,
        progress: Any = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
    ) -> Iterator[tuple[Any, ...]]:
        began = time.perf_counter()
        try:
            audio = workbench.clip(file, demo)
            answer, view = workbench.answer(audio, model)
            yield _status(f"{answer} Looking for the reasons."), view, ""
            stages = workbench.explained(
                audio,
                model,
                target=target or None,
                rather_than=rather_than or None,
                neutral=neutral or (),
                watch=_watch(progress),
            )
            for token, view, report in stages:
                said = _SO_FAR if report.trust is None else _DONE
                took = time.perf_counter() - began
                notes = without_folders("".join(f" {note}." for note in report.notes))
                yield _status(f"{said.format(report.clip_name, took)}{notes}"), view, token
        except _FAILURES as error:
            yield workbench.error(_said(error)), _NO_VIEW, ""

    return on_explain


def _voice_tab(workbench: Workbench, token: Any) -> list[Any]:
    """Knobs, and the whole curve of one cue; gives where their answers stand."""
    gr = gradio_or_error()
    gr.HTML("<p>Turn a knob and let go: hear the voice changed, and what the model says of it.</p>")
    with gr.Row():
        knobs = [_knob(cue) for cue in KNOBS]
    changed = _heard("changed")
    with gr.Row(equal_height=False):
        cue = gr.Dropdown(
            [(CUE_DOSES[name].title, name) for name in CUE_DOSES],
            value="f0-level",
            label="Whole curve of",
            elem_id="cue",
        )
        curve = gr.Button("Draw the curve", elem_id="curve")
    curves = _heard("curves")

    def on_knobs(key: str, *doses: float) -> str:
        return workbench.changed(key, dict(zip(KNOBS, doses, strict=True)))

    gr.on(
        [knob.change for knob in knobs],  # by mouse, keyboard or number
        _guarded(workbench, on_knobs),
        [token, *knobs],
        [changed],
        api_name="change",
        trigger_mode="always_last",
        **_HEAVY,
    )
    curve.click(
        _guarded(workbench, workbench.curves), [token, cue], [curves], api_name="curve", **_HEAVY
    )
    return [changed, curves]


def _compare_tab(workbench: Workbench, token: Any) -> list[Any]:
    """Another clip, or another model; gives where the answer stands."""
    gr = gradio_or_error()
    models = workbench.models
    with gr.Row(equal_height=False):
        with gr.Column(min_width=260):
            clip = _recording("Another clip, best of the same sentence", "other-clip")
            demo = _demo_clips(workbench, "other-demo")
            by = gr.Radio(
                ["bands", "moments"], value="bands", label="Weights of", elem_id="compared-by"
            )
            clips = gr.Button("Compare the clips", elem_id="compare-clips")
        with gr.Column(min_width=260):
            model = gr.Dropdown(
                list(models), value=models[-1], label="Another model", elem_id="other-model"
            )
            both = gr.Button("Compare the models", elem_id="compare-models")
    compared = _heard("compared")

    def on_clip(key: str, file: str | None, picked: str, by: str) -> str:
        other = workbench.clip(file, picked, what="other clip")
        return workbench.beside_clip(key, other, by=by)

    clips.click(
        _guarded(workbench, on_clip),
        [token, clip, demo, by],
        [compared],
        api_name="compare_clips",
        **_HEAVY,
    )
    both.click(
        _guarded(workbench, workbench.beside_model),
        [token, model],
        [compared],
        api_name="compare_models",
        **_HEAVY,
    )
    return [compared]


def _download_tab(workbench: Workbench, token: Any) -> list[Any]:
    """Report, JSON and everything; gives where the links stand."""
    gr = gradio_or_error()
    gr.HTML(
        "<p>The report is one file that works offline; the JSON has every number; the archive has "
        "both, the figures and the sounds.</p>"
    )
    prepare = gr.Button("Prepare the files", elem_id="prepare")
    files = gr.HTML("", elem_id="files", apply_default_css=False)
    prepare.click(
        _guarded(workbench, workbench.files), [token], [files], api_name="download", **_HEAVY
    )
    return [files]


def _heard(name: str) -> Any:
    """A place for answers with sound."""
    return gradio_or_error().HTML(
        "", elem_id=name, apply_default_css=False, js_on_load=_script("heard.js")
    )


def _recording(label: str, name: str) -> Any:
    return gradio_or_error().Audio(
        sources=["upload", "microphone"],
        type="filepath",
        label=label,
        buttons=[],
        elem_id=name,
    )


def _demo_clips(workbench: Workbench, name: str) -> Any:
    return gradio_or_error().Dropdown(
        [("none", ""), *((clip, clip) for clip in workbench.demo_clips)],
        value="",
        label="or a demo clip (synthetic speech)",
        elem_id=name,
    )


def _knob(cue: str) -> Any:
    about = CUE_DOSES[cue]
    return gradio_or_error().Slider(
        min(about.standard),
        max(about.standard),
        value=about.identity,
        step=0.05 if cue == "tempo" else 0.5,
        label=f"{about.title}, {about.unit}",
        elem_id=f"knob-{cue}",
        min_width=200,
    )


def _guarded(workbench: Workbench, work: Callable[..., str]) -> Callable[..., str]:
    """Failures as messages."""

    def answered(*given: Any) -> str:
        try:
            return work(*given)
        except _FAILURES as error:
            return workbench.error(_said(error))

    return answered


def _switched(workbench: Workbench) -> Callable[[Any], str]:
    """What the view's script calls when something is switched off."""

    def switched(asked: Any) -> str:
        try:
            asked = json.loads(asked[0] if isinstance(asked, list) else asked)
            token, part, off = str(asked["token"]), str(asked["part"]), list(asked["off"])
        except (ValueError, TypeError, KeyError, IndexError):
            return workbench.error("the names of what to switch off did not arrive; try again")
        return _guarded(workbench, workbench.switched)(token, part, off)

    return switched


def _watch(progress: Any) -> Any:
    """Progress of one step as Gradio shows it."""

    @contextmanager
    def watch(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            progress((done, total) if total else None, desc=what, unit="versions")

        progress((0, total) if total else None, desc=what, unit="versions")
        yield advance

    return watch


def without_folders(text: str) -> str:
    """Text in which files keep their names only."""
    return re.sub(r"(?<![\w/])(?:[A-Za-z]:)?[\\/](?:[^\s\\/:'\"]+[\\/])+", "", text)


def _status(text: str) -> str:
    return f'<p class="status" role="status">{escape(text)}</p>'


def _said(error: Exception) -> str:
    """What went wrong, without folders of this machine."""
    if isinstance(error, OSError):
        return "a file could not be read or written; try again"
    return without_folders(" ".join(str(error).split()))


def _script(name: str) -> str:
    """A script for one part of the page, which can use ``bind``."""
    players = page_templates().get_template("players.js").render()
    return players + (_STATIC / name).read_text(encoding="utf-8")
