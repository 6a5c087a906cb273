"""Cells add up to the clip, and each is a band of a window, however it is computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, InputError, load_audio
from cuelens.testing import noise, tone
from cuelens.units import FrequencyBands, TimeFrequencyCells, TimeWindows

CLIPS = {
    "n_bands": st.integers(2, 9),
    "window_s": st.floats(0.03, 1.0),
    "duration_s": st.floats(0.051, 1.2),
    "sample_rate": st.sampled_from([8_000, 16_000, 22_050]),
    "seed": st.integers(0, 2**31),
}


def made(duration_s, sample_rate, seed):
    samples = noise(duration_s=duration_s, sample_rate=sample_rate, seed=seed)
    return Audio(samples=samples, sample_rate=sample_rate)


def cells(n_bands, window_s):
    return TimeFrequencyCells(
        bands=FrequencyBands(n_bands=n_bands), windows=TimeWindows(window_s=window_s)
    )


@settings(max_examples=40, deadline=None)
@given(**CLIPS)
def test_cells_add_up_to_the_clip(n_bands, window_s, duration_s, sample_rate, seed):
    audio = made(duration_s, sample_rate, seed)
    units = cells(n_bands, window_s)
    components = units.decompose(audio)
    assert len(components) == units.n_units(audio.duration_s) == len(components.units)
    parts = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6
    keep = np.random.default_rng(seed).random((4, len(components))) < 0.5
    both = components.mix(keep) + components.mix(~keep)
    np.testing.assert_allclose(both, np.tile(audio.samples, (4, 1)), atol=1e-6)
    np.testing.assert_allclose(components.mix(keep), keep.astype(np.float32) @ parts, atol=1e-6)
    everything = np.ones((2, len(components)), dtype=bool)
    np.testing.assert_array_equal(components.mix(everything), np.tile(audio.samples, (2, 1)))
    assert not components.mix(~everything).any()


@settings(max_examples=20, deadline=None)
@given(**CLIPS)
def test_a_cell_is_a_window_of_a_band(n_bands, window_s, duration_s, sample_rate, seed):
    """The same from the two other units: the band's signal, cut into windows."""
    audio = made(duration_s, sample_rate, seed)
    units = cells(n_bands, window_s)
    components = units.decompose(audio)
    bands = units.bands.decompose(audio)
    n_windows = units.windows.n_units(audio.duration_s)
    band, window = seed % n_bands, seed % n_windows
    own = Audio(samples=bands.parts[band], sample_rate=sample_rate)
    one = np.zeros((1, len(components)), dtype=bool)
    one[0, band * n_windows + window] = True
    expected = units.windows.decompose(own).mix(np.eye(n_windows, dtype=bool)[window])
    np.testing.assert_allclose(components.mix(one), expected, atol=1e-7)
    unit = components.units[band * n_windows + window]
    of_band = bands.units[band]
    of_window = units.windows.decompose(audio).units[window]
    assert (unit.low_hz, unit.high_hz) == (of_band.low_hz, of_band.high_hz)
    assert (unit.start_s, unit.end_s) == (of_window.start_s, of_window.end_s)


def test_whole_bands_and_whole_windows_are_those_units():
    audio = made(0.7, 16_000, 3)
    units = TimeFrequencyCells()
    components = units.decompose(audio)
    n_windows = units.windows.n_units(audio.duration_s)
    rng = np.random.default_rng(0)
    bands = rng.random((6, 8)) < 0.5
    np.testing.assert_allclose(
        components.mix(np.repeat(bands, n_windows, axis=1)),
        units.bands.decompose(audio).mix(bands),
        atol=1e-6,
    )
    windows = rng.random((6, n_windows)) < 0.5
    np.testing.assert_allclose(
        components.mix(np.tile(windows, (1, 8))),
        units.windows.decompose(audio).mix(windows),
        atol=1e-6,
    )


def test_a_burst_of_a_tone_lies_in_one_cell():
    """A tone in the middle of a window and of a band: its cell holds nearly all energy."""
    units = TimeFrequencyCells(bands=FrequencyBands(n_bands=4, scale="linear"))
    burst = tone(3000.0, duration_s=0.06) * np.hanning(960)
    samples = np.zeros(9600, dtype=np.float32)
    samples[3120:4080] = burst  # 0.195 to 0.255 s: within the second window
    components = units.decompose(Audio(samples=samples, sample_rate=16_000))
    energy = np.square(components.mix(np.eye(16, dtype=bool)).astype(np.float64)).sum(axis=1)
    assert int(energy.argmax()) == 1 * 4 + 1
    assert energy.max() / energy.sum() > 0.999
    assert components.units[5].name == "2000–4000 Hz, 0.15–0.30 s"


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["emodb/03a01Wa.flac", "tess/OAF_bar_angry.flac"])
def test_cells_of_real_speech(data_dir, name):
    audio = load_audio(data_dir / name)
    components = TimeFrequencyCells().decompose(audio)
    parts = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6


@pytest.mark.parametrize("keep", [np.ones((1, 55), bool), np.ones((1, 56), int)])
def test_wrong_coalitions_are_refused(keep):
    components = TimeFrequencyCells().decompose(made(1.0, 16_000, 0))
    with pytest.raises(InputError, match=r"expected bool and \(n_coalitions, 56\)"):
        components.mix(keep)
