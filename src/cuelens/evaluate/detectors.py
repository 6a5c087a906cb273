"""Models that tell edited clips from untouched ones: the models of planted cues.

Two kinds.  A classifier of scikit-learn on functionals is trained once they are measured; what is
kept is what was measured.  A network on log-mel windows is trained with PyTorch and kept as ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.features import LogMel, OpenSmile
from cuelens.features.opensmile import FeatureSetName
from cuelens.models import FeaturesModel, Model
from cuelens.models.level import normalise_level
from cuelens.models.log_mel_cnn import LogMelCnn, WindowedLogMel
from cuelens.python_name import PREFIX, imported
from cuelens.typing import BoolArray, FloatArray

SAMPLE_RATE = 16_000
UNTOUCHED, EDITED = "untouched", "edited"
LABELS = (EDITED, UNTOUCHED)
"""In the order in which scikit-learn sorts them."""


class Detector(Protocol):
    """A way to train a model on edited and untouched sound.

    May have an attribute ``network``: False where explainers cannot look inside what is trained.
    """

    def train(self, sounds: Sequence[FloatArray], edited: BoolArray, folder: Path) -> None:
        """Do what is slow, and write what is needed into a folder.

        Parameters
        ----------
        sounds : sequence of ndarray, shape (n_samples,), float32, 16 kHz
        edited : ndarray, shape (n_sounds,), bool
        folder : path
            Exists.
        """
        ...

    def load(self, folder: Path) -> Model:
        """The model, with labels "edited" and "untouched"."""
        ...

    def __hash__(self) -> int: ...


def linear_classifier() -> Any:
    """Logistic regression on clipped and standardised functionals, balanced classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    return make_pipeline(
        MinMaxScaler(clip=True),  # a linear model must not extrapolate to clips with parts missing
        StandardScaler(),
        LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000),
    )


@dataclass(frozen=True, kw_only=True)
class FeatureDetector:
    """A classifier of scikit-learn on functionals of clips at the same level.

    Parameters
    ----------
    feature_set : {"eGeMAPSv02", "ComParE_2016"}
    classifier : callable
        Makes an unfitted classifier with ``predict_proba``.
    """

    network: ClassVar[bool] = False

    feature_set: FeatureSetName = "eGeMAPSv02"
    classifier: Callable[[], Any] = linear_classifier

    def train(self, sounds: Sequence[FloatArray], edited: BoolArray, folder: Path) -> None:
        """Measure the functionals."""
        values = OpenSmile(feature_set=self.feature_set).functionals(
            [normalise_level(sound) for sound in sounds], sample_rate=SAMPLE_RATE
        )
        np.savez(folder / "functionals.npz", values=values, edited=edited)

    def load(self, folder: Path) -> FeaturesModel:
        """Fit the classifier to what was measured."""
        with np.load(folder / "functionals.npz", allow_pickle=False) as held:
            values, edited = held["values"].astype(np.float64), held["edited"]
        classifier = self.classifier()
        classifier.fit(values, np.where(edited, EDITED, UNTOUCHED))
        return FeaturesModel(
            classifier=classifier,
            features=OpenSmile(feature_set=self.feature_set),
            sample_rate=SAMPLE_RATE,
            name=f"detector on {self.feature_set}",
        )


@dataclass(frozen=True, kw_only=True)
class NetworkDetector:
    """``ResNetSmall`` on log-mel windows of 2 s (extra ``torch``).

    Parameters
    ----------
    n_steps, batch_size : int
        Sounds are drawn at random, both classes equally often, moved by up to 10 frames.
    learning_rate : float
        Highest rate of AdamW; it rises for a fifth of the steps and falls to nothing.
    seed : int
    """

    network: ClassVar[bool] = True

    n_steps: int = 400
    batch_size: int = 16
    learning_rate: float = 4e-3
    seed: int = 0
    front_end: WindowedLogMel = field(
        default_factory=lambda: WindowedLogMel(log_mel=LogMel(sample_rate=SAMPLE_RATE))
    )

    def train(self, sounds: Sequence[FloatArray], edited: BoolArray, folder: Path) -> None:
        """Train, and write the network as ONNX and its weights as safetensors."""
        try:
            import safetensors.torch

            from cuelens.models.cnn_training import fit_plain, to_onnx
        except ImportError as error:
            raise MissingExtraError("training a network", "torch") from error
        pictures = [
            self.front_end.network_input(np.asarray(sound)).values[:1, 0] for sound in sounds
        ]
        heard = np.array([len(picture) > 0 for picture in pictures])
        state = fit_plain(
            np.concatenate(pictures),
            np.where(edited, 0, 1)[heard],
            n_labels=len(LABELS),
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        (folder / "model.onnx").write_bytes(to_onnx(state, len(LABELS), self.front_end))
        safetensors.torch.save_file(state, folder / "model.safetensors")

    def load(self, folder: Path) -> LogMelCnn:
        """Read the network."""
        return LogMelCnn(
            network=(folder / "model.onnx").read_bytes(),
            labels=LABELS,
            front_end=self.front_end,
            name="detector network",
            weights=(folder / "model.safetensors").read_bytes(),
        )


DETECTORS: dict[str, Callable[[], Detector]] = {
    "cnn": NetworkDetector,
    "egemaps": FeatureDetector,
    "compare": lambda: FeatureDetector(feature_set="ComParE_2016"),
}
"""How to make each kind of detector."""


def detector_named(name: str) -> Detector:
    """A detector from its name in `DETECTORS`, or ``python:package.module:name``.

    The latter is a class or function without arguments that makes an unfitted classifier of
    scikit-learn with ``predict_proba``; it is trained on eGeMAPS functionals.

    Raises
    ------
    InputError
        Nothing of that name.
    """
    if name in DETECTORS:
        return DETECTORS[name]()
    if not name.startswith(PREFIX):
        raise InputError(
            f"detector {name!r}; expected one of {', '.join(DETECTORS)}, or "
            "python:package.module:name of an unfitted scikit-learn classifier"
        )
    found = imported(name, "detector")
    try:
        made = found() if callable(found) else found
    except Exception as error:  # whatever the user's code raises
        raise InputError(f"detector {name!r} cannot be made ({error!r})") from error
    if not callable(getattr(made, "fit", None)) or not hasattr(made, "predict_proba"):
        raise InputError(
            f"detector {name!r} is {type(made).__name__}; expected a scikit-learn classifier with "
            "fit and predict_proba (for SVC: CalibratedClassifierCV(SVC(), ensemble=False)), or a "
            "function that makes one"
        )

    from sklearn.base import clone

    return FeatureDetector(classifier=partial(clone, made))
