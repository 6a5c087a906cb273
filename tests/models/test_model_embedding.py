"""What the last layer of a model is shown."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens import CallableModel, load_model
from cuelens.errors import InputError
from cuelens.models.base import softmax
from cuelens.models.level import normalise_level
from cuelens.models.model_embedding import embedding_of
from cuelens.testing import speech_like

torch = pytest.importorskip("torch")


def clips() -> list[np.ndarray]:
    return [speech_like(duration_s=d, seed=i) for i, d in enumerate((0.8, 2.0, 3.3))]


def test_last_layer_turns_the_embedding_into_the_logits():
    """For a clip of one window: answer = softmax(W e + b)."""
    model = load_model("emodb-cnn")
    embedding = embedding_of(model)
    short = clips()[:2]
    vectors = embedding.embed(short)
    last = model.module.fc
    logits = vectors @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    np.testing.assert_allclose(softmax(logits), model.predict_proba(short), atol=1e-5)


def test_windows_count_as_they_do_in_the_answer():
    """A clip of several windows: the mean over windows of what a slow loop finds."""
    model = load_model("emodb-cnn")
    long = clips()[2]
    shown = model.front_end.network_input(long)
    assert len(shown.values) > 1
    with torch.inference_mode():
        each = [model.module.embed(torch.from_numpy(v[None])).numpy()[0] for v in shown.values]
    expected = sum(share * vector for share, vector in zip(shown.shares, each, strict=True))
    np.testing.assert_allclose(embedding_of(model).embed([long])[0], expected, atol=1e-5)


def test_alone_and_among_others_and_leaves_no_hook():
    model = load_model("emodb-cnn")
    embedding = embedding_of(model)
    together = embedding.embed_layers(clips())
    alone = np.concatenate([embedding.embed_layers([clip]) for clip in clips()])
    np.testing.assert_array_equal(together, alone)
    assert together.shape == (3, 1, len(embedding.dimensions))
    assert not model.module.fc._forward_pre_hooks


def test_silence_is_a_vector_of_zeros():
    assert not embedding_of(load_model("emodb-cnn")).embed([np.zeros(16_000, np.float32)]).any()


def test_features_are_those_that_the_classifier_is_shown():
    model = load_model("emodb-egemaps")
    embedding = embedding_of(model)
    vectors = embedding.embed(clips())
    levelled = [normalise_level(clip) for clip in clips()]
    expected = model.features.functionals(levelled, sample_rate=16_000)
    np.testing.assert_array_equal(vectors, expected)
    assert embedding.dimensions == model.features.names
    np.testing.assert_allclose(
        model.classifier.predict_proba(vectors), model.predict_proba(clips()), atol=1e-6
    )


def test_a_function_has_no_embedding():
    model = CallableModel(function=lambda w: np.ones((len(w), 2)) / 2, labels=("a", "b"))
    with pytest.raises(InputError, match="no embedding that can be looked at"):
        embedding_of(model)
