"""``cuelens intervene``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cuelens.cli.console import out, progress_bar, result_folder
from cuelens.cli.options import FigureFormatName, Figures, ModelName, Seed
from cuelens.errors import InputError

if TYPE_CHECKING:
    from cuelens.explain import DoseResponse, DoseResponses


def intervene(
    clip: Annotated[
        Path,
        typer.Argument(
            metavar="CLIP", help="A recording: wav, flac, ogg, mp3.", show_default=False
        ),
    ],
    model: ModelName = "emodb-cnn",
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion to ask about; by default the model's answer.", show_default=False
        ),
    ] = None,
    cues: Annotated[
        str | None,
        typer.Option(
            help="Cues to change, separated by commas: f0-level, f0-range, tempo, level, tilt, breathiness. By default all.",
            show_default=False,
        ),
    ] = None,
    dose: Annotated[
        list[str] | None,
        typer.Option(
            help="Doses of a cue instead of the standard ones, such as f0-level=-3,3; repeatable.",
            show_default=False,
        ),
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            help="Part of the clip to change, in seconds, such as 0.4-0.9; by default all of it.",
            show_default=False,
        ),
    ] = None,
    remakes: Annotated[
        int,
        typer.Option(
            help="Remakes of every version (faint noise, tiny changes) that give the range.", min=0
        ),
    ] = 5,
    tolerance: Annotated[
        float,
        typer.Option(help="How far next to no dose may move an output before a cue is flagged."),
    ] = 0.05,
    seed: Seed = 0,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for results: OUT/STEM/interventions.html, .json, .csv, figure and sounds.",
            show_default=False,
        ),
    ] = None,
    figures: Figures = FigureFormatName.png,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of tables.")
    ] = False,
) -> None:
    """What would the model have said, had the voice been higher, flatter, faster, louder?

    One cue is given in doses while the rest of the voice is kept, and the model answers every
    version. A dose next to none tells what processing does by itself; where that moves the answer,
    this says so. Each dose is measured back on the sound; those that did not come out as asked are
    marked “!”. Needs the extra `synth`, but for level and tilt.

    Examples
    --------
    - `cuelens intervene clip.wav --out results`

    - `cuelens intervene clip.wav --target anger --cues f0-level,tempo --span 0.4-0.9`

    - `cuelens intervene clip.wav --cues f0-level --dose f0-level=-4,-2,2,4`
    """
    from cuelens.audio import load_audio
    from cuelens.cli.explain import unique_folders
    from cuelens.explain import CUE_DOSES, Interventions
    from cuelens.explain.game import CountingModel
    from cuelens.models import load_model
    from cuelens.report import write_interventions_report

    names = tuple(CUE_DOSES) if cues is None else tuple(n.strip() for n in cues.split(","))
    explainer = Interventions(
        cues=names,
        doses=_doses(dose or []),
        span=None if span is None else _span(span),
        n_remakes=remakes,
        tolerance=tolerance,
        seed=seed,
    )
    loaded = load_model(model)
    folder = unique_folders([clip], out_dir)[0]
    if folder is not None:
        result_folder(folder)  # before the work, so that a mistake costs nothing
    audio = load_audio(clip, sample_rate=loaded.sample_rate)
    with progress_bar() as progress:
        task = progress.add_task(clip.name, total=explainer.n_evaluations())
        watched = CountingModel(loaded, lambda n: progress.advance(task, n))
        result = explainer.explain(watched, audio, target=target)
    report = None
    if folder is not None:
        report = write_interventions_report(
            folder, result=result, audio=audio, figures=figures.value
        )
    if json_output:
        typer.echo(result.to_json(), nl=False)
        return
    _print(result)
    if report is not None:
        out.print(f"  report: {report}", markup=False, highlight=False, soft_wrap=True)


def _doses(texts: list[str]) -> dict[str, tuple[float, ...]]:
    """``f0-level=-3,3`` as a mapping."""
    found = {}
    for text in texts:
        cue, _, values = text.partition("=")
        try:
            found[cue.strip()] = tuple(float(value) for value in values.split(","))
        except ValueError as error:
            raise InputError(
                f"--dose is {text!r}; expected a cue and numbers, such as f0-level=-3,3"
            ) from error
    return found


def _span(text: str) -> tuple[float, float]:
    """``0.4-0.9`` as seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*-\s*(\d+(?:\.\d*)?)\s*(?:s\s*)?", text)
    if match is None:
        raise InputError(f"--span is {text!r}; expected seconds, such as 0.4-0.9")
    return float(match[1]), float(match[2])


def _print(result: DoseResponses) -> None:
    """A table a cue with the doses in columns, then the account."""
    out.print()
    out.print(escape(result.clip.path), style="bold", highlight=False, soft_wrap=True)
    for response in result.responses:
        out.print(_table(result, response))
    first, *others = result.account().splitlines()
    out.print(Padding(escape(first), (1, 2, 0, 2)), highlight=False)
    for line in others:
        out.print(Padding(escape(line), (0, 2)), highlight=False)


def _table(result: DoseResponses, response: DoseResponse) -> Table:
    column, about = result.target_index, response.about
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = f"  {about.title} ({about.unit})"
    table.add_column("", justify="right", no_wrap=True, min_width=14)
    for row, value in enumerate(response.doses):
        style = "bold" if row == response.identity_index else ""
        table.add_column(f"{value:g}", justify="right", no_wrap=True, style=style)
    table.add_row(
        escape(result.output_name), *(f"{value:.2f}" for value in response.outputs[:, column])
    )
    if result.method.parameters["n_remakes"]:
        table.add_row("least", *(f"{value:.2f}" for value in response.low[:, column]), style="dim")
        table.add_row("most", *(f"{value:.2f}" for value in response.high[:, column]), style="dim")
    table.add_row(
        "answer",
        *(escape(result.labels[int(values.argmax())]) for values in response.outputs),
        style="dim",
    )
    measured = [
        ("-" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}") + ("" if good else "!")
        for value, good in zip(response.measured, response.as_asked, strict=True)
    ]
    unit = "" if about.measured_unit == about.unit else f", {about.measured_unit}"
    table.add_row(f"measured{unit}", *measured, style="dim")
    return table
