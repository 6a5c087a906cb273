"""``cuelens compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import out, progress_bar, result_folder
from cuelens.cli.options import ModelName, Seed

if TYPE_CHECKING:
    from cuelens.explain import Comparison


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A recording.", show_default=False)],
    second: Annotated[
        Path,
        typer.Argument(metavar="B", help="Another, best of the same words.", show_default=False),
    ],
    model: ModelName = "emodb-cnn",
    explainer: Annotated[
        str,
        typer.Option(
            help="shapley, lime, lime-64 (bands), shapley-windows (moments), or python:package.module:name."
        ),
    ] = "shapley",
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion whose weights are compared; by default the answer to the first.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 42,
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for page, table and figure.")
    ] = Path("cuelens-compare"),
) -> None:
    """Compare two clips of one sentence: what speaks for an emotion in one and not in the other.

    Bands are compared as they are; moments with the same place of the sentence in the other clip,
    found by dynamic time warping.

    Writes compare.html (with players), compare.json, compare.csv and compare.png.

    Examples
    --------
    - `cuelens compare angry.wav neutral.wav --out compared`

    - `cuelens compare angry.wav neutral.wav --explainer shapley-windows --target anger`
    """
    from cuelens.audio import load_audio
    from cuelens.errors import InputError
    from cuelens.evaluate.explainers import applies, explainer_named, looks_inside
    from cuelens.explain import compare as compare_explanations
    from cuelens.explain.explanation import dump_json
    from cuelens.models import load_model
    from cuelens.report.comparison_report import write_comparison_report

    loaded = load_model(model)
    chosen = explainer_named(explainer, seed=seed)
    if looks_inside(chosen) or not applies(chosen, loaded):
        raise InputError(
            f"--explainer {explainer} gives maps; expected bands or moments, such as shapley or "
            "shapley-windows"
        )
    audios = [load_audio(file, sample_rate=loaded.sample_rate) for file in (first, second)]
    result_folder(out_dir)
    with progress_bar() as progress:
        task = progress.add_task("clips", total=2)
        explanations = []
        for audio in audios:
            explanations.append(chosen.explain(loaded, audio, target=target))
            progress.advance(task)
    found = compare_explanations(*explanations)
    (out_dir / "compare.json").write_text(dump_json(found.to_dict()), encoding="utf-8")
    found.to_frame().to_csv(out_dir / "compare.csv", index=False)
    found.plot().savefig(out_dir / "compare.png", dpi=150, metadata={"Software": None})
    page = write_comparison_report(out_dir / "compare.html", found)
    _print(found)
    out.print(f"  page: {page}", markup=False, highlight=False, soft_wrap=True)


def _print(found: Comparison) -> None:
    for name, explanation in (("first", found.first), ("second", found.second)):
        answer = int(explanation.prediction.argmax())
        p = explanation.prediction[explanation.labels.index(found.target)]
        out.print(
            f"{name}: {Path(explanation.clip.path).name}, answer {explanation.labels[answer]} "
            f"({explanation.prediction[answer]:.2f}), p({found.target}) {p:.2f}",
            markup=False,
            highlight=False,
        )
    table = Table(box=None, pad_edge=False)
    table.add_column("  unit", no_wrap=True)
    for head in ("first", "second", "difference"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in found.to_frame().to_dict("records"):
        cells = (row[name] for name in ("first", "second", "difference"))
        table.add_row(
            f"  {escape(str(row['unit']))}",
            *("-" if cell != cell else f"{cell:+.3f}" for cell in cells),  # noqa: PLR0124 (NaN)
        )
    out.print(table, highlight=False)
