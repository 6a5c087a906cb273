"""``cuelens explain``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cuelens.cli.console import err, out, print_error, progress_bar
from cuelens.errors import CuelensError

if TYPE_CHECKING:
    from cuelens.evaluate import RemovalCurve
    from cuelens.explain import EmoLime, Explanation
    from cuelens.models import Model

_BAR_WIDTH = 12


class BandScale(StrEnum):
    """Scales of ``--scale``."""

    mel = "mel"
    linear = "linear"
    bark = "bark"
    octave = "octave"


class EstimatorName(StrEnum):
    """Estimators of ``--estimator``."""

    shapley = "shapley"
    lime = "lime"


class VariantName(StrEnum):
    """Ways of leaving bands out of ``--variant``."""

    lossless = "lossless"
    published = "published"


def explain(
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP...", help="Recordings: wav, flac, ogg, mp3.", show_default=False
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="A bundled model (see `cuelens models`), a model folder, or python:package.module:callable."
        ),
    ] = "emodb-cnn",
    target: Annotated[
        str | None,
        typer.Option(help="Emotion to explain; by default the model's answer.", show_default=False),
    ] = None,
    bands: Annotated[int, typer.Option(help="Number of frequency bands, 2 to 64.")] = 8,
    scale: Annotated[
        BandScale, typer.Option(help="Scale on which the bands are equally wide.")
    ] = BandScale.mel,
    estimator: Annotated[
        EstimatorName,
        typer.Option(
            help="shapley: fair shares that add up to the answer; lime: linear fit as published."
        ),
    ] = EstimatorName.shapley,
    variant: Annotated[
        VariantName,
        typer.Option(
            help="lossless: bands that add up to the clip; published: mel and Griffin-Lim, for comparison (slow)."
        ),
    ] = VariantName.lossless,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Budget of model calls; all combinations of bands are tried while they fit it. [default: 1024; 64 if published]",
            show_default=False,
        ),
    ] = None,
    interactions: Annotated[
        bool, typer.Option("--interactions", help="Also weigh pairs of bands (in the JSON).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 42,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for reports: OUT/STEM/report.html, explanation.json, figures, sounds.",
            show_default=False,
        ),
    ] = None,
    json_output: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON instead of tables (one line a clip if there are several)."
        ),
    ] = False,
) -> None:
    """Explain which frequency bands of a clip made a model answer as it did.

    Prints the answer, a weight for every band (above 0 supports the target) and an account in plain
    sentences. With **--out** it writes a report to look at and listen to.

    Examples
    --------
    - `cuelens explain clip.wav --out results`

    - `cuelens explain *.wav --model emodb-egemaps --target anger --json > results.jsonl`
    """
    from cuelens.explain import EmoLime
    from cuelens.models import load_model
    from cuelens.report import make_folder  # start-up time
    from cuelens.units import FrequencyBands

    explainer = EmoLime(
        units=FrequencyBands(n_bands=bands, scale=scale.value),
        estimator=estimator.value,
        samples=samples,
        variant=variant.value,
        interactions=interactions,
        seed=seed,
    )
    loaded = load_model(model)
    if out_dir is not None:
        make_folder(out_dir)  # before the work, so that a mistake costs nothing
    folders = unique_folders(clips, out_dir)
    failed = 0
    for clip, folder in zip(clips, folders, strict=True):
        try:
            explain_one(
                clip,
                folder,
                explainer=explainer,
                model=loaded,
                target=target,
                as_json=json_output,
                json_lines=len(clips) > 1,
            )
        except CuelensError as error:  # one bad clip does not cost the others
            print_error(error)
            failed += 1
    if failed:
        if len(clips) > 1:
            err.print(f"{failed} of {len(clips)} clips could not be explained")
        raise typer.Exit(2)


def explain_one(
    clip: Path,
    folder: Path | None,
    *,
    explainer: EmoLime,
    model: Model,
    target: str | None = None,
    as_json: bool = False,
    json_lines: bool = False,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> Path | None:
    """Explain one clip, print the result, write its report if there is a folder for it."""
    from cuelens.audio import load_audio
    from cuelens.evaluate import removal_curve
    from cuelens.explain.game import CountingModel
    from cuelens.report import write_clip_report

    audio = load_audio(clip, sample_rate=model.sample_rate, start_s=start_s, end_s=end_s)
    with progress_bar() as progress:
        task = progress.add_task(clip.name, total=explainer.n_evaluations)
        watched = CountingModel(model, lambda n: progress.advance(task, n))
        explanation = explainer.explain(watched, audio, target=target)
    report = removal = None
    if folder is not None:
        removal = removal_curve(explanation, model)
        report = write_clip_report(folder, explanation=explanation, removal=removal, audio=audio)
    if as_json:
        text = explanation.to_json()
        if json_lines:
            import json

            text = json.dumps(json.loads(text), ensure_ascii=False) + "\n"
        typer.echo(text, nl=False)
    else:
        print_explanation(explanation, removal)
        if report is not None:
            out.print(f"  report: {report}", markup=False, highlight=False, soft_wrap=True)
            out.print()
    return report


def print_explanation(explanation: Explanation, removal: RemovalCurve | None) -> None:
    """The answer, the bands and the account, as a table for the terminal."""
    row = explanation.target_index
    exact = explanation.ci_low is None
    table = Table(box=None, pad_edge=False)
    table.add_column("band", justify="right", no_wrap=True)
    table.add_column("against | supports", no_wrap=True)
    table.add_column("weight", justify="right", no_wrap=True)
    if not exact:
        table.add_column("95 % interval", no_wrap=True)
    largest = max(float(abs(explanation.target_weights).max()), 1e-9)
    for index in reversed(range(len(explanation.units))):
        weight = float(explanation.target_weights[index])
        cells = [explanation.units[index].name, _bar(weight / largest), f"{weight:+.3f}"]
        if explanation.ci_low is not None and explanation.ci_high is not None:
            low, high = explanation.ci_low[row, index], explanation.ci_high[row, index]
            cells.append(f"{low:+.3f} to {high:+.3f}")
        table.add_row(*cells)
    answers = sorted(zip(explanation.prediction, explanation.labels, strict=True), reverse=True)
    said = ", ".join(f"{label} {probability:.2f}" for probability, label in answers[:3])
    out.print()
    out.print(escape(explanation.clip.path), style="bold", highlight=False, soft_wrap=True)
    out.print(table)
    out.print(
        f"  {explanation.model}: {said}; weights for “{explanation.target}”",
        markup=False,
        highlight=False,
    )
    if removal is not None:
        lost, random = removal.lost()
        half = max(1, len(explanation.units) // 2)
        out.print(
            f"  removing 1 to {half} bands loses {lost:.2f} by weight, {random:.2f} at random",
            highlight=False,
        )
    out.print(Padding(escape(explanation.account), (0, 2)), highlight=False)


def unique_folders(clips: list[Path], out_dir: Path | None) -> list[Path | None]:
    """A folder a clip under ``out_dir``, named by its stem; namesakes get -2, -3, ..."""
    if out_dir is None:
        return [None] * len(clips)
    taken: set[str] = set()
    folders: list[Path | None] = []
    for clip in clips:
        stem = clip.stem if clip.stem.strip(".") else "clip"
        name = stem
        number = 2
        while name.casefold() in taken:
            name = f"{stem}-{number}"
            number += 1
        taken.add(name.casefold())
        folders.append(out_dir / name)
    return folders


def _bar(share: float) -> str:
    n = round(abs(share) * _BAR_WIDTH)
    if share < 0:
        return f"{' ' * (_BAR_WIDTH - n)}[blue]{'█' * n}[/blue]│{' ' * _BAR_WIDTH}"
    return f"{' ' * _BAR_WIDTH}│[dark_orange]{'█' * n}[/dark_orange]{' ' * (_BAR_WIDTH - n)}"
