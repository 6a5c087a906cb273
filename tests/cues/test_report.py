from __future__ import annotations

import json
import re

import numpy as np
import pytest

from cuelens import Audio, EmoLime, InputError
from cuelens.cues import CUES, WINDOW_CUES, clips_baseline, cue_account, cue_report, emodb_profile
from cuelens.cues.account import ENGLISH, clear_rows, signed
from cuelens.explain import salient_windows
from cuelens.models import contrast
from cuelens.testing import speech_like
from cuelens.units import TimeWindows

MOMENTS = EmoLime(units=TimeWindows(), samples=256)


class HighVoice:
    """p("anger") grows with the energy between 2.1 and 2.4 kHz, where only the high voice is."""

    labels = ("anger", "neutral", "grumpy")
    sample_rate = 16_000
    name = "high voice"

    def predict_proba(self, waveforms):
        answers = []
        for waveform in waveforms:
            spectrum = np.abs(np.fft.rfft(waveform)) ** 2 / len(waveform)
            hz = np.fft.rfftfreq(len(waveform), 1 / 16_000)
            energy = spectrum[(hz > 2100) & (hz < 2400)].sum()
            p = energy / (energy + 0.05)
            answers.append([p, (1 - p) * 0.9, (1 - p) * 0.1])
        return np.array(answers)


@pytest.fixture(scope="module")
def clip():
    """A low, dull voice with a high, bright stretch from 1.2 to 1.8 s."""
    low = [
        speech_like(f0_hz=110.0, duration_s=1.2, tilt_db_per_octave=-15, seed=k) for k in range(2)
    ]
    high = speech_like(f0_hz=220.0, duration_s=0.6, tilt_db_per_octave=-3, seed=3)
    return Audio(samples=np.concatenate([low[0], high, low[1]]), sample_rate=16_000)


@pytest.fixture(scope="module")
def neutral():
    return [
        Audio(
            samples=speech_like(f0_hz=100.0 + 2 * k, duration_s=1.2, tilt_db_per_octave=-15, seed=k)
            * (0.3 + 0.05 * k),
            sample_rate=16_000,
        )
        for k in range(10)
    ]


@pytest.fixture(scope="module")
def moments(clip):
    return MOMENTS.explain(HighVoice(), clip, target="anger")


@pytest.fixture(scope="module")
def report(moments, clip, neutral):
    return cue_report(
        moments,
        clip,
        baseline=clips_baseline(neutral, window_s=0.15),
        profile=emodb_profile(),
        n_windows=3,
    )


def test_the_moments_and_their_cues_are_those_that_were_planted(report):
    for window in report.windows[:3]:
        assert window.start_s >= 1.15
        assert window.end_s <= 1.85
    rows = {row.cue: row for row in report.rows}
    assert tuple(rows) == tuple(CUES)
    assert rows["f0_level"].agrees is True
    assert rows["high_frequency_energy"].agrees is True
    assert rows["f0_level"].corpus.sign == 1
    assert report.emotion == "anger"
    assert report.agreement["agree"] >= 2
    assert not rows["f0_range"].scored  # the literature speaks of utterances


def test_against_the_rest_of_the_clip_nothing_is_scored(moments, clip):
    alone = cue_report(moments, clip, n_windows=3)
    assert not alone.scored  # the rest of an angry clip is not neutral speech
    assert "neutral speech of the speaker is needed" in cue_account(moments, alone)
    assert alone.baseline == "the rest of the same clip"
    rate = next(row for row in alone.rows if row.cue == "speech_rate")
    assert np.isnan(rate.effect.low)
    assert "other clips" in rate.reason


def test_json_has_what_others_rely_on(report):
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(content["windows"][0]) == {"start_s", "end_s", "score"}
    wanted = {"cue", "value", "unit", "baseline", "effect_size", "ci_low", "ci_high", "expected"}
    assert wanted | {"status", "agrees", "sources"} <= set(content["cues"][0])
    assert content["cue_summary"]["n_windows_certain"] <= len(content["windows"])
    for cue in content["cues"]:
        assert (cue["ci_low"] is None) == bool(cue["reason"])
        if cue["status"] != "strong":
            assert cue["agrees"] is None
    frame = report.to_frame()
    assert list(frame.index) == list(CUES)
    assert frame.loc["f0_level", "effect_size"] > 2


def test_account_says_no_more_than_the_numbers(moments, report):
    text = cue_account(moments, report)
    assert text == cue_account(moments, report)
    whole = text.splitlines()[1]
    assert whole.startswith(f"Compared with {report.baseline}, the whole clip has ")
    clear = sorted(
        (row for row in report.rows if row.clip_effect.sign),
        key=lambda row: -abs(row.clip_effect.size),
    )[:3]
    for row in clear:
        cue = CUES[row.cue]
        assert f"{cue.higher if row.clip_effect.sign > 0 else cue.lower} (" in whole
    sizes = re.findall(r"([+−]\d+\.\d) SD", text)
    assert sizes == [f"{row.clip_effect.size:+.1f}".replace("-", "−") for row in clear]
    special = {row.cue for row in report.rows if row.p_adjusted < 0.05}
    assert all(CUES[key].title in text.splitlines()[3] for key in special)
    assert f"{max(report.chance.p, 0.01):.0%}".replace("%", "\N{NO-BREAK SPACE}%") in text
    agreeing = {row.cue for row in report.rows if row.agrees}
    assert agreeing
    assert ("no more so than in random moments" in text) == (not agreeing & special)
    assert len(text.splitlines()) == 5
    assert all(sentence.endswith(".") for sentence in text.splitlines())


def test_without_other_clips_the_account_names_the_cues_of_the_moments(moments, clip):
    alone = cue_report(moments, clip, n_windows=3)
    text = cue_account(moments, alone)
    sizes = re.findall(r"([+−]\d+\.\d) SD", text)
    expected = [f"{row.effect.size:+.1f}".replace("-", "−") for row in clear_rows(alone)[:3]]
    assert sizes == expected
    assert "the whole clip has" not in text
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("anger", "happiness"), "expects a higher pitch, a wider pitch range and a louder voice"),
        (("anger", "sadness"), "expects anger and sadness to differ in pitch level"),
        (("grumpy", "anger"), "not certain of any cue of grumpy / anger"),
    ],
)
def test_of_two_emotions_the_literature_is_asked_for_the_difference(clip, pair, words):
    model = HighVoice()
    model.labels = (*pair, "other")
    asked = contrast(model, pair[0], rather_than=pair[1])
    found = MOMENTS.explain(asked, clip, target=asked.target)
    text = cue_account(found, cue_report(found, clip))
    assert words in text


def test_words_can_be_replaced(moments, report):
    shouted = {
        key: value.upper() if key == "not_faithful" else value for key, value in ENGLISH.items()
    }
    text = cue_account(
        moments, report, words=shouted, cue_words=dict.fromkeys(CUES, ("hoch", "tief"))
    )
    assert "WHETHER THE REASON IS FAMILIAR" in text
    assert "hoch (" in text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("neutral", "neutral speech is what the literature compares with"),
        ("grumpy", "not certain of any cue"),
    ],
)
def test_nothing_is_expected_of_neutral_or_unknown_labels(clip, target, words):
    model = HighVoice()
    model.labels = (target, "anger", "other")
    moments = MOMENTS.explain(model, clip, target=target)
    report = cue_report(moments, clip)
    assert not report.scored
    assert words in cue_account(moments, report)


def test_no_support_is_an_error_and_bands_have_no_times(clip):
    class Constant(HighVoice):
        def predict_proba(self, waveforms):
            return np.tile([0.2, 0.7, 0.1], (len(waveforms), 1))

    with pytest.raises(InputError, match="no moment of array supports neutral"):
        cue_report(MOMENTS.explain(Constant(), clip), clip)
    with pytest.raises(InputError, match="has no times"):
        salient_windows(EmoLime().explain(HighVoice(), clip))


def test_values_are_means_over_the_windows(report, clip):
    intervals = [(window.start_s, window.end_s) for window in report.windows]
    values = report.tracks.values(intervals)
    for column, key in enumerate(WINDOW_CUES):
        row = next(row for row in report.rows if row.cue == key)
        known = values[:, column][np.isfinite(values[:, column])]
        assert row.n_windows == len(known)
        if len(known):
            assert row.value == pytest.approx(known.mean())


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.64, "+2.6"), (-0.04, "−0.04"), (0.049, "+0.05"), (-0.001, "+0.00"), (0.0, "+0.00")],
)
def test_on_which_side_of_nought_an_interval_ends_is_shown(value, text):
    assert signed(value) == text
