from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from cuelens import Audio, EmoLime, Explanation, FrequencyBands, InputError
from cuelens.evaluate import removal_curve
from cuelens.evaluate.faithfulness import coalition_table, removal_path
from cuelens.testing import BandModel, LinearEnergyModel, noise, tone

MODEL = BandModel(band_hz=(500.0, 3000.0))


def explained(n_bands: int, **options) -> Explanation:
    audio = Audio(samples=noise(), sample_rate=16_000)
    return EmoLime(units=FrequencyBands(n_bands=n_bands), **options).explain(MODEL, audio)


def test_curve_against_its_definition():
    explanation = explained(5)
    curve = removal_curve(explanation, MODEL)
    order = explanation.order()
    parts = explanation.components.parts

    def p_without(removed) -> float:
        kept = [unit for unit in range(5) if unit not in removed]
        return float(MODEL.predict_proba([parts[kept].sum(axis=0)])[0, 0])

    for k in range(6):
        assert curve.by_weight[k] == pytest.approx(p_without(order[:k]), abs=1e-5)
        every = [p_without(removed) for removed in combinations(range(5), k)]
        assert curve.random_mean[k] == pytest.approx(np.mean(every), abs=1e-5)
        assert curve.lowest[k] == pytest.approx(min(every), abs=1e-5)
    by_order = np.mean([[p_without(o[:k]) for k in range(6)] for o in permutations(range(5))], 0)
    np.testing.assert_allclose(curve.random_mean, by_order, atol=1e-5)


def test_enumerated_explanations_cost_no_further_calls():
    explanation = explained(8)
    before = MODEL.n_waveforms
    curve = removal_curve(explanation, MODEL)
    assert MODEL.n_waveforms == before
    assert curve.n_model_calls == 0
    assert curve.exact


def test_sampled_explanations_ask_the_model():
    explanation = explained(8, samples=64)
    before = MODEL.n_waveforms
    curve = removal_curve(explanation, MODEL)
    assert MODEL.n_waveforms - before == curve.n_model_calls > 0
    assert curve.lowest is None
    exact = removal_curve(explained(8), MODEL)
    np.testing.assert_allclose(curve.random_mean, exact.random_mean, atol=0.15)


def test_published_explanations_are_removed_without_griffin_lim():
    explanation = explained(4, variant="published", samples=16)
    curve = removal_curve(explanation, MODEL)
    exact = removal_curve(explained(4), MODEL)
    assert not explanation.tried_all
    assert curve.by_weight[0] == pytest.approx(exact.by_weight[0], abs=1e-6)


def test_additive_model_in_closed_form():
    units = FrequencyBands(n_bands=4, scale="linear")
    factors = np.array([[4.0, 3.0, 2.0, 1.0]])
    model = LinearEnergyModel(
        edges_hz=tuple(units.edges_hz(16_000)), factors=factors, labels=("sum",)
    )
    samples = sum(tone(hz, level=0.2) for hz in (1000.0, 3000.0, 5000.0, 7000.0))
    explanation = EmoLime(units=units).explain(model, Audio(samples=samples, sample_rate=16_000))
    curve = removal_curve(explanation, model)
    np.testing.assert_allclose(curve.by_weight / 0.02, [10, 6, 3, 1, 0], atol=0.02)
    np.testing.assert_allclose(curve.random_mean / 0.02, [10, 7.5, 5, 2.5, 0], atol=0.02)
    np.testing.assert_allclose(curve.lowest, curve.by_weight, atol=1e-9)
    by_weight, random = curve.lost()
    assert by_weight / 0.02 == pytest.approx(10 - 4.5, abs=0.02)
    assert random / 0.02 == pytest.approx(10 - 6.25, abs=0.02)


def test_path_removes_in_order():
    np.testing.assert_array_equal(
        removal_path(np.array([2, 0, 1])),
        [[True, True, True], [True, True, False], [False, True, False], [False, False, False]],
    )


def test_what_cannot_be_done_is_said():
    explanation = explained(8, samples=64)
    with pytest.raises(InputError, match="of 256 combinations of units; expected all"):
        coalition_table(explanation)
    read = Explanation.from_json(explanation.to_json())
    with pytest.raises(InputError, match="holds no sound"):
        removal_curve(read, MODEL)
