"""From what a user types after ``--model`` to a model."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from cuelens.errors import CuelensError, InputError
from cuelens.models.base import CallableModel, Model
from cuelens.models.folder import load_model_folder, read_model_json
from cuelens.models.spec import split_spec, switch_of
from cuelens.plugins import (
    did_you_mean,
    load_plugin,
    packages_of,
    plugin_names,
    refuse_plugin,
)
from cuelens.python_name import imported, where_it_failed

BUNDLED = ("emodb-cnn", "emodb-egemaps")
PREFIXES = ("hf:", "onnx:", "skops:", "python:", "resnetsmall:")  # of names that are no folders
DEFAULT_MODEL = "emodb-cnn"
_FORMS = (
    f"a bundled name ({', '.join(BUNDLED)}), a model folder, hf:ORG/NAME, hf:FOLDER, onnx:FILE, "
    "skops:FILE, python:package.module:callable, or resnetsmall:FILE"
)
_TAKEN = frozenset(prefix.removesuffix(":") for prefix in PREFIXES)


def load_model(spec: str | Path) -> Model:
    """A model by name or place.

    Parameters
    ----------
    spec : str or Path
        One of

        - a bundled name: ``emodb-cnn``, ``emodb-egemaps``;
        - a folder that ``cuelens train`` wrote;
        - ``hf:ORG/NAME`` or ``hf:FOLDER``, an audio classifier or regressor of the Hugging Face
          hub (extra ``hf``); options ``?revision=NAME&masks_padding=true``;
        - ``onnx:FILE`` or ``onnx:FOLDER``, see :func:`cuelens.models.onnx_model.load_onnx`;
        - ``skops:FILE``, see :func:`cuelens.models.skops_model.load_skops`;
        - ``python:package.module:name``: a :class:`~cuelens.models.Model`, or a function of
          waveforms with attributes ``labels`` and, unless 16000 and ``"probability"``
          (``"value"`` of dimensions such as arousal), ``sample_rate`` and ``output``, or a class or
          function without arguments that makes either;
        - ``resnetsmall:FILE``, the weights of Nasr, Ren & Johnson's network (extra ``torch``;
          ``resnetsmall:FILE?trim=everywhere`` or ``none`` cuts other silence);
        - ``PREFIX:REST`` with a prefix that another package registers.

    Raises
    ------
    InputError
        Nothing of that name; the message lists the forms.
    """
    text = str(spec)
    prefix, colon, rest = text.partition(":")
    adapter = load_plugin("model", prefix, taken=_TAKEN) if colon else None
    if adapter is not None:
        return _from_plugin(prefix, adapter, rest)
    if text in BUNDLED:
        return load_model_folder(bundled_folder(text))
    if text.startswith("python:"):
        return _from_python(text)
    if text.startswith("hf:"):
        return _from_hugging_face(text.removeprefix("hf:"))
    if text.startswith("onnx:"):
        from cuelens.models.onnx_model import load_onnx

        return load_onnx(text.removeprefix("onnx:"))
    if text.startswith("skops:"):
        from cuelens.models.skops_model import load_skops

        return load_skops(text.removeprefix("skops:"))
    if text.startswith("resnetsmall:"):
        from cuelens.models.resnet_small import load_published

        file, options = split_spec(text.removeprefix("resnetsmall:"), ("trim",))
        return load_published(file, trim=options.get("trim", "edges"))  # type: ignore[arg-type]
    guess = _meant(text)
    if _is_folder(text) and not guess:
        return load_model_folder(spec)
    registered = [f"{name}:..." for name in plugin_names("model", taken=_TAKEN)]
    forms = ", ".join((_FORMS, *registered))
    if guess:
        raise InputError(f"model {text!r}: did you mean {guess}? Expected {forms}")
    known = {f"{name}:" for name in (*_TAKEN, *plugin_names("model", taken=_TAKEN))}
    meant = did_you_mean(f"{prefix}:", known) if colon else did_you_mean(text, BUNDLED)
    raise InputError(f"model {text!r}: neither a known name nor a folder; {meant} {forms}")


def _meant(text: str) -> str:
    """The name with its prefix, where the prefix of a checkpoint or file is missing; else ""."""
    place = Path(text.partition("?")[0])
    if _is_folder(text):
        if (place / "model.json").is_file():
            return ""
        prefix = "hf:" if (place / "config.json").is_file() else ""
        prefix = prefix or ("onnx:" if (place / "model.yaml").is_file() else "")
    else:
        prefix = {".onnx": "onnx:", ".skops": "skops:"}.get(place.suffix.lower(), "")
    return f"{prefix}{text}" if prefix else ""


def bundled_folder(name: str) -> Path:
    """Folder of a bundled model."""
    return Path(str(files("cuelens.models") / "bundled" / name))


def describe_bundled() -> list[dict[str, Any]]:
    """``model.json`` of every bundled model."""
    return [read_model_json(bundled_folder(name)) for name in BUNDLED]


def registered_prefixes() -> dict[str, str]:
    """Prefixes that other packages register, and the packages; nothing of them is imported."""
    return {name: packages_of("model", name) for name in plugin_names("model", taken=_TAKEN)}


def _from_plugin(prefix: str, adapter: Any, rest: str) -> Model:
    """The model that a registered function makes of what stands behind its prefix."""
    if not callable(adapter):
        seen = f"of type {type(adapter).__name__}"
        raise refuse_plugin(
            "model", prefix, seen=seen, expected="a function of what follows the prefix"
        )
    try:
        found = adapter(rest)
    except CuelensError:
        raise
    except Exception as error:  # whatever the package raises
        raise InputError(
            f"model {prefix}:{rest}: the package {packages_of('model', prefix)} failed "
            f"({type(error).__name__}: {error}); expected a model"
        ) from error
    if not _is_model(found):
        seen = f"a function that returned type {type(found).__name__}"
        raise refuse_plugin(
            "model", prefix, seen=seen, expected="predict_proba, labels and sample_rate"
        )
    return found


def _from_hugging_face(spec: str) -> Model:
    from cuelens.models.hugging_face_model import HuggingFaceModel  # imported when used: optional

    checkpoint, options = split_spec(spec, ("revision", "masks_padding"))
    model = HuggingFaceModel(
        checkpoint=checkpoint,
        revision=options.get("revision"),
        masks_padding=switch_of(options, "masks_padding"),
    )
    model.labels  # noqa: B018 - loads it: fails here rather than in the first answer
    return model


def _from_python(spec: str) -> Model:
    found = imported(spec, "model")
    _refuse_bare_network(found, spec)
    if callable(found) and (isinstance(found, type) or not hasattr(found, "labels")):
        try:
            found = found()
        except TypeError as error:
            raise InputError(
                f"model {spec!r} has no attribute labels and cannot be called without arguments "
                f"({error}); expected predict_proba, labels and sample_rate, or a function with "
                "the attribute labels"
            ) from error
        except CuelensError:
            raise
        except Exception as error:  # whatever the user's function raises
            where = where_it_failed(error) or "its making"
            raise InputError(
                f"model {spec!r} failed in {where}: {type(error).__name__}: {error}; expected a "
                "model, or a function with the attribute labels"
            ) from error
        _refuse_bare_network(found, spec)
    if _is_model(found):
        return found
    if callable(found) and hasattr(found, "labels"):
        return CallableModel(
            function=found,
            labels=found.labels,
            sample_rate=getattr(found, "sample_rate", 16_000),
            name=spec.rpartition(":")[2],
            output=getattr(found, "output", None),
        )
    raise InputError(
        f"model {spec!r} is {type(found).__name__} without labels; expected predict_proba, labels "
        "and sample_rate, or a function with the attribute labels"
    )


def _refuse_bare_network(found: object, spec: str) -> None:
    """A PyTorch network by itself says neither its labels nor what it gives."""
    torch = sys.modules.get("torch")  # who has a network has imported it
    if torch is not None and isinstance(found, torch.nn.Module) and not _is_model(found):
        raise InputError(
            f"model {spec!r} is a bare PyTorch network ({type(found).__name__}); expected it "
            "wrapped: model = cuelens.models.TorchWaveformModel(module=..., labels=(...), "
            'network_output="logit")'
        )


def _is_folder(text: str) -> bool:
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):  # too long, or not a name at all
        return False


def _is_model(found: object) -> bool:
    return all(hasattr(found, name) for name in ("predict_proba", "labels", "sample_rate"))
