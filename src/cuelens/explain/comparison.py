"""Two clips of one sentence side by side: what speaks for a label in one and not in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.explanation import Explanation
from cuelens.explain.time_warping import Alignment, align
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Two explanations of one model for one label.

    Parameters
    ----------
    first, second : Explanation
    audios : tuple of Audio
        The clips.
    target : str
        The label whose weights are compared.
    alignment : Alignment
        From times of the first clip to times of the second.
    """

    first: Explanation
    second: Explanation
    audios: tuple[Audio, Audio]
    target: str
    alignment: Alignment

    @property
    def weights(self) -> tuple[FloatArray, FloatArray]:
        """Weights of both clips for the target, each of shape (n_units,) of its clip."""
        row = self.first.labels.index(self.target)
        return self.first.weights[row], self.second.weights[row]

    @property
    def bands(self) -> bool:
        """Whether the units are frequency bands, which need no alignment."""
        return all(
            unit.start_s <= 0.01 and unit.end_s >= explanation.clip.duration_s - 0.01
            for explanation in (self.first, self.second)
            for unit in explanation.units
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a unit of the first clip, beside the same place of the second.

        Columns unit, low_hz, high_hz, start_s, end_s, second_start_s, second_end_s, first, second
        (weights), difference (first less second), difference_low, difference_high (95 % interval of
        the sampling error; NaN where weights are exact).  The second clip's weights of time windows
        are spread evenly over their time; NaN where a unit has no time in it.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "unit": [unit.name for unit in self.first.units],
                "low_hz": [unit.low_hz for unit in self.first.units],
                "high_hz": [unit.high_hz for unit in self.first.units],
                "start_s": [unit.start_s for unit in self.first.units],
                "end_s": [unit.end_s for unit in self.first.units],
            }
        )
        if self.bands:
            frame["second_start_s"] = [unit.start_s for unit in self.second.units]
            frame["second_end_s"] = [unit.end_s for unit in self.second.units]
            shares: FloatArray = np.eye(len(frame))
        else:
            frame["second_start_s"] = self.alignment.to_second(frame["start_s"].to_numpy())
            frame["second_end_s"] = self.alignment.to_second(frame["end_s"].to_numpy())
            shares = self._shares_within(
                frame["second_start_s"].to_numpy(), frame["second_end_s"].to_numpy()
            )
        frame["first"], frame["second"] = self.weights[0], shares @ self.weights[1]
        frame["difference"] = frame["first"] - frame["second"]
        reach = np.sqrt(
            _reach(self.first, self.target) ** 2 + shares**2 @ _reach(self.second, self.target) ** 2
        )
        frame["difference_low"] = frame["difference"] - reach
        frame["difference_high"] = frame["difference"] + reach
        return frame

    def _shares_within(self, start_s: FloatArray, end_s: FloatArray) -> FloatArray:
        """Share of each of the second clip's units between times, shape (n_times, n_units)."""
        unit_start, unit_end = (
            np.array([getattr(unit, name) for unit in self.second.units])
            for name in ("start_s", "end_s")
        )
        shared_s = np.minimum(end_s[:, None], unit_end) - np.maximum(start_s[:, None], unit_start)
        shares = np.maximum(shared_s, 0.0) / (unit_end - unit_start)
        shares[end_s <= start_s] = np.nan
        return shares

    @property
    def account(self) -> str:
        """The comparison in plain sentences."""
        from cuelens.explain.comparison_account import comparison_account

        return comparison_account(self)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON types; see the JSON page of the documentation."""
        import pandas as pd

        rows = self.to_frame().to_dict("records")
        row = self.first.labels.index(self.target)
        return {
            "schema_version": SCHEMA_VERSION,
            "target": self.target,
            "model": {"name": self.first.model, "labels": list(self.first.labels)},
            "clips": [
                {
                    "path": explanation.clip.path,
                    "sha256": explanation.clip.sha256,
                    "duration_s": explanation.clip.duration_s,
                    "prediction": dict(
                        zip(explanation.labels, explanation.prediction.tolist(), strict=True)
                    ),
                    "probability": float(explanation.prediction[row]),
                }
                for explanation in (self.first, self.second)
            ],
            "alignment": {
                "path_s": self.alignment.path_s.round(4).tolist(),
                "cost": self.alignment.cost,
            },
            "account": self.account,
            "units": [
                {key: None if pd.isna(value) else value for key, value in entry.items()}
                for entry in rows
            ],
        }

    def _repr_html_(self) -> str:
        """What a notebook shows; see :func:`~cuelens.explain.explanation_html.comparison_html`."""
        from cuelens.explain.explanation_html import comparison_html

        return comparison_html(self)

    def plot(self, *, narrow: bool = False) -> Figure:
        """Both spectrograms with their alignment between them, and the weights of both.

        Parameters
        ----------
        narrow : bool
            As wide as a column, with the weights below.
        """
        from cuelens.explain.comparison_figure import plot_comparison

        return plot_comparison(self, narrow=narrow)


def _reach(explanation: Explanation, target: str) -> FloatArray:
    """Half the width of the intervals of the weights, shape (n_units,); NaN where exact."""
    row = explanation.labels.index(target)
    if explanation.ci_low is None or explanation.ci_high is None:
        return np.full(len(explanation.units), np.nan)
    return (explanation.ci_high[row] - explanation.ci_low[row]) / 2


def compare(first: Explanation, second: Explanation, *, target: str | None = None) -> Comparison:
    """Compare two clips, best of one sentence.

    Parameters
    ----------
    first, second : Explanation
        Of one model, with the same bands, or of time windows; as returned by ``explain()``.
    target : str or None
        Label whose weights are compared; by default the target of the first.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        Of different models or units; read from JSON, which holds no sound; an unknown label.
    """
    if first.labels != second.labels or first.model != second.model:
        raise InputError(
            f"explanations are of {first.model} and of {second.model}; expected one model"
        )
    if first.output_kind != second.output_kind or first.method.name != second.method.name:
        raise InputError(
            f"explanations are of {first.output_kind} by {first.method.name} and of "
            f"{second.output_kind} by {second.method.name}; expected the same explainer"
        )
    target = first.target if target is None else target
    if target not in first.labels:
        raise InputError(f"target is {target!r}; expected one of {', '.join(first.labels)}")
    audios = tuple(
        explanation.audio(np.ones(len(explanation.units), dtype=bool))
        for explanation in (first, second)
    )
    found = Comparison(
        first=first,
        second=second,
        audios=(audios[0], audios[1]),
        target=target,
        alignment=align(*audios),
    )
    ranges = [
        [(unit.low_hz, unit.high_hz) for unit in explanation.units]
        for explanation in (first, second)
    ]
    if found.bands:
        if ranges[0] != ranges[1]:
            raise InputError(
                f"explanations have {len(ranges[0])} and {len(ranges[1])} bands, or others; "
                "expected the same bands"
            )
    elif len({*ranges[0], *ranges[1]}) > 1:
        raise InputError(
            "units differ in time and in frequency; expected bands of both clips, or time windows "
            "of both"
        )
    return found
