"""What every explainer must do; a new one is added to EXPLAINERS."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cuelens import Audio, EmoLime, Explanation, FrequencyBands
from cuelens.testing import BandModel, noise, speech_like
from cuelens.units import TimeWindows

EXPLAINERS = {
    "exact shapley": EmoLime(interactions=True),
    "sampled shapley": EmoLime(samples=64),
    "lime on all combinations": EmoLime(estimator="lime"),
    "lime, sampled": EmoLime(estimator="lime", samples=64),
    "many bands": EmoLime(units=FrequencyBands(n_bands=24, scale="octave"), samples=200),
    "published": EmoLime(variant="published", samples=16),
    "moments": EmoLime(units=TimeWindows(window_s=0.06), samples=64),
}
SOUNDS = {
    "speech": speech_like(duration_s=0.5),
    "50 ms": noise(duration_s=0.05),
    "clipped": np.clip(8 * speech_like(duration_s=0.3), -1.0, 1.0),
    "faint": 1e-3 * speech_like(duration_s=0.3),
    "one click": np.eye(1, 8000, 4000, dtype=np.float32)[0],
}


@pytest.fixture(params=EXPLAINERS)
def explainer(request):
    return EXPLAINERS[request.param]


@pytest.fixture(params=SOUNDS)
def audio(request):
    return Audio(samples=SOUNDS[request.param], sample_rate=16_000)


def without_time(explanation: Explanation) -> dict:
    return {**json.loads(explanation.to_json()), "timing_s": None}


class Minimal:
    """No more than the protocol asks for."""

    labels = ["a", "b"]  # noqa: RUF012 (a list, as many models have)
    sample_rate = 16_000

    def predict_proba(self, waveforms):
        level = [float(np.abs(w).mean()) for w in waveforms]
        return [[0.5 + v, 0.5 - v] for v in level]


def test_any_sound_any_model_twice_the_same(explainer, audio):
    before = audio.samples.copy()
    first, second = (explainer.explain(Minimal(), audio) for _ in range(2))
    assert without_time(first) == without_time(second)
    assert Explanation.from_json(first.to_json()).to_json() == first.to_json()
    np.testing.assert_array_equal(audio.samples, before)
    assert np.isfinite(first.weights).all()
    assert first.model == "Minimal"
    assert first.labels == ("a", "b")
    assert first.account.endswith(".")


def test_counts_what_it_asks(explainer):
    model = BandModel(band_hz=(500.0, 3000.0))
    audio = Audio(samples=SOUNDS["speech"], sample_rate=16_000)
    explanation = explainer.explain(model, audio)
    assert explanation.n_model_calls == model.n_waveforms <= explainer.n_evaluations(model, audio)
    assert len(explanation.keep) == len(explanation.outputs)


def test_another_seed_changes_only_what_is_sampled(explainer):
    from dataclasses import replace

    audio = Audio(samples=SOUNDS["speech"], sample_rate=16_000)
    model = BandModel(band_hz=(500.0, 3000.0))
    one = explainer.explain(model, audio)
    other = replace(explainer, seed=7).explain(model, audio)
    assert np.array_equal(one.weights, other.weights) == explainer.enumerates(len(one.units))


def test_units_cover_the_clip(explainer):
    audio = Audio(samples=SOUNDS["speech"], sample_rate=16_000)
    explanation = explainer.explain(Minimal(), audio)
    if isinstance(explainer.units, TimeWindows):
        starts = [unit.start_s for unit in explanation.units]
        ends = [unit.end_s for unit in explanation.units]
        assert (starts[0], ends[-1]) == (0.0, 0.5)
        assert starts[1:] == ends[:-1]
        assert {(unit.low_hz, unit.high_hz) for unit in explanation.units} == {(0.0, 8000.0)}
        return
    low = [unit.low_hz for unit in explanation.units]
    high = [unit.high_hz for unit in explanation.units]
    assert low[0] == 0.0
    assert high[-1] == 8000.0
    assert low[1:] == high[:-1]
    assert {unit.start_s for unit in explanation.units} == {0.0}
    assert {unit.end_s for unit in explanation.units} == {0.5}
