"""Speaker, sex, sentence, level and duration: planted ones are found, absent ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens.probe.confounds import confounds_of, probe_confounds
from cuelens.probe.scores import uar

N_SPEAKERS, N_CLIPS = 10, 16
WHO = np.repeat(np.arange(N_SPEAKERS), N_CLIPS)
SPEAKERS = np.array([f"s{i}" for i in WHO])
SEX = np.where(WHO % 2 == 0, "female", "male")
SENTENCE = np.array([f"text {i % 4}" for i in range(len(WHO))])


@pytest.fixture
def asked(corpus_of):
    rng = np.random.default_rng(0)
    corpus = corpus_of(
        SPEAKERS, np.resize(["anger", "neutral"], len(WHO)), sex=SEX, sentence=SENTENCE
    )
    level, duration = rng.normal(-30, 4, len(WHO)), rng.uniform(1, 4, len(WHO))
    return confounds_of(corpus, level_db=level, duration_s=duration), level, duration


def probed(x, confounds, **tops):
    return probe_confounds(
        x, confounds, speakers=SPEAKERS, tops=tops, n_random=3, seed=0
    ).set_index(["dimensions", "confound"])


def test_what_is_known_and_differs_is_asked(asked):
    confounds, *_ = asked
    assert [c.name for c in confounds] == ["speaker", "sex", "sentence", "level", "duration"]
    assert [c.targets.shape[1] for c in confounds] == [10, 2, 4, 1, 1]
    speaker, sex, *_ = confounds
    for fold in speaker.folds:  # every voice on both sides
        assert set(SPEAKERS[fold.train]) == set(SPEAKERS[fold.test]) == set(SPEAKERS)
    for fold in sex.folds:
        assert not set(SPEAKERS[fold.train]) & set(SPEAKERS[fold.test])


def test_what_is_not_known_or_does_not_differ_is_not_asked(corpus_of):
    n = len(WHO)
    sentence = np.array([f"text {i}" for i in range(n)])  # each said once
    sex = np.array([None if i == 3 else "female" for i in range(n)], dtype=object)
    corpus = corpus_of(SPEAKERS, ["anger"] * n, sex=sex, sentence=sentence)
    found = confounds_of(corpus, level_db=np.full(n, -20.0), duration_s=np.arange(n) + 1.0)
    assert [c.name for c in found] == ["speaker", "duration"]


def test_planted_confounds_are_found_and_where(asked):
    confounds, level, _ = asked
    rng = np.random.default_rng(1)
    x = rng.standard_normal((len(WHO), 40))
    x[:, :8] += 4 * rng.standard_normal((N_SPEAKERS, 8))[WHO]
    x[:, 8] += 6 * (SEX == "male")
    x[:, 9] += level
    table = probed(x, confounds, voice=np.arange(8), rest=np.arange(10, 40), of_level=np.array([9]))
    value, low, high = table["value"], table["value_low"], table["value_high"]
    assert value["all", "speaker"] > 0.9
    assert value["voice", "speaker"] > 0.9
    assert low["rest", "speaker"] < 0.1 < high["rest", "speaker"] + 0.02
    assert low["all", "sex"] > 0.6
    assert value["all", "sex"] > 0.8
    assert low["rest", "sex"] < 0.5 < high["rest", "sex"]
    assert low["of_level", "level"] > 0.8
    assert high["rest", "level"] < 0.1
    assert value["all", "duration"] < 0.1
    assert low["all", "sentence"] < 0.25 < high["all", "sentence"]
    assert table["chance"].xs("all").to_dict() == {
        "speaker": 0.1,
        "sex": 0.5,
        "sentence": 0.25,
        "level": 0.0,
        "duration": 0.0,
    }
    assert np.isnan(table["random"]["all", "speaker"])
    assert table["random"]["of_level", "level"] < 0.5 * value["of_level", "level"]


def test_nothing_is_found_in_noise(asked):
    confounds, *_ = asked
    inside = []
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((len(WHO), 60))
        table = probed(x, confounds).reset_index()
        classes = table[table["metric"] == "UAR"]
        inside += (
            (classes.value_low <= classes.chance) & (classes.chance <= classes.value_high)
        ).tolist()
        values = table[table["metric"] == "R2"]
        assert (values["value_low"] < 0).all()
    assert np.mean(inside) > 0.8


def test_interval_of_the_speaker_recalls_is_over_speakers(asked):
    """UAR over speakers is the mean of their recalls: the interval is the t interval of a mean."""
    confounds, *_ = asked
    rng = np.random.default_rng(3)
    x = rng.standard_normal((len(WHO), 12)) + rng.standard_normal((N_SPEAKERS, 12))[WHO]
    row = probed(x, confounds[:1]).loc[("all", "speaker")]
    half = (row["value_high"] - row["value_low"]) / 2
    assert 0.3 < row["value"] < 1
    # recalls lie between 0 and 1: their standard error is at most that of half 0 and half 1
    assert 0 < half <= 2.262 * np.sqrt(0.25 / 9) + 1e-9


def test_same_seed_same_table(asked):
    confounds, *_ = asked
    x = np.random.default_rng(4).standard_normal((len(WHO), 12))
    first, again = (probed(x, confounds, some=np.array([1, 5])) for _ in range(2))
    assert first.equals(again)


def test_uar_of_two_is_chance_for_one_answer():
    truth = np.eye(2)[[0, 0, 0, 1]]
    sums = np.stack([(truth * [1, 0]).sum(axis=0), truth.sum(axis=0)])
    assert uar(sums) == 0.5


@pytest.mark.parametrize("n_clips", [1, 2])
def test_speakers_with_one_or_two_clips(corpus_of, n_clips):
    speakers = np.repeat([f"s{i:02d}" for i in range(20)], n_clips)
    rng = np.random.default_rng(0)
    corpus = corpus_of(speakers, np.resize(["anger", "neutral"], len(speakers)))
    confounds = confounds_of(
        corpus, level_db=rng.normal(size=len(speakers)), duration_s=rng.random(len(speakers)) + 1
    )
    table = probe_confounds(
        rng.standard_normal((len(speakers), 5)),
        confounds,
        speakers=speakers,
        tops={},
        n_random=0,
        seed=0,
    )
    assert {"level", "duration"} <= set(table["confound"])
