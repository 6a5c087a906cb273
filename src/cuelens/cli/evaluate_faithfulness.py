"""``cuelens evaluate faithfulness``."""

from __future__ import annotations

import math
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cuelens.cli.console import out, progress_bar, result_folder
from cuelens.cli.options import Clips, ModelName, Seed, Speakers, Workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from cuelens.evaluate.faithfulness_result import Faithfulness
    from cuelens.models import Model

_FOR_ANY_MODEL = ("shapley", "lime-64", "shapley-windows")
_OF_NETWORKS = ("grad-cam", "lrp")  # one pass each; both need PyTorch


def faithfulness(
    model: ModelName = "emodb-cnn",
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Corpus: a name, folder or table as in `cuelens corpus list`; by default the synthetic clips that come with cuelens, which are few.",
            show_default=False,
        ),
    ] = None,
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            help="Explainer to judge; repeatable, the others are compared with the first. shapley, lime, lime-64, published, shapley-windows, lime-windows, occlusion, grad-cam, integrated-gradients, lrp, crp, occlusion-published, or python:package.module:name. [default: shapley, lime-64, shapley-windows, and of networks grad-cam and lrp]",
            show_default=False,
        ),
    ] = None,
    fill: Annotated[
        list[str] | None,
        typer.Option(
            help="What stands where a unit is removed; repeatable. silence, mean spectrum, noise. [default: all three]",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        bool,
        typer.Option(
            "--cells/--own-units",
            help="Remove the same cells (8 bands by 150 ms) for every explainer, so that all of them compare; or each explainer's own units.",
        ),
    ] = False,
    clips: Clips = 40,
    speakers: Speakers = None,
    seed: Seed = 0,
    workers: Workers = None,
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder for tables and the figure; an interrupted run goes on."),
    ] = Path("cuelens-faithfulness"),
) -> None:
    """Does the answer fall when what is said to matter is removed?

    The units of each explanation (bands, moments, or cells of a map) are removed from the sound, most relevant first, or put back. The
    model is asked at every step, and the same is done in random orders and, for up to 9 units, in the best order there is. A removed unit
    leaves silence, or the same unit of another sound: what is found with silence alone may be about the hole.

    Deletion area: mean probability of the answer on the way, lower is better; insertion area: higher is better. Percentile: share of random
    orders that do worse, 50 is chance. Lost without the top: probability lost without the most relevant units, up to half of them
    (comprehensiveness); lost with the top only: sufficiency, lower is better. Answers kept: share of the same steps at which the answer
    stays. Figures of explainers with other units do not compare, unless all are judged by `--cells`.

    Writes faithfulness.json, faithfulness.csv (a row a clip, explainer and fill) and faithfulness.png. Use speakers that the model has not
    heard in training. Some 5 to 30 s a clip.

    Example: `cuelens evaluate faithfulness --corpus emodb --speakers 09,13 --explainer shapley --explainer lrp --cells --out faithfulness`
    """
    from cuelens.corpora import demo_corpus, load_corpus
    from cuelens.evaluate.explainers import explainer_named
    from cuelens.evaluate.faithfulness_corpus import evaluate_faithfulness
    from cuelens.evaluate.fills import FILLS, checked_fill
    from cuelens.models import load_model
    from cuelens.units import TimeFrequencyCells

    fills = [checked_fill(name) for name in fill or FILLS]
    loaded = load_model(model)
    chosen = {name: explainer_named(name) for name in explainer or default_explainers(loaded)}
    found = demo_corpus() if corpus is None else load_corpus(corpus)
    if speakers is not None:
        found = found.select(speakers=[name.strip() for name in speakers.split(",")])
    result_folder(out_dir)
    n_workers = workers or os.cpu_count() or 1
    with progress_bar() as progress:
        task = progress.add_task(found.name, total=min(clips, len(found)))
        result = evaluate_faithfulness(
            found,
            loaded,
            chosen,
            n_clips=clips,
            seed=seed,
            fills=fills,
            cells=TimeFrequencyCells() if cells else None,
            journal=out_dir / "clips.jsonl",
            n_workers=n_workers if n_workers > 1 else None,
            progress=lambda n: progress.advance(task, n),
        )
    result.save(out_dir)
    _print(result)
    out.print(f"  tables and figure: {out_dir}", markup=False, highlight=False, soft_wrap=True)


def default_explainers(model: Model) -> list[str]:
    """Explainers that are cheap and can explain a model here."""
    from cuelens.models.network import is_network

    inside = is_network(model) and find_spec("torch") is not None
    return [*_FOR_ANY_MODEL, *(_OF_NETWORKS if inside else ())]


_FEW = 10
_LEGEND = (
    "  Deletion: area under the answer as units go, most supporting first (lower is better than in "
    "brackets, random order;\n  difference below 0). Insertion: as they come (higher is better). "
    "Percentile: share of random orders beaten, 50 is chance.\n  Lost without the top units: higher "
    "is better; with them only: lower. Answers kept: clips answered as before without them."
)


def _print(result: Faithfulness) -> None:
    """A table a fill; what was left out."""
    about = result.about
    summary = result.summary()
    out.print(
        f"{about['model']} on {about['corpus']}: {about['n_clips']} clips, means with 95 % intervals",
        highlight=False,
        markup=False,
    )
    for name in about["fills"]:
        part = summary[summary["fill"] == name]
        if not part.empty:
            out.print(_table(part, f"removed units filled with {name}"))
    out.print(_LEGEND, highlight=False, style="dim")
    if about["n_clips"] < _FEW:
        out.print(
            f"  {about['n_clips']} clips are too few to trust the intervals; expected {_FEW} or more",
            highlight=False,
        )
    for name, why in about["skipped"].items():
        out.print(f"  left out: {name} {why}", highlight=False, markup=False, soft_wrap=True)
    failed = [entry for entry in result.entries if entry["error"]]
    if failed:
        out.print(
            f"  {len(failed)} of {len(result.entries)} explanations could not be judged (see "
            f"faithfulness.csv), the first because: {failed[0]['error']}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _table(summary: pd.DataFrame, title: str) -> Table:
    """One row an explainer; bold where removal beats random order beyond the interval."""
    table = Table(
        box=None, pad_edge=False, title=f"  {title}", title_justify="left", title_style=""
    )
    for name in ("explainer", "removed"):
        table.add_column(name, no_wrap=True)
    for name in (
        *("clips", "deletion area (random)", "difference", "insertion area (random)"),
        *("percentile of both", "lost without / with top only", "answers kept (random)"),
    ):
        table.add_column(name, justify="right")
    paired = bool(summary["minus_first"].notna().any())
    if paired:
        table.add_column(f"deletion area minus {summary['explainer'].iloc[0]}", justify="right")
    for explainer, part in summary.groupby("explainer", sort=False):
        rows = {str(row["measure"]): row for row in part.to_dict("records")}
        deletion, kept = rows["deletion_area"], rows["answers_kept"]
        ranks = [100 * rows[f"percentile_{name}"]["mean"] for name in ("deletion", "insertion")]
        lost = [rows[name]["mean"] for name in ("comprehensiveness", "sufficiency")]
        cells = [
            str(explainer).removeprefix("python:"),
            str(deletion["removed"]).split()[-1],
            str(deletion["n_clips"]),
            _against_random(deletion),
            _with_interval(deletion, "minus_random"),
            _against_random(rows["insertion_area"]),
            f"{ranks[0]:.0f}, {ranks[1]:.0f}",
            f"{lost[0]:+.2f} / {lost[1]:+.2f}",
            f"{kept['mean']:.0%} ({kept['random']:.0%})",
        ]
        if paired:
            known = not math.isnan(deletion["minus_first"])
            cells.append(_with_interval(deletion, "minus_first") if known else "")
        table.add_row(*cells, style="bold" if deletion["minus_random_high"] < 0 else "")
    return table


def _against_random(row: Mapping[Any, Any]) -> str:
    return f"{row['mean']:.2f} ({row['random']:.2f})"


def _with_interval(row: Mapping[Any, Any], name: str) -> str:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return f"{value:+.2f}" + ("" if math.isnan(low) else f" ({low:+.2f} to {high:+.2f})")
