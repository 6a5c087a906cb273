"""Explainers by name: cuelens' own, and those that other packages register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.crp import ConceptRelevance
from cuelens.explain.emolime import EmoLime
from cuelens.explain.explanation import Explanation
from cuelens.explain.grad_cam import GradCam
from cuelens.explain.integrated_gradients import IntegratedGradients
from cuelens.explain.lrp import LayerwiseRelevance
from cuelens.explain.map_explainer import MapExplainer
from cuelens.explain.occlusion import Occlusion
from cuelens.models.base import Model
from cuelens.plugins import did_you_mean, load_plugin, plugin_names, refuse_plugin


class Explainer(Protocol):
    """Anything that explains a model's answer to one clip."""

    def explain(
        self, model: Model, audio: Audio, /, *, target: str | None = None
    ) -> Explanation: ...


MAP_EXPLAINERS: dict[str, type[MapExplainer]] = {
    explainer.name: explainer
    for explainer in (Occlusion, GradCam, IntegratedGradients, LayerwiseRelevance, ConceptRelevance)
}
OWN: Mapping[str, type[Explainer]] = {EmoLime.name: EmoLime, **MAP_EXPLAINERS}
RESERVED = frozenset(
    {
        *OWN,
        *("shapley", "lime", "lime-64", "published", "shapley-windows", "lime-windows"),
        "occlusion-published",
    }
)
"""Names that no package may register: those of settings that are evaluated are among them."""


def registered_explainer(name: str) -> type[Explainer] | None:
    """The class of an explainer that another package registers; None where none does.

    Raises
    ------
    InputError
        It cannot be imported, or is no dataclass with a name and a method ``explain``.
    """
    found = load_plugin("explainer", name, taken=RESERVED)
    if found is None:
        return None
    if not (isinstance(found, type) and is_dataclass(found)):
        seen = f"of type {type(found).__name__}" if not isinstance(found, type) else "no dataclass"
        raise refuse_plugin(
            "explainer", name, seen=seen, expected="a frozen dataclass with a method explain"
        )
    if not callable(getattr(found, "explain", None)) or not hasattr(found, "name"):
        raise refuse_plugin(
            "explainer",
            name,
            seen=f"{found.__name__} without a name or a method explain",
            expected="explain(model, audio, *, target=None) -> Explanation",
        )
    explainer: Any = found
    return explainer


def explainer_class(name: str) -> type[Explainer]:
    """An explainer by its name in `OWN`, or by the name that a package registers.

    Raises
    ------
    InputError
        Nothing of that name, or the package is broken.
    """
    found = registered_explainer(name) or OWN.get(name)
    if found is None:
        known = (*OWN, *plugin_names("explainer", taken=RESERVED))
        raise InputError(
            f"explainer {name!r}: {did_you_mean(name, known)} one of {', '.join(known)}"
        )
    return found


def with_settings(explainer: type[Explainer], **settings: Any) -> Explainer:
    """An explainer with those of the settings that it has, such as ``seed`` and ``window_s``.

    Raises
    ------
    InputError
        It needs other settings too.
    """
    own = {field.name for field in fields(explainer)}  # type: ignore[arg-type]
    try:
        return explainer(**{name: value for name, value in settings.items() if name in own})
    except TypeError as error:
        raise InputError(
            f"explainer {explainer.__module__}.{explainer.__name__} cannot be made ({error}); "
            "expected a default for each of its settings"
        ) from error
