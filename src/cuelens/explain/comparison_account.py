"""What a comparison of two clips says, in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cuelens.explain.account import listed, probability

if TYPE_CHECKING:
    import pandas as pd

    from cuelens.explain.comparison import Comparison

_NEGLIGIBLE = 0.02  # of a probability
_FAINT = 0.1  # of the largest difference
_MAX_NAMED = 3


def comparison_account(found: Comparison) -> str:
    """What the model answers to both clips, and which units differ most, a line each.

    A unit is named only where its difference exceeds 0.02 (of a probability) and a tenth of the
    largest, and its interval, if any, excludes 0.
    """
    frame = found.to_frame()
    more, less = _named(found, frame, sign=1), _named(found, frame, sign=-1)
    target, one = found.target, "band" if found.bands else "moment"
    if not more and not less:
        nothing = f"No {one} speaks clearly more for {target} in one clip than in the other."
        return f"{_answers(found)}\n{nothing}"
    said = []
    if more:
        said.append(f"more for {target} in the first clip: {listed(more)}")
    if less:
        said.append(f"more for {target} in the second: {listed(less)}")
    return f"{_answers(found)}\nWhat speaks {'; what speaks '.join(said)}."


def _answers(found: Comparison) -> str:
    first, second = found.first, found.second
    column = first.labels.index(found.target)
    tops = [one.labels[int(one.prediction.argmax())] for one in (first, second)]
    both = f"answers {tops[0]} to both clips"
    if tops[0] != tops[1]:
        both = f"answers {tops[0]} to the first clip and {tops[1]} to the second"
    if not first.predicts_probabilities:
        both = "is asked about both clips"
    values = [one.prediction[column] for one in (first, second)]
    shown = [
        probability(value) if first.predicts_probabilities else f"{value:.2f}" for value in values
    ]
    what = f"p({found.target})" if first.predicts_probabilities else found.target
    return f"The model {first.model} {both}; {what} is {shown[0]} and {shown[1]}."


def _named(found: Comparison, frame: pd.DataFrame, *, sign: int) -> list[str]:
    """Units on one side of zero, the largest difference first, with both weights."""
    difference = sign * frame["difference"].to_numpy()
    least = _NEGLIGIBLE if found.first.output_kind == "probability" else 0.0
    clear = difference > max(least, _FAINT * float(np.nanmax(np.abs(difference), initial=0.0)))
    near_zero = sign * frame["difference_low" if sign > 0 else "difference_high"].to_numpy()
    clear &= ~(near_zero <= 0)  # NaN: exact
    order = [int(k) for k in np.argsort(-difference, kind="stable") if clear[k]][:_MAX_NAMED]
    return [
        f"{frame['unit'][k]} ({_signed(frame['first'][k])} against {_signed(frame['second'][k])})"
        for k in order
    ]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-0.00", "+0.00").replace("-", "−")
