"""Importance of the dimensions against shap, path integrals and loops over shuffles."""

from __future__ import annotations

import numpy as np
import pytest
import shap
from scipy.special import expit
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from cuelens.probe.folds import nested_folds
from cuelens.probe.ranking import IMPORTANCES, importance_of
from cuelens.probe.ridge import NestedRidge

SPEAKERS = np.repeat([f"s{i}" for i in range(6)], 12)
PENALTY = np.array([3.0, 300.0])


@pytest.fixture
def fitted():
    """An outer fold, its training rows, and two classes to tell."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((72, 9)) * 10.0 ** rng.uniform(-2, 2, 9)
    z = x / x.std(axis=0)
    targets = np.stack([z[:, 0] - z[:, 1] > 0.3, z[:, 2] + z[:, 3] > 1], axis=1).astype(float)
    fold = nested_folds(SPEAKERS)[0]
    ridge = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner).on()
    return ridge, x[fold.train], targets[fold.train], fold


def models(x, targets):
    scaler = StandardScaler().fit(x)
    z = scaler.transform(x)
    return z, [
        SklearnRidge(alpha=alpha).fit(z, target)
        for alpha, target in zip(PENALTY, targets.T, strict=True)
    ]


@pytest.mark.parametrize("is_class", [True, False])
def test_shap_equals_the_linear_explainer(fitted, is_class):
    ridge, x, targets, _ = fitted
    z, regressions = models(x, targets)
    expected = np.mean(
        [
            np.abs(
                shap.LinearExplainer(
                    model, shap.maskers.Independent(z, max_samples=len(z))
                ).shap_values(z)
            ).mean(axis=0)
            for model in regressions
        ],
        axis=0,
    )
    found = importance_of("shap", ridge, targets, penalty=PENALTY, is_class=is_class)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_integrated_gradients_equal_the_path_integral(fitted):
    ridge, x, targets, _ = fitted
    z, regressions = models(x, targets)
    path = (np.arange(4000) + 0.5) / 4000
    expected = np.zeros(z.shape[1])
    for k, model in enumerate(regressions):
        # log-odds: the decision over pi (1 - pi)(1 - R2), which is the mean squared residual
        slope = model.coef_ / ((targets[:, k] - model.predict(z)) ** 2).mean()
        p = expit(path[:, None] * (z @ slope)[None, :])
        gradient = (p * (1 - p)).mean(axis=0)[:, None] * slope  # mean over the path from 0 to z
        expected += np.abs(z * gradient).mean(axis=0) / len(regressions)
    found = importance_of("integrated_gradients", ridge, targets, penalty=PENALTY, is_class=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_integrated_gradients_of_values_are_those_of_shap(fitted):
    ridge, _, targets, _ = fitted
    found = [
        importance_of(method, ridge, targets, penalty=PENALTY, is_class=False)
        for method in IMPORTANCES
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_permutation_equals_a_loop_on_speakers_left_out(fitted):
    ridge, x, targets, fold = fitted
    expected = np.zeros(x.shape[1])
    for k, part in enumerate(fold.inner):
        kept = np.delete(np.arange(len(x)), part)
        scaler = StandardScaler().fit(x[kept])
        z = scaler.transform(x[part])
        for column in range(2):
            model = SklearnRidge(alpha=PENALTY[column]).fit(
                scaler.transform(x[kept]), targets[kept, column]
            )
            truth = targets[part, column]
            area = roc_auc_score(truth, z @ model.coef_)
            rng = np.random.default_rng(k)
            for _ in range(3):
                order = rng.permutation(len(part))
                for j in range(z.shape[1]):
                    changed = z.copy()
                    changed[:, j] = z[order, j]
                    loss = area - roc_auc_score(truth, changed @ model.coef_)
                    expected[j] += loss / 3 / 2 / len(fold.inner)
    found = importance_of("permutation", ridge, targets, penalty=PENALTY, is_class=True)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("method", IMPORTANCES)
def test_what_decides_comes_first(fitted, method):
    ridge, _, targets, _ = fitted
    found = importance_of(method, ridge, targets, penalty=np.ones(2), is_class=True)
    assert set(np.argsort(-found)[:4]) == {0, 1, 2, 3}


@pytest.mark.parametrize("method", IMPORTANCES)
def test_scale_and_offset_of_a_dimension_do_not_matter(fitted, method):
    _, x, targets, fold = fitted
    rows = np.concatenate([x, x[:1]])
    inner = fold.inner

    def importance(values):
        ridge = NestedRidge(values, train=np.arange(len(x)), test=np.array([len(x)]), inner=inner)
        return importance_of(method, ridge.on(), targets, penalty=PENALTY, is_class=True)

    np.testing.assert_allclose(
        importance(rows * 10.0 ** np.arange(-4, 5) + 7), importance(rows), atol=1e-9
    )
