from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, FrequencyBands, InputError, load_audio
from cuelens.features.log_mel import mel_filters
from cuelens.testing import noise, tone
from cuelens.units.frequency_bands import band_masks, short_time_transform

SCALES = ["mel", "linear", "bark", "octave"]


@settings(max_examples=80, deadline=None)
@given(
    n_bands=st.integers(2, 32),
    scale=st.sampled_from(SCALES),
    duration_s=st.floats(0.05, 1.5),
    sample_rate=st.sampled_from([8_000, 16_000, 22_050, 48_000]),
    level=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**31),
)
def test_bands_add_up_to_the_clip(n_bands, scale, duration_s, sample_rate, level, seed):
    samples = noise(duration_s=duration_s + 1e-3, sample_rate=sample_rate, level=level, seed=seed)
    audio = Audio(samples=samples, sample_rate=sample_rate)
    components = FrequencyBands(n_bands=n_bands, scale=scale).decompose(audio)
    assert np.abs(components.parts.sum(axis=0) - audio.samples).max() <= 1e-6
    assert components.parts.shape == (n_bands, audio.samples.size)
    assert (np.abs(components.parts).max(axis=1) > 0).all()


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["emodb/03a01Wa.flac", "tess/OAF_bar_angry.flac"])
def test_bands_of_real_speech_add_up(data_dir, name):
    audio = load_audio(data_dir / name)
    for scale in SCALES:
        for n_bands in (2, 8, 32):
            parts = FrequencyBands(n_bands=n_bands, scale=scale).decompose(audio).parts
            assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6


@given(n_bands=st.integers(2, 64), scale=st.sampled_from(SCALES))
def test_edges_rise_from_zero_to_half_the_rate(n_bands, scale):
    edges = FrequencyBands(n_bands=n_bands, scale=scale).edges_hz(16_000)
    assert len(edges) == n_bands + 1
    assert edges[0] == 0.0
    assert edges[-1] == 8000.0
    assert (np.diff(edges) > 0).all()


def test_edges_in_closed_form():
    assert np.allclose(
        FrequencyBands(n_bands=4, scale="linear").edges_hz(16_000), [0, 2000, 4000, 6000, 8000]
    )
    assert np.allclose(
        FrequencyBands(n_bands=5, scale="octave").edges_hz(16_000), [0, 500, 1000, 2000, 4000, 8000]
    )
    bark = FrequencyBands(n_bands=3, scale="bark").edges_hz(16_000)
    z = 26.81 * bark / (1960 + bark) - 0.53
    assert np.allclose(np.diff(z), np.diff(z)[0])


def test_mel_bands_are_the_groups_of_mel_bins_of_the_paper():
    filters = mel_filters(sample_rate=16_000, n_fft=2048, n_mels=128)
    centres_hz = np.linspace(0, 8000, 1025)[filters.argmax(axis=1)]
    edges = FrequencyBands().edges_hz(16_000)
    group = np.searchsorted(edges, centres_hz) - 1
    expected = np.repeat(np.arange(8), 16)
    assert (group != expected).sum() <= 7  # a centre may fall on the other side of a boundary


@given(n_bands=st.integers(2, 64), scale=st.sampled_from(SCALES))
def test_masks_share_out_every_bin(n_bands, scale):
    bins = short_time_transform(16_000).f
    masks = band_masks(bins, FrequencyBands(n_bands=n_bands, scale=scale).edges_hz(16_000))
    assert masks.min() >= 0.0
    np.testing.assert_allclose(masks.sum(axis=0), 1.0, atol=1e-12)


def test_a_tone_is_in_its_band():
    audio = Audio(samples=tone(1500.0), sample_rate=16_000)
    components = FrequencyBands(n_bands=8, scale="linear").decompose(audio)
    energy = (components.parts.astype(np.float64) ** 2).sum(axis=1)
    assert energy[1] / energy.sum() > 0.999
    assert components.units[1].low_hz == 1000.0
    assert components.units[1].end_s == audio.duration_s


def test_keeping_everything_is_the_clip_bit_for_bit():
    audio = Audio(samples=noise(), sample_rate=16_000)
    components = FrequencyBands().decompose(audio)
    keep = np.array([[True] * 8, [False] * 8, [True] * 4 + [False] * 4])
    mixed = components.mix(keep)
    np.testing.assert_array_equal(mixed[0], audio.samples)
    assert not mixed[1].any()
    np.testing.assert_allclose(mixed[2], components.parts[:4].sum(axis=0), atol=1e-6)


def test_mixing_is_linear():
    components = FrequencyBands().decompose(Audio(samples=noise(), sample_rate=16_000))
    keep = np.random.default_rng(0).random((20, 8)) < 0.5
    total = components.mix(keep) + components.mix(~keep)
    np.testing.assert_allclose(total, np.tile(components.waveform, (20, 1)), atol=2e-6)


@pytest.mark.parametrize("keep", [np.ones((1, 7), bool), np.ones((1, 8), int)])
def test_wrong_coalitions_are_refused(keep):
    components = FrequencyBands().decompose(Audio(samples=noise(), sample_rate=16_000))
    with pytest.raises(InputError, match=r"expected bool and \(n_coalitions, 8\)"):
        components.mix(keep)


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="n_bands is 1; expected 2 to 64"):
        FrequencyBands(n_bands=1)
    with pytest.raises(InputError, match="band scale is 'cent'; expected one of mel, linear"):
        FrequencyBands(scale="cent")
