"""The worked example, built and installed as its reader does, in a folder of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from cuelens.testing import speech_like

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "cuelens-example-plugin"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("setuptools") is None, reason="needs setuptools to build the example"
)


def command(*arguments, site=None, **options):
    path = os.pathsep.join([str(p) for p in (site, os.environ.get("PYTHONPATH")) if p])
    environment = {**os.environ, "PYTHONPATH": path, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=environment,
        **options,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder with the installed example."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "source")
    made = command(
        *("pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"),
        *("--target", folder / "site", folder / "source"),
    )
    assert made.returncode == 0, made.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    file = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(file, speech_like(duration_s=0.6), 16_000)
    return file


def test_explainer_and_model_on_the_command_line(site, clip, tmp_path):
    done = command(
        *("cuelens", "explain", clip, "--explainer", "leave-one-out", "--model", "loudness:0.05"),
        *("--bands", "5", "--json", "--out", tmp_path),
        site=site,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["method"]["name"] == "leave-one-out"
    assert found["model"]["name"] == "loudness"
    assert len(found["units"]) == 5
    weights = [unit["weight"] for unit in found["units"]]
    assert weights[0] == max(weights)  # the voice's energy is in the lowest harmonics
    page = (tmp_path / "clip" / "report.html").read_text(encoding="utf-8")
    assert "A weight is how far the answer falls" in page
    assert "linear fit" not in page


def test_options_that_it_does_not_have_are_refused(site, clip):
    done = command(
        "cuelens", "explain", clip, "--explainer", "leave-one-out", "--samples", "9", site=site
    )
    assert done.returncode == 2
    assert "--samples is for emolime; leave-one-out does not take it" in done.stderr


def test_labelled_units_reach_it(site, clip):
    labels = clip.with_name("words.csv")
    labels.write_text("start,end,label\n0.1,0.3,ja\n")
    done = command(
        *("cuelens", "explain", clip, "--explainer", "leave-one-out", "--no-cues", "--json"),
        *("--units", f"words:{labels}"),
        site=site,
    )
    assert [unit["name"] for unit in json.loads(done.stdout)["units"]] == [
        *("(pause)", "ja", "(pause)")
    ]


def test_it_is_evaluated_by_name(site):
    program = (
        "from cuelens.evaluate import explainer_named; print(explainer_named('leave-one-out').name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    assert done.stdout == "leave-one-out\n"


def test_the_corpus_is_listed_found_and_read(site, clip, tmp_path):
    folder = tmp_path / "acme"
    folder.mkdir()
    for name in ("spk07_ANG_s03", "spk08_NTR_s03", "spk08_TST_s00"):
        shutil.copy(clip, folder / f"{name}.wav")
    here = {"env": {"CUELENS_DATA": str(tmp_path)}, "site": site}
    assert "acme: Name files as above" in command("cuelens", "corpus", "list", **here).stdout
    for source in ("acme", folder, "Acme"):
        done = command("cuelens", "corpus", "check", source, **here)
        assert "licence: internal" in done.stdout, done.stderr
        assert "spk07" in done.stdout
        assert "note: 1 files left out: sound checks" in done.stdout
    (tmp_path / "acme").rename(tmp_path / "calls")
    done = command("cuelens", "corpus", "check", tmp_path / "calls", "--layout", "acme", **here)
    assert "licence: internal" in done.stdout
    assert "corpus 'acme' is not on this machine" in command(
        "cuelens", "corpus", "check", "acme", **here
    ).stderr.replace("\n", " ")


def test_its_own_tests_pass(site, tmp_path):
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", tmp_path)
    done = command("pytest", "-q", "-p", "no:cacheprovider", site=site, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


def test_the_page_shows_the_files_as_they_are():
    page = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
    entries = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    for block in re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL):
        assert block.strip() in entries
