"""``cuelens reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cuelens.cli.console import StagedProgress, out, progress_bar, result_folder
from cuelens.cli.embedding import embed
from cuelens.cli.reproduce_beyond_saliency import beyond_saliency
from cuelens.cli.reproduce_emolime import emolime

if TYPE_CHECKING:
    import pandas as pd

    from cuelens.evaluate.probing_reproduction import ProbingReproduction

reproduce_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Run published procedures beside ours, on the same clips.",
)


@reproduce_app.callback()
def about() -> None:
    """Run published procedures beside ours, on the same clips."""


reproduce_app.command()(emolime)
reproduce_app.command("beyond-saliency")(beyond_saliency)


@reproduce_app.command("probing")
def probing(
    corpus: Annotated[
        str,
        typer.Option(
            help="Corpus: a name, folder or table as in `cuelens corpus list`. The printed figures are of RAVDESS.",
            show_default=False,
        ),
    ],
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for tables and the figure.", show_default=False)
    ],
    embedding: Annotated[
        str,
        typer.Option(
            help="egemaps, compare, byols, dvectors, hf:ORG/NAME, model:NAME (what a model sees before its last layer), or a table with a row a clip (.npy, .parquet, .csv)."
        ),
    ] = "byols",
    layer: Annotated[
        str | None, typer.Option(help="Layer of the embedding; by default its last.")
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            help="Draws of clips and test speakers for the published figures: how much one draw scatters. 2 or more."
        ),
    ] = 10,
    permutations: Annotated[
        int,
        typer.Option(
            help="Shuffles that the corrected procedure compares with: 0 (none; the order of the categories is then tested by information increase) or 40 and more."
        ),
    ] = 200,
    seed: Annotated[
        int, typer.Option(help="Seed of everything random; 42 draws the clips as published.")
    ] = 42,
    workers: Annotated[
        int | None, typer.Option(help="Processes; by default one a core.", min=1)
    ] = None,
) -> None:
    """Published probing of an embedding (Dixit et al. 2024) beside the corrected one.

    The published way tells each emotion from neutral clips, ranks the dimensions of the embedding on all clips, and keeps the number of
    them that scores best on the test clips. The corrected way tells it from all other emotions and chooses everything without the speakers
    it is scored on. Two controls go through both: pure noise, and a random mixture of the acoustic features.

    Writes reproduction.json, a CSV file a table, and reproduction.png. Takes some minutes.

    Example: `cuelens reproduce probing --corpus ravdess --embedding byols --out reproduction`
    """
    from cuelens.corpora import load_corpus
    from cuelens.evaluate.reproduce_probing import check_settings, reproduce_probing
    from cuelens.features import FeatureCache
    from cuelens.figure_style import save_figure
    from cuelens.probe.acoustics import measure_acoustics
    from cuelens.report.reproduction_figure import plot_reproduction

    check_settings(n_repeats=repeats, n_permutations=permutations, seed=seed)
    loaded = load_corpus(corpus)
    for note in loaded.notes:
        out.print(f"note: {note}", markup=False, highlight=False)
    result_folder(out_dir)
    cache = FeatureCache()
    with progress_bar() as progress:
        show = StagedProgress(progress)
        embedded = embed(
            loaded, embedding, cache=cache, progress=_Counter(show, embedding, len(loaded))
        )
        acoustics = measure_acoustics(
            loaded, cache=cache, progress=_Counter(show, "acoustic features", len(loaded))
        )
        found = reproduce_probing(
            loaded,
            embedded,
            acoustics,
            layer=layer,
            n_repeats=repeats,
            n_permutations=permutations,
            seed=seed,
            n_workers=workers,
            progress=show,
        )
    found.save(out_dir)
    save_figure(plot_reproduction(found), out_dir / "reproduction.png")
    _print(found)
    out.print(f"  tables and figure: {out_dir}", markup=False, highlight=False, soft_wrap=True)


class _Counter:
    """Further clips done, as a stage of progress."""

    def __init__(self, show: StagedProgress, what: str, total: int) -> None:
        self._show, self._what, self._total, self._done = show, what, total, 0

    def __call__(self, n: int) -> None:
        self._done += n
        self._show(self._what, self._done, self._total)


def _print(found: ProbingReproduction) -> None:
    """F1 side by side, and what changes."""
    about = found.about
    out.print(
        f"{about['embedding']} on {about['corpus']}: {about['n_clips']} clips of "
        f"{about['n_speakers']} speakers, {about['n_dimensions']} dimensions",
        highlight=False,
        markup=False,
    )
    for column, printed, title in (
        ("egemaps", "paper_egemaps", "F1 (%) with eGeMAPS"),
        ("all", "paper_wavlm", f"F1 (%) with all dimensions of {about['embedding']}"),
        ("top", "paper_wavlm_top", f"F1 (%) with top dimensions of {about['embedding']}"),
    ):
        out.print(f"\n{title}", highlight=False, markup=False)
        out.print(_table(found, column, printed))
    out.print("\nF1 (%) with top dimensions of pure noise; 50 is chance", highlight=False)
    noise = Table("emotion", box=None, pad_edge=False)
    noise.add_column("published way", justify="right")
    noise.add_column("speakers held out", justify="right")
    for emotion, row in _by_emotion(found.noise).items():
        noise.add_row(emotion, f"{100 * row['published_top']:.1f}", _with_interval(row, "top"))
    out.print(noise)
    out.print("\nwhat changes", highlight=False)
    for sentence in found.summary:
        out.print(f"  - {sentence}", highlight=False, markup=False, soft_wrap=True)


def _table(found: ProbingReproduction, column: str, printed: str) -> Table:
    """One row an emotion: printed, the published way, speakers held out."""
    table = Table("emotion", box=None, pad_edge=False)
    if found.about["is_ravdess"]:
        table.add_column("printed" + ("" if column == "egemaps" else ", WavLM"), justify="right")
    for contrast in found.contrasts:
        table.add_column(
            f"from {'neutral' if contrast == 'neutral' else 'the others'}", justify="right"
        )
    table.add_column("speakers held out", justify="right")
    published = {name: _by_emotion(found.published(name).reset_index()) for name in found.contrasts}
    for emotion, ours in _by_emotion(found.corrected).items():
        cells = []
        if found.about["is_ravdess"]:
            cells.append(f"{100 * published[found.contrasts[0]][emotion][printed]:.1f}")
        for rows in published.values():
            row = rows[emotion]
            cells.append(
                f"{100 * row[f'{column}_mean']:.1f} ± {100 * row[f'{column}_sd']:.1f}"
                if f"{column}_mean" in row
                else f"{100 * row[column]:.1f}"
            )
        cells.append(_with_interval(ours, column))
        table.add_row(emotion, *cells)
    return table


def _by_emotion(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {
        str(row["emotion"]): {str(name): value for name, value in row.items()}
        for row in frame.to_dict("records")
    }


def _with_interval(row: dict[str, Any], name: str) -> str:
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
