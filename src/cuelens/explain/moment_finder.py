"""How the moments that count are found, for any model."""

from __future__ import annotations

from typing import Literal

from cuelens.explain.emolime import EmoLime
from cuelens.units import TimeWindows


def moment_finder(
    duration_s: float,
    window_s: float,
    seed: int,
    *,
    output: Literal["probability", "logit"] = "probability",
) -> EmoLime:
    """Sampled Shapley values of time windows: 256 versions of the clip, more for long clips."""
    units = TimeWindows(window_s=min(window_s, max(0.03, duration_s)))
    n_units = units.n_units(duration_s)
    return EmoLime(units=units, samples=max(256, 2 + 8 * n_units), output=output, seed=seed)
