"""The simulation of a million clips: against what can be worked out by hand."""

import numpy as np
import pytest
from benchmarks.million import drawn_times, simulate


@pytest.mark.parametrize(("n_clips", "n_workers"), [(100, 10), (7, 1), (1000, 50)])
def test_without_costs_the_workers_share_the_clips(n_clips, n_workers):
    found = simulate(np.full(n_clips, 2.0), n_workers=n_workers, writer_s=0.0, scheduler_s=0.0)
    assert found["seconds"] == pytest.approx(2.0 * n_clips / n_workers)
    assert found["workers_busy"] == pytest.approx(1.0)


def test_the_writer_alone_decides_where_clips_take_no_time():
    found = simulate(np.full(1000, 1e-9), n_workers=10, writer_s=0.01, scheduler_s=0.0)
    assert found["seconds"] == pytest.approx(1000 * 0.01, rel=1e-3)
    assert found["server_busy"] == pytest.approx(1.0, rel=1e-3)


def test_one_worker_waits_for_nothing():
    """It has another clip while the first is written, so that only the last one is waited for."""
    found = simulate(np.full(50, 1.0), n_workers=1, writer_s=0.1, scheduler_s=0.0)
    assert found["seconds"] == pytest.approx(50 * 1.0 + 0.1)


def test_it_is_never_quicker_than_work_or_writer_allow():
    times = drawn_times(0.5, 2000)
    assert times.mean() == pytest.approx(0.5, rel=0.02)
    for n_workers in (1, 8, 64):
        found = simulate(times, n_workers=n_workers, writer_s=0.004, scheduler_s=0.001)
        assert found["seconds"] >= max(times.sum() / n_workers, 2000 * 0.005)
        assert found["seconds"] <= times.sum() / n_workers + 2000 * 0.005 + 2 * times.max()
