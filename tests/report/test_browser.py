"""The report as a reader's browser shows it."""

from __future__ import annotations

import re

import pytest
from tests.chromium import started

from cuelens import Audio, EmoLime
from cuelens.cues import cue_report
from cuelens.evaluate import removal_curve
from cuelens.report import ClipReport
from cuelens.testing import BandModel, speech_like
from cuelens.units import TimeWindows

pytestmark = pytest.mark.browser

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    model = BandModel(band_hz=(500.0, 3000.0), labels=(NASTY, "low"))
    source = f"{NASTY}.wav"
    audio = Audio(samples=speech_like(duration_s=1.0), sample_rate=16_000, source=source)
    explanation = EmoLime(samples=64).explain(model, audio)
    moments = EmoLime(units=TimeWindows(), samples=128).explain(model, audio)
    removal = removal_curve(explanation, model)
    folder = tmp_path_factory.mktemp("ü report")
    report = ClipReport(
        explanation=explanation,
        removal=removal,
        audio=audio,
        moments=moments,
        cues=cue_report(moments, audio, n_windows=3),
    )
    return report.save(folder)


@pytest.fixture(scope="module")
def browser():
    with started() as chromium:
        yield chromium


@pytest.fixture(params=[(1200, "light"), (360, "dark")], ids=["wide", "narrow and dark"])
def page(browser, report, request):
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("dialog", lambda dialog: page.said.append("dialog"))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(report.as_uri())
    yield page
    context.close()


def until(page, expression):
    """Wait for a condition; the page's policy forbids playwright's own way, which is eval."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {expression}")


def test_opens_without_errors_requests_or_sideways_scrolling(page):
    page.wait_for_timeout(300)
    assert page.said == []
    assert all(url.startswith(("file:", "data:")) for url in page.asked)
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert NASTY in page.inner_text("h1")


def test_the_playheads_follow_the_player(page):
    heads = page.locator(".timed .playhead")
    assert heads.count() == 5  # two spectrograms and three tracks
    assert not heads.first.is_visible()
    page.evaluate("document.querySelectorAll('audio')[0].play()")
    until(page, "document.querySelectorAll('audio')[0].currentTime > 0.2")
    left = page.evaluate(
        "[...document.querySelectorAll('.timed .playhead')].map((h) => parseFloat(h.style.left))"
    )
    assert all(15 < value < 60 for value in left)


def test_a_click_on_the_spectrogram_plays_from_there(page):
    until(page, "document.querySelectorAll('audio')[0].duration > 0")
    picture = page.locator(".bands .picture")
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.6, "y": 20})
    until(page, "document.querySelectorAll('audio')[0].currentTime >= 0.55")


def test_a_click_on_a_window_plays_that_moment_and_stops(page):
    until(page, "document.querySelector('audio.clip').duration > 0")
    window = page.locator("button.window").nth(1)
    start, end = (float(window.get_attribute(f"data-{name}")) for name in ("start", "end"))
    window.click()
    until(page, "document.querySelector('audio.clip').currentTime > 0")
    until(page, "document.querySelector('audio.clip').paused")
    stopped = page.evaluate("document.querySelector('audio.clip').currentTime")
    assert start < stopped
    assert stopped == pytest.approx(end, abs=0.12)
    assert "playing" not in window.get_attribute("class")


def test_the_cue_table_has_every_cue_and_its_sources(page):
    text = page.inner_text("table.cues")
    for title in ("pitch level", "high-frequency energy", "pauses"):
        assert title in text
    assert page.locator("table.cues tbody tr").count() == 12


def test_weights_can_be_hidden_and_bands_light_up(page):
    for number, name in enumerate(("#moments", ".bands .spectrogram")):
        page.locator("input.tinttoggle").nth(number).uncheck()
        assert "plain" in page.locator(f"{name} .picture").first.get_attribute("class")
    page.hover("tr[data-band='2']")
    assert "lit" in page.get_attribute(".tint[data-band='2']", "class")


def test_prints_on_two_light_pages(browser, report):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    pdf = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1046})  # A4 within its margins
    shown = "getComputedStyle(document.body)"
    assert page.evaluate(f"{shown}.backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(f"{shown}.color") == "rgb(28, 27, 25)"
    for hidden in ("audio", "details", ".toggle"):
        assert not any(one.is_visible() for one in page.locator(hidden).all())
    clipped = (
        "[...document.querySelectorAll('table')]"
        ".filter((t) => t.scrollWidth > t.parentElement.clientWidth)"
    )
    assert page.evaluate(f"{clipped}.length") == 0
    context.close()


def test_no_sideways_scrolling_on_a_telephone(browser, report):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_spectrograms_say_what_ink_and_tint_stand_for(page):
    scales = page.locator(".spectrogram .scales")
    assert scales.count() == page.locator(".spectrogram").count() == 2
    for text in scales.all_inner_texts():
        assert re.search(r"dB.*−70\s+0", text, re.DOTALL)
        low, high = re.search(r"weight:\s+−([\d.e-]+)\s+\+([\d.e-]+)", text).groups()
        assert low == high
        assert float(low) > 0


def test_a_click_on_a_track_seeks_and_moves_every_playhead(page):
    until(page, "document.querySelector('audio.clip').duration > 0")
    track = page.locator(".track.timed").first
    box = track.bounding_box()
    track.click(position={"x": box["width"] * 0.5, "y": 40})
    until(page, "document.querySelector('audio.clip').currentTime >= 0.48")
    heads = "[...document.querySelectorAll('.timed .playhead')]"
    until(page, f"{heads}.every((h) => !h.hidden && parseFloat(h.style.left) >= 48)")
    assert page.evaluate(f"new Set({heads}.map((h) => h.style.left)).size") == 1


@pytest.mark.parametrize("width", [1280, 980, 768, 390])
def test_the_cue_table_shows_every_column(browser, report, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(report.as_uri())
    cut = """[...document.querySelectorAll('.cues, .cues td, .cues td *')].filter((one) => {
        const box = one.getBoundingClientRect();
        const card = one.closest('section').getBoundingClientRect();
        return box.width > 0 && (box.left < card.left || box.right > card.right);
    }).map((one) => one.outerHTML)"""
    assert page.evaluate(cut) == []
    cards = "getComputedStyle(document.querySelector('.cues tbody')).display === 'grid'"
    assert page.evaluate(cards) == (width < 980)
    table = page.get_by_role("table", name="Cues in these moments")
    assert table.get_by_role("rowheader").count() == 12
    assert table.get_by_role("columnheader").first.inner_text() == "cue"
    context.close()
