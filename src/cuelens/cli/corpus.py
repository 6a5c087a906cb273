"""``cuelens corpus``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import err, out, print_error, progress_bar
from cuelens.errors import CuelensError

corpus_app = typer.Typer(
    help="List, check and download corpora of emotional speech.", no_args_is_help=True
)


@corpus_app.command("list")
def list_corpora() -> None:
    """Corpora that cuelens knows, their licences, and which of them are on this machine."""
    from cuelens.corpora import DOWNLOADS, Layout, find_corpus, layout_named, layout_names

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "licence", "language", "here"):
        table.add_column(heading, no_wrap=heading == "name")
    layouts: dict[str, Layout] = {}
    for name in layout_names():
        try:
            layouts[name] = layout_named(name)
        except CuelensError as error:  # a broken package does not cost the others
            print_error(error)
    for name, layout in layouts.items():
        here = find_corpus(name)
        table.add_row(
            name,
            layout.licence,
            layout.language,
            "yes" if here else "no",
        )
    out.print(table, highlight=False)
    for name, layout in layouts.items():
        how = f"cuelens corpus get {name}" if name in DOWNLOADS else layout.how_to_get
        out.print(f"{name}: {how}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        "Any folder with one folder an emotion, and any CSV, Parquet or audformat table, can be used "
        "as well. Folders are looked for under CUELENS_DATA.",
        style="dim",
        highlight=False,
    )


@corpus_app.command("check")
def check(
    corpus: Annotated[
        str, typer.Argument(help="Folder, table, or name of a corpus.", metavar="DIR")
    ],
    layout: Annotated[
        str | None, typer.Option(help="Layout, if it is not recognised.", show_default=False)
    ] = None,
    speaker_pattern: Annotated[
        str | None,
        typer.Option(
            help="Regular expression with a group named speaker, for folders that do not tell.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Count, measure and doubt a corpus before trusting a result on it.

    Exit code 2 if files are missing or unreadable.
    """
    from cuelens.corpora import check_corpus, load_corpus

    loaded = load_corpus(corpus, layout=layout, speaker_pattern=speaker_pattern)
    with progress_bar() as progress:
        task = progress.add_task("reading", total=len(loaded))
        found = check_corpus(
            loaded, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    table = Table(box=None, pad_edge=False, title=f"{found.name}: clips", title_justify="left")
    table.add_column("speaker")
    for emotion in found.counts.columns:
        table.add_column(str(emotion), justify="right")
    table.add_column("all", justify="right", style="bold")
    for speaker, counts in found.counts.iterrows():
        table.add_row(str(speaker), *(str(n) for n in counts), str(counts.sum()))
    totals = found.counts.sum()
    table.add_row("all", *(str(n) for n in totals), str(totals.sum()), style="bold")
    out.print(table, highlight=False)
    rates = ", ".join(f"{rate} Hz ({n})" for rate, n in found.sample_rates.items())
    channels = ", ".join(f"{count} ({n})" for count, n in found.channels.items())
    lines = [
        f"licence: {found.licence}",
        f"sample rates: {rates}; channels: {channels}",
        f"durations: {found.min_s:.2f} to {found.max_s:.2f} s, median {found.median_s:.2f} s, "
        f"{found.total_s / 60:.1f} min in all",
        *(f"same sound: {', '.join(group)}" for group in found.duplicates),
        *(f"missing: {file}" for file in found.missing),
        *(f"unreadable: {reason}" for reason in found.unreadable.values()),
        *(f"note: {note}" for note in loaded.notes),
        *(f"warning: {warning}" for warning in found.warnings),
    ]
    for line in lines:
        out.print(escape(line), highlight=False, soft_wrap=True)
    if not found.complete:
        raise typer.Exit(2)


@corpus_app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Name from `cuelens corpus list`.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Folder to put it in; by default where cuelens looks for it by name.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Agree to the licence without asking.")
    ] = False,
) -> None:
    """Download a corpus whose licence allows it; its licence is shown first."""
    from cuelens.corpora import DOWNLOADS, get_corpus, layout_named

    if name in DOWNLOADS:
        layout = layout_named(name)
        for line in (layout.title, f"licence: {layout.licence}", layout.permits, layout.citation):
            err.print(escape(line), highlight=False)
        if not yes and not typer.confirm("Download under this licence?", err=True):
            raise typer.Exit(1)
    with progress_bar() as progress:
        task = progress.add_task(f"{name} (bytes)", total=None)
        place = get_corpus(
            name,
            folder=folder,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    out.print(str(place), markup=False, highlight=False, soft_wrap=True)
