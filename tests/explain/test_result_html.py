from __future__ import annotations

import base64
import re

import pytest

from cuelens import Audio, EmoLime, FrequencyBands
from cuelens.explain import Interventions, Timeline, compare
from cuelens.explain.timeline_result import TimelineRow
from cuelens.testing import BandModel, speech_like

NASTY = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"
MODEL = BandModel(band_hz=(500.0, 3000.0), labels=(NASTY, "low"))


def clip(f0_hz: float) -> Audio:
    samples = speech_like(duration_s=1.0, f0_hz=f0_hz)
    return Audio(samples=samples, sample_rate=16_000, source=f"{NASTY}.wav")


def comparison():
    explainer = EmoLime(units=FrequencyBands(n_bands=2))
    return compare(*(explainer.explain(MODEL, clip(hz), target=NASTY) for hz in (120.0, 180.0)))


def recording():
    rows = tuple(
        TimelineRow(start_s=start, end_s=start + 1, speech_share=1.0, probabilities=p)
        for start, p in ((0.0, (0.9, 0.1)), (1.0, (0.8, 0.2)), (2.0, (0.3, 0.7)), (3.0, (0.6, 0.4)))
    )
    return Timeline(
        path=NASTY,
        sha256="",
        duration_s=4.0,
        model=NASTY,
        labels=(NASTY, "low"),
        rows=rows,
        segments=((0.0, 4.0),),
        settings={},
    )


def responses():
    return Interventions(cues=("level",)).explain(MODEL, clip(120.0), target=NASTY)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (comparison, f"First: {ESCAPED}.wav, answer"),
        (recording, f"Time per answer of {ESCAPED}: {ESCAPED} 75%, low 25%."),
        (responses, ESCAPED),
    ],
)
def test_a_notebook_shows_figure_and_text_and_runs_nothing(made, said):
    found = made()
    shown = found._repr_html_()
    assert "<script" not in shown
    assert said in shown
    (url,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', shown)
    picture = base64.b64decode(url).decode("utf-8")
    assert "<svg" in picture
    assert "<script" not in picture
    assert found._repr_html_() == shown
