from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cuelens.cues import CUES, expert_table
from cuelens.cues.probed import (
    NOT_MEASURED,
    expected_cues,
    needed,
    order_counts,
    probe_account,
    shown_layer,
)
from cuelens.errors import InputError
from cuelens.probe import CATEGORIES, ProbeResult, category

PITCH = CUES["f0_level"].functional
LOUDNESS = CUES["intensity"].functional
RATE = CUES["speech_rate"].functional
TASK = {"score": 0.9, "score_low": 0.85, "chance": 0.5, "better_high": 0.1}


def spread(name, value, margin):
    return {name: value, f"{name}_low": value - margin, f"{name}_high": value + margin}


def feature(task, name, *, r2_top=0.5, gain=0.0, drop=0.0, q_top=0.5, verdict="undecided", **more):
    r2 = 0.6 if verdict.startswith("carried") else 0.0
    return {
        "layer": "last",
        "task": task,
        "feature": name,
        "category": category(name),
        **spread("r2_all", r2, 0.1),
        **spread("r2_within", r2 / 2, 0.1),
        **spread("selectivity", r2, 0.1),
        **spread("r2_top", r2_top, 0.1),
        **spread("gain", gain, 0.05),
        **spread("drop", drop, 0.02),
        "q": 0.001,
        "q_top": q_top,
        "q_drop": 0.001 if drop > 0.02 else 0.5,
        "verdict": verdict,
    } | more


def task(name, *, score=0.9, better=0.0, kind="emotion"):
    return {
        "layer": "last",
        "task": name,
        "kind": kind,
        "metric": "UAR",
        "chance": 0.5,
        **spread("score", score, 0.05),
        **spread("better", better, 0.03),
        "top_overlap": 0.6,
        "top_overlap_chance": 0.1,
        "kendall_tau": 0.5,
    }


def result(features, tasks, *, confounds=(), order=(), n_permutations=100):
    names = [row["task"] for row in tasks]
    return ProbeResult(
        about={
            "embedding": "an embedding",
            "corpus": "made up",
            "n_clips": 100,
            "n_speakers": 8,
            "n_dimensions": 16,
            "layers": ["first", "last"],
            "tasks": names,
            "settings": {
                "negligible_r2": 0.05,
                "alpha": 0.05,
                "n_permutations": n_permutations,
                "normalise": True,
            },
            "warnings": [],
        },
        features=pd.DataFrame(features),
        tasks=pd.DataFrame(tasks),
        curve=pd.DataFrame(),
        importance=pd.DataFrame(),
        confounds=pd.DataFrame(
            list(confounds),
            columns=[
                *("layer", "dimensions", "confound", "metric", "value", "value_low"),
                *("value_high", "chance", "random"),
            ],
        ),
        categories=pd.DataFrame(),
        order=pd.DataFrame(
            list(order),
            columns=[
                *("layer", "task", "measure", "above", "below"),
                *("difference", "difference_low", "difference_high"),
            ],
        ),
    )


@pytest.fixture
def planted():
    """Anger leans on pitch, carries loudness for nothing; calm is told no better than by chance."""
    return result(
        [
            feature("anger", PITCH, drop=0.1, gain=0.2, q_top=0.01, verdict="carried and used"),
            feature("anger", LOUDNESS, verdict="carried, not used"),
            feature("anger", RATE, r2_top=-0.2, drop=0.15, verdict="undecided"),
            feature("sadness", PITCH, drop=0.03, verdict="undecided"),
            feature("sadness", LOUDNESS, r2_top=0.1, gain=0.2, q_top=0.01, verdict="undecided"),
            feature("sadness", RATE, drop=0.0, verdict="not carried"),
        ],
        [task("anger", score=0.9), task("sadness", score=0.52, better=-0.1)],
        confounds=[
            ("last", "anger", "speaker", "UAR", 0.8, 0.7, 0.9, 0.125, 0.6),
            ("last", "anger", "sex", "UAR", 0.5, 0.4, 0.6, 0.5, 0.5),
        ],
        order=[
            ("last", "anger", "gain", "Energy", "Frequency", 0.2, 0.1, 0.3),
            ("last", "anger", "gain", "Frequency", "Spectral", -0.2, -0.3, -0.1),
            ("last", "anger", "gain", "Spectral", "Temporal", 0.0, -0.1, 0.1),
        ],
    )


@pytest.mark.parametrize(
    ("drop", "task_more", "expected"),
    [
        ((0.01, 0.2), {}, "loses by it"),
        ((0.01, 0.02), {}, "loses by it"),  # little, but certainly
        ((-0.02, 0.03), {}, "does without it"),  # 0.2 x (0.9 - 0.5) = 0.08
        ((-0.02, 0.09), {}, "undecided"),
        ((-0.02, 0.03), {"better_high": -0.01}, "undecided"),  # worse than the features
        ((-0.02, 0.03), {"score_low": 0.49}, "undecided"),  # not told at all
        ((0.0, 0.03), {}, "does without it"),
        ((np.nan, np.nan), {}, "undecided"),
    ],
)
def test_needed_by_hand(drop, task_more, expected):
    assert (
        needed(
            {"drop_low": drop[0], "drop_high": drop[1], "q_drop": 0.01},
            TASK | task_more,
            alpha=0.05,
        )
        == expected
    )


def test_every_expectation_has_a_row(planted):
    found = expected_cues(planted)
    cells = {key for key in expert_table() if key[0] in ("anger", "sadness")}
    assert set(zip(found["emotion"], found["cue"], strict=True)) == cells
    for row in found.to_dict("records"):
        expectation = expert_table()[row["emotion"], row["cue"]]
        assert row["expected"] == expectation.direction
        assert row["status"] == expectation.status
        assert row["sources"] == expectation.citation
        measured = row["feature"] in (PITCH, LOUDNESS, RATE)
        assert (row["verdict"] == NOT_MEASURED) == (not measured)
        assert (row["needed"] == NOT_MEASURED) == (not measured)


def test_two_questions_by_hand(planted):
    found = expected_cues(planted).set_index(["emotion", "cue"])
    assert found.loc[("anger", "f0_level"), "in_top"] == "more than elsewhere"
    assert found.loc[("anger", "intensity"), "in_top"] == "readable"
    assert found.loc[("anger", "speech_rate"), "in_top"] == "no"  # interval -0.3 to -0.1
    # interval of r2_top 0.0 to 0.2 reaches below 0.05, whatever the gain
    assert found.loc[("sadness", "intensity"), "in_top"] == "undecided"
    assert found.loc[("anger", "f0_level"), "needed"] == "loses by it"
    assert found.loc[("anger", "intensity"), "needed"] == "does without it"
    assert found.loc[("sadness", "speech_rate"), "needed"] == "undecided"
    assert found.loc[("anger", "f0_level"), "drop_low"] == pytest.approx(0.08)


def test_account_is_true_of_what_was_planted(planted):
    text = probe_account(planted)
    assert "pitch level is carried and used, loudness is carried, not used, and speech rate is" in (
        text
    )
    assert "loudness are carried and used" not in text
    assert "speech rate is not carried, and pitch level and loudness are undecided" in text
    assert "tells anger from the rest best (UAR 0.90" in text
    assert "that sadness is told at all is not shown" in text
    assert "worse for sadness (−0.100, interval −0.130 to −0.070)" in text
    assert "for anger the interval of the difference includes 0" in text
    assert "most of all speech rate for anger (0.15, interval 0.13 to 0.17)" in text
    assert "3 of the 6 pairs" in text
    assert "what theory is sure of: loudness for anger" in text
    assert "tell who speaks in 80% of cases (interval 70% to 90%" in text
    assert "for anger that is more than as many random dimensions do" in text
    assert "the sex" not in text
    assert "1 of 3 steps hold, 1 are reversed and 1 undecided" in text
    assert "Of 2 cases of a carried feature and a task, in 1 the dimensions that matter" in text
    assert "in 0 it is undecided" not in text
    assert "nan" not in text


def test_account_of_speaker_no_better_than_random(planted):
    rows = [("last", "anger", "speaker", "UAR", 0.8, 0.7, 1.1, 0.125, 0.75)]
    other = result(
        planted.features.to_dict("records"), planted.tasks.to_dict("records"), confounds=rows
    )
    text = probe_account(other)
    assert "for no task is that clearly more than as many random dimensions do (there 75%)" in text
    assert "(interval 70% to 100%" in text
    assert "published order" not in text


def test_account_without_tests_calls_nothing_carried(planted):
    features = planted.features.assign(q=np.nan, q_top=np.nan, verdict="undecided")
    other = result(features.to_dict("records"), planted.tasks.to_dict("records"), n_permutations=0)
    text = probe_account(other)
    assert "no feature is called carried or used" in text
    assert "is carried" not in text
    assert "are carried" not in text


def test_order_by_hand(planted):
    assert order_counts(planted, "gain") == {"holds": 1, "reversed": 1, "undecided": 1}
    assert sum(order_counts(planted, "information_increase").values()) == 0
    assert CATEGORIES == ("Energy", "Frequency", "Spectral", "Temporal")


def test_layers(planted):
    assert shown_layer(planted) == "last"
    assert expected_cues(planted, "first").empty
    with pytest.raises(InputError, match="no layer 'third'; expected one of first, last"):
        probe_account(planted, "third")
