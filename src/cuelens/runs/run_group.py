"""From a run of explanations to the mean explanations of its groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from cuelens.audio import Audio, load_audio
from cuelens.errors import InputError
from cuelens.evaluate.group import UNKNOWN, Group, corresponding
from cuelens.runs.explanations import Explanations
from cuelens.runs.folder import CLIPS
from cuelens.runs.run_corpus import Run
from cuelens.units import Unit

_OF_CLIP = ["file", "start_s", "speaker", "sentence", "emotion", "answer", "correct", "target"]
_OF_UNIT = {
    "name": "unit",
    "low_hz": "low_hz",
    "high_hz": "high_hz",
    "start_s": "unit_start_s",
    "end_s": "unit_end_s",
}


def group_of_run(run: Run) -> Group:
    """The clips of a run as a `Group`.

    Parameters
    ----------
    run : Run
        Of explanations of bands, or of moments: these become shares of the clip.

    Raises
    ------
    InputError
        The run did something else, no clip was explained, or its units differ from clip to clip.
    """
    job = run.manifest["job"]
    if job["name"] != Explanations.name:
        raise InputError(
            f"{run.folder}: a run of {job['name']}; expected one of explanations: read its tables "
            "with pandas, Polars or DuckDB"
        )
    frame = run.to_frame()
    if frame.empty:
        raise InputError(f"{run.folder}: no clip could be explained; expected one or more")
    corpus = run.manifest["corpus"]
    rows = []
    for _, part in frame.groupby("clip", sort=True):
        first = part.iloc[0]
        about = {"corpus": corpus, **{name: first[name] for name in _OF_CLIP}}
        about["clip"] = about.pop("file")
        about["emotion"] = UNKNOWN if pd.isna(first["emotion"]) else first["emotion"]
        places = zip(*(part[name] for name in _OF_UNIT.values()), strict=True)
        units = [Unit(**dict(zip(_OF_UNIT, place, strict=True))) for place in places]
        weights = part["weight"].to_numpy()
        shared = corresponding(units, weights, duration_s=float(first["duration_s"]))
        rows += [{**about, **unit} for unit in shared]
    found, failures = run.manifest["provenance"], run.failures()
    return Group(
        frame=pd.DataFrame(rows),
        about={
            "corpora": [corpus],
            "model": found["model"],
            "labels": found["labels"],
            "explainer": job["explainer"],
            "target": job["target"],
            "n_clips": run.manifest["n_clips"] - run.n_failed,
            "failed": dict(zip(failures["file"], failures["reason"], strict=True)),
            "seed": 0,
            "versions": found["versions"],
        },
    )


def clip_sound(run: Run) -> Callable[[str, str, float], Audio]:
    """The sounds of a run's clips, by corpus, file and start in s."""
    clips = pd.read_parquet(run.folder / CLIPS)
    ends = dict(zip(zip(clips["file"], clips["start_s"], strict=True), clips["end_s"], strict=True))

    def sound(corpus: str, file: str, start_s: float) -> Audio:
        end_s = ends[file, start_s]
        return load_audio(file, start_s=start_s, end_s=None if np.isnan(end_s) else end_s)

    return sound
