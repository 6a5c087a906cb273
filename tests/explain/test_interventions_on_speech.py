"""Doses on real speech, measured back by Praat; nothing here asks openSMILE or WORLD."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from cuelens import load_corpus
from cuelens.explain import CUE_DOSES, Interventions
from cuelens.testing import ConstantModel

pytestmark = pytest.mark.corpus
parselmouth = pytest.importorskip("parselmouth")
if importlib.util.find_spec("pyworld") is None:
    pytest.skip('needs pyworld: pip install "cuelens[synth]"', allow_module_level=True)

CLIPS = (
    ("emodb", "03a01Wa.flac"),  # a man, anger
    ("emodb", "08a01Na.flac"),  # a woman, neutral
    ("ravdess", "03-01-01-01-01-01-01.flac"),  # a man, neutral
    ("ravdess", "03-01-05-01-02-01-04.flac"),  # a woman, anger
)


@pytest.fixture(scope="module")
def results(data_dir):
    found = []
    for name, file in CLIPS:
        corpus = load_corpus(str(data_dir / name))
        row = next(k for k, path in enumerate(corpus.table["file"]) if path.endswith(file))
        found.append(Interventions(n_remakes=0).explain(ConstantModel(), corpus.audio(row)))
    return found


def pairs(results, cue):
    """(dose, untouched, edited) of every clip, for the doses that change something."""
    for result in results:
        response = result.response(cue)
        untouched = sound(response.sounds[response.identity_index])
        for row, dose in enumerate(response.doses):
            if row != response.identity_index:
                yield dose, untouched, sound(response.sounds[row]), response.as_asked[row]


def sound(audio):
    return parselmouth.Sound(audio.samples.astype(float), audio.sample_rate)


def pitches(untouched, edited):
    """Semitones on frames of 10 ms that Praat finds voiced in both."""
    hz = [
        s.to_pitch_ac(time_step=0.01, pitch_floor=60.0, pitch_ceiling=800.0).selected_array[
            "frequency"
        ]
        for s in (untouched, edited)
    ]
    n = min(map(len, hz))
    both = (hz[0][:n] > 0) & (hz[1][:n] > 0)
    return [12 * np.log2(values[:n][both]) for values in hz]


def envelope(made):
    """Praat's intensity over time."""
    intensity = made.to_intensity(minimum_pitch=100.0)
    return intensity.xs(), intensity.values[0]


def test_pitch_level(results):
    for dose, untouched, edited, as_asked in pairs(results, "f0-level"):
        old, new = pitches(untouched, edited)
        assert np.median(new - old) == pytest.approx(dose, abs=0.05 * max(abs(dose), 3))
        assert as_asked
        assert edited.duration == untouched.duration


def test_pitch_range(results):
    for dose, untouched, edited, as_asked in pairs(results, "f0-range"):
        old, new = pitches(untouched, edited)
        if not as_asked:  # said so
            continue
        near = np.abs(new - (np.median(new) + dose * (old - np.median(old)))) < 3
        assert near.mean() > 0.8
        assert np.polyfit(old[near], new[near], 1)[0] == pytest.approx(dose, abs=0.1)
    flags = [as_asked for *_, as_asked in pairs(results, "f0-range")]
    assert np.mean(flags) >= 0.75


def test_tempo(results):
    for dose, untouched, edited, _ in pairs(results, "tempo"):
        assert untouched.duration / edited.duration == pytest.approx(dose, rel=0.01)
        slow_s, slow_db = envelope(untouched)
        fast_s, fast_db = envelope(edited)
        factors = dose * np.arange(0.8, 1.2, 0.01)
        likeness = []
        for factor in factors:
            inside = fast_s * factor < slow_s[-1]
            expected = np.interp(fast_s[inside] * factor, slow_s, slow_db)
            likeness.append(np.corrcoef(fast_db[inside], expected)[0, 1])
        assert factors[int(np.argmax(likeness))] == pytest.approx(dose, rel=0.05)
        assert max(likeness) > 0.85
        slow, fast = (s.to_pitch_ac(pitch_floor=60.0) for s in (untouched, edited))
        hz = [[slow.get_value_at_time(t * dose), fast.get_value_at_time(t)] for t in fast.xs()]
        hz = np.array(hz)[np.isfinite(hz).all(axis=1)]
        assert abs(np.median(12 * np.log2(hz[:, 1] / hz[:, 0]))) < 0.1


def test_level(results):
    for dose, untouched, edited, _ in pairs(results, "level"):
        change = edited.get_intensity() - untouched.get_intensity()
        assert change == pytest.approx(dose, abs=0.01)


def test_tilt(results):
    octaves = np.arange(-5, 7) / 3
    for dose, untouched, edited, _ in pairs(results, "tilt"):
        spectra = [parselmouth.praat.call(s, "To Ltas...", 50.0) for s in (untouched, edited)]
        levels = [
            [
                parselmouth.praat.call(ltas, "Get mean...", hz, hz * 2 ** (1 / 3), "energy")
                for hz in 1000 * 2**octaves
            ]
            for ltas in spectra
        ]
        slope = np.polyfit(octaves, np.subtract(levels[1], levels[0]), 1)[0]
        assert slope == pytest.approx(dose, rel=0.05)


def test_breathiness(results):
    for result in results:
        sounds = map(sound, result.response("breathiness").sounds)
        harmonicity = [s.to_harmonicity_cc().as_array() for s in sounds]
        means = [values[values > -200].mean() for values in harmonicity]
        assert (np.diff(means) < 0).all()
        assert means[0] - means[-1] > 5


def test_every_cue_was_tried(results):
    for result in results:
        assert [response.cue for response in result.responses] == list(CUE_DOSES)
