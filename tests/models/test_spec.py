from __future__ import annotations

import pytest

from cuelens import InputError, load_model
from cuelens.models.spec import labels_of, output_of, read_sidecar, split_spec, switch_of


def test_options():
    assert split_spec("a/b.onnx", ("x",)) == ("a/b.onnx", {})
    assert split_spec("f?x=1&y=a%26b,c=d", ("x", "y")) == ("f", {"x": "1", "y": "a&b,c=d"})
    for spec in ("f?z=1", "f?x", "f?x=", "f?x=1&x=2", "f?x=1&"):
        with pytest.raises(InputError, match=r"expected NAME=VALUE, each once, of x=, y="):
            split_spec(spec, ("x", "y"))
    with pytest.raises(InputError, match="names no file"):
        split_spec("?x=1", ("x",))


def test_values():
    assert labels_of("a, b", name="m") == ("a", "b")
    assert labels_of(["a", "b"], name="m") == ("a", "b")
    for labels in ("", [], 3, "a,,b", None):
        with pytest.raises(InputError, match="expected a list of names"):
            labels_of(labels, name="m")
    assert output_of(None, name="m") is None
    assert output_of("logit", name="m") == "logit"
    assert output_of("multi_label_logit", name="m") == "multi_label_logit"
    with pytest.raises(InputError, match="'logits'; expected one of probability, logit, mul"):
        output_of("logits", name="m")
    assert switch_of({"a": "true"}, "a") is True
    assert switch_of({"a": False}, "a", default=True) is False
    assert switch_of({}, "a", default=True) is True
    for value in ("yes", 1, None):
        with pytest.raises(InputError, match="expected true or false"):
            switch_of({"a": value}, "a")


def test_sidecar(tmp_path):
    file = tmp_path / "net.onnx"
    assert read_sidecar(file) == {}
    beside = tmp_path / "net.onnx.json"
    beside.write_text('{"labels": ["a"]}')
    assert read_sidecar(file) == {"labels": ["a"]}
    for broken, message in (("[1]", "no JSON object"), ("{", "cannot be read as JSON")):
        beside.write_text(broken)
        with pytest.raises(InputError, match=message):
            read_sidecar(file)


@pytest.mark.parametrize("form", ["hf:ORG/NAME", "onnx:FILE", "skops:FILE", "python:", "resnet"])
def test_an_unknown_model_is_told_all_forms(form):
    with pytest.raises(InputError, match=form):
        load_model("nothing")
