"""``cuelens``: commands, and what happens when one of them fails."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer
from rich.markup import escape

from cuelens.cli.app import app as web_app
from cuelens.cli.compare import compare
from cuelens.cli.console import err, print_error
from cuelens.cli.corpus import corpus_app
from cuelens.cli.cues import cues
from cuelens.cli.demo import demo
from cuelens.cli.evaluate import evaluate_app
from cuelens.cli.explain import explain
from cuelens.cli.group import group
from cuelens.cli.intervene import intervene
from cuelens.cli.models import models
from cuelens.cli.probe import probe
from cuelens.cli.report import report
from cuelens.cli.reproduce import reproduce_app
from cuelens.cli.run import run
from cuelens.cli.timeline import timeline
from cuelens.cli.train import train
from cuelens.errors import CuelensError, CuelensWarning

app = typer.Typer(
    name="cuelens",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(explain)
app.command()(intervene)
app.command()(cues)
app.command()(group)
app.command()(compare)
app.command()(run)
app.command()(report)
app.command()(probe)
app.command()(timeline)
app.command()(demo)
app.command(name="app")(web_app)
app.command()(models)
app.command()(train)
app.add_typer(corpus_app, name="corpus")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(reproduce_app, name="reproduce")


def _show_version(wanted: bool) -> None:
    if wanted:
        from cuelens import __version__

        typer.echo(f"cuelens {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """See which acoustic cues a speech-emotion model listens to.

    Start with **cuelens demo**, then **cuelens explain CLIP --out results**.
    """


_INTERRUPTED = 130


def main() -> None:
    """Run the command line; exit 2 and one line on standard error on bad input."""
    warnings.showwarning = _show_warning
    warnings.filterwarnings("always", category=CuelensWarning)
    try:
        app(standalone_mode=True)
    except CuelensError as error:
        print_error(error)
        sys.exit(2)
    except SystemExit as ended:  # Typer ends so where Ctrl-C was pressed
        if ended.code == _INTERRUPTED:
            err.print(
                "interrupted; runs, evaluations, reproductions and probes keep what is finished and go "
                "on where they stopped when the same command is run again"
            )
        raise


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, CuelensWarning):
        err.print("[yellow]note:[/yellow]", escape(str(message)), markup=True, highlight=False)
