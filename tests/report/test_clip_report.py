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
from cuelens.units import (
    FrequencyBands,
    HarmonicBands,
    HarmonicPercussive,
    Segments,
    TimeWindows,
    UnitProduct,
)

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
    strip = section[section.index('<div class="names">') :]
    strip = strip[: strip.index("</div>")]
    assert re.findall(r">([^<>]+)</span>", strip) == ["&lt;das&gt;", "will", "sie"]
    assert re.findall(r"left:(.*?)%;width:(.*?)%", strip)[1] == ("37.500", "25.000")
    shown = [
        float(weight.replace("−", "-"))
        for weight in re.findall(r'<td class="value">([+−][\d.]+)', section)
    ]
    expected = sorted(explanation.target_weights, key=lambda weight: -abs(weight))
    assert shown == pytest.approx(expected, abs=5e-4)


def test_parts_of_words_tint_the_word_by_their_sum(tmp_path):
    units = UnitProduct(times=WORDS, parts=HarmonicPercussive())
    explanation, _, report = write(tmp_path, units=units, samples=300)
    text = report.read_text(encoding="utf-8")
    section = text[text.index('id="h-bands"') : text.index('id="h-listen"')]
    assert "When, and in which part of the sound, the reasons lie" in section
    n_times = len(explanation.units) // 3
    sums = explanation.target_weights.reshape(3, n_times).sum(axis=0)
    found = {}
    for side, left, alpha in re.findall(
        r'class="tint (\w+)".*?left:(.*?)%.*?--alpha:([\d.]+)', section
    ):
        if float(alpha) > 0:
            assert left not in found
            found[left] = float(alpha) * (1 if side == "supports" else -1)
    expected = {
        f"{100 * unit.start_s / 0.8:.3f}": 0.5 * total / abs(sums).max()
        for unit, total in zip(explanation.units[:n_times], sums, strict=True)
        if 0.5 * abs(total) / abs(sums).max() >= 5e-4
    }
    assert found == pytest.approx(expected, abs=5e-4)


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


@pytest.mark.parametrize("times", [WORDS, TimeWindows(window_s=0.4)])
def test_figures_show_cells_as_a_grid(times):
    audio = Audio(samples=speech_like(duration_s=0.8), sample_rate=16_000)
    units = UnitProduct(times=times, parts=FrequencyBands(n_bands=2))
    explanation = EmoLime(units=units, samples=200).explain(MODEL, audio)
    n_times = len(explanation.units) // 2
    ax = plot_weights(explanation)
    table = explanation.target_weights.reshape(2, n_times)
    np.testing.assert_array_equal(ax.images[0].get_array(), table)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0–1689 Hz", "1689–8000 Hz"]
    named = times is WORDS
    columns = [tick.get_text() for tick in ax.get_xticklabels()]
    assert columns == (
        ["(pause)", "<das>", "will", "(pause)", "sie"] if named else ["0.00 s", "0.40 s"]
    )
    row = explanation.target_index
    sure = np.ones(2 * n_times, dtype=bool)
    if explanation.ci_low is not None:
        sure = explanation.ci_low[row] * explanation.ci_high[row] > 0
    sure &= abs(explanation.target_weights) > 0.05 * abs(explanation.target_weights).max()
    assert [text.get_text().replace("−", "-") for text in ax.texts] == [
        f"{weight:+.2f}" for weight in explanation.target_weights[sure]
    ]
    below = {text.get_text(): text.xy[0] for text in plot_spectrogram(audio, explanation).texts}
    assert below == pytest.approx({"<das>": 0.2, "will": 0.4, "sie": 0.7} if named else {})
