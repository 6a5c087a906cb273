from __future__ import annotations

import numpy as np
import pytest
from tests.figure_checks import check_figure

from cuelens.models.card import plot_confusion
from cuelens.models.evaluation import HeldOut

NAMES = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


@pytest.mark.parametrize("n_labels", [2, 8, 12])
def test_the_confusion_is_drawn_as_it_is(n_labels):
    labels = tuple(f"{name}{turn or ''}" for turn in range(2) for name in NAMES)[:n_labels]
    confusion = np.arange(n_labels**2).reshape(n_labels, n_labels)
    truth, answer = (
        np.repeat(place, confusion.ravel()) for place in np.indices(confusion.shape).reshape(2, -1)
    )
    held_out = HeldOut(
        labels=labels,
        truth=truth,
        probabilities=np.eye(n_labels)[answer],
        speakers=np.full(truth.size, "a"),
    )
    figure = plot_confusion(held_out)
    check_figure(figure)
    (shown,) = figure.axes[0].images
    np.testing.assert_allclose(shown.get_array().sum(axis=1), 1.0)
    texts = [text.get_text() for text in figure.axes[0].texts]
    share = confusion / confusion.sum(axis=1, keepdims=True)
    assert texts == [f"{one:.2f}".lstrip("0") if one else "" for one in share.ravel()]
