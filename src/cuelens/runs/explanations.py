"""Explanations of every clip: one row a clip and unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from cuelens.audio import Audio
from cuelens.corpora import canonical_emotion
from cuelens.errors import InputError
from cuelens.evaluate.explainers import applies, described_explainer
from cuelens.evaluate.reliability import reliability
from cuelens.explain import EmoLime, Explainer, Explanation
from cuelens.models import Model, load_model, model_name
from cuelens.models.base import default_target, label_index, model_labels, model_output
from cuelens.provenance import versions
from cuelens.runs.clips import RunClip
from cuelens.runs.fingerprint import fingerprint
from cuelens.runs.job import Row
from cuelens.units import Units, UnitSpec

TRUTH = "truth"


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """Explain the model's answer to every clip, and say how far to trust each.

    Parameters
    ----------
    model : str
        As for `load_model`: each process loads it.
    explainer : Explainer
        By default exact Shapley values of eight mel bands.
    units : UnitSpec or None
        Units that are another for every clip, such as words, in place of the explainer's.
    target : str or None
        Label that is explained; ``"truth"``: the clip's own; None: the model's answer.
    thorough : bool
        Also try other sound in the gaps, noise, shifts and codecs: several times the work.
    """

    model: str = "emodb-cnn"
    explainer: Explainer = field(default_factory=EmoLime)
    units: UnitSpec | None = None
    target: str | None = None
    thorough: bool = False
    name = "explanations"

    def settings(self) -> dict[str, Any]:
        """See :class:`~cuelens.runs.job.Job`."""
        return {
            "model": self.model,
            "explainer": described_explainer(self.explainer),
            "units": None if self.units is None else str(self.units),
            "target": self.target,
            "thorough": self.thorough,
        }

    def prepare(self) -> PreparedExplanations:
        """Load the model."""
        model = load_model(self.model)
        if not applies(self.explainer, model):
            raise InputError(
                f"{described_explainer(self.explainer)} looks inside a network behind a front end, "
                f"and model {model_name(model)} is none; expected an explainer for any model, such "
                "as shapley"
            )
        if self.target not in (None, TRUTH):
            label_index(model, str(self.target))
        return PreparedExplanations(job=self, model=model)


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedExplanations:
    """`Explanations` with the model in memory."""

    job: Explanations
    model: Model

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Of the model."""
        return model_labels(self.model)

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        number = pa.float64()
        return {
            "answer": pa.string(),
            "correct": pa.string(),
            "target": pa.string(),
            "output_value": number,
            "base_value": number,
            "n_model_calls": pa.int32(),
            "fidelity": number,
            "share_of_random_orders_beaten": number,
            "rank_correlation_other_seed": number,
            "verdict": pa.string(),
            "place": pa.int32(),
            "unit": pa.string(),
            "low_hz": number,
            "high_hz": number,
            "unit_start_s": number,
            "unit_end_s": number,
            "weight": number,
            "ci_low": number,
            "ci_high": number,
            **{f"output_{label}": number for label in self.labels},
            **{f"weight_{label}": number for label in self.labels},
        }

    @property
    def provenance(self) -> Mapping[str, Any]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        return {
            "model": model_name(self.model),
            "labels": list(self.labels),
            "output": model_output(self.model),
            "model_fingerprint": fingerprint(self.model),
            "versions": versions(self.model, self.job.explainer),
        }

    def explain(self, clip: RunClip) -> tuple[Explanation, Audio]:
        """The explanation of a clip, and its sound."""
        target = self._target_of(clip)
        audio = clip.audio(sample_rate=self.model.sample_rate)
        return self._explainer_of(clip, audio).explain(self.model, audio, target=target), audio

    def rows(self, clip: RunClip) -> list[Row]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        found, audio = self.explain(clip)
        trust = reliability(
            found,
            self.model,
            explainer=self._explainer_of(clip, audio) if self.job.thorough else None,
            audio=audio,
        )
        answer = self.labels[default_target(self.model, found.prediction)]
        of_clip = {
            "sha256": audio.sha256,
            "duration_s": audio.duration_s,
            "answer": answer,
            "correct": correctness(answer, clip.emotion, self.model),
            "target": found.target,
            "output_value": found.output_value,
            "base_value": found.base_value,
            "n_model_calls": found.n_model_calls + trust.n_model_calls,
            "fidelity": trust.fidelity,
            "share_of_random_orders_beaten": trust.beaten,
            "rank_correlation_other_seed": trust.repeat,
            "verdict": trust.verdict,
            **{
                f"output_{label}": float(value)
                for label, value in zip(self.labels, found.prediction, strict=True)
            },
        }
        return [{**of_clip, **unit} for unit in _units(found)]

    def _explainer_of(self, clip: RunClip, audio: Audio) -> Explainer:
        if self.job.units is None:
            return self.job.explainer
        return with_units(self.job.explainer, self.job.units.of_clip(clip.file, audio))

    def _target_of(self, clip: RunClip) -> str | None:
        if self.job.target != TRUTH:
            return self.job.target
        if clip.emotion is None:
            raise InputError(
                f"{clip.file}: its emotion is unknown; expected one to explain (target 'truth')"
            )
        return self.labels[label_index(self.model, clip.emotion)]


def with_units(explainer: Explainer, units: Units) -> Explainer:
    """The same explainer with other units."""
    if not isinstance(explainer, EmoLime):
        raise InputError(
            f"{described_explainer(explainer)} has no units to choose; expected shapley or lime"
        )
    return replace(explainer, units=units)


def correctness(answer: str, emotion: str | None, model: Model) -> str:
    """Whether an answer is "right" or "wrong", or "unknown": no label, or a regressor."""
    if emotion is None or model_output(model) == "value":
        return "unknown"
    try:
        heard = canonical_emotion(answer)
    except InputError:
        heard = answer
    return "right" if heard == emotion else "wrong"


def _units(found: Explanation) -> list[Row]:
    own = found.target_index
    rows = []
    for place, unit in enumerate(found.units):
        low = np.nan if found.ci_low is None else found.ci_low[own, place]
        high = np.nan if found.ci_high is None else found.ci_high[own, place]
        rows.append(
            {
                "place": place,
                "unit": unit.name,
                "low_hz": float(unit.low_hz),
                "high_hz": float(unit.high_hz),
                "unit_start_s": float(unit.start_s),
                "unit_end_s": float(unit.end_s),
                "weight": float(found.target_weights[place]),
                "ci_low": float(low),
                "ci_high": float(high),
                **{
                    f"weight_{label}": float(found.weights[row, place])
                    for row, label in enumerate(found.labels)
                },
            }
        )
    return rows
