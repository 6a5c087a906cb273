"""The energy of every harmonic falls into its group, that of noise into none."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens import Audio, InputError, load_audio
from cuelens.testing import noise, tone
from cuelens.units import HarmonicBands
from cuelens.units.harmonic_bands import comb_masks, f0_at


def harmonic_tone(f0_hz, gains, duration_s=1.0):
    samples = sum(
        tone(f0_hz * number, duration_s=duration_s, level=0.05 * gain)
        for number, gain in gains.items()
    )
    return Audio(samples=samples, sample_rate=16_000)


@pytest.mark.parametrize("f0_hz", [110.0, 180.0, 240.0])
def test_harmonics_fall_into_their_groups(f0_hz):
    gains = {number: 2.0 / number**0.5 for number in range(1, 21)}
    audio = harmonic_tone(f0_hz, gains)
    components = HarmonicBands().decompose(audio)
    middle = slice(4000, 12_000)  # away from the ends, where F0 is not known
    energy = np.square(components.parts[:, middle].astype(np.float64)).sum(axis=1)
    groups = [range(1, 2), range(2, 5), range(5, 11), range(11, 21)]
    expected = [sum(gains[number] ** 2 for number in group) for group in groups]
    np.testing.assert_allclose(
        energy[:4] / energy.sum(), np.array(expected) / sum(expected), rtol=0.05
    )
    assert energy[4] / energy.sum() < 0.01


def test_noise_and_silence_are_not_harmonic():
    audio = Audio(samples=noise(seed=1), sample_rate=16_000)
    components = HarmonicBands().decompose(audio)
    energy = np.square(components.parts.astype(np.float64)).sum(axis=1)
    assert energy[4] / energy.sum() > 0.95


def test_f0_follows_a_glide():
    rate, duration_s = 16_000, 1.5
    time_s = np.arange(int(rate * duration_s)) / rate
    f0_hz = 120 * 2 ** (time_s / duration_s)  # an octave up
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate
    samples = sum(np.sin(number * phase) / number for number in range(1, 9)) / 4
    audio = Audio(samples=samples, sample_rate=rate)
    times_s = np.arange(0.1, 1.4, 0.02)
    found = f0_at(audio, times_s)
    expected = 120 * 2 ** (times_s / duration_s)
    assert (found > 0).all()
    assert np.abs(12 * np.log2(found / expected)).max() < 0.5  # semitones


def test_comb_in_closed_form():
    bins_hz = np.arange(0.0, 1300.0, 5.0)
    masks = comb_masks(bins_hz, np.array([120.0, 0.0]), (1, 2, 5))
    np.testing.assert_allclose(masks.sum(axis=0), 1.0, atol=1e-12)
    at = {hz: index for index, hz in enumerate(bins_hz)}
    for hz, group in ((120.0, 0), (240.0, 1), (480.0, 1), (600.0, 2), (1200.0, 2)):
        assert masks[group, at[hz], 0] == 1.0
        assert masks[group, at[hz] + 4, 0] == 1.0  # 20 Hz away: a sixth
        assert masks[group, at[hz] + 6, 0] == pytest.approx(0.5)  # 30 Hz: a quarter
        assert masks[group, at[hz] + 8, 0] == pytest.approx(0.0)  # 40 Hz: a third
    assert masks[3, at[0.0], 0] == 1.0
    assert (masks[3, :, 1] == 1.0).all()


@pytest.mark.corpus
def test_parts_of_real_speech_add_up(data_dir):
    audio = load_audio(data_dir / "emodb" / "08a02Na.flac")
    components = HarmonicBands().decompose(audio)
    assert np.abs(components.parts.sum(axis=0) - audio.samples).max() <= 1e-6
    np.testing.assert_array_equal(components.mix(np.ones((1, 5), dtype=bool))[0], audio.samples)
    energy = np.square(components.parts.astype(np.float64)).sum(axis=1)
    assert energy[:2].sum() / energy.sum() > 0.6  # a voice is mostly low harmonics


def test_names():
    assert HarmonicBands().names == (
        "fundamental",
        "harmonics 2–4",
        "harmonics 5–10",
        "harmonics from 11",
        "not harmonic",
    )
    assert HarmonicBands(first=(1, 2, 3)).names[1] == "harmonic 2"
    assert HarmonicBands(first=(1, 3)).n_units(2.0) == 3


@pytest.mark.parametrize("first", [(), (2, 3), (1, 1), (1, 5, 4)])
def test_wrong_groups_are_refused(first):
    with pytest.raises(InputError, match="expected 1 and then higher ones"):
        HarmonicBands(first=first)
