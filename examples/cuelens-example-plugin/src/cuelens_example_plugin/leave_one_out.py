"""Leave one out: how far the answer falls when one part of the clip is missing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from cuelens import Audio, Explanation, FrequencyBands
from cuelens.explain import Clip, Method
from cuelens.explain.account import answer_sentence
from cuelens.explain.explanation import output_parameters
from cuelens.models import Model, model_name, model_output, predict
from cuelens.models.base import default_target, label_index, model_labels
from cuelens.provenance import versions
from cuelens.units import Units
from cuelens.units.kinds import unit_parameters


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut:
    """Weight of a unit: the answer to the clip minus the answer without the unit.

    Parameters
    ----------
    units : Units
        What is left out.  `cuelens explain` sets it from ``--units``, ``--bands`` and ``--scale``,
        because it is called ``units``; so it would a ``seed``, ``samples``, ``layer`` or
        ``window_s``.
    """

    name: ClassVar[str] = "leave-one-out"
    units: Units = field(default_factory=FrequencyBands)

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> Explanation:
        """Explain one clip; the model hears it once for every unit, and once whole."""
        began = time.perf_counter()
        labels = model_labels(model)
        wanted = None if target is None else label_index(model, target)
        audio = audio.resample(model.sample_rate)
        parts = self.units.decompose(audio)
        n_units = len(parts)
        keep = np.vstack([np.ones((1, n_units), dtype=bool), ~np.eye(n_units, dtype=bool)])
        outputs = predict(model, list(parts.mix(keep)))
        chosen = default_target(model, outputs[0]) if wanted is None else wanted
        unknown = np.full(len(labels), np.nan)
        found = Explanation(
            clip=Clip.of(audio),
            model=model_name(model),
            labels=labels,
            target=labels[chosen],
            prediction=outputs[0],
            base=unknown,  # the model was not asked about nothing
            units=parts.units,
            weights=(outputs[0] - outputs[1:]).T,
            fidelity=unknown,
            keep=keep,
            outputs=outputs,
            n_model_calls=len(keep),
            method=Method(
                name=self.name,
                parameters=unit_parameters(self.units)
                | output_parameters(model, model_output(model)),
                seed=0,
                versions=versions(model, self.units),
            ),
            components=parts,  # to listen to, and for removal curves
        )
        account = (
            f"{answer_sentence(found)} A weight is how far the answer falls when that part "
            "alone is missing."
        )
        return replace(found, account=account, timing_s=time.perf_counter() - began)
