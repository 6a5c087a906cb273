import numpy as np
import pytest

from cuelens.evaluate.edits import Place
from cuelens.evaluate.localisation import can_tell, cell_weights, located, overlaps
from cuelens.explain import EmoLime
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.features.log_mel import hz_to_mel
from cuelens.units import FrequencyBands, TimeWindows, Unit

TOP_HZ = 8000.0


def windows(n, length_s=0.15):
    return [
        Unit(
            name=str(k), low_hz=0.0, high_hz=TOP_HZ, start_s=k * length_s, end_s=(k + 1) * length_s
        )
        for k in range(n)
    ]


def bands():
    edges = FrequencyBands(n_bands=8).edges_hz(16_000)
    return [
        Unit(name=str(k), low_hz=edges[k], high_hz=edges[k + 1], start_s=0.0, end_s=2.0)
        for k in range(8)
    ]


def moment(start_s, end_s):
    return Place(low_hz=0.0, high_hz=TOP_HZ, start_s=start_s, end_s=end_s)


def test_a_band_is_hit_by_its_own_unit_only():
    units = bands()
    place = Place(low_hz=units[3].low_hz, high_hz=units[3].high_hz, start_s=0.0, end_s=2.0)
    for k in range(8):
        weights = np.full(8, 0.1)
        weights[k] = 0.5
        found = located(weights, units, place)
        assert found.hit == (k == 3)
        assert found.mass == pytest.approx((0.5 if k == 3 else 0.1) / 1.2)
        assert found.rank == (1 if k == 3 else 1 + 1 + 0.5 * 6)
    assert found.chance_hit == pytest.approx(1 / 8)
    assert found.chance_mass == pytest.approx(1 / 8)
    assert found.chance_rank == pytest.approx(4.5)


def test_a_moment_across_windows():
    # 0.30 to 0.54 s: window 2 wholly, 3 by 0.6.
    units, place = windows(6), moment(0.30, 0.54)
    assert overlaps(units, place) == pytest.approx(
        hz_to_mel(TOP_HZ) * np.array([0, 0, 0.15, 0.09, 0, 0])
    )
    for k, hit in enumerate([False, False, True, True, False, False]):
        weights = np.eye(6)[k]
        found = located(weights, units, place)
        assert found.hit == hit
        assert found.mass == pytest.approx([0, 0, 1, 0.6, 0, 0][k])
    assert found.chance_hit == pytest.approx(2 / 6)
    assert found.chance_mass == pytest.approx(1.6 / 6)


def test_chance_is_the_mean_over_random_weights():
    units, place = windows(10), moment(0.40, 0.62)
    rng = np.random.default_rng(0)
    found = [located(rng.permutation(10) + 1.0, units, place) for _ in range(4000)]
    for measure in ("hit", "mass", "rank"):
        mean = np.mean([getattr(one, measure) for one in found])
        assert mean == pytest.approx(getattr(found[0], f"chance_{measure}"), rel=0.05)


def test_nothing_above_zero_is_no_hit():
    found = located(np.array([-1.0, -2.0, -3.0]), windows(3), moment(0.0, 0.15))
    assert not found.hit
    assert found.mass == 0.0
    assert found.rank == 1


def test_units_that_cannot_tell():
    place = Place(low_hz=500.0, high_hz=900.0, start_s=0.0, end_s=0.9)
    assert located(np.arange(6.0), windows(6), place) is None
    assert not can_tell(EmoLime(units=TimeWindows()), "band")
    assert not can_tell(EmoLime(), "moment")
    assert can_tell(EmoLime(), "cell")
    assert can_tell(object(), "band")


def test_maps_are_summed_to_bands_and_cells():
    rng = np.random.default_rng(1)
    edges_hz = FrequencyBands(n_bands=16).edges_hz(16_000)  # two of them a band
    values = rng.normal(size=(2, 16, 40)).astype(np.float32)
    relevance = TimeFrequencyMap(values=values, edges_hz=edges_hz, hop_s=0.015)
    units = windows(4)
    by_band, named = cell_weights(relevance, 1, units, kind="band")
    np.testing.assert_allclose(by_band, values[1].reshape(8, 2, 40).sum(axis=(1, 2)), rtol=1e-5)
    assert len(named) == 8
    cells, named = cell_weights(relevance, 1, units, kind="cell")
    expected = values[1].reshape(8, 2, 4, 10).sum(axis=(1, 3))
    np.testing.assert_allclose(cells, expected.ravel(), rtol=1e-4, atol=1e-5)
    assert (named[5].start_s, named[5].low_hz) == (units[1].start_s, edges_hz[2])
