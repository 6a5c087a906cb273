"""The account: what an explanation says, in plain sentences.

Sentences are templates filled with numbers of the explanation, so that the same numbers give the
same words.  ``ENGLISH`` can be replaced by another mapping with the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cuelens.errors import InputError
from cuelens.units.kinds import are_named, layout_of

if TYPE_CHECKING:
    from cuelens.explain.explanation import Explanation

ENGLISH: Mapping[str, str] = {
    "answer": "The model {model} answers {top} (p = {p_top})",
    "close": ", with {second} close behind (p = {p})",
    "other_target": "; asked about {target}, it gives p = {p_target}",
    "contrast": ", and gives {given}",
    "given": "{label} p = {p}",
    "chance": "p = {p}, which is chance among {n} labels",
    "values": "The model {model} gives {values}",
    "together": "; all {kind} together move it by {total} only, because they pull both ways",
    "support": "; {units} {verb} most of the support for {target} ({weights})",
    "spread": "; support for {target} is spread over many {kind}, {units} first ({weights})",
    "no_support": "; no {one} clearly supports {target}",
    "against": ", and {units} {verb} most against it ({weights})",
    "map": "; for {target}, {method} puts most relevance on {units} ({share} of it)",
    "map_spread": "; for {target}, {method} spreads relevance over all frequencies, {units} first "
    "({share} of it)",
    "no_map": "; {method} finds nothing that supports {target}",
    "supply": "supplies|supply",
    "speak": "speaks|speak",
    "frequency bands": "band|bands",
    "time windows": "moment|moments",
    "voiced windows": "moment|moments",
    "phones": "phone|phones",
    "syllables": "syllable|syllables",
    "words": "word|words",
    "segments": "segment|segments",
    "harmonics": "group of harmonics|groups of harmonics",
    "harmonic, percussive, residual": "part|parts",
    "cells": "cell|cells",
    "other units": "unit|units",
    "unit at": "“{name}” ({start}–{end} s)",
    "unit": "“{name}”",
    "exact": (
        "With every {one} missing it would give {base}; the weights are exact for this model "
        "and this way of leaving {kind} out"
    ),
    "fitted": "The weights are a linear fit to all {n} versions of the clip with {kind} left out",
    "sampled": "The weights are estimates from {n} versions of the clip (95 % intervals are shown)",
    "imprecise": (
        "The weights are estimates from {n} versions of the clip, which is all that the budget "
        "allows (95 % intervals reach {reach} to either side; {precision} was asked for)"
    ),
    "fidelity": (
        ", and adding them up explains {fidelity} of how its answer changes when {kind} are "
        "missing."
    ),
    "low_fidelity": (
        ", but adding them up explains only {fidelity} of how its answer changes when {kind} are "
        "missing: "
        "the {kind} act together, so read single weights with care."
    ),
    "not_additive": (
        ", but adding them up does not predict how its answer changes when {kind} are missing: "
        "the {kind} act together, so read single weights with care."
    ),
    "no_fidelity": (
        ", and its answer does not change when {kind} are missing: there is nothing to explain."
    ),
    "occlusion": (
        "Relevance here is how far the output for {target} falls when a patch of the network's "
        "picture is covered; patches overlap, so it does not add up."
    ),
    "grad-cam": (
        "Relevance here is how active the channels are that speak for {target}; it is coarse, "
        "never negative, and does not add up to the output."
    ),
    "integrated-gradients": (
        "Relevance here adds up to the difference between the output for the clip and for "
        "silence, to within {incomplete}."
    ),
    "lrp": (
        "Relevance here is the output for {target} handed back through the network's layers, and "
        "adds up to {kept} of it."
    ),
    "crp": (
        "Relevance here is only what passes through {n} channels of the network's layer {layer}, "
        "{share} of all relevance there."
    ),
    "other method": "What the weights are worth is for {method} to say.",
    "and": " and ",
}

_UNITS = (
    "frequency bands",
    "time windows",
    "voiced windows",
    "phones",
    "syllables",
    "words",
    "segments",
    "harmonics",
    "harmonic, percussive, residual",
    "cells",
)
_OWN_METHODS = (
    *("emolime", "interventions"),
    *("occlusion", "grad-cam", "integrated-gradients", "lrp", "crp"),
)
_ALIKE = 5e-4  # probabilities that are shown as the same
_LOW_FIDELITY = 0.5
_NO_FIDELITY = 0.05
_SHARE = 0.6  # bands are named until they hold this share of the support
_MAX_NAMED = 3
_CLOSE = 0.6  # a second answer with this share of the first one's probability is mentioned
_NEGLIGIBLE = 0.02  # weights up to two hundredths of probability are not named
_CANCEL = 0.5  # a sum of less than this share of the largest weight is told first
_FAINT = 0.1  # nor those below a tenth of the largest


def unit_account(explanation: Explanation, *, words: Mapping[str, str] = ENGLISH) -> str:
    """Two sentences on an explanation of frequency bands, time windows or other units.

    Where the weights add up to less than half the largest of them, that is said first.
    A unit is named only where its weight exceeds 0.02 (of a probability) and a tenth of the
    largest, and its interval, if any, excludes 0.

    Parameters
    ----------
    explanation : Explanation
    words : mapping
        Templates, with the keys of ``ENGLISH``.
    """
    return f"{answer_sentence(explanation, words)} {trust_sentence(explanation, words)}"


def answer_sentence(explanation: Explanation, words: Mapping[str, str] = ENGLISH) -> str:
    """What the model answers, and which units speak for and against the target."""
    first = _answer(explanation, words)
    if explanation.map is not None:
        return f"{first}{_frequencies(explanation, words)}."
    names = unit_words(explanation, words)
    support, against = _named(explanation, sign=1), _named(explanation, sign=-1)
    total = float(explanation.target_weights.sum())
    if (support or against) and abs(total) < _CANCEL * abs(explanation.target_weights).max():
        first += words["together"].format(total=f"{total:+.2f}".replace("-", "−"), **names)
    if support:
        weights = explanation.target_weights
        most = weights[support].sum() > weights[weights > 0].sum() / 2
        first += words["support" if most else "spread"].format(
            **_phrase(explanation, support, words, "supply"), target=explanation.target, **names
        )
    else:
        first += words["no_support"].format(target=explanation.target, **names)
    if against:
        first += words["against"].format(**_phrase(explanation, against, words, "speak"))
    return f"{first}."


def _answer(explanation: Explanation, words: Mapping[str, str]) -> str:
    """What the model says of the clip, up to where its reasons begin."""
    prediction, labels = explanation.prediction, explanation.labels
    if not explanation.predicts_probabilities:
        given = [f"{name} = {value:.2f}" for name, value in zip(labels, prediction, strict=True)]
        return words["values"].format(
            model=explanation.model, values=listed([one.replace("-", "−") for one in given], words)
        )
    own = prediction if explanation.contrast is None else prediction[:-1]
    order = np.argsort(-own, kind="stable")
    top = int(order[0])
    said = words["answer"].format(
        model=explanation.model, top=labels[top], p_top=probability(own[top])
    )
    named = [labels[top]]
    if len(order) > 1 and own[order[1]] > _CLOSE * own[top]:
        named.append(labels[order[1]])
        said += words["close"].format(second=labels[order[1]], p=probability(own[order[1]]))
    if explanation.contrast is not None and explanation.target_index == len(own):
        given = [
            words["given"].format(label=label, p=probability(own[labels.index(label)]))
            for label in explanation.contrast
            if label not in named
        ]
        if given:
            said += words["contrast"].format(given=listed(given, words))
    elif explanation.target_index != top:
        said += words["other_target"].format(
            target=explanation.target, p_target=probability(own[explanation.target_index])
        )
    return said


def trust_sentence(explanation: Explanation, words: Mapping[str, str] = ENGLISH) -> str:
    """What the numbers are worth.

    Of an explainer of another package, what its own account says after the answer.
    """
    if explanation.method.name not in _OWN_METHODS:
        own = explanation.account.removeprefix(answer_sentence(explanation, words)).strip()
        return own or words["other method"].format(method=explanation.method.name)
    if explanation.map is not None:
        found = explanation.method.parameters
        return words[explanation.method.name].format(
            target=explanation.target,
            incomplete=percent(float(found.get("incomplete_by", 0.0)), at_least=0.01),
            kept=percent(float(found.get("relevance_kept", 1.0))),
            layer=found.get("layer"),
            n=len(explanation.concepts),
            share=percent(sum(concept.share for concept in explanation.concepts)),
        )
    names = unit_words(explanation, words)
    fidelity = float(explanation.fidelity[explanation.target_index])
    template = "sampled"
    if explanation.ci_low is None:
        shapley = explanation.method.parameters.get("estimator") == "shapley"
        template = "exact" if shapley else "fitted"
    found = explanation.method.parameters
    if found.get("reach", 0.0) > found.get("precision", np.inf):
        template = "imprecise"
    start = words[template].format(
        base=_base(explanation, words),
        n=explanation.n_model_calls,
        reach=probability(found.get("reach", 0.0)),
        precision=found.get("precision"),
        **names,
    )
    if np.isnan(fidelity):
        return start + words["no_fidelity"].format(**names)
    if fidelity < _NO_FIDELITY:
        return start + words["not_additive"].format(**names)
    end = words["fidelity" if fidelity >= _LOW_FIDELITY else "low_fidelity"]
    return start + end.format(fidelity=percent(fidelity), **names)


def is_chance(explanation: Explanation) -> bool:
    """Whether the base is what a model that knows nothing gives: 1 / number of labels."""
    n_labels = len(explanation.labels)
    plain = explanation.output_kind == "probability" and explanation.contrast is None
    return plain and n_labels > 1 and abs(explanation.base_value - 1 / n_labels) < _ALIKE


def _base(explanation: Explanation, words: Mapping[str, str]) -> str:
    """The output with nothing left, such as ``p = 0.14``."""
    value = explanation.base_value
    plain = explanation.output_kind == "probability" and explanation.predicts_probabilities
    plain = plain and explanation.contrast is None
    if plain and is_chance(explanation):
        return words["chance"].format(p=probability(value), n=len(explanation.labels))
    if plain:
        return f"p = {probability(value)}"
    return f"{explanation.quantity} = {value:.2f}".replace("-", "−")


def unit_words(explanation: Explanation, words: Mapping[str, str] = ENGLISH) -> Mapping[str, str]:
    """What the units are called: ``one`` and, of many, ``kind``."""
    kind = str(explanation.method.parameters.get("units", "frequency bands"))
    if layout_of(explanation.units) == "cells":
        kind = "cells"
    key = kind if kind in _UNITS else "other units"
    one, bar, many = words[key].partition("|")
    if not (one and bar and many):
        raise InputError(
            f"words[{key!r}] is {words[key]!r}; expected one and many, as in word|words"
        )
    return {"one": one, "kind": many}


def _frequencies(explanation: Explanation, words: Mapping[str, str]) -> str:
    """Where in frequency a map's positive relevance lies: eighths of the bands."""
    if explanation.map is None:
        return ""
    method = explanation.method.name
    relevance = np.maximum(explanation.map.values[explanation.target_index], 0.0).sum(axis=1)
    if relevance.sum() <= 0:
        return words["no_map"].format(method=method, target=explanation.target)
    groups = np.array_split(np.arange(len(relevance)), min(8, len(relevance)))
    shares = np.array([relevance[group].sum() for group in groups]) / relevance.sum()
    named: list[int] = []
    for index in np.argsort(-shares, kind="stable")[:_MAX_NAMED]:
        if shares[named].sum() >= _SHARE:
            break
        named.append(int(index))
    edges_hz = explanation.map.edges_hz
    names = [
        f"{edges_hz[groups[run[0]][0]]:.0f}–{edges_hz[groups[run[-1]][-1] + 1]:.0f} Hz"
        for run in runs(named)
    ]
    share = float(shares[named].sum())
    return words["map" if share >= _SHARE else "map_spread"].format(
        target=explanation.target, method=method, units=listed(names, words), share=percent(share)
    )


def _named(explanation: Explanation, *, sign: int) -> list[int]:
    """Bands on one side of zero that hold most of that side's weight, largest first."""
    row = explanation.target_index
    weights = sign * explanation.target_weights
    least = _NEGLIGIBLE if explanation.output_kind == "probability" else 0.0
    certain = weights > max(least, _FAINT * float(np.abs(weights).max()))
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
    """Units as words; neighbours become one range, whose weights are added."""
    one, many = words[verb].split("|")
    weights, units = explanation.target_weights, explanation.units
    found = sorted(runs(indices), key=lambda run: -abs(float(weights[run].sum())))
    layout = layout_of(units)
    if layout == "time" and not are_named(units):
        names = [f"{units[run[0]].start_s:.2f}–{units[run[-1]].end_s:.2f} s" for run in found]
    elif layout == "frequency":
        names = [f"{units[run[0]].low_hz:.0f}–{units[run[-1]].high_hz:.0f} Hz" for run in found]
    else:
        if layout != "time":  # what is beside each other in the list need not be in the clip
            found = [[index] for index in indices]
        names = [
            words["unit at" if layout == "time" else "unit"].format(
                name=" ".join(units[index].name for index in run),
                start=f"{units[run[0]].start_s:.2f}",
                end=f"{units[run[-1]].end_s:.2f}",
            )
            for run in found
        ]
    return {
        "units": listed(names, words),
        "weights": ", ".join(f"{weights[run].sum():+.2f}".replace("-", "−") for run in found),
        "verb": one if len(found) == 1 else many,
    }


def runs(indices: Sequence[int]) -> list[list[int]]:
    """Whole numbers in runs of neighbours."""
    found: list[list[int]] = []
    for index in sorted(indices):
        if found and index == found[-1][-1] + 1:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def listed(names: Sequence[str], words: Mapping[str, str] = ENGLISH) -> str:
    """a, b and c."""
    return words["and"].join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def probability(value: float) -> str:
    """Two digits, three near 0 and 1."""
    return f"{value:.2f}" if 0.005 <= value <= 0.995 else f"{value:.3f}"


def percent(share: float, *, at_least: float = 0.0) -> str:
    """A share in per cent; 100 % only of all."""
    most = "more than 99%" if 0.995 <= share < 1.0 else f"{max(share, at_least):.0%}"
    return most.replace("%", "\N{NO-BREAK SPACE}%")
