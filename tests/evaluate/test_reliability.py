from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from cuelens.audio import Audio
from cuelens.evaluate.gate import gate
from cuelens.evaluate.reliability import (
    N_THOROUGH,
    grade,
    reliability,
    reliability_account,
    repeat_correlation,
)
from cuelens.explain import EmoLime
from cuelens.report.trust import TrustSection
from cuelens.testing import BandModel, ConstantModel, noise, speech_like
from cuelens.units import FrequencyBands, TimeWindows

MODEL = BandModel(band_hz=(900.0, 2500.0), reference=1e-3)


@pytest.fixture(scope="module")
def clip():
    rise = np.linspace(0.05, 1.0, 16_000, dtype=np.float32)
    return Audio(
        samples=0.3 * noise(level=0.5, seed=1) * rise, sample_rate=16_000, source="clip.wav"
    )


def test_exact_explanations_cost_nothing(clip):
    explanation = EmoLime().explain(MODEL, clip)
    before = MODEL.n_waveforms
    found = reliability(explanation, MODEL)
    assert MODEL.n_waveforms == before
    assert found.n_model_calls == 0
    assert found.beaten > 0.95
    assert found.repeat == 1.0
    assert not found.sampled
    assert found.fidelity == explanation.fidelity[explanation.target_index]
    assert found.verdict == "supported"
    account = reliability_account(found, kind="bands")
    assert account.startswith(
        "Trust: supported (with silence in the gaps; other sound was not tried). Removed by "
        f"weight, the bands lower the answer faster than in {1000 * found.beaten:g} of 1000 random"
    )
    worst = replace(explanation, weights=-explanation.weights)
    assert reliability(worst, MODEL).verdict == "not supported"


def test_expected_correlation_is_that_of_other_seeds(clip):
    """Forty seeds, all pairs, against what one run says is to be expected."""
    units = TimeWindows(window_s=0.1)
    runs = [
        EmoLime(units=units, samples=56, seed=seed).explain(MODEL, clip, target="high")
        for seed in range(40)
    ]
    weights = np.array([run.target_weights for run in runs])
    pairs = scipy.stats.spearmanr(weights.T).statistic[np.triu_indices(40, k=1)]
    expected = np.mean([repeat_correlation(run) for run in runs])
    assert expected == pytest.approx(pairs.mean(), abs=0.12)


def test_noise_alone_is_not_expected_to_repeat(clip):
    explanation = EmoLime(units=TimeWindows(window_s=0.1), samples=56).explain(MODEL, clip)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(30):
        weights = rng.normal(0.0, 0.1, size=explanation.weights.shape)
        half = 1.96 * 0.1
        only_noise = replace(
            explanation, weights=weights, ci_low=weights - half, ci_high=weights + half
        )
        found.append(repeat_correlation(only_noise))
    assert np.mean(found) < 0.35


def test_nothing_to_explain(clip):
    explanation = EmoLime(units=FrequencyBands(n_bands=4)).explain(ConstantModel(), clip)
    found = reliability(explanation, ConstantModel(), gate=gate(ConstantModel()))
    assert found.beaten == 0.5
    assert np.isnan(found.repeat)
    assert found.verdict == "not supported"
    text = reliability_account(found, kind="bands")
    assert text.startswith("Trust: not supported")
    assert "because the model failed a check and the order of the weights may be chance" in text
    assert "do not rely on these weights" in text
    assert "nothing to explain" in text
    assert found.to_dict()["rank_correlation_other_seed"] is None


def test_thorough_tries_fills_and_changes():
    clip = Audio(samples=speech_like(duration_s=0.8), sample_rate=16_000, source="clip.wav")
    explainer = EmoLime(units=FrequencyBands(n_bands=4))
    explanation = explainer.explain(MODEL, clip)
    steps = []
    found = reliability(explanation, MODEL, explainer=explainer, audio=clip, progress=steps.append)
    assert sum(steps) == N_THOROUGH
    assert set(found.fills) == {"silence", "mean spectrum", "noise"}
    assert found.fills["silence"] == pytest.approx(found.beaten)
    assert found.n_fill_orders == 24  # all orders of four bands
    assert len(found.changes) == 4
    assert found.n_model_calls > 16 * len(found.changes)
    assert found.thorough
    text = reliability_account(found, kind="bands")
    assert "with the mean spectrum" in text
    assert found.to_dict()["rank_correlation_by_change"].keys() == found.changes.keys()


@pytest.mark.parametrize(
    ("share", "word"),
    [(1.0, "good"), (0.95, "good"), (0.94, "weak"), (0.76, "weak"), (0.75, "may be chance")],
)
def test_one_threshold_for_every_fill(clip, share, word):
    """A share of random orders means the same in the verdict, the account and the page."""
    assert grade(share) == word
    exact = reliability(EmoLime(units=FrequencyBands(n_bands=4)).explain(MODEL, clip), MODEL)
    found = replace(exact, beaten=1.0, fills={"silence": 1.0, "noise": share}, n_fill_orders=1000)
    assert found.verdict == ("weak" if word == "may be chance" else "supported")
    text = reliability_account(found, kind="bands")
    assert ("because with noise in the gaps the order may be chance" in text) == (
        found.verdict == "weak"
    )
    assert f"faster than in {1000 * share:g} of 1000 with noise" in text
    check = next(c for c in TrustSection.of(found, kind="bands").checks if "noise" in c.question)
    assert check.value == f"{1000 * share:g} of 1000"
    assert check.meaning == f"random orders beaten: {word}"
    assert check.passed is {"good": True, "weak": None, "may be chance": False}[word]
    alone = replace(exact, beaten=share)
    verdicts = {"good": "supported", "weak": "weak", "may be chance": "not supported"}
    assert alone.verdict == verdicts[word]
