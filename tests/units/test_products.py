"""A product adds up to the clip and is each unit of one kind within each of the other."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens import Audio
from cuelens.testing import noise, speech_like
from cuelens.units import (
    FrequencyBands,
    HarmonicBands,
    HarmonicPercussive,
    Segments,
    TimeFrequencyCells,
    TimeWindows,
    UnitProduct,
    VoicedWindows,
)

WORDS = Segments(labels=[(0.1, 0.25, "ja"), (0.25, 0.26, "t"), (0.4, 0.6, "so")], kind="words")


@pytest.mark.parametrize("times", [WORDS, TimeWindows(), VoicedWindows()])
@pytest.mark.parametrize("parts", [FrequencyBands(), HarmonicBands(), HarmonicPercussive()])
def test_products_add_up_to_the_clip(times, parts):
    audio = Audio(samples=speech_like(duration_s=0.8), sample_rate=16_000)
    units = UnitProduct(times=times, parts=parts)
    components = units.decompose(audio)
    n_times, n_parts = len(times.decompose(audio)), parts.n_units(0.8)
    assert len(components) == n_times * n_parts <= units.n_units(audio.duration_s)
    alone = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(alone.sum(axis=0) - audio.samples).max() <= 1e-6
    everything = np.ones((1, len(components)), dtype=bool)
    np.testing.assert_array_equal(components.mix(everything)[0], audio.samples)
    whole = parts.decompose(audio)
    for part in range(n_parts):  # all of a part: the part
        keep = np.zeros((1, len(components)), dtype=bool)
        keep[0, part * n_times : (part + 1) * n_times] = True
        np.testing.assert_allclose(components.mix(keep)[0], whole.parts[part], atol=1e-6)
    in_time = times.decompose(audio)
    for time in range(n_times):  # all parts at a time: that time
        keep = np.zeros((1, len(components)), dtype=bool)
        keep[0, time::n_times] = True
        expected = in_time.mix(np.eye(n_times, dtype=bool)[[time]])
        np.testing.assert_allclose(components.mix(keep), expected, atol=1e-6)


def test_windows_and_bands_are_the_cells():
    audio = Audio(samples=noise(duration_s=0.7, seed=3), sample_rate=16_000)
    product = UnitProduct(times=TimeWindows(), parts=FrequencyBands()).decompose(audio)
    cells = TimeFrequencyCells().decompose(audio)
    assert product.units == cells.units
    keep = np.random.default_rng(0).random((4, len(cells))) < 0.5
    np.testing.assert_array_equal(product.mix(keep), cells.mix(keep))


def test_names_say_both():
    audio = Audio(samples=noise(duration_s=0.7, seed=3), sample_rate=16_000)
    units = UnitProduct(times=WORDS, parts=FrequencyBands(n_bands=2, scale="linear"))
    names = [unit.name for unit in units.decompose(audio).units]
    assert names[1] == "0–4000 Hz, ja"
    assert names[-1] == "4000–8000 Hz, (pause)"
