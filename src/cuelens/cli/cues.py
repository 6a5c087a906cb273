"""``cuelens cues``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import MODEL_HELP, out, progress_bar, result_folder

if TYPE_CHECKING:
    from cuelens.audio import Audio
    from cuelens.cues import CorpusCues
    from cuelens.explain import Explanation


def cues(
    corpus: Annotated[
        str, typer.Option(help="Corpus: a name, folder or table as in `cuelens corpus list`.")
    ],
    model: Annotated[
        str,
        typer.Option(help=MODEL_HELP),
    ] = "emodb-cnn",
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder for tables and figures; an interrupted run goes on."),
    ] = Path("cuelens-cues"),
    explainer: Annotated[
        str,
        typer.Option(
            help="How moments are found: emolime (any model: moments silenced in 256 versions of each clip), a map of a network, or an explainer that an installed package registers."
        ),
    ] = "emolime",
    speakers: Annotated[
        str | None,
        typer.Option(help="Only these speakers, separated by commas.", show_default=False),
    ] = None,
    max_clips: Annotated[
        int | None,
        typer.Option(
            "--clips", help="At most so many clips, drawn at random.", min=1, show_default=False
        ),
    ] = None,
    window_s: Annotated[float, typer.Option("--window", help="Length of moments, s.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Find out which cues a model listens to for each emotion, over a whole corpus.

    For every clip: the moments that count for the model's answer, the cues there against the
    speaker's neutral clips, and the same for random moments of the clip. Then, for right and for
    wrong answers: the mean difference of every cue, with false discovery control, and how often
    cues on which the literature agrees go the expected way.

    Writes clips.parquet, profile.csv, summary.json and figures. Use speakers that the model has not
    heard in training, or it looks better than it is.

    Example: `cuelens cues --corpus emodb --model emodb-cnn --clips 60 --out cues`
    """
    import numpy as np

    from cuelens.corpora import load_corpus
    from cuelens.cues.corpus_analysis import analyse_corpus
    from cuelens.explain import EmoLime
    from cuelens.explain.explanation import dump_json
    from cuelens.explain.moment_finder import moment_finder
    from cuelens.explain.named import explainer_class, with_settings
    from cuelens.figure_style import save_figure
    from cuelens.models import load_model
    from cuelens.report.figures import plot_agreement, plot_profile

    kind = explainer_class(explainer)
    found = load_corpus(corpus)
    if speakers is not None:
        found = found.select(speakers=[name.strip() for name in speakers.split(",")])
    loaded = load_model(model)
    result_folder(out_dir)
    rows = np.arange(len(found))
    if max_clips is not None and max_clips < len(rows):
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:max_clips])

    def explain(audio: Audio) -> Explanation:
        if kind is not EmoLime:
            return with_settings(kind, window_s=window_s, seed=seed).explain(loaded, audio)
        return moment_finder(audio.duration_s, window_s, seed).explain(loaded, audio)

    with progress_bar() as progress:
        task = progress.add_task(found.name, total=len(rows))
        result = analyse_corpus(
            found,
            loaded,
            explain,
            rows=rows.tolist(),
            window_s=window_s,
            seed=seed,
            settings={"explainer": explainer, "model_spec": model},
            resume=out_dir / "clips.jsonl",
            progress=lambda n: progress.advance(task, n),
        )
    profile = result.profile()
    result.to_frame().to_parquet(out_dir / "clips.parquet")
    profile.to_csv(out_dir / "profile.csv", index=False)
    (out_dir / "summary.json").write_text(dump_json(result.to_dict()), encoding="utf-8")
    save_figure(plot_agreement(result), out_dir / "agreement.png")
    if not profile.empty:
        save_figure(plot_profile(result), out_dir / "profile.png")
    _print(result)
    out.print(f"  tables and figures: {out_dir}", markup=False, highlight=False, soft_wrap=True)


def _print(result: CorpusCues) -> None:
    """Right and wrong answers, agreement, and the cues that differ most."""
    from cuelens.cues import CUES

    summary = result.to_dict()
    n = summary["n_clips"] - summary["n_failed"]
    out.print(
        f"{result.model} on {result.corpus}: {summary['n_right']} of {n} answers are right"
        + (
            f"; {summary['n_failed']} clips failed (see clips.parquet)"
            if n < summary["n_clips"]
            else ""
        ),
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = "  strong cues that go the way the literature expects (95 % interval)"
    for name in ("answers", "clips", "cues", "its moments", "random", "loudest", "minus random"):
        table.add_column(name, justify="right")
    for group, shares in result.agreement().items():
        if not shares["salient"].n_cells:
            continue
        cells = [
            f"{shares[k].value:{sign}.0%}"
            + (
                ""
                if math.isnan(shares[k].low)
                else f" ({shares[k].low:{sign}.0%} to {shares[k].high:{sign}.0%})"
            )
            for k, sign in (("salient", ""), ("random", ""), ("loudest", ""), ("difference", "+"))
        ]
        salient = shares["salient"]
        table.add_row(group, str(salient.n_clips), str(salient.n_cells), *cells)
    if table.row_count:
        out.print(table)
    else:
        out.print("  no answer has a cue on which the literature agrees and that can be scored")
    profile = result.profile()
    if profile.empty:
        return
    clear = profile[(profile["group"] == "all") & (profile["q"] < 0.05)]
    for emotion, part in clear.groupby("emotion"):
        rows = sorted(part.to_dict("records"), key=lambda row: -abs(row["effect"]))
        cues_of = ", ".join(
            f"{CUES[str(row['cue'])].title} {row['effect']:+.1f}" for row in rows[:4]
        )
        out.print(f"  {escape(str(emotion))}: {cues_of} SD", highlight=False, soft_wrap=True)
