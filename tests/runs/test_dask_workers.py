"""Workers of a Dask cluster: lost ones cost no clip."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tests.runs.jobs import Squares, clips

from cuelens import InputError
from cuelens.runs import CueValues, find_clips, run_corpus
from cuelens.runs.clips import drawn
from cuelens.runs.dask_workers import dask_outcomes
from cuelens.runs.local_workers import local_outcomes

pytest.importorskip("distributed")
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster():
    """Two workers of one thread each."""
    from distributed import LocalCluster

    with (
        warnings.catch_warnings(),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as found,
    ):
        yield found


@pytest.fixture
def real(tmp_path):
    """Clips whose files exist, as workers must find them."""
    for index in range(12):
        (tmp_path / f"{index:02d}.wav").write_bytes(b"RIFF")
    return find_clips([tmp_path / f"{index:02d}.wav" for index in range(12)])


def test_as_processes_here(cluster, real):
    job = Squares(refused=(1,), broken=(3,))
    here = list(local_outcomes(job, real.clips, n_workers=1))
    there = list(dask_outcomes(job, real.clips, address=cluster.scheduler_address))
    assert sorted(there, key=lambda one: one.index) == sorted(here, key=lambda one: one.index)


def test_a_lost_worker_costs_no_clip(cluster, real):
    killed = False
    found = {}
    job = Squares(seconds=0.1)
    for outcome in dask_outcomes(job, real.clips, address=cluster.scheduler_address):
        assert outcome.index not in found
        found[outcome.index] = outcome
        if not killed and len(found) == 3:
            os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)
            killed = True
    assert killed
    assert sorted(found) == list(range(12))
    assert {outcome.reason for outcome in found.values()} == {None}


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr("cuelens.runs.dask_workers._CONNECT_S", 1.0)
    with pytest.raises(InputError, match=r"no Dask scheduler answers.*dask scheduler"):
        list(dask_outcomes(Squares(), clips(1).clips, address="tcp://127.0.0.1:1"))


def test_a_cluster_that_loses_all_workers_is_told(real, monkeypatch):
    """Not a wait without end."""
    from distributed import LocalCluster

    monkeypatch.setattr("cuelens.runs.dask_workers._LOOK_S", 0.1)
    monkeypatch.setattr("cuelens.runs.dask_workers._NO_WORKERS_S", 1.0)
    job = Squares(seconds=0.1)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as mortal:
        outcomes = dask_outcomes(job, real.clips, address=mortal.scheduler_address)
        next(outcomes)
        mortal.scale(0)
        with pytest.raises(InputError, match=r"has had no workers for 1 s.*what is finished"):
            list(outcomes)


def test_a_lost_scheduler_is_told(real):
    """A process of its own, so that killing it is what a machine does that goes down."""
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--port",
        "0",
        "--host",
        "127.0.0.1",
    ]
    command += ["--dashboard-address", ":0", "--no-show"]
    scheduler = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    worker = None
    try:
        assert scheduler.stderr is not None
        lines = iter(scheduler.stderr.readline, "")
        address = next(m[0] for line in lines if (m := re.search(r"tcp://127[\d.:]+", line)))
        worker = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"],
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        outcomes = dask_outcomes(Squares(seconds=0.2), real.clips, address=address)
        next(outcomes)
        scheduler.kill()
        with pytest.raises(InputError, match=r"the scheduler is lost.*what is finished is kept"):
            list(outcomes)
    finally:
        scheduler.kill()
        scheduler.communicate()
        if worker is not None:
            worker.kill()
            worker.wait()


def test_files_that_the_workers_do_not_find(cluster):
    with pytest.raises(InputError, match=r"finds no file /nowhere/000\.wav"):
        list(dask_outcomes(Squares(), clips(2).clips, address=cluster.scheduler_address))


def test_workers_with_other_versions(cluster, real, monkeypatch):
    monkeypatch.setattr(
        "cuelens.runs.dask_workers.versions_here", lambda: {"cuelens": "99.0"}, raising=True
    )
    monkeypatch.setattr("cuelens.runs.dask_workers._versions_there", lambda client: {"w": {}})
    with pytest.raises(InputError, match=r"worker w has cuelens None; expected .* cuelens 99\.0"):
        list(dask_outcomes(Squares(), real.clips, address=cluster.scheduler_address))


@pytest.mark.corpus
def test_cues_of_real_speech(cluster, data_dir, tmp_path):
    some = drawn(find_clips(data_dir / "emodb"), 6)
    there = run_corpus(some, CueValues(), tmp_path / "a", cluster=cluster.scheduler_address)
    here = run_corpus(some, CueValues(), tmp_path / "b", n_workers=1)
    assert there.n_failed == 0
    assert (tmp_path / "a/shards/00000.parquet").read_bytes() == (
        tmp_path / "b/shards/00000.parquet"
    ).read_bytes()
    assert there.manifest == here.manifest
