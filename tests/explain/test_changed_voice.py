"""Several cues changed at once: each as `Interventions` makes it, in any order asked."""

from __future__ import annotations

import numpy as np
import pytest

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain import Interventions
from cuelens.explain.changed_voice import ORDER, changed_voice
from cuelens.explain.cue_doses import CUE_DOSES
from cuelens.testing import BandModel, speech_like
from cuelens.vocoder import a_weighted_db

pytest.importorskip("pyworld", reason="the extra synth is not installed")

AUDIO = Audio(samples=speech_like(duration_s=0.8) * 0.3, sample_rate=16_000, source="clip.wav")
MODEL = BandModel(band_hz=(500.0, 3000.0))


def test_every_cue_has_its_turn():
    assert sorted(ORDER) == sorted(CUE_DOSES)


@pytest.mark.parametrize(
    ("cue", "dose"), [("f0-level", 3.0), ("tempo", 1.25), ("tilt", 2.0), ("level", -6.0)]
)
def test_one_cue_is_the_version_of_interventions(cue, dose):
    found = Interventions(cues=(cue,), doses={cue: (dose,)}, n_remakes=0).explain(MODEL, AUDIO)
    (response,) = found.responses
    (index,) = np.flatnonzero(response.doses == dose)
    gain = 10 ** (response.attenuated_db / 20)  # versions of a cue are attenuated alike
    np.testing.assert_allclose(
        changed_voice(AUDIO, {cue: dose}).samples, response.sounds[index].samples * gain, atol=1e-5
    )


def test_nothing_changed_is_the_clip_itself():
    assert changed_voice(AUDIO, {}) is AUDIO
    assert changed_voice(AUDIO, {"level": 0.0, "tempo": 1.0}) is AUDIO


def test_cues_do_not_undo_each_other():
    both = changed_voice(AUDIO, {"level": -6.0, "tempo": 1.25, "tilt": 3.0})
    assert both.duration_s == pytest.approx(AUDIO.duration_s / 1.25, rel=0.02)
    level = [a_weighted_db(sound.samples, sample_rate=16_000) for sound in (AUDIO, both)]
    assert level[1] - level[0] == pytest.approx(-6.0, abs=0.3)  # tempo and tilt keep the level

    def tilt(sound):
        power = np.abs(np.fft.rfft(sound.samples, 1 << 15)) ** 2
        hz = np.fft.rfftfreq(1 << 15, 1 / 16_000)
        low, high = ((hz > a) & (hz < 2 * a) for a in (500.0, 2000.0))
        return 10 * np.log10(power[high].sum() / power[low].sum())

    assert tilt(both) - tilt(AUDIO) == pytest.approx(6.0, abs=1.0)  # 3 dB an octave, two octaves
    assert both.notes == ("tempo +1.25 times", "spectral tilt +3 dB/octave", "level -6 dB")


def test_what_would_overshoot_is_scaled_and_said():
    loud = Audio(samples=AUDIO.samples / np.abs(AUDIO.samples).max(), sample_rate=16_000)
    made = changed_voice(loud, {"level": 6.0})
    assert np.abs(made.samples).max() == pytest.approx(1.0)
    assert any(note.startswith("scaled by 0.501") for note in made.notes)


@pytest.mark.parametrize(
    ("doses", "message"),
    [
        ({"pitch": 1.0}, "cue is 'pitch'; expected some of"),
        ({"level": 400.0}, "dose of level is 400"),
    ],
)
def test_wrong_doses(doses, message):
    with pytest.raises(InputError, match=message):
        changed_voice(AUDIO, doses)
