"""scikit-learn estimators stored with skops, on features of a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cuelens.errors import InputError
from cuelens.features import OpenSmile
from cuelens.features.load_embedding import load_embedding
from cuelens.features.opensmile import FeatureSetName
from cuelens.input_file import MAX_WEIGHTS_BYTES, read_bytes
from cuelens.models.embedding_model import EmbeddingModel
from cuelens.models.features_model import FeaturesModel
from cuelens.models.skops_file import skops_estimator
from cuelens.models.spec import labels_of, read_sidecar, split_spec, switch_of
from cuelens.models.waveforms import check_sample_rate

OPTIONS = ("features", "labels", "rate", "normalise")
_OPENSMILE: dict[str, FeatureSetName] = {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}


def load_skops(spec: str) -> FeaturesModel | EmbeddingModel:
    """A pipeline from a file, on eGeMAPS, ComParE or any embedding.

    Parameters
    ----------
    spec : str
        ``FILE`` and options ``?features=egemaps&labels=arousal,valence&rate=16000&
        normalise=true``.  What is not given there is taken from ``FILE.json`` (``features``,
        ``labels``, ``sample_rate``, ``normalise``).  Features are those of
        :func:`cuelens.features.load_embedding`; labels are for regressors, a classifier has its
        own (others are an error); ``normalise`` brings every waveform to one level first, as the
        pipeline was trained; ``rate`` is that of the recordings that functionals were computed of
        in training, 16000 by default: clips are brought to it first.

    Raises
    ------
    InputError
        A file that cannot be read or holds types that are not trusted, no features, or an
        estimator that takes another number of them.
    """
    place, options = split_spec(spec, OPTIONS)
    file = Path(place).expanduser()
    content = read_bytes(file, expected="a skops file", max_bytes=MAX_WEIGHTS_BYTES)
    said: dict[str, Any] = read_sidecar(file) | options
    name = file.stem
    features = said.get("features")
    if not isinstance(features, str):
        raise InputError(
            f"model {name}: nothing says what features it takes; expected {file.name}.json with "
            '{"features": "egemaps"}, or skops:FILE?features=egemaps'
        )
    estimator = skops_estimator(content, where=str(file))
    rate = said.get("rate", said.get("sample_rate"))
    normalise = switch_of(said, "normalise")
    labels = labels_of(said["labels"], name=name) if said.get("labels") else ()
    feature_set = _OPENSMILE.get(features.strip().lower())
    if feature_set is not None:
        return FeaturesModel(
            classifier=estimator,
            features=OpenSmile(feature_set=feature_set),
            sample_rate=check_sample_rate(rate or 16_000, name=name),
            normalise=normalise,
            name=name,
            regression_labels=labels,
        )
    embedding = load_embedding(features)
    if rate is not None and check_sample_rate(rate, name=name) != embedding.sample_rate:
        raise InputError(
            f"model {name}: sample rate is {rate} Hz; expected {embedding.sample_rate}, that of "
            f"{embedding.name}: leave it out"
        )
    return EmbeddingModel(
        embedding=embedding,
        classifier=estimator,
        name=name,
        normalise=normalise,
        regression_labels=labels,
    )
