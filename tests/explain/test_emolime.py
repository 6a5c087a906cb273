from __future__ import annotations

import json
import subprocess
import sys

import librosa
import numpy as np
import pytest

from cuelens import Audio, EmoLime, Explanation, FrequencyBands, InputError, load_audio, load_model
from cuelens.explain.lime import bernoulli_coalitions, lime_weights
from cuelens.explain.published import GriffinLimBands
from cuelens.explain.shapley import all_coalitions, exact_shapley
from cuelens.testing import (
    BandModel,
    ConstantModel,
    LinearEnergyModel,
    noise,
    speech_like,
    tone,
)

RATE = 16_000


def clip(samples=None) -> Audio:
    return Audio(samples=noise() if samples is None else samples, sample_rate=RATE)


EXPLAINERS = {
    "exact shapley": EmoLime(),
    "sampled shapley": EmoLime(samples=100),
    "lime on everything": EmoLime(estimator="lime"),
    "lime as sampled": EmoLime(estimator="lime", samples=64),
    "16 bands": EmoLime(units=FrequencyBands(n_bands=16, scale="bark"), samples=300),
    "published": EmoLime(variant="published", samples=16),
}


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_model_of_one_band_gives_it_all_the_weight(name):
    explainer = EXPLAINERS[name]
    bands = explainer.units.edges_hz(RATE)
    middle = explainer.units.n_bands // 2
    low, high = bands[middle : middle + 2]
    centre, half = (low + high) / 2, (high - low) / 4
    model = BandModel(band_hz=(centre - half, centre + half))
    explanation = explainer.explain(model, clip())
    weights = np.abs(explanation.target_weights)
    assert explanation.target == "high"
    assert weights.argmax() == middle
    if explainer.estimator == "shapley":
        assert weights[middle] / weights.sum() > 0.99


def test_additive_model_in_closed_form():
    edges = tuple(FrequencyBands(n_bands=4, scale="linear").edges_hz(RATE))
    factors = np.array([[1.0, 0.0, 0.0, -2.0], [0.0, 3.0, 0.0, 0.0]])
    model = LinearEnergyModel(edges_hz=edges, factors=factors)
    samples = sum(tone(hz, level=0.2) for hz in (1000.0, 3000.0, 5000.0, 7000.0))
    explanation = EmoLime(units=FrequencyBands(n_bands=4, scale="linear")).explain(
        model, clip(samples)
    )
    energy = 0.2**2 / 2  # of each tone; every tone lies in the middle of a band
    np.testing.assert_allclose(explanation.weights, factors * energy, atol=1e-4)
    np.testing.assert_allclose(explanation.fidelity, 1.0, atol=1e-3)


def test_efficiency_and_the_number_of_calls():
    model = BandModel(band_hz=(500.0, 3000.0))
    explanation = EmoLime(interactions=True).explain(model, clip())
    gap = explanation.prediction - explanation.base
    np.testing.assert_allclose(explanation.weights.sum(axis=1), gap, atol=1e-6)
    assert explanation.n_model_calls == model.n_waveforms == 256
    assert explanation.interactions.shape == (2, 8, 8)
    assert explanation.ci_low is None


def test_whole_clip_is_what_the_model_says_about_the_clip():
    model = BandModel(band_hz=(500.0, 3000.0))
    audio = clip()
    for explainer in EXPLAINERS.values():
        explanation = explainer.explain(model, audio)
        expected = model.predict_proba([audio.samples])[0]
        np.testing.assert_allclose(explanation.prediction, expected, atol=1e-6)


def test_permuting_bands_permutes_weights():
    """Mirroring the spectrum of clip and model mirrors the explanation."""
    samples = noise()
    mirrored = (samples * (-1.0) ** np.arange(samples.size)).astype(np.float32)
    units = FrequencyBands(n_bands=6, scale="linear")
    forward = EmoLime(units=units).explain(BandModel(band_hz=(900.0, 2800.0)), clip(samples))
    backward = EmoLime(units=units).explain(BandModel(band_hz=(5200.0, 7100.0)), clip(mirrored))
    np.testing.assert_allclose(forward.weights, backward.weights[:, ::-1], atol=5e-3)


def test_every_label_is_explained_by_the_same_evaluations():
    model = BandModel(band_hz=(500.0, 3000.0))
    high = EmoLime().explain(model, clip(), target="high")
    low = EmoLime().explain(model, clip(), target="low")
    np.testing.assert_array_equal(high.weights, low.weights)
    np.testing.assert_allclose(high.target_weights, -low.target_weights, atol=1e-9)


def test_published_variant_explains_the_target_that_was_asked():
    model = BandModel(band_hz=(500.0, 3000.0))
    explainer = EmoLime(variant="published", samples=16)
    high = explainer.explain(model, clip(), target="high")
    low = explainer.explain(model, clip(), target="low")
    np.testing.assert_allclose(high.target_weights, -low.target_weights, atol=1e-9)
    assert explainer.estimator == "lime"


def test_published_variant_is_lime_on_rebuilt_sound():
    model, audio = BandModel(band_hz=(500.0, 3000.0)), clip()
    explanation = EmoLime(variant="published", samples=16).explain(model, audio)
    keep = bernoulli_coalitions(8, n_samples=16, rng=np.random.default_rng(42))
    rebuilt = GriffinLimBands.of(audio, n_bands=8, seed=42).mix(keep)
    weights, intercepts = lime_weights(keep, model.predict_proba(list(rebuilt)))
    np.testing.assert_allclose(explanation.weights, weights, atol=1e-12)
    np.testing.assert_allclose(explanation.base, intercepts, atol=1e-12)


@pytest.mark.parametrize("n_bands", [8, 12])
def test_published_bands_are_the_mel_bins_inside_their_edges(n_bands):
    bands = GriffinLimBands.of(clip(), n_bands=n_bands, seed=0)
    centres_hz = librosa.mel_frequencies(n_mels=130, fmin=0.0, fmax=8000.0)[1:-1]
    edges_hz = FrequencyBands(n_bands=n_bands).edges_hz(RATE)
    expected = np.searchsorted(edges_hz, centres_hz) - 1
    assert np.abs(bands.groups - expected).max() <= 1
    assert np.mean(bands.groups != expected) < 0.1
    np.testing.assert_allclose(
        bands.mel, librosa.feature.melspectrogram(y=clip().samples, sr=RATE, n_mels=128)
    )


def test_published_rebuild_is_seeded():
    model = BandModel(band_hz=(500.0, 3000.0))
    explainer = EmoLime(variant="published", samples=16, units=FrequencyBands(n_bands=5))
    first, second = (explainer.explain(model, clip()) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)


def test_nothing_to_explain_in_a_constant_model():
    explanation = EmoLime().explain(ConstantModel(), clip())
    np.testing.assert_allclose(explanation.weights, 0.0, atol=1e-12)
    assert np.isnan(explanation.fidelity).all()
    assert "nothing to explain" in explanation.account
    assert Explanation.from_json(explanation.to_json()).to_json() == explanation.to_json()


def test_another_rate_is_resampled_and_said():
    audio = Audio(samples=noise(sample_rate=48_000), sample_rate=48_000)
    explanation = EmoLime().explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    assert explanation.clip.sample_rate_hz == RATE
    assert "resampled from 48000 to 16000 Hz" in explanation.clip.notes
    assert explanation.units[-1].high_hz == 8000.0


def test_inputs_stay_as_they_were():
    audio = clip()
    before = audio.samples.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state)
    EmoLime(samples=64).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    np.testing.assert_array_equal(audio.samples, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "ridge"}, "expected one of shapley, lime"),
        ({"variant": "fast"}, "expected one of lossless, published"),
        ({"samples": 10}, "samples is 10; expected at least 30"),
        ({"samples": 64, "interactions": True}, "interactions need all 256"),
        ({"variant": "published", "interactions": True}, "interactions need bands that add up"),
        ({"seed": -1}, "seed is -1; expected a whole number"),
        ({"samples": 500.5}, r"samples is 500\.5; expected a whole number"),
        (
            {"variant": "published", "units": FrequencyBands(scale="bark")},
            "defined for mel bands",
        ),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        EmoLime(**options)


def test_unknown_target():
    with pytest.raises(InputError, match=r"target is 'joy'; expected .* high, low"):
        EmoLime().explain(BandModel(band_hz=(500.0, 3000.0)), clip(), target="joy")


class Wrong:
    labels = ("a", "b")
    sample_rate = RATE

    def __init__(self, answer):
        self.answer = answer

    def predict_proba(self, waveforms):
        return self.answer(len(waveforms))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: np.zeros((n, 3)), "returned shape .* one column a label"),
        (lambda n: np.zeros(2), "returned shape"),
        (lambda n: np.full((n, 2), np.nan), "256 of 256 waveforms with NaN"),
        (lambda n: [[0.1], [0.2, 0.3]], "returned no table of numbers"),
        (lambda n: [["a", "b"]] * n, "returned no table of numbers"),
    ],
)
def test_wrong_answers_of_models_are_refused(answer, message):
    with pytest.raises(InputError, match=message):
        EmoLime().explain(Wrong(answer), clip())


@pytest.mark.parametrize("labels", [(), ("a", "a")])
def test_labels_must_differ(labels):
    model = ConstantModel(labels=labels, probabilities=(0.5,) * len(labels))
    with pytest.raises(InputError, match="expected one or more, all different"):
        EmoLime().explain(model, clip())


def test_numbers_as_labels_become_text():
    explanation = EmoLime().explain(ConstantModel(labels=np.array([0, 1])), clip(), target="1")
    assert Explanation.from_json(explanation.to_json()).labels == ("0", "1")


@pytest.mark.parametrize("precision", [0.1, 0.05])
def test_sampling_ends_when_intervals_are_as_narrow_as_asked(precision):
    audio = clip()
    model = BandModel(band_hz=(500.0, 3000.0))
    units = FrequencyBands(n_bands=16)
    found = EmoLime(units=units, samples=3000, precision=precision).explain(model, audio)
    row = found.target_index
    assert (found.ci_high - found.ci_low)[row].max() / 2 <= precision
    assert found.method.parameters["reach"] <= precision == found.method.parameters["precision"]
    whole = EmoLime(units=units, samples=3000).explain(model, audio)
    assert found.n_model_calls < whole.n_model_calls
    covered = (found.ci_low <= whole.weights + 0.02) & (whole.weights - 0.02 <= found.ci_high)
    assert covered.mean() > 0.8


def test_a_budget_that_does_not_reach_the_precision_is_said():
    explainer = EmoLime(units=FrequencyBands(n_bands=16), samples=300, precision=1e-4)
    found = explainer.explain(BandModel(band_hz=(500.0, 3000.0)), clip())
    assert found.n_model_calls <= 300
    assert "0.0001 was asked for" in found.account
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="expected a number above 0"):
            EmoLime(precision=wrong)
    with pytest.raises(InputError, match="precision is for sampled Shapley values"):
        EmoLime(precision=0.1, estimator="lime")


def test_log_odds_are_shared_out_and_probabilities_stay():
    audio, model = clip(), BandModel(band_hz=(500.0, 3000.0))
    found = EmoLime(units=FrequencyBands(n_bands=4), output="logit").explain(model, audio)
    plain = EmoLime(units=FrequencyBands(n_bands=4)).explain(model, audio)
    np.testing.assert_array_equal(found.prediction, plain.prediction)
    np.testing.assert_array_equal(found.outputs, plain.outputs)
    p = np.clip(plain.outputs, 1e-6, 1 - 1e-6)
    exact = exact_shapley(np.log(p / (1 - p)))
    np.testing.assert_allclose(found.weights, exact, atol=1e-9)
    row = found.target_index
    assert found.output_value == pytest.approx(found.base_value + exact[row].sum())
    assert Explanation.from_json(found.to_json()).output_value == pytest.approx(found.output_value)
    with pytest.raises(InputError, match="expected probability or logit"):
        EmoLime(output="value")


class Dimensions:
    """Arousal follows the level, valence is always -2."""

    labels = ("arousal", "valence")
    sample_rate = RATE
    output = "value"

    def predict_proba(self, waveforms):
        level = [20 * np.log10(np.sqrt(np.mean(np.square(w))) + 1e-3) for w in waveforms]
        return np.stack([np.array(level), np.full(len(level), -2.0)], axis=1)


def test_regression_is_explained_as_it_is():
    audio, model = clip(), Dimensions()
    found = EmoLime(units=FrequencyBands(n_bands=4)).explain(model, audio)
    assert found.target == "arousal"  # not the largest
    assert found.weights.sum(axis=1)[1] == pytest.approx(0.0)
    assert found.quantity == "arousal"
    arousal = model.predict_proba([audio.samples])[0, 0]
    said = f"gives arousal = {arousal:.2f} and valence = −2.00".replace("-", "−")
    assert said in found.account
    assert "p =" not in found.account
    low, high = found.answer_range
    assert low == pytest.approx(found.outputs[:, 0].min())
    assert high == pytest.approx(max(1.0, found.outputs[:, 0].max()))
    with pytest.raises(InputError, match="gives no probabilities"):
        EmoLime(output="logit").explain(model, audio)
    model.output = "votes"
    with pytest.raises(InputError, match="expected one of probability, logit, value"):
        EmoLime().explain(model, audio)


def test_sampled_weights_come_with_intervals_that_hold_the_exact_ones():
    model = BandModel(band_hz=(500.0, 3000.0))
    audio = clip(speech_like())
    exact = EmoLime().explain(model, audio)
    inside = []
    for seed in range(10):
        sampled = EmoLime(samples=200, seed=seed).explain(model, audio)
        assert sampled.n_model_calls <= 200
        low, high = sampled.ci_low - 1e-9, sampled.ci_high + 1e-9
        inside.append((low <= exact.weights) & (exact.weights <= high))
        gap = sampled.prediction - sampled.base
        np.testing.assert_allclose(sampled.weights.sum(axis=1), gap, atol=1e-9)
    assert np.mean(inside) >= 0.85


SCRIPT = """
import sys
from cuelens import Audio, EmoLime, FrequencyBands, load_model
from cuelens.testing import speech_like
audio = Audio(samples=speech_like(duration_s=0.7), sample_rate=16_000)
model, bands = load_model(sys.argv[1]), FrequencyBands(n_bands=5)
for options in ({}, {"samples": 24}, {"estimator": "lime", "samples": 24}):
    explanation = EmoLime(units=bands, **options).explain(model, audio)
    sys.stdout.write(explanation.to_json())
"""


@pytest.mark.parametrize("model", ["emodb-cnn", "emodb-egemaps"])
def test_same_seed_same_bytes_in_another_process(model):
    texts = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, model], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    ]
    without_time = [
        [line for line in text.splitlines() if '"timing_s"' not in line] for text in texts
    ]
    assert without_time[0] == without_time[1]
    assert len(without_time[0]) > 500


@pytest.mark.corpus
@pytest.mark.parametrize("model", ["emodb-cnn", "emodb-egemaps"])
def test_real_speech(data_dir, model):
    audio = load_audio(data_dir / "emodb" / "03a01Wa.flac")
    loaded = load_model(model)
    explanation = EmoLime().explain(loaded, audio)
    assert explanation.target == "anger"
    gap = explanation.prediction - explanation.base
    np.testing.assert_allclose(explanation.weights.sum(axis=1), gap, atol=1e-6)
    np.testing.assert_allclose(
        explanation.prediction, loaded.predict_proba([audio.samples])[0], atol=1e-6
    )
    data = json.loads(explanation.to_json())
    assert {
        *("schema_version", "clip", "model", "prediction", "target", "output_value"),
        *("base_value", "n_model_calls", "method", "units", "all_targets", "fidelity"),
        *("timing_s", "account"),
    } <= set(data)


def test_order_of_evaluations_is_the_order_of_all_coalitions():
    explanation = EmoLime().explain(BandModel(band_hz=(500.0, 3000.0)), clip())
    np.testing.assert_array_equal(explanation.keep, all_coalitions(8))
