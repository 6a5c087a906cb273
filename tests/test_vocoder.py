"""The WORLD vocoder, checked with Praat where there is something to measure."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import scipy.signal

from cuelens import InputError, MissingExtraError
from cuelens.testing import noise, speech_like
from cuelens.vocoder import FRAME_S, Voice, load_world

parselmouth = pytest.importorskip("parselmouth")
if importlib.util.find_spec("pyworld") is None:
    pytest.skip('needs pyworld: pip install "cuelens[synth]"', allow_module_level=True)

RATE = 16_000
SPEECH = speech_like(f0_hz=130.0, duration_s=1.5, tilt_db_per_octave=-8.0, seed=1)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice.of(SPEECH, sample_rate=RATE)


@pytest.fixture(scope="module")
def untouched(voice):
    return voice.samples()


def f0_hz(samples):
    """Praat's pitch every 10 ms; 0 where unvoiced."""
    sound = parselmouth.Sound(np.asarray(samples, dtype=float), RATE)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=75.0, pitch_ceiling=600.0)
    return pitch.selected_array["frequency"]


def median_f0_hz(samples):
    found = f0_hz(samples)
    return float(np.median(found[found > 0]))


def harmonicity_db(samples):
    """Praat's mean harmonics-to-noise ratio of voiced frames."""
    sound = parselmouth.Sound(np.asarray(samples, dtype=float), RATE)
    values = sound.to_harmonicity_cc().values
    return float(values[values > -200].mean())


def jitter(samples):
    """Praat's local jitter, a share of the period."""
    sound = parselmouth.Sound(np.asarray(samples, dtype=float), RATE)
    pulses = parselmouth.praat.call(sound, "To PointProcess (periodic, cc)", 75.0, 600.0)
    return parselmouth.praat.call(pulses, "Get jitter (local)", 0.0, 0.0, 1e-4, 0.02, 1.3)


def level_db(samples, low_hz, high_hz):
    hz, power = scipy.signal.welch(samples, RATE, nperseg=2048)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum())


def test_world_hears_frames_of_5_ms(voice):
    n_frames = int(len(SPEECH) / RATE / FRAME_S) + 1
    assert voice.f0_hz.shape == voice.voiced.shape == (n_frames,)
    assert voice.log_envelope.shape == voice.aperiodicity.shape
    assert voice.log_envelope.shape[0] == n_frames
    assert np.median(voice.f0_hz[voice.voiced]) == pytest.approx(130.0, rel=0.01)
    assert voice.aperiodicity.min() >= 0
    assert voice.aperiodicity.max() <= 1


def test_untouched_speech_keeps_its_pitch_and_its_length(untouched):
    before, after = f0_hz(SPEECH), f0_hz(untouched)
    assert untouched.shape == SPEECH.shape
    assert untouched.dtype == np.float64
    both = (before > 0) & (after > 0)
    assert both.sum() > 0.8 * (before > 0).sum()
    assert np.abs(after[both] / before[both] - 1).max() < 0.01


def test_the_vocoder_keeps_the_spectrum_and_gives_the_same_twice(voice, untouched):
    np.testing.assert_array_equal(voice.samples(), untouched)
    for low_hz in (100.0, 400.0, 1600.0):
        before, after = (level_db(s, low_hz, 4 * low_hz) for s in (SPEECH, untouched))
        assert after == pytest.approx(before, abs=1.5)


def test_an_octave_up_doubles_pitch_and_keeps_length(voice):
    raised = voice.with_f0(semitones=12.0).samples()
    assert median_f0_hz(raised) == pytest.approx(260.0, rel=0.01)
    assert raised.shape == SPEECH.shape


def test_range_stretches_the_movements_of_pitch_around_their_mean():
    t = np.arange(int(1.5 * RATE)) / RATE
    f0 = 140 * 2 ** (2.0 * np.sin(2 * np.pi * 1.5 * t) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 20)) / 8
    voice = Voice.of(glide, sample_rate=RATE)
    spreads, means = [], []
    for factor in (1.0, 2.0):
        found = f0_hz(voice.with_f0(range_factor=factor).samples())
        semitones = 12 * np.log2(found[found > 0])
        spreads.append(semitones.std())
        means.append(semitones.mean())
    assert spreads[1] / spreads[0] == pytest.approx(2.0, rel=0.05)
    assert means[1] == pytest.approx(means[0], abs=0.2)


@pytest.mark.parametrize("factor", [2.0, 0.8])
def test_tempo_changes_length_and_keeps_pitch(voice, factor):
    played = voice.with_tempo(factor).samples()
    assert played.size == round(len(SPEECH) / factor)
    assert median_f0_hz(played) == pytest.approx(130.0, rel=0.01)
    syllables = [
        scipy.signal.find_peaks(
            scipy.signal.sosfiltfilt(
                scipy.signal.butter(2, 16.0, fs=RATE, output="sos"), np.abs(samples)
            ),
            prominence=0.01,
        )[0].size
        for samples in (SPEECH, played)
    ]
    assert syllables[0] == syllables[1] == 6  # four a second


@pytest.mark.parametrize("db_per_octave", [6.0, -3.0])
def test_tilt_changes_each_octave_by_the_stated_db(voice, untouched, db_per_octave):
    tilted = voice.with_tilt(db_per_octave).samples()
    for octave, hz in ((-1.0, 500.0), (0.0, 1000.0), (1.0, 2000.0)):
        # A harmonic by itself: across a band, the louder side would count more.
        band = hz - 65.0, hz + 65.0
        change = level_db(tilted, *band) - level_db(untouched, *band)
        assert change == pytest.approx(db_per_octave * octave, abs=0.8)


def test_breath_lowers_harmonicity_and_leaves_pitch(voice, untouched):
    breathy = [voice.with_breathiness(share).samples() for share in (0.2, 0.5)]
    clear, some, much = (harmonicity_db(samples) for samples in (untouched, *breathy))
    assert clear > some + 1.0 > much + 2.0
    assert median_f0_hz(breathy[1]) == pytest.approx(130.0, rel=0.02)
    np.testing.assert_array_equal(voice.with_breathiness(0.0).samples(), untouched)
    assert (voice.with_breathiness(1.0).aperiodicity == 1).all()


def test_jitter_is_heard_as_jitter_and_comes_from_the_seed(voice, untouched):
    rough = voice.with_jitter(3.0, seed=4)
    assert jitter(rough.samples()) > 3 * jitter(untouched)
    assert jitter(rough.samples()) > 0.005
    np.testing.assert_array_equal(rough.f0_hz, voice.with_jitter(3.0, seed=4).f0_hz)
    assert (rough.f0_hz != voice.with_jitter(3.0, seed=5).f0_hz).any()
    np.testing.assert_array_equal(rough.voiced, voice.voiced)
    spread = np.std(rough.f0_hz[voice.voiced] / voice.f0_hz[voice.voiced])
    assert spread == pytest.approx(0.03, rel=0.15)


def test_nothing_is_changed_in_place(voice):
    before = voice.f0_hz.copy(), voice.log_envelope.copy(), voice.aperiodicity.copy()
    voice.with_f0(semitones=3).with_tilt(3).with_breathiness(0.5).with_tempo(1.3).with_jitter(1)
    for kept, now in zip(
        before, (voice.f0_hz, voice.log_envelope, voice.aperiodicity), strict=True
    ):
        np.testing.assert_array_equal(kept, now)


def test_noise_has_no_pitch_to_change():
    hiss = Voice.of(noise(duration_s=0.5, level=0.05), sample_rate=RATE)
    assert not hiss.voiced.any()
    with pytest.raises(InputError, match="no frame is voiced; expected speech"):
        hiss.with_f0(semitones=2)
    assert hiss.with_tempo(2.0).f0_hz.max() == 0


def test_impossible_settings_are_refused(voice):
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="expected 0 to 1"):
            voice.with_breathiness(share)
    for factor in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="expected above 0"):
            voice.with_tempo(factor)


def test_missing_vocoder_is_named_with_its_extra(monkeypatch):
    load_world.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "cuelens\[synth\]"'):
        Voice.of(SPEECH, sample_rate=RATE)
    monkeypatch.undo()
    load_world.cache_clear()
    assert load_world() is load_world()
