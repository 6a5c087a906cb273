"""What the app answers, without the web: equal to the library, escaped, kept apart and let go."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from html import escape
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cuelens.app.limits import Limits
from cuelens.app.workbench import Workbench, _plain
from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain import EmoLime, Interventions, compare
from cuelens.explain.changed_voice import changed_voice
from cuelens.models.base import predict
from cuelens.report import clip_stages
from cuelens.testing import BandModel, speech_like
from cuelens.units import TimeWindows

NASTY = "<script>alert(1)</script>{{7*7}}${7*7}"
MODEL = BandModel(band_hz=(500.0, 3000.0), labels=(NASTY, "low"))
AUDIO = Audio(samples=speech_like(duration_s=1.0), sample_rate=16_000, source=f"{NASTY}.wav")


@pytest.fixture
def bench(monkeypatch):
    made = Workbench(["emodb-egemaps"])
    made._models["tiny"] = MODEL
    made._specs["tiny"] = "python:tiny:model"
    return made


@pytest.fixture
def explained(bench):
    *_, (token, view, report) = bench.explained(AUDIO, "tiny")
    return token, view, report


def sounds(html):
    """Sounds in a piece of HTML, as samples."""
    found = re.findall(r'<audio[^>]* src="data:audio/\w+;base64,([^"]+)"', html)
    return [soundfile.read(io.BytesIO(base64.b64decode(text)))[0] for text in found]


def values(html):
    """Answers in a piece of HTML by label."""
    rows = re.findall(
        r'<span class="name">(.*?)</span>.*?<span class="value">([\d.]+) <small>was ([\d.]+)',
        html,
        re.S,
    )
    return {name: (float(now), float(before)) for name, now, before in rows}


def test_stages_are_those_of_the_library(bench):
    *stages, last = bench.explained(AUDIO, "tiny")
    *_, known = clip_stages(MODEL, AUDIO)
    np.testing.assert_array_equal(last[2].explanation.weights, known.explanation.weights)
    assert len({token for token, _, _ in (*stages, last)}) == 1
    assert len(stages) == 3


def test_all_that_users_name_is_text(explained):
    _, view, _ = explained
    assert "<script>" not in view
    assert "&lt;script&gt;alert(1)" in view
    assert "{" not in view  # the page is put into a template of the browser's
    assert "$" not in view


def test_switched_off_is_what_the_library_gives(bench, explained):
    token, view, _ = explained
    assert view.count('data-part="units"') == 8 + 1  # a switch a band, and the place for the sound
    explanation = EmoLime().explain(MODEL, AUDIO)
    keep = np.ones(8, dtype=bool)
    keep[[1, 2]] = False
    html = bench.switched(token, "units", [1, 2])
    (heard,) = sounds(html)
    np.testing.assert_allclose(heard, explanation.audio(keep).samples, atol=1e-4)
    answer = predict(MODEL, list(explanation.components.mix(keep[None])))[0]
    whole = predict(MODEL, [AUDIO.samples.copy()])[0]
    assert values(html)["low"] == pytest.approx((answer[1], whole[1]), abs=6e-4)
    (all_of_it,) = sounds(bench.switched(token, "units", []))
    np.testing.assert_allclose(all_of_it, AUDIO.samples, atol=1e-4)
    assert sounds(bench.switched(token, "units", list(range(8)))) == []


def test_moments_are_switched_off_too(bench, explained):
    token, _, report = explained
    (heard,) = sounds(bench.switched(token, "moments", [0]))
    unit = report.moments.units[0]
    inside = heard[: round(unit.end_s * 16_000 * 0.8)]
    assert np.abs(inside).max() < 1e-3 < np.abs(heard).max()


@pytest.mark.parametrize(("part", "off"), [("units", [8]), ("units", ["x"]), ("moments", [-1])])
def test_units_that_are_not_there(bench, explained, part, off):
    with pytest.raises(InputError, match="expected numbers from 0 to"):
        bench.switched(explained[0], part, off)


def test_level_and_tilt_are_heard_and_answered(bench, explained):
    token = explained[0]
    html = bench.changed(token, {"level": -6.0})
    (heard,) = sounds(html)
    ratio = np.sqrt(np.mean(heard**2) / np.mean(AUDIO.samples**2))
    assert 20 * np.log10(ratio) == pytest.approx(-6.0, abs=0.05)
    assert "loudness" in html or "level" in html
    (same,) = sounds(bench.changed(token, {"level": 0.0, "tilt": 0.0}))
    np.testing.assert_allclose(same, AUDIO.samples, atol=1e-4)
    assert "remaking" not in bench.changed(token, {"level": 0.0})
    with pytest.raises(InputError, match="dose of level"):
        bench.changed(token, {"level": 1000.0})


@pytest.mark.parametrize(("dose", "said"), [(0.04, "Within what remaking"), (-4.0, "does less")])
def test_a_knob_says_what_remaking_alone_does(bench, explained, dose, said):
    token, _, report = explained
    html = bench.changed(token, {"tilt": dose})
    target = report.explanation.target
    curve = Interventions(cues=("tilt",)).explain(MODEL, AUDIO, target=target)
    response, column = curve.response("tilt"), curve.target_index
    row = response.identity_index
    known = [v[column] for v in (response.low[row], response.high[row], response.control)]
    low, high = map(float, re.search(r"from ([\d.]+) to ([\d.]+)", html).groups())
    assert (low, high) == pytest.approx((min(known), max(known)), abs=6e-4)
    assert said in html
    now = predict(MODEL, [changed_voice(AUDIO, {"tilt": dose}).samples.copy()])[0][column]
    assert (low <= now <= high) == (said == "Within what remaking")


def test_beside_another_clip_and_another_model(bench, explained):
    token = explained[0]
    other = Audio(samples=speech_like(duration_s=0.8, seed=3), sample_rate=16_000, source="b.wav")
    html = bench.beside_clip(token, other)
    assert "b.wav" in html
    assert len(sounds(html)) == 2
    frame = compare(
        *(EmoLime(units=TimeWindows(), samples=256).explain(MODEL, one) for one in (AUDIO, other))
    ).to_frame()
    html = bench.beside_clip(token, other, by="moments")
    for weight in frame["first"]:
        assert f"{weight:+.3f}".replace("-", "−") in html
    html = bench.beside_model(token, "emodb-egemaps")
    assert "emodb-egemaps" in html
    assert "<script>" not in html


def test_a_question_of_two_labels(bench):
    *_, (token, view, report) = bench.explained(AUDIO, "tiny", target="low", rather_than=NASTY)
    assert report.explanation.contrast == ("low", NASTY)
    assert "<script>" not in view
    html = bench.switched(token, "units", [0])
    assert set(values(html)) == {"low", _plain(escape(NASTY))}
    low, other = (answers for _, answers in sorted(values(html).items(), reverse=True))
    now, before = (
        float(text.replace("−", "-"))
        for text in re.search(r"<b>(.[\d.]+)</b>, was (.[\d.]+)\.<", html).groups()
    )
    assert (now, before) == pytest.approx(np.subtract(low, other), abs=2e-3)
    curve = bench.curves(token, "level")
    assert "low rather than" in re.search(r"gives (.*) = ", curve)[1]
    clip = Audio(samples=speech_like(duration_s=0.8, seed=3), sample_rate=16_000, source="b.wav")
    assert "low rather than" in re.search(r"<h1>(.*)</h1>", bench.beside_clip(token, clip))[1]


def test_neutral_speech_is_the_baseline(bench, tmp_path):
    file = tmp_path / "neutral.wav"
    soundfile.write(file, speech_like(duration_s=1.0, seed=5), 16_000)
    *_, (_, _, report) = bench.explained(AUDIO, "tiny", neutral=[str(file)])
    assert "neutral clip given" in report.cues.baseline


def test_files_are_the_report(bench, explained):
    token, _, report = explained
    links = re.findall(r'href="data:[\w/]+;base64,([^"]+)" download="([^"]+)"', bench.files(token))
    page, content, everything = (base64.b64decode(text) for text, _ in links)
    assert [Path(name).suffix for _, name in links] == [".html", ".json", ".zip"]
    assert not any("<" in name or "/" in name for _, name in links)
    assert page.decode() == report.to_html()
    assert json.loads(content)["target"] == report.explanation.target
    names = zipfile.ZipFile(io.BytesIO(everything)).namelist()
    assert any(name.endswith("cues.png") for name in names)
    assert all(not name.startswith(("/", "..")) for name in names)


def test_old_explanations_go_first(bench):
    bench.limits = Limits(n_kept=2)
    tokens = [list(bench.explained(AUDIO, "tiny"))[-1][0] for _ in range(3)]
    with pytest.raises(InputError, match="no longer kept; press Explain again"):
        bench.switched(tokens[0], "units", [])
    assert bench.switched(tokens[1], "units", [])
    assert bench.switched(tokens[2], "units", [])


def test_explanations_are_kept_for_a_while_only(bench, explained, monkeypatch):
    now = bench._kept[explained[0]].made
    monkeypatch.setattr("time.monotonic", lambda: now + bench.limits.kept_s + 1)
    with pytest.raises(InputError, match="no longer kept"):
        bench.switched(explained[0], "units", [])


def test_tokens_cannot_be_guessed(bench):
    tokens = {list(bench.explained(AUDIO, "tiny"))[-1][0] for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 20 for token in tokens)
    with pytest.raises(InputError, match="no longer kept"):
        bench.switched("guess", "units", [])


def test_models_are_named_without_folders(tmp_path):
    import shutil

    from cuelens.models.load import bundled_folder

    shutil.copytree(bundled_folder("emodb-egemaps"), tmp_path / "mine")
    bench = Workbench([str(tmp_path / "mine")])
    assert bench.models == ("mine",)
    with pytest.raises(InputError, match="expected one of mine"):
        bench.labels("other")


def test_nothing_to_explain(bench):
    with pytest.raises(InputError, match="no recording yet"):
        bench.clip(None, "")
    with pytest.raises(InputError, match="no other clip yet"):
        bench.clip(None, "", what="other clip")
    with pytest.raises(InputError, match="press Explain first"):
        bench.files("")
    assert bench.clip(None, bench.demo_clips[0]).source.endswith(".flac")


def test_the_answer_comes_before_its_reasons(bench):
    sentence, view = bench.answer(AUDIO, "tiny")
    outputs = predict(MODEL, [AUDIO.samples.copy()])[0]
    label = MODEL.labels[int(outputs.argmax())]
    assert sentence == f"tiny answers {label} ({outputs.max():.2f})."
    assert "<script>" not in view
    assert f"{outputs.max():.3f}" in view


def test_warming_up_asks_about_every_model(bench):
    bench._models = {"tiny": MODEL, "tiny too": MODEL}  # quick to ask
    bench._specs |= {"tiny too": "python:tiny:model"}
    bench.warm()
    assert set(bench._gates) == {"tiny", "tiny too"}
