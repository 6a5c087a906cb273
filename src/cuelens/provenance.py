"""Which versions computed a result."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

_ALWAYS = ("cuelens", "numpy", "scipy", "opensmile", "scikit-learn", "onnxruntime", "soxr")
_MOST_HELD = 100  # answers that a model remembers are no models
_DEPTH = 4  # a model in a counting model in a remembering one

PACKAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cuelens.corpora.speech_detector.SpeechDetector": ("silero-vad",),
        "cuelens.evaluate.detectors.NetworkDetector": ("torch",),
        "cuelens.explain.crp.ConceptRelevance": ("torch", "zennit", "zennit-crp"),
        "cuelens.explain.grad_cam.GradCam": ("torch", "captum"),
        "cuelens.explain.integrated_gradients.IntegratedGradients": ("torch", "captum"),
        "cuelens.explain.lrp.LayerwiseRelevance": ("torch", "zennit"),
        "cuelens.models.hugging_face_model.HuggingFaceModel": ("torch", "transformers"),
        "cuelens.models.torch_model.TorchModel": ("torch",),
        "cuelens.models.torch_waveform_model.TorchWaveformModel": ("torch",),
        "cuelens.vocoder.Voice": ("pyworld",),
    }
)
"""Packages beyond those of every result that objects of a class depend on."""


def versions(*used: object) -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on.

    Parameters
    ----------
    *used : object or type
        Models, explainers, detectors and voices that had a part in it, also where others hold
        them: the packages that they need (`PACKAGES`) are added.
    """
    found = {"python": platform.python_version()}
    for package in dict.fromkeys((*_ALWAYS, *_packages(used))):
        found[package] = _version(package)
    return found


@lru_cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _packages(used: tuple[object, ...]) -> Iterator[str]:
    """Packages by class, in the order in which they are met."""
    seen: set[int] = set()
    layer: list[Any] = list(used)
    for _ in range(_DEPTH):
        held: list[Any] = []
        for thing in layer:
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(thing, Mapping | list | tuple):
                values = thing.values() if isinstance(thing, Mapping) else thing
                held += values if len(thing) <= _MOST_HELD else ()
                continue
            own = thing if isinstance(thing, type) else type(thing)
            for kind in own.__mro__:
                yield from PACKAGES.get(f"{kind.__module__}.{kind.__qualname__}", ())
            if own.__module__.startswith("cuelens."):
                held += getattr(thing, "__dict__", {}).values()
        layer = held
