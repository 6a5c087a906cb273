"""cuelens' own checks, on what this package adds, and what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from cuelens_example_plugin.acme_corpus import ACME
from cuelens_example_plugin.leave_one_out import LeaveOneOut
from cuelens_example_plugin.loudness_model import load_loudness

from cuelens import Audio, FrequencyBands, InputError
from cuelens.testing import (
    LinearEnergyModel,
    check_explainer,
    check_layout,
    check_model,
    noise,
    speech_like,
)
from cuelens.units import HarmonicPercussive, TimeWindows


@pytest.mark.parametrize("units", [FrequencyBands(), TimeWindows(), HarmonicPercussive()])
def test_explainer(units):
    check_explainer(LeaveOneOut(units=units))


def test_leaving_a_moment_out_takes_its_energy():
    model = LinearEnergyModel(edges_hz=(0.0, 8001.0), factors=np.array([[1.0], [-1.0]]))
    samples = np.concatenate([noise(duration_s=0.5, level=0.1), noise(duration_s=0.5, level=0.02)])
    found = LeaveOneOut(units=TimeWindows(window_s=0.5)).explain(
        model, Audio(samples=samples, sample_rate=16_000)
    )
    loud, quiet = found.weights[0]
    assert loud / quiet == pytest.approx(25, rel=0.1)  # (0.1 / 0.02) ** 2


def test_model():
    check_model(load_loudness("0.05"))
    sound = 0.05 * np.ones(16_000, dtype=np.float32)
    assert load_loudness("0.05").predict_proba([sound])[0, 0] == pytest.approx(0.5)
    assert load_loudness("0.1").predict_proba([speech_like()])[0, 0] < 0.9


@pytest.mark.parametrize("rest", ["", "loud", "-1", "nan"])
def test_a_level_that_is_none_is_refused(rest):
    with pytest.raises(InputError, match=r"expected a level above 0, as in loudness:0\.05"):
        load_loudness(rest)


def test_corpus():
    check_layout(ACME, {"spk07_ANG_s03.wav": "anger", "2024/spk08_NTR_s01.wav": "neutral"})
    rows, notes = ACME.rows(None, ["spk07_JOY_s03.wav", "spk07_TST_s00.wav"])
    assert [row["emotion"] for row in rows] == ["happiness"]
    assert notes == ["1 files left out: sound checks"]
