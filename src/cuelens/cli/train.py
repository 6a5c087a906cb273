"""``cuelens train``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cuelens.cli.console import StagedProgress, out, progress_bar


class TrainingFeatures(StrEnum):
    """What ``--features`` takes."""

    egemaps = "egemaps"
    compare = "compare"
    logmel = "logmel"


def train(
    corpus: Annotated[
        str,
        typer.Option(
            help="Folder, table (CSV, Parquet), or name of a corpus (see `cuelens corpus list`).",
            show_default=False,
        ),
    ],
    out_dir: Annotated[
        Path, typer.Option("--out", help="Model folder to write.", show_default=False)
    ],
    features: Annotated[
        TrainingFeatures,
        typer.Option(
            help="egemaps, compare: linear model on openSMILE functionals; logmel: network (needs the extra torch)."
        ),
    ] = TrainingFeatures.egemaps,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Train a model and measure it on speakers it has not heard.

    Writes a model folder that `--model` takes: weights without pickles, a model card with the recall
    of every emotion leaving one speaker out, and a confusion figure.
    """
    from cuelens.corpora import load_corpus
    from cuelens.models.training import train as train_model

    loaded = load_corpus(corpus)
    for note in loaded.notes:
        out.print(f"note: {note}", markup=False, highlight=False)
    with progress_bar() as progress:
        held_out = train_model(
            loaded,
            features=features.value,
            out=out_dir,
            seed=seed,
            progress=StagedProgress(progress),
        )
    low, high = held_out.uar_interval()
    out.print(
        f"unweighted average recall, leave one speaker out: {held_out.uar:.3f} "
        f"(95 % interval over speakers {low:.3f} to {high:.3f})",
        highlight=False,
    )
    for label, recall in zip(held_out.labels, held_out.recall, strict=True):
        out.print(f"  {label:<12} {recall:.2f}", highlight=False)
    out.print(f"model: {out_dir}", markup=False, highlight=False, soft_wrap=True)
