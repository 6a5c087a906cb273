"""Every snippet of the page *Bring your model* runs, on small models of the kinds it names."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import skops.io
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from tests.models import (  # noqa: E402
    test_audonnx_folder,
    test_hugging_face_model,
    test_onnx_model,
    test_skops_model,
)

from cuelens import load_model  # noqa: E402
from cuelens.features import OpenSmile  # noqa: E402
from cuelens.features.one_thread import one_thread  # noqa: E402
from cuelens.models import predict  # noqa: E402
from cuelens.report import carried_cues  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "bring_your_model.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
SOUNDS = [0.1 * speech_like(duration_s=0.5), noise(duration_s=0.5, level=0.02)]
COMMANDS = re.findall(r"^cuelens explain .*$", PAGE, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the reader of the page has."""
    folder = tmp_path_factory.mktemp("reader")
    test_hugging_face_model.save(folder / "checkpoint")
    test_onnx_model.save(folder / "network.onnx")
    test_audonnx_folder.save(folder / "w2v2")
    pipeline = test_skops_model.trained(LogisticRegression(C=1e-5), 88)
    skops.io.dump(pipeline, folder / "pipeline.skops")
    values = OpenSmile().functionals(SOUNDS, sample_rate=16_000)
    forest = RandomForestClassifier(5, random_state=0)
    forest.fit(np.tile(values, (9, 1)), ["angry", "calm"] * 9)
    skops.io.dump(forest, folder / "forest.skops")
    soundfile.write(folder / "clip.wav", speech_like(duration_s=0.5), 16_000)
    for snippet in PYTHON:
        name = re.match(r"# (\w+\.py)\n", snippet)
        if name:
            (folder / name[1]).write_text(snippet)
    return folder


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_snippets_run(folder, monkeypatch, capsys, number):
    monkeypatch.chdir(folder)
    with one_thread():
        exec(compile(PYTHON[number], f"snippet {number}", "exec"), {"__name__": "snippet"})
    said = capsys.readouterr().out
    if ".account" in PYTHON[number]:
        assert "answers" in said
    if "shape" in PYTHON[number]:
        assert said == "True\n"
    assert len(PYTHON) == 8


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_name_models_that_load_and_answer(folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    words = shlex.split(command)
    spec = words[words.index("--model") + 1]
    model = load_model(spec)
    with one_thread():
        answers = predict(model, SOUNDS)
    assert np.ptp(answers, axis=0).max() > 1e-4
    if "--target" in words:
        assert words[words.index("--target") + 1] in model.labels
    assert carried_cues(spec) is None
    assert len(COMMANDS) == 7


def test_the_sidecar_of_the_page_is_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    text = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)[0]
    beside = folder / "network.onnx.json"
    beside.write_text(text)
    try:
        model = load_model("onnx:network.onnx")
    finally:
        beside.unlink()
    assert list(model.labels) == json.loads(text)["labels"]
    assert model.network_output == "logit"
