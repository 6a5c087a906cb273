"""Versions of a clip: what is left alone, and what is done where."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import scipy.signal

from cuelens import InputError
from cuelens.explain import CUE_DOSES
from cuelens.explain.dose_versions import FADE_S, Versions, disturbed
from cuelens.testing import noise, speech_like, tone
from cuelens.vocoder import Voice, a_weighted_db

if importlib.util.find_spec("pyworld") is None:
    pytest.skip('needs pyworld: pip install "cuelens[synth]"', allow_module_level=True)

RATE = 16_000
SPEECH = speech_like(f0_hz=125.0, duration_s=1.2, seed=1)
FIRST, LAST = 6_000, 12_000
REACH = round(FADE_S / 2 * RATE)
OTHER = {
    "f0-level": 3.0,
    "f0-range": 2.0,
    "tempo": 1.25,
    "level": -6.0,
    "tilt": 3.0,
    "breathiness": 0.5,
}


@pytest.fixture(scope="module")
def voice():
    return Voice.of(SPEECH, sample_rate=RATE)


@pytest.fixture(scope="module")
def whole(voice):
    return Versions(samples=SPEECH, sample_rate=RATE, first=0, last=SPEECH.size, voice=voice)


@pytest.fixture(scope="module")
def part(voice):
    return Versions(samples=SPEECH, sample_rate=RATE, first=FIRST, last=LAST, voice=voice)


@pytest.mark.parametrize("cue", CUE_DOSES)
def test_the_dose_that_changes_nothing_is_the_recording(whole, part, cue):
    about = CUE_DOSES[cue]
    for maker in (whole, part):
        np.testing.assert_array_equal(maker.edited(about, about.identity), SPEECH)


@pytest.mark.parametrize("cue", CUE_DOSES)
def test_outside_the_part_is_the_recording_sample_by_sample(part, cue):
    made = part.edited(CUE_DOSES[cue], OTHER[cue])
    np.testing.assert_array_equal(made[: FIRST - REACH], SPEECH[: FIRST - REACH])
    n_after = SPEECH.size - LAST - REACH
    np.testing.assert_array_equal(made[-n_after:], SPEECH[-n_after:])
    length = SPEECH.size
    if cue == "tempo":
        length += (LAST - FIRST) / OTHER["tempo"] - (LAST - FIRST)
    assert made.size == pytest.approx(length, abs=2)
    inside = part.part_of(made)
    assert inside.size == pytest.approx(made.size - SPEECH.size + LAST - FIRST)
    if cue != "tempo":
        assert np.abs(inside[1000:-1000] - SPEECH[FIRST:LAST][1000:-1000]).max() > 0.01


@pytest.mark.parametrize(("first", "n_after"), [(96, 4_000), (4_000, 104), (96, 104)])
@pytest.mark.parametrize("tempo", [0.5, 1.5, 2.0])
def test_parts_near_an_end_of_the_clip(voice, first, n_after, tempo):
    """Less is left of the faster sound than a cross-fade takes."""
    last = SPEECH.size - n_after
    maker = Versions(samples=SPEECH, sample_rate=RATE, first=first, last=last, voice=voice)
    made = maker.edited(CUE_DOSES["tempo"], tempo)
    expected = SPEECH.size + (last - first) / tempo - (last - first)
    assert made.size == pytest.approx(expected, abs=4 * REACH)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("cue", [cue for cue in CUE_DOSES if cue != "level"])
def test_only_level_changes_the_level(whole, part, cue):
    for maker in (whole, part):
        made = maker.part_of(maker.edited(CUE_DOSES[cue], OTHER[cue]))
        before = a_weighted_db(maker.part_of(SPEECH.astype(float)), sample_rate=RATE)
        assert a_weighted_db(made, sample_rate=RATE) == pytest.approx(before, abs=0.3)


def test_level_is_a_factor(whole):
    np.testing.assert_allclose(
        whole.edited(CUE_DOSES["level"], -6.0), SPEECH.astype(float) * 10 ** (-6 / 20), rtol=1e-12
    )


def test_joins_go_through_no_step():
    level = np.full(SPEECH.size, 0.5, dtype=np.float32)
    maker = Versions(samples=level, sample_rate=RATE, first=FIRST, last=LAST)
    gain = maker.edited(CUE_DOSES["level"], -20.0) / 0.5
    assert np.abs(np.diff(gain)).max() < np.pi / 2 / (2 * REACH) + 1e-6
    np.testing.assert_allclose(gain[FIRST + REACH : LAST - REACH], 0.1)
    assert (np.diff(gain[: LAST - REACH]) <= 0).all()


def test_tilt_is_a_straight_line_over_octaves():
    clicks = np.zeros(RATE, dtype=np.float32)
    clicks[RATE // 2] = 0.5  # every frequency alike
    maker = Versions(samples=clicks, sample_rate=RATE, first=0, last=clicks.size)
    made = maker.edited(CUE_DOSES["tilt"], 3.0)
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(made)))
    at = [spectrum[hz] - spectrum[1000] for hz in (125, 250, 500, 2000, 4000)]
    np.testing.assert_allclose(at, [-9.0, -6.0, -3.0, 3.0, 6.0], atol=0.1)
    assert np.abs(made[: RATE // 2 - 400]).max() < 1e-3 * np.abs(made).max()  # no echo before


def test_breath_keeps_the_spectrum_and_takes_the_harmonics(whole):
    made = whole.edited(CUE_DOSES["breathiness"], 0.8)
    hz, before = scipy.signal.welch(SPEECH, RATE, nperseg=2048)
    after = scipy.signal.welch(made, RATE, nperseg=2048)[1]
    for low in (100.0, 400.0, 1600.0):
        band = (hz >= low) & (hz < 4 * low)
        change = 10 * np.log10(after[band].sum() / before[band].sum())
        assert abs(change) < 2.5
    valley = np.abs(hz - 187.5) < 20  # between the first two harmonics
    peak = np.abs(hz - 250.0) < 20
    contrast = [10 * np.log10(s[peak].sum() / s[valley].sum()) for s in (before, after)]
    assert contrast[1] < contrast[0] - 10
    other = whole.edited(CUE_DOSES["breathiness"], 0.8, lead_frames=1)
    assert np.abs(other - made).max() > 0.01
    np.testing.assert_array_equal(whole.edited(CUE_DOSES["breathiness"], 0.8), made)


def test_range_is_stretched_around_the_mean_of_the_part():
    t = np.arange(2 * RATE) / RATE
    f0 = 140 * 2 ** (2.0 * np.sin(2 * np.pi * 1.5 * t) / 12) * np.where(t < 1.0, 1.0, 1.4)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 20)) / 8
    glide = glide.astype(np.float32)
    maker = Versions(
        samples=glide,
        sample_rate=RATE,
        first=RATE,
        last=2 * RATE,
        voice=Voice.of(glide, sample_rate=RATE),
    )
    flat = maker.edited(CUE_DOSES["f0-range"], 0.0)
    found = Voice.of(flat, sample_rate=RATE).f0_hz[220:-20]
    spread = 12 * np.log2(found[found > 0])
    assert spread.std() < 0.15
    assert spread.mean() == pytest.approx(np.mean(12 * np.log2(f0[RATE:])), abs=0.1)


def test_what_cannot_be_edited_is_refused():
    hiss = noise(duration_s=0.5, level=0.05)
    maker = Versions(
        samples=hiss,
        sample_rate=RATE,
        first=0,
        last=hiss.size,
        voice=Voice.of(hiss, sample_rate=RATE),
    )
    for cue in ("f0-level", "f0-range"):
        with pytest.raises(InputError, match="nothing is voiced; expected speech"):
            maker.edited(CUE_DOSES[cue], 2.0)
    assert maker.edited(CUE_DOSES["tempo"], 1.25).size == hiss.size / 1.25
    halves = np.concatenate([np.zeros(4000, np.float32), tone(200.0, duration_s=0.25)])
    silent = Versions(samples=halves, sample_rate=RATE, first=0, last=3900)
    with pytest.raises(InputError, match="silence"):
        silent.edited(CUE_DOSES["tilt"], 2.0)
    with pytest.raises(InputError, match="expected a voice"):
        silent.edited(CUE_DOSES["tempo"], 2.0)


def test_disturbances_are_as_large_as_they_are_said_to_be():
    clip = SPEECH.astype(np.float64)
    for number in range(8):
        made = disturbed(clip, sample_rate=RATE, random=np.random.default_rng(number))
        lags = np.arange(-80, 81)
        likeness = [np.dot(made[80:-80], np.roll(clip, lag)[80:-80]) for lag in lags]
        shift = lags[int(np.argmax(likeness))]
        rest = made[80:-80] - np.roll(clip, shift)[80:-80]
        snr_db = 10 * np.log10(np.mean(clip**2) / np.mean(rest**2))
        assert snr_db == pytest.approx(40.0, abs=0.3)
