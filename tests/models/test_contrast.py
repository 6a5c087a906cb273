import numpy as np
import pytest

from cuelens import EmoLime, FrequencyBands, InputError
from cuelens.audio import Audio
from cuelens.explain import GradCam, IntegratedGradients, LayerwiseRelevance, Occlusion
from cuelens.explain.game import CountingModel, RememberingModel
from cuelens.models import CallableModel, contrast, load_model, model_output
from cuelens.models.contrast import contrast_columns
from cuelens.models.network import is_network
from cuelens.testing import speech_like


def three(waveforms):
    level = np.array([np.abs(w).mean() for w in waveforms])
    late = np.array([np.abs(w[len(w) // 2 :]).mean() for w in waveforms])
    scores = np.stack([np.ones(len(level)), 1 + 20 * level, 1 + 30 * late], axis=1)
    return scores / scores.sum(axis=1, keepdims=True)


MODEL = CallableModel(function=three, labels=("calm", "anger", "joy"))
BANDS = EmoLime(units=FrequencyBands(n_bands=4))


@pytest.fixture(scope="module")
def clip() -> Audio:
    return Audio(samples=speech_like(duration_s=1.0, seed=1), sample_rate=16_000)


def test_the_last_output_is_the_difference(clip):
    asked = contrast(MODEL, "anger", rather_than="happiness")
    assert asked.labels == ("calm", "anger", "joy", "anger rather than joy")
    assert asked.target == "anger rather than joy"
    own, found = MODEL.predict_proba([clip.samples]), asked.predict_proba([clip.samples])
    np.testing.assert_array_equal(found[:, :3], own)
    np.testing.assert_allclose(found[:, 3], own[:, 1] - own[:, 2])
    for wrapped in (CountingModel(asked, lambda n: None), RememberingModel(asked)):
        assert contrast_columns(wrapped) == (1, 2)
        assert model_output(wrapped) == "probability"
    assert contrast_columns(MODEL) is None


def test_weights_are_those_of_one_label_minus_those_of_the_other(clip):
    asked = contrast(MODEL, "anger", rather_than="joy")
    found, plain = BANDS.explain(asked, clip, target=asked.target), BANDS.explain(MODEL, clip)
    np.testing.assert_allclose(found.target_weights, plain.weights[1] - plain.weights[2])
    assert found.contrast == ("anger", "joy")
    assert found.quantity == found.answer_quantity == "p(anger) − p(joy)"
    said = (
        f"answers joy (p = {plain.prediction[2]:.2f}), with anger close behind "
        f"(p = {plain.prediction[1]:.2f}); no"
    )
    assert said in found.account
    assert f"would give p(anger) − p(joy) = {found.base_value:.2f}".replace("-", "−") in (
        found.account
    )


def test_log_odds_of_a_contrast_are_of_one_label_against_the_other(clip):
    asked = contrast(MODEL, "anger", rather_than="joy")
    found = EmoLime(units=FrequencyBands(n_bands=4), output="logit").explain(
        asked, clip, target=asked.target
    )
    p = MODEL.predict_proba([clip.samples])[0]
    silent = MODEL.predict_proba([np.zeros_like(clip.samples)])[0]
    assert found.output_value == pytest.approx(np.log(p[1] / p[2]))
    assert found.output[0] == pytest.approx(np.log(p[0] / (1 - p[0])))
    np.testing.assert_allclose(found.prediction[:3], p)  # probabilities stay what they are
    assert found.target_weights.sum() == pytest.approx(
        np.log(p[1] / p[2]) - np.log(silent[1] / silent[2])
    )
    assert found.quantity == "log p(anger)/p(joy)"
    assert found.answer_quantity == "p(anger) − p(joy)"


def test_a_network_is_asked_for_the_difference_of_its_logits():
    pytest.importorskip("torch", reason="the extra torch is not installed")
    model = load_model("emodb-cnn")
    asked = contrast(model, "anger", rather_than="fear")
    assert is_network(asked)
    clip = Audio(samples=speech_like(duration_s=1.0, seed=2), sample_rate=16_000)
    first, second = asked.contrast_of
    for explainer in (
        IntegratedGradients(n_steps=16),
        Occlusion(),
        LayerwiseRelevance(),
    ):
        found = explainer.explain(asked, clip, target=asked.target)
        plain = explainer.explain(model, clip, target="anger")
        difference = plain.weights[first] - plain.weights[second]
        scale = np.abs(plain.weights).max()
        np.testing.assert_allclose(
            found.target_weights, difference, atol=0.02 * scale
        )  # integration stops within 1 %
        assert found.output_value == pytest.approx(plain.output[first] - plain.output[second])
    coarse = GradCam().explain(asked, clip, target=asked.target)
    assert (coarse.target_weights >= 0).all()


def test_mistakes_are_named():
    with pytest.raises(InputError, match="'anger' rather than 'angry' is one label"):
        contrast(MODEL, "anger", rather_than="angry")
    with pytest.raises(InputError, match="expected one of the model's labels: calm, anger, joy"):
        contrast(MODEL, "anger", rather_than="fear")
