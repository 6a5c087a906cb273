"""Whether an explainer keeps to what results, reports and evaluations rely on."""

from __future__ import annotations

import json
from dataclasses import is_dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain import Explainer, Explanation
from cuelens.models.base import Model, default_target, model_labels, predict
from cuelens.testing.models import BandModel, ConstantModel
from cuelens.testing.require import require
from cuelens.testing.signals import speech_like
from cuelens.units import Unit
from cuelens.units.kinds import layout_of

BAND_HZ = (1000.0, 2000.0)
_ROUNDING = 1e-6
_ADDS_UP = 1e-4  # of the largest output or weight
_PARTS = 1e-4  # of full scale


def check_explainer(
    explainer: Explainer,
    *,
    model: Model | None = None,
    audio: Audio | None = None,
    adds_up: bool = False,
) -> None:
    """Check that an explainer keeps its contract.

    It is a frozen dataclass with a name.  Its explanation is of the model's answer and of the
    label that was asked for; arrays have the shapes that `Explanation` promises and are finite;
    units lie in the clip and tile it, and their parts add up to it; JSON gives it back; the same
    seed gives the same bytes; clip and explainer stay as they were; an unknown label is refused.

    Parameters
    ----------
    explainer : Explainer
    model : Model or None
        What to explain, for explainers of some models only.  None: one that listens to 1000 to
        2000 Hz and to nothing else, so that among frequency bands the largest weight must be
        there, and one that answers the same whatever it hears, of which all weights must be 0.
    audio : Audio or None
        None: 0.6 s of speech-like sound.
    adds_up : bool
        Whether weights and base must add up to the output, as Shapley values do; always asked of
        explanations whose parameter ``estimator`` is ``"shapley"``.

    Raises
    ------
    AssertionError
        The first thing that is not so, in a sentence.
    """
    name = _named(explainer)
    given = BandModel(band_hz=BAND_HZ) if model is None else model
    clip = audio or Audio(
        samples=speech_like(duration_s=0.6, sample_rate=given.sample_rate),
        sample_rate=given.sample_rate,
    )
    before, settings = clip.samples.copy(), repr(explainer)
    found, again = (explainer.explain(given, clip) for _ in range(2))
    require(
        isinstance(found, Explanation),
        f"{name} returns {type(found).__name__}; expected cuelens.Explanation",
    )
    require(np.array_equal(clip.samples, before), f"{name} changes the samples of the clip")
    require(repr(explainer) == settings, f"{name} changes its own settings while it explains")
    _check_answer(found, given, clip, name)
    _check_arrays(found, name)
    _check_units(found, name)
    _check_parts(found, clip, given, name)
    _check_sum(found, name, asked=adds_up)
    _check_record(found, again, name)
    _check_targets(explainer, found, given, clip, name)
    if model is None:
        _check_known(explainer, found, clip, name)


def _named(explainer: Explainer) -> str:
    kind = type(explainer)
    parameters = getattr(kind, "__dataclass_params__", None)
    require(
        is_dataclass(explainer) and getattr(parameters, "frozen", False),
        f"{kind.__name__} is no frozen dataclass; expected @dataclass(frozen=True, kw_only=True)",
    )
    name = getattr(explainer, "name", None)
    require(
        isinstance(name, str) and name, f"{kind.__name__} has the name {name!r}; expected a text"
    )
    return str(name)


def _check_answer(found: Explanation, model: Model, clip: Audio, name: str) -> None:
    labels = model_labels(model)
    require(
        found.labels == labels,
        f"{name} gives the labels {found.labels}; expected those of the model, {labels}",
    )
    heard = clip.resample(model.sample_rate)
    answer = predict(model, [heard.samples.copy()])[0]
    require(
        np.shape(found.prediction) == answer.shape
        and np.allclose(found.prediction, answer, atol=1e-5),
        f"{name} says that the model answers {found.prediction}; the model answers {answer}",
    )
    expected = labels[default_target(model, answer)]
    require(
        found.target == expected,
        f"{name} explains {found.target!r} where no target is given; expected the model's answer, "
        f"{expected!r}",
    )
    require(
        abs(found.clip.duration_s - clip.duration_s) < _ROUNDING,
        f"{name} says that the clip lasts {found.clip.duration_s} s; expected the clip as given, "
        f"{clip.duration_s} s",
    )


def _check_arrays(found: Explanation, name: str) -> None:
    n_labels, n_units, n_rows = len(found.labels), len(found.units), len(found.keep)
    require(n_units > 0, f"{name} gives no units; expected one or more")
    shapes = {
        "base": (n_labels,),
        "weights": (n_labels, n_units),
        "ci_low": (n_labels, n_units),
        "ci_high": (n_labels, n_units),
        "interactions": (n_labels, n_units, n_units),
        "fidelity": (n_labels,),
        "output": (n_labels,),
        "outputs": (n_rows, n_labels),
    }
    for field, shape in shapes.items():
        value = getattr(found, field)
        if value is not None:
            require(
                np.shape(value) == shape,
                f"{name} gives {field} of shape {np.shape(value)}; expected {shape}",
            )
    for field in ("prediction", "weights", "outputs"):
        require(
            np.isfinite(getattr(found, field)).all(),
            f"{name} gives {field} with NaN or infinity; expected numbers",
        )
    require(
        found.keep.dtype == np.bool_ and (found.map is not None or found.keep.shape[1] == n_units),
        f"{name} gives keep of dtype {found.keep.dtype} and shape {found.keep.shape}; expected "
        f"bool and (n_coalitions, {n_units})",
    )
    require(
        found.n_model_calls >= 1, f"{name} says that it asked the model {found.n_model_calls} times"
    )
    if found.ci_low is not None and found.ci_high is not None:
        require(
            (found.ci_low <= found.ci_high).all(),
            f"{name} gives intervals that end before they begin",
        )


def _check_units(found: Explanation, name: str) -> None:
    duration_s, highest_hz = found.clip.duration_s, found.clip.sample_rate_hz / 2
    for unit in found.units:
        inside = (
            -_ROUNDING <= unit.start_s < unit.end_s <= duration_s + _ROUNDING
            and -_ROUNDING <= unit.low_hz < unit.high_hz <= highest_hz + _ROUNDING
        )
        require(
            inside,
            f"{name} gives the unit {unit}; expected one within 0 to {duration_s:.3f} s and 0 to "
            f"{highest_hz:.0f} Hz",
        )
    regions = {(u.start_s, u.end_s, u.low_hz, u.high_hz): u for u in found.units}
    tiles = list(regions.values())  # parts of one region, such as harmonics and noise, count once
    for one, other in combinations(tiles, 2):
        require(
            _shared(one, other) < _ROUNDING * duration_s * highest_hz,
            f"{name} gives units that overlap, {one.name} and {other.name}; expected a tiling",
        )
    covered = sum((u.end_s - u.start_s) * (u.high_hz - u.low_hz) for u in tiles)
    share = covered / (duration_s * highest_hz)
    require(
        abs(share - 1.0) < 1e-4,
        f"{name} gives units that cover {share:.1%} of the clip's time and frequency; expected all",
    )


def _shared(one: Unit, other: Unit) -> float:
    time_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    hz = min(one.high_hz, other.high_hz) - max(one.low_hz, other.low_hz)
    return max(time_s, 0.0) * max(hz, 0.0)


def _check_parts(found: Explanation, clip: Audio, model: Model, name: str) -> None:
    parts = found.components
    if parts is None:
        return
    n_units = len(found.units)
    require(
        len(parts) == n_units and parts.units == found.units,
        f"{name} gives {len(parts)} parts of {n_units} units; expected components.units to be the "
        "units of the explanation",
    )
    heard = clip.resample(model.sample_rate).samples
    everything = parts.mix(np.ones((1, n_units), dtype=bool))[0]
    together = parts.mix(np.eye(n_units, dtype=bool)).sum(axis=0)
    for what, mixed in (
        ("with every unit kept", everything),
        ("as the sum of its parts", together),
    ):
        require(
            mixed.shape == heard.shape and np.allclose(mixed, heard, atol=_PARTS),
            f"{name}: the clip {what} is not the clip; expected parts that add up to it",
        )


def _check_sum(found: Explanation, name: str, *, asked: bool) -> None:
    parameters = found.method.parameters
    if not (asked or parameters.get("estimator") == "shapley"):
        return
    output = found.prediction if found.output is None else found.output
    total = found.base + found.weights.sum(axis=1)
    scale = max(1e-12, float(np.abs(output).max()), float(np.abs(found.weights).max()))
    off = float(np.abs(total - output).max())
    require(
        off <= _ADDS_UP * scale,
        f"{name}: base and weights add up to {total}; expected the output, {output}",
    )


def _check_record(found: Explanation, again: Explanation, name: str) -> None:
    try:
        text = found.to_json()
        back = Explanation.from_json(text).to_json()
    except (InputError, TypeError, ValueError) as error:
        raise AssertionError(
            f"{name}: the explanation cannot be stored as JSON ({error})"
        ) from error
    require(back == text, f"{name}: the explanation read from JSON is another one")
    require(
        _timeless(found) == _timeless(again),
        f"{name} gives another explanation when asked again; expected the same bytes for the same "
        "seed",
    )
    require(
        found.account.strip().endswith("."),
        f"{name} gives the account {found.account!r}; expected sentences",
    )


def _timeless(found: Explanation) -> dict[str, Any]:
    return {**json.loads(replace(found, timing_s=0.0).to_json())}


def _check_targets(
    explainer: Explainer, found: Explanation, model: Model, clip: Audio, name: str
) -> None:
    other = next((label for label in found.labels if label != found.target), None)
    if other is not None:
        target = explainer.explain(model, clip, target=other).target
        require(target == other, f"{name} explains {target!r}; expected the target, {other!r}")
    try:
        explainer.explain(model, clip, target="no such label")
    except InputError:
        return
    raise AssertionError(
        f"{name} explains a target that the model does not know; expected an InputError, as "
        "cuelens.models.base.label_index raises"
    )


def _check_known(explainer: Explainer, found: Explanation, clip: Audio, name: str) -> None:
    if layout_of(found.units) == "frequency" and len(found.units) > 1:
        weights = found.weights[found.labels.index("high")]
        unit = found.units[int(np.argmax(weights))]
        require(
            unit.high_hz > BAND_HZ[0] and unit.low_hz < BAND_HZ[1],
            f"{name} gives {unit.name} the largest weight; expected a band within {BAND_HZ[0]:.0f} "
            f"to {BAND_HZ[1]:.0f} Hz, all that this model listens to (weights above 0 support)",
        )
    none = explainer.explain(ConstantModel(sample_rate=clip.sample_rate), clip)
    largest = float(np.abs(none.weights).max())
    require(
        largest < _ROUNDING,
        f"{name} gives weights up to {largest:.2g} of a model that answers the same whatever it "
        "hears; expected 0",
    )
