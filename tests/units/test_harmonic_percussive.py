"""Masks equal librosa's; tones are harmonic, clicks percussive, noise residual."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from cuelens import Audio, InputError, load_audio
from cuelens.testing import noise, speech_like, tone
from cuelens.units import HarmonicPercussive
from cuelens.units.frequency_bands import short_time_transform
from cuelens.units.harmonic_percussive import median_masks


def shares(samples, **settings):
    audio = Audio(samples=samples, sample_rate=16_000)
    components = HarmonicPercussive(**settings).decompose(audio)
    energy = np.square(components.parts.astype(np.float64)).sum(axis=1)
    return energy / energy.sum()


def test_a_tone_is_harmonic_a_click_percussive_and_noise_residual():
    clicks = np.zeros(16_000, dtype=np.float32)
    clicks[1600::4000] = 0.9
    assert shares(tone(440.0))[0] > 0.95
    assert shares(clicks)[1] > 0.95
    of_noise = shares(noise(seed=1))
    assert of_noise.argmax() == 2
    assert of_noise[2] > shares(noise(seed=1), separation=1.0)[2]


@pytest.mark.parametrize("separation", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("samples", [speech_like(), noise(seed=2)])
def test_masks_equal_librosa(separation, samples):
    magnitude = np.abs(short_time_transform(16_000).stft(samples.astype(np.float64)))
    masks = median_masks(magnitude, n_times=13, n_bins=31, separation=separation)
    harmonic, percussive = librosa.decompose.hpss(
        magnitude, kernel_size=(13, 31), margin=separation, power=2.0, mask=True
    )
    np.testing.assert_allclose(masks[0], harmonic, atol=1e-9)
    np.testing.assert_allclose(masks[1], percussive, atol=1e-9)
    np.testing.assert_allclose(masks.sum(axis=0), 1.0, atol=1e-12)
    assert masks.min() >= 0


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("duration_s", [0.06, 0.7])
def test_parts_add_up(sample_rate, duration_s):
    samples = noise(duration_s=duration_s, sample_rate=sample_rate, seed=4)
    audio = Audio(samples=samples, sample_rate=sample_rate)
    components = HarmonicPercussive().decompose(audio)
    assert len(components) == HarmonicPercussive().n_units(duration_s) == 3
    assert np.abs(components.parts.sum(axis=0) - audio.samples).max() <= 1e-6
    np.testing.assert_array_equal(components.mix(np.ones((1, 3), dtype=bool))[0], audio.samples)


@pytest.mark.corpus
def test_parts_of_real_speech_add_up(data_dir):
    audio = load_audio(data_dir / "emodb" / "03a01Wa.flac")
    components = HarmonicPercussive().decompose(audio)
    assert np.abs(components.parts.sum(axis=0) - audio.samples).max() <= 1e-6


@pytest.mark.parametrize(
    "settings", [{"separation": 0.9}, {"kernel_s": 0.0}, {"separation": float("nan")}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InputError, match="expected"):
        HarmonicPercussive(**settings)
