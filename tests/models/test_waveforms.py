from __future__ import annotations

import numpy as np
import pytest

from cuelens import CallableModel, InputError
from cuelens.models import FeaturesModel, TorchModel, WindowedLogMel, load_model
from cuelens.models.waveforms import check_sample_rate, checked_waveforms

BROKEN = [
    (np.zeros((2, 8000), np.float32), r"shape \(2, 8000\); expected \(n_samples,\), one channel"),
    (np.array([0.0, np.nan], np.float32), "1 samples that are NaN or infinite"),
    (np.zeros(100, np.int16), "samples of type int16; expected float in .* divide 16-bit"),
]


def test_waveforms_become_float32():
    given = [np.array([0.5, -0.5]), np.zeros(3, np.float32)]
    found = checked_waveforms(given, name="m")
    assert [w.dtype for w in found] == [np.float32, np.float32]
    assert given[0].dtype == np.float64
    assert found[1] is given[1]
    assert checked_waveforms([], name="m") == []
    assert len(checked_waveforms(np.zeros((3, 8)), name="m")) == 3


@pytest.mark.parametrize(("waveform", "message"), BROKEN)
def test_every_adapter_refuses_the_same(waveform, message):
    from torch import nn

    models = [
        CallableModel(function=lambda w: np.ones((len(w), 1)), labels=("a",), name="mine"),
        load_model("emodb-egemaps"),
        TorchModel(module=nn.Identity(), labels=("a",), front_end=WindowedLogMel()),
    ]
    assert isinstance(models[1], FeaturesModel)
    for model in models:
        with pytest.raises(InputError, match=message) as error:
            model.predict_proba([waveform])
        assert str(error.value).startswith(f"model {model.name} was given")
        assert "\n" not in str(error.value)


def test_too_short():
    with pytest.raises(InputError, match=r"399 samples \(25 ms\); expected 400 or more \(25 ms\)"):
        checked_waveforms([np.zeros(399)], name="m", sample_rate=16_000, shortest=400)
    assert checked_waveforms([np.zeros(400)], name="m", sample_rate=16_000, shortest=400)


def test_sample_rates():
    assert check_sample_rate("16000", name="m") == 16_000
    assert check_sample_rate(8000.0, name="m") == 8000
    for rate in ("16k", 0, -16_000, 16_000.5, None, float("nan"), 44.1):
        with pytest.raises(InputError, match="expected a whole number of Hz"):
            check_sample_rate(rate, name="m")
