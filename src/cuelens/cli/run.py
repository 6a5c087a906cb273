"""``cuelens run``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cuelens.cli.console import MODEL_HELP, err, out, progress_bar
from cuelens.cli.options import Seed

if TYPE_CHECKING:
    from cuelens.runs import Job, Run

_WHAT = "What is done"
_WHERE = "Where the work is done"
_SHOWN = 3  # failed clips that are printed
_PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}


class JobName(StrEnum):
    """Jobs of ``--job``."""

    explanations = "explanations"
    cues = "cues"
    embedding = "embedding"
    faithfulness = "faithfulness"


class Trust(StrEnum):
    """How much is tested, of ``--trust``."""

    quick = "quick"
    full = "full"


_EXPLAINED = {"model", "explainer", "units", "bands", "samples", "target"}
_TAKEN: dict[JobName, set[str]] = {
    JobName.explanations: {*_EXPLAINED, "trust"},
    JobName.cues: set(),
    JobName.embedding: {"embedding"},
    JobName.faithfulness: _EXPLAINED,
}
"""Options that are settings of a job."""


def run(
    context: typer.Context,
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIPS...",
            help="A corpus (name, folder or table as in `cuelens corpus list`), any folder of recordings, recordings, or a pattern in quotes such as 'calls/**/*.wav'.",
            show_default=False,
        ),
    ],
    job: Annotated[
        JobName,
        typer.Option(
            help="explanations: weights of every unit. cues: the voice, measured over each clip. embedding: vectors. faithfulness: how fast the answer falls as units go.",
            rich_help_panel=_WHAT,
        ),
    ] = JobName.explanations,
    model: Annotated[str, typer.Option(help=MODEL_HELP, rich_help_panel=_WHAT)] = "emodb-cnn",
    explainer: Annotated[
        str,
        typer.Option(
            help="shapley, lime, lime-64 (bands), shapley-windows (moments), lrp and others (moments, of networks), or python:package.module:name.",
            rich_help_panel=_WHAT,
        ),
    ] = "shapley",
    units: Annotated[
        str | None,
        typer.Option(
            help="Other units for shapley and lime, as for `cuelens explain`: windows, cells, words:FOLDER, ...",
            rich_help_panel=_WHAT,
            show_default=False,
        ),
    ] = None,
    bands: Annotated[
        int | None,
        typer.Option(
            help="Frequency bands of shapley and lime.  [default: 8]",
            min=2,
            max=64,
            rich_help_panel=_WHAT,
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Budget of model calls a clip.", rich_help_panel=_WHAT, show_default=False
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion to explain in every clip, or truth: each clip's own; by default the model's answer.",
            rich_help_panel=_WHAT,
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        Trust,
        typer.Option(
            help="full: also try other sound in the gaps, noise, shifts and codecs (several times the work).",
            rich_help_panel=_WHAT,
        ),
    ] = Trust.quick,
    embedding: Annotated[
        str | None,
        typer.Option(
            help="With --job embedding: a name as for `cuelens probe`, or model:NAME.",
            rich_help_panel=_WHAT,
            show_default=False,
        ),
    ] = None,
    max_clips: Annotated[
        int | None,
        typer.Option(
            "--clips", help="At most so many clips, drawn at random.", min=1, show_default=False
        ),
    ] = None,
    seed: Seed = 42,
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder of the results; a run that was stopped goes on there."),
    ] = Path("cuelens-run"),
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes; by default one a core.",
            min=1,
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Let the workers of a Dask cluster do the work: its scheduler's address, such as tcp://host:8786 (extra `cluster`).",
            metavar="ADDRESS",
            rich_help_panel=_WHERE,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Do one job for every clip of a corpus, on all cores or on many machines; nothing is lost.

    Results are Parquet files with one row a clip and unit, which pandas, Polars and DuckDB read at
    once: `OUT/shards/*.parquet`. A clip that cannot be read is a row with its reason. Stop it with
    Ctrl-C or however else: the same command goes on where it stopped.

    Then **cuelens report OUT** makes a page of a run of explanations.

    Examples
    --------
    - `cuelens run ravdess --out results --target truth`

    - `cuelens run 'calls/**/*.wav' --explainer shapley-windows --out results`

    - `cuelens run recordings/ --job cues --out cues`

    - `cuelens run emodb --cluster tcp://127.0.0.1:8786 --out results`

    - `duckdb -c "select unit, avg(weight) from 'results/shards/*.parquet' group by unit"`
    """
    from cuelens.cli.chosen_explainer import absolute, chosen_explainer
    from cuelens.errors import InputError
    from cuelens.evaluate.fills import FILLS
    from cuelens.runs import (
        CueValues,
        Embeddings,
        Explanations,
        FaithfulnessValues,
        find_clips,
        run_corpus,
    )
    from cuelens.runs.clips import drawn

    if workers is not None and cluster is not None:
        raise InputError("--workers are processes here, --cluster brings its own; expected one")
    _refuse_idle(context, job)
    asked: Job
    if job is JobName.cues:
        asked = CueValues()
    elif job is JobName.embedding:
        if embedding is None:
            raise InputError("--job embedding needs --embedding; expected a name, or model:NAME")
        asked = Embeddings(embedding=embedding)
    else:
        chosen, of_clips = chosen_explainer(
            explainer, units=units, bands=bands, samples=samples, seed=seed
        )
        explanations = Explanations(
            model=absolute(model),
            explainer=chosen,
            units=of_clips,
            target=target,
            thorough=trust is Trust.full,
        )
        asked = explanations
        if job is JobName.faithfulness:
            asked = FaithfulnessValues(explanations=explanations, fills=FILLS, seed=seed)
    found = drawn(find_clips(clips[0] if len(clips) == 1 else clips), max_clips, seed=seed)
    for note in found.notes:
        err.print("[yellow]note:[/yellow]", escape(note), highlight=False)
    with progress_bar(rate_of="clips") as progress:
        task = progress.add_task(found.name, total=len(found))

        def show(n_done: int, n_failed: int) -> None:
            failed = f" ({n_failed} failed)" if n_failed else ""
            progress.update(task, completed=n_done, description=f"{found.name}{failed}")

        result = run_corpus(
            found, asked, out_dir, n_workers=workers, cluster=cluster, progress=show
        )
    _print(result, job)


def _refuse_idle(context: typer.Context, job: JobName) -> None:
    """Whether every option that was given is one of the job's."""
    from cuelens.errors import InputError

    of_others = set().union(*_TAKEN.values()) - _TAKEN[job]
    for name in context.params:
        source = getattr(context.get_parameter_source(name), "name", "")
        if name in of_others and source == "COMMANDLINE":
            takers = [other.value for other, taken in _TAKEN.items() if name in taken]
            raise InputError(
                f"--{name} is for --job {' and '.join(takers)}; {job.value} does not take it: "
                "leave it out"
            )


def _print(result: Run, job: JobName) -> None:
    """What was done, what failed, and how to go on."""
    n_failed, n_clips = result.n_failed, result.manifest["n_clips"]
    done = f"{n_clips - n_failed} of {n_clips} clips" if n_failed else f"{n_clips} clips"
    out.print(f"{done}: {result.folder}/shards/*.parquet", **_PLAIN)
    if n_failed:
        err.print(f"{n_failed} clips failed; their rows have the reason:", **_PLAIN)
        for failure in result.failures().head(_SHOWN).itertuples():
            err.print(f"  {failure.reason}", **_PLAIN)
        if n_failed > _SHOWN:
            err.print("  ...", **_PLAIN)
    out.print("  read them: pandas.read_parquet(...), polars.read_parquet(...), duckdb", **_PLAIN)
    if job is JobName.explanations:
        out.print(f"  look at them: cuelens report {result.folder}", **_PLAIN)
