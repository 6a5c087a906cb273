"""Options that several commands have, once each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cuelens.cli.console import MODEL_HELP

ModelName = Annotated[str, typer.Option(help=MODEL_HELP)]
Speakers = Annotated[
    str | None,
    typer.Option(help="Only these speakers, separated by commas.", show_default=False),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes; by default one a core.", min=1, show_default=False),
]
Clips = Annotated[int, typer.Option(help="Clips, emotions and speakers equally often.", min=1)]


class FigureFormatName(StrEnum):
    """Formats of ``--figures``."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


FIGURES_HELP = (
    "Format of the figures: png, or svg and pdf (vectors), sized for the columns of a paper."
)
Figures = Annotated[FigureFormatName, typer.Option(help=FIGURES_HELP)]
