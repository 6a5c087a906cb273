from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens import EmoLime, FrequencyBands
from cuelens.cli.main import app
from cuelens.errors import CuelensError, InputError
from cuelens.explain import open_timeline
from cuelens.report.timeline_report import write_timeline_report
from cuelens.testing import BandModel, tone


@pytest.fixture
def recording(tmp_path) -> Path:
    parts = [tone(hz, duration_s=2.0) for hz in (1500, 300, 300, 1500, 300, 1500)]
    soundfile.write(tmp_path / "a <b> & c.wav", np.concatenate(parts), 16_000)
    return tmp_path / "a <b> & c.wav"


def page_of(recording, tmp_path, **settings):
    model = BandModel(band_hz=(1000.0, 2000.0), labels=("<b>high</b>", "low"))
    began = open_timeline(model, recording, detector=None, window_s=2.0, hop_s=2.0, **settings)
    found = began.collect()
    file = write_timeline_report(tmp_path / "timeline.html", found, sounds=began.sounds)
    return found, file.read_text(encoding="utf-8")


def test_names_are_escaped_and_nothing_is_loaded(recording, tmp_path):
    _, page = page_of(recording, tmp_path)
    assert "<b>high" not in page
    assert "&lt;b&gt;high&lt;/b&gt;" in page
    assert "a &lt;b&gt; &amp; c.wav" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_lanes_hold_every_probability(recording, tmp_path):
    found, page = page_of(recording, tmp_path)
    bars = re.findall(r"M([\d.]+) 1V([\d.]+)H([\d.]+)V1Z", page)
    heights = sorted(round(1 - float(y), 3) for _, y, _ in bars[1:])  # the first is all there is
    expected = sorted(round(p, 3) for row in found.rows for p in row.probabilities)
    np.testing.assert_allclose(heights, expected, atol=0.0011)


def test_players_play_the_windows_named(recording, tmp_path):
    found, page = page_of(recording, tmp_path)
    samples, _ = soundfile.read(recording)
    urls = re.findall(r'src="data:audio/flac;base64,([^"]+)"', page)
    starts = [
        row.start_s
        for row in found.rows
        if row in {*found.top("low", 2), *found.top("<b>high</b>", 2)}
    ]
    assert len(urls) == len(starts) == 4
    for start_s, url in zip(starts, urls, strict=True):
        played, rate = soundfile.read(io.BytesIO(base64.b64decode(url)))
        first = round(start_s * rate)
        np.testing.assert_allclose(played, samples[first : first + len(played)], atol=1e-4)


def test_weights_are_drawn(recording, tmp_path):
    explainer = EmoLime(units=FrequencyBands(n_bands=3))
    found, page = page_of(recording, tmp_path, explainer=explainer, explain="all")
    assert page.count("<rect") == 3 * len(found.rows)
    assert "6 of 6 windows are explained" in page


def run(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


def test_command_writes_everything_and_goes_on(recording, tmp_path):
    arguments = ["timeline", str(recording), "--everything", "--window", "3"]
    first = run(*arguments, "--out", str(tmp_path / "out"))
    assert first.exit_code == 0
    assert "0:12 long" in first.stdout
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {f"timeline.{end}" for end in ("csv", "html", "json", "jsonl", "png")}
    before = (tmp_path / "out" / "timeline.json").read_bytes()
    again = run(*arguments, "--out", str(tmp_path / "out"))
    assert again.stdout == first.stdout
    assert (tmp_path / "out" / "timeline.json").read_bytes() == before


def test_command_refuses_what_cannot_be(recording, tmp_path):
    out = ["--out", str(tmp_path / "out")]
    with pytest.raises(InputError, match="no such file"):
        run("timeline", str(tmp_path / "no.wav"), *out)
    with pytest.raises(InputError, match="looks inside a network"):
        run("timeline", str(recording), "--model", "emodb-egemaps", "--explainer", "lrp", *out)
    with pytest.raises(InputError, match="expected one of shapley"):
        run("timeline", str(recording), "--explainer", "magic", *out)
