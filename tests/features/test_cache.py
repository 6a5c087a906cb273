from __future__ import annotations

import multiprocessing
import sqlite3

import numpy as np
import pytest

from cuelens import CuelensWarning
from cuelens.features import FeatureCache


class Counter:
    def __init__(self):
        self.seen = 0

    def __call__(self, waveforms):
        self.seen += len(waveforms)
        return np.array([[w.sum(), w.size] for w in waveforms], dtype=np.float32)


def waveforms(n, seed=0):
    return list(np.random.default_rng(seed).normal(size=(n, 50)).astype(np.float32))


def test_a_row_is_computed_once(tmp_path):
    cache, compute = FeatureCache(file=tmp_path / "c.sqlite"), Counter()
    some = waveforms(4)
    first = cache.rows(some, recipe="a", compute=compute)
    second = cache.rows([*some, *waveforms(2, seed=1)], recipe="a", compute=compute)
    np.testing.assert_array_equal(second[:4], first)
    assert compute.seen == 6


def test_recipe_and_content_are_the_key(tmp_path):
    cache, compute = FeatureCache(file=tmp_path / "c.sqlite"), Counter()
    some = waveforms(1)
    cache.rows(some, recipe="a", compute=compute)
    cache.rows(some, recipe="b", compute=compute)
    changed = [some[0] + np.float32(1e-7)]
    cache.rows(changed, recipe="a", compute=compute)
    assert compute.seen == 3


def test_a_damaged_file_costs_time_and_not_the_result(tmp_path):
    file = tmp_path / "c.sqlite"
    file.write_bytes(b"this is no database" * 100)
    cache, compute = FeatureCache(file=file), Counter()
    with pytest.warns(CuelensWarning, match="could not be used"):
        rows = cache.rows(waveforms(3), recipe="a", compute=compute)
    np.testing.assert_array_equal(rows, Counter()(waveforms(3)))
    np.testing.assert_array_equal(cache.rows(waveforms(3), recipe="a", compute=compute), rows)
    assert compute.seen == 3


def test_a_row_that_was_changed_on_disk_is_computed_again(tmp_path):
    cache, compute = FeatureCache(file=tmp_path / "c.sqlite"), Counter()
    right = cache.rows(waveforms(1), recipe="a", compute=compute)
    with sqlite3.connect(cache.file) as connection:
        connection.execute("UPDATE features SET row = ?", (np.zeros(2, np.float32).tobytes(),))
    connection.close()
    np.testing.assert_array_equal(cache.rows(waveforms(1), recipe="a", compute=compute), right)
    assert compute.seen == 2


def _fill(file, seed):
    cache = FeatureCache(file=file)
    for part in range(10):
        cache.rows(waveforms(20, seed=seed + part), recipe="a", compute=Counter())


@pytest.mark.slow
def test_two_processes_share_one_file(tmp_path):
    file = tmp_path / "c.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fill, args=(file, seed)) for seed in (0, 5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    compute = Counter()
    for seed in range(15):
        FeatureCache(file=file).rows(waveforms(20, seed=seed), recipe="a", compute=compute)
    assert compute.seen == 0


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(file=tmp_path / "file" / "c.sqlite")
    with pytest.warns(CuelensWarning, match="computing without it"):
        rows = cache.rows(waveforms(2), recipe="a", compute=Counter())
    assert rows.shape == (2, 2)


@pytest.mark.filterwarnings("ignore::cuelens.errors.CuelensWarning")
def test_corruption_anywhere_never_changes_the_result(tmp_path):
    """Bits turned over, pieces zeroed, the end missing: the rows stay what they are."""
    whole = tmp_path / "whole.sqlite"
    sounds = waveforms(60)
    right = FeatureCache(file=whole).rows(sounds, recipe="a", compute=Counter())
    content = whole.read_bytes()
    n_used = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        data = bytearray(content)
        first = int(rng.integers(len(data)))
        if seed % 3 == 0:
            data = data[:first]
        elif seed % 3 == 1:
            data[first : first + 200] = bytes(len(data[first : first + 200]))
        else:
            for place in rng.integers(0, len(data), 30):
                data[place] ^= 1 << int(rng.integers(8))
        file = tmp_path / f"{seed}.sqlite"
        file.write_bytes(data)
        compute = Counter()
        rows = FeatureCache(file=file).rows(sounds, recipe="a", compute=compute)
        np.testing.assert_array_equal(rows, right)
        n_used += compute.seen < len(sounds)
    assert n_used > 10  # what is whole in a damaged file is still used
