"""Model folders: ``model.json``, a card, and weights in ONNX, safetensors or skops.

Nothing in a model folder is executed: there are no pickles, and skops loads only types that it
trusts.  ``model.json`` lists the SHA-256 of every weight file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cuelens.errors import InputError
from cuelens.features import LogMel, OpenSmile
from cuelens.input_file import MAX_WEIGHTS_BYTES, read_bytes, read_json
from cuelens.models.base import Model
from cuelens.models.features_model import FeaturesModel
from cuelens.models.log_mel_cnn import LogMelCnn, WindowedLogMel, onnx_session
from cuelens.models.skops_file import skops_estimator

SCHEMA_VERSION = 1
MODEL_FILES = (
    "README.md",
    "confusion.png",
    "model.json",
    "model.onnx",
    "model.safetensors",
    "model.skops",
    "probe.json",
)
_WEIGHTS = ("model.onnx", "model.safetensors", "model.skops")


def write_model_json(folder: Path, description: Mapping[str, Any]) -> None:
    """Write ``model.json`` with the checksums of the weight files beside it."""
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in _WEIGHTS
        if (folder / name).exists()
    }
    content = {"schema_version": SCHEMA_VERSION, **description, "files": files}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")


def read_model_json(folder: Path) -> dict[str, Any]:
    """The description of a model folder.

    Raises
    ------
    InputError
        Missing, not JSON, or of another schema version.
    """
    file = folder / "model.json"
    if not file.exists():
        raise InputError(
            f"{folder}: no model.json in it; expected a model folder that `cuelens train` wrote"
        )
    content = read_json(file)
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{file}: expected an object with schema_version {SCHEMA_VERSION}")
    return content


def load_model_folder(folder: str | Path) -> Model:
    """The model in a folder that :func:`cuelens.models.train` wrote.

    Raises
    ------
    InputError
        No ``model.json``, an unknown kind, a checksum that differs, or types skops does not trust.
    """
    folder = Path(folder)
    description = read_model_json(folder)
    try:
        weights = _checked_weights(folder, description["files"])
        if description["kind"] == "log_mel_cnn":
            front_end = dict(description["front_end"])
            front_end["log_mel"] = LogMel(**front_end["log_mel"])
            return LogMelCnn(
                network=_checked_onnx(folder, weights["model.onnx"], len(description["labels"])),
                labels=tuple(description["labels"]),
                front_end=WindowedLogMel(**front_end),
                name=description["name"],
                weights=weights.get("model.safetensors"),
            )
        if description["kind"] == "features":
            return FeaturesModel(
                classifier=skops_estimator(weights["model.skops"], where=f"{folder}/model.skops"),
                features=OpenSmile(feature_set=description["features"]["feature_set"]),
                sample_rate=description["sample_rate"],
                normalise=description["features"]["normalise"],
                name=description["name"],
            )
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{folder}/model.json: incomplete or damaged ({error!r})") from error
    raise InputError(
        f"{folder}/model.json: kind is {description['kind']!r}; expected log_mel_cnn or features"
    )


def _checked_weights(folder: Path, files: Mapping[str, str]) -> dict[str, bytes]:
    weights = {}
    for name, expected in files.items():
        if name not in _WEIGHTS:
            raise InputError(f"{folder}/model.json lists {name!r}; expected {', '.join(_WEIGHTS)}")
        content = read_bytes(folder / name, expected="weights", max_bytes=MAX_WEIGHTS_BYTES)
        if hashlib.sha256(content).hexdigest() != expected:
            raise InputError(
                f"{folder / name}: its SHA-256 is not the one in model.json; expected the file "
                "that was trained: copy the model folder again"
            )
        weights[name] = content
    return weights


def _checked_onnx(folder: Path, content: bytes, n_labels: int) -> bytes:
    try:
        session = onnx_session(content)
    except Exception as error:  # onnxruntime has no common base for what it raises
        first_line = str(error).splitlines()[0]
        raise InputError(f"{folder}/model.onnx: cannot be read ({first_line})") from error
    n_outputs = session.get_outputs()[0].shape[-1]
    if n_outputs != n_labels:
        raise InputError(
            f"{folder}: the network has {n_outputs} outputs and model.json {n_labels} labels"
        )
    return content
