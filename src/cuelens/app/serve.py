"""Serving the page: where, to whom, and how it looks."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cuelens.app.page import build_page, gradio_or_error
from cuelens.app.workbench import Workbench
from cuelens.errors import InputError
from cuelens.report.clip_page import page_templates

_STATIC = Path(__file__).parent / "static"
_SAID = {"common.complete": "Done"}  # to screen readers; Gradio has no words for it
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
    if auth is None and host not in _LOOPBACK:
        raise InputError(
            f"host is {host}: others in the network could use the app; expected --auth "
            "USER:PASSWORD with it"
        )
    gr = gradio_or_error()
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
                i18n=gr.I18n(en=_SAID),
                theme=_theme(),
                head=f"<style>{_style()}</style>",
            )
        except OSError as error:
            raise InputError(f"the app cannot be served at {host}:{port} ({error})") from error
        signal.signal(signal.SIGTERM, _interrupted)  # so that files go then, too
        threading.Thread(target=workbench.warm, daemon=True).start()
        try:
            ready(str(address))
            page.block_thread()
        finally:
            page.close(verbose=False)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _theme() -> Any:
    """Colours of the reports, and fonts that every machine has: nothing is fetched."""
    gr = gradio_or_error()
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
    templates = page_templates()
    names = ("sections.css", "comparison.css", "interventions.css")
    sections = "\n".join(templates.get_template(name).render() for name in names)
    return (_STATIC / "app.css").read_text(encoding="utf-8").replace("/* sections */", sections)
