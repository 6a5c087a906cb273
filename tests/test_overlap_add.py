"""Pitch and tempo changed period by period, checked with Praat where there is pitch to measure."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens.overlap_add import Periods
from cuelens.testing import noise, speech_like

RATE = 16_000
HOP_S = 0.005


def periods_of(samples, f0_hz: float) -> Periods:
    track = np.full(int(len(samples) / RATE / HOP_S) + 1, f0_hz)
    return Periods.of(samples, sample_rate=RATE, f0_hz=track, hop_s=HOP_S)


def median_f0_hz(samples) -> float:
    parselmouth = pytest.importorskip("parselmouth")
    sound = parselmouth.Sound(np.asarray(samples, dtype=float), RATE)
    found = sound.to_pitch_ac(pitch_floor=60.0, pitch_ceiling=500.0).selected_array["frequency"]
    return float(np.median(found[found > 0]))


@pytest.fixture(scope="module")
def speech():
    return speech_like(f0_hz=125.0, duration_s=1.2, seed=1)


@pytest.fixture(scope="module")
def periods(speech):
    return periods_of(speech, 125.0)


def test_marks_of_an_impulse_train_are_its_impulses():
    train = np.zeros(RATE)
    train[100::128] = 1.0
    found = periods_of(train, 125.0)
    between = found.voiced[:-1]  # the last ends with the sound
    assert set(found.marks[1:-1][between]) <= set(np.flatnonzero(train))
    assert between.sum() >= 120
    np.testing.assert_array_equal(found.f0_hz[:-1][between], 125.0)


def test_unchanged_speech_is_the_speech_itself(speech, periods):
    assert periods.voiced.mean() > 0.9
    np.testing.assert_allclose(periods.resynthesised(), speech, atol=1e-12)
    hiss = noise(duration_s=0.4, level=0.1)
    unvoiced = periods_of(hiss, 0.0)
    assert not unvoiced.voiced.any()
    np.testing.assert_allclose(unvoiced.resynthesised(), hiss, atol=1e-12)


@pytest.mark.parametrize("semitones", [-6.0, -1.0, 0.2, 3.0, 6.0])
def test_pitch_moves_by_what_was_asked_and_length_stays(speech, periods, semitones):
    made = periods.resynthesised(pitch=2 ** (semitones / 12))
    assert made.size == speech.size
    change = 12 * np.log2(median_f0_hz(made) / median_f0_hz(speech))
    assert change == pytest.approx(semitones, abs=0.06)


@pytest.mark.parametrize("tempo", [0.6, 0.8, 1.25, 1.7])
def test_tempo_changes_length_and_leaves_pitch(speech, periods, tempo):
    made = periods.resynthesised(tempo=tempo)
    assert made.size == round(np.sum(np.diff(periods.marks) / tempo))
    assert median_f0_hz(made) == pytest.approx(median_f0_hz(speech), rel=0.01)
    # The four syllables a second come 1 / tempo times as far apart.
    envelope = np.sqrt(np.convolve(made**2, np.ones(256) / 256, mode="same"))
    place = np.arange(made.size) / RATE * tempo * 4.0
    assert np.average(np.cos(2 * np.pi * place), weights=envelope) < -0.4


def test_pitch_may_differ_from_period_to_period(periods):
    first_half = np.arange(len(periods.voiced)) < len(periods.voiced) / 2
    made = periods.resynthesised(pitch=np.where(first_half, 1.0, 1.5))
    half = made.size // 2
    assert median_f0_hz(made[: half - 800]) == pytest.approx(125.0, rel=0.01)
    assert median_f0_hz(made[half + 800 :]) == pytest.approx(187.5, rel=0.02)


def test_slow_noise_does_not_buzz():
    hiss = periods_of(noise(duration_s=1.0, level=0.1, seed=3), 0.0)
    slow = hiss.resynthesised(tempo=0.67)
    assert slow.size == pytest.approx(RATE / 0.67, rel=0.01)
    lags = np.arange(40, 320)  # 50 to 400 Hz
    likeness = [np.corrcoef(slow[:-lag], slow[lag:])[0, 1] for lag in lags]
    assert max(np.abs(likeness)) < 0.35
    assert np.std(slow) == pytest.approx(0.1, rel=0.25)
