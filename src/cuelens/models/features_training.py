"""Training the linear model on eGeMAPS or ComParE functionals.

Features are clipped to their range in training (a linear model must not extrapolate to clips with
bands missing) and standardised; then multinomial logistic regression with balanced classes.  Every
clip is also seen played at 0.9 and 1.1 times its speed, which stands in for voices that the few
speakers lack.  The penalty is chosen by speaker-disjoint cross-validation inside the training
speakers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cuelens.features import FeatureCache, OpenSmile
from cuelens.features.opensmile import FeatureSetName
from cuelens.models.features_model import FeaturesModel
from cuelens.models.level import normalise_level
from cuelens.models.training import SAMPLE_RATE, SPEEDS, Progress, TrainingClips, play_at
from cuelens.typing import FloatArray, IntArray

_PENALTIES = {"eGeMAPSv02": (0.01, 0.03, 0.1, 0.3), "ComParE_2016": (1e-4, 3e-4, 1e-3, 3e-3)}


class FeaturesRecipe:
    """Functionals and logistic regression.

    Parameters
    ----------
    feature_set : {"eGeMAPSv02", "ComParE_2016"}
    """

    def __init__(self, *, feature_set: FeatureSetName) -> None:
        self.features = OpenSmile(feature_set=feature_set, cache=FeatureCache())

    def prepare(self, clips: TrainingClips, progress: Progress) -> None:
        """Functionals of every clip at every speed."""
        copies = [
            normalise_level(play_at(waveform, speed))
            for speed in SPEEDS
            for waveform in clips.waveforms
        ]
        done = 0

        def further(n: int) -> None:
            nonlocal done
            done += n
            progress("measuring features", done, len(copies))

        values = self.features.functionals(copies, sample_rate=SAMPLE_RATE, progress=further)
        self._values = values.reshape(len(SPEEDS), len(clips.waveforms), -1)
        self._clips = clips

    def model(self, train: IntArray) -> FeaturesModel:
        """Fit on some clips."""
        features = OpenSmile(feature_set=self.features.feature_set)
        return FeaturesModel(classifier=self._fit(train), features=features)

    def held_out(
        self, splits: Sequence[tuple[IntArray, IntArray]], progress: Progress
    ) -> list[FloatArray]:
        """Probabilities of each split's test clips."""
        as_given = self._values[SPEEDS.index(1.0)]
        answers = []
        for index, (train, test) in enumerate(splits):
            answers.append(self._fit(train).predict_proba(as_given[test]))
            progress("leaving speakers out", index + 1, len(splits))
        return answers

    def save(self, folder: Path, progress: Progress) -> dict[str, Any]:
        """Fit on everything, write ``model.skops``."""
        import skops.io

        progress("training on all speakers", 0, 1)
        pipeline = self._fit(np.arange(len(self._clips.truth)))
        skops.io.dump(pipeline, folder / "model.skops")
        progress("training on all speakers", 1, 1)
        return {
            "kind": "features",
            "features": {"feature_set": self.features.feature_set, "normalise": True},
            "recipe": {
                "classifier": "logistic regression, clipped and scaled features",
                "C": float(pipeline.named_steps["classifier"].C),
                "speeds": list(SPEEDS),
            },
        }

    def _fit(self, train: IntArray) -> Pipeline:
        values = np.concatenate(self._values[:, train])
        truth = np.tile(np.array(self._clips.labels)[self._clips.truth[train]], len(SPEEDS))
        speakers = np.tile(self._clips.speakers[train], len(SPEEDS))
        pipeline = Pipeline(
            [
                ("clip", MinMaxScaler(clip=True)),
                ("scale", StandardScaler()),
                ("classifier", LogisticRegression(class_weight="balanced", max_iter=5000)),
            ]
        )
        n_speakers = len(np.unique(speakers))
        penalties = _PENALTIES[self.features.feature_set]
        if n_speakers < 3:  # nothing to choose a penalty on
            return pipeline.set_params(classifier__C=penalties[1]).fit(values, truth)
        search = GridSearchCV(
            pipeline,
            {"classifier__C": penalties},
            scoring=_uar,
            cv=GroupKFold(min(5, n_speakers)),
        )
        best: Pipeline = search.fit(values, truth, groups=speakers).best_estimator_
        return best


def _uar(classifier: Pipeline, values: FloatArray, truth: FloatArray) -> float:
    """Mean recall of the emotions that the held-out speakers act."""
    hit = classifier.predict(values) == truth
    return float(np.mean([hit[truth == label].mean() for label in np.unique(truth)]))
