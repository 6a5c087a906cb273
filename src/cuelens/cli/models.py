"""``cuelens models``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from cuelens.cli.console import out


def models(
    name: Annotated[
        str | None, typer.Argument(help="Show this model's card.", show_default=False)
    ] = None,
) -> None:
    """List the models that come with cuelens, or show the card of one."""
    from cuelens.errors import InputError
    from cuelens.models import BUNDLED, describe_bundled
    from cuelens.models.card import card_text

    described = {description["name"]: description for description in describe_bundled()}
    if name is not None:
        if name not in described:
            raise InputError(f"model {name!r} is not bundled; expected one of {', '.join(BUNDLED)}")
        typer.echo(card_text(described[name]), nl=False)
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
