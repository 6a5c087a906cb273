"""``cuelens demo``."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cuelens.cli.console import err, out

if TYPE_CHECKING:
    from cuelens.corpora import Corpus

_CORPUS_CLIPS = 6


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the reports.")] = Path(
        "cuelens-demo"
    ),
    model: Annotated[str, typer.Option(help="Model to explain.")] = "emodb-cnn",
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Corpus to take clips from; by default one under CUELENS_DATA, else the synthetic clips that come with cuelens.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Explain a few clips and write their reports: the quickest way to see what cuelens does.

    Uses real speech when a corpus is named or found under CUELENS_DATA, otherwise synthetic speech
    (espeak-ng and the WORLD vocoder) that comes with cuelens. Nothing is downloaded.
    """
    from cuelens.cli.explain import unique_folders
    from cuelens.cli.explain_clip import checked_model, explain_one
    from cuelens.explain import EmoLime
    from cuelens.models import load_model
    from cuelens.report import CueSettings, carried_cues

    clips, source, known = _clips(corpus)
    out.print(f"Explaining {len(clips)} clips ({source}) with {model}.", highlight=False)
    loaded = load_model(model)
    carried = carried_cues(model)
    checked = checked_model(loaded)
    reports = []
    folders = unique_folders([clip.file for clip in clips], out_dir)
    for clip, folder in zip(clips, folders, strict=True):
        report = explain_one(
            clip.file,
            folder,
            explainer=EmoLime(),
            model=loaded,
            cues=CueSettings(corpus=known),
            carried=carried,
            checked=checked,
            start_s=clip.start_s,
            end_s=clip.end_s,
            brief=True,
        )
        reports.append(report)
    out.print(f"{len(reports)} reports are in {out_dir.resolve()}.", markup=False, highlight=False)
    out.print(
        "The bundled models learned from 408 acted German clips: elsewhere they are often wrong. "
        "The reports show what they listen to either way.",
        highlight=False,
    )
    out.print(f"Look here first: {reports[0]}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"Then your own recording: {_activation()}cuelens explain clip.wav --out results",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _activation() -> str:
    """What makes the command known to the shell, where it is not."""
    script = Path(sys.prefix) / "bin" / "activate"
    if shutil.which("cuelens") or not script.is_file():
        return ""
    return f". {shlex.quote(os.path.relpath(script))} && "


class DemoClip(NamedTuple):
    """A recording, or a part of one."""

    file: Path
    start_s: float = 0.0
    end_s: float | None = None


def _clips(corpus: str | None) -> tuple[list[DemoClip], str, Corpus | None]:
    from cuelens.corpora import find_corpus, load_corpus

    if corpus is None and os.environ.get("CUELENS_DATA"):
        found = [name for name in ("emodb", "emodb-2s", "ravdess", "tess") if find_corpus(name)]
        corpus = found[0] if found else None
        if corpus is None:
            err.print("no known corpus under CUELENS_DATA: using synthetic speech")
    if corpus is not None:
        loaded = load_corpus(corpus)
        table = loaded.table.groupby("emotion", sort=True).head(1)
        rows = table[["file", "start", "end"]].head(_CORPUS_CLIPS).itertuples(index=False)
        clips = [
            DemoClip(Path(f), start, None if math.isnan(end) else end) for f, start, end in rows
        ]
        return clips, f"real speech, {loaded.name}", loaded
    folder = Path(str(files("cuelens") / "demo_clips"))
    demo_clips = [DemoClip(file) for file in sorted(folder.glob("*.flac"))]
    return demo_clips, "synthetic speech", None
