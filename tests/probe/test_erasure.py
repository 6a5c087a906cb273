"""Erasure in the basis of the eigenvectors against the projection written out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Ridge as SklearnRidge

from cuelens.probe.erasure import erased_predictions
from cuelens.probe.folds import nested_folds
from cuelens.probe.ridge import NestedRidge

SPEAKERS = np.repeat([f"s{i}" for i in range(5)], 16)


def problem(n_dimensions, seed=0):
    """One outer fold of an embedding that tells three features and two targets."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((80, n_dimensions)) @ rng.standard_normal((n_dimensions, n_dimensions))
    x = 5 + x / x.std(axis=0)
    features = x[:, :3] + x[:, 3:6] + rng.standard_normal((80, 3))
    targets = (x[:, [0, 1]] + features[:, [1, 2]] + rng.standard_normal((80, 2)) > 10).astype(float)
    fold = nested_folds(SPEAKERS)[0]
    ridge = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner).on()
    return x, features, targets, fold, ridge


def standardised(x, fold):
    mean, scale = x[fold.train].mean(axis=0), x[fold.train].std(axis=0)
    return (x[fold.train] - mean) / scale, (x[fold.test] - mean) / scale


def projection(z, feature, penalty):
    """P = I - g h' / (h'g)."""
    g = z.T @ (feature - feature.mean())
    h = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), g)
    return np.eye(z.shape[1]) - np.outer(g, h) / (h @ g), h


@pytest.mark.parametrize("n_dimensions", [10, 30, 90])
@pytest.mark.parametrize("feature_penalty", [0.1, 1e2, 1e6])
def test_equals_projecting_and_fitting_anew(n_dimensions, feature_penalty):
    x, features, targets, fold, ridge = problem(n_dimensions)
    target_penalty = np.array([1.0, 1e3])
    found, products = erased_predictions(
        values=ridge.outer.values,
        train=ridge.train,
        test=ridge.test,
        features=features[fold.train],
        feature_penalty=np.array([feature_penalty, 1.0, 10.0]),
        targets=targets[fold.train],
        target_penalty=target_penalty,
    )
    train, test = standardised(x, fold)
    for j, penalty in enumerate([feature_penalty, 1.0, 10.0]):
        p, h = projection(train, features[fold.train, j], penalty)
        np.testing.assert_allclose(train @ p.T @ h, 0, atol=1e-9)  # h'Px = 0 for every clip
        for t, alpha in enumerate(target_penalty):
            anew = SklearnRidge(alpha=alpha, solver="svd").fit(train @ p.T, targets[fold.train, t])
            np.testing.assert_allclose(found[j, :, t], anew.predict(test @ p.T), atol=1e-8)
            known = targets[fold.train, t]
            product = ((known - known.mean()) * anew.predict(train @ p.T)).mean()
            np.testing.assert_allclose(products[j, t], product, atol=1e-8)


@pytest.mark.parametrize("penalty", [0.0, 10.0, 1e6])
def test_no_linear_regression_finds_the_feature(penalty):
    """Covariance of the feature with everything that is left is 0: LEACE, theorem 3.1.

    Pg = 0 for any h, so that this holds with a penalty too.
    """
    x, features, _, fold, _ = problem(12)
    train, _ = standardised(x, fold)
    feature = features[fold.train, 0]
    assert LinearRegression().fit(train, feature).score(train, feature) > 0.5
    p, _ = projection(train, feature, penalty)
    left = train @ p.T
    np.testing.assert_allclose(left.T @ (feature - feature.mean()), 0, atol=1e-9)
    assert LinearRegression().fit(left, feature).score(left, feature) < 1e-10


def test_with_no_penalty_a_target_that_is_the_feature_is_lost():
    _, features, _, fold, ridge = problem(12)
    known = features[fold.train, :1]
    for penalty in (1e-6, 1.0, 1e3):
        left, _ = erased_predictions(
            values=ridge.outer.values,
            train=ridge.train,
            test=ridge.test,
            features=known,
            feature_penalty=np.zeros(1),
            targets=known,
            target_penalty=np.array([penalty]),
        )
        np.testing.assert_allclose(left[0, :, 0], known.mean(), atol=1e-9)


def test_a_feature_that_does_not_vary_takes_nothing_away():
    _, features, targets, fold, ridge = problem(12)
    penalty = np.array([1.0, 10.0])
    found, _ = erased_predictions(
        values=ridge.outer.values,
        train=ridge.train,
        test=ridge.test,
        features=np.zeros_like(features[fold.train, :1]),
        feature_penalty=np.ones(1),
        targets=targets[fold.train],
        target_penalty=penalty,
    )
    np.testing.assert_allclose(found[0], ridge.predict(targets[fold.train], penalty), atol=1e-12)
