from __future__ import annotations

import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import skops.io

from cuelens import InputError, load_model
from cuelens.models.folder import write_model_json
from cuelens.models.load import BUNDLED, bundled_folder
from cuelens.testing import speech_like


@pytest.fixture(params=BUNDLED)
def folder(request, tmp_path):
    return shutil.copytree(bundled_folder(request.param), tmp_path / "model")


def edit(folder, **changes):
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    content.update(changes)
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_copied_folder_is_the_same_model(folder):
    name = json.loads((folder / "model.json").read_text(encoding="utf-8"))["name"]
    waveforms = [speech_like()]
    np.testing.assert_array_equal(
        load_model(folder).predict_proba(waveforms), load_model(name).predict_proba(waveforms)
    )


def test_changed_weights_are_refused(folder):
    weights = next(p for p in folder.iterdir() if p.suffix in {".onnx", ".skops"})
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"SHA-256 is not the one in model\.json"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema_version 1"),
        ({"kind": "magic"}, "kind is 'magic'; expected log_mel_cnn or features"),
        ({"files": {"../../etc/passwd": "0"}}, "lists '../../etc/passwd'"),
        ({"files": {}}, "incomplete or damaged"),
        ({"files": []}, "incomplete or damaged"),
    ],
)
def test_wrong_descriptions_are_refused(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(InputError, match=message):
        load_model(folder)


def test_what_is_no_model_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no model\.json"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        load_model(tmp_path)


def test_a_damaged_or_foreign_network_is_refused(tmp_path):
    folder = shutil.copytree(bundled_folder("emodb-cnn"), tmp_path / "model")
    edit(folder, labels=["a", "b"])
    with pytest.raises(InputError, match="the network has 7 outputs and"):
        load_model(folder)
    (folder / "model.onnx").write_bytes(b"no network")
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description.pop("files")
    description.pop("schema_version")
    write_model_json(folder, description)
    with pytest.raises(InputError, match=r"model\.onnx: cannot be read"):
        load_model(folder)


class Bomb:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def test_a_pickle_is_not_executed(tmp_path):
    folder = shutil.copytree(bundled_folder("emodb-egemaps"), tmp_path / "model")
    touched = tmp_path / "executed"
    (folder / "model.skops").write_bytes(pickle.dumps(Bomb(touched)))
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description.pop("files")
    description.pop("schema_version")
    write_model_json(folder, description)
    with pytest.raises(InputError, match="cannot be read"):
        load_model(folder)
    assert not touched.exists()


class Untrusted:
    value = 1


def test_untrusted_types_are_refused(tmp_path):
    folder = shutil.copytree(bundled_folder("emodb-egemaps"), tmp_path / "model")
    skops.io.dump(Untrusted(), folder / "model.skops")
    assert zipfile.is_zipfile(folder / "model.skops")
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description.pop("files")
    description.pop("schema_version")
    write_model_json(folder, description)
    with pytest.raises(InputError, match="types that are not trusted"):
        load_model(folder)


@pytest.mark.parametrize("name", BUNDLED)
def test_cards_show_the_figures_of_model_json(name):
    folder = bundled_folder(name)
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"**{content['evaluation']['uar']:.3f}**" in card
    confusion = np.array(content["evaluation"]["confusion"])
    recall = np.diag(confusion) / confusion.sum(axis=1)
    np.testing.assert_allclose(recall, list(content["evaluation"]["recall"].values()))
    assert np.mean(recall) == pytest.approx(content["evaluation"]["uar"])
    assert content["evaluation"]["uar"] >= 0.66
    for label, value in content["evaluation"]["recall"].items():
        assert f"| {label} | {value:.2f} |" in card
    assert (folder / "confusion.png").stat().st_size < 100_000
