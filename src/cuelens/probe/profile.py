"""What an embedding carries, small enough to travel with a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuelens.errors import InputError
from cuelens.input_file import read_json
from cuelens.probe.result import ProbeResult

SCHEMA_VERSION = 1
FILE_NAME = "probe.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeProfile:
    """Features that an embedding carries, on one corpus.

    Parameters
    ----------
    embedding, corpus, layer : str
    n_clips, n_speakers : int
    settings : dict
        How it was probed.
    features : dict of dict
        By openSMILE name: ``r2``, ``low``, ``high`` (all dimensions, out of fold) and ``carried``:
        "carried", "not carried" or "undecided".
    verdicts : dict of dict of str
        By task, then by feature: see `cuelens.probe.verdicts`.
    """

    embedding: str
    corpus: str
    layer: str
    n_clips: int
    n_speakers: int
    settings: Mapping[str, Any]
    features: Mapping[str, Mapping[str, Any]]
    verdicts: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, result: ProbeResult, *, layer: str | None = None) -> ProbeProfile:
        """From a result; by default of its last layer."""
        layer = layer or result.about["layers"][-1]
        table = result.features[result.features["layer"] == layer]
        if table.empty:
            raise InputError(
                f"the result has no layer {layer!r}; expected one of "
                f"{', '.join(result.about['layers'])}"
            )
        negligible = result.about["settings"]["negligible_r2"]
        alpha = result.about["settings"]["alpha"]
        features: dict[str, dict[str, Any]] = {}
        for row in table.drop_duplicates("feature").dropna(subset="r2_all").to_dict("records"):
            carried = "undecided"
            if row["q"] <= alpha and row["selectivity_low"] > negligible:
                carried = "carried"
            elif row["selectivity_high"] < negligible:
                carried = "not carried"
            features[str(row["feature"])] = {
                "r2": round(row["r2_all"], 4),
                "low": round(row["r2_all_low"], 4),
                "high": round(row["r2_all_high"], 4),
                "carried": carried,
            }
        verdicts = {
            str(task): dict(zip(rows["feature"], rows["verdict"], strict=True))
            for task, rows in table.groupby("task", sort=False)
        }
        return cls(
            embedding=result.about["embedding"],
            corpus=result.about["corpus"],
            layer=layer,
            n_clips=result.about["n_clips"],
            n_speakers=result.about["n_speakers"],
            settings=dict(result.about["settings"]),
            features=features,
            verdicts=verdicts,
        )

    def save(self, folder: str | Path) -> Path:
        """Attach to a model: write ``probe.json`` into its folder.

        Raises
        ------
        InputError
            No model folder, or it cannot be written to.
        """
        folder = Path(folder)
        if not (folder / "model.json").is_file():
            raise InputError(
                f"{folder}: no model.json in it; expected a model folder that `cuelens train` wrote"
            )
        content = {"schema_version": SCHEMA_VERSION, **vars(self)}
        file = folder / FILE_NAME
        try:
            file.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be written ({error})") from error
        return file

    @classmethod
    def load(cls, folder: str | Path) -> ProbeProfile | None:
        """The profile attached to a model folder; None where there is none.

        Raises
        ------
        InputError
            It cannot be read.
        """
        file = Path(folder) / FILE_NAME
        if not file.is_file():
            return None
        try:
            content = read_json(file)
            if content.pop("schema_version") != SCHEMA_VERSION:
                raise ValueError(f"expected schema_version {SCHEMA_VERSION}")
            profile = cls(**content)
            for found in profile.features.values():
                float(found["r2"]), str(found["carried"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{file}: cannot be read as the profile of an embedding ({error})"
            ) from error
        return profile
