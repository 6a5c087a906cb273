"""The account: what an explanation of bands says, in two plain sentences.

Sentences are templates filled with numbers of the explanation, so that the same numbers give the
same words.  ``ENGLISH`` can be replaced by another mapping with the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cuelens.explain.explanation import Explanation

ENGLISH: Mapping[str, str] = {
    "answer": "The model {model} answers {top} (p = {p_top})",
    "other_target": "; asked about {target}, it gives p = {p_target}",
    "support": "; {bands} {verb} most of the support for {target} ({weights})",
    "spread": "; support for {target} is spread over many bands, {bands} first ({weights})",
    "no_support": "; no band clearly supports {target}",
    "against": ", and {bands} {verb} most against it ({weights})",
    "supply": "supplies|supply",
    "speak": "speaks|speak",
    "exact": (
        "With every band missing it would give p = {base}; the weights are exact for this model "
        "and this way of leaving bands out"
    ),
    "fitted": "The weights are a linear fit to all {n} versions of the clip with bands left out",
    "sampled": "The weights are estimates from {n} versions of the clip (95 % intervals are shown)",
    "fidelity": (
        ", and adding them up explains {fidelity} of how its answer changes when bands are missing."
    ),
    "low_fidelity": (
        ", but adding them up explains only {fidelity} of how its answer changes when bands are "
        "missing: "
        "the bands act together, so read single weights with care."
    ),
    "not_additive": (
        ", but adding them up does not predict how its answer changes when bands are missing: "
        "the bands act together, so read single weights with care."
    ),
    "no_fidelity": (
        ", and its answer does not change when bands are missing: there is nothing to explain."
    ),
    "and": " and ",
}

_LOW_FIDELITY = 0.5
_NO_FIDELITY = 0.05
_SHARE = 0.6  # bands are named until they hold this share of the support
_MAX_NAMED = 3
_NEGLIGIBLE = 0.02  # weights up to two hundredths of probability are not named
_FAINT = 0.1  # nor those below a tenth of the largest


def band_account(explanation: Explanation, *, words: Mapping[str, str] = ENGLISH) -> str:
    """Two sentences on an explanation of frequency bands.

    A band is named only where its weight exceeds 0.02 and a tenth of the largest, and its interval,
    if any, excludes 0.

    Parameters
    ----------
    explanation : Explanation
    words : mapping
        Templates, with the keys of ``ENGLISH``.
    """
    top = int(explanation.prediction.argmax())
    row = explanation.target_index
    first = words["answer"].format(
        model=explanation.model,
        top=explanation.labels[top],
        p_top=_probability(explanation.prediction[top]),
    )
    if row != top:
        first += words["other_target"].format(
            target=explanation.target, p_target=_probability(explanation.output_value)
        )
    support, against = _named(explanation, sign=1), _named(explanation, sign=-1)
    if support:
        weights = explanation.target_weights
        most = weights[support].sum() > weights[weights > 0].sum() / 2
        first += words["support" if most else "spread"].format(
            **_phrase(explanation, support, words, "supply"), target=explanation.target
        )
    else:
        first += words["no_support"].format(target=explanation.target)
    if against:
        first += words["against"].format(**_phrase(explanation, against, words, "speak"))
    return f"{first}. {_trust(explanation, words)}"


def _trust(explanation: Explanation, words: Mapping[str, str]) -> str:
    fidelity = float(explanation.fidelity[explanation.target_index])
    template = "sampled"
    if explanation.ci_low is None:
        shapley = explanation.method.parameters.get("estimator") == "shapley"
        template = "exact" if shapley else "fitted"
    start = words[template].format(
        base=_probability(explanation.base_value), n=explanation.n_model_calls
    )
    if np.isnan(fidelity):
        return start + words["no_fidelity"]
    if fidelity < _NO_FIDELITY:
        return start + words["not_additive"]
    end = words["fidelity" if fidelity >= _LOW_FIDELITY else "low_fidelity"]
    return start + end.format(fidelity=f"{fidelity:.0%}".replace("%", "\N{NO-BREAK SPACE}%"))


def _named(explanation: Explanation, *, sign: int) -> list[int]:
    """Bands on one side of zero that hold most of that side's weight, largest first."""
    row = explanation.target_index
    weights = sign * explanation.target_weights
    certain = weights > max(_NEGLIGIBLE, _FAINT * float(np.abs(weights).max()))
    if explanation.ci_low is not None and explanation.ci_high is not None:
        near_zero = explanation.ci_low[row] if sign > 0 else -explanation.ci_high[row]
        certain &= near_zero > 0
    total = weights[weights > 0].sum()
    named: list[int] = []
    for index in np.argsort(-weights, kind="stable"):
        reached = weights[named].sum() >= _SHARE * total if named else False
        if not certain[index] or reached or len(named) == _MAX_NAMED:
            break
        named.append(int(index))
    return named


def _phrase(
    explanation: Explanation, indices: list[int], words: Mapping[str, str], verb: str
) -> dict[str, str]:
    """Bands as words; neighbours become one range, whose weights are added."""
    one, many = words[verb].split("|")
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    weights = explanation.target_weights
    runs.sort(key=lambda run: -abs(float(weights[run].sum())))
    units = explanation.units
    names = [f"{units[run[0]].low_hz:.0f}–{units[run[-1]].high_hz:.0f} Hz" for run in runs]
    return {
        "bands": _list(names, words["and"]),
        "weights": ", ".join(f"{weights[run].sum():+.2f}" for run in runs),
        "verb": one if len(runs) == 1 else many,
    }


def _list(names: list[str], conjunction: str) -> str:
    return conjunction.join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _probability(value: float) -> str:
    return f"{value:.2f}" if 0.005 <= value <= 0.995 else f"{value:.3f}"
