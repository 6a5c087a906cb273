"""Results name the versions of what they depend on, and of nothing else."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import version

import numpy as np
import pytest

from cuelens import Audio, EmoLime
from cuelens.corpora import SpeechDetector
from cuelens.explain import Interventions, timeline
from cuelens.explain.game import CountingModel, RememberingModel
from cuelens.provenance import PACKAGES, versions
from cuelens.testing import BandModel, noise, speech_like

ALWAYS = {
    *("python", "cuelens", "numpy", "scipy", "opensmile", "scikit-learn", "onnxruntime", "soxr")
}


@pytest.mark.parametrize("name", PACKAGES)
def test_classes_that_need_packages_exist(name):
    module, _, kind = name.rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), kind), type)


def test_packages_always_there():
    assert set(versions()) == ALWAYS
    assert versions()["soxr"] == version("soxr")
    assert set(versions(BandModel(band_hz=(500.0, 900.0)), EmoLime(), None, 3.0, "torch")) == ALWAYS


def test_packages_are_found_in_what_others_hold():
    from cuelens.explain import GradCam
    from cuelens.models.torch_model import TorchModel

    model = object.__new__(TorchModel)
    assert set(versions({"a": [GradCam()]})) - ALWAYS == {"torch", "captum"}
    assert set(versions(model)) - ALWAYS == {"torch"}
    holds = object.__new__(CountingModel)
    holds._model = object.__new__(RememberingModel)
    holds._model._model = model
    assert set(versions(holds)) - ALWAYS == {"torch"}
    holds._model._model = holds  # a circle ends
    assert set(versions(holds)) == ALWAYS


@pytest.mark.skipif(not importlib.util.find_spec("pyworld"), reason="needs the extra synth")
def test_vocoder_is_named_where_it_is_used():
    audio = Audio(samples=0.3 * speech_like(duration_s=0.6), sample_rate=16_000)
    for cues, expected in ((("level",), set()), (("f0-level",), {"pyworld"})):
        explainer = Interventions(cues=cues, n_remakes=0, doses={cues[0]: (1.0,)})
        found = explainer.explain(BandModel(band_hz=(1000.0, 2000.0)), audio)
        assert set(found.method.versions) - ALWAYS == expected
    assert found.method.versions["pyworld"] == version("pyworld")


@pytest.mark.skipif(not importlib.util.find_spec("silero_vad"), reason="needs the extra long")
def test_detector_is_named_where_it_is_used(tmp_path):
    import soundfile

    import cuelens.demo_clips

    folder = next(iter(cuelens.demo_clips.__path__))
    samples, rate = soundfile.read(f"{folder}/de_male_anger.flac", dtype="float32")
    soundfile.write(tmp_path / "a.wav", np.concatenate([samples, noise(duration_s=0.5)]), rate)
    for detector, expected in ((None, set()), (SpeechDetector(), {"silero-vad"})):
        found = timeline(BandModel(band_hz=(1000.0, 2000.0)), tmp_path / "a.wav", detector=detector)
        assert set(found.settings["versions"]) - ALWAYS == expected
