"""Checks for other packages pass on cuelens' own, and fail on what is broken, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

from cuelens import EmoLime, FrequencyBands, load_model
from cuelens.corpora import LAYOUTS
from cuelens.corpora.layouts import TESS
from cuelens.explain import Occlusion
from cuelens.testing import (
    BandModel,
    ConstantModel,
    LinearEnergyModel,
    check_explainer,
    check_layout,
    check_model,
)
from cuelens.units import (
    HarmonicBands,
    HarmonicPercussive,
    TimeFrequencyCells,
    TimeWindows,
    UnitProduct,
)


def broken(sentence: str):
    return pytest.raises(AssertionError, match=sentence)


# --- models ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        BandModel(band_hz=(500.0, 900.0)),
        ConstantModel(sample_rate=8000),
        load_model("emodb-cnn"),
        load_model("emodb-egemaps"),
    ],
    ids=lambda model: model.name,
)
def test_models_pass(model):
    check_model(model)


@dataclass
class Broken:
    """Two labels by the mean level, and one thing wrong."""

    wrong: str = ""
    labels: tuple[str, ...] = ("a", "b")
    sample_rate: int = 16_000
    name: str = "broken"
    calls: int = field(default=0, init=False)

    def predict_proba(self, waveforms):
        self.calls += 1
        level = np.array([float(np.abs(w).mean()) for w in waveforms])
        match self.wrong:
            case "batch":
                level = level / level.max() if level.any() else level
            case "again":
                level = level + 0.01 * self.calls
            case "silence":
                level = np.where(level == 0, np.nan, level)
            case "input":
                waveforms[0][:] = 0
            case "range":
                level = level + 1.5
            case "shape":
                return level[:, None]
            case "raises":
                raise RuntimeError("no weights")
        return np.column_stack([level, 1 - level])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("batch", "answers a clip differently in a batch of 6 than alone"),
        ("again", "answers (a clip|the same clips) differently"),
        ("silence", "answers 1 of 6 waveforms with NaN or infinity"),
        ("input", "changes the waveforms it is given"),
        ("range", r"gives numbers from .* as probabilities; expected 0 to 1"),
        ("shape", r"returned shape \(6, 1\); expected \(6, 2\)"),
        ("raises", "no weights"),
    ],
)
def test_models_fail(wrong, sentence):
    check_model(Broken())
    with broken(sentence):
        check_model(Broken(wrong=wrong))


def test_models_with_impossible_labels_or_rates_fail():
    with broken("has labels"):
        check_model(Broken(labels=("a", "a")))
    with broken("sample rate is -1"):
        check_model(Broken(sample_rate=-1))


# --- explainers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "explainer",
    [
        EmoLime(),
        EmoLime(samples=64),
        EmoLime(estimator="lime", samples=64),
        EmoLime(units=TimeWindows(window_s=0.06), samples=64),
        EmoLime(units=HarmonicPercussive()),
        EmoLime(units=HarmonicBands(), samples=64),
        EmoLime(units=TimeFrequencyCells(), samples=200),
        EmoLime(units=UnitProduct(times=TimeWindows(window_s=0.3), parts=HarmonicPercussive())),
        EmoLime(interactions=True, output="logit"),
    ],
    ids=repr,
)
def test_explainers_pass(explainer):
    check_explainer(explainer)


def test_explainers_of_networks_pass():
    check_explainer(Occlusion(), model=load_model("emodb-cnn"))


FIVE_BANDS = EmoLime(units=FrequencyBands(n_bands=5))


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """EmoLIME with one thing wrong."""

    name: ClassVar[str] = "wrong"
    change: str = ""
    base: EmoLime = FIVE_BANDS
    calls: list = field(default_factory=list, compare=False, repr=False)

    def explain(self, model, audio, *, target=None):
        self.calls.append(1)
        if self.change == "target ignored":
            target = None
        if self.change == "any target" and target not in (None, *model.labels):
            target = None
        if self.change == "clip":
            audio.samples.setflags(write=True)
            audio.samples[:] *= 0.5
        found = self.base.explain(model, audio, target=target)
        units = found.units
        match self.change:
            case "no explanation":
                return found.to_dict()
            case "sign":
                return replace(found, weights=-found.weights, method=lime(found))
            case "sum":
                return replace(found, weights=1.1 * found.weights)
            case "unpromised sum":
                return replace(found, weights=1.1 * found.weights, method=lime(found))
            case "nan":
                return replace(found, weights=np.full_like(found.weights, np.nan))
            case "shape":
                return replace(found, weights=found.weights[:, :-1])
            case "prediction":
                return replace(found, prediction=found.prediction[::-1])
            case "overlap":
                moved = replace(units[1], low_hz=units[0].low_hz)
                return replace(found, units=(units[0], moved, *units[2:]))
            case "gap":
                moved = replace(units[1], low_hz=units[1].low_hz + 50)
                return replace(found, units=(units[0], moved, *units[2:]))
            case "outside":
                moved = replace(units[-1], high_hz=9000.0)
                return replace(found, units=(*units[:-1], moved))
            case "parts":
                parts = replace(found.components, parts=0.9 * found.components.parts)
                return replace(found, components=parts)
            case "time":
                return replace(found, account=f"Explained at {len(self.calls)}.")
            case "no account":
                return replace(found, account="")
            case "json":
                method = replace(found.method, parameters={"units": object()})
                return replace(found, method=method)
            case "constant":
                return replace(found, weights=found.weights + 1e-3, method=lime(found))
        return found


def lime(found):
    """A record that promises no sum."""
    return replace(found.method, parameters={**found.method.parameters, "estimator": "lime"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("no explanation", "wrong returns dict; expected cuelens.Explanation"),
        ("clip", "wrong changes the samples of the clip"),
        ("sign", "the largest weight; expected a band within 1000 to 2000 Hz"),
        ("sum", r"base and weights add up to .*; expected the output"),
        ("nan", "gives weights with NaN or infinity"),
        ("shape", r"gives weights of shape \(2, 4\); expected \(2, 5\)"),
        ("prediction", "wrong says that the model answers"),
        ("overlap", "gives units that overlap"),
        ("gap", r"gives units that cover 99\.\d% of the clip"),
        ("outside", "expected one within 0 to 0.600 s and 0 to 8000 Hz"),
        ("parts", "the clip as the sum of its parts is not the clip"),
        ("time", "gives another explanation when asked again"),
        ("no account", "gives the account ''; expected sentences"),
        ("json", "cannot be stored as JSON"),
        ("target ignored", "wrong explains '(high|low)'; expected the target, '(high|low)'"),
        ("any target", "explains a target that the model does not know"),
        ("constant", "of a model that answers the same whatever it hears; expected 0"),
    ],
)
def test_explainers_fail(change, sentence):
    check_explainer(Wrong())
    with broken(sentence):
        check_explainer(Wrong(change=change))


def test_sums_are_asked_of_those_who_promise_them():
    check_explainer(Wrong(change="unpromised sum"))
    with broken("base and weights add up to"):
        check_explainer(Wrong(change="unpromised sum"), adds_up=True)


def test_explainers_that_are_no_frozen_dataclass_fail():
    @dataclass
    class Thawed:
        name: ClassVar[str] = "thawed"

    with broken("Thawed is no frozen dataclass"):
        check_explainer(Thawed())

    @dataclass(frozen=True)
    class Nameless:
        seed: int = 0

    with broken("Nameless has the name None"):
        check_explainer(Nameless())


# --- layouts --------------------------------------------------------------------------------


MINE = replace(
    TESS,
    name="mine",
    pattern=re.compile(r"(?:^|/)(?P<speaker>\w+)-(?P<emotion>[a-z]+)$"),
    fields=lambda match: {"speaker": match["speaker"], "emotion": match["emotion"]},
)
FILES = {"anna-angry.wav": "anger", "ben-sad.wav": "sadness"}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("emodb", {"03a01Wa.wav": "anger", "wav/16b10Fb.wav": "happiness"}),
        ("tess", {"OAF_bite_ps.wav": "surprise", "YAF_back_sad.wav": "sadness"}),
        ("savee", {"DC/sa01.wav": "sadness", "JE/n30.wav": "neutral"}),
    ],
)
def test_layouts_pass_but_for_their_names(name, files):
    """A name of cuelens' own is refused first; under another, its own pattern is met."""
    with broken(f"the layout is named '{name}', a name of cuelens' own"):
        check_layout(LAYOUTS[name], files)
    with broken(f"is also a name of {name}"):
        check_layout(replace(LAYOUTS[name], name="mine"), files)


def test_a_layout_of_its_own_passes():
    check_layout(MINE, FILES)


def without_notes(layout):
    class Silent(type(layout)):
        def rows(self, root, paths):
            return super().rows(root, paths)[0], []

    return Silent(**{name: getattr(layout, name) for name in layout.__dataclass_fields__})


@pytest.mark.parametrize(
    ("layout", "files", "sentence"),
    [
        (replace(MINE, name="My corpus"), FILES, "expected lower case without spaces"),
        (replace(MINE, licence=" "), FILES, "mine states no licence"),
        (MINE, {"anna-angry.wav": "anger"}, "1 files are given; expected two or more"),
        (MINE, {**FILES, "anna.wav": "anger"}, "mine does not match anna.wav"),
        (MINE, {**FILES, "anna-sad.wav": "anger"}, "reads 'sadness' from anna-sad.wav; expected"),
        (MINE, {**FILES, "anna-zzz.wav": "anger"}, "mine, anna-zzz.wav: .*zzz"),
        (replace(MINE, fields=lambda _: "spoilt"), FILES, r"leaves out .* files left out: spoilt"),
        (
            replace(MINE, fields=lambda match: {"speaker": 7, "emotion": match["emotion"]}),
            FILES,
            "gives anna-angry.wav the speaker 7; expected a text",
        ),
        (
            replace(
                MINE,
                pattern=re.compile("(?P<speaker>.)(?P<emotion>)"),
                fields=lambda _: {"emotion": "anger", "speaker": "x"},
            ),
            {"a.wav": "anger", "b.wav": "anger"},
            "takes 'notes/microphone test.wav' for a clip of its own",
        ),
        (without_notes(MINE), FILES, "leaves 'notes/microphone test.wav' out without a note"),
        ("acme", FILES, "str is no Layout"),
    ],
)
def test_layouts_fail(layout, files, sentence):
    with broken(sentence):
        check_layout(layout, files)


# --- what the models of cuelens.testing are for ---------------------------------------------


def test_sums_of_a_model_that_adds_up_energies():
    units = FrequencyBands(n_bands=4, scale="linear")
    model = LinearEnergyModel(
        edges_hz=tuple(units.edges_hz(16_000)), factors=np.array([[1, 0, 0, 0], [0, 0, 0, 1]])
    )
    check_explainer(EmoLime(units=units), model=model, adds_up=True)
