"""The page of interventions: everything in one file, nothing unescaped."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from markupsafe import escape

from cuelens import Audio
from cuelens.explain import Interventions
from cuelens.report import interventions_html, write_interventions_report
from cuelens.testing import BandModel, speech_like


@pytest.fixture(scope="module")
def audio():
    return Audio(
        samples=speech_like(duration_s=0.6), sample_rate=16_000, source="<i>clip & co</i>.wav"
    )


@pytest.fixture(scope="module")
def result(audio):
    model = BandModel(band_hz=(1000.0, 2000.0))
    model.labels = ("<b>high</b>", "low")
    return Interventions(cues=("level", "tilt"), n_remakes=1).explain(model, audio, target="low")


def test_page_is_one_file_and_escapes_what_others_wrote(result, audio):
    html = interventions_html(result, audio=audio)
    assert "<b>high</b>" not in html
    assert "&lt;b&gt;high&lt;/b&gt;" in html
    assert "<i>clip" not in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert html.count("<audio") == 1 + 5 + 5
    for response in result.responses:
        assert escape(result.sentence(response.cue)) in html
    for warning in result.warnings():
        assert escape(warning) in html


def test_sounds_of_the_page_are_the_versions(result, audio):
    html = interventions_html(result, audio=audio)
    found = re.findall(r'src="data:audio/flac;base64,([^"]+)"', html)
    sounds = [audio, *(sound for r in result.responses for sound in r.sounds)]
    assert len(found) == len(sounds)
    for text, sound in zip(found, sounds, strict=True):
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(text)))
        assert rate == 16_000
        np.testing.assert_allclose(samples, sound.samples, atol=1 / 32768)


def test_curves_of_the_page_are_the_answers(result, audio):
    html = interventions_html(result, audio=audio)
    lines = re.findall(r'class="curve" points="([^"]+)"', html)
    for response, line in zip(result.responses, lines, strict=True):
        points = np.array([[float(v) for v in point.split(",")] for point in line.split()])
        np.testing.assert_allclose(1 - points[:, 1] / 200, response.outputs[:, 1], atol=6e-4)
        share = (response.doses - response.doses[0]) / np.ptp(response.doses)
        np.testing.assert_allclose(points[:, 0] / 420, share, atol=2e-4)


def test_folder_holds_everything(result, audio, tmp_path):
    report = write_interventions_report(tmp_path / "new", result=result, audio=audio)
    names = {file.name for file in report.parent.rglob("*.*")}
    assert {"interventions.html", "interventions.json", "interventions.csv"} <= names
    assert {"interventions.png", "level_-12.flac", "level_+0.flac", "tilt_+4.flac"} <= names


def test_versions_of_an_earlier_run_are_removed(audio, tmp_path):
    model = BandModel(band_hz=(1000.0, 2000.0))
    for doses in ((-12.0, 12.0), (3.0,)):
        found = Interventions(cues=("level",), doses={"level": doses}, n_remakes=0)
        write_interventions_report(tmp_path, result=found.explain(model, audio), audio=audio)
    names = {file.name for file in (tmp_path / "interventions").glob("*.flac")}
    assert names == {"level_+0.flac", "level_+3.flac"}
