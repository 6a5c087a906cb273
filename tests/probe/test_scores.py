"""Decisions and scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression
from sklearn.metrics import balanced_accuracy_score, r2_score, recall_score, roc_auc_score

from cuelens.probe.scores import SCORES, confusion, counts, decision_scale, uar
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


def test_above_the_share_is_the_decision_of_discriminant_analysis_with_equal_priors():
    """Regression on 1 and 0 and discriminant analysis give the same direction; for clips spread
    alike in both classes the ratio passes 1 where the mean of all clips is, which is halfway only
    if the classes are of equal size."""
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    x = rng.standard_normal((400, 3)) + labels[:, None]
    targets = labels[:, None].astype(float)
    predicted = LinearRegression().fit(x, targets).predict(x)
    ratio = predicted / decision_scale(task_of(targets, "emotion"), targets)
    lda = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(x, labels)
    np.testing.assert_array_equal(ratio[:, 0] > 1, lda.predict(x) == 1)


def test_values_are_not_scaled():
    assert decision_scale(task_of(np.ones((4, 1)), "value"), np.ones((4, 1))) == 1.0


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
