"""The app as people use it: in Chromium, with a mouse, a keyboard and a microphone."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
from tests.chromium import started

from cuelens.testing import speech_like

pytestmark = pytest.mark.browser

NASTY = "<script>alert(1)</script>{{7*7}}${7*7}"
MODEL = f"""
import numpy as np

def nasty(waveforms):
    p = np.array([min(1.0, 5 * float(np.sqrt(np.mean(w**2)))) for w in waveforms])
    return np.column_stack([p, 1 - p])

nasty.labels = ({NASTY!r}, "quiet")
"""
SERIOUS = ("serious", "critical")


@contextmanager
def served(folder, *options, variables=None):
    """The app in a process of its own; gives its address, and the folder of its temporary files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "tmp").mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", "cuelens", "app", "--port", str(port), *options]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | (variables or {}), stdout=log, stderr=log
        )
        address = f"http://127.0.0.1:{port}/"
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(address, timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, (folder / "log.txt").read_text()
                    time.sleep(0.5)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    (folder / "my_model.py").write_text(MODEL, encoding="utf-8")
    rate = 16_000
    for name, duration_s in (("a", 1.5), ("b", 1.0), ("long", 30.0), ("endless", 61.0)):
        soundfile.write(
            folder / f"{name}.flac", speech_like(duration_s=duration_s, seed=len(name)), rate
        )
    soundfile.write(folder / "<img src=x onerror=alert(1)>.flac", speech_like(duration_s=1.0), rate)
    (folder / "bad.wav").write_bytes(b"this is no sound" * 10)
    soundfile.write(folder / "large.wav", np.zeros(6_000_000, dtype=np.int16), rate)
    return folder


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("gradio", reason="the extra app is not installed")
    with started() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def address(folder, browser):
    models = ("--model", "emodb-cnn", "--model", "python:my_model:nasty")
    with served(folder, *models, "--max-mb", "10") as address:
        yield address


@contextmanager
def visit(browser, address, **options):
    """A page, with the addresses it asked for and the errors it met."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.requested, page.errors, page.alerts = [], [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on("dialog", lambda dialog: (page.alerts.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    page.wait_for_selector("#explain")
    yield page
    context.close()


def upload(page, file, place="#clip"):
    page.set_input_files(f"{place} input[type=file]", str(file))
    page.wait_for_selector(
        f"{place} #waveform, {place} [data-testid=waveform-controls]", timeout=30_000
    )


def explain(page, *, seconds=90):
    page.click("#explain")
    page.wait_for_selector("#status >> text=/^Explained/", timeout=1000 * seconds)


def choose(page, place, name):
    page.click(f"{place} input")
    page.locator("[role=listbox]").last.get_by_role("option", name=name, exact=True).click()
    page.wait_for_function("document.querySelectorAll('[role=listbox]').length === 0")


def source(page, place):
    return page.get_attribute(f"{place} audio", "src")


def serious(page):
    """What axe finds that keeps people out."""
    from axe_playwright_python.sync_playwright import Axe

    page.wait_for_timeout(700)  # what fades in or out has no contrast of its own
    found = Axe().run(page).response["violations"]
    return [
        (fault["id"], fault["nodes"][0]["html"][:200])
        for fault in found
        if fault["impact"] in SERIOUS
    ]


def test_upload_explain_switch_and_hear(browser, address, folder):
    with visit(browser, address) as page:
        assert serious(page) == []
        upload(page, folder / "a.flac")
        explain(page)
        assert "a.flac" in page.inner_text("#status")
        assert page.locator(".view h1").inner_text().startswith("Why “")
        assert page.locator(".view .weights tbody tr").count() == 8
        assert page.locator(".view .cues tbody tr").count() > 5
        assert serious(page) == []
        page.click(".weights .switch >> nth=7")
        page.wait_for_selector(".switched[data-part=units] audio")
        one = source(page, ".switched[data-part=units]")
        assert one != source(page, ".view #moments")
        page.click(".weights .switch >> nth=6")
        page.wait_for_function(
            "was => document.querySelector('.switched[data-part=units] audio').src !== was", arg=one
        )
        page.click(".switches .switch >> nth=1")
        page.wait_for_selector(".switched[data-part=moments] audio")
        assert serious(page) == []
        assert page.errors == []
        outside = [url for url in page.requested if not url.startswith((address, "data:", "blob:"))]
        assert outside == []
        assert str(folder) not in page.content()


def test_knobs_curve_comparisons_and_files(browser, address, folder, tmp_path):
    with visit(browser, address) as page:
        upload(page, folder / "b.flac")
        explain(page)
        page.click("role=tab[name='Change the voice']")
        page.fill("#knob-level input[type=number]", "-6")
        page.keyboard.press("Enter")
        page.wait_for_selector("#changed audio", timeout=30_000)
        softer = source(page, "#changed")
        page.fill("#knob-tilt input[type=number]", "3")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "was => document.querySelector('#changed audio').src !== was", arg=softer
        )
        assert serious(page) == []
        choose(page, "#cue", "level")
        page.click("#curve")
        page.wait_for_selector("#curves .chart", timeout=60_000)
        assert serious(page) == []
        page.click("role=tab[name='Compare']")
        upload(page, folder / "a.flac", "#other-clip")
        page.click("#compare-clips")
        page.wait_for_selector("#compared .wide-picture", timeout=60_000)
        page.click("#compare-models")
        page.wait_for_selector("#compared >> text=Do they listen to the same?", timeout=60_000)
        assert serious(page) == []
        page.click("role=tab[name='Download']")
        page.click("#prepare")
        page.wait_for_selector("#files a", timeout=30_000)
        assert page.locator("#files a").count() == 3
        assert serious(page) == []
        with page.expect_download() as coming:
            page.click("#files >> text=JSON")
        coming.value.save_as(tmp_path / "explanation.json")
        content = json.loads((tmp_path / "explanation.json").read_text(encoding="utf-8"))
        assert content["clip"]["path"] == "b.flac"
        assert page.errors == []


def test_a_microphone(browser, address):
    with visit(browser, address, permissions=["microphone"]) as page:
        page.click("#clip [aria-label='Record audio'], #clip button[aria-label*='icrophone']")
        page.click("#clip >> role=button[name=/^Record/]")
        time.sleep(2.5)
        page.click("#clip >> role=button[name=/^Stop/]")
        page.wait_for_selector("#clip #waveform, #clip [data-testid=waveform-controls]")
        explain(page)
        assert page.locator(".view h1").inner_text().startswith("Why “")


def test_why_this_rather_than_that(browser, address, folder):
    with visit(browser, address) as page:
        upload(page, folder / "b.flac")
        page.click("text=Why this rather than that")
        choose(page, "#target", "anger")
        choose(page, "#rather-than", "sadness")
        explain(page)
        title = page.locator(".view h1").inner_text()
        assert "anger" in title
        assert "sadness" in title


def test_what_is_named_nastily_is_text(browser, address, folder):
    with visit(browser, address) as page:
        choose(page, "#model", "python:my_model:nasty")
        upload(page, folder / "<img src=x onerror=alert(1)>.flac")
        explain(page)
        assert NASTY in page.inner_text(".view .answers")
        assert page.locator(".view img[src=x], .view script").count() == 0
        page.click(".weights .switch >> nth=3")
        page.wait_for_selector(".switched[data-part=units] audio")
        assert NASTY in page.inner_text(".switched[data-part=units]")
        assert page.alerts == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("bad.wav", "cannot be read as sound"), ("endless.flac", "61 s long; expected 60 s at most")],
)
def test_what_cannot_be_taken_gets_a_message(browser, address, folder, name, said):
    with visit(browser, address) as page:
        choose(page, "#model", "python:my_model:nasty")
        page.set_input_files("#clip input[type=file]", str(folder / name))
        time.sleep(2)
        page.click("#explain")
        page.wait_for_selector(f"#status [role=alert] >> text={said}", timeout=30_000)
        assert page.locator(".view h1").inner_text() == "Nothing is explained"
        upload_again = folder / "b.flac"
        page.click("#clip [aria-label='Clear'], #clip button[title='Clear']")
        upload(page, upload_again)
        explain(page)
        assert page.locator(".view h1").inner_text().startswith("Why “")


def test_what_was_found_of_a_former_recording_goes(browser, address, folder):
    with visit(browser, address) as page:
        choose(page, "#model", "python:my_model:nasty")
        upload(page, folder / "b.flac")
        explain(page)
        page.click("role=tab[name='Download']")
        page.click("#prepare")
        page.wait_for_selector("#files a", timeout=30_000)
        page.click("#clip [aria-label='Clear'], #clip button[title='Clear']")
        page.click("#explain")
        page.wait_for_selector("#status [role=alert] >> text=no recording yet")
        assert page.locator(".view h1").inner_text() == "Nothing is explained"
        assert page.locator("#files a").count() == 0
        page.click("role=tab[name='Compare']")
        page.click("#compare-models")
        page.wait_for_selector("#compared >> text=press Explain first")


def test_screen_readers_hear_words(browser, address):
    with visit(browser, address) as page:
        page.evaluate("""() => {
            window.heard = [];
            new MutationObserver(() => document.querySelectorAll('.sr-only[role=status]').forEach(
                (one) => window.heard.push(one.textContent.trim())
            )).observe(document.body, { childList: true, characterData: true, subtree: true });
        }""")
        page.click("role=tab[name='Download']")
        page.click("#prepare")
        page.wait_for_function("window.heard.includes('Done')", timeout=30_000)
        assert not [text for text in page.evaluate("window.heard") if "common." in text]


def test_a_file_over_the_limit_is_refused(browser, address, folder):
    with visit(browser, address) as page:
        page.set_input_files("#clip input[type=file]", str(folder / "large.wav"))
        page.wait_for_selector("text=/exceeds|too large|maximum|limit of/i", timeout=30_000)


def test_thirty_seconds(browser, address, folder):
    with visit(browser, address) as page:
        choose(page, "#model", "python:my_model:nasty")  # quick: what is tried is the page
        upload(page, folder / "long.flac")
        explain(page, seconds=240)
        assert page.locator(".view .cues tbody tr").count() > 5


def test_two_people_at_once_see_their_own(browser, address, folder):
    with visit(browser, address) as first, visit(browser, address) as second:
        upload(first, folder / "a.flac")
        upload(second, folder / "b.flac")
        first.click("#explain")
        second.click("#explain")
        for page, name in ((first, "a.flac"), (second, "b.flac")):
            page.wait_for_selector("#status >> text=/^Explained/", timeout=120_000)
            assert name in page.inner_text("#status")
            assert name in page.inner_text(".view .meta")
        tokens = [page.get_attribute(".view", "data-token") for page in (first, second)]
        assert tokens[0] != tokens[1]


def test_by_keyboard_alone_and_on_a_narrow_screen(browser, address):
    with visit(browser, address, viewport={"width": 390, "height": 800}) as page:
        page.focus("#demo input")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.focus("#explain")
        page.keyboard.press("Enter")
        page.wait_for_selector("#status >> text=/^Explained/", timeout=90_000)
        top = "document.querySelector('#answer').getBoundingClientRect().top"
        assert -5 < page.evaluate(top) < 100  # the result came into sight
        assert page.evaluate("document.activeElement.textContent").startswith("Why “")
        for name in ("Explanation", "Change the voice", "Compare", "Download"):
            assert page.get_by_role("tab", name=name).is_visible()
        page.focus(".weights .switch >> nth=0")
        page.keyboard.press("Space")
        page.wait_for_selector(".switched[data-part=units] audio")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390
        assert serious(page) == []
        page.get_by_role("tab", name="Compare").click()
        page.focus("#other-demo input")
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        page.get_by_role("radio", name="moments").check()
        page.click("#compare-clips")
        page.wait_for_selector("#compared .narrow-picture", timeout=60_000)
        hidden = """[...document.querySelectorAll('#compared .scroll, #compared img')]
            .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.outerHTML)"""
        assert page.evaluate(hidden) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert serious(page) == []


def test_in_the_dark(browser, address, folder):
    with visit(browser, address, color_scheme="dark") as page:
        choose(page, "#model", "python:my_model:nasty")
        upload(page, folder / "b.flac")
        explain(page)
        background = page.evaluate(
            "getComputedStyle(document.querySelector('.view section')).backgroundColor"
        )
        assert max(int(n) for n in re.findall(r"\d+", background)[:3]) < 80
        assert serious(page) == []


def test_a_password_and_no_files_left_behind(browser, folder, tmp_path):
    with served(tmp_path, variables={"CUELENS_APP_AUTH": "ann:secret"}) as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("input[type=password]")
        assert page.locator("#explain").count() == 0
        page.get_by_label("username").fill("ann")
        page.fill("input[type=password]", "secret")
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("#explain")
        upload(page, folder / "b.flac")
        assert list((tmp_path / "tmp").rglob("*.flac"))
        context.close()
    assert list((tmp_path / "tmp").rglob("*.flac")) == []
    assert list((tmp_path / "tmp").glob("cuelens-app-*")) == []
