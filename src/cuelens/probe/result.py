"""What probing found, as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from cuelens.errors import InputError
from cuelens.input_file import read_json

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeResult:
    """What an embedding knows about the voice, on one corpus.

    All scores are out of fold: for speakers that neither the regression, nor its penalty, nor the
    choice of dimensions has seen.  ``_low`` and ``_high`` are 95 % intervals over speakers.

    Parameters
    ----------
    about : dict
        ``embedding``, ``corpus``, ``n_clips``, ``n_speakers``, ``n_dimensions``, ``layers``,
        ``tasks``, ``settings`` (every parameter), ``seed``, ``versions``, ``warnings``, ``notes``.
    features : DataFrame
        One row a layer, task and feature: ``layer, task, feature, category``;

        - ``r2_all`` (all dimensions) and ``r2_top`` (those that matter for the task) with interval;
          ``r2_shuffled`` (all dimensions, shuffled features), ``r2_random`` (as many random
          dimensions), ``r2_top_shuffled`` (as many dimensions chosen for shuffled labels),
          ``r2_within`` (all dimensions, differences between emotions taken out) with interval,
          ``r2_label`` (the means of the emotions, no embedding);
        - ``selectivity`` = r2_all - r2_shuffled with interval, ``p``, ``q``;
        - ``gain`` = r2_top - r2_top_shuffled with interval; ``p_top``, ``q_top`` of importance
          lying on dimensions that carry the feature, against shuffled labels (`focus_on`);
        - ``drop`` (what the score of the task loses when the feature is erased and the decision
          learned anew) with interval, ``p_drop``, ``q_drop``;
        - ``rmse_all``, ``rmse_top``, ``rmse_random`` (in standard deviations of the feature);
          ``information_increase`` = rmse_all / rmse_top^2 as published, ``information_ratio`` =
          rmse_all / rmse_top;
        - ``r2_mlp`` with interval and ``r2_mlp_shuffled``, where a network was asked for;
        - ``verdict``; ``goes_with``, the feature called used for the same task that correlates most
          with it over the clips, and ``goes_with_r``, their correlation ("" and NaN where none).
    tasks : DataFrame
        One row a layer and task: ``layer, task, kind, metric`` ("UAR" or "R2"), ``chance``,
        ``n_clips``, ``n_of_class``;

        - ``score`` (all dimensions), ``score_top``, ``score_random``, ``score_features`` (the
          acoustic features instead of the embedding), ``better`` = score - score_features;
        - ``f1``, ``f1_top``, ``f1_features`` (both classes counting the same), most with interval;
        - ``n_top`` (median over folds), ``n_top_min``, ``n_top_max``, and how far the folds agree
          on what matters: ``kendall_tau``, ``top_overlap``, ``top_overlap_chance`` (the same for
          shuffled labels; folds share training speakers).
    curve : DataFrame
        ``layer, task, which`` ("top", "rest", "bottom"), ``n``, ``f1`` (or R2) with interval.
    importance : DataFrame
        ``layer, task, dimension, importance`` (mean over folds), ``importance_sd``, ``rank`` (from
        1).
    confounds : DataFrame
        ``layer, dimensions`` ("all" or a task), ``confound``, ``metric``, ``value`` with interval,
        ``chance``, ``random`` (as many random dimensions).
    categories : DataFrame
        ``layer, task, category, measure`` ("information_increase", "r2_top", "gain"), ``value``
        with interval.
    order : DataFrame
        ``layer, task, measure, above, below, difference`` with interval: whether the category
        ``above`` exceeds ``below``, as published (Energy > Frequency > Spectral > Temporal).
    """

    about: Mapping[str, Any]
    features: pd.DataFrame
    tasks: pd.DataFrame
    curve: pd.DataFrame
    importance: pd.DataFrame
    confounds: pd.DataFrame
    categories: pd.DataFrame
    order: pd.DataFrame

    def save(self, folder: str | Path) -> None:
        """Write ``probe.json`` and one Parquet file a table into a folder, made if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        content = {"schema_version": SCHEMA_VERSION, **self.about}
        content["tasks_table"] = _records(self.tasks)
        content["verdicts"] = _records(self.features[list(_SHORT)])
        (folder / "probe.json").write_text(
            json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )

    @classmethod
    def load(cls, folder: str | Path) -> ProbeResult:
        """Read a folder that `save` wrote.

        Raises
        ------
        InputError
            Not such a folder, or damaged.
        """
        folder = Path(folder)
        try:
            content = read_json(folder / "probe.json")
            tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        except Exception as error:  # pandas and pyarrow raise what their parts raise
            raise InputError(
                f"{folder}: cannot be read as the result of cuelens probe ({error}); expected "
                "probe.json and its tables"
            ) from error
        about = {
            key: value
            for key, value in content.items()
            if key not in {"schema_version", "tasks_table", "verdicts"}
        }
        return cls(about=about, **tables)


_TABLES = tuple(field.name for field in fields(ProbeResult) if field.name != "about")

_SHORT = (
    *("layer", "task", "feature", "category", "verdict"),
    *("r2_all", "r2_top", "drop", "q", "q_top", "q_drop"),
)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with null for what is not a number."""
    return json.loads(frame.to_json(orient="records", double_precision=6))
