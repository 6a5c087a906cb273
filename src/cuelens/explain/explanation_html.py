"""Results as a notebook shows them: the figure, the account, the weights of an explanation."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cuelens.audio import data_url
from cuelens.figure_style import figure_of, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cuelens.explain.comparison import Comparison
    from cuelens.explain.dose_responses import DoseResponses
    from cuelens.explain.explanation import Explanation
    from cuelens.explain.timeline_result import Timeline

_ROWS = 12


def explanation_html(explanation: Explanation) -> str:
    """A fragment of HTML: the figure as a picture in the page, the account, a table of weights.

    Of maps, the figure is the map over the spectrogram, where the sound is at hand.  The table
    holds the twelve units with the largest weights; names, labels and the account are escaped.
    """
    from cuelens.explain.figures import plot_spectrogram

    if explanation.map is not None and explanation.components is not None:
        whole = explanation.audio(np.ones(len(explanation.units), dtype=bool))
        ax = plot_spectrogram(whole, explanation)
    else:
        ax = explanation.plot()
    picture = _picture(ax, f"Weights of the units for {explanation.target}")
    account = _paragraphs([explanation.account] if explanation.account else [])
    return f'<div class="cuelens-explanation">{picture}{account}{_table(explanation)}</div>'


def comparison_html(found: Comparison) -> str:
    """A fragment of HTML: the figure of two clips, and what the model answers to each."""
    lines = []
    for name, one in (("First", found.first), ("Second", found.second)):
        answer = int(one.prediction.argmax())
        lines.append(
            f"{name}: {one.clip.path}, answer {one.labels[answer]} ({one.prediction[answer]:.2f})."
        )
    picture = _picture(found.plot(), f"Weights of two clips for {found.target}")
    return f'<div class="cuelens-comparison">{picture}{_paragraphs(lines)}</div>'


def timeline_html(timeline: Timeline) -> str:
    """A fragment of HTML: the figure of a recording, and how long each label is the answer."""
    shares = timeline.time_per_answer() if timeline.answered else {}
    spent = ", ".join(f"{label} {share:.0%}" for label, share in shares.items() if share > 0)
    lines = [
        f"{timeline.path}: {timeline.duration_s:.0f} s, {timeline.speech_s:.0f} s of speech, "
        f"{len(timeline.answered)} windows answered, {len(timeline.explained)} explained.",
        f"Time per answer of {timeline.model}: {spent or 'no answer'}.",
    ]
    picture = _picture(timeline.plot(), f"Answers of {timeline.model} over time")
    return f'<div class="cuelens-timeline">{picture}{_paragraphs(lines)}</div>'


def interventions_html(responses: DoseResponses) -> str:
    """A fragment of HTML: the figure of all cues, and the account."""
    picture = _picture(responses.plot(), f"{responses.output_name} by dose")
    lines = responses.account().splitlines()
    return f'<div class="cuelens-interventions">{picture}{_paragraphs(lines)}</div>'


def _picture(drawn: Axes | Figure, what: str) -> str:
    return (
        f'<img src="{data_url(svg_bytes(drawn), "image/svg+xml")}" style="max-width: 100%" '
        f'alt="{html.escape(what)}">'
    )


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def svg_bytes(drawn: Axes | Figure) -> bytes:
    """A figure, or the one that axes belong to, as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with figure_style():
        metadata = {"Date": None, "Creator": None}
        figure_of(drawn).savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def _table(explanation: Explanation) -> str:
    row, weights = explanation.target_index, explanation.target_weights
    order = np.argsort(-np.abs(weights), kind="stable")[:_ROWS]
    intervals = explanation.ci_low is not None and explanation.ci_high is not None
    what = "weight" if explanation.map is None else "relevance"
    head = f"<th>unit</th><th>{what}</th>" + ("<th>95 % interval</th>" if intervals else "")
    rows = []
    for column in order:
        cells = [html.escape(explanation.units[column].name), _signed(weights[column])]
        if explanation.ci_low is not None and explanation.ci_high is not None:
            low, high = explanation.ci_low[row, column], explanation.ci_high[row, column]
            cells.append(f"{_signed(low)} to {_signed(high)}")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    left = len(weights) - len(order)
    begin = "Weights: shares of" if explanation.map is None else "Relevance for"
    summary = f"{begin} {html.escape(explanation.quantity)}"
    if left:
        summary += f"; {left} smaller ones are not shown"
    return (
        f"<details><summary>{summary}</summary><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
