"""``cuelens models``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cuelens.cli.console import out


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show the card of this model (a name or a folder).", show_default=False
        ),
    ] = None,
) -> None:
    """List the models that come with cuelens, or show the card of one."""
    from cuelens.errors import InputError
    from cuelens.models import BUNDLED, describe_bundled
    from cuelens.models.card import card_text
    from cuelens.models.folder import read_model_json  # start-up time
    from cuelens.models.load import registered_prefixes

    described = {description["name"]: description for description in describe_bundled()}
    if name is not None:
        if name not in described and not Path(name).is_dir():
            raise InputError(
                f"model {name!r} is not bundled and no folder; expected one of "
                f"{', '.join(BUNDLED)}, or a model folder"
            )
        description = described.get(name) or read_model_json(Path(name))
        typer.echo(card_text(description), nl=False)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("recall (UAR)", no_wrap=True)
    table.add_column("what it is")
    for description in described.values():
        evaluation = description["evaluation"]
        low, high = evaluation["uar_ci_low"], evaluation["uar_ci_high"]
        what = (
            "log-mel network, windows of 2 s"
            if description["kind"] == "log_mel_cnn"
            else f"linear model on {description['features']['feature_set']}"
        )
        table.add_row(
            description["name"],
            f"{evaluation['uar']:.2f} ({low:.2f} to {high:.2f})",
            f"{what}; {', '.join(description['labels'])}",
        )
    out.print(table, highlight=False)
    out.print(
        "Recall: unweighted average over emotions, on speakers left out of training (95 % interval).\n"
        "Card of one model: cuelens models NAME",
        style="dim",
        highlight=False,
    )
    for prefix, package in registered_prefixes().items():
        out.print(f"{prefix}:...  from the package {package}", markup=False, highlight=False)
