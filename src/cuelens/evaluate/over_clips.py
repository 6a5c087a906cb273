"""What evaluations over clips share: columns with means, records, files, looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate.explainers import applies, described_explainer
from cuelens.evaluate.intervals import bootstrap_mean
from cuelens.explain.explanation import dump_json
from cuelens.explain.named import Explainer
from cuelens.models.base import Model, default_target, model_labels, model_name, predict
from cuelens.provenance import versions
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def mean_entry(
    values: FloatArray, speakers: Sequence[object], *, lowest: float = -1.0
) -> dict[str, Any]:
    """Columns mean, low, high, n_clips and n_missing of a summary."""
    largest = float(np.nanmax(values, initial=1.0))
    mean = bootstrap_mean(values, speakers, lowest=lowest, highest=largest)
    return {
        "mean": mean.value,
        "low": mean.low,
        "high": mean.high,
        "n_clips": mean.n,
        "n_missing": len(values) - mean.n,
    }


def mean_of_known(values: FloatArray) -> float:
    """Mean without NaN; NaN where there is nothing else."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def described(
    corpus: Corpus, model: Model, explainers: Mapping[str, Explainer], *, seed: int
) -> dict[str, Any]:
    """What a run over a corpus depends on, as JSON types.

    The model's answer to the first clip tells apart models of one name.

    Raises
    ------
    InputError
        No explainers, or one cannot explain the model.
    """
    if not explainers:
        raise InputError("no explainers; expected one or more, by name")
    unfit = [name for name, explainer in explainers.items() if not applies(explainer, model)]
    if unfit:
        raise InputError(
            f"{', '.join(unfit)}: looks inside a network behind a front end, and model "
            f"{model_name(model)} is none; expected explainers for any model, such as shapley"
        )
    first = corpus.audio(0, sample_rate=model.sample_rate)
    return {
        "corpus": corpus.name,
        "model": model_name(model),
        "labels": list(model_labels(model)),
        "answer_to_first_clip": predict(model, [first.samples.copy()])[0].round(5).tolist(),
        "explainers": {
            name: described_explainer(explainer) for name, explainer in explainers.items()
        },
        "seed": seed,
        "versions": versions(model, explainers),
    }


def answer(model: Model, audio: Audio) -> str:
    """The label that a model gives a clip; of a regressor its first dimension."""
    outputs = predict(model, [audio.samples.copy()])[0]
    return model_labels(model)[default_target(model, outputs)]


def clip_key(corpus: Corpus, row: int) -> str:
    """A clip's file and start: the key of its task."""
    clip = corpus.table.iloc[row]
    return f"{clip['file']} {clip['start']:g}"


def clip_columns(corpus: Corpus, row: int) -> dict[str, Any]:
    """Columns clip (its file), start_s, speaker (None where unknown) and emotion of a table."""
    clip = corpus.table.iloc[row]
    return {
        "clip": str(clip["file"]),
        "start_s": float(clip["start"]),
        "speaker": corpus.speaker_of(row),
        "emotion": str(clip["emotion"]),
    }


def divided(results: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Results of tasks that succeeded, and messages of those that failed.

    Raises
    ------
    InputError
        All failed.
    """
    failed = {key: str(result["error"]) for key, result in results.items() if "error" in result}
    done = {key: result for key, result in results.items() if key not in failed}
    if not done:
        raise InputError(f"no clip could be explained: {next(iter(failed.values()), 'no clips')}")
    return done, failed


def json_ready(value: Any) -> Any:
    """NaN as null, NumPy's numbers as Python's, at any depth."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON types."""
    found: list[dict[str, Any]] = json_ready(frame.to_dict("records"))
    return found


class Result(Protocol):
    """What :func:`save_result` needs."""

    def to_dict(self) -> dict[str, Any]: ...

    def plot(self) -> Axes: ...


def save_result(result: Result, frame: pd.DataFrame, folder: str | Path, name: str) -> Path:
    """Write NAME.json, NAME.csv and NAME.png into a folder, which is made if needed."""
    from cuelens.figure_style import save_figure

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / f"{name}.csv", index=False)
    save_figure(result.plot(), folder / f"{name}.png")
    file = folder / f"{name}.json"
    file.write_text(dump_json(result.to_dict()), encoding="utf-8")
    return file


def style(place: int) -> tuple[str, str]:
    """Colour and marker of the explainer at a place in a figure."""
    from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS

    colours = (SUPPORTS, AGAINST, NEUTRAL, "black")
    return colours[place % len(colours)], "os^D"[place // len(colours) % 4]
