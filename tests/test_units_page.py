"""The example of the page *Units*, a unit of one's own, runs and keeps to the protocol."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cuelens import Audio, Explanation
from cuelens.features.one_thread import one_thread
from cuelens.testing import noise, speech_like
from cuelens.units import Components

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "units.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """What the example defines."""
    folder = tmp_path_factory.mktemp("reader")
    soundfile.write(folder / "clip.wav", speech_like(duration_s=0.5), 16_000)
    space = {"__name__": "example"}
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(EXAMPLE, "docs/units.md", "exec", dont_inherit=True), space)
    return space


def test_the_page_lists_the_protocol():
    for name in ("units", "waveform", "sample_rate", "__len__()", "mix(keep)"):
        assert f"| `{name}` |" in PAGE
        assert hasattr(Components, name.partition("(")[0]) or name in Components.__annotations__


def test_parts_add_up_and_are_what_they_are_called(example):
    rng = np.random.default_rng(0)
    gains = np.repeat(rng.permutation([0.1] * 25 + [1.0] * 25), 320)
    audio = Audio(samples=0.2 * gains * noise(duration_s=1.0), sample_rate=16_000)
    components = example["LoudAndSoft"]().decompose(audio)
    both, loud, soft = components.mix(np.array([[1, 1], [1, 0], [0, 1]], dtype=bool))
    np.testing.assert_array_equal(both, audio.samples)
    np.testing.assert_allclose(loud, np.where(gains == 1.0, audio.samples, 0.0), atol=1e-7)
    np.testing.assert_allclose(soft, np.where(gains == 1.0, 0.0, audio.samples), atol=1e-7)


def test_its_explanation_can_be_stored(example):
    found = example["found"]
    assert [unit.name for unit in found.units] == ["loud", "soft"]
    data = json.loads(found.to_json())
    assert data["method"]["parameters"]["units"] == "LoudAndSoft"
    assert data["method"]["parameters"]["quantile"] == 0.5
    assert Explanation.from_json(found.to_json()).units == found.units
    assert "With every unit missing" in found.account
