"""Training a model on a corpus, and what it is worth on speakers it has not heard."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from cuelens.corpora import Corpus, SpeakerSplit
from cuelens.errors import InputError
from cuelens.models.base import Model
from cuelens.models.card import write_card
from cuelens.models.evaluation import HeldOut
from cuelens.models.folder import MODEL_FILES, write_model_json
from cuelens.provenance import versions
from cuelens.typing import FloatArray, IntArray

FeatureName = Literal["egemaps", "compare", "logmel"]
SAMPLE_RATE = 16_000
SPEEDS = (0.9, 1.0, 1.1)  # copies played slower and faster: other voices saying the same

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingClips:
    """The sound and labels of a corpus, in memory.

    Parameters
    ----------
    waveforms : list of ndarray, shape (n_samples,), float32, 16 kHz
    truth : ndarray, shape (n_clips,), int, index into labels
    labels : tuple of str
    speakers : ndarray, shape (n_clips,), str
    """

    waveforms: list[FloatArray]
    truth: IntArray
    labels: tuple[str, ...]
    speakers: np.ndarray[Any, Any]


class Recipe(Protocol):
    """A way to train: prepare once, then fit on any subset of the clips."""

    def prepare(self, clips: TrainingClips, progress: Progress) -> None:
        """Compute what every fit shares."""

    def model(self, train: IntArray) -> Model:
        """Fit on some clips."""

    def held_out(
        self, splits: Sequence[tuple[IntArray, IntArray]], progress: Progress
    ) -> list[FloatArray]:
        """Fit on each split's first indices; probabilities of its second, (n_test, n_labels)."""

    def save(self, folder: Path, progress: Progress) -> dict[str, Any]:
        """Fit on all clips and write the files; returns entries for ``model.json``."""


def train(
    corpus: Corpus,
    *,
    features: FeatureName,
    out: str | Path,
    seed: int = 0,
    name: str | None = None,
    progress: Progress | None = None,
) -> HeldOut:
    """Train a model, write its folder, and measure it on held-out speakers.

    Parameters
    ----------
    corpus : Corpus
        At least two speakers and two emotions.
    features : {"egemaps", "compare", "logmel"}
        Linear model on functionals, or the network ``ResNetSmall`` on log-mel windows of 2 s.
    out : path
        Folder to write; an existing model in it is replaced once the new one is complete.
    seed : int
    name : str or None
        By default the name of the folder.
    progress : callable, optional
        Called with what is being done, how much of it is done, and how much there is.

    Returns
    -------
    HeldOut
        Every clip predicted by a model that never heard its speaker, leave one speaker out.  The
        model that is written is trained on all speakers in the same way.
    """
    report = progress or _no_report
    folder = Path(out).resolve()
    _refuse_foreign(folder)
    clips = _read(corpus, report)
    recipe = _recipe(features, seed)
    recipe.prepare(clips, report)
    splits = list(corpus.leave_one_speaker_out())
    _refuse_unlearnable(clips, splits)
    answers = recipe.held_out([(split.train, split.test) for split in splits], report)
    probabilities = np.zeros((len(clips.truth), len(clips.labels)))
    for split, answer in zip(splits, answers, strict=True):
        probabilities[split.test] = answer
    held_out = HeldOut(
        labels=clips.labels,
        truth=clips.truth,
        probabilities=probabilities,
        speakers=clips.speakers,
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    unfinished.chmod(0o755)
    description = {
        "name": name or folder.name,
        "labels": list(clips.labels),
        "sample_rate": SAMPLE_RATE,
        **recipe.save(unfinished, report),
        "training": {
            "corpus": corpus.name,
            "licence": corpus.licence,
            "n_clips": len(corpus),
            "speakers": sorted(set(clips.speakers.tolist())),
            "seed": seed,
            "versions": versions(),
        },
        "evaluation": held_out.to_dict(),
    }
    write_card(unfinished, description, held_out)
    write_model_json(unfinished, description)
    _refuse_foreign(folder)
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.replace(folder)
    return held_out


def fit_model(
    corpus: Corpus, *, features: FeatureName, seed: int = 0, progress: Progress | None = None
) -> Model:
    """Train a model on all clips of a corpus, in memory and without measuring it.

    Parameters
    ----------
    corpus, features, seed, progress
        As in :func:`train`.
    """
    report = progress or _no_report
    clips = _read(corpus, report)
    recipe = _recipe(features, seed)
    recipe.prepare(clips, report)
    return recipe.model(np.arange(len(clips.truth)))


def _no_report(what: str, done: int, total: int) -> None:
    """Nobody wants to know."""


def _read(corpus: Corpus, progress: Progress) -> TrainingClips:
    labels = tuple(sorted(corpus.table["emotion"].unique()))
    if len(labels) < 2:
        raise InputError(
            f"corpus {corpus.name} has one emotion ({', '.join(labels)}); expected two or more"
        )
    waveforms = []
    for index in range(len(corpus)):
        waveforms.append(corpus.audio(index, sample_rate=SAMPLE_RATE).samples)
        progress("reading", index + 1, len(corpus))
    return TrainingClips(
        waveforms=waveforms,
        truth=np.array([labels.index(emotion) for emotion in corpus.table["emotion"]]),
        labels=labels,
        speakers=corpus.table["speaker"].to_numpy(dtype=str),
    )


def _refuse_unlearnable(clips: TrainingClips, splits: Sequence[SpeakerSplit]) -> None:
    """An emotion of a single speaker cannot be learned when this speaker is left out."""
    for split in splits:
        missing = set(clips.truth.tolist()) - set(clips.truth[split.train].tolist())
        if missing:
            emotions = ", ".join(clips.labels[index] for index in sorted(missing))
            raise InputError(
                f"only speaker {split.speaker} has {emotions}; expected every emotion from two "
                "speakers or more: leave it out, or add speakers"
            )


def _recipe(features: FeatureName, seed: int) -> Recipe:
    if features == "logmel":
        from cuelens.models.cnn_training import CnnRecipe

        return CnnRecipe(seed=seed)
    from cuelens.models.features_training import FeaturesRecipe

    if features == "egemaps":
        return FeaturesRecipe(feature_set="eGeMAPSv02")
    if features == "compare":
        return FeaturesRecipe(feature_set="ComParE_2016")
    raise InputError(f"features is {features!r}; expected egemaps, compare or logmel")


def _refuse_foreign(folder: Path) -> None:
    """Never replace anything but a model folder."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; expected a folder to write: choose another --out")
    others = sorted(file.name for file in folder.iterdir() if file.name not in MODEL_FILES)
    if others:
        raise InputError(
            f"{folder} holds other files ({', '.join(others[:3])}); expected an empty folder or a "
            "model to replace: choose another --out"
        )


def play_at(waveform: FloatArray, speed: float) -> FloatArray:
    """A waveform played faster (> 1) or slower: time, pitch and formants all scale."""
    if speed == 1.0:
        return waveform
    import soxr

    return soxr.resample(waveform, SAMPLE_RATE, SAMPLE_RATE / speed).astype(np.float32)
