from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import InputError
from cuelens.explain import (
    Clip,
    Explanation,
    Method,
    TimeFrequencyMap,
    salient_intervals,
    salient_windows,
)
from cuelens.units import Unit

HOP_S = 0.015


def with_map(cells, duration_s: float) -> Explanation:
    cells = np.asarray(cells, dtype=np.float32)
    return explanation(
        duration_s,
        map=TimeFrequencyMap(values=cells[None], edges_hz=np.arange(len(cells) + 1.0), hop_s=HOP_S),
    )


def with_units(weights, window_s: float, duration_s: float) -> Explanation:
    units = [
        Unit(name=str(k), low_hz=0, high_hz=8000, start_s=k * window_s, end_s=(k + 1) * window_s)
        for k in range(len(weights))
    ]
    return explanation(duration_s, units=tuple(units), weights=np.array([weights]))


def explanation(duration_s, *, units=(), weights=None, map=None) -> Explanation:
    weights = np.zeros((1, len(units))) if weights is None else weights
    return Explanation(
        clip=Clip(path="x", sha256="", duration_s=duration_s, sample_rate_hz=16_000),
        model="m",
        labels=("a",),
        target="a",
        prediction=np.ones(1),
        base=np.zeros(1),
        units=units,
        weights=weights,
        fidelity=np.ones(1),
        keep=np.ones((1, len(units)), dtype=bool),
        outputs=np.ones((1, 1)),
        n_model_calls=1,
        method=Method(name="m", parameters={}, seed=0),
        map=map,
    )


def published(cells, n: int) -> list[int]:
    """Nasr, Ren & Johnson: below the mean to 0, windows of 10 frames, summed, the best n."""
    cells = np.array(cells, dtype=float)
    cells[cells < cells.mean()] = 0
    sums = [cells[:, k : k + 10].sum() for k in range(0, cells.shape[1] // 10 * 10, 10)]
    return list(np.argsort(-np.array(sums), kind="stable")[:n])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_grid_windows_are_the_published_ones(seed):
    cells = np.random.default_rng(seed).gamma(1.0, 1.0, (4, 80))
    found = salient_windows(with_map(cells, 79 * HOP_S + 0.015), n=5, placement="grid")
    assert [round(window.start_s / 0.15) for window in found] == published(cells, 5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_best_windows_hold_at_least_as_much_and_do_not_overlap(seed):
    cells = np.random.default_rng(seed).gamma(0.3, 1.0, (3, 100))
    one = with_map(cells, 99 * HOP_S)
    best, grid = (salient_windows(one, placement=name) for name in ("best", "grid"))
    assert best[0].score >= grid[0].score - 1e-6
    assert [w.score for w in best] == sorted((w.score for w in best), reverse=True)
    starts = np.sort([w.start_s for w in best])
    assert (np.diff(starts) >= 0.15 - 1e-6).all()
    assert sum(w.score for w in best) <= 1 + 1e-9


def test_a_window_stands_around_what_it_found():
    cells = np.zeros((2, 100))
    cells[1, 40:44] = 1.0  # 0.5925 to 0.6525 s with half a frame on both sides
    (window,) = salient_windows(with_map(cells, 1.5))
    assert window.score == pytest.approx(1.0)
    assert (window.start_s + window.end_s) / 2 == pytest.approx(41.5 * HOP_S, abs=HOP_S / 2)
    assert window.end_s - window.start_s == pytest.approx(0.15)


def test_only_support_counts():
    cells = -np.ones((2, 60))
    assert salient_windows(with_map(cells, 0.9)) == ()
    assert salient_intervals(with_map(cells, 0.9)) == ()
    cells[0, 10] = 0.1
    (window,) = salient_windows(with_map(cells, 0.9))
    assert window.start_s <= 0.15 <= window.end_s


def test_windows_of_units_are_the_units_with_the_largest_weights():
    found = salient_windows(with_units([0.1, -0.5, 0.4, 0.2, 0.0, 0.3], 0.15, 0.9), n=3)
    assert [round(w.start_s / 0.15) for w in found] == [2, 5, 3]
    assert found[0].score == pytest.approx(0.4)


def test_intervals_are_the_shortest_that_hold_the_share():
    found = salient_intervals(with_units([0.1, 0.0, 0.4, 0.3, 0.0, 0.2], 0.15, 0.9), share=0.7)
    ((start, end),) = [(w.start_s, w.end_s) for w in found]
    assert (start, end) == pytest.approx((0.3, 0.6), abs=0.005)
    assert sum(w.score for w in found) == pytest.approx(0.7)
    two = salient_intervals(with_units([0.1, 0.0, 0.4, 0.3, 0.0, 0.2], 0.15, 0.9), share=0.9)
    assert [(w.start_s, w.end_s) for w in two] == [
        pytest.approx((0.3, 0.6), abs=0.005),
        pytest.approx((0.75, 0.9), abs=0.005),
    ]


def test_mistakes_are_named():
    one = with_units([0.1, 0.2], 0.15, 0.3)
    for arguments, words in (
        ({"window_s": 0.5}, "no more than the clip"),
        ({"placement": "middle"}, "expected one of best, grid"),
    ):
        with pytest.raises(InputError, match=words):
            salient_windows(one, **arguments)
    with pytest.raises(InputError, match="share is 0"):
        salient_intervals(one, share=0)
