"""``cuelens group``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import out, progress_bar, result_folder
from cuelens.cli.evaluate_stability import chosen_corpus, n_processes, print_failed
from cuelens.cli.options import FigureFormatName, Figures, ModelName, Seed, Speakers, Workers

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from cuelens.evaluate.group import Group
    from cuelens.evaluate.group_cues import CueComparison


class By(StrEnum):
    """Columns of ``--by``."""

    emotion = "emotion"
    speaker = "speaker"
    corpus = "corpus"
    answer = "answer"
    correct = "correct"


def group(
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            help="Corpus: a name, folder or table as in `cuelens corpus list`; repeatable; by default the 10 synthetic demo clips.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        By, typer.Option(help="What makes a group; correct: right and wrong answers.")
    ] = By.emotion,
    model: ModelName = "emodb-cnn",
    explainer: Annotated[
        str,
        typer.Option(
            help="shapley, lime, lime-64 (bands), shapley-windows, lrp and others (moments, as shares of the clip), or python:package.module:name."
        ),
    ] = "shapley",
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion to explain in every clip, or truth: each clip's own; by default the model's answer.",
            show_default=False,
        ),
    ] = None,
    difference: Annotated[
        str | None,
        typer.Option(
            help="Two groups to compare, separated by a comma, such as anger,neutral.",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option(help="Clips of each corpus, emotions and speakers equally often.", min=1)
    ] = 40,
    speakers: Speakers = None,
    seed: Seed = 0,
    workers: Workers = None,
    out_dir: Annotated[
        Path,
        typer.Option(
            "--out", help="Folder for report, tables and figure; an interrupted run goes on."
        ),
    ] = Path("cuelens-group"),
    figures: Figures = FigureFormatName.png,
) -> None:
    """Average explanations over groups of clips: by emotion, speaker, corpus, right or wrong.

    Prints the mean weight of every band with its 95 % interval over speakers, and with **--difference**
    how two groups differ: where a speaker says one sentence in both, that pair is compared. Says which
    acoustic cues of the clips differ between these two, and between right and wrong answers.

    Writes report.html (by emotion, by speaker, right against wrong, cues that differ, typical clips to
    hear), group.csv, group.json, the figures, clips.csv (a row a clip and unit), cues.csv (a row a clip
    and cue) and difference.csv.

    Examples
    --------
    - `cuelens group --corpus emodb --by emotion --target truth`

    - `cuelens group --corpus emodb --clips 120 --target anger --difference anger,happiness`
    """
    from cuelens.errors import InputError
    from cuelens.evaluate.explainers import explainer_named
    from cuelens.evaluate.group import explain_group
    from cuelens.models import load_model
    from cuelens.report.group_report import GroupDifference, corpus_sounds, write_group_report

    compared = None
    if difference is not None:
        first, comma, second = (part.strip() for part in difference.partition(","))
        if not comma or "," in second:
            raise InputError(
                f"--difference is {difference!r}; expected two groups and a comma between them, "
                "such as anger,neutral"
            )
        compared = (first, second)
    loaded = load_model(model)
    chosen = explainer_named(explainer, seed=seed)
    names: Sequence[str | None] = corpus or [None]
    corpora = [chosen_corpus(name, speakers) for name in names]
    result_folder(out_dir)
    with progress_bar() as progress:
        task = progress.add_task("clips", total=sum(min(clips, len(one)) for one in corpora))
        found = explain_group(
            corpora,
            loaded,
            chosen,
            n_clips=clips,
            target=target,
            seed=seed,
            journal=out_dir / "group.jsonl",
            n_workers=n_processes(workers),
            progress=lambda n: progress.advance(task, n),
        )
    found.save(out_dir, by.value, compared=compared, figures=figures.value)
    print_failed(found.about["failed"], found.n_clips)
    _print(found, by)
    (out_dir / "difference.csv").unlink(missing_ok=True)
    difference_found = None
    if compared is not None:
        first, second = compared
        table = found.difference(first, second, by=by.value)
        table.to_csv(out_dir / "difference.csv", index=False)
        _print_difference(table, first, second)
        difference_found = GroupDifference(first=first, second=second, table=table)
    comparisons = found.cue_differences(by.value, compared)
    for one in comparisons:
        _print_cues(one)
    page = write_group_report(
        out_dir / "report.html",
        found,
        by=by.value,
        sounds=corpus_sounds(corpora),
        difference=difference_found,
        cue_differences=comparisons,
    )
    out.print(f"  report: {page}", markup=False, highlight=False, soft_wrap=True)


def _print(found: Group, by: By) -> None:
    about = found.about
    out.print(
        f"{about['model']} on {', '.join(about['corpora'])}: {found.n_clips} clips; mean weights",
        markup=False,
        highlight=False,
    )
    from cuelens.evaluate.intervals import MIN_CLUSTERS

    means = found.means(by.value)
    cells = {(row["group"], row["unit"]): _cell(row) for row in means.to_dict("records")}
    n_clips = means.groupby("group")["n_clips"].max()
    names = found.groups(by.value)
    table = Table(box=None, pad_edge=False)
    table.add_column("  unit", no_wrap=True)
    for name in names:
        table.add_column(escape(name), justify="right", no_wrap=True)
    table.add_row("  clips", *(f"{n_clips[name]} " for name in names), style="dim")
    for unit in found.units:
        table.add_row(f"  {escape(unit)}", *(cells[name, unit] for name in names))
    out.print(table, highlight=False)
    few = means["n_speakers"].min() < MIN_CLUSTERS
    over = "speakers (clips, of fewer than three)" if few else "speakers"
    out.print(f"  * the 95 % interval over {over} excludes 0", style="dim", highlight=False)


def _cell(row: Mapping[Hashable, Any]) -> str:
    sure = row["low"] > 0 or row["high"] < 0
    return f"{row['mean']:+.2f}{'*' if sure else ' '}"


def _print_difference(frame: pd.DataFrame, first: str, second: str) -> None:
    paired = bool(frame["paired"].iloc[0])
    how = (
        f"{int(frame['n'].max())} pairs of one speaker and sentence"
        if paired
        else f"{int(frame['n'].max())} clips, not paired"
    )
    out.print(f"{first} minus {second}: {how}", markup=False, highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("  unit", no_wrap=True)
    table.add_column("difference (95 %)", justify="right", no_wrap=True)
    for row in frame.to_dict("records"):
        text = f"{row['difference']:+.3f}"
        if row["low"] == row["low"]:
            text += f" ({row['low']:+.3f} to {row['high']:+.3f})"
        table.add_row(f"  {escape(str(row['unit']))}", text)
    out.print(table, highlight=False)


def _print_cues(found: CueComparison) -> None:
    within = f" of clips of one {found.within}" if found.within else ""
    out.print(f"cues{within}, {found.account}", markup=False, highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("  cue", no_wrap=True)
    table.add_column("SD (95 %)", justify="right", no_wrap=True)
    for row in found.table[found.table["differs"]].to_dict("records"):
        text = f"{row['effect']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
        table.add_row(f"  {escape(row['title'])}", text)
    if table.row_count:
        out.print(table, highlight=False)
