"""What stands where a unit is removed: other sounds, exactly, and as loud as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, InputError
from cuelens.evaluate.fills import FILLS, Filled, filled, filler, mean_spectrum
from cuelens.testing import noise, speech_like, tone
from cuelens.testing.models import band_energy
from cuelens.units import FrequencyBands, TimeFrequencyCells, TimeWindows

UNITS = [FrequencyBands(n_bands=5), TimeWindows(), TimeFrequencyCells()]
SPEECH = Audio(samples=speech_like(), sample_rate=16_000)


def rms(samples) -> float:
    return float(np.sqrt(np.square(np.asarray(samples, dtype=np.float64)).mean()))


@settings(max_examples=20, deadline=None)
@given(
    units=st.sampled_from(UNITS),
    fill=st.sampled_from(FILLS),
    duration_s=st.floats(0.051, 0.8),
    seed=st.integers(0, 2**31),
)
def test_units_of_the_clip_and_of_the_filler(units, fill, duration_s, seed):
    audio = Audio(samples=noise(duration_s=duration_s, seed=seed), sample_rate=16_000)
    parts = filled(units, audio, fill, seed=seed)
    rng = np.random.default_rng(seed)
    keep = rng.random((4, len(parts))) < 0.5
    other = filler(audio, fill, seed=seed)
    peak = max(1.0, np.abs(other).max())
    expected = units.decompose(audio).mix(keep)
    if other.any():
        same_units = units.decompose(Audio(samples=other / peak, sample_rate=16_000))
        assert same_units.units == parts.units
        expected = expected + peak * same_units.mix(~keep)
    np.testing.assert_allclose(parts.mix(keep), expected, atol=2e-6)
    everything = np.ones((2, len(parts)), dtype=bool)
    np.testing.assert_array_equal(parts.mix(everything), np.tile(audio.samples, (2, 1)))
    np.testing.assert_allclose(parts.mix(~everything)[0], other, atol=2e-6 * peak)
    np.testing.assert_array_equal(parts.waveform, audio.samples)


def test_a_clip_is_kept_to_the_bit_even_where_samples_are_minus_zero():
    samples = noise(duration_s=0.2)
    samples[::7] = -0.0
    audio = Audio(samples=samples, sample_rate=16_000)
    for units in UNITS:
        parts = filled(units, audio, "noise")
        kept = parts.mix(np.ones((1, len(parts)), dtype=bool))[0]
        assert kept.tobytes() == audio.samples.tobytes()


@pytest.mark.parametrize("fill", ["mean spectrum", "noise"])
def test_as_loud_as_the_clip_and_the_same_for_the_same_seed(fill):
    sound = filler(SPEECH, fill, seed=3)
    assert sound.shape == SPEECH.samples.shape
    assert rms(sound) == pytest.approx(rms(SPEECH.samples), rel=1e-9)
    np.testing.assert_array_equal(sound, filler(SPEECH, fill, seed=3))
    assert np.array_equal(sound, filler(SPEECH, fill, seed=4)) == (fill == "mean spectrum")


def test_noise_has_the_spectrum_of_the_clip():
    """Energies of bands of noise between two pass bands, in closed form: those of the clip."""
    white = noise(duration_s=4.0, level=0.1)
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(white.size, 1 / 16_000)
    spectrum[hz < 3000] *= 3.0  # 9 times the power below 3 kHz
    audio = Audio(samples=np.fft.irfft(spectrum) / 3, sample_rate=16_000)
    sound = filler(audio, "noise", seed=1)
    for band in ((200.0, 2800.0), (3200.0, 7800.0)):
        wanted = band_energy(audio.samples, 16_000, band)
        assert band_energy(sound, 16_000, band) == pytest.approx(wanted, rel=0.05)
    assert abs(np.corrcoef(sound, audio.samples)[0, 1]) < 0.05


@pytest.mark.parametrize("fill", ["mean spectrum", "noise"])
def test_fillers_are_stationary(fill):
    """Speech-like sound goes on and off four times a second; what fills it does not."""

    def swing_db(samples) -> float:
        frames = np.asarray(samples)[2000:-2000].reshape(-1, 400)
        level = 10 * np.log10(np.square(frames).mean(axis=1))
        return float(np.percentile(level, 90) - np.percentile(level, 10))

    assert swing_db(SPEECH.samples) > 15
    assert swing_db(filler(SPEECH, fill)) < swing_db(SPEECH.samples) / 2


def test_the_mean_spectrum_is_that_of_the_corpus():
    """Two tones of equal weight in the corpus: a filler with both, whatever the clip holds."""
    tones = [
        Audio(samples=tone(hz, level=level), sample_rate=16_000)
        for hz, level in ((1000.0, 0.5), (3000.0, 0.05))
    ]
    spectrum = mean_spectrum(tones)
    assert spectrum.sum() == pytest.approx(1.0)
    hz = np.linspace(0, 8000, spectrum.size)
    assert spectrum[np.abs(hz - 1000) < 100].sum() == pytest.approx(0.5, abs=1e-3)
    assert spectrum[np.abs(hz - 3000) < 100].sum() == pytest.approx(0.5, abs=1e-3)
    audio = Audio(samples=noise(), sample_rate=16_000)
    sound = filler(audio, "mean spectrum", spectrum=spectrum)
    whole = band_energy(sound, 16_000, (0.0, 8000.0))
    for centre in (1000.0, 3000.0):
        own = band_energy(sound, 16_000, (centre - 150, centre + 150))
        assert own / whole == pytest.approx(0.5, abs=0.1)


def test_digital_silence_within_a_clip_is_filled_too():
    samples = noise(duration_s=1.0)
    samples[4000:12000] = 0.0
    sound = filler(Audio(samples=samples, sample_rate=16_000), "mean spectrum")
    inner, outer = rms(sound[6000:10000]), rms(sound[:3000])
    assert inner == pytest.approx(outer, rel=0.35)


def test_silence_is_the_parts_themselves():
    parts = filled(FrequencyBands(), SPEECH, "silence")
    assert not isinstance(parts, Filled)
    assert not filler(SPEECH, "silence").any()


def test_what_cannot_be_done_is_said():
    with pytest.raises(InputError, match="expected one of silence, mean spectrum, noise"):
        filled(FrequencyBands(), SPEECH, "pink")
    with pytest.raises(InputError, match=r"has shape \(3,\); expected \(513,\)"):
        filler(SPEECH, "mean spectrum", spectrum=np.ones(3))
    with pytest.raises(InputError, match="0 everywhere"):
        filler(SPEECH, "mean spectrum", spectrum=np.zeros(513))
    with pytest.raises(InputError, match="no clips"):
        mean_spectrum([])
    other = Audio(samples=noise(sample_rate=8000), sample_rate=8000)
    with pytest.raises(InputError, match="expected one sample rate"):
        mean_spectrum([SPEECH, other])
    parts = filled(FrequencyBands(), SPEECH, "noise")
    with pytest.raises(InputError, match=r"expected bool and \(n_coalitions, 8\)"):
        parts.mix(np.ones((1, 7), dtype=bool))
