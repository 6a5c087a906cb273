from __future__ import annotations

import numpy as np
import pytest
from lime.lime_base import LimeBase
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from cuelens.explain.lime import (
    bernoulli_coalitions,
    bootstrap_lime,
    kernel_weights,
    lime_weights,
    weighted_r2,
)


@pytest.fixture
def neighbourhood():
    rng = np.random.default_rng(42)
    keep = bernoulli_coalitions(8, n_samples=64, rng=rng)
    outputs = rng.dirichlet(np.ones(4), size=64)
    return keep, outputs


def distances(keep: np.ndarray) -> np.ndarray:
    data = keep.astype(float)
    return pairwise_distances(data, data[:1], metric="cosine").ravel()


def test_kernel_as_published(neighbourhood):
    keep, _ = neighbourhood
    keep = np.vstack([keep, np.zeros((1, 8), bool)])
    expected = np.sqrt(np.exp(-(distances(keep) ** 2) / 0.25**2))
    np.testing.assert_allclose(kernel_weights(keep), expected, atol=1e-12)


def test_equal_to_the_lime_package(neighbourhood):
    keep, outputs = neighbourhood
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), random_state=0)
    weights, intercepts = lime_weights(keep, outputs)
    fidelity = weighted_r2(keep, outputs, weights, intercepts)
    for label in range(4):
        intercept, explanation, score, _ = base.explain_instance_with_data(
            keep.astype(float),
            outputs,
            distances(keep),
            label,
            num_features=8,
            feature_selection="none",
        )
        expected = np.array([weight for _, weight in sorted(explanation)])
        np.testing.assert_allclose(weights[label], expected, atol=1e-6)
        assert intercepts[label] == pytest.approx(intercept, abs=1e-6)
        assert fidelity[label] == pytest.approx(score, abs=1e-6)


def test_equal_to_scikit_learn(neighbourhood):
    keep, outputs = neighbourhood
    ridge = Ridge(alpha=1.0).fit(keep, outputs, sample_weight=kernel_weights(keep))
    weights, intercepts = lime_weights(keep, outputs)
    np.testing.assert_allclose(weights, ridge.coef_, atol=1e-10)
    np.testing.assert_allclose(intercepts, ridge.intercept_, atol=1e-10)


def test_first_coalition_is_the_whole_clip():
    keep = bernoulli_coalitions(8, n_samples=64, rng=np.random.default_rng(0))
    assert keep[0].all()
    assert 0.4 < keep[1:].mean() < 0.6


def test_fidelity_of_a_perfect_and_of_a_useless_model(neighbourhood):
    keep, _ = neighbourhood
    weights = np.array([[0.1, -0.2, 0.0, 0.3, 0.0, 0.0, 0.05, 0.0]])
    outputs = keep @ weights.T + 0.4
    assert weighted_r2(keep, outputs, weights, np.array([0.4]))[0] == pytest.approx(1.0)
    assert weighted_r2(keep, outputs, -weights, np.array([0.4]))[0] < 0.0
    assert np.isnan(weighted_r2(keep, np.full((64, 1), 0.3), weights, np.array([0.4]))[0])


def test_intervals_hold_the_weights_and_shrink_with_samples():
    rng = np.random.default_rng(0)
    factors = np.array([[0.5, -0.3, 0.0, 0.2]])

    def intervals(n_samples):
        keep = bernoulli_coalitions(4, n_samples=n_samples, rng=rng)
        outputs = keep @ factors.T + rng.normal(0, 0.1, (n_samples, 1))
        weights, _ = lime_weights(keep, outputs)
        low, high = bootstrap_lime(keep, outputs, rng=rng)
        assert ((low <= weights) & (weights <= high)).all()
        return (high - low).mean()

    assert intervals(800) < 0.5 * intervals(60)
