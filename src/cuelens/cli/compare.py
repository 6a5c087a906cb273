"""``cuelens compare``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cuelens.cli.console import MODEL_HELP, out, progress_bar, result_folder
from cuelens.cli.options import FigureFormatName, Figures, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cuelens.explain import Comparison, Explanation

DEFAULT_MODEL = "emodb-cnn"


def compare(
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP [CLIP]",
            help="Two recordings, best of the same words; or one, to compare models.",
            show_default=False,
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=MODEL_HELP + " Given twice or more: models are compared on one clip.",
            show_default="emodb-cnn",
        ),
    ] = None,
    explainer: Annotated[
        str,
        typer.Option(
            help="shapley, lime, lime-64 (bands), shapley-windows (moments), or python:package.module:name."
        ),
    ] = "shapley",
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion whose weights are compared; by default the answer to the first clip, or of the first model.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 42,
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for page, table and figure.")
    ] = Path("cuelens-compare"),
    figures: Figures = FigureFormatName.png,
) -> None:
    """Compare two clips of one sentence, or two or more models on one clip.

    Two clips: what speaks for an emotion in one and not in the other. Models: whether they listen
    to the same.

    Bands are compared as they are; moments with the same place of the sentence in the other clip,
    found by dynamic time warping.

    Writes compare.html (with players), compare.json, compare.csv and a figure; of models, models.html, .json, .csv and a figure.

    Examples
    --------
    - `cuelens compare angry.wav neutral.wav --out compared`

    - `cuelens compare angry.wav neutral.wav --explainer shapley-windows --target anger`

    - `cuelens compare angry.wav --model emodb-cnn --model emodb-egemaps`
    """
    from cuelens.audio import load_audio
    from cuelens.errors import InputError
    from cuelens.evaluate.explainers import applies, explainer_named, looks_inside
    from cuelens.explain import compare as compare_explanations
    from cuelens.explain.explanation import dump_json
    from cuelens.figure_style import save_figures
    from cuelens.models import load_model
    from cuelens.report.comparison_report import (
        comparison_sentences,
        comparison_trust,
        write_comparison_report,
    )
    from cuelens.report.models_report import write_models_report

    names = model or [DEFAULT_MODEL]
    if not (len(clips) == 2 and len(names) == 1) and not (len(clips) == 1 and len(names) > 1):
        raise InputError(
            f"{len(clips)} clip{'s' * (len(clips) != 1)} and {len(names)} "
            f"model{'s' * (len(names) != 1)}; expected two clips and one --model, or one clip and "
            "two --model or more"
        )
    models = [load_model(name) for name in names]
    chosen = explainer_named(explainer, seed=seed)
    if looks_inside(chosen) or not all(applies(chosen, loaded) for loaded in models):
        raise InputError(
            f"--explainer {explainer} gives maps; expected bands or moments, such as shapley or "
            "shapley-windows"
        )
    pairs = [
        (loaded, load_audio(clip, sample_rate=loaded.sample_rate))
        for loaded in models
        for clip in clips
    ]
    result_folder(out_dir)
    with progress_bar() as progress:
        task = progress.add_task("models" if len(models) > 1 else "clips", total=len(pairs))
        explanations = []
        for loaded, audio in pairs:
            explanations.append(chosen.explain(loaded, audio, target=target))
            target = target or (explanations[0].target if len(models) > 1 else None)
            progress.advance(task)
    if len(models) > 1:
        page = write_models_report(out_dir, explanations, figures=figures.value)
        _print_models(explanations)
    else:
        found = compare_explanations(*explanations)
        trust = comparison_trust(found, models[0])
        content = found.to_dict() | {"reliability": [one.to_dict() for one in trust]}
        (out_dir / "compare.json").write_text(dump_json(content), encoding="utf-8")
        found.to_frame().to_csv(out_dir / "compare.csv", index=False)
        save_figures({"compare": found.plot()}, out_dir, figures.value)
        page = write_comparison_report(out_dir / "compare.html", found, trust=trust)
        _print(found)
        for sentence in comparison_sentences(found, trust):
            out.print(Padding(escape(sentence), (0, 2)), highlight=False)
    out.print(f"  page: {page}", markup=False, highlight=False, soft_wrap=True)


def _print_models(explanations: Sequence[Explanation]) -> None:
    for explanation in explanations:
        answer = int(explanation.prediction.argmax())
        out.print(
            f"{explanation.model}: answer {explanation.labels[answer]} "
            f"({explanation.prediction[answer]:.2f}); weights for {explanation.target}",
            markup=False,
            highlight=False,
        )
    _print_weights(
        [explanation.model for explanation in explanations],
        [
            (unit.name, [explanation.target_weights[place] for explanation in explanations])
            for place, unit in enumerate(explanations[0].units)
        ],
    )


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
    heads = ["first", "second", "difference"]
    frame = found.to_frame()
    records = frame.to_dict("records")
    intervals = None
    if frame["difference_low"].notna().any():
        intervals = [
            f"{row['difference_low']:+.3f} to {row['difference_high']:+.3f}" for row in records
        ]
    _print_weights(
        heads, [(str(row["unit"]), [row[name] for name in heads]) for row in records], intervals
    )


def _print_weights(
    heads: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float]]],
    intervals: Sequence[str] | None = None,
) -> None:
    """A row a unit, a column a head; a dash where there is no weight."""
    table = Table(box=None, pad_edge=False)
    table.add_column("  unit", no_wrap=True)
    for head in (*heads, *(["95 % interval"] if intervals else [])):
        table.add_column(escape(head), justify="right", no_wrap=True)
    for place, (unit, weights) in enumerate(rows):
        cells = ["-" if math.isnan(weight) else f"{weight:+.3f}" for weight in weights]
        table.add_row(f"  {escape(unit)}", *cells, *([intervals[place]] if intervals else []))
    out.print(table, highlight=False)
