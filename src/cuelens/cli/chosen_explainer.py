"""From options to an explainer of many clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cuelens.errors import InputError

if TYPE_CHECKING:
    from cuelens.explain import Explainer
    from cuelens.units import UnitSpec


def chosen_explainer(
    name: str, *, units: str | None, bands: int | None, samples: int | None, seed: int
) -> tuple[Explainer, UnitSpec | None]:
    """An explainer by name with other units or another budget.

    Parameters
    ----------
    name : str
        As for `explainer_named`.
    units : str or None
        As for `UnitSpec.parse`.
    bands, samples : int or None
    seed : int

    Returns
    -------
    explainer : Explainer
    units : UnitSpec or None
        Units that are another for every clip.

    Raises
    ------
    InputError
        Nothing of that name, or it has no such settings.
    """
    from cuelens.evaluate.explainers import explainer_named
    from cuelens.explain import EmoLime
    from cuelens.units import FrequencyBands, UnitSpec

    found = explainer_named(name, seed=seed)
    given = {"units": units, "bands": bands, "samples": samples}
    named = [f"--{option}" for option, value in given.items() if value is not None]
    if not named:
        return found, None
    if not isinstance(found, EmoLime):
        raise InputError(
            f"{' and '.join(named)}: {name} does not take it; expected --explainer shapley or lime"
        )
    if samples is not None:
        found = replace(found, samples=samples)
    if units is None and bands is None:
        return found, None
    if units is None and not isinstance(found.units, FrequencyBands):
        raise InputError(f"--bands is for explainers of bands; {name} explains others")
    spec = UnitSpec.parse(units or "bands", bands=FrequencyBands(n_bands=bands or 8))
    if bands is not None and not spec.takes("bands"):
        raise InputError(f"--bands is for units with bands; expected no --bands with {units}")
    if spec.needs_labels:
        return found, spec
    return replace(found, units=spec.units()), None


def absolute(model: str) -> str:
    """A model's folder or file under a name that holds in every process."""
    path = Path(model)
    return str(path.resolve()) if path.exists() else model
