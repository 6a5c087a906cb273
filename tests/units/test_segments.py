"""Segments tile the clip, add up to it, and stand where their labels say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, InputError
from cuelens.testing import noise
from cuelens.units import Label, Segments
from cuelens.units.segments import PAUSE, within


def made(duration_s=1.0, sample_rate=16_000, seed=0):
    samples = noise(duration_s=duration_s, sample_rate=sample_rate, seed=seed)
    return Audio(samples=samples, sample_rate=sample_rate)


@st.composite
def labelled(draw):
    """Labels of 1.5 ms to 0.2 s, some with pauses between them."""
    now, labels = draw(st.sampled_from([0.0, 0.05])), []
    for index in range(draw(st.integers(1, 12))):
        end = now + draw(st.floats(0.0015, 0.2))
        labels.append((now, end, f"p{index}"))
        now = end + draw(st.sampled_from([0.0, 0.0, 0.003, 0.1]))
    return labels, now + draw(st.sampled_from([0.0, 0.06, 0.5]))


@settings(max_examples=60, deadline=None)
@given(labelled(), st.sampled_from([8_000, 16_000, 44_100]), st.integers(0, 2**31))
def test_segments_add_up_to_the_clip(found, sample_rate, seed):
    labels, duration_s = found
    audio = made(max(duration_s, 0.06), sample_rate, seed)
    units = Segments(labels=labels)
    components = units.decompose(audio)
    assert len(components) == units.n_units(audio.duration_s)
    parts = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6
    assert (np.abs(parts).max(axis=1) > 0).all()
    keep = np.random.default_rng(seed).random((5, len(components))) < 0.5
    both = components.mix(keep) + components.mix(~keep)
    np.testing.assert_allclose(both, np.tile(audio.samples, (5, 1)), atol=1e-6)
    everything = np.ones((1, len(components)), dtype=bool)
    np.testing.assert_array_equal(components.mix(everything)[0], audio.samples)
    starts = [unit.start_s for unit in components.units]
    ends = [unit.end_s for unit in components.units]
    assert starts[0] == 0.0
    assert ends[-1] == audio.duration_s
    assert starts[1:] == ends[:-1]


def test_tiles_in_closed_form():
    units = Segments(
        labels=[(0.1, 0.2, "a"), (0.2005, 0.3, "b"), (0.5, 0.6, "c"), (0.5995, 0.7, "d")],
        kind="phones",
    )
    assert units.tiles(1.0) == (
        (0.0, 0.1, PAUSE),
        (0.1, 0.2005, "a"),
        (0.2005, 0.3, "b"),
        (0.3, 0.5, PAUSE),
        (0.5, 0.5995, "c"),
        (0.5995, 0.7, "d"),
        (0.7, 1.0, PAUSE),
    )
    assert [tile.name for tile in units.tiles(0.7)] == [PAUSE, "a", "b", PAUSE, "c", "d"]
    assert units.tiles(0.69)[-1] == (0.5995, 0.69, "d")  # 10 ms past the end


def slow_gain(ends, keep, rate):
    """Sample by sample; a fade reaches 2.5 ms, or to the middle of the shorter neighbour."""
    starts = [0, *ends[:-1]]
    gain = []
    for sample in range(ends[-1]):
        unit = sum(sample >= end for end in ends)
        value = float(keep[unit])
        for left, boundary in enumerate(ends[:-1]):
            lengths = [ends[left] - starts[left], ends[left + 1] - starts[left + 1]]
            half = min(round(0.0025 * rate), min(lengths) // 2)
            if -half <= sample - boundary < half:
                share = (sample - boundary + half + 0.5) / (2 * half)
                rising = (1 - math.cos(math.pi * share)) / 2
                value = float(keep[left]) * (1 - rising) + float(keep[left + 1]) * rising
        gain.append(value)
    return np.array(gain)


def test_fades_of_short_segments_equal_a_slow_mask():
    audio = made(0.06)
    units = Segments(labels=[(0.001, 0.003, "burst"), (0.003, 0.0045, "x"), (0.0045, 0.03, "a")])
    components = units.decompose(audio)
    ends = [16, 48, 72, 480, 960]
    assert [round(unit.end_s * 16_000) for unit in components.units] == ends
    keeps = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0]], dtype=bool)
    for keep, mixed in zip(keeps, components.mix(keeps), strict=True):
        np.testing.assert_allclose(mixed, slow_gain(ends, keep, 16_000) * audio.samples, atol=1e-6)


def test_labels_of_a_part_are_moved_and_cut():
    labels = [Label(0.0, 0.5, "a"), Label(0.5, 1.0, "b"), Label(1.2, 1.4, "c")]
    assert within(labels, 0.4, 1.3) == (
        Label(0.0, 0.5 - 0.4, "a"),
        Label(0.5 - 0.4, 1.0 - 0.4, "b"),
        Label(1.2 - 0.4, 1.3 - 0.4, "c"),
    )
    assert within(labels, 1.4, 2.0) == ()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "no words; expected at least one"),
        ([(0.2, 0.2, "a")], "goes from 0.2000 to 0.2000 s"),
        ([(-0.1, 0.2, "a")], "times from 0"),
        ([(0.0, 0.3, "a"), (0.25, 0.4, "b")], "“b” starts at 0.2500 s, before “a” ends at 0.3000"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        Segments(labels=labels, kind="words")


@pytest.mark.parametrize("kind", ["", " ", None])
def test_segments_are_something(kind):
    with pytest.raises(InputError, match="expected what the segments are, such as words"):
        Segments(labels=[(0.0, 0.3, "a")], kind=kind)


def test_labels_of_another_recording_are_refused():
    units = Segments(labels=[(0.0, 1.021, "a")], source="x.TextGrid")
    with pytest.raises(InputError, match=r"x.TextGrid: “a” ends at 1.021 s and the clip at 1.000"):
        units.decompose(made(1.0))
    with pytest.raises(InputError, match="shorter than a sample at 400 Hz"):
        Segments(labels=[(0.5, 0.501, "a")]).decompose(made(1.0, 400))
