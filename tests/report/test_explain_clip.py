"""A clip explained in full equals its steps done by hand; it grows stage by stage."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

import cuelens
from cuelens.audio import Audio
from cuelens.evaluate import removal_curve
from cuelens.explain import EmoLime
from cuelens.explain.moment_finder import moment_finder
from cuelens.report import CueSettings, clip_stages, explain_clip
from cuelens.testing import BandModel, speech_like

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
    stages = list(clip_stages(MODEL, AUDIO))
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
