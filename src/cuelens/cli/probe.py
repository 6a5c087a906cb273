"""``cuelens probe``."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import StagedProgress, err, out, progress_bar, result_folder
from cuelens.cli.embedding import embed

if TYPE_CHECKING:
    from cuelens.features.embedding import EmbeddedCorpus
    from cuelens.probe import ProbeResult


_HEADS = {
    "carried and used": "used",
    "carried, not used": "unused",
    "not carried": "absent",
    "undecided": "undecided",
}


class BalanceName(StrEnum):
    """What ``--balance`` takes."""

    weighted = "weighted"
    published = "published"


class ImportanceName(StrEnum):
    """What ``--importance`` takes."""

    shap = "shap"
    integrated_gradients = "integrated-gradients"
    permutation = "permutation"


def probe(
    corpus: Annotated[
        str,
        typer.Option(
            help="Corpus: a name, folder or table (CSV, Parquet) as in `cuelens corpus list`; every clip needs a speaker, and there must be four or more.",
            show_default=False,
        ),
    ],
    embedding: Annotated[
        str,
        typer.Option(
            help="egemaps, compare, byols[:FILE], dvectors, hf:ORG/NAME or hf:FOLDER, model:NAME (what the last layer of a model is shown), or a table of vectors: FILE.npy (with FILE.csv or FILE.txt naming the clip of each row), .parquet, .csv."
        ),
    ] = "egemaps",
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for report, tables and figures.")
    ] = Path("cuelens-probe"),
    emotions: Annotated[
        str | None,
        typer.Option(
            help="Only these emotions, separated by commas; by default all of the corpus.",
            show_default=False,
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of numbers to predict as well, such as arousal; repeatable.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str,
        typer.Option(help="last, all, or names of layers separated by commas."),
    ] = "last",
    normalise: Annotated[
        bool,
        typer.Option(
            "--normalise/--no-normalise",
            help="Z-scores by speaker of the vectors and the features, from all clips of the speaker; labels are never looked at.",
        ),
    ] = True,
    balance: Annotated[
        BalanceName,
        typer.Option(
            help="weighted: all clips, both classes counting the same; published: 96 clips of the emotion and as many of the others."
        ),
    ] = BalanceName.weighted,
    importance: Annotated[
        ImportanceName, typer.Option(help="How dimensions are ranked.")
    ] = ImportanceName.shap,
    permutations: Annotated[
        int,
        typer.Option(
            help="Shuffles for the tests; 0 leaves them out (then nothing is called carried or used).",
            min=0,
        ),
    ] = 200,
    mlp: Annotated[
        bool,
        typer.Option("--mlp", help="Also a small neural network as the probe (minutes)."),
    ] = False,
    attach: Annotated[
        Path | None,
        typer.Option(
            help="Model folder whose embedding this is: `cuelens explain` then says which cues it carries.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Find out what an embedding knows about the voice, and which of it an emotion is told from.

    For each of the 88 eGeMAPS features: can it be read from the embedding, for speakers that were
    left out? Does it sit in the dimensions that matter for an emotion, and does the emotion need it?
    Verdicts come from stated rules on intervals, against shuffled features and shuffled labels.
    Also what else the dimensions tell: speaker, sex, sentence, level, duration.

    Vectors are kept between runs; an interrupted run goes on. Writes report.html, probe.json, tables
    (Parquet) and figures.

    Examples
    --------
    - `cuelens probe --corpus ravdess --embedding byols --out probe` (needs the extra `torch`)

    - `cuelens probe --corpus clips.csv --embedding vectors.npy --out probe`

    - `cuelens probe --corpus emodb --embedding model:emodb-cnn --attach my-model/ --out probe`
    """
    from cuelens.corpora import load_corpus
    from cuelens.features import FeatureCache
    from cuelens.probe import ProbeProfile, Probing, measure_acoustics
    from cuelens.report.probe_report import write_probe_report

    found = load_corpus(corpus)
    for note in found.notes:
        err.print(f"note: {note}", markup=False, highlight=False)
    probing = Probing(
        emotions=None if emotions is None else tuple(part.strip() for part in emotions.split(",")),
        values=tuple(value or ()),
        balance=balance.value,
        normalise=normalise,
        importance=importance.value.replace("-", "_"),  # type: ignore[arg-type]
        n_permutations=permutations,
        mlp=mlp,
        seed=seed,
    )
    probing.check(found)  # before the work, so that a mistake costs nothing
    result_folder(out_dir)
    if attach is not None:
        _refuse_no_model(attach)
    cache = FeatureCache()
    with progress_bar() as progress:
        embedding_task = progress.add_task(f"embedding with {embedding}", total=len(found))
        embedded = embed(
            found, embedding, cache=cache, progress=lambda n: progress.advance(embedding_task, n)
        )
        task = progress.add_task("measuring 88 acoustic features", total=len(found))
        acoustics = measure_acoustics(
            found, cache=cache, progress=lambda n: progress.advance(task, n)
        )
        result = probing.probe(
            found,
            embedded,
            acoustics,
            layers=_layers(embedded, layers),
            progress=StagedProgress(progress),
        )
    if embedding.startswith("model:"):
        note = (
            "If the model itself has learned from these clips, its scores here are too high: they "
            "are for speakers left out of the probe, not out of the model's training."
        )
        notes = [*result.about["notes"], note]
        result = replace(result, about={**result.about, "notes": notes})
    report = write_probe_report(result, out_dir)
    _print(result)
    if attach is not None:
        file = ProbeProfile.of(result).save(attach)
        out.print(f"  attached: {file}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"  report: {report}", markup=False, highlight=False, soft_wrap=True)


def _refuse_no_model(folder: Path) -> None:
    from cuelens.models.folder import read_model_json

    read_model_json(folder)


def _layers(embedded: EmbeddedCorpus, wanted: str) -> tuple[str, ...]:
    from cuelens.errors import InputError

    if wanted == "last":
        return (embedded.layers[-1],)
    if wanted == "all":
        return embedded.layers
    names = tuple(name.strip() for name in wanted.split(","))
    unknown = [name for name in names if name not in embedded.layers]
    if unknown:
        raise InputError(
            f"{embedded.name} has no layer {unknown[0]!r}; expected last, all, or some of "
            f"{', '.join(embedded.layers)}"
        )
    return names


def _print(result: ProbeResult) -> None:
    """The account, how well each emotion is told, and how many features have which verdict."""
    from cuelens.cues.probed import probe_account

    about = result.about
    out.print(
        f"{about['embedding']} ({about['n_dimensions']} dimensions) on {about['corpus']}: "
        f"{about['n_clips']} clips, {about['n_speakers']} speakers",
        markup=False,
        highlight=False,
    )
    last = about["layers"][-1]
    features = result.features[result.features["layer"] == last]
    tasks = result.tasks[result.tasks["layer"] == last]
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    if len(about["layers"]) > 1:
        table.title = f"  {last}; the others are in the report"
    for head in ("task", "told (95 %)", "eGeMAPS", "n", *_HEADS.values()):
        table.add_column(head, justify="left" if head == "task" else "right", no_wrap=True)
    for row in tasks.to_dict("records"):
        of_task = features[features["task"] == row["task"]]["verdict"]
        table.add_row(
            escape(str(row["task"])),
            f"{row['score']:.2f} ({row['score_low']:.2f}-{row['score_high']:.2f})",
            f"{row['score_features']:.2f}",
            str(row["n_top"]),
            *(str(int((of_task == verdict).sum())) for verdict in _HEADS),
        )
    table.caption = (
        "told: recall of the task from the embedding (R² for values), eGeMAPS: from the 88 features,\n"
        "n: dimensions that matter; then features carried and used, carried but unused, absent"
    )
    table.caption_justify = "left"
    out.print(table)
    for line in probe_account(result).splitlines():
        out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
