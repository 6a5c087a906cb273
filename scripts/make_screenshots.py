"""Make the pictures of the documentation again, in ``docs/images``.

Run with Chromium installed: ``python scripts/make_screenshots.py [report] [app] [probe]``, by
default all three.  The report and the app explain a synthetic demo clip; ``probe`` probes EmoDB and
needs it under CUELENS_DATA.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import cuelens
from cuelens.corpora import demo_corpus

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CLIP = "de_female_anger"
WIDTH = 1280
MAX_KB = 300
SECTIONS = {
    "bands": "h-bands",
    "moments": "h-moments",
    "removal": "h-removal-1",
    "trust": "h-trust-1",
}


def main(wanted: list[str]) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in wanted or list(PICTURES):
            PICTURES[name](browser, Path(folder))
        browser.close()


def report(browser: Browser, folder: Path) -> None:
    """The top of a report, and its sections one by one."""
    file = next(name for name in demo_corpus().table["file"] if CLIP in name)
    found = cuelens.explain_clip(cuelens.load_model("emodb-cnn"), cuelens.load_audio(file))
    page = opened(browser, found.save(folder / CLIP).resolve().as_uri())
    shoot(page, "report", clip={"x": 0, "y": 0, "width": WIDTH, "height": 1560})
    for name, heading in SECTIONS.items():
        shoot(page, name, place=f"section[aria-labelledby={heading}]")
    page.close()


def app(browser: Browser, folder: Path) -> None:
    """The web app after Explain."""
    with served(folder) as address:
        page = opened(browser, address, height=1000)
        page.wait_for_selector("#explain")
        page.click("#demo input")
        page.get_by_role("option", name=CLIP.replace("_", " "), exact=True).click()
        page.click("#explain")
        page.wait_for_selector("#status >> text=/^Explained/", timeout=180_000)
        page.wait_for_timeout(1000)
        shoot(page, "app", clip={"x": 0, "y": 0, "width": WIDTH, "height": 1000})
        page.close()


def probe(browser: Browser, folder: Path) -> None:
    """The top of a report on an embedding."""
    command = [sys.executable, "-m", "cuelens", "probe", "--corpus", "emodb", "--embedding"]
    subprocess.run([*command, "model:emodb-cnn", "--out", str(folder / "probe")], check=True)
    page = opened(browser, (folder / "probe" / "report.html").resolve().as_uri())
    shoot(page, "probe", clip={"x": 0, "y": 0, "width": WIDTH, "height": 1400})
    page.close()


PICTURES = {"report": report, "app": app, "probe": probe}


def opened(browser: Browser, address: str, *, height: int = 1600) -> Page:
    page = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
    page.goto(address)
    page.wait_for_timeout(500)
    return page


def shoot(
    page: Page, name: str, *, place: str | None = None, clip: dict[str, float] | None = None
) -> None:
    """Write a picture with a palette, which is a third of the size."""
    IMAGES.mkdir(exist_ok=True)
    file = IMAGES / f"{name}.png"
    if place is None:
        page.screenshot(path=file, clip=clip, full_page=True)
    else:
        page.locator(place).screenshot(path=file)
    Image.open(file).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
        file, optimize=True
    )
    size_kb = file.stat().st_size / 1000
    if size_kb > MAX_KB:
        raise SystemExit(f"{file} has {size_kb:.0f} kB; expected {MAX_KB} at most")
    print(f"{file}: {size_kb:.0f} kB")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The app in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "cuelens", "app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


if __name__ == "__main__":
    main(sys.argv[1:])
