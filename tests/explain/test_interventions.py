"""Doses of cues, on models whose answer is a known function of the cue."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

from cuelens import Audio, InputError, MissingExtraError
from cuelens.explain import CUE_DOSES, Interventions
from cuelens.explain.game import CountingModel
from cuelens.explain.interventions import MIN_SPAN_S
from cuelens.testing import ConstantModel, noise, speech_like
from cuelens.vocoder import load_world

if importlib.util.find_spec("pyworld") is None:
    pytest.skip('needs pyworld: pip install "cuelens[synth]"', allow_module_level=True)

RATE = 16_000


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values, dtype=float)))


class ToyModel:
    """p("yes") = sigmoid of a number that is measured on each waveform."""

    labels = ("yes", "no")
    sample_rate = RATE
    name = "toy"

    def __init__(self, measure):
        self.measure = measure

    def predict_proba(self, waveforms):
        yes = sigmoid([self.measure(np.asarray(w, dtype=float)) for w in waveforms])
        return np.column_stack([yes, 1 - yes])


def level_db(samples):
    return 10 * np.log10(np.mean(samples**2))


def pitch_st(samples):
    """Semitones above 100 Hz from the strongest period of the whole waveform."""
    power = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    likeness = np.fft.irfft(power)
    lags = np.arange(RATE // 400, RATE // 60)
    best = lags[int(np.argmax(likeness[lags]))]
    low, here, high = likeness[best - 1 : best + 2]
    period = best + 0.5 * (low - high) / (low - 2 * here + high)
    return 12 * np.log2(RATE / period / 100.0)


@pytest.fixture(scope="module")
def audio():
    samples = 0.2 * speech_like(f0_hz=125.0, duration_s=1.2, seed=1)
    return Audio(samples=samples, sample_rate=RATE, source="clip.wav")


def test_level_is_a_closed_form(audio):
    model = ToyModel(lambda w: (level_db(w) + 30) / 6)
    result = Interventions(cues=("level",), n_remakes=0).explain(model, audio, target="yes")
    response = result.response("level")
    base = level_db(audio.samples.astype(float))
    expected = sigmoid((base + response.doses + 30) / 6)
    np.testing.assert_allclose(response.outputs[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(response.measured, response.doses, atol=1e-3)
    np.testing.assert_array_equal(response.identity, result.prediction)
    assert response.attenuated_db == 0
    assert not response.flat
    low = result.sentence("level", -6.0)
    assert low == (
        f"Had the speech been 6 dB softer, p(yes) would be {expected[1]:.2f} "
        f"({expected[1]:.2f} to {expected[1]:.2f}) instead of {expected[2]:.2f}, "
        "and the answer no instead of yes."
    )


def test_tempo_is_a_closed_form(audio):
    model = ToyModel(lambda w: 3 * (len(w) / RATE - 1.2))
    result = Interventions(cues=("tempo",)).explain(model, audio, target="yes")
    response = result.response("tempo")
    expected = sigmoid(3 * (1.2 / response.doses - 1.2))
    np.testing.assert_allclose(response.outputs[:, 0], expected, atol=1e-3)
    assert response.as_asked.all()
    # Remakes differ in length by up to 1 % of 0.83 and in nothing that counts here.
    for row, dose in enumerate(response.doses):
        reach = sigmoid(3 * (1.2 / (dose + np.array([0.0083, -0.0083])) - 1.2))
        assert reach[0] - 1e-3 <= response.low[row, 0] <= response.outputs[row, 0]
        assert response.outputs[row, 0] <= response.high[row, 0] <= reach[1] + 1e-3


def test_pitch_is_heard_in_semitones(audio):
    model = ToyModel(lambda w: (pitch_st(w) - 4) / 2)
    result = Interventions(cues=("f0-level",)).explain(model, audio, target="yes")
    response = result.response("f0-level")
    at = 12 * np.log2(125 / 100)
    np.testing.assert_allclose(
        response.outputs[:, 0], sigmoid((at + response.doses - 4) / 2), atol=0.02
    )
    assert response.as_asked.all()
    assert result.faithful_identity
    assert result.warnings() == ()
    assert result.sentence("f0-level").startswith("Had the pitch been 6 semitones higher, p(yes)")
    assert "and the answer yes instead of no" in result.sentence("f0-level", 6)
    assert "semitones lower, p(yes) would be 0.04" in result.sentence("f0-level", -6)


def test_model_that_hears_nothing_is_flat(audio):
    result = Interventions(cues=("f0-level", "level", "tilt"), n_remakes=2).explain(
        ConstantModel(), audio
    )
    assert result.target == "yes"
    for response in result.responses:
        assert response.flat
        np.testing.assert_array_equal(response.low, response.high)
        assert "the model does not hear it" in result.sentence(response.cue)
    assert "pitch level from −6 to 6 semitones" in result.sentence("f0-level")


def test_processing_that_counts_is_flagged_and_compared_with(audio):
    """A model that knows the recording bit for bit: whatever is processed, it says no."""
    recording = audio.samples.astype(float)

    def known(samples):
        same = len(samples) == len(recording) and np.array_equal(samples, recording)
        return 2.0 if same else -2.0

    result = Interventions(cues=("f0-level", "tilt"), n_remakes=0).explain(ToyModel(known), audio)
    assert not result.faithful_identity
    assert result.output_value == pytest.approx(sigmoid(2.0))
    for response in result.responses:
        assert result.control_change(response) == pytest.approx(sigmoid(2.0) - sigmoid(-2.0))
    said = result.sentence("f0-level", 3)
    assert "would be 0.12 (0.12 to 0.12) instead of 0.12 (with next to no dose)." in said
    assert "No dose of pitch level" in result.sentence("f0-level")
    assert (
        "is 0.12 instead of 0.88, which is more than the tolerance of 0.05" in result.warnings()[0]
    )
    assert "Note: Pitch level: with next to no dose, the output for yes" in result.account()
    frame = result.to_frame()
    moved = frame[(frame["dose"] == 3) & (frame["label"] == "yes")]["change"]
    assert moved.iloc[0] == pytest.approx(0.0)
    lenient = Interventions(cues=("tilt",), n_remakes=0, tolerance=0.9)
    assert lenient.explain(ToyModel(known), audio).faithful_identity


def test_what_does_not_fit_full_scale_is_attenuated_alike():
    loud = Audio(samples=speech_like(duration_s=0.8), sample_rate=RATE)
    model = ToyModel(lambda w: level_db(w) / 6)
    result = Interventions(cues=("level",), n_remakes=0).explain(model, loud, target="yes")
    response = result.response("level")
    peak_db = 20 * np.log10(np.abs(loud.samples).max())
    assert response.attenuated_db == pytest.approx(12 + peak_db, abs=0.01)
    base = level_db(loud.samples.astype(float)) - response.attenuated_db
    np.testing.assert_allclose(
        response.outputs[:, 0], sigmoid((base + response.doses) / 6), atol=1e-4
    )
    assert max(np.abs(sound.samples).max() for sound in response.sounds) <= 1.0
    assert result.warnings()[0].startswith(
        f"Level: attenuated by {response.attenuated_db:.1f} dB, the output for "
    )


def test_only_the_part_is_edited(audio):
    result = Interventions(cues=tuple(CUE_DOSES), span=(0.4, 0.8), n_remakes=0).explain(
        ConstantModel(), audio
    )
    assert result.span == (0.4, 0.8)
    first, last, reach = 6400, 12800, 80
    for response in result.responses:
        plain = response.sounds[response.identity_index].samples
        for sound in response.sounds:
            made = sound.samples
            np.testing.assert_array_equal(made[: first - reach], plain[: first - reach])
            n_after = plain.size - last - reach
            np.testing.assert_array_equal(made[-n_after:], plain[-n_after:])
    words = result.sentence("f0-level", 3)
    assert words.startswith("Had the pitch between 0.40 and 0.80 s been 3 semitones higher, ")


def test_doses_that_go_astray_are_flagged():
    """An octave below 75 Hz is below what openSMILE can hear."""
    low = Audio(samples=speech_like(f0_hz=75.0, duration_s=1.0), sample_rate=RATE)
    result = Interventions(
        cues=("f0-level",), doses={"f0-level": (-12.0, 12.0)}, n_remakes=0
    ).explain(ConstantModel(), low)
    response = result.response("f0-level")
    assert response.as_asked.tolist() == [False, True, True]
    assert any(text.startswith("Pitch level −12 semitones") for text in result.warnings())
    assert "Pitch level −12 semitones" in result.sentence("f0-level", -12)


def test_breathiness_falls_in_harmonics_to_noise(audio):
    result = Interventions(cues=("breathiness",), n_remakes=0).explain(ConstantModel(), audio)
    response = result.response("breathiness")
    assert response.as_asked.all()
    assert (np.diff(response.measured) < 0).all()
    assert response.measured[0] == 0


def test_the_same_seed_gives_the_same_bytes(audio):
    model = ToyModel(lambda w: 50 * np.mean(np.abs(np.diff(w))))
    cues = ("f0-level", "breathiness", "level")

    def found(seed):
        result = Interventions(cues=cues, n_remakes=2, seed=seed).explain(model, audio)
        return {**json.loads(result.to_json()), "timing_s": None}

    before = audio.samples.copy()
    first = found(0)
    assert first == found(0)
    np.testing.assert_array_equal(audio.samples, before)
    other = found(1)
    for a, b in zip(first["cues"], other["cues"], strict=True):
        for dose, dose_b in zip(a["doses"], b["doses"], strict=True):
            assert dose["outputs"] == dose_b["outputs"]
        assert [d["low"] for d in a["doses"]] != [d["low"] for d in b["doses"]]


def test_calls_are_counted_as_announced(audio):
    asked = []
    explainer = Interventions(cues=("tempo", "level"), n_remakes=2)
    model = CountingModel(ConstantModel(), asked.append)
    result = explainer.explain(model, audio)
    assert sum(asked) == explainer.n_evaluations() == result.n_model_calls == 1 + 2 + 10 * 3


def test_tables_json_and_figure_say_the_same(audio):
    model = ToyModel(lambda w: (level_db(w) + 30) / 6)
    explainer = Interventions(
        cues=("level", "tempo"), doses={"tempo": (1.2,), "level": (-3.0, 3.0)}, n_remakes=1
    )
    result = explainer.explain(model, audio, target="no")
    frame, data = result.to_frame(), json.loads(result.to_json())
    assert len(frame) == (3 + 2) * 2
    for cue in data["cues"]:
        for dose in cue["doses"]:
            rows = frame[(frame["cue"] == cue["cue"]) & (frame["dose"] == dose["dose"])]
            assert dict(zip(rows["label"], rows["output"], strict=True)) == dose["outputs"]
    assert data["target"] == "no"
    assert data["output_value"] == pytest.approx(1 - result.prediction[0])
    figure = result.plot()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert len(panels) == 2
    curve = next(line for line in panels[0].lines if line.get_lw() == 1.5)
    np.testing.assert_array_equal(curve.get_xdata(), [-3.0, 0.0, 3.0])
    np.testing.assert_array_equal(curve.get_ydata(), result.responses[0].outputs[:, 1])


def test_outputs_that_are_no_probabilities_are_not_called_so(audio):
    class Arousal:
        labels = ("arousal",)
        sample_rate = RATE
        name = "regression"

        def predict_proba(self, waveforms):
            return np.array([[3 + level_db(w.astype(float)) / 20] for w in waveforms])

    result = Interventions(cues=("level",), n_remakes=0).explain(Arousal(), audio)
    assert result.output_name == "arousal"
    assert "louder, arousal would be" in result.sentence("level", 6)
    assert "answer" not in result.sentence("level", 6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cues": ("pitch",)}, "cue is 'pitch'; expected some of f0-level"),
        ({"cues": ()}, "expected one or more"),
        ({"cues": ("level", "level")}, "all different"),
        ({"doses": {"tempo": (3.0,)}}, "dose of tempo is 3; expected 0.5 to 2 times"),
        ({"doses": {"tempo": (float("nan"),)}}, "dose of tempo is nan"),
        ({"cues": ("level",), "doses": {"tempo": (1.1,)}}, "not among the cues"),
        ({"n_remakes": -1}, "n_remakes is -1"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"span": (0.9, 0.4)}, "span is 0.9 to 0.4 s"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Interventions(**settings)


def test_wrong_clips_are_refused(audio):
    model = ConstantModel()
    with pytest.raises(InputError, match=r"of a clip of 1\.20 s; expected a part of the clip"):
        Interventions(cues=("level",), span=(0.5, 3.0)).explain(model, audio)
    with pytest.raises(InputError, match=f"at least {MIN_SPAN_S * 1000:.0f} ms"):
        Interventions(cues=("level",), span=(0.5, 0.55)).explain(model, audio)
    with pytest.raises(InputError, match="target is 'joy'"):
        Interventions(cues=("level",)).explain(model, audio, target="joy")
    hiss = Audio(samples=noise(duration_s=0.5, level=0.05), sample_rate=RATE, source="hiss.wav")
    with pytest.raises(InputError, match=r"hiss.wav: f0-level: nothing is voiced"):
        Interventions(cues=("f0-level",)).explain(model, hiss)
    result = Interventions(cues=("level",), n_remakes=0).explain(model, audio)
    with pytest.raises(InputError, match="cue 'tempo' was not tried; expected one of level"):
        result.sentence("tempo")
    with pytest.raises(InputError, match="dose 5 of level was not tried"):
        result.sentence("level", 5)


def test_without_the_vocoder_level_and_tilt_still_work(audio, monkeypatch):
    def missing():
        raise MissingExtraError("the WORLD vocoder", "synth")

    load_world.cache_clear()
    monkeypatch.setattr("cuelens.vocoder.load_world", missing)
    result = Interventions(cues=("level", "tilt"), n_remakes=1).explain(ConstantModel(), audio)
    assert np.isnan(result.pitch_agreement)
    with pytest.raises(MissingExtraError, match=r'pip install "cuelens\[synth\]"'):
        Interventions(cues=("tempo",)).explain(ConstantModel(), audio)


@pytest.mark.parametrize("peak_db", [-1.0, -30.0, -65.0])
def test_doses_that_the_sound_does_not_bear_are_left_out_and_named(peak_db):
    """At most 20 dB above full scale, and a peak of at least −60 dB after the attenuation."""
    samples = speech_like(duration_s=0.8)
    samples = samples / np.abs(samples).max() * 10 ** (peak_db / 20)
    asked = np.array([-40.0, -30.0, -6.0, 0.0, 15.0, 30.0, 40.0])
    explainer = Interventions(cues=("level",), doses={"level": tuple(asked)}, n_remakes=1)
    result = explainer.explain(ConstantModel(), Audio(samples=samples, sample_rate=RATE))
    response = result.response("level")
    kept = asked[(peak_db + asked <= 20) | (asked == 0)]
    attenuated_db = max(0.0, peak_db + kept.max())
    kept = kept[(peak_db + kept - attenuated_db >= -60) | (kept == 0)]
    np.testing.assert_array_equal(response.doses, kept)
    assert response.attenuated_db == pytest.approx(attenuated_db, abs=1e-3)
    assert [dose for dose, _ in response.left_out] == sorted(set(asked) - set(kept))
    assert result.n_model_calls == 1 + 1 + 2 * len(kept)
    for dose, why in response.left_out:
        named = f"Level {dose:g} dB was left out: {why}.".replace("-", "−", 1)
        assert named in result.warnings()
        assert ("beyond full scale" in why) == (peak_db + dose > 20)
    left_out = result.to_dict()["cues"][0]["left_out"]
    assert [entry["dose"] for entry in left_out] == [dose for dose, _ in response.left_out]
    if len(kept) == 1:
        assert result.sentence("level") == "No level was tried but the recording's own."
