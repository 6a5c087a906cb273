"""What comes out of judging explainers by removal: a table, means with intervals, mean curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.evaluate.faithfulness import MEASURES
from cuelens.evaluate.intervals import bootstrap_mean
from cuelens.evaluate.over_clips import records
from cuelens.explain.explanation import dump_json
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
SHARES = np.linspace(0.0, 1.0, 21)
"""Shares of units at which mean curves are given."""

_CURVES = (
    *("deletion", "insertion", "kept", "random_deletion", "random_insertion", "random_kept"),
    *("best_deletion", "best_insertion"),
)
_FACTS = ("removed", "n_units", "n_random_orders", "all_orders", "n_model_calls")


@dataclass(frozen=True, kw_only=True, eq=False)
class Faithfulness:
    """Faithfulness of explainers over the clips of a corpus.

    Parameters
    ----------
    about : mapping
        ``corpus``, ``model``, ``explainers``, ``fills``, ``cells``, ``n_clips``, ``n_steps``,
        ``n_random``, ``seed``, ``versions``, and ``skipped``: explainers that cannot explain the
        model, with why.
    entries : tuple of dict
        One a clip, explainer and fill: ``file``, ``start_s``, ``speaker``, ``emotion``,
        ``answer``, ``probability``, ``explainer``, ``fill``, ``error`` ("" where there is none) and
        ``curves`` (None after an error, else as of
        :meth:`~cuelens.evaluate.faithfulness.FaithfulnessCurves.to_dict`).
    """

    about: Mapping[str, Any]
    entries: tuple[Mapping[str, Any], ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a clip, explainer and fill.

        Returns
        -------
        DataFrame
            Columns file, start_s, speaker, emotion, answer, probability, explainer, fill,
            probability_of_fill (of the same answer, with every unit replaced: what stands in place
            of units can speak for an answer itself), removed, n_units, n_random_orders, all_orders,
            n_model_calls, each of `MEASURES`, the same with ``random_`` in front (mean over random
            orders), best_deletion_area, best_insertion_area, error.
        """
        rows = []
        for entry in self.entries:
            row = {name: value for name, value in entry.items() if name != "curves"}
            error = row.pop("error")
            curves = entry["curves"]
            if curves is None:
                rows.append({**row, "error": error})
                continue
            row["probability_of_fill"] = curves["deletion"][-1]
            row |= {name: curves[name] for name in _FACTS}
            row |= curves["measures"]
            row |= {f"random_{name}": value for name, value in curves["random_measures"].items()}
            row |= {f"best_{name}": value for name, value in curves["best_areas"].items()}
            rows.append({**row, "error": error})
        columns = [
            *("file", "start_s", "speaker", "emotion", "answer", "probability", "explainer"),
            *("fill", "probability_of_fill", *_FACTS),
            *MEASURES,
            *(f"random_{name}" for name in MEASURES),
            *("best_deletion_area", "best_insertion_area", "error"),
        ]
        frame = pd.DataFrame(rows, columns=columns)
        numbers = [
            "probability",
            "probability_of_fill",
            *MEASURES,
            *(name for name in columns if name.startswith(("random_", "best_"))),
        ]
        return frame.astype(dict.fromkeys(numbers, np.float64))

    def summary(self) -> pd.DataFrame:
        """Means over clips, and how far they are from random order and from the first explainer.

        Returns
        -------
        DataFrame
            One row an explainer, fill and measure: ``removed``, ``n_clips``, ``mean`` with ``low``
            and ``high``, ``random``, ``minus_random`` with ``_low`` and ``_high``, ``best`` (mean
            over clips where the best order is known), and ``minus_first`` with ``_low`` and
            ``_high``: minus the first explainer on the same clips; NaN of that one, and of
            explainers of which other units are removed.  Bounds are 95 % bootstrap intervals, over
            speakers where there are three or more, else over clips; NaN with a single clip.
        """
        frame = self.to_frame()
        frame = frame[frame["error"] == ""].set_index(["file", "start_s"])
        names = [name for name in self.about["explainers"] if name not in self.about["skipped"]]
        rows = []
        for fill in self.about["fills"]:
            of_fill = frame[frame["fill"] == fill]
            first = of_fill[of_fill["explainer"] == names[0]]
            for name in names:
                own = of_fill[of_fill["explainer"] == name]
                if own.empty:
                    continue
                paired = own.join(first.add_suffix("_first"))
                both = paired.dropna(subset=["removed_first"])
                same = all((both[of] == both[f"{of}_first"]).all() for of in ("removed", "n_units"))
                compares = name != names[0] and same
                for measure in MEASURES:
                    values = own[measure].to_numpy()
                    random = own[f"random_{measure}"].to_numpy()
                    best = own.get(f"best_{measure}")
                    known = None if best is None else best[best.notna()]
                    row = {
                        "explainer": name,
                        "fill": fill,
                        "removed": own["removed"].iloc[0],
                        "measure": measure,
                        "n_clips": len(own),
                        **_mean("", values, own["speaker"]),
                        "random": float(random.mean()),
                        **_mean("minus_random", values - random, own["speaker"]),
                        "best": np.nan if known is None or known.empty else float(known.mean()),
                    }
                    against = paired[f"{measure}_first"].to_numpy() if compares else np.nan
                    rows.append(row | _mean("minus_first", values - against, own["speaker"]))
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Mean curves over clips.

        Returns
        -------
        DataFrame
            One row an explainer, fill and share of units (`SHARES`): ``deletion``, ``insertion``,
            ``kept``, the same with ``random_`` in front, ``best_deletion`` and ``best_insertion``
            (NaN unless known of every clip).  Between the steps of a clip, in proportion.
        """
        rows = []
        for name in self.about["explainers"]:
            for fill in self.about["fills"]:
                found = [
                    entry["curves"]
                    for entry in self.entries
                    if (entry["explainer"], entry["fill"]) == (name, fill) and entry["curves"]
                ]
                if not found:
                    continue
                means = {curve: np.mean([_on_shares(one, curve) for one in found], axis=0)
                         for curve in _CURVES}  # fmt: skip
                for place, share in enumerate(SHARES):
                    rows.append(
                        {"explainer": name, "fill": fill, "share": float(share)}
                        | {curve: float(mean[place]) for curve, mean in means.items()}
                    )
        return pd.DataFrame(rows, columns=["explainer", "fill", "share", *_CURVES])

    def to_dict(self) -> dict[str, Any]:
        """Summary and mean curves as JSON types."""
        failed = [entry for entry in self.entries if entry["error"]]
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "failed": [
                {name: entry[name] for name in ("file", "start_s", "explainer", "fill", "error")}
                for entry in failed
            ],
            "summary": records(self.summary()),
            "curves": records(self.curves()),
        }

    def plot(self) -> Figure:
        """Mean curves: a row an explainer, a column a fill."""
        from cuelens.evaluate.faithfulness_figure import plot_faithfulness

        return plot_faithfulness(self)

    def save(self, folder: str | Path) -> Path:
        """Write faithfulness.json, faithfulness.csv and faithfulness.png; returns the JSON file."""
        from cuelens.figure_style import save_figure

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.to_frame().to_csv(folder / "faithfulness.csv", index=False)
        save_figure(self.plot(), folder / "faithfulness.png")
        file = folder / "faithfulness.json"
        file.write_text(dump_json(self.to_dict()), encoding="utf-8")
        return file


def _on_shares(curves: Mapping[str, Any], name: str) -> FloatArray:
    if curves[name] is None:
        return np.full(SHARES.shape, np.nan)
    values = np.array(curves[name], dtype=np.float64)
    return np.interp(SHARES, curves["share_removed"], values)


def _mean(name: str, values: FloatArray, speakers: pd.Series[Any]) -> dict[str, float]:
    """Mean and 95 % interval, as columns; clips of unknown speakers stand for themselves."""
    mean, low, high, _ = bootstrap_mean(values, [None if pd.isna(one) else one for one in speakers])
    ends = ("mean", "low", "high") if not name else (name, f"{name}_low", f"{name}_high")
    return dict(zip(ends, (mean, low, high), strict=True))
