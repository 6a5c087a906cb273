"""An explanation as a notebook shows it: the figure, the account, the weights."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING

import numpy as np

from cuelens.audio import data_url
from cuelens.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cuelens.explain.explanation import Explanation

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
    target = html.escape(explanation.target)
    picture = (
        f'<img src="{data_url(svg_bytes(ax), "image/svg+xml")}" style="max-width: 100%" '
        f'alt="Weights of the units for {target}">'
    )
    account = f"<p>{html.escape(explanation.account)}</p>" if explanation.account else ""
    return f'<div class="cuelens-explanation">{picture}{account}{_table(explanation)}</div>'


def svg_bytes(ax: Axes) -> bytes:
    """The figure that axes belong to as SVG; the same figure gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = ax.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise InputError("these axes belong to no figure; expected axes of a figure")
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "cuelens"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
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
