"""``cuelens probe`` as a user runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens import load_audio
from cuelens.cli.main import app
from cuelens.corpora.load import demo_corpus
from cuelens.errors import CuelensError
from cuelens.models.load import bundled_folder
from cuelens.probe import ProbeResult
from cuelens.testing import speech_like

RUNNER = CliRunner()
QUICK = ("--permutations", "40")


def run(*arguments: str):
    result = RUNNER.invoke(app, ["probe", *arguments])
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Five speakers, two emotions that differ in pitch and level; vectors that know the pitch."""
    folder = tmp_path_factory.mktemp("corpus")
    rows, vectors = [], []
    rng = np.random.default_rng(0)
    for speaker in range(5):
        for take in range(6):
            angry = take % 2 == 0
            f0 = (190 if angry else 120) + 10 * speaker + rng.normal(0, 6)
            sound = speech_like(duration_s=0.7, f0_hz=f0, seed=speaker * 10 + take)
            file = folder / f"s{speaker}-{take}.wav"
            soundfile.write(file, sound * (0.9 if angry else 0.4), 16_000)
            rows.append((file.name, "angry" if angry else "neutral", f"s{speaker}", take * 0.5))
            vectors.append([f0, *rng.normal(size=11)])
    pd.DataFrame(rows, columns=["file", "emotion", "speaker", "arousal"]).to_csv(
        folder / "clips.csv", index=False
    )
    np.save(folder / "vectors.npy", np.array(vectors))
    (folder / "vectors.txt").write_text("\n".join(row[0] for row in rows) + "\n")
    return folder


def test_own_table_and_own_vectors(corpus, tmp_path):
    out = tmp_path / "out"
    result = run(
        *("--corpus", str(corpus / "clips.csv"), "--embedding", str(corpus / "vectors.npy")),
        *("--out", str(out), "--value", "arousal", *QUICK),
    )
    assert result.exit_code == 0, result.output
    assert "anger" in result.output
    assert "report:" in result.output
    found = ProbeResult.load(out)
    assert (out / "report.html").stat().st_size > 10_000
    content = json.loads((out / "probe.json").read_text())
    assert content["n_clips"] == 30
    assert set(content["tasks"]) == {"anger", "neutral", "arousal"}
    features = found.features[found.features["task"] == "anger"].set_index("feature")
    assert features.loc["F0semitoneFrom27.5Hz_sma3nz_amean", "r2_all"] > 0.5  # the 1st dimension
    score = found.tasks.set_index("task")["score"]
    assert score["anger"] > 0.9


def test_same_seed_same_tables(corpus, tmp_path):
    arguments = ("--corpus", str(corpus / "clips.csv"), "--embedding", "egemaps", *QUICK)
    for name in ("a", "b"):
        assert run(*arguments, "--out", str(tmp_path / name)).exit_code == 0
    for file in ("features.parquet", "tasks.parquet", "confounds.parquet", "probe.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_attached_to_a_model_the_account_says_what_it_carries(corpus, tmp_path):
    model = shutil.copytree(bundled_folder("emodb-egemaps"), tmp_path / "model")
    result = run(
        *("--corpus", str(corpus / "clips.csv"), "--embedding", f"model:{model}"),
        *("--out", str(tmp_path / "out"), "--attach", str(model), *QUICK),
    )
    assert result.exit_code == 0, result.output
    assert "attached:" in result.output
    notes = json.loads((tmp_path / "out" / "probe.json").read_text())["notes"]
    assert any("its scores here are too high" in note for note in notes)
    angry = next(file for file in demo_corpus().table["file"] if "de_male_anger" in file)
    audio = load_audio(angry)
    clip = tmp_path / "short.wav"  # a second of it: few moments to try
    soundfile.write(clip, audio.samples[: audio.sample_rate], audio.sample_rate)
    options = ["--model", str(model), "--target", "anger", "--bands", "3", "--json"]
    explained = RUNNER.invoke(app, ["explain", str(clip), *options])
    content = json.loads(explained.stdout)
    assert content["embedding"]["corpus"] == "clips"
    assert {"cue", "feature", "r2", "low", "high", "carried"} == set(
        content["embedding"]["cues"][0]
    )
    assert "what enters the model's last layer" in content["account"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--embedding", "wav2vec9"), "unknown embedding 'wav2vec9'"),
        (("--embedding", "missing.npy"), "missing.npy"),
        (("--embedding", "model:nothing"), "neither a known name nor a folder"),
        (("--emotions", "anger"), "at least two emotions"),
        (("--emotions", "anger,joy"), "no clip of happiness"),
        (("--value", "valence"), "no column 'valence'"),
        (("--layers", "layer 7"), "no layer 'layer 7'"),
        (("--permutations", "5"), "40 and more"),
        (("--attach", "nowhere"), "no model.json"),
    ],
)
def test_mistakes_are_told_in_one_line(corpus, tmp_path, arguments, message):
    with pytest.raises(CuelensError) as caught:
        run("--corpus", str(corpus / "clips.csv"), "--out", str(tmp_path / "out"), *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_few_speakers_exit_2(corpus, tmp_path):
    table = pd.read_csv(corpus / "clips.csv")
    table["file"] = [str(corpus / name) for name in table["file"]]
    table[table["speaker"] < "s3"].to_csv(tmp_path / "few.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-m", "cuelens", "probe", "--corpus", str(tmp_path / "few.csv")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "3 speakers (s0, s1, s2); expected at least 4" in done.stderr
    assert "Traceback" not in done.stderr
