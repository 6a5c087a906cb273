"""Pipelines in skops files, against scikit-learn asked directly."""

from __future__ import annotations

import json

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from cuelens import InputError, load_model
from cuelens.features import OpenSmile, load_embedding
from cuelens.models import EmbeddingModel, FeaturesModel, Model, model_output
from cuelens.models.level import normalise_level
from cuelens.testing import noise, speech_like

CLIPS = [
    0.5 * speech_like(duration_s=0.3),
    0.2 * noise(duration_s=0.3),
    0.3 * speech_like(f0_hz=200.0, duration_s=0.4),
]
LABELS = np.array(["angry", "calm"] * 20)


def trained(estimator, n_features, truth=LABELS):
    values = np.random.default_rng(0).normal(size=(40, n_features))
    return make_pipeline(StandardScaler(), estimator).fit(values, truth)


def save(folder, estimator, said=None):
    file = folder / "mine.skops"
    skops.io.dump(estimator, file)
    if said is not None:
        (folder / "mine.skops.json").write_text(json.dumps(said))
    return file


@pytest.mark.parametrize(
    ("name", "set_name"), [("egemaps", "eGeMAPSv02"), ("compare", "ComParE_2016")]
)
def test_answers_are_those_of_the_pipeline_on_the_features(tmp_path, name, set_name):
    smile = OpenSmile(feature_set=set_name)
    pipeline = trained(LogisticRegression(C=0.001), len(smile.names))
    model = load_model(f"skops:{save(tmp_path, pipeline)}?features={name}")
    assert isinstance(model, Model)
    assert isinstance(model, FeaturesModel)
    assert (model.name, model.labels, model.sample_rate) == ("mine", ("angry", "calm"), 16_000)
    values = smile.functionals(CLIPS, sample_rate=16_000).astype(np.float64)
    np.testing.assert_allclose(
        model.predict_proba(CLIPS), pipeline.predict_proba(values), atol=1e-9
    )
    assert model_output(model) == "probability"
    assert model.predict_proba([]).shape == (0, 2)


@pytest.mark.parametrize("normalise", [False, True])
def test_what_lies_beside_the_file(tmp_path, normalise):
    pipeline = trained(LogisticRegression(C=0.001), 88)
    said = {"features": "egemaps", "normalise": normalise, "sample_rate": 22_050}
    model = load_model(f"skops:{save(tmp_path, pipeline, said)}")
    level = normalise_level if normalise else np.asarray
    values = OpenSmile().functionals([level(c) for c in CLIPS], sample_rate=22_050)
    np.testing.assert_allclose(
        model.predict_proba(CLIPS), pipeline.predict_proba(values.astype(np.float64)), atol=1e-9
    )
    assert load_model(f"skops:{tmp_path / 'mine.skops'}?rate=16000").sample_rate == 16_000


@pytest.mark.corpus
def test_any_embedding(tmp_path, data_dir, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("CUELENS_DATA", str(data_dir))  # where the weights of BYOL-S are
    embedding = load_embedding("byols")
    pipeline = trained(LogisticRegression(C=0.001), len(embedding.dimensions))
    model = load_model(f"skops:{save(tmp_path, pipeline)}?features=byols")
    assert isinstance(model, EmbeddingModel)
    expected = pipeline.predict_proba(embedding.embed(CLIPS).astype(np.float64))
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)
    with pytest.raises(InputError, match="sample rate is 8000 Hz; expected 16000, that of"):
        load_model(f"skops:{tmp_path / 'mine.skops'}?features=byols&rate=8000")


def test_labels_must_be_as_many_as_values(tmp_path):
    file = save(tmp_path, trained(Ridge(), 88, np.random.default_rng(1).normal(size=40)))
    model = load_model(f"skops:{file}?features=egemaps&labels=arousal,valence")
    with pytest.raises(InputError, match="gives 1 values a clip and there are 2 labels"):
        model.predict_proba(CLIPS)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_regressors_answer_values(tmp_path, n_outputs):
    truth = np.random.default_rng(1).normal(size=(40, n_outputs))
    names = ("arousal", "dominance", "valence")[:n_outputs]
    pipeline = trained(Ridge(), 88, truth[:, 0] if n_outputs == 1 else truth)
    file = save(tmp_path, pipeline)
    model = load_model(f"skops:{file}?features=egemaps&labels={','.join(names)}")
    values = OpenSmile().functionals(CLIPS, sample_rate=16_000).astype(np.float64)
    expected = pipeline.predict(values).reshape(3, n_outputs)
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-9)
    assert model.labels == names
    assert model_output(model) == "value"
    with pytest.raises(InputError, match=rf"with {n_outputs} output.* add labels=arousal"):
        load_model(f"skops:{file}?features=egemaps")


def test_a_regressor_answers_silence_as_it_is():
    """Equal probabilities would be a made-up value."""
    regressor = LinearRegression().fit(np.eye(88)[:40], np.arange(40.0))
    model = FeaturesModel(
        classifier=regressor, features=OpenSmile(), regression_labels=("arousal",)
    )
    silence = np.zeros(8000, np.float32)
    values = OpenSmile().functionals([silence], sample_rate=16_000)
    np.testing.assert_allclose(model.predict_proba([silence])[0], regressor.predict(values))


@pytest.mark.parametrize(
    ("estimator", "said", "message"),
    [
        (LogisticRegression(), "", r"nothing says what features it takes; .* \"egemaps\"\}"),
        (LogisticRegression(), "?features=egemap", r"unknown embedding .* mean egemaps"),
        (LogisticRegression(), "?features=compare", "takes 88 features; expected 6373"),
        (
            LinearSVC(),
            "?features=egemaps",
            "gives no probabilities; expected predict_proba: wrap it in .*CalibratedCl",
        ),
        (LogisticRegression(), "?features=egemaps&rate=0", "sample rate is '0'"),
        (LogisticRegression(), "?features=egemaps&normalise=1", "expected true or false"),
        (LogisticRegression(), "?feature=egemaps", "expected NAME=VALUE"),
        (
            LogisticRegression(),
            "?features=egemaps&labels=calm,angry",
            "labels are calm, angry, and Pipeline has the classes angry, calm; expected labels of",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path, estimator, said, message):
    file = save(tmp_path, trained(estimator, 88))
    with pytest.raises(InputError, match=message) as error:
        load_model(f"skops:{file}{said}")
    assert "\n" not in str(error.value)


class Untrusted:
    value = 1


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_model(f"skops:{tmp_path}/none.skops?features=egemaps")
    file = save(tmp_path, Untrusted())
    with pytest.raises(InputError, match=r"mine\.skops holds types that are not trusted"):
        load_model(f"skops:{file}?features=egemaps")
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"mine\.skops: cannot be read"):
        load_model(f"skops:{file}?features=egemaps")


def test_labels_that_are_the_classes_change_nothing(tmp_path):
    file = save(tmp_path, trained(LogisticRegression(), 88))
    assert load_model(f"skops:{file}?features=egemaps&labels=angry,calm").labels == (
        "angry",
        "calm",
    )


def test_several_answers_a_clip_are_refused(tmp_path):
    truth = np.array([["angry", "loud"], ["calm", "soft"]] * 20)
    file = save(tmp_path, trained(MultiOutputClassifier(LogisticRegression()), 88, truth))
    with pytest.raises(InputError, match="gives 2 answers a clip; expected a classifier of"):
        load_model(f"skops:{file}?features=egemaps")
    forest = trained(RandomForestClassifier(3), 88, truth)
    with pytest.raises(InputError, match="gives 2 answers a clip; expected a classifier of"):
        FeaturesModel(classifier=forest, features=OpenSmile())


@pytest.mark.parametrize("estimator", [RandomForestClassifier(3), HistGradientBoostingClassifier()])
def test_trees_are_refused_and_come_from_a_module_of_ones_own(tmp_path, estimator):
    """A crafted file of trees makes compiled code read memory that is none of its own."""
    pipeline = trained(estimator, 88)
    file = save(tmp_path, pipeline)
    with pytest.raises(InputError, match=r"holds decision trees \(sklearn.* give python:mod") as e:
        load_model(f"skops:{file}?features=egemaps")
    trusted = skops.io.get_untrusted_types(file=file)
    assert f"trusted={trusted}" in str(e.value)
    model = FeaturesModel(
        classifier=skops.io.load(file, trusted=trusted), features=OpenSmile(), normalise=False
    )
    values = OpenSmile().functionals(CLIPS, sample_rate=16_000).astype(np.float64)
    np.testing.assert_allclose(model.predict_proba(CLIPS), pipeline.predict_proba(values))


@pytest.mark.parametrize("spelling", ["egemaps", "eGeMAPS", "EGEMAPS"])
def test_one_name_in_any_spelling_is_one_model(tmp_path, spelling):
    file = save(tmp_path, trained(LogisticRegression(), 88))
    model = load_model(f"skops:{file}?features={spelling}")
    assert isinstance(model, FeaturesModel)
    silence = [np.zeros(8000, np.float32), CLIPS[0]]
    expected = load_model(f"skops:{file}?features=egemaps").predict_proba(silence)
    np.testing.assert_array_equal(model.predict_proba(silence), expected)


def test_functionals_at_the_rate_of_training(tmp_path):
    file = save(tmp_path, trained(LogisticRegression(), 88))
    model = load_model(f"skops:{file}?features=egemaps&rate=44100")
    values = OpenSmile().functionals(CLIPS, sample_rate=44_100).astype(np.float64)
    expected = model.classifier.predict_proba(values)
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-9)


def test_labels_that_are_empty_are_none(tmp_path):
    file = save(tmp_path, trained(Ridge(), 88, np.zeros((40, 2))), {"labels": ""})
    with pytest.raises(InputError, match=r"a regressor with 2 outputs .* labels=arousal,valence"):
        load_model(f"skops:{file}?features=egemaps")
