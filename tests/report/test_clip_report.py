from __future__ import annotations

import base64
import html.parser
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from cuelens import Audio, EmoLime, Explanation
from cuelens.evaluate import removal_curve
from cuelens.explain.figures import plot_spectrogram, plot_weights
from cuelens.report import ClipReport
from cuelens.report.encode import flac_bytes, spectrogram_png
from cuelens.testing import BandModel, speech_like
from cuelens.units import FrequencyBands, HarmonicBands, Segments, UnitProduct

MODEL = BandModel(band_hz=(500.0, 3000.0))
NASTY = "<script>alert('x')</script>&\"{{7*7}}"


def write(folder, *, model=MODEL, source="clip.wav", **options):
    audio = Audio(samples=speech_like(duration_s=0.8), sample_rate=16_000, source=source)
    explanation = EmoLime(**options).explain(model, audio)
    removal = removal_curve(explanation, model)
    report = ClipReport(explanation=explanation, removal=removal, audio=audio).save(folder)
    return explanation, removal, report


class Outside(html.parser.HTMLParser):
    """Collects addresses that a browser would fetch, and scripts."""

    def __init__(self):
        super().__init__()
        self.addresses = []
        self.n_scripts = 0

    def handle_starttag(self, tag, attrs):
        self.n_scripts += tag == "script"
        self.addresses += [value for name, value in attrs if name in {"src", "href", "data"}]


def test_writes_everything_that_is_promised(tmp_path):
    explanation, removal, report = write(tmp_path / "new" / "clip")
    assert sorted(file.name for file in report.parent.iterdir()) == [
        "explanation.json",
        "prediction.png",
        "removal.png",
        "report.html",
        "spectrogram.png",
        "supporting.flac",
        "weights.png",
        "without_supporting.flac",
    ]
    text = (report.parent / "explanation.json").read_text(encoding="utf-8")
    assert Explanation.from_json(text).to_json() == explanation.to_json()
    assert json.loads(text)["removal"]["by_weight"] == removal.by_weight.tolist()


def test_sounds_are_the_parts(tmp_path):
    explanation, _, report = write(tmp_path)
    supports = explanation.target_weights > 0
    heard, rate = soundfile.read(report.parent / "supporting.flac", dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(heard, explanation.audio(supports).samples, atol=2**-15)
    rest, _ = soundfile.read(report.parent / "without_supporting.flac", dtype="float32")
    np.testing.assert_allclose(heard + rest, explanation.components.waveform, atol=2**-14)


def test_nothing_is_fetched_from_outside(tmp_path):
    _, _, report = write(tmp_path)
    text = report.read_text(encoding="utf-8")
    outside = Outside()
    outside.feed(text)
    assert outside.addresses
    assert all(address.startswith("data:") for address in outside.addresses)
    assert not re.search(r"url\((?!data:)", text)
    assert "default-src 'none'" in text


def test_players_play_the_clip(tmp_path):
    explanation, _, report = write(tmp_path)
    pattern = r'src="data:audio/(?:flac|wav);base64,([^"]+)"'
    urls = re.findall(pattern, report.read_text(encoding="utf-8"))
    assert len(urls) == 3
    clip, _ = soundfile.read(io.BytesIO(base64.b64decode(urls[0])), dtype="float32")
    np.testing.assert_allclose(clip, explanation.components.waveform, atol=2**-15)


def test_names_are_escaped_everywhere(tmp_path):
    model = BandModel(band_hz=(500.0, 3000.0), labels=(NASTY, "low"), name=NASTY)
    _, _, report = write(tmp_path, model=model, source=f"{NASTY}.wav")
    text = report.read_text(encoding="utf-8")
    outside = Outside()
    outside.feed(text)
    assert outside.n_scripts == 1
    assert "alert('x')" not in text
    assert "&lt;script&gt;" in text
    assert "49" not in re.findall(r"<title>(.*?)</title>", text)[0]


@pytest.mark.parametrize(
    "options", [{}, {"samples": 64}, {"estimator": "lime", "samples": 64}, {"estimator": "lime"}]
)
def test_says_how_sure_the_weights_are(tmp_path, options):
    _, _, report = write(tmp_path, **options)
    text = report.read_text(encoding="utf-8")
    sampled = "samples" in options
    assert ("95 % interval" in text) == sampled
    assert ("whisker" in text.split("</style>")[1]) == sampled
    assert ("coefficients of a linear fit" in text) == (options.get("estimator") == "lime")


def test_shows_every_number_of_the_explanation(tmp_path):
    explanation, removal, report = write(tmp_path)
    text = report.read_text(encoding="utf-8")
    for unit, weight in zip(explanation.units, explanation.target_weights, strict=True):
        assert unit.name in text
        assert f"{weight:+.3f}".replace("-", "−") in text
    for p in explanation.prediction:
        assert f"{p:.3f}" in text
    for p in removal.by_weight:
        assert f"{p:.3f}" in text


def test_no_support_means_no_sound_for_it(tmp_path):
    audio = Audio(samples=speech_like(duration_s=0.8), sample_rate=16_000)
    explanation = EmoLime().explain(MODEL, audio)
    against = replace(explanation, weights=-np.abs(explanation.weights))
    removal = removal_curve(against, MODEL)
    report = ClipReport(explanation=against, removal=removal, audio=audio).save(tmp_path)
    # Nothing supports it, and without nothing the clip is as it was: one player.
    assert not (report.parent / "supporting.flac").exists()
    assert not (report.parent / "without_supporting.flac").exists()
    assert report.read_text(encoding="utf-8").count("<audio") == 1


def test_same_input_same_bytes(tmp_path):
    first, second = (write(tmp_path / name)[2].parent for name in ("a", "b"))
    for file in ("weights.png", "spectrogram.png", "removal.png", "supporting.flac"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_encoding():
    audio = Audio(samples=speech_like(duration_s=30.0), sample_rate=16_000)
    assert spectrogram_png(audio).startswith(b"\x89PNG")
    assert len(flac_bytes(audio)) < 2 * audio.samples.size


WORDS = Segments(labels=[(0.1, 0.3, "<das>"), (0.3, 0.5, "will"), (0.6, 0.8, "sie")], kind="words")


def test_words_stand_under_the_spectrogram_and_in_the_table(tmp_path):
    explanation, _, report = write(tmp_path, units=WORDS)
    text = report.read_text(encoding="utf-8")
    strip = text[text.index('<div class="names">') :]
    strip = strip[: strip.index("</div>")]
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%", strip) == [
        ("12.500", "25.000"),
        ("37.500", "25.000"),
        ("75.000", "25.000"),
    ]
    assert re.findall(r">([^<>]+)</span>", strip) == ["&lt;das&gt;", "will", "sie"]
    assert "What each of the words contributes" in text
    assert '<th scope="row">will 0.30–0.50 s</th>' in text
    assert "Does the answer fall when these words go?" in text
    assert "How far to trust" not in text
    assert "<das>" not in text
    data = json.loads((report.parent / "explanation.json").read_text(encoding="utf-8"))
    assert data["method"]["parameters"]["units"] == "words"
    assert [unit["name"] for unit in data["units"]] == [unit.name for unit in explanation.units]
    assert Explanation.from_json(json.dumps(data)).units == explanation.units


def test_harmonics_are_bars_without_a_place_in_the_spectrogram(tmp_path):
    _, _, report = write(tmp_path, units=HarmonicBands())
    text = report.read_text(encoding="utf-8")
    section = text[text.index('id="h-bands"') : text.index('id="h-listen"')]
    assert "Which part of the sound the reasons lie in" in section
    assert '<th scope="row">harmonics 2–4</th>' in section
    assert '<div class="tint' not in section


def test_cells_lie_where_they_are(tmp_path):
    units = UnitProduct(times=WORDS, parts=FrequencyBands(n_bands=2, scale="linear"))
    explanation, _, report = write(tmp_path, units=units, samples=300)
    text = report.read_text(encoding="utf-8")
    section = text[text.index('id="h-bands"') : text.index('id="h-listen"')]
    assert section.count('<div class="tint') == len(explanation.units)
    assert "left:37.500%;width:25.000%;right:auto" in section
    assert "4000–8000 Hz, will 0.30–0.50 s" in section


def test_figures_name_words_along_time():
    audio = Audio(samples=speech_like(duration_s=0.8), sample_rate=16_000)
    explanation = EmoLime(units=WORDS).explain(MODEL, audio)
    ax = plot_weights(explanation)
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches]
    np.testing.assert_allclose(
        bars,
        [
            (unit.start_s, unit.end_s - unit.start_s, weight)
            for unit, weight in zip(explanation.units, explanation.target_weights, strict=True)
        ],
    )
    for axes in (ax, plot_spectrogram(audio, explanation)):
        named = {text.get_text(): text.xy[0] for text in axes.texts}
        assert named == pytest.approx({"<das>": 0.2, "will": 0.4, "sie": 0.7})
