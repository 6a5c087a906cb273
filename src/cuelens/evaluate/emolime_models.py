"""The models whose explanations are compared: trained on some speakers, kept in folders.

Training the network is cut short: few variants of every clip and few epochs, for what is compared
are explanations and not records of recognition.  What it recognises stands beside the results.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, get_args

import numpy as np

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate.journal import Result
from cuelens.features import FeatureCache, OpenSmile, load_embedding
from cuelens.features.opensmile import FeatureSetName
from cuelens.models import FeaturesModel, LogMelCnn, Model, load_model_folder, predict
from cuelens.models.embedding_model import EmbeddingModel, EmbeddingRecipe
from cuelens.models.features_training import FeaturesRecipe
from cuelens.models.folder import read_model_json, write_model_json
from cuelens.models.training import SAMPLE_RATE, Progress, TrainingClips
from cuelens.provenance import versions
from cuelens.typing import IntArray

DEFAULT_MODELS = ("compare", "egemaps", "logmel", "dvectors")
SHORT_SCHEDULE = MappingProxyType({"n_epochs": 30})
"""Arguments of `cuelens.models.cnn_training.Schedule`; the bundled network has 140 epochs."""

SHORT_WINDOWS = 1600
"""Variants of all clips that the network sees, 3 to 6 of each; the bundled network has 10 000."""

_VARIANTS = (3, 6)  # fewest and most of each clip
_FEATURE_SETS: MappingProxyType[str, FeatureSetName] = MappingProxyType(
    {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}
)
_TITLES = {"egemaps": "eGeMAPS", "compare": "ComParE", "logmel": "log-mel CNN"}


def model_title(spec: str) -> str:
    """Name of a model as results show it.

    Raises
    ------
    InputError
        No such model.
    """
    return _TITLES[spec] if spec in _TITLES else load_embedding(spec).name


def training_clips(corpus: Corpus) -> TrainingClips:
    """The sound and labels of a corpus, in memory; labels in alphabetic order."""
    labels = corpus.emotions
    return TrainingClips(
        waveforms=[corpus.audio(i, sample_rate=SAMPLE_RATE).samples for i in range(len(corpus))],
        truth=np.array([labels.index(emotion) for emotion in corpus.table["emotion"]]),
        labels=labels,
        speakers=corpus.table["speaker"].to_numpy(dtype=str),
    )


def train_models(
    corpus: Corpus,
    spec: str,
    folds: Sequence[tuple[IntArray, IntArray]],
    folder: Path,
    *,
    seed: int,
) -> Result:
    """One model a fold, each in a folder of its own (``0``, ``1``, ...).

    Parameters
    ----------
    corpus : Corpus
    spec : str
        ``"compare"``, ``"egemaps"``, ``"logmel"`` or an embedding as `load_embedding` takes it.
    folds : sequence of (train, test)
        Rows of the corpus.
    folder : Path
    seed : int
        Of the network.

    Returns
    -------
    dict
        ``rows`` that some fold tested, the ``answers`` to them (index into ``labels``), and the
        ``seconds`` that training took.
    """
    began = time.perf_counter()
    clips = training_clips(corpus)
    recipe = _recipe(spec, seed)
    recipe.prepare(clips, lambda what, done, total: None)
    rows, answers = [], []
    trained = 0.0
    for k, (train, test) in enumerate(folds):
        model = recipe.model(train)
        save_model(
            model,
            folder / str(k),
            spec=spec,
            training={
                "corpus": corpus.name,
                "licence": corpus.licence,
                "n_clips": len(train),
                "speakers": sorted(set(clips.speakers[train].tolist())),
                "seed": seed,
                "versions": versions(),
            },
        )
        trained = time.perf_counter() - began
        found = predict(_with_cache(model), [clips.waveforms[i] for i in test])
        column = [model.labels.index(label) for label in clips.labels]
        rows += test.tolist()
        answers += found[:, column].argmax(axis=1).tolist()
    return {"labels": list(clips.labels), "rows": rows, "answers": answers, "seconds": trained}


def save_model(model: Model, folder: Path, *, spec: str, training: dict[str, Any]) -> None:
    """Write a model folder as `cuelens.models.train` does, but without card and evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    description: dict[str, Any] = {
        "name": model_title(spec),
        "labels": list(model.labels),
        "sample_rate": model.sample_rate,
        "training": training,
    }
    if isinstance(model, LogMelCnn):
        (folder / "model.onnx").write_bytes(model.network)
        if model.weights is not None:
            (folder / "model.safetensors").write_bytes(model.weights)
        description |= {"kind": "log_mel_cnn", "front_end": asdict(model.front_end)}
    elif isinstance(model, FeaturesModel | EmbeddingModel):
        import skops.io

        skops.io.dump(model.classifier, folder / "model.skops")
        if isinstance(model, FeaturesModel):
            features = {"feature_set": model.features.feature_set, "normalise": model.normalise}
            description |= {"kind": "features", "features": features}
        else:
            description |= {"kind": "embedding", "embedding": spec}
    else:
        raise InputError(f"{type(model).__name__} cannot be saved; expected one trained here")
    write_model_json(folder, description)


@lru_cache(maxsize=8)
def saved_model(folder: Path) -> Model:
    """A model that `save_model` wrote; kept in memory.

    Raises
    ------
    InputError
        It cannot be read, or is not what was written.
    """
    description = read_model_json(folder)
    if description["kind"] != "embedding":
        return load_model_folder(folder)
    import skops.io

    classifier = skops.io.load(folder / "model.skops", trusted=[])  # nothing but what skops trusts
    return EmbeddingModel(
        embedding=load_embedding(description["embedding"]),
        classifier=classifier,
        name=description["name"],
    )


class _Recipe(Protocol):
    """A way to train: prepare once, then fit on any subset of the clips."""

    def prepare(self, clips: TrainingClips, progress: Progress) -> None: ...

    def model(self, train: IntArray) -> Model: ...


def _recipe(spec: str, seed: int) -> _Recipe:
    if spec == "logmel":
        return ShortCnn(seed=seed)
    if spec in _FEATURE_SETS:
        return FeaturesRecipe(feature_set=_FEATURE_SETS[spec])
    return EmbeddingRecipe(load_embedding(spec), cache=FeatureCache())


def _with_cache(model: Model) -> Model:
    """The same model, which finds features that training has measured."""
    if not isinstance(model, FeaturesModel):
        return model
    features = OpenSmile(feature_set=model.features.feature_set, cache=FeatureCache())
    return FeaturesModel(classifier=model.classifier, features=features)


class ShortCnn:
    """The log-mel network on a short schedule (extra ``torch``).

    Parameters
    ----------
    seed : int
    n_windows : int
        Variants of all clips, 3 to 6 of each.
    schedule : mapping
        Arguments of `cuelens.models.cnn_training.Schedule`.
    """

    def __init__(
        self,
        *,
        seed: int,
        n_windows: int = SHORT_WINDOWS,
        schedule: MappingProxyType[str, Any] = SHORT_SCHEDULE,
    ) -> None:
        from cuelens.models.cnn_training import CnnRecipe, Schedule

        self.schedule = Schedule(**schedule)
        self.front_end = CnnRecipe(seed=seed).front_end
        self.n_windows = n_windows
        self.seed = seed

    def prepare(self, clips: TrainingClips, progress: Progress) -> None:
        """Windows of variants of every clip, and what openSMILE measures in them."""
        from cuelens.models.cnn_training import WindowTable, variant

        rng = np.random.default_rng(self.seed)
        n_variants = int(np.clip(self.n_windows // len(clips.waveforms), *_VARIANTS))
        windows = [
            variant(waveform, self.schedule, self.front_end.n_window, rng)
            for waveform in clips.waveforms
            for _ in range(n_variants)
        ]
        functionals = np.hstack(
            [
                OpenSmile(feature_set=name, cache=FeatureCache()).functionals(
                    windows, sample_rate=SAMPLE_RATE
                )
                for name in get_args(FeatureSetName)
            ]
        )
        db = np.stack([self.front_end.log_mel(window).astype(np.float16) for window in windows])
        shape = (len(clips.waveforms), n_variants)
        self._table = WindowTable(
            db=db.reshape(*shape, *db.shape[1:]),
            functionals=functionals.reshape(*shape, -1),
            truth=clips.truth,
            n_labels=len(clips.labels),
        )
        self._labels = clips.labels
        progress("measuring features", len(windows), len(windows))

    def model(self, train: IntArray) -> LogMelCnn:
        """Fit on some clips."""
        import safetensors.torch

        from cuelens.features.one_thread import one_thread
        from cuelens.models.cnn_training import fit, to_onnx

        with one_thread():
            state = fit(self._table, train, self.schedule, self.seed)
        return LogMelCnn(
            network=to_onnx(state, len(self._labels), self.front_end),
            labels=self._labels,
            front_end=self.front_end,
            weights=safetensors.torch.save(state),
        )
