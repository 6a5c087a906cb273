"""What comes out of planted cues: a leaderboard of explainers, with chance and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cuelens.evaluate.intervals import bootstrap_mean, share_interval
from cuelens.evaluate.over_clips import records
from cuelens.explain.explanation import dump_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
_GROUP = ["edit", "detector", "explainer"]
_MEASURES = ("hit", "mass", "rank")
_LOWEST = {"hit": 0.0, "mass": 0.0, "rank": 1.0}
_HIGHEST = {"hit": 1.0, "mass": 1.0, "rank": np.inf}


@dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    """How often explainers found planted cues.

    Parameters
    ----------
    about : mapping
        Corpus, numbers of clips, seed, versions.
    cases : DataFrame
        A row a trained model: ``edit, kind, detector, band, shuffle``; ``recall`` (mean of both
        classes, speakers held out), ``recall_edited``, ``recall_untouched``, ``n_learned,
        n_held_out, seconds``, ``void`` (recall below 0.95: not explained).
    clips : DataFrame
        A row a case, held-out clip and explainer: the same, ``row`` (of the corpus), ``speaker``,
        ``p`` (that the clip is edited, as the model says), and the fields of `Located`.
    errors : tuple of str
        Of clips that could not be explained.
    """

    about: Mapping[str, Any]
    cases: pd.DataFrame
    clips: pd.DataFrame
    errors: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        about: Mapping[str, Any],
        cases: Sequence[Mapping[str, Any]],
        clips: Sequence[Mapping[str, Any]],
        errors: Sequence[str] = (),
    ) -> Planted:
        """From rows."""
        return cls(
            about=dict(about),
            cases=pd.DataFrame(cases),
            clips=pd.DataFrame(clips),
            errors=tuple(errors),
        )

    def leaderboard(self, *, shuffled: bool = False) -> pd.DataFrame:
        """One row an edit, kind of model and explainer, best first.

        Parameters
        ----------
        shuffled : bool
            Of the models that were trained with shuffled labels instead.

        Returns
        -------
        DataFrame
            ``edit, detector, explainer``; ``n_clips`` (of trained models, only those that the model
            calls edited), ``n_models``; ``hit`` with interval and ``chance_hit``; ``mass`` with
            interval and ``chance_mass``; ``rank`` with interval and ``chance_rank``;
            ``above_chance`` (the interval of hits lies above chance); ``seconds`` a clip, median.
            Explainers of one clip share the model's answers; what those would have taken is added,
            at the mean pace of the answers that were asked for.
            95 % intervals over held-out speakers (clips, where fewer than three are held out), or
            over models where labels were shuffled.
        """
        if self.clips.empty:
            return pd.DataFrame()
        chosen = self.clips[(self.clips["shuffle"] > 0) == shuffled]
        if not shuffled:
            chosen = chosen[chosen["p"] > 0.5]
        rows = []
        for key, part in chosen.groupby(_GROUP, sort=False):
            clusters = part["speaker"].astype(str)
            if shuffled:
                clusters = part["band"].astype(str) + "/" + part["shuffle"].astype(str)
            names = clusters.to_numpy(str)
            row: dict[str, Any] = dict(zip(_GROUP, key, strict=True))
            row |= {
                "n_clips": part["row"].nunique(),
                "n_models": len(part[["band", "shuffle"]].drop_duplicates()),
            }
            for measure in _MEASURES:
                values = part[measure].to_numpy(float)
                row[measure], low, high, _ = bootstrap_mean(
                    values, names, lowest=_LOWEST[measure], highest=_HIGHEST[measure]
                )
                if measure == "hit":
                    low, high = share_interval(values, names)
                row[f"{measure}_low"], row[f"{measure}_high"] = low, high
                row[f"chance_{measure}"] = float(part[f"chance_{measure}"].mean())
            row["above_chance"] = bool(row["hit_low"] > row["chance_hit"])
            row["seconds"] = float(part["seconds"].median())
            rows.append(row)
        board = pd.DataFrame(rows)
        if board.empty:
            return board
        edits = {edit: k for k, edit in enumerate(dict.fromkeys(self.cases["edit"]))}
        board = board.assign(_edit=board["edit"].map(edits))
        board = board.sort_values(
            ["_edit", "detector", "hit", "mass"], ascending=[True, True, False, False]
        )
        return board.drop(columns="_edit").reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Everything but single clips, as JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "models": records(self.cases),
            "leaderboard": records(self.leaderboard()),
            "shuffled_labels": records(self.leaderboard(shuffled=True)),
            "errors": list(self.errors),
        }

    def save(self, folder: str | Path) -> None:
        """Write planted.json, leaderboard.csv, clips.csv and planted.png into a folder."""
        from cuelens.figure_style import save_figure

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "planted.json").write_text(dump_json(self.to_dict()), encoding="utf-8")
        board = self.leaderboard()
        board.to_csv(folder / "leaderboard.csv", index=False)
        self.clips.to_csv(folder / "clips.csv", index=False)
        if not board.empty:
            save_figure(self.plot(), folder / "planted.png")

    def plot(self) -> Figure:
        """Hits with intervals and chance: a panel an edit, a row an explainer and kind of model."""
        from cuelens.evaluate.planted_figure import plot_planted

        return plot_planted(self)
