"""The shared decompositions against scikit-learn, one fold, target and penalty at a time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler

from cuelens.probe.folds import nested_folds, z_scores_by_speaker
from cuelens.probe.ridge import PENALTIES, NestedRidge

SPEAKERS = np.repeat([f"s{i}" for i in range(6)], [14, 9, 12, 15, 10, 12])
N = len(SPEAKERS)
SOME_PENALTIES = (0.1, 10.0, 1e3, 1e6)


def fitted(x, y, penalty):
    scaler = StandardScaler().fit(x)
    return scaler, SklearnRidge(alpha=penalty, solver="svd").fit(scaler.transform(x), y)


def slow(x, y, fold, penalties=SOME_PENALTIES):
    """Predictions, penalties and weights by loops."""
    train_x, train_y = x[fold.train], y[fold.train]
    errors = np.zeros((len(penalties), y.shape[1]))
    for part in fold.inner:
        kept = np.delete(np.arange(len(train_x)), part)
        for i, penalty in enumerate(penalties):
            scaler, model = fitted(train_x[kept], train_y[kept], penalty)
            off = model.predict(scaler.transform(train_x[part])) - train_y[part]
            errors[i] += (off**2).sum(axis=0)
    chosen = np.array(penalties)[errors.argmin(axis=0)]
    predictions, weights = [], []
    for target, penalty in zip(train_y.T, chosen, strict=True):
        scaler, model = fitted(train_x, target, penalty)
        predictions.append(model.predict(scaler.transform(x[fold.test])))
        weights.append(model.coef_)
    return np.stack(predictions, axis=1), chosen, np.stack(weights, axis=1)


def inputs(case, n_dimensions, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, n_dimensions)) @ rng.standard_normal((n_dimensions, n_dimensions))
    if case == "constant":
        x[:, [0, 3]] = 3.3
    elif case == "nearly constant":
        x[:, 1] = 1.0 + 1e-7 * rng.standard_normal(N)
    elif case == "rounding only":  # would be noise of huge weight if it were standardised
        x[:, 1] = 0.1 * np.where(rng.random(N) < 0.5, 3.0, 3.0 * (1 + 2e-16))
    elif case == "scales":
        x *= 10.0 ** rng.uniform(-8, 8, n_dimensions)
    elif case == "offset":
        x += 1e4
    elif case == "one speaker only":
        x[:, 2] = np.where(SPEAKERS == "s3", x[:, 2], 0.0)
    elif case == "copies":
        x[:, 1] = x[:, 0]
    y = x[:, -4:] / x[:, -4:].std(axis=0) + rng.standard_normal((N, 4))
    y[:, 3] = rng.standard_normal(N)  # nothing to find: the largest penalty
    return x, y


CASES = (
    *("plain", "constant", "nearly constant", "rounding only", "scales", "offset"),
    *("one speaker only", "copies"),
)


@pytest.mark.parametrize("n_dimensions", [12, 110])
@pytest.mark.parametrize("case", CASES)
def test_equals_scikit_learn(case, n_dimensions):
    x, y = inputs(case, n_dimensions)
    for fold in nested_folds(SPEAKERS)[:2]:
        ridge = NestedRidge(
            x, train=fold.train, test=fold.test, inner=fold.inner, penalties=SOME_PENALTIES
        ).on()
        predictions, chosen, weights = slow(x, y, fold)
        np.testing.assert_array_equal(ridge.choose(y[fold.train]), chosen)
        np.testing.assert_allclose(ridge.predict(y[fold.train]), predictions, atol=1e-8, rtol=0)
        found = ridge.weights(y[fold.train], chosen)
        constant = x[fold.train].std(axis=0) <= 1e-12 * np.abs(x[fold.train]).max(axis=0)
        np.testing.assert_allclose(found[~constant], weights[~constant], atol=1e-8, rtol=0)
        np.testing.assert_allclose(found[constant], 0.0, atol=1e-10)
    assert len(set(chosen)) > 1  # the comparison saw more than one penalty


@pytest.mark.parametrize("n_dimensions", [40, 110])
@pytest.mark.parametrize("size", [1, 7, 35])
def test_a_set_of_dimensions_equals_a_ridge_of_those_columns(n_dimensions, size):
    x, y = inputs("plain", n_dimensions)
    dimensions = np.random.default_rng(1).permutation(n_dimensions)[:size]
    fold = nested_folds(SPEAKERS)[1]
    nested = NestedRidge(
        x, train=fold.train, test=fold.test, inner=fold.inner, penalties=SOME_PENALTIES
    )
    predictions, chosen, _ = slow(x[:, dimensions], y, fold)
    part = nested.on(dimensions)
    np.testing.assert_array_equal(part.choose(y[fold.train]), chosen)
    np.testing.assert_allclose(part.predict(y[fold.train]), predictions, atol=1e-8, rtol=0)


def test_a_dimension_that_only_one_speaker_moves_away_from_its_value():
    x, y = inputs("plain", 12)
    x[:, 2] = np.where(SPEAKERS == "s3", x[:, 2], 0.1)
    worst = 0.0
    for fold in nested_folds(SPEAKERS):
        ridge = NestedRidge(
            x, train=fold.train, test=fold.test, inner=fold.inner, penalties=SOME_PENALTIES
        ).on()
        predictions, _, _ = slow(x, y, fold)
        worst = max(worst, np.abs(ridge.predict(y[fold.train]) - predictions).max())
    assert worst < 1e-8


@pytest.mark.parametrize("n_dimensions", [30, 110])
def test_predict_on_equals_on_and_predict(n_dimensions):
    x, y = inputs("constant", n_dimensions)
    fold = nested_folds(SPEAKERS)[0]
    nested = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner)
    penalty = np.array([0.1, 1e3, 0.1, 1e6])
    for size in (3, 25, n_dimensions):
        dimensions = np.sort(np.random.default_rng(size).permutation(n_dimensions)[:size])
        np.testing.assert_allclose(
            nested.predict_on(dimensions, y[fold.train], penalty=penalty)[0],
            nested.on(dimensions).predict(y[fold.train], penalty),
            atol=1e-10,
            rtol=0,
        )


@pytest.mark.parametrize(
    "n_dimensions",
    [
        pytest.param(
            30,
        ),
        110,
    ],
)
def test_the_order_of_all_dimensions_does_not_matter(n_dimensions):
    x, y = inputs("plain", n_dimensions)
    fold = nested_folds(SPEAKERS)[0]
    nested = NestedRidge(x, train=fold.train, test=fold.test, inner=fold.inner)
    order = np.random.default_rng(0).permutation(n_dimensions)
    np.testing.assert_allclose(
        nested.on(order).predict(y[fold.train]),
        nested.on().predict(y[fold.train]),
        atol=1e-8,
        rtol=0,
    )


@pytest.mark.parametrize("n_dimensions", [12, 110])
def test_inner_problems_are_outer_folds_of_their_own(n_dimensions):
    x, y = inputs("plain", n_dimensions)
    fold = nested_folds(SPEAKERS)[2]
    nested = NestedRidge(
        x, train=fold.train, test=fold.test, inner=fold.inner, penalties=SOME_PENALTIES
    )
    x_train, y_train = x[fold.train], y[fold.train]
    speakers = SPEAKERS[fold.train]
    seen = []
    for part, rest, problem in nested.inner_problems():
        assert not set(speakers[part]) & set(speakers[rest])
        assert sorted([*part, *rest]) == list(range(len(fold.train)))
        inner = [
            np.flatnonzero(np.isin(rest, other))
            for other in fold.inner
            if not np.array_equal(other, part)
        ]
        predictions, chosen, _ = slow(x_train, y_train, type(fold)(rest, part, inner))
        on_all = problem.on()
        np.testing.assert_array_equal(on_all.choose(y_train[rest]), chosen)
        np.testing.assert_allclose(on_all.predict(y_train[rest]), predictions, atol=1e-8, rtol=0)
        seen += part.tolist()
    assert sorted(seen) == list(range(len(fold.train)))


def test_test_rows_change_no_weight_and_no_penalty():
    x, y = inputs("plain", 12)
    fold = nested_folds(SPEAKERS)[0]
    other = x.copy()
    other[fold.test] = 1e6

    def fit(rows):
        ridge = NestedRidge(rows, train=fold.train, test=fold.test, inner=fold.inner).on()
        chosen = ridge.choose(y[fold.train])
        return chosen, ridge.weights(y[fold.train], chosen)

    for before, after in zip(fit(x), fit(other), strict=True):
        np.testing.assert_array_equal(before, after)


def test_z_scores_of_dimensions_that_few_speakers_move():
    """Zeros for every other speaker, as of a unit that is mostly off."""
    x, y = inputs("plain", 12)
    x[:, 2] = np.where(SPEAKERS == "s3", x[:, 2], 0.1)
    x = z_scores_by_speaker(x, SPEAKERS)
    for fold in nested_folds(SPEAKERS):
        ridge = NestedRidge(
            x, train=fold.train, test=fold.test, inner=fold.inner, penalties=SOME_PENALTIES
        ).on()
        predictions, _, _ = slow(x, y, fold)
        np.testing.assert_allclose(ridge.predict(y[fold.train]), predictions, atol=1e-8, rtol=0)


def test_penalties_are_tried_over_seven_orders():
    np.testing.assert_allclose(PENALTIES, [0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6])
