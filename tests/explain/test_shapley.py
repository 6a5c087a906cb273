from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens.explain.shapley import (
    all_coalitions,
    exact_interactions,
    exact_shapley,
    permutation_coalitions,
    sampled_shapley,
)


def table(n_units: int, n_labels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((2**n_units, n_labels))


def over_permutations(outputs: np.ndarray) -> np.ndarray:
    """The definition: the mean over all orders of what a unit adds when it enters."""
    n_units = len(outputs).bit_length() - 1
    total = np.zeros((outputs.shape[1], n_units))
    orders = list(permutations(range(n_units)))
    for order in orders:
        row = 0
        for unit in order:
            total[:, unit] += outputs[row | 1 << unit] - outputs[row]
            row |= 1 << unit
    return total / len(orders)


@pytest.mark.parametrize("n_units", [2, 3, 4, 5])
def test_equal_to_brute_force_over_permutations(n_units):
    outputs = table(n_units)
    np.testing.assert_allclose(exact_shapley(outputs), over_permutations(outputs), atol=1e-12)


def test_equal_to_the_shap_package():
    outputs = table(8)

    def function(keep):
        return outputs[(keep > 0.5).astype(int) @ (1 << np.arange(8))]

    explainer = shap.explainers.Exact(function, np.zeros((1, 8)))
    expected = explainer(np.ones((1, 8))).values[0].T
    np.testing.assert_allclose(exact_shapley(outputs), expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(n_units=st.integers(2, 8), seed=st.integers(0, 1000))
def test_values_add_up_and_follow_their_units(n_units, seed):
    outputs = table(n_units, seed=seed)
    values = exact_shapley(outputs)
    np.testing.assert_allclose(values.sum(axis=1), outputs[-1] - outputs[0], atol=1e-12)
    order = np.random.default_rng(seed).permutation(n_units)
    keep = all_coalitions(n_units)
    renamed = np.empty_like(outputs)
    renamed[keep[:, order] @ (1 << np.arange(n_units))] = outputs
    np.testing.assert_allclose(exact_shapley(renamed), values[:, order], atol=1e-12)


def test_additive_game_in_closed_form():
    gains = np.array([0.3, -0.2, 0.0, 0.5])
    outputs = (0.1 + all_coalitions(4) @ gains)[:, None]
    np.testing.assert_allclose(exact_shapley(outputs)[0], gains, atol=1e-15)
    np.testing.assert_allclose(exact_interactions(outputs)[0], 0.0, atol=1e-15)


def test_interactions_in_closed_form():
    keep = all_coalitions(4)
    outputs = (keep[:, 0] & keep[:, 2]).astype(float)[:, None]  # only together
    index = exact_interactions(outputs)[0]
    expected = np.zeros((4, 4))
    expected[0, 2] = expected[2, 0] = 1.0
    np.testing.assert_allclose(index, expected, atol=1e-15)


def test_interactions_equal_to_shapiq():
    shapiq = pytest.importorskip("shapiq")
    outputs = table(6, n_labels=1)

    def game(keep):
        return outputs[np.asarray(keep).astype(int) @ (1 << np.arange(6)), 0]

    exact = shapiq.ExactComputer(n_players=6, game=game)
    values = exact(index="SII", order=2)
    found = exact_interactions(outputs)[0]
    for i in range(6):
        for j in range(i + 1, 6):
            assert found[i, j] == pytest.approx(float(values[(i, j)]), abs=1e-10)


def test_permutations_hold_the_first_k_units_of_each_order():
    keep, orders = permutation_coalitions(5, n_pairs=3, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(orders[1::2], orders[::2, ::-1])
    for row, order in zip(keep, orders, strict=True):
        for k in range(6):
            assert set(np.flatnonzero(row[k])) == set(order[:k].tolist())


def sampled(outputs: np.ndarray, n_pairs: int, seed: int):
    n_units = len(outputs).bit_length() - 1
    keep, orders = permutation_coalitions(n_units, n_pairs=n_pairs, rng=np.random.default_rng(seed))
    return sampled_shapley(outputs[keep @ (1 << np.arange(n_units))], orders)


@given(n_pairs=st.integers(2, 20), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_sampled_values_add_up_however_few(n_pairs, seed):
    outputs = table(6, seed=seed)
    values, low, high = sampled(outputs, n_pairs, seed)
    np.testing.assert_allclose(values.sum(axis=1), outputs[-1] - outputs[0], atol=1e-12)
    assert (low <= values).all()
    assert (values <= high).all()


@pytest.mark.parametrize("n_pairs", [8, 20, 50])
def test_intervals_cover_the_exact_value(n_pairs):
    """500 games of ten units, of which every combination is known."""
    covered = []
    for seed in range(500):
        outputs = table(10, n_labels=1, seed=seed)
        _, low, high = sampled(outputs, n_pairs, seed)
        exact = exact_shapley(outputs)
        covered.append((low <= exact) & (exact <= high))
    assert 0.93 <= np.mean(covered) <= 0.97


def test_a_unit_that_matters_in_few_orders_is_not_called_certain():
    """Units 0 to 4 count only all together: most orders never show what each is worth."""
    keep = all_coalitions(8)
    outputs = (keep[:, :5].all(axis=1) + 0.3 * keep[:, 6]).astype(float)[:, None]
    exact = exact_shapley(outputs)
    covered = []
    for seed in range(300):
        _, low, high = sampled(outputs, 8, seed)
        covered.append(((low <= exact + 1e-12) & (exact <= high + 1e-12))[0, :5])
    assert np.mean(covered) >= 0.93


def test_sampled_values_converge():
    outputs = table(6, n_labels=1)
    exact = exact_shapley(outputs)
    far = np.abs(sampled(outputs, 10, 0)[0] - exact).max()
    near = np.abs(sampled(outputs, 4000, 0)[0] - exact).max()
    assert near < 0.2 * far
    assert near < 0.01
