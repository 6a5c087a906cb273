"""Entry points of other packages: found, loaded when named, and harmless where they are broken."""

from __future__ import annotations

import sys

import pytest
import soundfile
from typer.testing import CliRunner

from cuelens import CuelensWarning, InputError, load_corpus, load_model
from cuelens.cli.main import app
from cuelens.corpora import get_corpus, layout_named
from cuelens.evaluate.explainers import EXPLAINERS, explainer_named
from cuelens.explain import explainer_class
from cuelens.explain.named import OWN, RESERVED, with_settings
from cuelens.plugins import load_plugin, plugin_names
from cuelens.testing import speech_like

MODULE = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True, kw_only=True)
class Explainer:
    name: ClassVar[str] = "mine"
    seed: int = 0
    def explain(self, model, audio, *, target=None): ...

@dataclass(frozen=True, kw_only=True)
class NoName:
    seed: int = 0

@dataclass(frozen=True, kw_only=True)
class Needy(Explainer):
    must: int

class Model:
    labels, sample_rate, name = ("a", "b"), 16_000, "mine"
    def __init__(self, rest):
        self.rest = rest
    def predict_proba(self, waveforms):
        return [[0.5, 0.5] for _ in waveforms]

def boom(rest):
    raise KeyError("weights")

def nothing(rest):
    return 7

NUMBER = 7
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package with entry points on the path, as an installer leaves it."""
    count = iter(range(100))

    def installed(group: str, *, package: str = "acme", content: str = MODULE, **entries: str):
        folder = tmp_path / f"site{next(count)}"
        module = f"{package}_plugin"
        (folder / f"{package}-1.2.dist-info").mkdir(parents=True)
        (folder / f"{module}.py").write_text(content)
        lines = [f"{name.replace('_', '-')} = {module}:{what}" for name, what in entries.items()]
        info = folder / f"{package}-1.2.dist-info"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("\n".join([f"[cuelens.{group}]", *lines]))
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return module

    return installed


def refused(message):
    return pytest.raises(InputError, match=message)


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_names_are_listed_without_importing_anything(install):
    module = install("explainers", content="raise RuntimeError('imported')", mine="Explainer")
    assert plugin_names("explainer", taken=RESERVED) == ("mine",)
    assert plugin_names("model", taken=()) == ()
    assert module not in sys.modules
    assert explainer_class("occlusion") is OWN["occlusion"]
    load_model("emodb-cnn")


def test_an_explainer_by_name(install):
    install("explainers", mine="Explainer")
    assert explainer_class("mine").__name__ == "Explainer"
    assert explainer_named("mine", seed=9).seed == 9
    assert with_settings(explainer_class("mine"), seed=3, window_s=0.2).seed == 3


def test_unknown_names_list_the_known_ones(install):
    install("explainers", mine="Explainer")
    with refused(r"^explainer 'minne': did you mean mine[?] Expected one of"):
        explainer_class("minne")
    with refused(r"did you mean occlusion[?] Expected one of emolime, occl"):
        explainer_class("oclusion")
    with refused(r"did you mean shapley[?].*, mine, or python:"):
        explainer_named("shaply")
    with refused(r"^explainer 'zzz': expected one of emolime, .*, mine$"):
        explainer_class("zzz")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("NUMBER", "'mine' of the package acme 1.2 is of type int; expected a frozen"),
        ("NoName", "'mine' of the package acme 1.2 is NoName without a name or a method explain"),
        ("Model", "'mine' of the package acme 1.2 is no dataclass"),
        ("Gone", r"'mine' of the package acme 1.2 cannot be imported \(AttributeError: .*Gone"),
    ],
)
def test_what_is_no_explainer_is_refused_with_the_package(install, entry, message):
    install("explainers", mine=entry)
    with pytest.raises(InputError, match=message):
        explainer_class("mine")


def test_settings_without_a_default_are_refused(install):
    install("explainers", mine="Needy")
    with refused(r"acme_plugin.Needy cannot be made .*'must'"):
        explainer_named("mine")


@pytest.mark.parametrize("name", ["emolime", "lrp", "shapley", "lime-64"])
def test_a_name_of_cuelens_own_keeps_its_meaning(install, name):
    install("explainers", **{name: "Explainer"})
    with pytest.warns(CuelensWarning, match=f"acme 1.2 registers the explainer '{name}', a"):
        assert plugin_names("explainer", taken=RESERVED) == ()
    if name in OWN:
        with pytest.warns(CuelensWarning, match="it is refused, and the name keeps its meaning"):
            assert explainer_class(name) is OWN[name]


def test_all_names_of_explainers_are_reserved():
    assert {*OWN, *EXPLAINERS} == RESERVED


def test_two_packages_of_one_name(install):
    install("explainers", package="acme", mine="Explainer")
    install("explainers", package="other", mine="Explainer")
    with refused(r"registered by (acme|other) 1.2 and (acme|other) 1.2;"):
        explainer_class("mine")
    assert load_plugin("explainer", "lrp", taken=RESERVED) is None


def test_a_broken_package_stops_only_what_names_it(install, tmp_path):
    for group in ("explainers", "models", "corpora"):
        install(group, package=group, content="import no_such_thing", broken="X")
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, speech_like(duration_s=0.3), 16_000)
    result = run("explain", str(clip), "--no-cues", "--json")
    assert result.exit_code == 0
    said = "cannot be imported (ModuleNotFoundError: No module named 'no_such_thing')"
    for arguments in (["--explainer", "broken"], ["--model", "broken:x"]):
        result = run("explain", str(clip), *arguments)
        assert isinstance(result.exception, InputError)
        assert said in str(result.exception)
    listed = run("corpus", "list")
    assert listed.exit_code == 0
    assert "emodb" in listed.stdout
    assert f"corpus 'broken' of the package corpora 1.2 {said}" in " ".join(listed.stderr.split())
    assert "broken:...  from the package models 1.2" in run("models").stdout


def test_a_model_by_prefix(install):
    install("models", mine="Model", fails="boom", empty="nothing", number="NUMBER", hf="Model")
    assert load_model("mine:weights?a=b").rest == "weights?a=b"
    with refused(r"model fails:x: the package acme 1.2 failed \(KeyError"):
        load_model("fails:x")
    with refused(r"acme 1.2 is a function that returned type int; expected"):
        load_model("empty:x")
    with refused(r"'number' of the package acme 1.2 is of type int; expected a f"):
        load_model("number:x")
    with (
        pytest.warns(CuelensWarning, match="acme 1.2 registers the model 'hf'"),
        refused(r"did you mean mine:[?] Expected .*, mine:..."),
    ):
        load_model("minne:x")


def test_what_is_no_layout_is_refused(install, tmp_path):
    install("corpora", mine="NUMBER")
    with refused(r"'mine' of the package acme 1.2 is of type int; expected a L"):
        load_corpus(tmp_path, layout="mine")
    with refused(r"'mine' of the package acme 1.2 is of type int"):
        get_corpus("mine")
    install("corpora", package="other", emodb="NUMBER")
    with pytest.warns(CuelensWarning, match="other 1.2 registers the corpus 'emodb'"):
        assert layout_named("emodb").title.startswith("EmoDB")


def test_a_layout_under_another_name_is_refused(install):
    content = "from cuelens.corpora.layouts import TESS as LAYOUT"
    install("corpora", content=content, mine="LAYOUT")
    with refused(r"is a layout named 'tess'; expected the same name"):
        layout_named("mine")
