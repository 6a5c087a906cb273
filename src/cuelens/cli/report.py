"""``cuelens report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cuelens.cli.console import out
from cuelens.cli.group import By
from cuelens.cli.options import FigureFormatName, Figures


def report(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Folder that `cuelens run` wrote.", show_default=False),
    ],
    by: Annotated[
        By | None,
        typer.Option(
            help="What makes a group: emotion where the clips have labels, else the model's answer.",
            show_default=False,
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder of the page; by default RUN/report.", show_default=False
        ),
    ] = None,
    figures: Figures = FigureFormatName.png,
) -> None:
    """Make a page of a run of explanations: by emotion, by speaker, right against wrong.

    Writes report.html, group.csv, group.json, clips.csv and the figure, as `cuelens group` does.

    Example: `cuelens run ravdess --target truth --out results`, then `cuelens report results`
    """
    from cuelens.report.group_report import write_group_report
    from cuelens.runs import read_run
    from cuelens.runs.run_group import clip_sound, group_of_run

    folder = out_dir or run / "report"
    found = read_run(run)
    group = group_of_run(found)
    chosen = by.value if by is not None else group.usual_grouping
    group.save(folder, chosen, figures=figures.value)
    page = write_group_report(folder / "report.html", group, by=chosen, sounds=clip_sound(found))
    out.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
