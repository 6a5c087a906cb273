from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cuelens import Audio, EmoLime, InputError
from cuelens.explain.account import ENGLISH, unit_account
from cuelens.testing import BandModel, noise
from cuelens.units import FrequencyBands, HarmonicPercussive, Segments, TimeWindows, UnitProduct


@pytest.fixture(scope="module")
def explanation():
    audio = Audio(samples=noise(), sample_rate=16_000)
    return EmoLime().explain(BandModel(band_hz=(500.0, 3000.0)), audio)


def with_weights(explanation, weights, **changes):
    table = explanation.weights.copy()
    table[explanation.target_index] = weights
    return replace(explanation, weights=table, **changes)


def test_names_the_answer_and_the_bands(explanation):
    text = unit_account(with_weights(explanation, [0, 0, 0.4, 0, 0, -0.2, 0, 0]))
    assert text.startswith("The model one band answers high (p = 0.")
    assert "754–1145 Hz supplies most of the support for high (+0.40)" in text
    assert "2492–3676 Hz speaks most against it (−0.20)" in text


def test_neighbours_become_one_range(explanation):
    text = unit_account(with_weights(explanation, [0, 0.3, 0.3, 0.0, 0, 0, 0, 0.2]))
    assert "377–1145 Hz supplies most of the support for high (+0.60)" in text


def test_uncertain_bands_are_not_named(explanation):
    weights = np.array([0, 0, 0.4, 0, 0.3, 0, 0, 0])
    reach = np.array([0, 0, 0.1, 0, 0.5, 0, 0, 0])
    low, high = np.zeros((2, 8)), np.zeros((2, 8))
    low[0], high[0] = weights - reach, weights + reach
    text = unit_account(with_weights(explanation, weights, ci_low=low, ci_high=high))
    assert "754–1145 Hz" in text
    assert "1689" not in text
    assert "95 % intervals" in text


def test_spread_support_is_not_called_most(explanation):
    weights = [0.128, 0.129, 0.151, 0.162, 0.16, 0.162, 0.198, -0.177]
    text = unit_account(with_weights(explanation, weights))
    assert "most of the support" not in text
    assert "spread over many bands" in text


def test_faint_bands_are_not_named(explanation):
    text = unit_account(with_weights(explanation, [0.5, 0.03, 0, 0, -0.03, 0, 0, 0]))
    assert "against" not in text
    text = unit_account(with_weights(explanation, np.full(8, -0.015)))
    assert text.split(". With")[0].endswith("no band clearly supports high")


def test_no_support_is_said(explanation):
    text = unit_account(with_weights(explanation, np.full(8, -0.1)))
    assert "no band clearly supports high" in text


def test_asked_about_another_label(explanation):
    text = unit_account(replace(explanation, target="low"))
    assert "answers high" in text
    assert "asked about low, it gives p = " in text


@pytest.mark.parametrize(
    ("fidelity", "phrase"),
    [
        (0.8, "adding them up explains 80\N{NO-BREAK SPACE}% of"),
        (0.3, "explains only 30\N{NO-BREAK SPACE}% of"),
        (-2.0, "does not predict how its answer changes"),
        (np.nan, "there is nothing to explain"),
    ],
)
def test_trust_follows_the_fidelity(explanation, fidelity, phrase):
    text = unit_account(replace(explanation, fidelity=np.full(2, fidelity)))
    assert phrase in text
    assert text.endswith(".")


def test_another_language_replaces_the_templates(explanation):
    words = {
        **ENGLISH,
        "answer": "Das Modell {model} antwortet {top} (p = {p_top})",
        "and": " und ",
    }
    assert unit_account(explanation, words=words).startswith("Das Modell one band antwortet high")


def test_same_numbers_same_words(explanation):
    assert unit_account(explanation) == unit_account(explanation) == explanation.account


def test_words_are_named_with_their_times():
    audio = Audio(samples=noise(), sample_rate=16_000)
    words = Segments(
        labels=[(0.1, 0.3, "das"), (0.3, 0.5, "will"), (0.6, 0.8, "sie")], kind="words"
    )
    found = EmoLime(units=words).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    text = unit_account(with_weights(found, [0, 0.2, 0.2, 0, -0.1, 0]))
    assert "“das will” (0.10–0.50 s) supplies most of the support for high (+0.40)" in text
    assert "“sie” (0.60–0.80 s) speaks most against it (−0.10)" in text
    assert "With every word missing" in text


@pytest.mark.parametrize(
    ("units", "phrases"),
    [
        (HarmonicPercussive(), ("“percussive” and “residual” supply", "With every part missing")),
        (
            UnitProduct(times=TimeWindows(window_s=0.5), parts=FrequencyBands(n_bands=2)),
            ("“0–1689 Hz, 0.50–1.00 s” and “1689–8000 Hz, 0.00–0.50 s” supply", "every cell"),
        ),
    ],
)
def test_other_units_are_named_one_by_one(units, phrases):
    audio = Audio(samples=noise(), sample_rate=16_000)
    found = EmoLime(units=units).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    weights = np.zeros(len(found.units))
    weights[[1, 2]] = 0.25
    text = unit_account(with_weights(found, weights))
    assert all(phrase in text for phrase in phrases)


@pytest.mark.parametrize("kind", ["turns", "supply", "answer", "unit at"])
def test_segments_of_any_kind_are_called_units(kind):
    audio = Audio(samples=noise(), sample_rate=16_000)
    segments = Segments(labels=[(0.1, 0.3, "a"), (0.3, 0.5, "b")], kind=kind)
    found = EmoLime(units=segments).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    assert found.method.parameters["units"] == kind
    assert "With every unit missing" in found.account


def test_words_for_units_say_one_and_many():
    audio = Audio(samples=noise(), sample_rate=16_000)
    phones = Segments(labels=[(0.1, 0.3, "a")], kind="phones")
    found = EmoLime(units=phones).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    assert "With every Laut missing" in unit_account(
        found, words={**ENGLISH, "phones": "Laut|Laute"}
    )
    with pytest.raises(InputError, match=r"words\['phones'\] is 'Laut'; expected one and many"):
        unit_account(found, words={**ENGLISH, "phones": "Laut"})


@pytest.mark.parametrize(
    ("weights", "total"),
    [
        ([0.7, -0.6], "+0.10"),
        ([-0.7, 0.6], "−0.10"),
        ([0.7] + 7 * [-0.09], "+0.07"),
        ([0.7, -0.3], None),
    ],
)
def test_weights_that_cancel_are_told_first(weights, total):
    audio = Audio(samples=noise(), sample_rate=16_000)
    found = EmoLime().explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    given = np.zeros(len(found.units))
    given[: len(weights)] = weights
    text = unit_account(with_weights(found, given))
    first = f"; all bands together move it by {total} only, because they pull both ways; "
    assert (first in text) == (total is not None)
    assert ("together move it" in text) == (total is not None)
    assert "supplies most of the support" in text.partition(first)[2 if total else 0]
