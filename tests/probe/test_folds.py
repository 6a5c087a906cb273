"""Splits by speaker, standardising by speaker, shuffling within speakers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cuelens.errors import InputError
from cuelens.probe.folds import (
    nested_folds,
    shuffled_within_speakers,
    sums_by_speaker,
    z_scores_by_speaker,
)


@st.composite
def speakers_of_clips(draw):
    """4 to 14 speakers with 1 to 9 clips, in any order."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=4, max_size=14))
    names = np.repeat([f"voice {i}" for i in range(len(sizes))], sizes)
    return names[draw(st.permutations(range(len(names))))]


@given(speakers=speakers_of_clips(), share=st.one_of(st.none(), st.floats(0, 1)))
@settings(deadline=None, max_examples=60)
def test_no_speaker_is_on_two_sides_and_every_row_is_tested_once(speakers, share):
    n_speakers = len(np.unique(speakers))
    n_folds = None if share is None else 2 + round(share * (n_speakers - 2))
    try:
        folds = nested_folds(speakers, n_folds)
    except (InputError, ValueError):
        assume(n_folds is None)  # few folds may leave too few speakers to learn from
        raise
    if n_folds is None:
        n_folds = n_speakers if n_speakers <= 10 else 5
    assert len(folds) == n_folds
    tested = np.concatenate([fold.test for fold in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(speakers)))
    for train, test, inner in folds:
        assert not set(speakers[train]) & set(speakers[test])
        np.testing.assert_array_equal(np.sort([*train, *test]), np.arange(len(speakers)))
        np.testing.assert_array_equal(np.sort(np.concatenate(inner)), np.arange(len(train)))
        assert len(inner) == min(4, len(set(speakers[train])))
        left = speakers[train]
        for i, part in enumerate(inner):
            for other in inner[i + 1 :]:
                assert not set(left[part]) & set(left[other])


def test_each_speaker_is_left_out_alone_up_to_ten():
    speakers = np.repeat([f"s{i}" for i in range(10)], 3)
    assert all(len(set(speakers[fold.test])) == 1 for fold in nested_folds(speakers))
    assert len(nested_folds(np.repeat([f"s{i:02d}" for i in range(11)], 3))) == 5


def test_three_speakers_are_too_few():
    with pytest.raises(InputError, match=r"3 speakers \(a, b, c\); expected at least 4"):
        nested_folds(np.array(["a", "b", "c", "a"]))


@pytest.mark.parametrize("n_folds", [1, 6])
def test_number_of_folds_out_of_range(n_folds):
    speakers = np.repeat(list("abcde"), 2)
    with pytest.raises(InputError, match=f"n_folds is {n_folds}; expected 2 to 5"):
        nested_folds(speakers, n_folds)


@pytest.mark.parametrize(("n_speakers", "n_folds"), [(4, 2), (4, 3), (5, 2)])
def test_at_least_three_speakers_are_left_to_learn_from(n_speakers, n_folds):
    speakers = np.repeat([f"s{i}" for i in range(n_speakers)], 4)
    try:
        folds = nested_folds(speakers, n_folds)
    except InputError:
        return
    assert all(len(set(speakers[fold.train])) >= 3 for fold in folds)


def test_z_scores_by_hand():
    speakers = np.array(["a", "b", "a", "b", "a", "c"])
    values = np.array([[1.0, 7], [10, 5], [2, 7], [30, 5], [3, 7], [4, 4]])
    third = np.sqrt(1.5)  # of 1, 2, 3: deviation sqrt(2/3)
    expected = np.array([[-third, 0], [-1, 0], [0, 0], [1, 0], [third, 0], [0, 0]])
    before = values.copy()
    np.testing.assert_allclose(z_scores_by_speaker(values, speakers), expected, atol=1e-10)
    np.testing.assert_array_equal(values, before)


def test_z_scores_of_float32_are_taken_in_float64():
    rng = np.random.default_rng(0)
    values = (1e4 + rng.standard_normal((30, 2))).astype(np.float32)
    scored = z_scores_by_speaker(values, np.repeat(["a", "b"], 15))
    assert scored.dtype == np.float64
    np.testing.assert_allclose(scored[:15].mean(axis=0), 0, atol=1e-10)


@given(
    values=hnp.arrays(np.float64, (12, 3), elements=st.floats(-1e3, 1e3)),
    gains=hnp.arrays(np.float64, 3, elements=st.floats(0.5, 100)),
    offset=st.floats(-100, 100),
)
@settings(deadline=None, max_examples=40)
def test_a_louder_or_higher_voice_has_the_same_z_scores(values, gains, offset):
    speakers = np.repeat(["a", "b", "c"], 4)
    values = np.round(values, 1)
    changed = values * np.repeat(gains, 4)[:, None] + offset
    np.testing.assert_allclose(
        z_scores_by_speaker(changed, speakers), z_scores_by_speaker(values, speakers), atol=1e-7
    )


@given(speakers=speakers_of_clips(), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_shuffles_stay_within_speakers(speakers, seed):
    order = shuffled_within_speakers(speakers, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(order), np.arange(len(speakers)))
    np.testing.assert_array_equal(speakers[order], speakers)


def test_every_order_within_a_speaker_is_as_likely():
    speakers = np.array(["b", "a", "a", "a", "b"])
    rng = np.random.default_rng(0)
    orders = [tuple(shuffled_within_speakers(speakers, rng)) for _ in range(2400)]
    seen = {order: orders.count(order) for order in set(orders)}
    assert len(seen) == 12  # 3! times 2!
    assert min(seen.values()) > 150  # 200 expected, standard deviation 13.5
    assert max(seen.values()) < 250


def test_sums_by_speaker_by_hand():
    speakers = np.array(["z", "a", "z", "m"])
    values = np.array([[1, 2], [3, 4], [5, 6], [7, 8]])
    np.testing.assert_array_equal(sums_by_speaker(values, speakers), [[3, 4], [7, 8], [6, 8]])


@given(speakers=speakers_of_clips())
@settings(deadline=None, max_examples=30)
def test_sums_by_speaker_equal_a_loop(speakers):
    values = np.random.default_rng(0).standard_normal((len(speakers), 2, 3))
    slow = np.stack([values[speakers == name].sum(axis=0) for name in sorted(set(speakers))])
    np.testing.assert_allclose(sums_by_speaker(values, speakers), slow, atol=1e-10)
