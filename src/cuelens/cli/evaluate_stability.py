"""``cuelens evaluate stability``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import err, out, progress_bar, result_folder
from cuelens.cli.options import Clips, ModelName, Seed, Speakers, Workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cuelens.corpora import Corpus
    from cuelens.evaluate.stability import Stability
    from cuelens.explain.named import Explainer
    from cuelens.models import Model

_CHEAP = ("shapley", "shapley-windows", "lrp")  # 20 s a clip and core, all changes
_CHEAP_ANY = ("lime-64", "shapley-windows")  # models that are no network are slower


def stability(
    model: ModelName = "emodb-cnn",
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Corpus: a name, folder or table as in `cuelens corpus list`; by default the 10 synthetic demo clips.",
            show_default=False,
        ),
    ] = None,
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            help="shapley, lime, lime-64, published, shapley-windows, lime-windows, occlusion, grad-cam, integrated-gradients, lrp, crp, or python:package.module:name; repeatable. By default shapley, shapley-windows and lrp of a network, lime-64 and shapley-windows of other models.",
            show_default=False,
        ),
    ] = None,
    clips: Clips = 40,
    speakers: Speakers = None,
    seed: Seed = 0,
    workers: Workers = None,
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder for table and figure; an interrupted run goes on."),
    ] = Path("cuelens-stability"),
) -> None:
    """Find out whether explanations stay when nothing that matters changes.

    Each clip is explained, changed, and explained again for the same label: another seed of the
    explainer, noise 40 dB below the voice, a shift of 5 ms either way, MP3, Ogg Vorbis, a telephone
    line. Ranks of the weights are compared: 1 is the same order, 0 none in common.

    Explanations of different clips are alike too, so their rank correlation is the level to read
    this against: an explanation that a codec makes as unlike itself as another clip's says little.
    A change of the model's own answer is shown beside it.

    Writes stability.json, stability.csv (a row a clip, explainer and change) and stability.png.
    Some 20 seconds a clip and core for emodb-cnn.

    Examples
    --------
    - `cuelens evaluate stability --clips 4 --explainer lrp`

    - `cuelens evaluate stability --corpus emodb --speakers 03,08 --explainer shapley --explainer lime-64`
    """
    from cuelens.evaluate.stability import evaluate_stability
    from cuelens.models import load_model

    loaded = load_model(model)
    chosen = chosen_explainers(explainer, loaded, seed=seed)
    found = chosen_corpus(corpus, speakers)
    result_folder(out_dir)
    with progress_bar() as progress:
        task = progress.add_task(found.name, total=min(clips, len(found)))
        result = evaluate_stability(
            found,
            loaded,
            chosen,
            n_clips=clips,
            seed=seed,
            journal=out_dir / "stability.jsonl",
            n_workers=n_processes(workers),
            progress=lambda n: progress.advance(task, n),
        )
    result.save(out_dir)
    _print(result)
    out.print(f"  table and figure: {out_dir}", markup=False, highlight=False, soft_wrap=True)


def chosen_corpus(name: str | None, speakers: str | None) -> Corpus:
    """The corpus that was asked for, or the demo clips; only some speakers."""
    from cuelens.corpora import demo_corpus, load_corpus

    found = demo_corpus() if name is None else load_corpus(name)
    for note in found.notes:
        err.print(f"note: {note}", markup=False, highlight=False)
    if speakers is None:
        return found
    return found.select(speakers=[part.strip() for part in speakers.split(",")])


def chosen_explainers(
    names: Sequence[str] | None, model: Model, *, seed: int
) -> Mapping[str, Explainer]:
    """Explainers by name; by default a cheap choice of those that apply."""
    from cuelens.evaluate.explainers import explainer_named
    from cuelens.models.network import is_network

    default = _CHEAP if is_network(model) else _CHEAP_ANY
    return {name: explainer_named(name, seed=seed) for name in names or default}


def n_processes(workers: int | None) -> int | None:
    """Worker processes, one a core unless said otherwise; None where one is enough: this one."""
    n = workers or os.cpu_count() or 1
    return None if n == 1 else n


def print_failed(failed: Mapping[str, str], n_clips: int) -> None:
    """How many clips failed, and why the first did."""
    if failed:
        first = next(iter(failed.values()))
        err.print(
            f"{len(failed)} of {len(failed) + n_clips} clips failed, the first because: {first}",
            markup=False,
            highlight=False,
        )


def _print(result: Stability) -> None:
    about = result.about
    print_failed(about["failed"], about["n_clips"])
    out.print(
        f"{about['model']} on {about['corpus']}: {about['n_clips']} clips",
        markup=False,
        highlight=False,
    )
    summary = result.summary()
    for explainer, part in summary.groupby("explainer", sort=False):
        table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
        table.title = f"  {escape(str(explainer))}"
        table.add_column("change", no_wrap=True)
        for head in ("ranks (95 %)", "top 3", "change of p", "answers"):
            table.add_column(head, justify="right", no_wrap=True)
        for change, rows in part.groupby("perturbation", sort=False):
            by_measure = {row["measure"]: row for row in rows.to_dict("records")}
            certain = bool(rows["by_definition"].any())
            ranks = number(by_measure["rank_correlation"], "mean", interval=not certain)
            table.add_row(
                escape(str(change)),
                f"{ranks} (nothing random)" if certain else ranks,
                number(by_measure.get("top_overlap"), "mean"),
                number(by_measure.get("absolute_probability_change"), "mean"),
                number(by_measure.get("answer_changed"), "mean", percent=True),
            )
        out.print(table)
    out.print(
        "  ranks: rank correlation of all weights; top 3: share of the 3 most supporting units kept;\n"
        "  change of p: of the label that is explained, up or down; answers: share that changed",
        style="dim",
        highlight=False,
    )
    for sentence in result.sentences().values():
        out.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)


def number(
    row: Mapping[object, float] | None,
    name: str,
    *,
    interval: bool = False,
    percent: bool = False,
) -> str:
    """A cell of a table: a number, its interval in brackets, "-" where unknown."""
    if row is None or row[name] != row[name]:
        return "-"
    text = f"{row[name]:.0%}" if percent else f"{row[name]:.2f}"
    if interval and row["low"] == row["low"]:
        text += f" ({row['low']:.2f} to {row['high']:.2f})"
    return text
