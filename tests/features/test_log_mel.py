from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens.features import LogMel
from cuelens.features.log_mel import hz_to_mel, mel_filters, mel_to_hz
from cuelens.testing import noise, speech_like

SETTINGS = [
    {},
    {"n_fft": 2048, "win_length": 2048, "hop_length": 512},
    {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 64},
    {"sample_rate": 22_050, "n_fft": 1024, "win_length": 1000, "hop_length": 256, "n_mels": 40},
]


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("n_samples", [800, 16_000, 32_123])
def test_equal_to_librosa(options, n_samples):
    log_mel = LogMel(**options)
    samples = speech_like(duration_s=n_samples / 16_000)[:n_samples]
    if n_samples < log_mel.n_fft:
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=samples,
            sr=log_mel.sample_rate,
            n_fft=log_mel.n_fft,
            win_length=log_mel.win_length,
            hop_length=log_mel.hop_length,
            n_mels=log_mel.n_mels,
        ),
        ref=np.max,
    )
    assert np.abs(log_mel(samples) - expected).max() < 1e-4


def test_filters_equal_to_librosa():
    expected = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=128)
    found = mel_filters(sample_rate=16_000, n_fft=1024, n_mels=128)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@given(st.floats(0.0, 24_000.0))
def test_mel_scale_and_back(hz):
    assert float(mel_to_hz(hz_to_mel(hz))) == pytest.approx(hz, abs=1e-6)
    assert float(hz_to_mel(hz)) == pytest.approx(float(librosa.hz_to_mel(hz)), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(gain_db=st.floats(-25.0, 10.0))
def test_level_does_not_matter(gain_db):
    samples = noise(level=0.1)
    louder = (samples * 10 ** (gain_db / 20)).astype(np.float32)
    np.testing.assert_allclose(LogMel()(samples), LogMel()(louder), atol=2e-3)


def test_batch_equals_single():
    batch = np.stack([noise(seed=seed) for seed in range(5)])
    together = LogMel()(batch)
    for row, samples in zip(together, batch, strict=True):
        np.testing.assert_array_equal(row, LogMel()(samples))


def test_silence_is_zero_everywhere_as_in_librosa():
    assert not LogMel()(np.zeros(16_000, np.float32)).any()


def test_a_tone_lies_between_the_edges_of_its_bin():
    log_mel = LogMel()
    for hz in (300.0, 1000.0, 3000.0):
        time_s = np.arange(16_000) / 16_000
        loudest = log_mel(np.sin(2 * np.pi * hz * time_s)).mean(axis=1).argmax()
        low, high = log_mel.band_edges_hz()[loudest : loudest + 2]
        assert low - 20 <= hz <= high + 20
