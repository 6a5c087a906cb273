"""Edits of whole clips, measured back with Praat; nothing here asks openSMILE or WORLD."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from cuelens import Audio, InputError
from cuelens.corpora import demo_corpus
from cuelens.cues import CUES
from cuelens.evaluate.cue_edits import CUE_EDITS, edited_pair
from cuelens.testing import noise, tone
from cuelens.vocoder import a_weighted_db

parselmouth = pytest.importorskip("parselmouth")
if importlib.util.find_spec("pyworld") is None:
    pytest.skip('needs pyworld: pip install "cuelens[synth]"', allow_module_level=True)

call = parselmouth.praat.call
RATE = 16_000


@pytest.fixture(scope="module")
def clips() -> list[Audio]:
    """1.6 s of a woman and of a man, neutral, of the synthetic clips."""
    corpus = demo_corpus()
    rows = [
        row
        for row, file in enumerate(corpus.table["file"])
        if file.endswith(("de_female_neutral.flac", "en_male_neutral.flac"))
    ]
    spoken = [corpus.audio(row, sample_rate=RATE) for row in rows]
    return [Audio(samples=clip.samples[: int(1.6 * RATE)], sample_rate=RATE) for clip in spoken]


@pytest.fixture(scope="module")
def pairs(clips):
    """Untouched and edited, of every clip, by edit."""
    return {name: [edited_pair(clip, edit) for clip in clips] for name, edit in CUE_EDITS.items()}


def sound(audio):
    return parselmouth.Sound(audio.samples.astype(float), RATE)


def semitones(audio):
    """Praat's pitch where voiced, from 1 Hz."""
    hz = sound(audio).to_pitch_ac(pitch_floor=60.0, pitch_ceiling=500.0)
    hz = hz.selected_array["frequency"]
    return 12 * np.log2(hz[hz > 0])


def level_db(audio):
    return sound(audio).get_intensity()


def slope_db_per_octave(untouched, edited):
    """Slope of the difference between long-term spectra, third octaves from 300 Hz to 4 kHz."""
    octaves = np.arange(-5, 7) / 3
    spectra = [call(sound(audio), "To Ltas...", 100.0) for audio in (untouched, edited)]
    difference = [
        call(spectra[1], "Get mean...", low, low * 2 ** (1 / 3), "energy")
        - call(spectra[0], "Get mean...", low, low * 2 ** (1 / 3), "energy")
        for low in 1000 * 2**octaves
    ]
    return np.polyfit(octaves, difference, 1)[0]


def harmonicity_db(audio):
    values = sound(audio).to_harmonicity_cc().values
    return values[values > -200].mean()


def jitter(audio):
    pulses = call(sound(audio), "To PointProcess (periodic, cc)", 60.0, 500.0)
    return call(pulses, "Get jitter (local)", 0.0, 0.0, 1e-4, 0.02, 1.3)


def tempo(untouched, edited):
    """By how much time must be squeezed for Praat's intensity of one to follow the other's."""
    slow, fast = (sound(audio).to_intensity(minimum_pitch=100.0) for audio in (untouched, edited))
    factors = np.arange(1.0, 2.001, 0.01)
    likeness = []
    for factor in factors:
        at_s = fast.xs()[fast.xs() * factor < slow.xs()[-1]]
        expected = np.interp(at_s * factor, slow.xs(), slow.values[0])
        likeness.append(np.corrcoef(fast.values[0][: len(at_s)], expected)[0, 1])
    assert max(likeness) > 0.95
    return factors[int(np.argmax(likeness))]


def test_every_edit_is_of_a_known_cue():
    assert list(CUE_EDITS) == [
        "f0-level",
        "f0-range",
        "tempo",
        "level",
        "tilt",
        "jitter",
        "breathiness",
    ]
    for name, edit in CUE_EDITS.items():
        assert edit.name == name
        assert CUES[edit.cue].functional == edit.functional != ""
        assert edit.sign in (-1, 1)


def test_pitch_level_is_6_semitones_higher(pairs):
    for untouched, edited in pairs["f0-level"]:
        rise = np.median(semitones(edited)) - np.median(semitones(untouched))
        assert rise == pytest.approx(6.0, rel=0.05)


def test_pitch_range_is_twice_as_wide_around_the_same_mean(pairs):
    for untouched, edited in pairs["f0-range"]:
        before, after = semitones(untouched), semitones(edited)
        spread = [np.subtract(*np.quantile(st, [0.9, 0.1])) for st in (before, after)]
        assert spread[1] / spread[0] == pytest.approx(2.0, rel=0.15)
        assert np.mean(after) == pytest.approx(np.mean(before), abs=0.5)


def test_tempo_is_half_as_fast_again_at_the_same_pitch(pairs):
    for untouched, edited in pairs["tempo"]:
        assert untouched.duration_s / edited.duration_s == pytest.approx(1.5, rel=0.01)
        assert tempo(untouched, edited) == pytest.approx(1.5, rel=0.05)
        change = np.median(semitones(edited)) - np.median(semitones(untouched))
        assert abs(change) < 0.2


def test_level_is_exactly_12_db_and_nothing_else(pairs):
    for untouched, edited in pairs["level"]:
        assert level_db(edited) - level_db(untouched) == pytest.approx(12.0, abs=1e-3)
        np.testing.assert_allclose(
            edited.samples, untouched.samples * 10 ** (12 / 20), rtol=1e-5, atol=1e-7
        )


def test_tilt_turns_the_spectrum_by_4_db_an_octave(pairs):
    for untouched, edited in pairs["tilt"]:
        assert slope_db_per_octave(untouched, edited) == pytest.approx(4.0, rel=0.1)


def test_jitter_and_breathiness_are_what_praat_calls_so(pairs):
    for untouched, edited in pairs["jitter"]:
        assert jitter(edited) > 1.3 * jitter(untouched)
        assert abs(np.median(semitones(edited)) - np.median(semitones(untouched))) < 0.3
    for untouched, edited in pairs["breathiness"]:
        assert harmonicity_db(edited) < harmonicity_db(untouched) - 3
        assert abs(np.median(semitones(edited)) - np.median(semitones(untouched))) < 0.3


def test_only_level_changes_level(pairs):
    for name, made in pairs.items():
        for untouched, edited in made:
            assert np.abs(edited.samples).max() <= 1
            before, after = (
                a_weighted_db(audio.samples, sample_rate=RATE) for audio in (untouched, edited)
            )
            assert after - before == pytest.approx(CUE_EDITS[name].gain_db, abs=1e-3)


@pytest.mark.parametrize(
    ("frequency_hz", "weight_db"),  # table 3 of IEC 61672-1
    [(50.0, -30.2), (100.0, -19.1), (200.0, -10.9), (500.0, -3.2), (1000.0, 0.0), (2000.0, 1.2)],
)
def test_a_weighting_is_that_of_the_standard(frequency_hz, weight_db):
    samples = tone(frequency_hz, duration_s=1.0, level=0.5)
    rms_db = 20 * np.log10(0.5 / np.sqrt(2))
    found = a_weighted_db(samples, sample_rate=RATE) - rms_db
    assert found == pytest.approx(weight_db, abs=0.1)


def test_untouched_clips_are_the_same_for_all_edits_but_for_their_level(pairs, clips):
    for k, clip in enumerate(clips):
        shapes = [pairs[name][k][0].samples for name in CUE_EDITS]
        for shape in shapes:
            assert shape.shape == clip.samples.shape
            np.testing.assert_allclose(
                shape / np.abs(shape).max(), shapes[0] / np.abs(shapes[0]).max(), atol=1e-5
            )
        assert pairs["tempo"][k][0].source.endswith("(untouched)")
        assert pairs["tempo"][k][1].source.endswith("(tempo)")


def test_what_cannot_be_edited_is_refused(clips):
    hiss = Audio(samples=noise(duration_s=0.5, level=0.05), sample_rate=RATE)
    with pytest.raises(InputError, match="no frame is voiced"):
        edited_pair(hiss, CUE_EDITS["f0-level"])
    with pytest.raises(InputError, match="silence\\); expected speech"):
        a_weighted_db(np.zeros(100), sample_rate=RATE)
