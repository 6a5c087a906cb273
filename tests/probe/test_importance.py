from __future__ import annotations

import itertools

import numpy as np
import pytest
import shap
import torch
from captum.attr import IntegratedGradients
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cuelens.errors import InputError
from cuelens.probe.importance import (
    integrated_gradients,
    mean_absolute_shap,
    permutation_importance,
    ranking_stability,
    shap_values,
)

N_ROWS, N_DIMENSIONS = 60, 7


@pytest.fixture
def classifier():
    """Rows, labels, and the weights and intercept fitted to them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N_ROWS, N_DIMENSIONS)) + rng.standard_normal(N_DIMENSIONS)
    labels = (x[:, 0] - x[:, 1] + rng.standard_normal(N_ROWS) > 0).astype(int)
    return x, labels, LogisticRegression().fit(x, labels)


def test_shap_values_equal_those_of_shap(classifier):
    x, _, model = classifier
    background = np.random.default_rng(1).standard_normal((20, N_DIMENSIONS))
    explainer = shap.LinearExplainer(model, shap.maskers.Independent(background))
    ours = shap_values(x, model.coef_[0], background=background)
    np.testing.assert_allclose(ours, explainer(x).values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        mean_absolute_shap(x, model.coef_[0], background=background),
        np.abs(explainer(x).values).mean(axis=0),
        atol=1e-12,
    )


def test_shap_values_equal_those_from_all_coalitions():
    """Shapley's formula, dimension by dimension, absent ones averaged over the background."""
    rng = np.random.default_rng(2)
    x, background, weights = rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=3)

    def value(present):
        versions = background.copy()
        versions[:, list(present)] = x[list(present)]
        return (versions @ weights).mean()

    slow = np.zeros(3)
    for order in itertools.permutations(range(3)):
        for position, dimension in enumerate(order):
            before = order[:position]
            slow[dimension] += (value((*before, dimension)) - value(before)) / 6
    np.testing.assert_allclose(shap_values(x[None], weights, background=background)[0], slow)


def test_integrated_gradients_equal_the_integral_along_the_path(classifier):
    x, _, model = classifier
    weights, intercept = model.coef_[0], float(model.intercept_[0])
    baseline = np.linspace(-1, 1, N_DIMENSIONS)
    points, share = np.polynomial.legendre.leggauss(60)  # exact far beyond 1e-10 here
    slow = np.zeros_like(x)
    for point, weight in zip((points + 1) / 2, share / 2, strict=True):
        probability = expit((baseline + point * (x - baseline)) @ weights + intercept)
        slow += weight * (probability * (1 - probability))[:, None] * weights * (x - baseline)
    ours = integrated_gradients(x, weights, intercept=intercept, baseline=baseline)
    np.testing.assert_allclose(ours, slow, rtol=1e-9, atol=1e-13)


def test_integrated_gradients_equal_those_of_captum(classifier):
    x, _, model = classifier
    linear = torch.nn.Linear(N_DIMENSIONS, 1).double()
    linear.weight.data = torch.from_numpy(model.coef_)
    linear.bias.data = torch.from_numpy(model.intercept_)
    baseline = np.linspace(-1, 1, N_DIMENSIONS)
    theirs = IntegratedGradients(torch.nn.Sequential(linear, torch.nn.Sigmoid())).attribute(
        torch.from_numpy(x), torch.from_numpy(baseline)[None], n_steps=100
    )
    ours = integrated_gradients(
        x, model.coef_[0], intercept=float(model.intercept_[0]), baseline=baseline
    )
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_integrated_gradients_of_the_decision_value_are_shap_values(classifier):
    x, _, model = classifier
    ours = integrated_gradients(
        x, model.coef_[0], intercept=3.0, baseline=x.mean(axis=0), link="identity"
    )
    np.testing.assert_allclose(ours, shap_values(x, model.coef_[0], background=x), atol=1e-14)


@settings(max_examples=200)
@given(
    start=st.floats(-60, 60),
    step=st.one_of(st.floats(-80, 80), st.floats(-1e-6, 1e-6), st.just(0.0)),
)
def test_integrated_gradients_add_up_to_the_difference(start, step):
    """Also where both decision values are close, equal, or far out in the same tail."""
    found = integrated_gradients(
        np.array([[step, 0.0]]), np.ones(2), intercept=start, baseline=np.zeros(2)
    )
    end = start + step
    sign = -1 if start + end > 0 else 1  # the difference of the small tails keeps its digits
    expected = sign * (expit(sign * end) - expit(sign * start))
    tail = max(expit(-abs(start)), expit(-abs(end)))
    assert found.sum() == pytest.approx(expected, rel=1e-9, abs=1e-13 * tail)
    assert found[0, 1] == 0


@pytest.mark.parametrize("start", [-40.0, -3.0, 0.0, 2.0, 40.0])
def test_the_slope_is_the_derivative_where_both_decision_values_are_equal(start):
    """Two dimensions that cancel: each has its own share, and they add up to nothing."""
    found = integrated_gradients(
        np.array([[2.0, -2.0]]), np.ones(2), intercept=start, baseline=np.zeros(2)
    )
    slope = expit(start) * expit(-start)
    np.testing.assert_allclose(found, [[2 * slope, -2 * slope]], rtol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_permutation_importance_equals_the_slow_loop(classifier, ties):
    x, labels, model = classifier
    if ties:
        x = np.round(x)
        model = LogisticRegression().fit(x, labels)
    ours = permutation_importance(x, model.coef_[0], labels=labels, n_repeats=4, seed=5)
    rng = np.random.default_rng(5)
    area = roc_auc_score(labels, model.decision_function(x))
    for repeat in range(4):
        order = rng.permutation(N_ROWS)
        for dimension in range(N_DIMENSIONS):
            shuffled = x.copy()
            shuffled[:, dimension] = x[order, dimension]
            loss = area - roc_auc_score(labels, model.decision_function(shuffled))
            assert ours[repeat, dimension] == pytest.approx(loss, abs=1e-12)
    again = permutation_importance(x, model.coef_[0], labels=labels, n_repeats=4, seed=5)
    assert ours.tobytes() == again.tobytes()


def test_permuting_what_has_no_weight_loses_nothing():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 3))
    labels = (x[:, 0] > 0).astype(int)
    losses = permutation_importance(x, np.array([1.0, 0.0, 0.0]), labels=labels, n_repeats=20)
    np.testing.assert_array_equal(losses[:, 1:], 0)
    assert losses[:, 0].mean() == pytest.approx(0.5, abs=0.05)  # all of it, down to chance


def test_stability_of_three_folds_by_hand():
    """Pairs agree on 6, 5 and 5 of 6 pairs of dimensions: tau 1, 2/3 and 2/3."""
    folds = np.array([[4.0, 3, 2, 1], [40, 30, 20, 10], [4, 3, 1, 2]])
    found = ranking_stability(folds, n_top=3)
    assert found.n_pairs == 3
    assert found.kendall_tau == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert found.top_overlap == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert found.chance_overlap == 0.75
    assert ranking_stability(-folds, n_top=1).top_overlap == pytest.approx(1 / 3)


def test_random_rankings_overlap_as_expected_by_chance():
    found = ranking_stability(np.random.default_rng(4).random((40, 50)), n_top=10)
    assert found.chance_overlap == 0.2
    assert found.top_overlap == pytest.approx(0.2, abs=0.02)
    assert found.kendall_tau == pytest.approx(0.0, abs=0.02)


def test_a_fold_that_ranks_nothing_has_no_tau():
    found = ranking_stability(np.array([[1.0, 1, 1], [3, 2, 1]]), n_top=1)
    assert np.isnan(found.kendall_tau)
    assert found.top_overlap == 1


def test_what_does_not_fit_is_refused(classifier):
    x, labels, model = classifier
    weights = model.coef_[0]
    with pytest.raises(InputError, match=r"x has shape \(60, 7\) and weights \(6,\)"):
        shap_values(x, weights[1:], background=x)
    with pytest.raises(InputError, match=r"background has shape \(60, 6\)"):
        shap_values(x, weights, background=x[:, 1:])
    with pytest.raises(InputError, match="background has no rows"):
        shap_values(x, weights, background=x[:0])
    with pytest.raises(InputError, match="x has no rows"):
        mean_absolute_shap(x[:0], weights, background=x)
    with pytest.raises(InputError, match=r"baseline has shape \(6,\); expected \(7,\)"):
        integrated_gradients(x, weights, intercept=0.0, baseline=x[0, 1:])
    with pytest.raises(InputError, match="link is 'logit'; expected one of probability, identity"):
        integrated_gradients(x, weights, intercept=0.0, baseline=x[0], link="logit")
    with pytest.raises(InputError, match=r"labels have shape \(59,\)"):
        permutation_importance(x, weights, labels=labels[1:])
    with pytest.raises(InputError, match=r"values \[1\]; expected 60 of them, some 0 and some 1"):
        permutation_importance(x, weights, labels=np.ones(60, dtype=int))
    with pytest.raises(InputError, match="n_repeats is 0"):
        permutation_importance(x, weights, labels=labels, n_repeats=0)
    with pytest.raises(InputError, match="at least two folds"):
        ranking_stability(weights[None], n_top=1)
    with pytest.raises(InputError, match="missing or infinite values"):
        ranking_stability(np.array([[np.nan, 1], [1, 2]]), n_top=1)
    with pytest.raises(InputError, match="n_top is 8; expected 1 to 7"):
        ranking_stability(x, n_top=8)
