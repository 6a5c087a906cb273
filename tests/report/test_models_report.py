from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile
from typer.testing import CliRunner

from cuelens import Audio, EmoLime, FrequencyBands
from cuelens.cli.main import app
from cuelens.errors import CuelensError, InputError
from cuelens.report.models_report import write_models_report
from cuelens.testing import BandModel, speech_like

NASTY = "<script>alert(1)</script>"


class Named(BandModel):
    name = NASTY


def explained(model, source="clip.wav", f0_hz=120.0, n_bands=4):
    samples = speech_like(duration_s=0.6, f0_hz=f0_hz)
    audio = Audio(samples=samples, sample_rate=16_000, source=source)
    return EmoLime(units=FrequencyBands(n_bands=n_bands)).explain(model, audio)


def test_page_table_and_json_hold_the_weights(tmp_path):
    found = [
        explained(BandModel(band_hz=band, labels=("high", "low")))
        for band in ((1000.0, 2000.0), (200.0, 800.0), (2000.0, 4000.0))
    ]
    page = write_models_report(tmp_path, found, figures="svg").read_text("utf-8")
    data = json.loads((tmp_path / "models.json").read_text("utf-8"))
    table = pd.read_csv(tmp_path / "models.csv")
    expected = np.stack([one.target_weights for one in found])
    np.testing.assert_allclose([model["weights"] for model in data["models"]], expected)
    np.testing.assert_allclose(table["weight"].to_numpy().reshape(3, -1), expected)
    rank = scipy.stats.spearmanr(expected[0], expected[1]).statistic
    assert data["rank_correlation"] == pytest.approx(rank)
    for weight in expected.ravel():
        assert f"{weight:+.3f}".replace("-", "−") in page
    assert (tmp_path / "models.svg").is_file()


def test_everything_is_escaped(tmp_path):
    model = Named(band_hz=(500.0, 3000.0), labels=(NASTY, "low"))
    found = explained(model, source=f"{NASTY.replace('/', '')}.wav")
    page = write_models_report(tmp_path, [found, found]).read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_others_are_refused(tmp_path):
    model = BandModel(band_hz=(1000.0, 2000.0))
    found = explained(model)
    with pytest.raises(InputError, match="expected"):
        write_models_report(tmp_path, [found])
    with pytest.raises(InputError, match="expected one clip"):
        write_models_report(tmp_path, [found, explained(model, f0_hz=200.0)])
    with pytest.raises(InputError, match="different units"):
        write_models_report(tmp_path, [found, explained(model, n_bands=5)])
    assert not list(tmp_path.iterdir())


def run(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


def test_command(tmp_path):
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, speech_like(duration_s=0.8), 16_000)
    models = ["--model", "emodb-cnn", "--model", "emodb-egemaps"]
    options = ["--explainer", "lime-64", "--out", str(tmp_path / "out")]
    result = run("compare", str(clip), *models, *options, "--figures", "pdf")
    assert result.exit_code == 0
    data = json.loads((tmp_path / "out" / "models.json").read_text("utf-8"))
    assert [model["name"] for model in data["models"]] == ["emodb-cnn", "emodb-egemaps"]
    assert len({model["target"] for model in data["models"]}) == 1
    for model in data["models"]:
        assert f"{model['weights'][0]:+.3f}" in result.stdout
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        f"models.{suffix}" for suffix in ("html", "json", "csv", "pdf")
    }
    for wrong in ([str(clip)], [str(clip), str(clip), *models], [str(clip)] * 3):
        with pytest.raises(InputError, match="expected two clips and one --model, or one clip"):
            run("compare", *wrong, *options)
