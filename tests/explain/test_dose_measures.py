"""What is measured back, on sounds whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cuelens.explain.dose_measures import Heard, measured_dose, pitch_agreement
from cuelens.testing import noise, speech_like

RATE = 16_000


def heard(samples) -> Heard:
    return Heard(samples=np.asarray(samples, dtype=np.float32), sample_rate=RATE)


def glide(base_hz: float, swing_st: float):
    t = np.arange(int(1.5 * RATE)) / RATE
    f0 = base_hz * 2 ** (swing_st * np.sin(2 * np.pi * 1.5 * t) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    return sum(np.sin(k * phase) / k for k in range(1, 20)) / 8


def test_pitch_in_semitones():
    before, after = glide(150.0, 2.0), glide(150.0 * 2 ** (4 / 12), 2.0)
    assert measured_dose("f0-level", heard(before), heard(after)) == pytest.approx(4.0, abs=0.05)
    assert measured_dose("f0-level", heard(after), heard(before)) == pytest.approx(-4.0, abs=0.05)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.5])
def test_range_as_a_factor(factor):
    before, after = glide(150.0, 3.0), glide(150.0, 3.0 * factor)
    found = measured_dose("f0-range", heard(before), heard(after))
    assert found == pytest.approx(factor, abs=0.05)


def test_length_and_level():
    sound = noise(duration_s=1.0, level=0.05)
    assert measured_dose("tempo", heard(sound), heard(sound[:8000])) == 2.0
    assert measured_dose("level", heard(sound), heard(sound / 2)) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("slope", [-4.0, 2.5])
def test_slope_of_a_filter(slope):
    sound = noise(duration_s=2.0, level=0.05)
    hz = np.fft.rfftfreq(sound.size, 1 / RATE)
    gain = 10 ** (slope * np.log2(np.maximum(hz, 50) / 1000) / 20)
    tilted = np.fft.irfft(np.fft.rfft(sound) * gain)
    found = measured_dose("tilt", heard(sound), heard(tilted))
    assert found == pytest.approx(slope, abs=0.1)


def test_harmonics_to_noise_in_db():
    """Noise at a known level under a steady voice: the ratio of the powers, as in Boersma 1993."""
    t = np.arange(RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 150 * k * t) for k in range(1, 30)) / 30
    clear = heard(voice)
    hiss = np.random.default_rng(0).standard_normal(RATE)
    for wanted_db in (15.0, 5.0, 0.0):
        level = np.sqrt(np.mean(voice**2) / 10 ** (wanted_db / 10))
        found = heard(voice + level * hiss).harmonicity_db(clear.pitch_st)
        assert found == pytest.approx(wanted_db, abs=1.2)
    assert clear.harmonicity_db(clear.pitch_st) > 22


def test_what_is_not_voiced_is_not_known():
    hiss = heard(noise(duration_s=0.5, level=0.05))
    for cue in ("f0-level", "f0-range", "breathiness"):
        assert math.isnan(measured_dose(cue, hiss, hiss))
    short = heard(speech_like(duration_s=0.05))
    assert math.isnan(measured_dose("f0-level", short, short))


def test_agreement_about_pitch():
    sound = heard(glide(150.0, 0.0))
    n = 301
    assert pitch_agreement(sound, f0_hz=np.full(n, 150.0), hop_s=0.005) > 0.95
    assert pitch_agreement(sound, f0_hz=np.full(n, 75.0), hop_s=0.005) < 0.05
    half = np.where(np.arange(n) < n / 2, 150.0, 0.0)
    assert pitch_agreement(sound, f0_hz=half, hop_s=0.005) == pytest.approx(0.5, abs=0.05)
    assert math.isnan(pitch_agreement(heard(noise()), f0_hz=half, hop_s=0.005))
