from __future__ import annotations

import warnings

import numpy as np
import pytest

from cuelens import CallableModel, CuelensWarning, InputError
from cuelens.models.batching import (
    answer_and_compare,
    compare_batching,
    in_batches,
    relative_difference,
)
from cuelens.testing import noise

CLIPS = [noise(duration_s=0.1 + 0.05 * k, seed=k) for k in range(4)]


class Thing:
    name = "thing"


class Half(Thing):
    batch_tolerance = 1e-2


def energies(waveforms):
    """Alone and together the same."""
    return np.array([[w @ w, 1.0] for w in waveforms])


def padded(waveforms):
    """Means over a clip padded to the longest."""
    longest = max(map(len, waveforms))
    return np.array([[(w @ w) / longest, 1.0] for w in waveforms])


def test_relative_difference():
    assert relative_difference(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]])) == 0.5
    assert relative_difference(np.zeros((2, 2)), np.zeros((2, 2))) == 0.0
    assert relative_difference(np.zeros((0, 2)), np.zeros((0, 2))) == 0.0


def test_batches_hold_equal_lengths_and_keep_the_order():
    rng = np.random.default_rng(0)
    waveforms = [np.full(rng.integers(1, 4) * 100, k, np.float32) for k in range(30)]
    seen = []

    def answer(some):
        seen.append([len(w) for w in some])
        return np.array([[w[0], len(w)] for w in some])

    found = in_batches(waveforms, answer, n_labels=2, batch_samples=500)
    np.testing.assert_array_equal(found, [[k, len(w)] for k, w in enumerate(waveforms)])
    assert all(len(set(lengths)) == 1 for lengths in seen)
    assert all(sum(lengths) <= 500 for lengths in seen)
    assert len(seen) < len(waveforms)
    seen.clear()
    found = in_batches(waveforms, answer, n_labels=2, batch_samples=10_000, padded=True)
    np.testing.assert_array_equal(found, [[k, len(w)] for k, w in enumerate(waveforms)])
    assert len(seen) == 1
    assert in_batches([], answer, n_labels=2, batch_samples=1).shape == (0, 2)


def test_what_is_measured_is_the_difference():
    found = compare_batching(Thing(), padded, CLIPS)
    alone = np.concatenate([padded([clip]) for clip in CLIPS])
    np.testing.assert_array_equal(found.alone, alone)
    expected = np.abs(padded(CLIPS) - alone).max() / np.abs(alone).max()
    assert found.in_batch == pytest.approx(expected)
    assert found.again == 0.0
    assert found.differs
    assert not compare_batching(Thing(), energies, CLIPS).differs


def test_first_use_warns_and_later_ones_do_not():
    thing = Thing()
    answer_and_compare(thing, padded, CLIPS[:1])  # nothing to compare yet
    answer_and_compare(thing, padded, [CLIPS[0], CLIPS[0].copy()])
    with pytest.warns(
        CuelensWarning, match=r"thing answers a clip .* batch of 4 than alone"
    ) as seen:
        answers = answer_and_compare(thing, padded, CLIPS)
    assert "\n" not in str(seen[0].message)
    np.testing.assert_array_equal(answers, padded(CLIPS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer_and_compare(thing, padded, CLIPS)


def test_a_comparison_costs_two_waveforms_and_comes_once():
    asked = []

    def count(waveforms):
        asked.append(len(waveforms))
        return energies(waveforms)

    thing = Thing()
    for _ in range(3):
        answer_and_compare(thing, count, CLIPS)
    assert asked == [4, 1, 1, 4, 4]


def test_who_said_that_padding_is_masked_gets_an_error():
    thing = Thing()
    equal = [CLIPS[0], 2 * CLIPS[0]]
    answer_and_compare(thing, padded, equal, padded=padded)  # says nothing of padding
    with pytest.raises(InputError, match=r"expected at most 0\.0001 of a model that masks padding"):
        answer_and_compare(thing, padded, CLIPS, padded=padded)


def test_two_lengths_are_padded_together_whatever_the_batches_are():
    """The shortest clip's own batch holds its length only, so nothing of it is padded there."""
    clips = [noise(duration_s=d, seed=k) for k, d in enumerate([0.1, 0.1, 0.3, 0.3])]

    def answer(some):
        return in_batches(some, padded, n_labels=2, batch_samples=9600, padded=True)

    np.testing.assert_array_equal(answer(clips), energies_of_means(clips))
    with pytest.raises(InputError, match="padded to a longer one than alone"):
        answer_and_compare(Thing(), answer, clips, padded=padded)
    assert answer_and_compare(Thing(), answer, clips, padded=energies_of_means).shape == (4, 2)


def energies_of_means(waveforms):
    """What `padded` answers to each clip alone."""
    return np.concatenate([padded([w]) for w in waveforms])


def test_who_compares_does_not_dismiss_what_was_said_of_padding():
    class Masks(Thing):
        masks_padding = True

    masks = Masks()
    compare_batching(masks, padded, CLIPS)
    with pytest.raises(InputError, match="masks padding"):
        answer_and_compare(masks, padded, CLIPS, padded=padded)
    thing = Thing()
    compare_batching(thing, padded, CLIPS)
    answer_and_compare(thing, padded, CLIPS)  # told already


def test_what_is_padded_counts():
    seen = []

    def answer(some):
        seen.append(len(some))
        return np.zeros((len(some), 1))

    clips = [np.ones(100, np.float32)] * 7
    in_batches(clips, answer, n_labels=1, batch_samples=3000, padded_to=1000)
    assert seen == [3, 3, 1]
    seen.clear()
    in_batches(clips, answer, n_labels=1, batch_samples=3000)
    assert seen == [7]


def test_tolerance():
    def off_by(share):
        return lambda ws: np.array([[1.0 + share * (len(ws) > 1), 0.5] for _ in ws])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer_and_compare(Thing(), off_by(0.9e-4), CLIPS)
        answer_and_compare(Half(), off_by(0.9e-2), CLIPS)
    with pytest.warns(CuelensWarning, match="by 0.00011 of the largest"):
        answer_and_compare(Thing(), off_by(1.1e-4), CLIPS)
    with pytest.warns(CuelensWarning, match=r"by 0\.011 of the largest .* at most 0\.01:"):
        answer_and_compare(Half(), off_by(1.1e-2), CLIPS)
    assert not compare_batching(Half(), off_by(0.9e-2), CLIPS).differs
    assert compare_batching(Half(), off_by(1.1e-2), CLIPS).differs
    assert compare_batching(Thing(), off_by(0.9e-2), CLIPS).differs


def test_chance_is_told_from_batching():
    rng = np.random.default_rng(0)

    def dropout(waveforms):
        return energies(waveforms) + rng.normal(size=(len(waveforms), 2))

    with pytest.warns(CuelensWarning, match="differently when asked again"):
        answer_and_compare(Thing(), dropout, CLIPS)


def test_answers_that_are_no_table_are_left_to_those_who_check_them():
    for answer in (lambda w: np.zeros(3), lambda w: np.array(["a"] * len(w))):
        answer_and_compare(Thing(), answer, CLIPS)
    answer_and_compare(Thing(), lambda w: np.full((len(w), 2), np.nan), CLIPS)


def test_callables_are_compared():
    model = CallableModel(function=padded, labels=("a", "b"), name="mine")
    with pytest.warns(CuelensWarning, match="mine answers a clip differently in a batch"):
        model.predict_proba(CLIPS)
