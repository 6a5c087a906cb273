"""How faithful the explanation of every clip is: one row a clip and fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from cuelens.evaluate.faithfulness import MEASURES, faithfulness_curves
from cuelens.evaluate.fills import Fill
from cuelens.runs.clips import RunClip
from cuelens.runs.explanations import Explanations, PreparedExplanations
from cuelens.runs.job import Row


@dataclass(frozen=True, kw_only=True)
class FaithfulnessValues:
    """Remove and put back the units of every clip's explanation.

    Parameters
    ----------
    explanations : Explanations
        What is evaluated.
    fills : tuple of {"silence", "mean spectrum", "noise"}
        What takes the place of what is removed.
    seed : int
        Of random orders and of fills.
    """

    explanations: Explanations = field(default_factory=Explanations)
    fills: tuple[Fill, ...] = ("silence",)
    seed: int = 0
    name = "faithfulness"

    def settings(self) -> dict[str, Any]:
        """See :class:`~cuelens.runs.job.Job`."""
        fills = {"fills": list(self.fills), "seed": self.seed}
        return {**self.explanations.settings(), **fills}

    def prepare(self) -> PreparedFaithfulness:
        """Load the model."""
        return PreparedFaithfulness(job=self, explained=self.explanations.prepare())


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedFaithfulness:
    """`FaithfulnessValues` with the model in memory."""

    job: FaithfulnessValues
    explained: PreparedExplanations

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        return {
            "target": pa.string(),
            "fill": pa.string(),
            **dict.fromkeys(MEASURES, pa.float64()),
        }

    @property
    def provenance(self) -> Mapping[str, Any]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        return self.explained.provenance

    def rows(self, clip: RunClip) -> list[Row]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        found, audio = self.explained.explain(clip)
        rows = []
        for fill in self.job.fills:
            curves = faithfulness_curves(found, self.explained.model, fill=fill, seed=self.job.seed)
            measures = curves.measures()
            rows.append(
                {
                    "sha256": audio.sha256,
                    "duration_s": audio.duration_s,
                    "target": found.target,
                    "fill": fill,
                    **{name: measures[name] for name in MEASURES},
                }
            )
        return rows
