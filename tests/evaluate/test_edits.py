import numpy as np
import pytest

from cuelens.audio import Audio
from cuelens.evaluate.edits import EDITS, MOMENT_S, Place, spoken_moment
from cuelens.testing import speech_like
from cuelens.units import FrequencyBands

RATE = 16_000


@pytest.fixture
def clip():
    samples = np.concatenate([np.zeros(4000, np.float32), 0.2 * speech_like(duration_s=1.5)])
    return Audio(samples=samples, sample_rate=RATE, source="clip.wav")


def edited(name, clip, band, seed=0):
    edit = EDITS[name]
    rng = np.random.default_rng(seed)
    place = edit.place(clip, band=band, rng=rng)
    return edit.apply(clip, place, rng), place


@pytest.mark.parametrize("name", [name for name, edit in EDITS.items() if edit.kind != "band"])
def test_outside_the_moment_nothing_changes(name, clip):
    if name == "moment-f0":
        pytest.importorskip("pyworld", reason="the extra synth is not installed")
    band = 3 if EDITS[name].kind == "cell" else None
    changed, place = edited(name, clip, band)
    time_s = (np.arange(clip.samples.size) + 0.5) / RATE
    outside = (time_s < place.start_s) | (time_s > place.end_s)
    np.testing.assert_array_equal(changed[outside], clip.samples[outside])
    assert not np.allclose(changed[~outside], clip.samples[~outside], atol=1e-3)
    assert MOMENT_S[0] <= place.end_s - place.start_s <= MOMENT_S[1]
    assert place.end_s > 0.27  # never in the silence before


@pytest.mark.parametrize("name", ["band-gain", "band-noise"])
def test_outside_the_band_nothing_changes(name, clip):
    changed, place = edited(name, clip, 4)
    edges_hz = FrequencyBands(n_bands=8).edges_hz(RATE)
    assert (place.low_hz, place.high_hz) == (edges_hz[4], edges_hz[5])
    power = np.abs(np.fft.rfft(changed - clip.samples)) ** 2
    hz = np.fft.rfftfreq(clip.samples.size, 1 / RATE)
    reach = 140 if name == "band-noise" else 40  # the noise's spectrum is smoothed over 200 Hz
    near = (hz > place.low_hz - reach) & (hz < place.high_hz + reach)
    assert power[near].sum() / power.sum() > 0.999


def test_gain_and_noise_have_the_size_they_are_said_to_have(clip):
    inside = FrequencyBands(n_bands=8).decompose(clip).parts[2]
    louder, _ = edited("band-gain", clip, 2)
    np.testing.assert_allclose(louder - clip.samples, (10 ** (12 / 20) - 1) * inside, atol=1e-5)
    noisy, _ = edited("band-noise", clip, 2)
    noise = noisy - clip.samples
    snr_db = 10 * np.log10(np.mean(inside**2) / np.mean(noise**2))
    assert snr_db == pytest.approx(-6.0, abs=0.01)
    whole = Place(low_hz=0.0, high_hz=RATE / 2, start_s=0.5, end_s=0.8)
    moment = EDITS["moment-gain"].apply(clip, whole, np.random.default_rng(0))
    middle = slice(round(0.52 * RATE), round(0.78 * RATE))
    np.testing.assert_allclose(moment[middle], 10 * clip.samples[middle], rtol=1e-4)


def test_same_seed_same_place(clip):
    for name in ("moment-noise", "cell-noise"):
        band = 3 if name == "cell-noise" else None
        first, again = edited(name, clip, band), edited(name, clip, band)
        np.testing.assert_array_equal(first[0], again[0])
        assert first[1] == again[1]
        assert first[1] != edited(name, clip, band, seed=1)[1]


def test_moments_are_spread_over_what_is_said(clip):
    rng = np.random.default_rng(0)
    moments = [spoken_moment(clip, rng) for _ in range(300)]
    powers = [
        np.sum(clip.samples[round(start_s * RATE) : round(end_s * RATE)] ** 2)
        for start_s, end_s in moments
    ]
    assert min(powers) > max(powers) * 10 ** (-3.5)  # nothing is silent
    starts = [start_s for start_s, _ in moments]
    assert max(starts) > 1.2
    assert np.std(starts) > 0.3
