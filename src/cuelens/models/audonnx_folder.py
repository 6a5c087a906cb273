"""Folders written by audonnx, read without it: ``model.onnx`` and an object description.

Nothing of a description is executed: it is read as plain YAML, and a model that needs a transform
of its own is refused.

References
----------
.. [1] audEERING, "audonnx: machine learning models in ONNX format",
   https://audeering.github.io/audonnx.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from cuelens.errors import InputError
from cuelens.input_file import read_yaml

_MODEL = "$audonnx.core.model.Model"


class AudonnxFolder(NamedTuple):
    """What a folder says.

    Attributes
    ----------
    file : Path
        The network.
    labels : dict of str to list of str
        By output node; "" stands for the only one.
    """

    file: Path
    labels: dict[str, list[str]]


def read_audonnx(folder: Path) -> AudonnxFolder:
    """The network of a folder and its labels.

    Raises
    ------
    InputError
        Neither ``model.yaml`` nor ``model.onnx``, a file that is no YAML, or a transform.
    """
    described = _read_yaml(folder / "model.yaml")
    if isinstance(described, dict) and len(described) == 1:
        kind, content = next(iter(described.items()))
        if str(kind).startswith(_MODEL) and isinstance(content, dict):
            _refuse_transform(folder, content.get("transform"))
            file = folder / Path(str(content.get("path") or "model.onnx")).name
            return AudonnxFolder(file, _labels(folder, content.get("labels")))
    if not (folder / "model.onnx").is_file():
        raise InputError(
            f"{folder}: no model of audonnx; expected model.yaml that begins with {_MODEL}, or "
            "model.onnx with labels.yaml"
        )
    _refuse_transform(folder, _read_yaml(folder / "transform.yaml"))
    return AudonnxFolder(folder / "model.onnx", _labels(folder, _read_yaml(folder / "labels.yaml")))


def _read_yaml(file: Path) -> Any:
    return read_yaml(file) if file.exists() else None


def _refuse_transform(folder: Path, transform: Any) -> None:
    """Anything that is not "no transform"; by node or for all."""
    by_node = isinstance(transform, dict) and not any(str(key)[:1] == "$" for key in transform)
    for each in transform.values() if by_node else [transform]:
        if each:
            kind = str(next(iter(each)) if isinstance(each, dict) else each)
            kind = kind.removeprefix("$").partition("==")[0]
            raise InputError(
                f"{folder}: its network takes features made by {kind}; expected one that takes "
                "waveforms: load it with audonnx in a function of your own and give that as "
                "python:module:function"
            )


def _labels(folder: Path, given: Any) -> dict[str, list[str]]:
    by_node = given if isinstance(given, dict) else {"": given}
    labels = {str(node): names for node, names in by_node.items() if names}
    if any(not isinstance(names, list) for names in labels.values()):
        raise InputError(f"{folder}: labels are {given!r}; expected a list a node")
    return {node: [str(name) for name in names] for node, names in labels.items()}
