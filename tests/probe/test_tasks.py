"""Which clips take part, and what is to be told of them."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens.errors import InputError
from cuelens.probe.tasks import ALL_EMOTIONS, emotion_tasks, value_task

EMOTIONS = np.repeat(["anger", "fear", "neutral", "sadness"], [130, 40, 25, 60])


@pytest.fixture
def corpus(corpus_of):
    return corpus_of(np.resize(list("abcdef"), len(EMOTIONS)), EMOTIONS)


def test_one_task_an_emotion_and_one_for_all(corpus):
    tasks = emotion_tasks(corpus)
    assert [task.name for task in tasks] == ["anger", "fear", "neutral", "sadness", ALL_EMOTIONS]
    for task in tasks[:-1]:
        np.testing.assert_array_equal(task.rows, np.arange(len(EMOTIONS)))
        np.testing.assert_array_equal(task.targets[:, 0], task.name == EMOTIONS)
    np.testing.assert_array_equal(tasks[-1].targets, np.hstack([t.targets for t in tasks[:-1]]))
    assert all(task.is_class for task in tasks)


def test_two_emotions_are_told_from_each_other_only(corpus):
    tasks = emotion_tasks(corpus, emotions=["angry", "sad", "anger"])
    assert [task.name for task in tasks] == ["anger", "sadness"]
    np.testing.assert_array_equal(
        tasks[0].rows, np.flatnonzero(np.isin(EMOTIONS, ["anger", "sadness"]))
    )


def test_balanced_sets(corpus):
    tasks = {task.name: task for task in emotion_tasks(corpus, balance="published", seed=3)}
    assert ALL_EMOTIONS not in tasks
    # the rarest other has 25 clips: 3 x 25 others, and as many of the emotion, at most 2 more
    counts = {
        name: {str(e): int((EMOTIONS[task.rows] == e).sum()) for e in np.unique(EMOTIONS)}
        for name, task in tasks.items()
    }
    assert counts["anger"] == {"anger": 77, "fear": 25, "neutral": 25, "sadness": 25}
    assert counts["fear"] == {"anger": 13, "fear": 40, "neutral": 13, "sadness": 13}
    assert counts["neutral"] == {"anger": 8, "fear": 8, "neutral": 25, "sadness": 8}
    assert counts["sadness"] == {"anger": 20, "fear": 20, "neutral": 20, "sadness": 60}
    for name, task in tasks.items():
        assert len(set(task.rows)) == len(task.rows)
        np.testing.assert_array_equal(task.targets[:, 0], EMOTIONS[task.rows] == name)


def test_balanced_sets_are_drawn_by_the_seed(corpus):
    first, again = (emotion_tasks(corpus, balance="published", seed=1)[0].rows for _ in range(2))
    other = emotion_tasks(corpus, balance="published", seed=2)[0].rows
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_published_numbers_are_96_and_95(corpus_of):
    emotions = np.repeat(["anger", "disgust", "fear", "happiness", "neutral", "sadness"], 120)
    corpus = corpus_of(np.resize(list("abcdef"), 720), emotions)
    task = emotion_tasks(corpus, balance="published")[0]
    assert (task.targets.sum(), len(task.rows)) == (96, 96 + 95)


def test_too_few_to_balance(corpus_of):
    emotions = np.array(["anger", *np.repeat(["fear", "neutral", "sadness"], 9)])
    with pytest.raises(InputError, match="1 clips of anger cannot be balanced over 3 other"):
        emotion_tasks(corpus_of(np.resize(list("abcd"), 28), emotions), balance="published")


def test_an_emotion_that_is_not_there(corpus):
    with pytest.raises(InputError, match="no clip of disgust; expected some of anger, fear"):
        emotion_tasks(corpus, emotions=["anger", "disgust"])


def test_an_emotion_that_nobody_knows(corpus):
    with pytest.raises(InputError, match="xyzzy"):
        emotion_tasks(corpus, emotions=["anger", "xyzzy"])


def test_one_emotion_is_too_few(corpus):
    with pytest.raises(InputError, match="only anger to tell; expected at least two"):
        emotion_tasks(corpus, emotions=["anger"])


def test_values_leave_clips_without_one_out(corpus_of):
    corpus = corpus_of(list("abcd"), ["anger"] * 4, arousal=[1.0, np.nan, 3.0, 2.5])
    task = value_task(corpus, "arousal")
    np.testing.assert_array_equal(task.rows, [0, 2, 3])
    np.testing.assert_array_equal(task.targets, [[1.0], [3.0], [2.5]])
    assert (task.kind, task.is_class) == ("value", False)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("valence", [1.0, 2, 3, 4], "no column 'arousal'; expected one of file"),
        ("arousal", ["high", "low", "low", "mid"], "no numbers, such as 'high'"),
        ("arousal", [2.0, 2, 2, np.nan], "no two different numbers"),
        ("arousal", [np.nan, np.nan, np.nan, 1.0], "no two different numbers"),
    ],
)
def test_values_that_are_none(corpus_of, column, values, message):
    corpus = corpus_of(list("abcd"), ["anger"] * 4, **{column: values})
    with pytest.raises(InputError, match=message):
        value_task(corpus, "arousal")
