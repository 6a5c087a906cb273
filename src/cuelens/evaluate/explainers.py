"""The explainers that are evaluated, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial

from cuelens.errors import InputError
from cuelens.explain import MAP_EXPLAINERS, EmoLime, Explainer, Occlusion
from cuelens.explain.named import RESERVED, registered_explainer, with_settings
from cuelens.models import Model
from cuelens.models.network import is_network
from cuelens.plugins import did_you_mean, plugin_names
from cuelens.python_name import PREFIX, imported
from cuelens.units import TimeWindows


def _unseeded(made: Callable[[], Explainer], seed: int) -> Explainer:
    """Of a method in which nothing is random."""
    return made()


EXPLAINERS: dict[str, Callable[[int], Explainer]] = {
    "shapley": lambda seed: EmoLime(seed=seed),
    "lime": lambda seed: EmoLime(estimator="lime", seed=seed),
    "lime-64": lambda seed: EmoLime(estimator="lime", samples=64, seed=seed),
    "published": lambda seed: EmoLime(variant="published", seed=seed),
    "shapley-windows": lambda seed: EmoLime(units=TimeWindows(), samples=256, seed=seed),
    "lime-windows": lambda seed: EmoLime(
        units=TimeWindows(), samples=256, estimator="lime", seed=seed
    ),
    **{name: partial(_unseeded, made) for name, made in MAP_EXPLAINERS.items()},
    "occlusion-published": partial(_unseeded, Occlusion.published),
}
"""How to make each explainer from a seed.

``shapley`` and ``lime`` try all combinations of 8 bands, ``lime-64`` draws 64 as published but with
bands that add up, ``published`` rebuilds sound with Griffin-Lim; ``-windows`` are moments of 150 ms
in 256 versions of the clip; the others look inside a network.
"""


def explainer_named(name: str, *, seed: int = 42) -> Explainer:
    """An explainer from its name in `EXPLAINERS`, a registered name, or ``python:module:name``.

    A registered one, see `registered_explainer`, gets the seed if it has one.  The last is an
    object with a method ``explain(model, audio, *, target=None)`` that returns an `Explanation`,
    or a class or function without arguments that makes one.

    Raises
    ------
    InputError
        Nothing of that name.
    """
    if name in EXPLAINERS:
        return EXPLAINERS[name](seed)
    if not name.startswith(PREFIX):
        registered = registered_explainer(name)
        if registered is not None:
            return with_settings(registered, seed=seed)
        known = (*EXPLAINERS, *plugin_names("explainer", taken=RESERVED))
        raise InputError(
            f"explainer {name!r}: {did_you_mean(name, known)} one of {', '.join(known)}, or "
            "python:package.module:name"
        )
    found = imported(name, "explainer")
    if isinstance(found, type) or not hasattr(found, "explain"):
        try:
            found = found()
        except Exception as error:  # whatever the user's code raises
            raise InputError(f"explainer {name!r} cannot be made ({error!r})") from error
    if not callable(getattr(found, "explain", None)):
        raise InputError(
            f"explainer {name!r} is {type(found).__name__} without a method explain; expected "
            "explain(model, audio, *, target=None) -> Explanation"
        )
    explainer: Explainer = found
    return explainer


def looks_inside(explainer: Explainer) -> bool:
    """Whether an explainer needs a network behind a front end."""
    return isinstance(explainer, tuple(MAP_EXPLAINERS.values()))


def described_explainer(explainer: Explainer) -> str:
    """Parameters of an explainer, where its text shows them and nothing else (no address)."""
    return repr(explainer) if is_dataclass(explainer) else type(explainer).__qualname__


def applies(explainer: Explainer, model: Model) -> bool:
    """Whether an explainer can explain a model."""
    return is_network(model) or not looks_inside(explainer)
