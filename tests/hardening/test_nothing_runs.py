"""Nothing in a folder that someone else made is run, and nothing is fetched unasked."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tests.conftest import REPOSITORY

from cuelens import InputError, load_model
from cuelens.corpora import load_corpus
from cuelens.models.folder import write_model_json
from cuelens.models.load import bundled_folder


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def planted(tmp_path):
    """A pickle that leaves a mark where it is loaded; it does when it is."""
    mark = tmp_path / "mark"
    content = pickle.dumps(Planted(mark))
    pickle.loads(content)
    assert mark.exists()
    mark.rmdir()
    yield content
    assert not mark.exists()


def test_a_pickle_in_a_model_folder(tmp_path, planted):
    import json

    folder = shutil.copytree(bundled_folder("emodb-egemaps"), tmp_path / "model")
    (folder / "model.pkl").write_bytes(planted)
    load_model(folder)  # not looked at
    (folder / "model.skops").write_bytes(planted)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    write_model_json(folder, {key: description[key] for key in description if key != "files"})
    with pytest.raises(InputError, match=r"model\.skops: cannot be read"):
        load_model(folder)


def test_pickles_as_models_and_tables(tmp_path, planted):
    from cuelens.features.embedding_table import read_embedding_table

    for name in ("m.skops", "m.onnx", "m.pth", "m.safetensors", "m.npy"):
        (tmp_path / name).write_bytes(planted)
    for spec in ("skops:{}/m.skops?features=egemaps", "onnx:{}/m.onnx?labels=a,b"):
        with pytest.raises(InputError):
            load_model(spec.format(tmp_path))
    if pytest.importorskip("torch"):
        for name in ("m.pth", "m.safetensors"):
            with pytest.raises(InputError):
                load_model(f"resnetsmall:{tmp_path / name}")
    (tmp_path / "m.txt").write_text("a.wav\n")
    with pytest.raises(InputError, match="cannot be read as an array"):
        read_embedding_table(tmp_path / "m.npy", None)


def test_audformat_reads_neither_pickled_tables_nor_python_tags(tmp_path, planted):
    audformat = pytest.importorskip("audformat")
    folder = tmp_path / "corpus"
    folder.mkdir()
    soundfile.write(folder / "a.wav", 0.1 * np.sin(np.arange(8000) / 9), 16_000)
    database = audformat.Database("x")
    database.schemes["emotion"] = audformat.Scheme(labels=["anger"])
    database["t"] = audformat.Table(audformat.filewise_index(["a.wav"]))
    database["t"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["t"]["emotion"].set(["anger"])
    database.save(str(folder))
    (folder / "db.t.pkl").write_bytes(planted)
    assert load_corpus(folder).table["emotion"].tolist() == ["anger"]
    header = folder / "db.yaml"
    sound = header.read_text(encoding="utf-8")
    header.write_text(f"{sound}\nx: !!python/object/apply:os.mkdir ['{tmp_path}/mark']\n")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        load_corpus(folder)
    header.write_text(sound.replace("  t:", "  ../../t:"))
    with pytest.raises(InputError, match="expected a plain name"):
        load_corpus(folder)


@pytest.mark.parametrize("place", ["../secret.bin", "{folder}/secret.bin"])
def test_a_network_reads_no_weights_outside_its_folder(tmp_path, place):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    np.arange(2, dtype=np.float32).tofile(tmp_path / "secret.bin")
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", place.format(folder=tmp_path)
    shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", shapes[:1], shapes[1:], [weights]
    )
    folder = tmp_path / "model"
    folder.mkdir()
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    assert onnx
    with pytest.raises(InputError, match=r"cannot be read as ONNX .*[Ee]xternal data"):
        load_model(f"onnx:{folder}/m.onnx?labels=a,b")


NO_NETWORK = """
import socket, sys

def refuse(*arguments, **_):
    raise SystemExit(f"a connection to {arguments[1:]} was tried")

for name in ("connect", "connect_ex", "sendto", "bind"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.create_connection = refuse
import cuelens
from cuelens.cli.main import main
sys.argv = ["cuelens", *sys.argv[1:]]
main()
"""


def test_explaining_a_clip_opens_no_connection(tmp_path):
    clip = REPOSITORY / "src" / "cuelens" / "demo_clips" / "de_male_anger.flac"
    ran = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, "explain", str(clip), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "de_male_anger" / "report.html").stat().st_size > 10_000
    guarded = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, "corpus", "get", "emodb", "--yes"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "was tried" in guarded.stderr  # the guard does see what asks for the network
