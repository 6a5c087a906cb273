"""``cuelens evaluate planted``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import StagedProgress, out, progress_bar, result_folder
from cuelens.cli.options import Seed, Workers

if TYPE_CHECKING:
    import pandas as pd

    from cuelens.evaluate import Planted


def planted(
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Real speech to edit: a name, folder or table as in `cuelens corpus list`; by default the synthetic clips that come with cuelens, which are few.",
            show_default=False,
        ),
    ] = None,
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            help="Explainer to evaluate; repeatable. shapley, lime, lime-64, published, shapley-windows, lime-windows, occlusion, grad-cam, integrated-gradients, lrp, crp, occlusion-published, or python:package.module:name. [default: all but the published ones, which are slow]",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of model; repeatable. cnn (extra torch), egemaps, compare, or python:package.module:name of a scikit-learn classifier. [default: cnn and egemaps]",
            show_default=False,
        ),
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(
            help="What is planted; repeatable. band-gain, band-noise, moment-gain, moment-noise, moment-f0 (extra synth), cell-noise. [default: band-noise and moment-noise]",
            show_default=False,
        ),
    ] = None,
    bands: Annotated[
        str, typer.Option(help="Bands to plant in, of 0 to 7: a model is trained for each.")
    ] = "1,3,5",
    clips: Annotated[int, typer.Option(help="Clips to learn from and to test on.", min=4)] = 120,
    test: Annotated[
        int,
        typer.Option(
            help="Held-out clips that are explained, of each edit and kind of model.", min=2
        ),
    ] = 24,
    masked: Annotated[
        bool,
        typer.Option(
            "--masked/--whole",
            help="Models also learn from clips with parts missing, which explainers will show them; or from whole clips only.",
        ),
    ] = True,
    shuffled: Annotated[
        int,
        typer.Option(
            help="Models with shuffled labels, of each kind and edit: they know nothing, so no explainer may do better than chance.",
            min=0,
        ),
    ] = 0,
    seed: Seed = 0,
    workers: Workers = None,
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder for tables and the figure; an interrupted run goes on."),
    ] = Path("cuelens-planted"),
) -> None:
    """How often explainers find an edit whose place is known: ground truth on real speech.

    Clips are edited in one band, one moment, or both. A model learns to tell edited from untouched clips of some speakers; explainers are
    asked why it calls clips of other speakers edited. The two differ only in that place, so that is where the reason lies. A model that
    is right for less than 95 % of held-out clips makes its case void.

    Prints a leaderboard: hit is the share of clips in which the largest weight lies in the place, mass the share of the weight above 0
    that does, rank that of the best part there. Writes planted.json, leaderboard.csv, clips.csv, planted.png and the trained models.

    Example: `cuelens evaluate planted --corpus emodb --explainer shapley --explainer lrp --out planted`
    """
    from cuelens.corpora import demo_corpus, load_corpus
    from cuelens.errors import InputError
    from cuelens.evaluate.detectors import detector_named
    from cuelens.evaluate.explainers import explainer_named
    from cuelens.evaluate.planted import evaluate_planted

    loaded = demo_corpus() if corpus is None else load_corpus(corpus)
    try:
        chosen_bands = [int(band) for band in bands.split(",")]
    except ValueError as error:
        raise InputError(f"--bands is {bands!r}; expected numbers such as 1,3,5") from error
    chosen = {name: explainer_named(name) for name in explainer or default_explainers()}
    result_folder(out_dir)
    with progress_bar() as progress:
        result = evaluate_planted(
            loaded,
            chosen,
            {name: detector_named(name) for name in detector or default_detectors()},
            edits=edit or ["band-noise", "moment-noise"],
            bands=chosen_bands,
            n_clips=clips,
            n_test=test,
            masked=masked,
            n_shuffled=shuffled,
            seed=seed,
            folder=out_dir,
            n_workers=workers or os.cpu_count() or 1,
            progress=StagedProgress(progress),
        )
    result.save(out_dir)
    _print(result)
    figure = (out_dir / "planted.png").is_file()
    out.print(
        f"  {'tables and figure' if figure else 'tables'}: {out_dir}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def has_torch() -> bool:
    """Whether networks can be trained and looked into."""
    from importlib.util import find_spec

    return find_spec("torch") is not None


def default_detectors() -> list[str]:
    """Kinds of models that can be trained here."""
    return ["cnn", "egemaps"] if has_torch() else ["egemaps"]


def default_explainers() -> list[str]:
    """Explainers that work here, but the slow published ones."""
    from cuelens.evaluate.explainers import EXPLAINERS

    inside = () if has_torch() else ("grad-cam", "integrated-gradients", "lrp", "crp")
    return [name for name in EXPLAINERS if "published" not in name and name not in inside]


def _print(result: Planted) -> None:
    """Models, leaderboard, and what chance would do."""
    for case in result.cases.to_dict("records"):
        if case["void"] and not case["shuffle"]:
            band = "" if case["kind"] == "moment" else f" in band {case['band']:.0f}"
            out.print(
                f"  void: {case['detector']} tells {case['edit']}{band} from untouched for "
                f"{case['recall']:.0%} of held-out clips only; expected 95 %",
                highlight=False,
                markup=False,
            )
    board = result.leaderboard()
    if board.empty:
        learned = (~result.cases["void"] & (result.cases["shuffle"] == 0)).any()
        out.print(
            "  no explainer could be asked about the models that learned"
            if learned
            else "  no model learned to tell edited from untouched clips: nothing to explain"
        )
        return
    out.print(
        "planted cues (95 % intervals over held-out speakers; over clips where there are fewer than three)"
    )
    _print_board(board)
    null = result.leaderboard(shuffled=True)
    if not null.empty:
        out.print("models with shuffled labels: nothing to find (intervals over models)")
        _print_board(null)
    for error in sorted(set(result.errors)):
        out.print(f"  failed: {error}", highlight=False, markup=False, soft_wrap=True)


def _print_board(board: pd.DataFrame) -> None:
    """A table an edit and kind of model."""
    for (edit, detector), part in board.groupby(["edit", "detector"], sort=False):
        first = part.iloc[0]
        out.print(
            f"\n  {edit}, {detector}: {first['n_clips']} clips; by chance hit "
            f"{first['chance_hit']:.0%}, mass {first['chance_mass']:.2f}, rank "
            f"{first['chance_rank']:.1f}",
            highlight=False,
            markup=False,
        )
        table = Table(box=None, pad_edge=False)
        table.add_column("explainer", no_wrap=True)
        for name in ("hit", "95 % interval", "mass", "rank"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in part.to_dict("records"):
            table.add_row(
                escape(row["explainer"].removeprefix("python:")),
                f"{row['hit']:.0%}",
                f"{row['hit_low']:.0%} to {row['hit_high']:.0%}",
                f"{row['mass']:.2f}",
                f"{row['rank']:.1f}",
                style="bold" if row["above_chance"] else "",
            )
        out.print(table)
