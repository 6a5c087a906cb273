"""``cuelens reproduce emolime``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import StagedProgress, out, progress_bar, result_folder
from cuelens.errors import InputError

if TYPE_CHECKING:
    from cuelens.corpora import Corpus
    from cuelens.evaluate.emolime_reproduction import EmoLimeReproduction

_CORPORA = ("emodb", "ravdess", "tess")


class TargetName(StrEnum):
    """Whose weights are compared."""

    truth = "truth"
    answer = "answer"


class CorrelationName(StrEnum):
    """How profiles are compared."""

    pearson = "pearson"
    spearman = "spearman"


def emolime(
    out_dir: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for models, tables, figures and the page; an interrupted run goes on there.",
            show_default=False,
        ),
    ],
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            help="Corpus, given twice or more: a name, folder or table as in `cuelens corpus list`. By default those of emodb, ravdess and tess that are on this machine.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to train, given twice or more: compare or egemaps (linear, on functionals), logmel (a network, trained briefly), or an embedding under a linear model: dvectors, byols, hf:ORG/NAME. By default compare, egemaps, logmel and dvectors.",
            show_default=False,
        ),
    ] = None,
    emotion: Annotated[
        list[str] | None,
        typer.Option(
            help="Emotion, given twice or more. By default those of the paper: anger, happiness, neutral, sadness.",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[
        int,
        typer.Option(
            help="Clips of each emotion and corpus. More can be added later in the same folder.",
            min=2,
        ),
    ] = 8,
    folds: Annotated[
        int,
        typer.Option(
            help="Parts of the speakers; each is explained by models that were trained on the others.",
            min=2,
        ),
    ] = 3,
    target: Annotated[
        TargetName, typer.Option(help="Explain the clip's emotion, or what the model answers.")
    ] = TargetName.truth,
    correlation: Annotated[
        CorrelationName, typer.Option(help="How band profiles are compared.")
    ] = CorrelationName.pearson,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Explain as published: 64 combinations of bands, sound rebuilt with Griffin-Lim. Takes many times as long.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; by default one a core.", min=1)
    ] = None,
) -> None:
    """EmoLIME's claim, tried: explanations agree better across models than across corpora (Hjuler et al. 2025).

    Trains several models on several corpora, and explains clips of speakers that they have not heard: one weight a frequency band. Bands
    are left out in all combinations, so that weights are exact. The mean weights of a model, corpus and emotion are its band profile, and
    profiles are correlated: two models on one corpus, one model on two corpora. Intervals allow for other speakers, shuffles for other models
    and corpora.

    As published, all models explain the same clips, which favours the claim: what is peculiar to a few clips is common to the models. So the
    same is also computed with other clips, one half of the speakers against the other half. Beside it: how well a model agrees with itself,
    what models recognise, and pixel flipping. A model that recognises nothing is left out, and the page says so.

    Writes emolime.html, reproduction.json, a CSV file a table, and figures. Takes an hour or two on two cores, most of it for explaining
    clips: start with `--clips 2`.

    Example: `cuelens reproduce emolime --corpus emodb --corpus ravdess --model egemaps --model dvectors --clips 4 --out emolime`
    """
    import os

    from cuelens.evaluate.emolime_models import DEFAULT_MODELS
    from cuelens.evaluate.emolime_plan import EMOTIONS
    from cuelens.evaluate.emolime_tasks import check_models
    from cuelens.evaluate.reproduce_emolime import reproduce_emolime
    from cuelens.report.emolime_report import write_emolime_report

    models = model or list(DEFAULT_MODELS)
    check_models(models)
    corpora = _load(corpus)
    result_folder(out_dir)
    with progress_bar() as progress:
        found = reproduce_emolime(
            corpora,
            models=models,
            emotions=emotion or EMOTIONS,
            n_clips=clips,
            n_folds=folds,
            target=target.value,
            variant="published" if published else "lossless",
            correlation=correlation.value,
            seed=seed,
            folder=out_dir,
            n_workers=workers or os.cpu_count() or 1,
            progress=StagedProgress(progress),
        )
    page = write_emolime_report(found, out_dir)
    _print(found)
    out.print(f"  page, tables and figures: {page}", markup=False, highlight=False, soft_wrap=True)


def _load(names: list[str] | None) -> list[Corpus]:
    """The corpora that were asked for, else those that are here."""
    from cuelens.corpora import load_corpus

    if names:
        return [load_corpus(name) for name in names]
    corpora = []
    for name in _CORPORA:
        try:
            corpora.append(load_corpus(name))
        except InputError as error:
            out.print(f"note: without {name}: {error}", markup=False, highlight=False)
    if len(corpora) < 2:
        raise InputError(
            f"{len(corpora)} of the corpora {', '.join(_CORPORA)} are on this machine; expected two "
            "or more: fetch them with `cuelens corpus get NAME`, or name others with --corpus"
        )
    return corpora


def _print(found: EmoLimeReproduction) -> None:
    """Recall, agreement, and what was found."""
    from cuelens.evaluate.emolime_reproduction import interval_text, p_text
    from cuelens.evaluate.robustness import ALL, DESIGNS

    recall = Table("recall of unheard speakers, %", box=None, pad_edge=False)
    corpora = [entry["name"] for entry in found.about["corpora"]]
    for name in corpora:
        recall.add_column(escape(name), justify="right")
    by_cell = {(row["model"], row["corpus"]): row for row in found.recall.to_dict("records")}
    for name in found.about["models"]:
        cells = [by_cell[name, where] for where in corpora]
        recall.add_row(
            escape(name),
            *[f"{100 * row['uar']:.0f}{' void' if row['void'] else ''}" for row in cells],
        )
    out.print(recall)
    for design in DESIGNS:
        out.print(f"\nagreement of band profiles, {design} (95 % intervals)", highlight=False)
        table = Table("emotion", box=None, pad_edge=False)
        for title in ("across models", "across corpora", "difference", "p"):
            table.add_column(title, justify="right")
        table.add_column("the claim")
        for emotion in (ALL, *found.emotions):
            models, corpora_, difference = (
                found.robustness.agreement_of(design, what, emotion)
                for what in ("models", "corpora", "difference")
            )
            p = found.robustness.test_of(design, "difference", emotion)["p"]
            table.add_row(
                emotion,
                interval_text(models),
                interval_text(corpora_),
                interval_text(difference, signed=True),
                p_text(p).removeprefix("p = ").removeprefix("p "),
                found.verdict(design, emotion),
            )
        out.print(table)
    out.print("\nwhat came out", highlight=False)
    for sentence in found.summary:
        out.print(f"  - {sentence}", highlight=False, markup=False, soft_wrap=True)
