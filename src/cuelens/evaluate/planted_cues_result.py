"""How often the cue table and probing found a cue that was edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cuelens.evaluate.intervals import bootstrap_mean, share_interval
from cuelens.evaluate.over_clips import records
from cuelens.explain.explanation import dump_json

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class PlantedCues:
    """How often the cue table and probing find the cue that was edited.

    Parameters
    ----------
    about : mapping
        Corpus, numbers of clips, seed, versions.
    models : DataFrame
        A row an edit: ``edit, cue, sign, size``; ``recall`` (mean of both classes, speakers held
        out), ``recall_edited, recall_untouched, n_clips``; ``void`` (recall below 0.95: not
        explained); ``change`` of the edited cue over whole clips in its unit, and ``change_sd`` in
        standard deviations between the same speaker's clips; ``n_changed``, functionals that
        change by 0.2 of these or more.
    clips : DataFrame
        A row an explained clip: ``edit, cue, row, speaker``; ``p`` (that it is edited, as the
        model says); ``first`` (the edited cue leads the table, in the right direction), ``rank``
        (NaN where the edited cue has no interval), ``n_cues`` (with an interval), ``leader`` (the
        cue that leads), ``effect`` of the edited cue in SD; ``named`` (1 where the account names it
        first, NaN where it never can, as of cues that have no moments); ``clip_first,
        clip_leader, clip_effect``, by the column of the whole clip; the same as the first of the
        untouched clip at the same moments (``untouched_first, untouched_leader,
        untouched_effect``); ``first_change, leader_change``
        (what the edit changed most).
    cues : DataFrame
        A row an explained clip and cue with an interval: ``edit, row, cue, size, low, high`` and
        ``untouched_size``, in SD.
    probes : DataFrame
        A row an edit, draw and functional: ``edit, draw, feature``; ``role`` ("edited", "changed"
        or "shuffled"), ``verdict``.
    errors : tuple of str
    """

    about: Mapping[str, Any]
    models: pd.DataFrame
    clips: pd.DataFrame
    cues: pd.DataFrame
    probes: pd.DataFrame
    errors: tuple[str, ...] = ()

    def leaderboard(self) -> pd.DataFrame:
        """One row an edit that a model can tell, over the clips that it calls edited.

        Returns
        -------
        DataFrame
            ``edit, cue, n_clips``; ``first`` with interval; ``chance`` (one of the cues at
            random) and ``untouched_first`` (of the untouched clips); ``above_chance`` (the interval
            of ``first`` lies above both); ``clip_first`` with interval and ``clip_rival``: by the
            column of the whole clip; ``rank``, the mean over the ``n_ranked`` clips in which the
            edited cue has an interval, among ``n_cues`` with one; ``rival``, the cue that leads
            most often instead, and its share; ``named, first_change`` and the rival of the latter;
            ``effect`` with interval and ``untouched_effect``, SD.  95 % intervals over speakers.
        """
        rows = []
        told = self.clips[self.clips["p"] > 0.5] if len(self.clips) else self.clips
        for (edit, cue), part in told.groupby(["edit", "cue"], sort=False) if len(told) else ():
            speakers = part["speaker"].astype(str).to_numpy(str)
            low, high = share_interval(part["first"].to_numpy(float), speakers)
            clip_low, clip_high = share_interval(part["clip_first"].to_numpy(float), speakers)
            effect = bootstrap_mean(part["effect"].to_numpy(float), speakers)
            row: dict[str, Any] = {
                "edit": edit,
                "cue": cue,
                "n_clips": len(part),
                "first": float(part["first"].mean()),
                "first_low": low,
                "first_high": high,
                "chance": float((1 / part["n_cues"]).mean()),
                "untouched_first": float(part["untouched_first"].mean()),
                "rank": float(part["rank"].mean()),
                "n_ranked": int(part["rank"].notna().sum()),
                "n_cues": float(part["n_cues"].mean()),
                **_rival("rival", str(cue), part["leader"]),
                "clip_first": float(part["clip_first"].mean()),
                "clip_first_low": clip_low,
                "clip_first_high": clip_high,
                **_rival("clip_rival", str(cue), part["clip_leader"]),
                "clip_effect": float(part["clip_effect"].mean()),
                "named": float(part["named"].astype(float).mean()),
                "first_change": float(part["first_change"].mean()),
                **_rival("change_rival", str(cue), part["leader_change"]),
                "effect": effect.value,
                "effect_low": effect.low,
                "effect_high": effect.high,
                "untouched_effect": float(part["untouched_effect"].mean()),
            }
            row["above_chance"] = low > max(row["chance"], row["untouched_first"])
            rows.append(row)
        return pd.DataFrame(rows)

    def probe_board(self) -> pd.DataFrame:
        """One row an edit: verdicts on its functional and on those that were shuffled.

        Returns
        -------
        DataFrame
            ``edit, feature, n_draws``; ``used, undecided, wrong``: draws in which the edited
            functional is called used, undecided, or anything else; ``n_shuffled``,
            ``falsely_used``: verdicts on shuffled functionals, and how many say used; ``right``:
            mean of the share used and of the share of shuffled ones not called used.
        """
        rows = []
        for edit, part in self.probes.groupby("edit", sort=False) if len(self.probes) else ():
            edited = part[part["role"] == "edited"]
            shuffled = part.loc[part["role"] == "shuffled", "verdict"]
            used = int((edited["verdict"] == "carried and used").sum())
            undecided = int((edited["verdict"] == "undecided").sum())
            falsely_used = int((shuffled == "carried and used").sum())
            rows.append(
                {
                    "edit": edit,
                    "feature": str(edited["feature"].iloc[0]),
                    "n_draws": len(edited),
                    "used": used,
                    "undecided": undecided,
                    "wrong": len(edited) - used - undecided,
                    "n_shuffled": len(shuffled),
                    "falsely_used": falsely_used,
                    "right": (used / len(edited) + 1 - falsely_used / max(1, len(shuffled))) / 2,
                }
            )
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything but single clips and verdicts, as JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.about,
            "models": records(self.models),
            "cue_table": records(self.leaderboard()),
            "probing": records(self.probe_board()),
            "errors": list(self.errors),
        }

    def save(self, folder: str | Path) -> None:
        """Write planted_cues.json, leaderboard.csv, clips.csv, cues.csv, probes.csv."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "planted_cues.json").write_text(dump_json(self.to_dict()), encoding="utf-8")
        self.leaderboard().to_csv(folder / "leaderboard.csv", index=False)
        self.clips.to_csv(folder / "clips.csv", index=False)
        self.cues.to_csv(folder / "cues.csv", index=False)
        self.probes.to_csv(folder / "probes.csv", index=False)


def _rival(name: str, cue: str, leaders: pd.Series) -> dict[str, Any]:
    """The cue that leads most often instead of the edited one, and its share."""
    others = leaders[(leaders != cue) & (leaders != "")].value_counts()
    if not len(others):
        return {name: "", f"{name}_share": 0.0}
    return {name: str(others.index[0]), f"{name}_share": float(others.iloc[0] / len(leaders))}
