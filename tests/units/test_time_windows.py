"""Time windows add up to the clip, and leaving one out is what a slow loop says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, InputError, load_audio
from cuelens.testing import noise
from cuelens.units import TimeWindows

CLIPS = {
    "window_s": st.floats(0.03, 1.0),
    "duration_s": st.floats(0.051, 2.5),
    "sample_rate": st.sampled_from([8_000, 16_000, 22_050, 48_000]),
    "seed": st.integers(0, 2**31),
}


def made(duration_s, sample_rate, seed):
    samples = noise(duration_s=duration_s, sample_rate=sample_rate, seed=seed)
    return Audio(samples=samples, sample_rate=sample_rate)


@settings(max_examples=60, deadline=None)
@given(**CLIPS)
def test_windows_add_up_to_the_clip(window_s, duration_s, sample_rate, seed):
    audio = made(duration_s, sample_rate, seed)
    components = TimeWindows(window_s=window_s).decompose(audio)
    parts = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6
    assert (np.abs(parts).max(axis=1) > 0).all()
    keep = np.random.default_rng(seed).random((5, len(components))) < 0.5
    np.testing.assert_allclose(
        components.mix(keep) + components.mix(~keep), np.tile(audio.samples, (5, 1)), atol=1e-6
    )
    everything = np.ones((2, len(components)), dtype=bool)
    np.testing.assert_array_equal(components.mix(everything), np.tile(audio.samples, (2, 1)))
    assert not components.mix(~everything).any()


@settings(max_examples=60, deadline=None)
@given(**CLIPS)
def test_windows_tile_the_clip(window_s, duration_s, sample_rate, seed):
    audio = made(duration_s, sample_rate, seed)
    windows = TimeWindows(window_s=window_s)
    units = windows.decompose(audio).units
    assert len(units) == windows.n_units(audio.duration_s)
    assert units[0].start_s == 0.0
    assert units[-1].end_s == audio.duration_s
    assert [unit.start_s for unit in units[1:]] == [unit.end_s for unit in units[:-1]]
    lengths = np.array([unit.end_s - unit.start_s for unit in units])
    np.testing.assert_allclose(lengths[:-1], window_s)
    if len(units) > 1:
        assert 0.5 * window_s - 1e-9 <= lengths[-1] <= 1.5 * window_s + 1e-9
    assert {(unit.low_hz, unit.high_hz) for unit in units} == {(0.0, sample_rate / 2)}
    assert len({unit.name for unit in units}) == len(units)


def slow_gain(components, keep):
    """Sample by sample: raised cosines of 5 ms around every boundary between two windows."""
    rate = components.sample_rate
    half = round(0.005 * rate / 2)
    boundaries = [round(unit.end_s * rate) for unit in components.units[:-1]]
    gain = []
    for sample in range(components.waveform.size):
        window = sum(sample >= boundary for boundary in boundaries)
        value = float(keep[window])
        for left, boundary in enumerate(boundaries):
            if -half <= sample - boundary < half:
                share = (sample - boundary + half + 0.5) / (2 * half)
                rising = (1 - math.cos(math.pi * share)) / 2
                value = float(keep[left]) * (1 - rising) + float(keep[left + 1]) * rising
        gain.append(value)
    return np.array(gain)


@pytest.mark.parametrize(
    ("window_s", "duration_s"), [(0.15, 0.5), (0.03, 0.11), (0.1, 0.151), (0.2, 0.08), (0.05, 0.3)]
)
def test_equals_a_slow_mask(window_s, duration_s):
    audio = made(duration_s, 16_000, 5)
    components = TimeWindows(window_s=window_s).decompose(audio)
    keeps = np.random.default_rng(1).random((6, len(components))) < 0.5
    for keep, mixed in zip(keeps, components.mix(keeps), strict=True):
        expected = slow_gain(components, keep) * audio.samples
        np.testing.assert_allclose(mixed, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("duration_s", "edges_s"),
    [
        (0.05, [0, 0.05]),
        (0.15, [0, 0.15]),
        (0.22, [0, 0.22]),
        (0.23, [0, 0.15, 0.23]),
        (0.45, [0, 0.15, 0.3, 0.45]),
        (1.0, [0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0]),
    ],
)
def test_edges_in_closed_form(duration_s, edges_s):
    np.testing.assert_allclose(TimeWindows().edges_s(duration_s), edges_s)


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["emodb/03a01Wa.flac", "tess/OAF_bar_angry.flac"])
def test_windows_of_real_speech(data_dir, name):
    audio = load_audio(data_dir / name)
    components = TimeWindows().decompose(audio)
    parts = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6
    for unit, part in zip(components.units, parts, strict=True):
        first, last = (round(t * 16_000) for t in (unit.start_s, unit.end_s))
        inside = slice(first + 40, last - 40)
        np.testing.assert_array_equal(part[inside], audio.samples[inside])
        assert not part[: max(0, first - 40)].any()
        assert not part[last + 40 :].any()


@pytest.mark.parametrize("window_s", [0.0, 0.029, 10.1, float("nan")])
def test_wrong_windows_are_refused(window_s):
    with pytest.raises(InputError, match=r"expected 0.03 to 10 s"):
        TimeWindows(window_s=window_s)


@pytest.mark.parametrize("keep", [np.ones((1, 6), bool), np.ones((1, 7), int)])
def test_wrong_coalitions_are_refused(keep):
    components = TimeWindows().decompose(made(1.0, 16_000, 0))
    with pytest.raises(InputError, match=r"expected bool and \(n_coalitions, 7\)"):
        components.mix(keep)
