"""``cuelens timeline``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import StagedProgress, err, out, progress_bar, result_folder
from cuelens.cli.options import FigureFormatName, Figures, ModelName

if TYPE_CHECKING:
    from cuelens.explain import Timeline


class ExplainWhich(StrEnum):
    """Windows of ``--explain``."""

    changes = "changes"
    all = "all"


def timeline(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A recording of any length: wav, flac, ogg, mp3.",
            show_default=False,
        ),
    ],
    model: ModelName = "emodb-cnn",
    explainer: Annotated[
        str | None,
        typer.Option(
            help="Also explain windows: shapley, lime, lime-64, shapley-windows, lrp and others as in `cuelens evaluate stability`. Without it, probabilities alone.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        ExplainWhich,
        typer.Option(help="Windows to explain: where the answer changes, or all."),
    ] = ExplainWhich.changes,
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion to explain; by default each window's own answer.", show_default=False
        ),
    ] = None,
    window_s: Annotated[
        float, typer.Option("--window", help="Longest window in seconds, 0.25 to 60.")
    ] = 6.0,
    hop_s: Annotated[
        float | None,
        typer.Option(
            "--hop",
            help="Seconds from one window to the next. By default windows do not overlap, and speech longer than a window is cut at the quietest place.",
            show_default=False,
        ),
    ] = None,
    speech: Annotated[
        bool,
        typer.Option(
            "--speech/--everything",
            help="Only where there is speech (extra `long`), or the whole recording.",
        ),
    ] = True,
    threshold: Annotated[
        float,
        typer.Option(help="Probability at which speech begins, 0 to 1.", min=0.0, max=1.0),
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of the explainer.", min=0)] = 42,
    out_dir: Annotated[
        Path,
        typer.Option(
            "--out", help="Folder for table, figure and page; an interrupted run goes on."
        ),
    ] = Path("cuelens-timeline"),
    figures: Figures = FigureFormatName.png,
) -> None:
    """Follow a model's answers along a recording of minutes to hours.

    The recording is read in blocks: memory hardly grows with its length. Speech is found first, and
    cut into windows at pauses; each window is answered, and explained if asked.

    Writes timeline.csv, timeline.json, the figure, timeline.html, and timeline.jsonl, in which every
    window is kept as soon as it is done. Some 20 s an hour to find speech, and what the model needs.

    Examples
    --------
    - `cuelens timeline interview.mp3 --out interview`

    - `cuelens timeline interview.mp3 --explainer shapley --out interview`
    """
    from cuelens.corpora import SpeechDetector
    from cuelens.errors import InputError
    from cuelens.evaluate.explainers import applies, explainer_named
    from cuelens.explain import open_timeline
    from cuelens.models import load_model
    from cuelens.report.timeline_report import write_timeline_report

    loaded = load_model(model)
    chosen = None if explainer is None else explainer_named(explainer, seed=seed)
    if chosen is not None and not applies(chosen, loaded):
        raise InputError(
            f"--explainer {explainer} looks inside a network, and model {model} is none; expected "
            "one for any model, such as shapley"
        )
    detector = SpeechDetector(threshold=threshold, release=max(0.0, threshold - 0.15))
    result_folder(out_dir)
    with progress_bar() as progress:
        run = open_timeline(
            loaded,
            file,
            explainer=chosen,
            explain=explain.value,
            target=target,
            window_s=window_s,
            hop_s=hop_s,
            detector=detector if speech else None,
            journal=out_dir / "timeline.jsonl",
            progress=StagedProgress(progress),
        )
        found = run.collect()
    found.save(out_dir, figures=figures.value)
    report = write_timeline_report(out_dir / "timeline.html", found, sounds=run.sounds)
    _print(found, speech=speech)
    out.print(f"  page: {report}", markup=False, highlight=False, soft_wrap=True)


def _print(found: Timeline, *, speech: bool) -> None:
    from cuelens.explain.timeline_figure import clock

    errors = [row for row in found.rows if row.error]
    if errors:
        err.print(
            f"{len(errors)} of {len(found.rows)} windows failed, the first at "
            f"{clock(errors[0].start_s, tenths=True)} because: {errors[0].error}",
            markup=False,
            highlight=False,
        )
    of_it = f", {found.speech_s / found.duration_s:.0%} of it speech" if speech else ""
    explained = f", {len(found.explained)} explained" if found.explained else ""
    out.print(
        f"{Path(found.path).name}: {clock(found.duration_s)} long{of_it}; {len(found.answered)} "
        f"windows{explained}; the answer changes {found.n_changes()} times",
        markup=False,
        highlight=False,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("  answer", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("where it is most probable")
    for label, share in found.time_per_answer().items():
        column = found.labels.index(label)
        tops = (
            f"{clock(row.start_s)}\N{NO-BREAK SPACE}{row.probabilities[column]:.2f}"
            for row in found.top(label)
        )
        table.add_row(f"  {escape(label)}", f"{share:.0%}", "  ".join(tops))
    out.print(table, highlight=False)
