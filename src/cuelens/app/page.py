"""The web page: what is where on it, and what happens on a click."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuelens.app.workbench import KNOBS, Workbench
from cuelens.errors import CuelensError, InputError, MissingExtraError
from cuelens.explain.cue_doses import CUE_DOSES

if TYPE_CHECKING:
    import gradio as gr

_STATIC = Path(__file__).parent / "static"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PREDICTED = "what the model answers"
_NOTHING = "no other label"

_WELCOME = """<div class="view"><header><h1>Which cues does the model listen to?</h1>
<div class="lead"><p>Record or upload speech, or pick a demo clip, and press Explain.</p>
<p>You see what the model answers, when and in which frequencies its reasons lie, what the voice did
there, whether that is what people know of this emotion, and how far to trust all this.</p></div>
</header></div>"""


def build_page(workbench: Workbench) -> gr.Blocks:
    """The page, not yet served.

    Raises
    ------
    MissingExtraError
        Gradio is not installed.
    """
    gr = _gradio()
    limits, models = workbench.limits, workbench.models
    labels = list(workbench.labels(models[0]))
    with gr.Blocks(
        title="cuelens",
        analytics_enabled=False,
        delete_cache=(60, int(limits.kept_s)),
    ) as page:
        token = gr.State("")
        with gr.Row(elem_id="bar"):
            gr.HTML(
                '<p class="brand">cuelens <span>which cues does the model listen to?</span></p>'
            )
        with gr.Row(equal_height=False, elem_id="desk"):
            with gr.Column(scale=1, min_width=290, elem_id="ask"):
                clip = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label=f"Recording (at most {limits.max_s:g} s, {limits.max_mb:g} MB)",
                    buttons=[],
                    elem_id="clip",
                )
                demo = gr.Dropdown(
                    [("none", ""), *((name, name) for name in workbench.demo_clips)],
                    value="",
                    label="or a demo clip (synthetic speech)",
                    elem_id="demo",
                )
                model = gr.Dropdown(list(models), value=models[0], label="Model", elem_id="model")
                explain = gr.Button("Explain", variant="primary", elem_id="explain")
                status = gr.HTML(_status(""), elem_id="status")
                with gr.Accordion("Why this rather than that", open=False):
                    target = gr.Dropdown(
                        [(_PREDICTED, ""), *((name, name) for name in labels)],
                        value="",
                        label="Why",
                        elem_id="target",
                    )
                    rather_than = gr.Dropdown(
                        [(_NOTHING, ""), *((name, name) for name in labels)],
                        value="",
                        label="rather than",
                        elem_id="rather-than",
                    )
                with gr.Accordion("Neutral speech of the same voice", open=False):
                    neutral = gr.File(
                        file_count="multiple",
                        type="filepath",
                        label="Cues are compared with it; without it, with the rest of the clip",
                        elem_id="neutral",
                    )
            with gr.Column(scale=3, min_width=320, elem_id="answer"), gr.Tabs():
                with gr.Tab("Explanation"):
                    view = gr.HTML(
                        _WELCOME,
                        elem_id="view",
                        apply_default_css=False,
                        js_on_load=_script("view.js"),
                        server_functions=[_served(workbench.switched, workbench)],
                    )
                with gr.Tab("Change the voice"):
                    gr.HTML(
                        "<p>Turn a knob and let go: hear the voice changed, and what the model "
                        "says of it.</p>"
                    )
                    with gr.Row():
                        knobs = [
                            gr.Slider(
                                max(CUE_DOSES[cue].lowest, min(CUE_DOSES[cue].standard)),
                                min(CUE_DOSES[cue].highest, max(CUE_DOSES[cue].standard)),
                                value=CUE_DOSES[cue].identity,
                                step=0.05 if cue == "tempo" else 0.5,
                                label=f"{CUE_DOSES[cue].title}, {CUE_DOSES[cue].unit}",
                                elem_id=f"knob-{cue}",
                                min_width=200,
                            )
                            for cue in KNOBS
                        ]
                    changed = gr.HTML("", elem_id="changed", js_on_load=_script("heard.js"))
                    with gr.Row():
                        cue = gr.Dropdown(
                            [(CUE_DOSES[name].title, name) for name in CUE_DOSES],
                            value="f0-level",
                            label="Whole curve of",
                            elem_id="cue",
                        )
                        curve = gr.Button("Draw the curve", elem_id="curve")
                    curves = gr.HTML("", elem_id="curves", js_on_load=_script("heard.js"))
                with gr.Tab("Compare"):
                    with gr.Row(equal_height=False):
                        with gr.Column(min_width=260):
                            other_clip = gr.Audio(
                                sources=["upload", "microphone"],
                                type="filepath",
                                label="Another clip, best of the same sentence",
                                buttons=[],
                                elem_id="other-clip",
                            )
                            other_demo = gr.Dropdown(
                                [("none", ""), *((name, name) for name in workbench.demo_clips)],
                                value="",
                                label="or a demo clip",
                                elem_id="other-demo",
                            )
                            compare_clips = gr.Button("Compare the clips", elem_id="compare-clips")
                        with gr.Column(min_width=260):
                            other_model = gr.Dropdown(
                                list(models),
                                value=models[-1],
                                label="Another model",
                                elem_id="other-model",
                            )
                            compare_models = gr.Button(
                                "Compare the models", elem_id="compare-models"
                            )
                    compared = gr.HTML("", elem_id="compared", js_on_load=_script("heard.js"))
                with gr.Tab("Download"):
                    gr.HTML(
                        "<p>The report is one file that works offline; the JSON has every number; "
                        "the archive has both, the figures and the sounds.</p>"
                    )
                    prepare = gr.Button("Prepare the files", elem_id="prepare")
                    files = gr.File(
                        label="Report, JSON, everything", file_count="multiple", elem_id="files"
                    )
        gr.HTML(
            '<p class="foot">An explanation describes a model’s answer to a recording; it is no '
            "finding about a person. Recordings stay on this machine and are deleted after "
            f"{limits.kept_s / 60:.0f} minutes.</p>"
        )

        def on_explain(
            file: str | None,
            picked: str,
            name: str,
            why: str,
            other: str,
            voices: list[str] | None,
            progress: Any = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
        ) -> Iterator[tuple[Any, ...]]:
            began = time.perf_counter()
            try:
                audio = workbench.clip(file, picked)
                stages = workbench.explained(
                    audio,
                    name,
                    target=why or None,
                    rather_than=other or None,
                    neutral=voices or (),
                    watch=_watch(progress),
                )
                for key, html, report in stages:
                    took = time.perf_counter() - began
                    done = report.trust is not None
                    said = "Explained" if done else "Explaining"
                    notes = "".join(f" {note}." for note in report.notes)
                    text = f"{said} {report.clip_name} in {took:.1f} s.{notes}"
                    yield _status(text), html, key
            except (CuelensError, OSError) as error:
                yield workbench.error(_said(error)), gr.skip(), gr.skip()

        def guarded(work: Callable[..., str]) -> Callable[..., str]:
            def answered(*given: Any) -> str:
                try:
                    return work(*given)
                except (CuelensError, OSError) as error:
                    return workbench.error(_said(error))

            return answered

        def on_knobs(key: str, *doses: float) -> str:
            return workbench.changed(key, dict(zip(KNOBS, doses, strict=True)))

        def on_other_clip(key: str, file: str | None, picked: str) -> str:
            return workbench.beside_clip(key, workbench.clip(file, picked))

        def on_labels(name: str) -> tuple[Any, Any]:
            found = list(workbench.labels(name))
            return (
                gr.Dropdown([(_PREDICTED, ""), *((label, label) for label in found)], value=""),
                gr.Dropdown([(_NOTHING, ""), *((label, label) for label in found)], value=""),
            )

        def on_prepare(key: str) -> tuple[Any, Any]:
            try:
                return workbench.saved(key, _folder()), _status("The files are ready.")
            except (CuelensError, OSError) as error:
                return None, workbench.error(_said(error))

        heavy: dict[str, Any] = {"concurrency_id": "heavy", "concurrency_limit": 2}
        explain.click(
            on_explain,
            [clip, demo, model, target, rather_than, neutral],
            [status, view, token],
            show_progress_on=[status],
            api_name="explain",
            **heavy,
        )
        model.change(on_labels, [model], [target, rather_than], api_visibility="private")
        for knob in knobs:
            knob.release(
                guarded(on_knobs),
                [token, *knobs],
                [changed],
                api_name=False if knob is not knobs[0] else "change",
                trigger_mode="always_last",
                **heavy,
            )
        curve.click(guarded(workbench.curves), [token, cue], [curves], api_name="curve", **heavy)
        compare_clips.click(
            guarded(on_other_clip),
            [token, other_clip, other_demo],
            [compared],
            api_name="compare_clips",
            **heavy,
        )
        compare_models.click(
            guarded(workbench.beside_model),
            [token, other_model],
            [compared],
            api_name="compare_models",
            **heavy,
        )
        prepare.click(on_prepare, [token], [files, status], api_name="download", **heavy)
    return page.queue(max_size=limits.max_waiting)


def launch(
    workbench: Workbench,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    auth: tuple[str, str] | None = None,
    open_browser: bool = False,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    workbench : Workbench
    host : str
        Address to listen on; other machines reach any but loopback.
    port : int or None
        None: the first free one from 7860 on.
    auth : (str, str) or None
        User and password that are asked for.
    open_browser : bool
    ready : callable
        Called with the address once the page is served.

    Raises
    ------
    InputError
        Other machines would reach it without a password; the port is taken.
    MissingExtraError
        Gradio is not installed.
    """
    import os

    if auth is None and host not in _LOOPBACK:
        raise InputError(
            f"host is {host}: others in the network could use the app; expected --auth "
            "USER:PASSWORD with it"
        )
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with tempfile.TemporaryDirectory(prefix="cuelens-app-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build_page(workbench)
        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                auth=auth,
                inbrowser=open_browser,
                share=False,
                quiet=True,
                show_error=False,
                prevent_thread_lock=True,
                max_file_size=int(workbench.limits.max_mb * 1e6),
                max_threads=16,
                state_session_capacity=4 * workbench.limits.n_kept,
                footer_links=[],
                ssr_mode=False,
                theme=_theme(),
                head=f"<style>{_style()}</style>",
            )
        except OSError as error:
            raise InputError(f"the app cannot be served at {host}:{port} ({error})") from error
        try:
            ready(str(address))
            page.block_thread()
        finally:
            page.close(verbose=False)


def _gradio() -> Any:
    try:
        import gradio
    except ImportError as error:
        raise MissingExtraError("the web app", "app") from error
    return gradio


def _theme() -> Any:
    """Colours of the reports, and fonts that every machine has: nothing is fetched."""
    gr = _gradio()
    fonts = ["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        font=fonts,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    return theme.set(
        button_primary_background_fill="#a8480f",
        button_primary_background_fill_hover="#8d3b0b",
        button_primary_background_fill_dark="#a8480f",
        button_primary_background_fill_hover_dark="#8d3b0b",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        body_background_fill="#fbfaf7",
        body_background_fill_dark="#161614",
        block_label_text_color="#44413b",
        block_label_text_color_dark="#c9c4b8",
        body_text_color_subdued="#5d5a54",
        body_text_color_subdued_dark="#aaa59a",
    )


def _style() -> str:
    """Styles of the app and, within views, of the reports."""
    from cuelens.report.clip_page import page_templates

    templates = page_templates()
    names = ("sections.css", "comparison.css", "interventions.css")
    sections = "\n".join(templates.get_template(name).render() for name in names)
    return (_STATIC / "app.css").read_text(encoding="utf-8").replace("/* sections */", sections)


def _script(name: str) -> str:
    """A script for one part of the page, which can use ``bind``."""
    from cuelens.report.clip_page import page_templates

    players = page_templates().get_template("players.js").render()
    return players + (_STATIC / name).read_text(encoding="utf-8")


def _served(work: Callable[..., str], workbench: Workbench) -> Callable[[Any], str]:
    """A function for scripts of the page to call; a failure is a message."""

    def switched(asked: Any) -> str:
        try:
            if isinstance(asked, list) and len(asked) == 1:
                asked = asked[0]
            asked = json.loads(asked)
            return work(str(asked["token"]), str(asked["part"]), list(asked["off"]))
        except (ValueError, TypeError, KeyError):
            return workbench.error("units to switch off were expected")
        except (CuelensError, OSError) as error:
            return workbench.error(_said(error))

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


def _status(text: str) -> str:
    from html import escape

    return f'<p class="status" role="status">{escape(text)}</p>'


def _said(error: Exception) -> str:
    """What went wrong, without folders of this machine."""
    if isinstance(error, OSError):
        return "a file could not be read or written; try again"
    return " ".join(str(error).split())


def _folder() -> Path:
    import os

    return Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
