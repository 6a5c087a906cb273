"""A clip explained in full equals its steps done by hand; it grows stage by stage."""

from __future__ import annotations

import html
from contextlib import contextmanager

import numpy as np
import pytest

import cuelens
from cuelens.audio import Audio
from cuelens.evaluate import removal_curve
from cuelens.evaluate.gate import gate
from cuelens.explain import EmoLime
from cuelens.explain.moment_finder import moment_finder
from cuelens.models import CallableModel
from cuelens.report import (
    CueSettings,
    carried_cues,
    clip_stages,
    explain_clip,
    show_progress,
)
from cuelens.report.clip_page import clip_context
from cuelens.testing import BandModel, speech_like
from cuelens.units import FrequencyBands

MODEL = BandModel(band_hz=(500.0, 3000.0))
AUDIO = Audio(samples=speech_like(duration_s=1.0), sample_rate=16_000, source="folder/clip.wav")


@pytest.fixture(scope="module")
def report():
    return explain_clip(MODEL, AUDIO)


def test_equals_the_steps_by_hand(report):
    explanation = EmoLime().explain(MODEL, AUDIO)
    np.testing.assert_array_equal(report.explanation.weights, explanation.weights)
    by_hand = removal_curve(explanation, MODEL)
    np.testing.assert_array_equal(report.removal.by_weight, by_hand.by_weight)
    moments = moment_finder(AUDIO.duration_s, 0.15, 42)
    weights = moments.explain(MODEL, AUDIO, target=explanation.target).weights
    np.testing.assert_array_equal(report.moments.weights, weights)
    assert report.account.startswith(explanation.account[:80])
    assert report.clip_name == "clip.wav"


def test_grows_stage_by_stage_and_ends_as_the_report(report):
    stages = list(clip_stages(MODEL, AUDIO, checked=report.trust.gate))
    assert [stage.moments is not None for stage in stages] == [False, True, True, True]
    assert [stage.cues is not None for stage in stages] == [False, False, True, True]
    assert [stage.trust is not None for stage in stages] == [False, False, False, True]
    for stage in stages:
        assert "<h1>" in stage.to_html()
        assert stage.to_dict()["target"] == report.explanation.target
    assert stages[-1].account == report.account


def test_progress_counts_every_call_of_the_model():
    done = {}

    @contextmanager
    def watch(what, total):
        done[what] = [0, total]

        def advance(n):
            done[what][0] += n

        yield advance

    explain_clip(MODEL, AUDIO, watch=watch)
    assert done["clip.wav"] == [256, 256]
    assert done["clip.wav: moments"][0] == done["clip.wav: moments"][1] > 100
    assert "clip.wav: how far to trust it" in done


def test_a_higher_rate_is_brought_to_the_models():
    high = AUDIO.resample(32_000)
    found = explain_clip(MODEL, high, cues=None)
    assert found.audio.sample_rate == 16_000
    assert found.moments is None
    assert found.cues is None


def test_a_question_of_two_labels(report):
    first = report.explanation.target
    second = next(label for label in MODEL.labels if label != first)
    asked = explain_clip(MODEL, AUDIO, rather_than=second, cues=None)
    assert asked.explanation.contrast is not None
    row = [report.explanation.labels.index(label) for label in (first, second)]
    apart = report.explanation.weights[row[0]] - report.explanation.weights[row[1]]
    np.testing.assert_allclose(asked.explanation.target_weights, apart, atol=1e-6)


def test_what_cannot_be_done_is_noted():
    quiet = Audio(samples=speech_like(duration_s=0.05), sample_rate=16_000)
    short = explain_clip(MODEL, quiet)
    assert short.cues is None
    assert any("no cues" in note for note in short.notes)


def test_saved_from_python_it_is_the_same_report(report, tmp_path):
    page = report.save(tmp_path / "out")
    assert page.read_text(encoding="utf-8") == report.to_html()
    names = {file.name for file in page.parent.iterdir()}
    assert {"report.html", "explanation.json", "weights.png", "cues.png"} <= names


def test_is_offered_at_the_top():
    assert cuelens.explain_clip is explain_clip
    assert cuelens.ClipReport is type(explain_clip(MODEL, AUDIO, cues=None))


def test_baselines_are_made_once(monkeypatch, tmp_path):
    import soundfile

    file = tmp_path / "neutral.wav"
    soundfile.write(file, speech_like(duration_s=1.0), 16_000)
    settings = CueSettings(baseline=(file,))
    first = settings.baseline_of(tmp_path / "clip.wav")
    assert first is settings.baseline_of(tmp_path / "clip.wav")
    assert settings.baseline_of(file) is None  # a clip is not its own baseline


def test_what_the_gate_found_reaches_verdict_page_and_account():
    """Logits that are said to be probabilities: nothing may call them supported."""

    def logits(waveforms):
        p = MODEL.predict_proba(waveforms)
        return 20.0 * p - 8.0

    model = CallableModel(function=logits, labels=MODEL.labels, name="score")
    checked = gate(model)
    sentence = next(f.sentence for f in checked.flags if f.key == "not probabilities")
    found = explain_clip(model, AUDIO, cues=None, checked=checked)
    assert found.trust.beaten >= 0.95
    assert found.trust.verdict == "not supported"
    assert sentence in found.account.splitlines()[-1]
    assert html.escape(sentence, quote=True).replace("&quot;", "&#34;") in found.to_html()
    assert "p = " not in found.account
    given = MODEL.predict_proba([AUDIO.samples])[0] * 20.0 - 8.0
    assert f"{found.explanation.target} = {given.max():.2f}" in found.account
    honest = CallableModel(function=logits, labels=MODEL.labels, name="score", output="logit")
    said = explain_clip(honest, AUDIO, cues=None, checked=gate(honest))
    assert said.trust.verdict == "supported"
    assert "as the model says" in said.account


def test_a_clip_longer_than_the_model_hears_is_told():
    class Half(CallableModel):
        max_duration_s = 0.5

    model = Half(function=lambda w: MODEL.predict_proba([x[:8000] for x in w]), labels=MODEL.labels)
    sentence = "hears the first 0.50 s of the clip's 1.00 s only"
    assert sentence in explain_clip(model, AUDIO, cues=None).account
    half = Audio(samples=AUDIO.samples[:8000], sample_rate=16_000)
    assert "hears the first" not in explain_clip(model, half, cues=None).account


def test_from_python_the_model_is_checked_as_by_the_command(report):
    assert report.trust.gate is not None
    assert report.trust.gate.to_dict() == gate(MODEL).to_dict()
    assert report.timing_s > report.explanation.timing_s


def test_of_a_bundled_model_what_it_carries_is_looked_up():
    audio = Audio(samples=speech_like(duration_s=0.6), sample_rate=16_000)
    bands = EmoLime(units=FrequencyBands(n_bands=2))
    found = explain_clip(cuelens.load_model("emodb-cnn"), audio, explainer=bands)
    assert found.carried == carried_cues("emodb-cnn")
    assert explain_clip(MODEL, audio, explainer=bands).carried is None


def test_progress_for_python_counts(capsys):
    explain_clip(MODEL, AUDIO, cues=None, watch=show_progress)
    assert capsys.readouterr().out == ""


def test_a_difference_is_no_answer_among_the_probabilities(report):
    first = report.explanation.target
    second = next(label for label in MODEL.labels if label != first)
    asked = explain_clip(MODEL, AUDIO, rather_than=second, cues=None)
    context = clip_context(asked)
    assert [row["label"] for row in context["prediction"]] == [first, second]
    assert [row["target"] for row in context["prediction"]] == [True, False]
    difference = asked.explanation.prediction[-1]
    assert f"p({first}) − p({second}) = {difference:+.3f}" in asked.to_html()


def test_the_page_counts_every_call_of_the_model(report):
    calls = clip_context(report)["calls"]
    assert dict(calls["parts"])["bands"] == 256
    assert dict(calls["parts"])["moments"] == report.moments.n_model_calls
    assert calls["sum"] == sum(n for _, n in calls["parts"])
