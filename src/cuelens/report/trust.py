"""The part of a report that says how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cuelens.evaluate.reliability import SOUNDS, STEADY, Grade, Reliability, grade
from cuelens.explain.account import percent

_VERDICTS = {
    "supported": "The tests support these weights",
    "weak": "The tests support these weights only in part",
    "not supported": "The tests do not support these weights",
}
_UNTRIED = ", with silence in the gaps; other sound was not tried"
_PASSED: dict[Grade, bool | None] = {"good": True, "weak": None, "may be chance": False}
_FEW_ORDERS = 100


@dataclass(frozen=True, kw_only=True)
class Check:
    """One test: what was asked, the answer as a number and in words, and how good that is.

    ``passed`` is None where the number is neither good nor bad.
    """

    question: str
    value: str
    meaning: str
    passed: bool | None

    @property
    def outcome(self) -> str:
        """In words."""
        return {True: "passed", False: "not passed", None: "neither passed nor failed"}[self.passed]

    @property
    def mark(self) -> str:
        """As a sign."""
        return {True: "✓", False: "✗", None: "·"}[self.passed]


@dataclass(frozen=True, kw_only=True)
class TrustSection:
    """What was tested of one explanation."""

    kind: str
    verdict: str
    sentence: str
    checks: tuple[Check, ...]
    thorough: bool

    @classmethod
    def of(cls, found: Reliability, *, kind: str) -> TrustSection:
        """From what was found; ``kind`` is "bands" or "moments"."""
        return cls(
            kind=kind,
            verdict=found.verdict,
            sentence=_VERDICTS[found.verdict] + ("." if found.thorough else f"{_UNTRIED}."),
            checks=tuple(_checks(found, kind)),
            thorough=found.thorough,
        )


def _checks(found: Reliability, kind: str) -> list[Check]:
    checks = [
        Check(
            question=f"Does the answer fall when the {kind} go, most supporting first?",
            value=found.orders_beaten(),
            meaning=_beaten(found.beaten, found.n_orders),
            passed=_PASSED[grade(found.beaten)],
        ),
        _repeat(found),
    ]
    if np.isfinite(found.fidelity):
        checks.append(
            Check(
                question="Do the weights add up to how the answer changes?",
                value=percent(max(0.0, found.fidelity)),
                meaning=f"of the changes are explained; the rest is {kind} acting together",
                passed=None,
            )
        )
    for fill, beaten in found.fills.items():
        if fill != "silence":  # the first row
            checks.append(
                Check(
                    question=f"And with {SOUNDS.get(fill, fill)} in the gaps?",
                    value=found.orders_beaten(fill),
                    meaning=_beaten(beaten, found.n_fill_orders),
                    passed=_PASSED[grade(beaten)],
                )
            )
    for change, correlation in found.changes.items():
        known = bool(np.isfinite(correlation))
        checks.append(
            Check(
                question=f"Would the weights be alike: {change}?",
                value=f"{correlation:.2f}" if known else "–",
                meaning=f"rank correlation with the weights shown; {STEADY} or more is good"
                if known
                else "could not be told",
                passed=correlation >= STEADY if known else None,
            )
        )
    if found.gate is not None:
        checks.append(
            Check(
                question="Does the model answer as a trained one does?",
                value="yes" if found.gate.ok else "no",
                meaning=" ".join(flag.sentence for flag in found.gate.flags)
                or f"{found.gate.n_clips} clips, silence and noise were asked about",
                passed=found.gate.ok,
            )
        )
    return checks


def _beaten(beaten: float, n_orders: int) -> str:
    few = " (they are few, so the share is rough)" if n_orders < _FEW_ORDERS else ""
    return f"random orders beaten: {grade(beaten)}{few}"


def _repeat(found: Reliability) -> Check:
    question = "Would another seed give the same?"
    if not found.sampled:
        return Check(question=question, value="yes", meaning="nothing is random", passed=True)
    if not np.isfinite(found.repeat):
        return Check(question=question, value="–", meaning="all weights are equal", passed=None)
    return Check(
        question=question,
        value=f"{found.repeat:.2f}",
        meaning=f"rank correlation to be expected between two runs; {STEADY} or more is good",
        passed=found.repeat >= STEADY,
    )
