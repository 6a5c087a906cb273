"""``cuelens app``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cuelens.cli.console import MODEL_HELP, err, out, progress_bar

_VARIABLE = "CUELENS_APP_AUTH"


def app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Models to choose from, one --model each. {MODEL_HELP} [default: the bundled ones]",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in (--auth).")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port. [default: the first free one from 7860 on]",
            show_default=False,
        ),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="USER:PASSWORD",
            help="Ask for a password. Others on this machine can read it in the list of processes: better put it into the variable CUELENS_APP_AUTH.",
            show_default=False,
        ),
    ] = None,
    max_s: Annotated[
        float, typer.Option("--max-seconds", min=1.0, help="Longest recording taken.")
    ] = 60.0,
    max_mb: Annotated[float, typer.Option(min=0.1, help="Largest file taken, MB.")] = 20.0,
    keep_min: Annotated[
        float, typer.Option("--keep-minutes", min=1.0, help="How long recordings are kept.")
    ] = 30.0,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open a browser window.")
    ] = False,
) -> None:
    """Explain recordings in a browser: record, upload, listen, switch parts off, turn knobs.

    The page is served on this machine only, fetches nothing from the network and sends nothing
    there. Recordings are deleted after a while and when the app ends. Needs the extra `app`.

    Examples
    --------
    - `cuelens app`

    - `cuelens app --model emodb-cnn --model hf:my-checkpoint --open`
    """
    err.print("starting ...", highlight=False)  # loading takes seconds
    from cuelens.app import Limits, Workbench, launch
    from cuelens.app.page import gradio_or_error
    from cuelens.errors import InputError
    from cuelens.models import BUNDLED

    gradio_or_error()  # before models are loaded for nothing
    limits = Limits(max_mb=max_mb, max_s=max_s, kept_s=60 * keep_min)
    given = auth or os.environ.get(_VARIABLE)
    user, colon, password = (given or "").partition(":")
    if given and not (user and colon and password):
        raise InputError("--auth is not USER:PASSWORD; expected a user, a colon and a password")
    with progress_bar() as progress:
        progress.add_task("loading models", total=None)
        workbench = Workbench(model or list(BUNDLED), limits=limits)

    def ready(address: str) -> None:
        out.print(f"The app is at {address} (Ctrl-C ends it).", markup=False, highlight=False)

    launch(
        workbench,
        host=host,
        port=port,
        auth=(user, password) if given else None,
        open_browser=open_browser,
        ready=ready,
    )
    err.print("The app has ended; recordings are deleted.", highlight=False)
