"""The rule that turns intervals into a verdict, for one feature and one emotion.

All scores are out of fold, with 95 % intervals over speakers; ``negligible`` is the smallest share
of variance of interest.

- **carried**: the R2 of all dimensions beats that of shuffled features after false discovery
  control, and the interval of the difference lies above ``negligible``.
- **not carried**: that interval lies below ``negligible``.
- **carried and used**: carried, the emotion is told above chance, and one of two tests holds, each
  at half the false discovery rate:

  - *the decision needs it*: with the feature erased and the decision learned anew, the score is
    lower (interval above 0), by at least a twentieth of what it tells above chance;
  - *the dimensions that matter carry it*: importance for the emotion lies on dimensions that carry
    the feature, more than importance for shuffled labels does; the dimensions that matter tell the
    emotion and carry more of the feature than as many chosen for shuffled labels (interval above
    0), than as many random ones on average, and at least half of what all dimensions carry.
- **carried, not used**: carried, the emotion is told, neither test holds, and without the feature
  the decision keeps all but a fifth of what it tells above chance (interval), with no loss shown.
- **undecided**: everything else.

A verdict is about association: features that go together get verdicts together, and a feature that
goes along with the real cue of an emotion falls with it when it is erased.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd

from cuelens.typing import BoolArray, FloatArray

Verdict = Literal["carried and used", "carried, not used", "not carried", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
NEGLIGIBLE_SHARE = 0.2  # of the score above chance: losing less is doing without
SMALLEST_SHARE = 0.05  # losing less is not needing


def verdicts(
    features: pd.DataFrame,
    *,
    told: BoolArray,
    told_by_top: BoolArray,
    above_chance: FloatArray,
    negligible_r2: float,
    alpha: float,
) -> list[Verdict]:
    """One verdict a row.

    Parameters
    ----------
    features : DataFrame
        With columns ``q``, ``selectivity_low``, ``selectivity_high``, ``q_top``, ``gain_low``,
        ``r2_all``, ``r2_top``, ``r2_random``, ``q_drop``, ``drop``, ``drop_low`` and ``drop_high``
        (see `ProbeResult`).
    told, told_by_top : ndarray of bool, shape (n_rows,)
        Whether the emotion of the row is told above chance, by all and by the top dimensions.
    above_chance : ndarray, shape (n_rows,)
        Its score less chance.
    negligible_r2, alpha : float
    """
    carried = (features["q"] <= alpha) & (features["selectivity_low"] > negligible_r2)
    absent = features["selectivity_high"] < negligible_r2
    half = features["r2_all"] / 2
    kept = (features["drop_high"] < NEGLIGIBLE_SHARE * above_chance) & (features["drop_low"] <= 0)
    needed = (
        (features["q_drop"] <= alpha / 2)
        & (features["drop_low"] > 0)
        & (features["drop"] >= SMALLEST_SHARE * above_chance)
    )
    in_top = (
        (features["q_top"] <= alpha / 2)
        & (features["gain_low"] > 0)
        & (features["r2_top"] >= np.fmax(half, features["r2_random"]))
        & told_by_top
    )
    used = carried & told & (needed | in_top)
    unused = carried & told & ~used & kept
    names: dict[Verdict, pd.Series] = {
        "carried and used": used,
        "carried, not used": unused,
        "not carried": absent & ~carried,
    }
    return list(
        np.select([where.to_numpy() for where in names.values()], list(names), default="undecided")
    )
