"""Pages of the documentation stand alone: formulas without scripts, nothing fetched."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cuelens.explain import MAP_EXPLAINERS

ROOT = Path(__file__).resolve().parents[1]
GALLERY = sorted((ROOT / "docs" / "gallery").glob("*.md"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def extension(monkeypatch):
    """A module of the folder of extensions, by name."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_extensions"))
    return pytest.importorskip


@pytest.mark.parametrize(
    ("page", "fetched"),
    [
        ('<script src="https://cdn.example/a.js"></script>', ["https://cdn.example/a.js"]),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', ["//cdn.example/a.css"]),
        ('<link rel="preconnect" href="https://a.example">', ["https://a.example"]),
        ('<link rel="canonical" href="https://a.example">', []),
        ('<img src="HTTP://a.example/a.png">', ["HTTP://a.example/a.png"]),
        ('<img srcset="a.png, //a.example/b.png 2x">', ["a.png, //a.example/b.png 2x"]),
        ("<style>@import url('https://a.example/a.css');</style>", ["https://a.example/a.css"]),
        ('<p style="background: url(http://a.example/a.png)">', ["http://a.example/a.png"]),
        ('<svg><image xlink:href="https://a.example/a.png"/></svg>', ["https://a.example/a.png"]),
        ('<a href="https://a.example">read</a> <code>src="https://a.example"</code>', []),
        ('<img src="../a.png"><audio src="data:audio/wav;base64,//8="></audio>', []),
        ('<math xmlns="http://www.w3.org/1998/Math/MathML"></math>', []),
    ],
)
def test_what_a_page_fetches_is_seen(extension, page, fetched):
    assert extension("offline").fetched_from_elsewhere(page) == fetched


def test_folders_and_style_sheets_are_checked(extension, tmp_path):
    (tmp_path / "a.html").write_text("<p>/home/me/cuelens/a.wav</p>", encoding="utf-8")
    (tmp_path / "b.css").write_text("@font-face {src: url(//a.example/f)}", encoding="utf-8")
    (tmp_path / "c.html").write_text("<p>fine</p>", encoding="utf-8")
    problems = extension("offline").check_pages(tmp_path, ("/home/me",))
    assert problems == ["a.html names the folder /home/me", "b.css fetches //a.example/f"]


def test_pages_of_earlier_builds_are_passed_over(extension, tmp_path):
    for name in ("a.html", "gone/b.html", "gallery/c.html", "_sources/gallery/c.md.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("<p>/home/me</p>", encoding="utf-8")
    (tmp_path / "jupyter_execute" / "gone").mkdir(parents=True)
    (tmp_path / "jupyter_execute" / "gone" / "b.ipynb").write_text("/home/me", encoding="utf-8")
    check = extension("offline").check_pages
    problems = check(tmp_path, ("/home/me",), pages={"a", "gallery/c"})
    assert [problem.split()[0] for problem in problems] == [
        "_sources/gallery/c.md.txt",
        "a.html",
        "gallery/c.html",
    ]
    assert len(check(tmp_path, ("/home/me",))) == 5


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_links_have_a_text_to_see_without_a_build(page):
    """`[](page.md)` is a title once it is built, and nothing where Markdown is read as it is."""
    assert "[](" not in page.read_text(encoding="utf-8")


def test_formulas_become_mathml(extension):
    mathml = extension("mathml").mathml
    found = mathml(r"\frac{a}{b}", None, block=True)
    assert 'display="block"' in found
    assert re.search(r"<mfrac>.*<mi>a</mi>.*<mi>b</mi>.*</mfrac>", found)


def test_a_command_that_is_not_known_is_said(extension, caplog):
    mathml = extension("mathml")
    logging.getLogger("sphinx").propagate = True  # as Sphinx sees it while it builds
    with caplog.at_level(logging.WARNING):
        mathml.mathml(r"\nosuchcommand x", None, block=False)
    assert "has a command that is not known" in caplog.text


def test_every_explainer_has_a_page():
    pages = {page.stem.replace("_", "-") for page in GALLERY}
    assert set(MAP_EXPLAINERS) <= pages
    assert {"bands", "lime", "moments", "words", "interventions", "timeline", "compare"} <= pages
    index = (ROOT / "docs" / "gallery" / "index.md").read_text(encoding="utf-8")
    for page in GALLERY:
        if page.stem != "index":
            assert f"({page.name})" in index
            assert f"\n{page.stem}\n" in index


@pytest.mark.parametrize("page", GALLERY, ids=lambda page: page.stem)
def test_figures_in_the_gallery_are_those_of_the_pages_it_links_to(page):
    """Percentages and figures of three digits on when to use a method."""
    text = page.read_text(encoding="utf-8").split("```{code-cell}", maxsplit=1)[0]
    linked = dict.fromkeys(re.findall(r"\(\.\./(\w+\.md)\)", text), "")
    for name in linked:
        linked[name] = " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())
    claims = text.split("**How it works.**", maxsplit=1)[0]
    for figure in re.findall(r"\b0\.\d{3}\b|\b\d+ ?%", claims):
        forms = {figure, figure.replace(" ", ""), figure.replace("%", " %")}
        assert any(form in source for form in forms for source in linked.values()), figure


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The pages, without running their code."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-D", "nb_execution_mode=off"]
    command += ["-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_no_page_asks_for_anything_elsewhere(site):
    sync_api = pytest.importorskip("playwright.sync_api")
    asked, errors = [], []
    pages = sorted(page for page in site.rglob("*.html") if "_static" not in page.parts)
    assert len(pages) > len(GALLERY)
    with sync_api.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = chromium.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        formulas = 0
        for page in pages:
            tab.goto(page.as_uri())
            formulas += tab.locator("math").count()
        chromium.close()
    assert formulas > 20
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert errors == []
