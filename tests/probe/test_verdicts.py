"""The rule, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cuelens.probe.verdicts import verdicts

USED, UNUSED, ABSENT, OPEN = (
    "carried and used",
    "carried, not used",
    "not carried",
    "undecided",
)

CARRIED = {
    "q": 0.01,
    "selectivity_low": 0.3,
    "selectivity_high": 0.5,
    "r2_all": 0.4,
    "q_top": 0.5,
    "gain_low": -0.1,
    "r2_top": 0.3,
    "r2_top_high": 0.4,
    "r2_random": 0.1,
    "q_drop": 0.5,
    "drop": 0.0,
    "drop_low": -0.01,
    "drop_high": 0.01,
}
IN_TOP = {"q_top": 0.02, "gain_low": 0.1}
NEEDED = {"q_drop": 0.02, "drop": 0.06, "drop_low": 0.04, "drop_high": 0.09}
PERHAPS = {"drop_high": 0.07}  # it may lose more than a fifth of 0.3


def judged(changes, *, told=True, told_by_top=True, above_chance=0.3):
    return verdicts(
        pd.DataFrame([CARRIED | changes]),
        told=np.array([told]),
        told_by_top=np.array([told_by_top]),
        above_chance=np.array([above_chance]),
        negligible_r2=0.1,
        alpha=0.05,
    )[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, UNUSED),  # the decision keeps all but 0.01 of 0.3
        (PERHAPS, OPEN),
        (IN_TOP | PERHAPS, USED),
        (IN_TOP | PERHAPS | {"q_top": 0.03}, OPEN),  # each test has half the rate
        (IN_TOP | PERHAPS | {"gain_low": -0.01}, OPEN),
        (IN_TOP | PERHAPS | {"r2_top": 0.19}, OPEN),  # half is 0.2
        (IN_TOP | PERHAPS | {"r2_top": 0.21}, USED),
        (IN_TOP | PERHAPS | {"r2_random": 0.31}, OPEN),  # random ones carry more
        (NEEDED, USED),
        (NEEDED | {"q_drop": 0.03}, OPEN),
        (PERHAPS | {"selectivity_low": 0.09, "selectivity_high": 0.2}, OPEN),  # perhaps little
        ({"q": 0.06}, OPEN),
        ({"q": 0.2, "selectivity_low": -0.1, "selectivity_high": 0.09}, ABSENT),
        ({"q": 0.2, "selectivity_low": -0.1, "selectivity_high": 0.11}, OPEN),
        ({"q": 0.01, "selectivity_low": 0.02, "selectivity_high": 0.08}, ABSENT),  # but little
        ({"q": np.nan}, OPEN),
        (NEEDED | {"drop": 0.01, "drop_low": 0.004}, OPEN),  # surely something, but little
        (NEEDED | {"q": np.nan, "q_top": np.nan, "r2_random": np.nan}, OPEN),  # without shuffles
        (IN_TOP | PERHAPS | {"r2_random": np.nan}, USED),  # without random dimensions
        (dict.fromkeys(CARRIED, np.nan), OPEN),
    ],
)
def test_one_row(changes, expected):
    assert judged(changes) == expected


def test_nothing_is_used_or_unused_for_an_emotion_that_is_not_told():
    for changes in (IN_TOP, NEEDED, {}):
        assert judged(changes, told=False) == OPEN
    assert judged({"selectivity_high": 0.05, "q": 1.0}, told=False) == ABSENT
    assert judged(IN_TOP | PERHAPS, told_by_top=False) == OPEN
    assert judged(NEEDED, told_by_top=False) == USED


def test_a_feature_that_the_decision_needs_is_not_called_unused():
    seen = {"q_drop": 0.06, "drop_low": 0.04, "drop_high": 0.16, "r2_top_high": 0.1}
    assert judged(seen) == OPEN


def test_the_flag_of_one_test_does_not_go_with_the_p_value_of_the_other():
    """The first test holds but for its half; the drop is above 0 without control of many tests."""
    seen = IN_TOP | {"r2_top": 0.1, "q_drop": 0.3, "drop_low": 0.001, "drop_high": 0.05}
    assert judged(seen) == OPEN


def test_little_in_the_top_dimensions_alone_does_not_make_a_feature_unused():
    assert judged({"r2_top_high": 0.1, "drop_low": -0.01, "drop_high": 0.15}) == OPEN


def test_what_lies_in_the_dimensions_that_matter_is_used_even_if_others_make_up_for_it():
    assert judged(IN_TOP | {"drop_low": -0.01, "drop_high": 0.005}) == USED
