from __future__ import annotations

import numpy as np
import opensmile
import pandas as pd
import pytest

from cuelens import InputError
from cuelens.features import FeatureCache, OpenSmile
from cuelens.testing import noise, speech_like, tone

RATE = 16_000
SETS = ["eGeMAPSv02", "ComParE_2016"]


def binding(feature_set: str, level: str) -> opensmile.Smile:
    return opensmile.Smile(
        getattr(opensmile.FeatureSet, feature_set), getattr(opensmile.FeatureLevel, level)
    )


@pytest.mark.parametrize("feature_set", SETS)
def test_functionals_equal_the_binding(feature_set):
    waveforms = [speech_like(duration_s=d, seed=i) for i, d in enumerate((0.3, 1.0, 2.2))]
    found = OpenSmile(feature_set=feature_set).functionals(waveforms, sample_rate=RATE)
    smile = binding(feature_set, "Functionals")
    expected = np.vstack([smile.process_signal(w, RATE).values for w in waveforms])
    np.testing.assert_array_equal(found, expected)
    assert OpenSmile(feature_set=feature_set).names == tuple(smile.feature_names)


@pytest.mark.parametrize("feature_set", SETS)
def test_low_level_descriptors_equal_the_binding(feature_set):
    samples = speech_like(duration_s=1.0)
    found = OpenSmile(feature_set=feature_set).low_level_descriptors(samples, sample_rate=RATE)
    expected = binding(feature_set, "LowLevelDescriptors").process_signal(samples, RATE)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.corpus
def test_real_speech_equals_the_binding(data_dir):
    file = data_dir / "emodb" / "03a01Wa.flac"
    expected = binding("eGeMAPSv02", "Functionals").process_file(str(file)).to_numpy()
    from cuelens import load_audio

    found = OpenSmile().functionals([load_audio(file).samples], sample_rate=RATE)
    np.testing.assert_array_equal(found, expected)


def test_full_scale_does_not_wrap():
    square = np.sign(tone(200.0)).astype(np.float32)  # reaches 1.0, which int16 cannot hold
    at_one = OpenSmile().functionals([square], sample_rate=RATE)
    just_below = OpenSmile().functionals([square * np.float32(0.9999)], sample_rate=RATE)
    np.testing.assert_allclose(at_one, just_below, rtol=0.02, atol=0.05)


def test_samples_beyond_full_scale_are_refused():
    with pytest.raises(InputError, match=r"samples up to 1\.5; expected \[-1, 1\]"):
        OpenSmile().functionals([3 * tone(200.0)], sample_rate=RATE)
    with pytest.raises(InputError, match="expected"):
        OpenSmile().functionals([np.full(16_000, np.nan, np.float32)], sample_rate=RATE)


@pytest.mark.parametrize("feature_set", SETS)
def test_too_short_is_an_error_and_not_nan(feature_set):
    features = OpenSmile(feature_set=feature_set)
    assert np.isfinite(features.functionals([noise(duration_s=0.0605)], sample_rate=RATE)).all()
    with pytest.raises(InputError, match="58 ms is too short"):
        features.functionals([noise(duration_s=0.058)], sample_rate=RATE)


def test_unknown_feature_set():
    with pytest.raises(InputError, match="expected one of eGeMAPSv02, ComParE_2016"):
        OpenSmile(feature_set="GeMAPS")


def test_units_of_well_known_features():
    units = dict(zip(OpenSmile().names, OpenSmile().units, strict=True))
    assert units["F0semitoneFrom27.5Hz_sma3nz_amean"] == "semitones above 27.5 Hz"
    assert units["F0semitoneFrom27.5Hz_sma3nz_meanRisingSlope"] == "semitones above 27.5 Hz/s"
    assert units["F1bandwidth_sma3nz_amean"] == "Hz"
    assert units["F1amplitudeLogRelF0_sma3nz_amean"] == "dB"
    assert units["HNRdBACF_sma3nz_stddevNorm"] == ""
    assert units["VoicedSegmentsPerSec"] == "1/s"
    assert units["equivalentSoundLevel_dBp"] == "dB"


def test_order_of_threads_does_not_matter():
    waveforms = [speech_like(f0_hz=f0, duration_s=0.3) for f0 in range(90, 290, 10)]
    one = OpenSmile(n_workers=1).functionals(waveforms, sample_rate=RATE)
    four = OpenSmile(n_workers=4).functionals(waveforms, sample_rate=RATE)
    np.testing.assert_array_equal(one, four)


def test_cached_rows_are_the_same_and_not_computed_twice(tmp_path):
    cache = FeatureCache(file=tmp_path / "features.sqlite")
    features = OpenSmile(cache=cache)
    waveforms = [speech_like(f0_hz=f0, duration_s=0.3) for f0 in (100, 150, 200)]
    counted: list[int] = []
    first = features.functionals(waveforms, sample_rate=RATE, progress=counted.append)
    again = features.functionals(waveforms[::-1], sample_rate=RATE, progress=counted.append)
    np.testing.assert_array_equal(first, again[::-1])
    np.testing.assert_array_equal(first, OpenSmile().functionals(waveforms, sample_rate=RATE))
    assert sum(counted) == 6


def test_no_waveforms():
    assert OpenSmile().functionals([], sample_rate=RATE).shape == (0, 88)
