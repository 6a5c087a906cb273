from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens import Audio, EmoLime, FrequencyBands
from cuelens.cli.main import app
from cuelens.errors import CuelensError, InputError
from cuelens.explain import compare
from cuelens.report.comparison_report import write_comparison_report
from cuelens.testing import BandModel, speech_like, tone
from cuelens.units import TimeWindows


@pytest.mark.parametrize("units", [FrequencyBands(n_bands=3), TimeWindows(window_s=0.2)])
def test_page_holds_both_clips(tmp_path, units):
    model = BandModel(band_hz=(1000.0, 2000.0), labels=("<i>high</i>", "low"))
    clips = [
        Audio(samples=tone(hz, duration_s=0.6), sample_rate=16_000, source=f"<b>{hz}.wav")
        for hz in (1500.0, 300.0)
    ]
    explainer = EmoLime(units=units)
    found = compare(*(explainer.explain(model, clip) for clip in clips))
    page = write_comparison_report(tmp_path / "page.html", found).read_text("utf-8")
    assert "<i>high" not in page
    assert "<b>1500" not in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    urls = re.findall(r'src="data:audio/flac;base64,([^"]+)"', page)
    for url, clip in zip(urls, clips, strict=True):
        played, _ = soundfile.read(io.BytesIO(base64.b64decode(url)))
        np.testing.assert_allclose(played, clip.samples, atol=1e-3)
    for value in found.to_frame()["difference"].dropna():
        assert f"{value:+.3f}".replace("-", "−") in page


def run(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


def test_command(tmp_path):
    for name, f0_hz in (("a", 120.0), ("b", 200.0)):
        soundfile.write(tmp_path / f"{name}.wav", speech_like(duration_s=0.8, f0_hz=f0_hz), 16_000)
    clips = [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]
    out = ["--out", str(tmp_path / "out")]
    result = run("compare", *clips, "--explainer", "lime-64", "--target", "anger", *out)
    assert result.exit_code == 0
    data = json.loads((tmp_path / "out" / "compare.json").read_text("utf-8"))
    table = pd.read_csv(tmp_path / "out" / "compare.csv")
    np.testing.assert_allclose(table["difference"], [row["difference"] for row in data["units"]])
    assert f"{table['difference'][0]:+.3f}" in result.stdout
    assert {file.suffix for file in (tmp_path / "out").iterdir()} == {
        ".csv",
        ".html",
        ".json",
        ".png",
    }
    with pytest.raises(InputError, match="gives maps"):
        run("compare", *clips, "--explainer", "lrp", *out)
    with pytest.raises(InputError, match="no such file"):
        run("compare", clips[0], str(tmp_path / "c.wav"), *out)
