"""Decisions and scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression
from sklearn.metrics import balanced_accuracy_score, r2_score, recall_score, roc_auc_score

from cuelens.probe.scores import SCORES, confusion, counts, decisions, separation_of, uar
from cuelens.probe.tasks import Task


def task_of(targets, kind):
    return Task(name="t", kind=kind, rows=np.arange(len(targets)), targets=targets)


@pytest.fixture
def told():
    """Truth and predictions of three classes of different size."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=90, p=[0.6, 0.3, 0.1])
    truth = np.eye(3)[labels]
    return labels, truth, 0.3 * truth + truth.mean(axis=0) * rng.uniform(0, 2, (90, 3))


def test_counts_and_confusion(told):
    labels, truth, predicted = told
    decision = predicted / truth.mean(axis=0)
    for k in range(3):
        tally = counts(truth[:, [k]], decision[:, [k]])[:, 0].sum(axis=0)
        taken = decision[:, k] > 1
        assert tally[0] / (tally[0] + tally[1]) == recall_score(labels == k, taken)
        assert tally[3] / (tally[2] + tally[3]) == recall_score(labels != k, ~taken)
    answer = decision.argmax(axis=1)
    assert uar(confusion(truth, decision).sum(axis=0)) == pytest.approx(
        balanced_accuracy_score(labels, answer)
    )


def test_leading_axes_are_kept(told):
    _, truth, predicted = told
    many = np.stack([predicted, -predicted])
    np.testing.assert_array_equal(confusion(truth, many)[1], confusion(truth, -predicted))
    np.testing.assert_array_equal(counts(truth, many)[0], counts(truth, predicted))


def test_a_class_that_is_not_there_does_not_count():
    truth = np.eye(3)[[0, 0, 1]]
    decision = np.eye(3)[[0, 1, 1]]
    assert uar(confusion(truth, decision).sum(axis=0)) == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05])
def test_one_emotion_is_decided_as_by_discriminant_analysis_with_equal_priors(share):
    """Regression on 1 and 0 has the direction of discriminant analysis; the bound is midway."""
    rng = np.random.default_rng(1)
    labels = (np.arange(400) < 400 * share).astype(int)
    x = rng.standard_normal((400, 3)) + labels[:, None]
    targets = labels[:, None].astype(float)
    predicted = LinearRegression().fit(x, targets).predict(x)
    separation = separation_of(predicted, targets)
    of_class = labels == 1
    expected = predicted[of_class].mean() - predicted[~of_class].mean()
    np.testing.assert_allclose(separation, expected)
    decided = decisions(task_of(targets, "emotion"), predicted, targets, separation=separation)
    lda = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(x, labels)
    np.testing.assert_array_equal(decided[:, 0] > 1, lda.predict(x) == 1)


def test_all_emotions_are_compared_to_their_shares_and_values_are_left_alone():
    targets = np.eye(3)[[0, 0, 0, 1, 2]]
    predicted = np.array([[0.5, 0.3, 0.2]])
    none = np.zeros(3)
    decided = decisions(task_of(targets, "all emotions"), predicted, targets, separation=none)
    np.testing.assert_allclose(decided, [[0.5 / 0.6, 0.3 / 0.2, 0.2 / 0.2]])
    same = decisions(task_of(targets, "value"), predicted, targets, separation=none)
    np.testing.assert_array_equal(same, predicted)


def test_inner_scores(told):
    labels, truth, predicted = told
    known = np.eye(3)[np.resize([0, 1, 2], 30)]
    assert SCORES["emotion"](truth[:, [1]], predicted[:, [1]], known) == pytest.approx(
        roc_auc_score(labels == 1, predicted[:, 1])
    )
    assert SCORES["all emotions"](truth, predicted, known) == pytest.approx(
        balanced_accuracy_score(labels, predicted.argmax(axis=1))
    )
    values = np.random.default_rng(2).standard_normal((30, 1))
    off = values + 0.1
    assert SCORES["value"](values, off, values) == pytest.approx(r2_score(values, off))
    assert np.isnan(SCORES["emotion"](np.ones((4, 1)), np.ones((4, 1)), known))
