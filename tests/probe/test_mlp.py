"""The small network as a probe."""

from __future__ import annotations

import numpy as np

from cuelens.probe import Probing
from cuelens.probe.folds import nested_folds, sums_by_speaker
from cuelens.probe.mlp import mlp_errors
from cuelens.probe.statistics import r2

SPEAKERS = np.repeat([f"s{i}" for i in range(6)], 60)


def test_reads_what_is_not_linear_and_nothing_from_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(SPEAKERS), 6))
    y = np.stack([np.abs(x[:, 0]) * 1.6, x[:, 1], rng.normal(size=len(x))], axis=1)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    folds = nested_folds(SPEAKERS, 3)
    errors, shuffled = mlp_errors(x, y, speakers=SPEAKERS, folds=folds, n_shuffles=2, seed=0)
    base = sums_by_speaker(y**2, SPEAKERS).sum(axis=0)
    found = r2(errors.sum(axis=0), base)
    assert found[0] > 0.5  # a line explains none of |x|
    assert found[1] > 0.9
    assert found[2] < 0.05
    assert (r2(shuffled.sum(axis=1), base) < 0.1).all()
    again, _ = mlp_errors(x, y, speakers=SPEAKERS, folds=folds, n_shuffles=0, seed=0)
    np.testing.assert_array_equal(errors, again)


def test_appears_in_the_result_only_when_asked_for(corpus_of, embedded_of, acoustics_of):
    rng = np.random.default_rng(1)
    corpus = corpus_of(SPEAKERS, np.tile(["anger", "neutral"], len(SPEAKERS) // 2))
    x, y = rng.normal(size=(len(SPEAKERS), 8)), rng.normal(size=(len(SPEAKERS), 3))
    y[:, 0] = x[:, 0]
    quick = {"n_permutations": 0, "n_random": 0, "n_folds": 3}
    parts = (corpus, embedded_of(x), acoustics_of(y))
    without = Probing(**quick).probe(*parts).features
    assert "r2_mlp" not in without
    features = Probing(**quick, mlp=True).probe(*parts).features
    first = features[features["feature"] == features["feature"].iloc[0]].iloc[0]
    assert first["r2_mlp"] > 0.8
    assert first["r2_mlp_low"] < first["r2_mlp"] < first["r2_mlp_high"]
    assert first["r2_mlp_shuffled"] < 0.1
