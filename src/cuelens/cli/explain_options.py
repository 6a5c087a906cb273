"""Options of ``cuelens explain`` that would change nothing are refused, not ignored.

An explainer takes the options that it has settings for: a new one needs no word here, unless it
brings a setting that no option stood for before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cuelens.errors import InputError

if TYPE_CHECKING:
    from cuelens.units import UnitSpec

SETTINGS: Mapping[str, str] = {
    "units": "units",
    "bands": "units",
    "scale": "units",
    "output": "output",
    "layer": "layer",
    "estimator": "estimator",
    "variant": "variant",
    "samples": "samples",
    "precision": "precision",
    "interactions": "interactions",
}
"""The setting of an explainer that an option stands for."""


def explainers() -> dict[str, type]:
    """Explainers of ``--explainer`` that are cuelens' own, by name."""
    from cuelens.explain.named import OWN

    return dict(OWN)


def takes(explainer: type, option: str) -> bool:
    """Whether an explainer has a setting that the option stands for."""
    return SETTINGS[option] in {field.name for field in fields(explainer)}


def own_settings(explainer: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given on the command line, as settings of an explainer.

    Parameters
    ----------
    explainer : str
    options : mapping
        Options that were given, by the name of their parameter; those that are no settings are
        left out.

    Raises
    ------
    InputError
        One is a setting of other explainers only.
    """
    from cuelens.explain.named import explainer_class

    known: dict[str, type] = explainers()
    if explainer not in known:
        known[explainer] = explainer_class(explainer)
    given = [option for option in options if option in SETTINGS]
    for option in given:
        if not takes(known[explainer], option):
            takers = [name for name, kind in known.items() if takes(kind, option)]
            raise InputError(
                f"--{option} is for {' and '.join(takers)}; {explainer} does not take it: leave "
                f"it out, or choose --explainer {' or '.join(takers)}"
            )
    return {SETTINGS[option]: options[option] for option in given}


def refuse_idle(
    given: Collection[str], *, explainer: str, variant: str, cues: bool, units: UnitSpec | None
) -> None:
    """Whether every option that was given changes something.

    Parameters
    ----------
    given : collection of str
        Names of the parameters of the options.
    explainer, variant : str
    cues : bool
        Whether cues are measured.
    units : UnitSpec or None
        None: the explainer has no units to choose.

    Raises
    ------
    InputError
        One changes nothing.
    """
    of_bands = units is None or units.takes("bands")
    of_windows = units is None or units.takes("windows")
    by_bands = "bands, cells, or others times bands such as words:FILE*bands"
    idle = {
        "bands": (not of_bands, f"--bands is for --units {by_bands}"),
        "scale": (not of_bands, f"--scale is for --units {by_bands}"),
        "window_s": (
            not (of_windows or cues),
            "--window is for cues, and for --units windows, cells, or windows times others",
        ),
        "baseline": (not cues, "--baseline is for cues, and --no-cues leaves them out"),
        "corpus": (
            not cues and explainer != "crp",
            "--corpus is for cues, which --no-cues leaves out, and for crp",
        ),
        "estimator": (
            variant == "published",
            "--estimator is for --variant lossless; published is always a linear fit (lime)",
        ),
    }
    for option, (is_idle, why) in idle.items():
        if option in given and is_idle:
            raise InputError(f"{why}; expected it to be left out here")
