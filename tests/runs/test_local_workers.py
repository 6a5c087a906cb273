"""Processes of this machine: nothing is lost when one of them is."""

import functools

import numpy as np
import pytest
from tests.runs.jobs import Squares, clips

from cuelens import InputError
from cuelens.runs.local_workers import local_outcomes
from cuelens.runs.work import work_on


def outcomes(job, n_clips, n_workers=2):
    """Outcomes by clip."""
    found = list(local_outcomes(job, clips(n_clips).clips, n_workers=n_workers))
    assert len(found) == n_clips  # each once
    return {outcome.index: outcome for outcome in found}


def test_as_in_one_process():
    job = Squares(refused=(1,), broken=(3,))
    expected = {clip.index: work_on(job, clip) for clip in clips(6).clips}
    assert outcomes(job, 6) == expected
    assert expected[1].reason == "/nowhere/001.wav: refused; expected another"
    assert expected[3].reason == "ZeroDivisionError: by nought"


def test_a_lost_process_costs_no_clip(tmp_path):
    job = Squares(deadly_once=str(tmp_path / "killed"))
    assert {index: outcome.reason for index, outcome in outcomes(job, 6).items()} == dict.fromkeys(
        range(6)
    )


def test_a_clip_that_ends_its_process_is_found_out(monkeypatch):
    monkeypatch.setattr("cuelens.runs.local_workers.MAX_DEATHS", 2)
    found = outcomes(Squares(deadly=(2,), seconds=0.02), 6)
    failed = [index for index, outcome in found.items() if outcome.reason]
    assert failed == [2]
    assert "ended without a message 2 times while it worked on this clip" in str(found[2].reason)


def test_processes_that_never_finish_anything_are_an_error(monkeypatch):
    monkeypatch.setattr("cuelens.runs.local_workers.MAX_DEATHS", 1)
    with pytest.raises(InputError, match="processes end before they finish a clip"):
        outcomes(Squares(deadly=(0, 1)), 2, n_workers=1)


def test_what_cannot_be_sent():
    job = Squares(unknown=functools.partial(lambda: None))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be sent to other processes"):
        outcomes(job, 2)


def test_clips_are_taken_as_processes_become_free():
    """Back-pressure: of a long list, only a few are held."""
    taken = []

    def endless():
        for clip in clips(1000).clips:
            taken.append(clip.index)
            yield clip

    running = local_outcomes(Squares(), endless(), n_workers=1)
    for n_done in range(1, 6):
        next(running)
        assert max(taken) <= n_done + 1
    running.close()


def test_each_process_has_one_thread():
    found = next(iter(local_outcomes(Threads(), clips(1).clips, n_workers=1)))
    assert found.reason is None
    assert found.rows == [{"threads": 1}]


class Threads(Squares):
    """How many threads BLAS may use."""

    def prepare(self):
        return self

    def rows(self, clip):
        from threadpoolctl import threadpool_info

        np.ones((2, 2)) @ np.ones((2, 2))
        return [{"threads": max(pool["num_threads"] for pool in threadpool_info())}]
