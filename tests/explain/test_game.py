"""Models that are watched: what is answered from memory, and what that would have taken."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cuelens.explain.game import RememberingModel


class Slow:
    labels = ("a", "b")
    sample_rate = 16_000
    name = "slow"

    def predict_proba(self, waveforms):
        time.sleep(0.02 * len(waveforms))
        return np.array([[w[0], 1 - w[0]] for w in waveforms])


def test_answers_from_memory_are_counted_and_timed():
    model = RememberingModel(Slow())
    waveforms = [np.full(800, value, np.float32) for value in (0.1, 0.2, 0.3)]
    first = model.predict_proba(waveforms)
    assert (model.n_waveforms, model.n_remembered) == (3, 0)
    assert model.seconds_each == pytest.approx(0.02, rel=0.5)
    began = time.perf_counter()
    again = model.predict_proba([*waveforms[::-1], waveforms[0]])
    assert time.perf_counter() - began < 0.02
    np.testing.assert_array_equal(again, first[[2, 1, 0, 0]])
    assert (model.n_waveforms, model.n_remembered) == (3, 4)
