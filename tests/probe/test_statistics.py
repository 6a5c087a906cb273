"""Intervals, p-values and scores against textbooks, scikit-learn and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import balanced_accuracy_score, f1_score

from cuelens.probe.folds import nested_folds, sums_by_speaker, z_scores_by_speaker
from cuelens.probe.ridge import NestedRidge
from cuelens.probe.scores import counts
from cuelens.probe.statistics import (
    Interval,
    balanced_f1,
    false_discovery_q,
    jackknife,
    one_sided_p,
    permutation_p,
    pooled_permutation_p,
    r2,
    recalls_to_uar,
)


def test_jackknife_of_a_mean_is_the_t_interval():
    """With one clip a speaker the jackknife of a mean is the ordinary standard error."""
    values = np.random.default_rng(0).standard_normal(9)
    interval = jackknife(lambda total, n: total / n, values, np.ones(9))
    expected = scipy.stats.t.interval(
        0.95, 8, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(9)
    )
    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-12)
    assert interval.value == pytest.approx(values.mean())


def test_jackknife_variance_of_a_ratio_by_its_formula():
    """(n - 1)/n times the sum of squares of the leave-one-out values about their mean."""
    rng = np.random.default_rng(1)
    above, below = rng.random(7), 1 + rng.random(7)
    without = np.array([np.delete(above, i).sum() / np.delete(below, i).sum() for i in range(7)])
    variance = 6 / 7 * ((without - without.mean()) ** 2).sum()
    interval = jackknife(lambda a, b: a / b, above, below)
    half = scipy.stats.t.ppf(0.975, 6) * np.sqrt(variance)
    assert interval.value == pytest.approx(above.sum() / below.sum())
    np.testing.assert_allclose(interval.high - interval.value, half, rtol=1e-12)
    np.testing.assert_allclose(interval.value - interval.low, half, rtol=1e-12)


def test_jackknife_of_two_speakers_knows_no_interval():
    interval = jackknife(lambda total: total, np.array([[1.0], [2.0]]))
    assert interval.value == 3
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


@pytest.mark.parametrize("n_speakers", [8, 20])
def test_coverage_of_the_interval_of_an_r2(n_speakers):
    """R2 of predictions whose error differs between speakers, true value from the expectations."""
    rng = np.random.default_rng(n_speakers)
    covered = []
    truth = 1 - 0.4 * (1 + 0.5**2) / 1.0
    for _ in range(1000):
        clips = rng.integers(10, 30, n_speakers)
        size = np.sqrt(0.4) * (1 + 0.5 * rng.choice([-1, 1], n_speakers))
        errors = np.array(
            [((s * rng.standard_normal(n)) ** 2).sum() for s, n in zip(size, clips, strict=True)]
        )
        spread = np.array([(rng.standard_normal(n) ** 2).sum() for n in clips])
        interval = jackknife(r2, errors, spread)
        covered.append(interval.low <= truth <= interval.high)
    assert 0.90 < np.mean(covered) < 0.98  # half the speakers nine times as hard: a skewed ratio


@pytest.mark.parametrize("n_speakers", [8, 20])
def test_coverage_of_the_interval_of_a_recall(n_speakers):
    """UAR where speakers differ in how well they are told and in how often they are angry."""
    rng = np.random.default_rng(100 + n_speakers)
    covered = []
    for _ in range(1000):
        of_class = rng.integers(5, 15, n_speakers)
        hits = rng.binomial(of_class, rng.choice([0.6, 0.8], n_speakers))
        false = rng.binomial(20, rng.choice([0.1, 0.5], n_speakers))
        counts = np.stack([hits, of_class - hits, false, 20 - false], axis=1)
        interval = jackknife(recalls_to_uar, counts)
        covered.append(interval.low <= 0.7 <= interval.high)
    assert 0.92 < np.mean(covered) < 0.98


@pytest.mark.parametrize("n_speakers", [8, 20])
def test_the_interval_of_a_score_learned_in_folds_covers_chance(n_speakers):
    """Random labels told from noise, 50 labellings for each of 20 embeddings."""
    rng = np.random.default_rng(n_speakers)
    speakers = np.repeat([f"s{i:02d}" for i in range(n_speakers)], 160 // n_speakers)
    covered, told = [], []
    for _ in range(20):
        x = z_scores_by_speaker(rng.standard_normal((160, 30)), speakers)
        labels = (rng.random((160, 50)) < 0.5).astype(float)
        decision = np.empty_like(labels)
        for fold in nested_folds(speakers):
            ridge = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner).on()
            known = labels[fold.train]
            decision[fold.test] = ridge.predict(known) / known.mean(axis=0)
        tallies = sums_by_speaker(counts(labels, decision), speakers)
        interval = jackknife(recalls_to_uar, tallies, n_folds=len(nested_folds(speakers)))
        covered.append((interval.low <= 0.5) & (interval.high >= 0.5))
        told.append(interval.low > 0.5)
    assert np.mean(covered) > 0.92
    assert np.mean(told) < 0.05


def test_one_sided_p_is_that_of_a_t_test():
    values = np.random.default_rng(2).standard_normal((12, 5)) + 0.3
    interval = jackknife(lambda total: total / 12, values)
    expected = scipy.stats.ttest_1samp(values, 0, alternative="greater").pvalue
    # the number of speakers is 12 in every leave-one-out mean, which makes each a pseudo-value
    mean = jackknife(lambda total, n: total / n, values, np.ones((12, 1)))
    np.testing.assert_allclose(one_sided_p(mean, n=12), expected, rtol=1e-9)
    assert interval.value == pytest.approx(values.mean(axis=0))


def test_one_sided_p_without_error():
    interval = Interval(np.array([0.1, 0.0, -0.1]), *[np.array([0.1, 0.0, -0.1])] * 2)
    np.testing.assert_array_equal(one_sided_p(interval, n=8), [0.0, 1.0, 1.0])


def test_permutation_p_by_hand():
    null = np.array([[1.0, 5], [2, 6], [3, 7], [4, 8]])
    # 2.5 is reached by 3 and 4; 9 by none; the observed one counts, ties count
    np.testing.assert_allclose(permutation_p(np.array([2.5, 9]), null), [3 / 5, 1 / 5])
    np.testing.assert_allclose(permutation_p(np.array([4.0, 5]), null), [2 / 5, 5 / 5])


def test_pooled_p_by_hand():
    null = np.array([[0.0, 10], [1, 30], [2, 50]])  # standardised: -1, 0, 1 twice
    observed = np.array([1.5, 70])  # 0.5 and 2
    np.testing.assert_allclose(pooled_permutation_p(observed, null), [3 / 7, 1 / 7])


@pytest.mark.parametrize("draw", ["standard_normal", "exponential"])
@pytest.mark.parametrize("n_permutations", [50, 200])
def test_pooled_p_is_uniform_under_the_null(draw, n_permutations):
    """Tests of different place and width, the same shape."""
    rng = np.random.default_rng(n_permutations)
    p = []
    for _ in range(60):
        values = getattr(rng, draw)(size=(n_permutations + 1, 60))
        values = values * rng.uniform(0.01, 100, 60) + rng.uniform(-10, 10, 60)
        p.append(pooled_permutation_p(values[0], values[1:]))
    p = np.concatenate(p)
    assert scipy.stats.kstest(p, "uniform").statistic < 0.03
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert (p <= 0.001).mean() < 0.008  # the width of each null is estimated from few values


def test_pooled_p_keeps_the_false_discovery_rate():
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(300):
        null = rng.standard_normal((100, 88))
        observed = rng.standard_normal(88)
        observed[:20] += 4
        found = false_discovery_q(pooled_permutation_p(observed, null)) <= 0.05
        shares.append(found[20:].sum() / max(1, found.sum()))
    assert np.mean(shares) < 0.06
    assert found[:20].sum() > 10


def test_a_feature_that_does_not_vary_changes_no_other_p():
    """Its R2 is NaN in every shuffle."""
    rng = np.random.default_rng(6)
    null, observed = rng.standard_normal((50, 10)), rng.standard_normal(10) + 3
    alone = pooled_permutation_p(observed[:9], null[:, :9])
    null[:, 9], observed[9] = np.nan, np.nan
    p = pooled_permutation_p(observed, null)
    np.testing.assert_allclose(p[:9], alone)
    assert np.isnan(p[9])


def test_permutation_p_of_nan_is_nan():
    assert np.isnan(permutation_p(np.array([np.nan]), np.full((19, 1), np.nan))[0])


@given(
    p=hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)),
)
@settings(deadline=None, max_examples=60)
def test_benjamini_hochberg_by_its_definition(p):
    """q(i) = min over j >= i of p(j) m / j, on sorted p."""
    order = np.argsort(p, kind="stable")
    slow = np.empty(len(p))
    lowest = 1.0
    for rank in range(len(p), 0, -1):
        lowest = min(lowest, p[order[rank - 1]] * len(p) / rank)
        slow[order[rank - 1]] = lowest
    np.testing.assert_allclose(false_discovery_q(p), slow, rtol=1e-12, atol=1e-300)


def test_benjamini_hochberg_leaves_missing_tests_out():
    p = np.array([[0.01, np.nan], [0.04, 0.03]])
    q = false_discovery_q(p)
    np.testing.assert_allclose(q, [[0.03, np.nan], [0.04, 0.04]])
    assert np.isnan(false_discovery_q(np.full(3, np.nan))).all()


def tallies(truth, taken):
    return np.array(
        [
            (truth & taken).sum(),
            (truth & ~taken).sum(),
            (~truth & taken).sum(),
            (~truth & ~taken).sum(),
        ],
        dtype=float,
    )


@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 0.9))
@settings(deadline=None, max_examples=40)
def test_uar_and_balanced_f1_equal_scikit_learn(seed, share):
    rng = np.random.default_rng(seed)
    truth = rng.random(50) < share
    truth[:2] = [True, False]
    taken = rng.random(50) < 0.5
    counts = tallies(truth, taken)
    assert recalls_to_uar(counts) == pytest.approx(balanced_accuracy_score(truth, taken))
    weight = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    expected = f1_score(truth, taken, sample_weight=weight, zero_division=0)
    assert balanced_f1(counts) == pytest.approx(expected)


def test_balanced_f1_of_balanced_clips_is_f1():
    rng = np.random.default_rng(7)
    truth = np.arange(40) % 2 == 0
    taken = np.where(rng.random(40) < 0.7, truth, ~truth)
    assert balanced_f1(tallies(truth, taken)) == pytest.approx(f1_score(truth, taken))


def test_scores_without_one_class_are_missing():
    assert np.isnan(recalls_to_uar(np.array([0.0, 0, 3, 4])))
    assert np.isnan(balanced_f1(np.array([3.0, 4, 0, 0])))


def test_r2_by_hand():
    np.testing.assert_allclose(
        r2(np.array([1.0, 3.0, 0.0]), np.array([4.0, 2.0, 0.0])), [0.75, -0.5, np.nan]
    )
