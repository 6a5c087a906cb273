"""Folders of audonnx, as it writes them, read without it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from cuelens import InputError, load_model  # noqa: E402
from cuelens.models import model_output  # noqa: E402
from cuelens.models.audonnx_folder import read_audonnx  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402

CLIPS = [speech_like(duration_s=0.3), noise(duration_s=0.2)]
DESCRIPTION = """\
$audonnx.core.model.Model==0.7.0:
  path: model.onnx
  labels:
    logits:
    - arousal
    - dominance
    - valence
  transform: null
"""


def save(folder, description=DESCRIPTION, **files):
    """A network with embedding and head as audeering's: hidden_states and logits."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Abs", ["signal"], ["a"]),
        helper.make_node("ReduceMean", ["a", "last"], ["mean"], keepdims=1),
        helper.make_node("MatMul", ["mean", "u"], ["hidden_states"]),
        helper.make_node("MatMul", ["hidden_states", "w"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, [1, "time"])],
        [
            helper.make_tensor_value_info("hidden_states", TensorProto.FLOAT, [1, 5]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3]),
        ],
        [
            numpy_helper.from_array(rng.normal(size=(1, 5)).astype(np.float32), "u"),
            numpy_helper.from_array(rng.normal(size=(5, 3)).astype(np.float32), "w"),
            numpy_helper.from_array(np.array([1]), "last"),
        ],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(network, folder / "model.onnx")
    if description:
        (folder / "model.yaml").write_text(description)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def directly(folder):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    return np.concatenate([session.run(["logits"], {"signal": x[None]})[0] for x in CLIPS])


@pytest.mark.parametrize(
    ("description", "files"),
    [
        (DESCRIPTION, {}),
        (DESCRIPTION.replace("transform: null", "transform:\n    signal: null"), {}),
        (DESCRIPTION.replace("    logits:", "    hidden_states: [a, b, c, d, e]\n    logits:"), {}),
        ("", {"labels": "logits: [arousal, dominance, valence]"}),
    ],
)
def test_answers_are_those_of_the_network(tmp_path, description, files):
    folder = save(tmp_path / "w2v2", description, **files)
    model = load_model(f"onnx:{folder}")
    assert model.labels == ("arousal", "dominance", "valence")
    assert (model.name, model.sample_rate) == ("w2v2", 16_000)
    assert model_output(model) == "value"
    np.testing.assert_allclose(model.predict_proba(CLIPS), directly(folder), atol=1e-6)


def test_labels_of_the_name_come_first(tmp_path):
    folder = save(tmp_path / "w2v2", DESCRIPTION.split("  labels", maxsplit=1)[0])
    with pytest.raises(InputError, match="has labels for no output; expected one: name it as"):
        load_model(f"onnx:{folder}")
    model = load_model(f"onnx:{folder}?labels=a,b,c&output=value&rate=8000")
    assert (model.labels, model.sample_rate) == (("a", "b", "c"), 8000)
    np.testing.assert_allclose(model.predict_proba(CLIPS), directly(folder), atol=1e-6)


def test_of_several_heads_one_is_named(tmp_path):
    more = DESCRIPTION.replace("    logits:", "    gender: [female, male]\n    logits:")
    folder = save(tmp_path / "w2v2", more)
    with pytest.raises(InputError, match=r"labels for gender, logits; expected one: name it"):
        load_model(f"onnx:{folder}")
    assert load_model(f"onnx:{folder}?node=logits").node == "logits"


TRANSFORM = """transform:
    $opensmile.core.smile.Smile==2.4.0:
      feature_set: GeMAPSv01b
"""


@pytest.mark.parametrize(
    ("description", "files", "message"),
    [
        (
            DESCRIPTION.replace("transform: null", TRANSFORM.strip()),
            {},
            r"takes features made by opensmile\.core\.smile\.Smile; expected .* python:module",
        ),
        (
            DESCRIPTION.replace(
                "transform: null",
                "transform:\n    signal:\n      $audsp.core.spectrogram.Spectrogram==0.1: {}",
            ),
            {},
            r"takes features made by audsp\.core\.spectrogram\.Spectrogram;",
        ),
        ("", {"transform": "$audsp.Mel==0.1: {a: 1}"}, r"features made by audsp\.Mel;"),
        ("a: [1", {}, r"model\.yaml: cannot be read as YAML"),
        (DESCRIPTION.replace("- arousal", "arousal: 1").replace("    - ", "    "), {}, "YAML"),
        ("!!python/object/apply:os.system ['true']", {}, "cannot be read as YAML"),
    ],
)
def test_what_it_cannot_use_is_one_clear_line(tmp_path, description, files, message):
    folder = save(tmp_path / "w2v2", description, **files)
    with pytest.raises(InputError, match=message) as error:
        load_model(f"onnx:{folder}")
    assert "\n" not in str(error.value)


def test_a_folder_without_a_network(tmp_path):
    with pytest.raises(InputError, match=r"no model of audonnx; expected model\.yaml"):
        load_model(f"onnx:{tmp_path}")


def test_a_description_leads_no_further_than_its_folder(tmp_path):
    folder = save(tmp_path / "w2v2", DESCRIPTION.replace("model.onnx", "../../secret.onnx"))
    assert read_audonnx(folder).file == folder / "secret.onnx"
