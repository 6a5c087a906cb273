from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens.cli.main import app
from cuelens.errors import CuelensError
from cuelens.probe import published
from cuelens.testing import speech_like

RUNNER = CliRunner()


def run(*arguments: str):
    """A command in this process; raises what the command line turns into one line."""
    result = RUNNER.invoke(app, ["reproduce", *arguments])
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A table of clips of five speakers, and one of vectors that tell anger."""
    folder = tmp_path_factory.mktemp("Stimmen ä")
    rng = np.random.default_rng(0)
    rows, vectors = [], []
    for speaker in range(5):
        for emotion in ("anger", "neutral"):
            for take in range(3):
                file = folder / f"{speaker}-{emotion}-{take}.wav"
                angry = emotion == "anger"
                f0_hz = 110 + 8 * speaker + 40 * angry + rng.uniform(-5, 5)
                soundfile.write(file, speech_like(duration_s=0.5, f0_hz=f0_hz), 16_000)
                rows.append({"file": str(file), "speaker": f"s{speaker}", "emotion": emotion})
                vectors.append([file.name, 2 * angry + rng.normal(), *rng.normal(size=11)])
    pd.DataFrame(rows).to_csv(folder / "clips.csv", index=False)
    columns = ["file", *map(str, range(12))]
    pd.DataFrame(vectors, columns=columns).to_csv(folder / "vectors.csv", index=False)
    return folder


def test_help_teaches():
    assert "probing" in run("--help").output
    output = " ".join(run("probing", "--help").output.split())
    for word in ("pure noise", "from neutral clips", "Example", "--repeats"):
        assert word in output


def test_probing_prints_both_and_writes_tables_and_a_figure(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "STRENGTHS", (0.1, 1))  # a third of the time
    folder = tmp_path / "out" / "ä"
    result = run(
        *("probing", "--corpus", str(tables / "clips.csv"), "--out", str(folder)),
        *("--embedding", str(tables / "vectors.csv"), "--workers", "1"),
        *("--repeats", "2", "--permutations", "0", "--seed", "3"),
    )
    assert result.exit_code == 0
    content = json.loads((folder / "reproduction.json").read_text("utf-8"))
    assert (content["seed"], content["n_repeats"], content["n_permutations"]) == (3, 2, 0)
    assert content["emotions"] == ["anger", "neutral"]
    assert (folder / "reproduction.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(folder / "f1.csv")) == 4
    shown = " ".join(result.stdout.split())
    held_out = content["corrected"][0]
    assert f"{100 * held_out['top']:.1f} ({100 * held_out['top_low']:.1f} to" in shown
    for sentence in content["summary"]:
        assert sentence in shown
    assert "printed" not in shown.split("what changes")[0]  # the printed F1 are of RAVDESS


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--repeats", "1"), "n_repeats is 1; expected 2 or more"),
        (("--permutations", "5"), "n_permutations is 5"),
        (("--seed", "-1"), "seed is -1"),
        (("--embedding", "nonsense"), "unknown embedding 'nonsense'"),
        (("--embedding", "missing.npy"), "no such file"),
        (("--layer", "first"), "has no layer 'first'"),
        (("--corpus", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_one_line(tables, tmp_path, changed, message):
    settings = {
        "--corpus": str(tables / "clips.csv"),
        "--out": str(tmp_path / "out"),
        "--embedding": str(tables / "vectors.csv"),
    } | dict([changed])
    with pytest.raises(CuelensError, match=message):
        run("probing", *(part for pair in settings.items() for part in pair))
