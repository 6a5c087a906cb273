"""Explain one clip and show it: the work behind ``cuelens explain`` and ``cuelens demo``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cuelens.cli.console import err, out, progress_bar

if TYPE_CHECKING:
    from cuelens.cues import CarriedCues, CueReport
    from cuelens.evaluate.gate import Gate
    from cuelens.explain import EmoLime, Explainer, Explanation
    from cuelens.figure_style import FigureFormat
    from cuelens.models import Model
    from cuelens.report import ClipReport, CueSettings
    from cuelens.units import UnitSpec

_BAR_WIDTH, _SHORTEST_BAR = 12, 4
_NUMBERS_WIDTH = 9  # of a weight and what separates columns; an interval takes twice as much
_FEWEST_PAIRS = 8  # of orders in which the units are put together, where no budget is given
_WIDE = 1 / 8  # of the largest weight
_MOST_ROWS = 24  # of cells in the terminal; the report lists all


@contextmanager
def watch(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar for one step of an explanation."""
    with progress_bar() as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.advance(task, n)


def explain_one(
    clip: Path,
    folder: Path | None,
    *,
    explainer: Explainer,
    units: UnitSpec | None = None,
    model: Model,
    target: str | None = None,
    rather_than: str | None = None,
    cues: CueSettings | None = None,
    carried: CarriedCues | None = None,
    checked: Gate | None = None,
    thorough: bool = False,
    figures: FigureFormat = "png",
    as_json: bool = False,
    json_lines: bool = False,
    start_s: float = 0.0,
    end_s: float | None = None,
    brief: bool = False,
) -> Path | None:
    """Explain one clip, print the result, write its report if there is a folder for it.

    ``units`` depend on the clip and take the place of the explainer's; ``brief`` prints two lines.
    """
    from cuelens.audio import load_audio
    from cuelens.explain import EmoLime
    from cuelens.explain.explanation import dump_json, json_line
    from cuelens.report import explain_clip

    audio = load_audio(clip, sample_rate=model.sample_rate, start_s=start_s, end_s=end_s)
    if units is not None:  # of a dataclass with units, as the command has seen to
        own = units.of_clip(clip, audio, part=end_s is not None)
        explainer = replace(explainer, units=own)  # type: ignore[type-var]
    if isinstance(explainer, EmoLime):
        explainer = with_budget(explainer, explainer.units.n_units(audio.duration_s))
    report = explain_clip(
        model,
        audio,
        explainer=explainer,
        target=target,
        rather_than=rather_than,
        cues=cues,
        carried=carried,
        checked=checked,
        thorough=thorough,
        watch=watch,
    )
    hint = precision_hint(report.explanation)
    for note in (*report.notes, *([hint] if hint else [])):
        err.print(f"[yellow]note:[/yellow] {escape(note)}", highlight=False)
    page = None if folder is None else report.save(folder, figures=figures)
    if as_json:
        content = report.to_dict()
        typer.echo(json_line(content) if json_lines else dump_json(content), nl=False)
    elif brief:
        print_briefly(report)
    else:
        print_explanation(report)
        if page is not None:
            out.print(f"  report: {page}", markup=False, highlight=False, soft_wrap=True)
            out.print()
    return page


def with_budget(explainer: EmoLime, n_units: int) -> EmoLime:
    """Where no budget was given, one in which sampled weights of so many units have intervals.

    Of more than 64 units, 1024 versions of the clip hold fewer than eight pairs of orders, and
    Student's t of so few widens the intervals.
    """
    from cuelens.explain.emolime import DEFAULT_SAMPLES

    if explainer.samples is not None or explainer.variant == "published":
        return explainer
    needed = 2 + 2 * _FEWEST_PAIRS * (n_units - 1)
    return replace(explainer, samples=needed) if needed > DEFAULT_SAMPLES else explainer


def precision_hint(explanation: Explanation) -> str:
    """How to get narrower intervals, where they are wide; empty where they are not."""
    parameters = explanation.method.parameters
    reach = float(parameters.get("reach", 0.0))
    largest = float(abs(explanation.target_weights).max())
    if reach <= max(_WIDE * largest, parameters.get("precision", 0.0)):
        return ""
    return (
        f"95 % intervals reach up to {reach:.2g} to either side, with the largest weight "
        f"{largest:.2g}: --samples {4 * int(parameters['samples'])}, four times the work, makes "
        f"them half as wide; with --precision {_WIDE * largest:.1g} beside it, sampling stops where "
        "they reach no further than that"
    )


def checked_model(model: Model) -> Gate:
    """What speaks against explaining a model at all, with a note for each thing found."""
    from cuelens.evaluate.gate import WARNED, gate

    found = gate(model)
    for flag in found.flags:
        if flag.key == WARNED:  # and so was said already
            continue
        err.print(f"[yellow]note:[/yellow] {escape(flag.sentence)}", highlight=False)
    return found


def print_briefly(report: ClipReport) -> None:
    """The answer, the largest weight and the verdict on two lines."""
    explanation = report.explanation
    top, first = int(explanation.prediction.argmax()), int(explanation.order()[0])
    weight, verdict = explanation.target_weights[first], report.trust and report.trust.verdict
    out.print(Path(explanation.clip.path).name, markup=False, style="bold", highlight=False)
    out.print(
        f"  {explanation.labels[top]} {explanation.prediction[top]:.2f}; most support: "
        f"{explanation.units[first].name} ({weight:+.2f}); weights {verdict}",
        markup=False,
        highlight=False,
    )


def print_explanation(report: ClipReport) -> None:
    """The answer, the units, the cues and the account, as tables for the terminal."""
    from cuelens.explain.account import unit_words
    from cuelens.units.kinds import full_names, layout_of

    explanation, removal = report.explanation, report.removal
    row = explanation.target_index
    exact = explanation.ci_low is None
    table = Table(box=None, pad_edge=False)
    called, units = unit_words(explanation), explanation.units
    kind, names = called["kind"], full_names(units)
    if layout_of(units) == "cells":  # long names: times only where they are needed
        counts = Counter(unit.name for unit in units)
        names = tuple(
            unit.name if counts[unit.name] == 1 else name
            for unit, name in zip(units, names, strict=True)
        )
    room = out.width - max(map(len, names)) - (_NUMBERS_WIDTH if exact else 3 * _NUMBERS_WIDTH)
    bar_width = max(_SHORTEST_BAR, min(_BAR_WIDTH, room // 2))
    table.add_column(called["one"], justify="right")
    table.add_column("against | supports" if bar_width == _BAR_WIDTH else "− | +", no_wrap=True)
    table.add_column("weight", justify="right", no_wrap=True, min_width=6)
    if not exact:
        table.add_column("95 % interval", no_wrap=True, min_width=16)
    largest = max(float(abs(explanation.target_weights).max()), 1e-9)
    order: Sequence[int] = range(len(units))
    if layout_of(units) == "frequency":
        order = order[::-1]
    elif layout_of(units) == "cells" and len(units) > _MOST_ROWS:
        strongest = abs(explanation.target_weights).argsort()[::-1][:_MOST_ROWS]
        order = sorted(int(index) for index in strongest)
    for index in order:
        weight = float(explanation.target_weights[index])
        cells = [escape(names[index]), _bar(weight / largest, bar_width), f"{weight:+.3f}"]
        if explanation.ci_low is not None and explanation.ci_high is not None:
            low, high = explanation.ci_low[row, index], explanation.ci_high[row, index]
            cells.append(f"{low:+.3f} to {high:+.3f}")
        table.add_row(*cells)
    own = explanation.labels[: len(explanation.labels) - (explanation.contrast is not None)]
    if len(order) < len(units):
        table.caption = f"the {len(order)} of {len(units)} {kind} with the largest weights"
        table.caption_justify = "left"
    answers = sorted(zip(explanation.prediction, own, strict=False), reverse=True)
    said = ", ".join(f"{label} {probability:.2f}" for probability, label in answers[:3])
    out.print()
    out.print(escape(explanation.clip.path), style="bold", highlight=False, soft_wrap=True)
    if explanation.clip.notes:
        out.print(f"  {'; '.join(explanation.clip.notes)}", markup=False, highlight=False)
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
            f"  with 1 to {half} {kind} removed, {explanation.answer_quantity} is lower by {lost:.2f} "
            f"on average if they go by weight, {random:.2f} at random",
            markup=False,
            highlight=False,
        )
    _print_findings(report)


def _print_findings(report: ClipReport) -> None:
    """The cues and the account."""
    cues = report.cues
    if cues is not None:
        table = _cue_table(cues)
        out.print(table if table.row_count else "  no cue could be compared", highlight=False)
        for line in _withheld(cues):
            out.print(Padding(escape(line), (0, 2)), highlight=False)
    account = escape(report.account).replace("\nTrust: ", "\n[bold]Trust:[/bold] ")
    out.print(Padding(account, (0, 2)), highlight=False)
    refused = any("full test" in note for note in report.notes)
    if report.trust is not None and not report.trust.thorough and not refused:
        out.print("  (--trust full also tries other sound in the gaps)", highlight=False)


def _withheld(cues: CueReport) -> list[str]:
    """Cues that are not in the table, by the reason."""
    import math

    from cuelens.cues import CUES

    found: dict[str, list[str]] = {}
    for row in cues.rows:
        if math.isnan(row.effect.low):
            found.setdefault(row.reason, []).append(CUES[row.cue].title)
    return [f"not compared: {', '.join(titles)} ({reason})" for reason, titles in found.items()]


def _cue_table(cues: CueReport) -> Table:
    """Cues that can be compared, and what is expected of them."""
    import math

    from cuelens.cues import CUES
    from cuelens.cues.account import signed

    def shown(value: float) -> str:
        return signed(value).replace("−", "-")  # as other tables of the terminal have it

    table = Table(
        box=None,
        pad_edge=False,
        title_justify="left",
        title_style="",
        title=f"  cues where it listened, in SD from {escape(cues.baseline)}",
    )
    table.add_column("cue", justify="right")  # wraps where the terminal is narrow
    table.add_column("SD", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    whole = any(not math.isnan(row.clip_effect.low) for row in cues.rows)
    if whole:
        table.add_column("whole clip", justify="right", no_wrap=True)
    table.add_column("literature", no_wrap=True)
    for row in cues.rows:
        if math.isnan(row.effect.low):
            continue
        expectation, text, of_clip = row.expectation, "", row.clip_effect.size
        if expectation is not None:
            text = f"{expectation.direction} ({expectation.status})"
            if row.scored:
                verdict = {True: "agrees", False: "opposite", None: "undecided"}[row.agrees]
                text = f"{expectation.direction}: {verdict}"
        style = "bold" if row.effect.sign else ""
        table.add_row(
            CUES[row.cue].title.partition(" (")[0],
            shown(row.effect.size),
            f"{shown(row.effect.low)} to {shown(row.effect.high)}",
            *(["" if math.isnan(of_clip) else shown(of_clip)] if whole else []),
            text,
            style=style,
        )
    return table


def _bar(share: float, width: int) -> str:
    n = round(abs(share) * width)
    if share < 0:
        return f"{' ' * (width - n)}[blue]{'█' * n}[/blue]│{' ' * width}"
    return f"{' ' * width}│[dark_orange]{'█' * n}[/dark_orange]{' ' * (width - n)}"
