"""A linear classifier on any embedding as a model of waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cuelens.errors import InputError
from cuelens.features import FeatureCache
from cuelens.features.embedding import Embedding
from cuelens.models.base import Output
from cuelens.models.batching import answer_and_compare
from cuelens.models.estimator import estimator_answers, estimator_labels, estimator_output
from cuelens.models.level import normalise_level
from cuelens.models.training import Progress, TrainingClips
from cuelens.models.waveforms import checked_waveforms
from cuelens.typing import FloatArray, IntArray

_SHORTEST_S = 0.1  # as of the model on functionals
_PENALTIES = (0.003, 0.01, 0.03, 0.1)
_CLIPS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingModel:
    """Embedding of a clip, then any fitted scikit-learn classifier or regressor.

    Parameters
    ----------
    embedding : Embedding
        Its last layer is used.
    classifier : scikit-learn estimator
        Fitted; with ``predict_proba``, whose ``classes_`` are the labels, or a regressor.
    name : str
    normalise : bool
        Scale every waveform to the same root mean square first, so that the recording's level
        does not matter.
    regression_labels : tuple of str
        What a regressor's outputs are called; empty for classifiers.

    Raises
    ------
    InputError
        The classifier takes another number of dimensions.

    Notes
    -----
    Waveforms shorter than 0.1 s are padded with zeros to 0.1 s.  Equal probabilities answer
    silence (below -110 dB where the level is normalised, else zeros) and what the embedding
    refuses: d-vectors cut away what is not speech, and nothing may be left of a clip with bands
    missing.  A regressor answers silence as it is, and what the embedding refuses is an error.
    """

    embedding: Embedding
    classifier: Any
    name: str = "embedding"
    normalise: bool = True
    regression_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.labels  # noqa: B018 - refuses an estimator without labels or probabilities
        n_dimensions = len(self.embedding.dimensions)
        n_expected = getattr(self.classifier, "n_features_in_", n_dimensions)
        if n_expected != n_dimensions:
            raise InputError(
                f"model {self.name}: the classifier takes {n_expected} dimensions; expected "
                f"{n_dimensions}, those of {self.embedding.name}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The classifier's classes, or what the regressor's outputs are called."""
        return estimator_labels(self.classifier, self.regression_labels, name=self.name)

    @property
    def output(self) -> Output:
        """``"value"`` of a regressor, else ``"probability"``."""
        return estimator_output(self.classifier)

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, Hz: the embedding's."""
        return self.embedding.sample_rate

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Probabilities or values, shape (n_waveforms, n_labels), float64.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers, or an embedding that cannot be loaded.
        """
        given = checked_waveforms(waveforms, name=self.name)
        if not given:
            return np.empty((0, len(self.labels)))
        return answer_and_compare(self, self._answers, given)

    def _answers(self, waveforms: list[FloatArray]) -> FloatArray:
        answers = np.full((len(waveforms), len(self.labels)), 1.0 / len(self.labels))
        prepared = [self._prepare(waveform) for waveform in waveforms]
        vectors = {
            row: vector
            for row, sound in enumerate(prepared)
            if (sound.any() or self.output == "value")
            and (vector := self._embed(sound)) is not None
        }
        if vectors:
            values = np.stack(list(vectors.values()))
            answers[list(vectors)] = estimator_answers(
                self.classifier, values, n_labels=len(self.labels)
            )
        return answers

    def _prepare(self, waveform: FloatArray) -> FloatArray:
        shortest = round(_SHORTEST_S * self.sample_rate)
        padded = np.pad(waveform, (0, max(0, shortest - len(waveform))))
        return normalise_level(padded) if self.normalise else np.clip(padded, -1.0, 1.0)

    def _embed(self, sound: FloatArray) -> FloatArray | None:
        """Vector of one waveform; None where the embedding finds nothing in it."""
        try:
            return self.embedding.embed([sound])[0]
        except InputError:
            self.embedding.recipe  # noqa: B018 - weights that cannot be read are an error
            if self.output == "value":
                raise
            return None


class EmbeddingRecipe:
    """Embedding and logistic regression: computed once a clip, fitted on any subset of the clips.

    Values are clipped to their range in training (a linear model must not extrapolate to clips
    with bands missing) and standardised; classes count the same.  The penalty is chosen by
    speaker-disjoint cross-validation inside the training speakers; with fewer than three of them
    it is 0.01.

    Parameters
    ----------
    embedding : Embedding
    cache : FeatureCache, optional
        Where vectors are kept between runs.
    """

    def __init__(self, embedding: Embedding, *, cache: FeatureCache | None = None) -> None:
        self.embedding = embedding
        self._cache = cache

    def prepare(self, clips: TrainingClips, progress: Progress) -> None:
        """Vectors of every clip.

        Raises
        ------
        InputError
            The embedding refuses a clip.
        """
        parts = []
        for first in range(0, len(clips.waveforms), _CLIPS_AT_ONCE):
            some = [normalise_level(w) for w in clips.waveforms[first : first + _CLIPS_AT_ONCE]]
            parts.append(
                self._cache.rows(some, recipe=self._recipe, compute=self.embedding.embed)
                if self._cache
                else self.embedding.embed(some)
            )
            done = min(first + _CLIPS_AT_ONCE, len(clips.waveforms))
            progress("measuring features", done, len(clips.waveforms))
        self._values = np.concatenate(parts).astype(np.float64)
        self._clips = clips

    def model(self, train: IntArray) -> EmbeddingModel:
        """Fit on some clips."""
        truth = np.array(self._clips.labels)[self._clips.truth[train]]
        speakers = self._clips.speakers[train]
        pipeline = Pipeline(
            [
                ("clip", MinMaxScaler(clip=True)),
                ("scale", StandardScaler()),
                ("classifier", LogisticRegression(class_weight="balanced", max_iter=5000)),
            ]
        )
        n_speakers = len(np.unique(speakers))
        if n_speakers < 3:  # nothing to choose a penalty on
            pipeline.set_params(classifier__C=_PENALTIES[1]).fit(self._values[train], truth)
        else:
            search = GridSearchCV(
                pipeline,
                {"classifier__C": _PENALTIES},
                scoring=_uar,
                cv=GroupKFold(min(5, n_speakers)),
            )
            pipeline = search.fit(self._values[train], truth, groups=speakers).best_estimator_
        return EmbeddingModel(
            embedding=self.embedding, classifier=pipeline, name=self.embedding.name
        )

    @property
    def _recipe(self) -> str:
        """Key of the cache: one layer of what the embedding's own recipe names."""
        return f"{self.embedding.recipe} layer {self.embedding.layers[-1]}"


def _uar(classifier: Pipeline, values: FloatArray, truth: FloatArray) -> float:
    """Mean recall of the emotions that the held-out speakers act."""
    hit = classifier.predict(values) == truth
    return float(np.mean([hit[truth == label].mean() for label in np.unique(truth)]))
