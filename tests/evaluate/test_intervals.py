import numpy as np
import pytest
import scipy.stats

from cuelens.evaluate.intervals import Sample, bootstrap_mean, bootstrapped_apart, share_interval


def test_single_values_agree_with_scipy():
    values = np.random.default_rng(0).normal(size=60)
    _, low, high, _ = bootstrap_mean(values, np.arange(60).astype(str))
    expected = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert low == pytest.approx(expected.low, abs=0.03)
    assert high == pytest.approx(expected.high, abs=0.03)


def test_whole_clusters_are_drawn():
    """Ten speakers who always do the same are ten observations, not a hundred."""
    by_speaker = np.random.default_rng(0).normal(size=10)
    values, speakers = np.repeat(by_speaker, 10), np.repeat(np.arange(10).astype(str), 10)
    found = bootstrap_mean(values, speakers)
    expected = bootstrap_mean(by_speaker, np.arange(10).astype(str))
    assert found[:3] == pytest.approx(expected[:3])
    narrow = bootstrap_mean(values, np.arange(100).astype(str))
    assert narrow.high - narrow.low < 0.5 * (found.high - found.low)


def test_coverage():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        speakers = np.repeat(np.arange(20).astype(str), 4)
        values = np.repeat(rng.normal(size=20), 4) + rng.normal(size=80)
        _, low, high, _ = bootstrap_mean(values, speakers, seed=int(rng.integers(1000)))
        covered += low <= 0 <= high
    assert covered >= 178  # 95 % of 200, minus three standard deviations, minus a little


def apart(first, second, *, n_each=1):
    """Two samples of other clusters, with so many values of each."""
    places = np.arange(len(first) // n_each), np.arange(len(second) // n_each) + 1000
    return [
        Sample(values, np.ones(len(values)), np.repeat(clusters, n_each))
        for values, clusters in zip((first, second), places, strict=True)
    ]


def test_samples_without_common_clusters_agree_with_welch():
    random = np.random.default_rng(0)
    first, second = random.normal(1.0, 1.0, 40), random.normal(0.0, 3.0, 15)
    value, low, high = bootstrapped_apart(*apart(first, second))
    welch = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert value == pytest.approx(first.mean() - second.mean())
    assert (low, high) == pytest.approx((welch.low, welch.high), abs=0.15)
    reversed_value, *reversed_ends = bootstrapped_apart(*apart(second, first))
    assert reversed_value == pytest.approx(-value)
    assert reversed_ends == pytest.approx([-high, -low], abs=0.15)
    value, low, high = bootstrapped_apart(*apart(first, second[:2]))
    assert np.isfinite(value)
    assert np.isnan([low, high]).all()
    assert bootstrapped_apart(*apart(np.ones(4), np.zeros(4))) == (1.0, 1.0, 1.0)


def test_coverage_of_few_clusters_against_many():
    """Drawn together, the three would be left out of some draws and count as twenty-three."""
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        values = [np.repeat(random.normal(size=n), 5) + random.normal(size=5 * n) for n in (3, 20)]
        _, low, high = bootstrapped_apart(*apart(*values, n_each=5), seed=seed)
        covered += low <= 0 <= high
    assert covered >= 0.89 * 300


def test_missing_values_and_too_few():
    values = np.array([1.0, np.nan, 1.0, 1.0])
    assert bootstrap_mean(values, ["a", "b", "c", "d"]) == (1.0, 1.0, 1.0, 3)
    assert np.isnan(bootstrap_mean(np.array([1.0]), ["a"])[1:3]).all()


def test_a_share_of_one_is_not_certain():
    hits = np.ones(30)
    low, high = share_interval(hits, np.repeat(np.arange(10).astype(str), 3))
    wilson = scipy.stats.binomtest(30, 30).proportion_ci(0.95, method="wilson")
    assert (low, high) == (pytest.approx(wilson.low), 1.0)
    mixed = np.tile([1.0, 0.0], 15)
    low, high = share_interval(mixed, np.arange(30).astype(str))
    wilson = scipy.stats.binomtest(15, 30).proportion_ci(0.95, method="wilson")
    assert low <= wilson.low
    assert high >= wilson.high
