"""``cuelens reproduce beyond-saliency``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import out, progress_bar, result_folder

if TYPE_CHECKING:
    from cuelens.evaluate.beyond_saliency_result import BeyondSaliency


def beyond_saliency(
    corpus: Annotated[
        str,
        typer.Option(
            help="Corpus: a name, folder or table as in `cuelens corpus list`, with neutral clips of its speakers. The paper uses CREMA-D and TESS.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="A bundled network, resnetsmall:FILE (the published weights), or whatever else `cuelens explain` takes."
        ),
    ] = "emodb-cnn",
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            help="Explainer that finds the windows; repeatable. occlusion, crp, grad-cam, integrated-gradients, lrp, shapley-windows, lime-windows. [default: occlusion and crp, as published]",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option(help="Clips, balanced over emotions and speakers.", min=1)
    ] = 100,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; by default one a core.", min=1)
    ] = None,
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder for tables and the figure; an interrupted run goes on."),
    ] = Path("cuelens-beyond-saliency"),
) -> None:
    """Cues in the windows a network looks at, as published (Nasr et al. 2025) and corrected, over a corpus.

    The paper takes the five windows with the most relevance in one clip an emotion, and finds there the cues that experts expect of the
    emotion, less so where the network is wrong. Here every clip is looked at, by occlusion and by concept relevance (crp), with their
    published settings and with ours. Counted is how many of the cues on which the literature agrees go the expected way, for right and for
    wrong answers, in the salient windows and in two controls: random windows and the loudest windows of the same clips. If random windows
    do as well, the cues are those of the voice, and say nothing about where the network looks.

    Also: how much the salient windows of the explainers overlap, against random windows, and what each flaw of the published way does to
    the values alone (unvoiced frames counted as pitch 0, times shifted by the silence that was trimmed, windows on a grid).

    Writes reproduction.json, a CSV file a table, and reproduction.png. Takes some 10 s a clip.

    Example: `cuelens reproduce beyond-saliency --corpus ravdess --clips 80 --out reproduction`
    """
    from cuelens.corpora import load_corpus
    from cuelens.evaluate.reproduce_beyond_saliency import reproduce_beyond_saliency
    from cuelens.figure_style import save_figure
    from cuelens.models import load_model
    from cuelens.report.beyond_saliency_figure import plot_beyond_saliency

    loaded = load_corpus(corpus)
    for note in loaded.notes:
        out.print(f"note: {note}", markup=False, highlight=False)
    network = load_model(model)
    result_folder(out_dir)
    n_workers = workers or os.cpu_count() or 1
    with progress_bar() as progress:
        task = progress.add_task(loaded.name, total=min(clips, len(loaded)))
        found = reproduce_beyond_saliency(
            loaded,
            network,
            explainers=explainer or ("occlusion", "crp"),
            n_clips=clips,
            seed=seed,
            folder=out_dir,
            n_workers=n_workers if n_workers > 1 else None,
            progress=lambda n: progress.advance(task, n),
        )
    found.save(out_dir)
    save_figure(plot_beyond_saliency(found), out_dir / "reproduction.png")
    _print(found)
    out.print(f"  tables and figure: {out_dir}", markup=False, highlight=False, soft_wrap=True)


def _print(found: BeyondSaliency) -> None:
    """Agreement, overlap, flaws, and what follows."""
    for way, title in (
        ("published", "as published"),
        ("corrected", "corrected"),
    ):
        out.print(
            f"\nstrong cues that go the expected way, {title} (95 % over {found.about['over']})",
            highlight=False,
        )
        out.print(_agreement(found, way))
    out.print("\noverlap of salient windows (intersection over union in time)", highlight=False)
    out.print(_overlap(found))
    out.print("\nscored cues that change sides with one published flaw alone", highlight=False)
    out.print(_flaws(found))
    out.print("\nwhat was found", highlight=False)
    for sentence in found.summary:
        out.print(f"  - {sentence}", highlight=False, markup=False, soft_wrap=True)


def _agreement(found: BeyondSaliency, way: str) -> Table:
    """One row an explainer, reference and kind of answers."""
    from cuelens.evaluate.beyond_saliency_listening import REFERENCES
    from cuelens.evaluate.beyond_saliency_result import p_text, points_text, share_text
    from cuelens.evaluate.beyond_saliency_tables import MOMENTS

    table = Table(box=None, pad_edge=False)
    for name in ("explainer", "against", "answers"):
        table.add_column(name)
    for name in ("clips", "cues", "salient windows", "random", "loudest", "minus random"):
        table.add_column(name, justify="right")
    for name in found.explainers:
        for reference in REFERENCES:
            against = "neutral speech" if reference == "neutral" else "the whole clip"
            for answers in ("right", "wrong", "right minus wrong"):
                rows = [
                    found.agreement_of(name, answers, moments, way=way, reference=reference)
                    for moments in MOMENTS[:4]
                ]
                difference = answers == "right minus wrong"
                cells = [(points_text if difference else share_text)(row) for row in rows[:3]]
                if difference:
                    cells[0] += f", {p_text(rows[0]['p'])}"
                table.add_row(
                    *(escape(name), against, answers),
                    *(str(rows[0]["n_clips"]), str(rows[0]["n_cells"])),
                    *cells,
                    points_text(rows[3]),
                )
    return table


def _overlap(found: BeyondSaliency) -> Table:
    """One row a way and pair."""
    from cuelens.evaluate.beyond_saliency_result import interval_text

    table = Table("way", "windows of", box=None, pad_edge=False)
    for name in ("overlap", "random windows", "difference"):
        table.add_column(name, justify="right")
    for row in found.overlap[found.overlap["answers"] == "all"].to_dict("records"):
        pair = f"{row['first']} and {row['second']}"
        table.add_row(
            str(row["way"]),
            escape(str(row["first"]) if row["first"] == row["second"] else pair),
            *(interval_text(row, name) for name in ("iou", "random")),
            interval_text(row, "minus_random", "+.2f"),
        )
    return table


def _flaws(found: BeyondSaliency) -> Table:
    """One row an explainer, flaw and cue that is scored."""
    from cuelens.cues import CUES

    table = Table("explainer", "flaw", "cue", box=None, pad_edge=False)
    for name in ("value", "with the flaw", "cues", "change sides", "as expected", "with the flaw"):
        table.add_column(name, justify="right")
    for row in found.flaws[found.flaws["n_cells"] > 0].to_dict("records"):
        unit = str(row["unit"]).split(" above")[0].removeprefix("openSMILE ")
        table.add_row(
            *(escape(str(row["explainer"])), str(row["flaw"])),
            CUES[str(row["cue"])].title,
            *(f"{row['correct']:.1f} {unit}", f"{row['flawed']:.1f}", str(row["n_cells"])),
            *(f"{row[name]:.0%}" for name in ("flipped", "expected_correct", "expected_flawed")),
        )
    return table
