"""How far one explanation can be trusted: a few numbers that come with it.

By default they cost next to nothing: they are read from the evaluations that the explanation was
made of.  ``thorough`` adds what needs new ones: other sound in place of what is left out, and the
clip with faint noise, moved by milliseconds, and through codecs and a telephone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.stats

from cuelens.audio import Audio
from cuelens.evaluate.faithfulness import faithfulness_curves
from cuelens.evaluate.fills import FILLS
from cuelens.evaluate.gate import Gate
from cuelens.evaluate.perturbations import Codec, Shift, Telephone, WhiteNoise
from cuelens.evaluate.removal import RemovalCurve, removal_curve
from cuelens.evaluate.stability import changed_explanations
from cuelens.explain.account import listed
from cuelens.explain.explanation import Explanation
from cuelens.explain.named import Explainer
from cuelens.models.base import Model

GOOD = 0.95
"""Share of random orders that a good ranking beats, whatever fills the gaps."""

WEAK = 0.75
"""Share of random orders that a ranking must exceed not to be called chance; a half is chance."""

STEADY = 0.8
"""Rank correlation above which two rankings are called alike."""

CHANGES = (WhiteNoise(), Shift(), Codec(codec="mp3"), Telephone())
"""What the thorough part does to the clip."""

_OTHER_FILLS = tuple(fill for fill in FILLS if fill != "silence")

N_THOROUGH = len(_OTHER_FILLS) + len(CHANGES)
"""Steps of the thorough part."""

_N_DRAWS = 400
_N_ORDERS = 6  # random orders with each fill, where units are too many to try all combinations
_ROUNDING = 1e-9
SOUNDS = {"mean spectrum": "the mean spectrum"}

Grade = Literal["good", "weak", "may be chance"]


def grade(beaten: float) -> Grade:
    """A share of random orders beaten, in words: `GOOD` or more, more than `WEAK`, or less."""
    if beaten >= GOOD:
        return "good"
    return "weak" if beaten > WEAK else "may be chance"


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """What speaks for and against an explanation.

    Parameters
    ----------
    beaten : float, 0 to 1
        Share of random orders along which removing the units leaves more of the probability than
        by weight; 0.5 is no better than chance.
    n_orders : int
        Random orders that this was counted on.
    repeat : float, -1 to 1
        Rank correlation of the weights that is to be expected with another seed; 1 where nothing
        is random; NaN where all weights are equal.
    sampled : bool
        Whether anything is random.
    fidelity : float
        Weighted R2 of adding up the weights; NaN where the method does not add up, or the output
        never changes.
    gate : Gate or None
        What was found about the model before explaining.
    fills : mapping of str to float
        ``beaten`` with silence and with other sound in place of what is removed; empty unless
        thorough.
    changes : mapping of str to float
        Rank correlation with the explanation of the clip with noise at 40 dB, moved by 5 ms, coded;
        empty unless thorough; NaN where it is not known.
    n_model_calls : int
        That this took.
    n_fill_orders : int
        Random orders that ``fills`` with other sound were counted on; 0 unless thorough.
    """

    beaten: float
    n_orders: int
    repeat: float
    sampled: bool
    fidelity: float
    gate: Gate | None = None
    fills: Mapping[str, float]
    changes: Mapping[str, float]
    n_model_calls: int
    n_fill_orders: int = 0

    @property
    def thorough(self) -> bool:
        """Whether the costly part was done."""
        return bool(self.fills)

    @property
    def verdict(self) -> str:
        """In a word: "supported", "weak" or "not supported".

        "not supported": the ranking may be chance (see `grade`), or the gate has a flag.
        "supported": it is good, and would come out alike with another seed (rank correlation of
        0.8), and, where that was tried, may be chance with no fill and stays alike under most
        changes.  Else "weak".
        """
        if grade(self.beaten) == "may be chance" or (self.gate is not None and not self.gate.ok):
            return "not supported"
        known = [value for value in self.changes.values() if np.isfinite(value)]
        steady = not known or float(np.median(known)) >= STEADY
        filled = all(grade(value) != "may be chance" for value in self.fills.values())
        good = grade(self.beaten) == "good" and self.repeat >= STEADY
        return "supported" if good and steady and filled else "weak"

    def orders_beaten(self, fill: str | None = None) -> str:
        """With a fill, by default silence, such as "997 of 1000"; ties count half."""
        if fill is None:
            return f"{self.beaten * self.n_orders:g} of {self.n_orders}"
        return f"{self.fills[fill] * self.n_fill_orders:g} of {self.n_fill_orders}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; NaN as null."""
        return {
            "verdict": self.verdict,
            "share_of_random_orders_beaten": _number(self.beaten),
            "n_random_orders": self.n_orders,
            "rank_correlation_other_seed": _number(self.repeat),
            "sampled": self.sampled,
            "fidelity": _number(self.fidelity),
            "gate": None if self.gate is None else self.gate.to_dict(),
            "thorough": self.thorough,
            "share_beaten_by_fill": {name: _number(v) for name, v in self.fills.items()},
            "n_random_orders_by_fill": self.n_fill_orders,
            "rank_correlation_by_change": {name: _number(v) for name, v in self.changes.items()},
            "n_model_calls": self.n_model_calls,
        }


def reliability(
    explanation: Explanation,
    model: Model,
    *,
    removal: RemovalCurve | None = None,
    gate: Gate | None = None,
    explainer: Explainer | None = None,
    audio: Audio | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Reliability:
    """Say how far an explanation can be trusted.

    Parameters
    ----------
    explanation : Explanation
        As returned by ``explain()``, with its sound.
    model : Model
        That was explained.
    removal : RemovalCurve or None
        Where it is known already.
    gate : Gate or None
        Of the model.
    explainer : Explainer or None
        That made the explanation; with it, and `audio`, the thorough part is done.
    audio : Audio or None
        The clip.
    seed : int
        Of random orders, fills and noise.
    progress : callable, optional
        Called with 1 after each of the `N_THOROUGH` steps of the thorough part.
    """
    curve = removal_curve(explanation, model, seed=seed) if removal is None else removal
    fills: dict[str, float] = {}
    changes: dict[str, float] = {}
    n_calls = curve.n_model_calls if removal is None else 0
    n_fill_orders = 0
    if explainer is not None and audio is not None:
        advance = progress or (lambda n: None)
        fills["silence"] = curve.share_beaten
        for fill in _OTHER_FILLS:
            curves = faithfulness_curves(
                explanation, model, fill=fill, seed=seed, n_random=_N_ORDERS
            )
            fills[fill] = curves.measures()["percentile_deletion"]
            n_calls += curves.n_model_calls
            n_fill_orders = len(curves.random_deletion)
            advance(1)
        for name, correlation, calls in changed_explanations(
            explanation, model, explainer, audio, perturbations=CHANGES, seed=seed
        ):
            changes[name] = correlation
            n_calls += calls
            advance(1)
    return Reliability(
        beaten=curve.share_beaten,
        n_orders=curve.n_orders,
        repeat=repeat_correlation(explanation, seed=seed),
        sampled=explanation.ci_low is not None,
        fidelity=float(explanation.fidelity[explanation.target_index]),
        gate=gate,
        fills=fills,
        changes=changes,
        n_model_calls=n_calls,
        n_fill_orders=n_fill_orders,
    )


def repeat_correlation(explanation: Explanation, *, seed: int = 0) -> float:
    """Rank correlation of the weights to be expected between this run and one with another seed.

    From the intervals of the weights: pairs of weights are drawn around those found, normally
    distributed with the standard errors that the intervals stand for.  1 where nothing is random,
    NaN where all weights are equal.

    Parameters
    ----------
    explanation : Explanation
    seed : int
        Of the draws.

    Notes
    -----
    Weights found are more spread than the true ones, by their own error; the variance of the errors
    is therefore taken off the spread before drawing, so that noise alone gives about 0.
    """
    row = explanation.target_index
    weights = explanation.weights[row]
    if len(weights) < 2 or np.ptp(weights) <= _ROUNDING:
        return float("nan")
    if explanation.ci_low is None or explanation.ci_high is None:
        return 1.0
    error = (explanation.ci_high[row] - explanation.ci_low[row]) / (2 * scipy.stats.norm.ppf(0.975))
    spread = float(np.var(weights))
    kept = np.sqrt(max(0.0, 1.0 - float(np.mean(error**2)) / spread))
    centre = weights.mean() + kept * (weights - weights.mean())
    rng = np.random.default_rng(seed)
    drawn = centre + error * rng.normal(size=(2, _N_DRAWS, len(weights)))
    ranks = scipy.stats.rankdata(drawn, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    norm = np.sqrt((ranks**2).sum(axis=-1))
    return float(np.mean((ranks[0] * ranks[1]).sum(axis=-1) / (norm[0] * norm[1])))


def reliability_account(
    found: Reliability, *, kind: str, moments: Reliability | None = None
) -> str:
    """The verdict and what it rests on, for the account.

    Parameters
    ----------
    found : Reliability
    kind : str
        What the units are called, such as "bands".
    moments : Reliability or None
        Of the moments, where these are of another explanation.
    """
    verdict = f"Trust: {found.verdict}"
    if not found.thorough:
        verdict += " (with silence in the gaps; other sound was not tried)"
    because = reasons_against(found)
    if because:
        verdict += f", because {listed(because)}"
    if found.verdict == "not supported":
        verdict += ": do not rely on these weights"
    sentences = [
        f"{verdict}.",
        f"Removed by weight, the {kind} lower the answer faster than in {found.orders_beaten()} "
        f"random orders{_repeat_clause(found)}.",
    ]
    if found.thorough:
        sentences.append(_thorough_sentence(found))
    if moments is not None:
        why = listed([f"{moments.orders_beaten()} random orders", *reasons_against(moments)])
        sentences.append(f"The moments' weights: {moments.verdict} ({why}).")
    if found.gate is not None:
        sentences += [flag.sentence for flag in found.gate.flags]
    return " ".join(sentences)


def reasons_against(found: Reliability) -> list[str]:
    """What keeps the verdict from being "supported"."""
    reasons = []
    if found.gate is not None and not found.gate.ok:
        reasons.append("the model failed a check")
    if grade(found.beaten) != "good":
        called = {"weak": "is only weakly better than chance", "may be chance": "may be chance"}
        reasons.append(f"the order of the weights {called[grade(found.beaten)]}")
    if np.isfinite(found.repeat) and found.repeat < STEADY:
        reasons.append("another seed would rank them differently")
    chance = [name for name, v in found.fills.items() if grade(v) == "may be chance"]
    others = [name for name in chance if name != "silence"]
    if others:
        sounds = listed([f"with {SOUNDS.get(name, name)}" for name in others])
        reasons.append(f"{sounds} in the gaps the order may be chance")
    known = [value for value in found.changes.values() if np.isfinite(value)]
    if known and float(np.median(known)) < STEADY:
        reasons.append("small changes of the clip change the weights")
    return reasons


def _repeat_clause(found: Reliability) -> str:
    """What another seed would give."""
    if not found.sampled:
        return "; another seed gives the same weights"
    if np.isnan(found.repeat):
        return "; its weights are all equal"
    if found.repeat >= STEADY:
        return f"; another seed would rank them alike (rank correlation {found.repeat:.2f})"
    return (
        f"; with another seed, expect a rank correlation of {found.repeat:.2f} (more samples help)"
    )


def _thorough_sentence(found: Reliability) -> str:
    """What other fills and changes of the clip do."""
    fills = [
        f"{found.orders_beaten(name)} with {SOUNDS.get(name, name)}"
        for name in found.fills
        if name != "silence"
    ]
    text = f"With other sound in the gaps it is faster than in {listed(fills)}."
    known = [f"{value:.2f} ({name})" for name, value in found.changes.items() if np.isfinite(value)]
    if known:
        text += f" When the clip is changed, weights keep a rank correlation of {listed(known)}."
    return text


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
