"""``cuelens evaluate planted-cues``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import StagedProgress, out, progress_bar, result_folder
from cuelens.cli.options import Seed, Workers

if TYPE_CHECKING:
    from cuelens.evaluate.planted_cues_result import PlantedCues


def planted_cues(
    corpus: Annotated[
        str,
        typer.Option(
            help="Real speech to edit: a name, folder or table as in `cuelens corpus list`, with two speakers or more that have five neutral clips each (four to probe).",
            show_default=False,
        ),
    ],
    edit: Annotated[
        list[str] | None,
        typer.Option(
            help="What is edited; repeatable. f0-level, f0-range, tempo, level, tilt, jitter, breathiness. [default: all]",
            show_default=False,
        ),
    ] = None,
    emotion: Annotated[
        list[str] | None,
        typer.Option(
            help="Emotion of the clips; repeatable. [default: neutral and calm]",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option(help="Clips to learn from, to compare with and to test on.", min=10)
    ] = 160,
    test: Annotated[int, typer.Option(help="Clips that are explained, of each edit.", min=1)] = 40,
    probes: Annotated[
        int,
        typer.Option(help="Random embeddings that are probed, of each edit; 0: none.", min=0),
    ] = 3,
    seed: Seed = 0,
    workers: Workers = None,
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for tables; an interrupted run goes on.")
    ] = Path("cuelens-planted-cues"),
) -> None:
    """How often the cue table and probing find an acoustic cue that was edited: ground truth on real speech.

    Whole clips are edited in one cue through the WORLD vocoder (extra synth): pitch, its range, tempo, level, spectral tilt, jitter or
    breathiness. A model learns to tell edited clips from untouched ones, which went through the vocoder too; clips of speakers that it has not
    heard are explained, and their cues compared with other untouched clips of the same speaker. Nothing else was changed, so the edited cue
    should come first. A model that is right for less than 95 % of held-out clips makes its edit void.

    Prints a line an edit. first: share of clips in which the edited cue leads the table, in the right direction. untouched: how often it leads
    for the untouched clip at the same moments, which is chance. named: the account of the clip names it first. change: it is what the edit
    changed most against the clip itself; where that is high and first is low, clips differ by themselves in another cue. SD: distance from the
    speaker's other clips, and that of the untouched clip. Then what probing says of embeddings that hold the cue. Writes planted_cues.json,
    leaderboard.csv, clips.csv, cues.csv and probes.csv.

    Example: `cuelens evaluate planted-cues --corpus ravdess --edit f0-level --edit tilt --out planted-cues`
    """
    from cuelens.corpora import canonical_emotion, load_corpus
    from cuelens.evaluate.cue_edits import CUE_EDITS
    from cuelens.evaluate.planted_cues import EMOTIONS, evaluate_planted_cues

    loaded = load_corpus(corpus)
    result_folder(out_dir)
    with progress_bar() as progress:
        result = evaluate_planted_cues(
            loaded,
            edits=edit or tuple(CUE_EDITS),
            emotions=[canonical_emotion(name) for name in emotion or EMOTIONS],
            n_clips=clips,
            n_test=test,
            n_probes=probes,
            seed=seed,
            folder=out_dir,
            n_workers=workers or os.cpu_count() or 1,
            progress=StagedProgress(progress),
        )
    result.save(out_dir)
    print_planted_cues(result)
    out.print(f"  tables: {out_dir}", markup=False, highlight=False, soft_wrap=True)


def print_planted_cues(result: PlantedCues) -> None:
    """Models that cannot tell, the cue table's and probing's hits, and what failed."""
    from cuelens.cues import CUES

    for model in result.models.to_dict("records"):
        if model["void"]:
            out.print(
                f"  void: {model['edit']} is told from untouched for {model['recall']:.1%} of "
                "held-out clips only; expected 95 %",
                highlight=False,
                markup=False,
            )
    board = result.leaderboard()
    if board.empty:
        out.print("  no model learned to tell edited from untouched clips: nothing to explain")
    else:
        out.print(_cue_table(board.to_dict("records"), {key: c.title for key, c in CUES.items()}))
    probed = result.probe_board()
    if not probed.empty:
        out.print(_probe_table(probed.to_dict("records")))
    for error in sorted(set(result.errors)):
        out.print(f"  failed: {error}", highlight=False, markup=False, soft_wrap=True)


def _cue_table(rows: list[dict[Any, Any]], titles: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = "does the edited cue lead the cue table? (95 % intervals over speakers)"
    table.add_column("edit", no_wrap=True)
    table.add_column("clips", justify="right")
    for name in ("whole clip", "else led by", "in moments", "untouched", "else led by"):
        table.add_column(name)
    for row in rows:
        shares = [
            f"{row[kind]:.0%} ({row[f'{kind}_low']:.0%}–{row[f'{kind}_high']:.0%})"
            for kind in ("clip_first", "first")
        ]
        rivals = [
            f"{titles[row[kind]]} ({row[f'{kind}_share']:.0%})" if row[kind] else ""
            for kind in ("clip_rival", "rival")
        ]
        table.add_row(
            *(escape(str(row["edit"])), str(row["n_clips"])),
            *(shares[0], rivals[0], shares[1]),
            *(f"{row['untouched_first']:.0%}", rivals[1]),
            style="bold" if row["above_chance"] else "",
        )
    return table


def _probe_table(rows: list[dict[Any, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = "does probing call it used, and nothing that was shuffled?"
    table.add_column("edit", no_wrap=True)
    for name in ("used", "undecided", "wrong", "shuffled called used", "right"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            escape(str(row["edit"])),
            f"{row['used']} of {row['n_draws']}",
            str(row["undecided"]),
            str(row["wrong"]),
            f"{row['falsely_used']} of {row['n_shuffled']}",
            f"{row['right']:.0%}",
        )
    return table
