"""``cuelens run`` and ``cuelens report``, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens import load_audio
from cuelens.cli.main import app
from cuelens.corpora.load import demo_corpus
from cuelens.runs import read_run

FAST = ["--model", "emodb-egemaps", "--bands", "2", "--workers", "1"]


def typed(*arguments: object):
    """The outcome of a command."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three short recordings, and two files that are none."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, file in enumerate(demo_corpus().table["file"].iloc[:3]):
        audio = load_audio(file)
        soundfile.write(folder / f"clip {number}.wav", audio.samples[:12_000], audio.sample_rate)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "<script>.wav").write_text("no sound")
    return folder


def test_a_folder_with_bad_files(recordings, tmp_path):
    out = tmp_path / "out"
    found = typed("run", recordings, "--out", out, *FAST)
    assert found.exit_code == 0, found.stderr
    assert f"3 of 5 clips: {out}/shards/*.parquet" in found.stdout
    assert f"cuelens report {out}" in found.stdout
    assert "2 clips failed; their rows have the reason:" in found.stderr
    assert "empty.wav: empty" in found.stderr
    frame = pd.read_parquet(out / "shards")
    assert frame.groupby("status")["clip"].nunique().to_dict() == {"failed": 2, "ok": 3}
    assert frame.loc[frame["status"] == "ok", "unit"].nunique() == 2

    again = typed("run", recordings, "--out", out, *FAST)
    assert again.exit_code == 0
    other = typed("run", recordings, "--out", out, *FAST[:-2], "--target", "anger")
    assert other.exit_code != 0
    assert "other settings (job)" in str(other.exception)

    page = typed("report", out)
    assert page.exit_code == 0, page.exception
    html = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert "clip 0.wav" in html
    assert "&lt;script&gt;.wav" in html
    assert "<script>.wav" not in html
    assert html.count("<audio") >= 1
    known = json.loads((out / "report" / "group.json").read_text())
    assert known["by"] == "answer"
    assert known["about"]["n_clips"] == 3


def test_a_report_of_a_labelled_run_is_that_of_a_group(tmp_path):
    from cuelens import EmoLime, FrequencyBands, load_model
    from cuelens.evaluate.group import explain_group

    table = demo_corpus().table.iloc[:4]
    table[["file", "emotion", "speaker"]].to_csv(tmp_path / "some.csv", index=False)
    out = tmp_path / "out"
    found = typed("run", tmp_path / "some.csv", "--out", out, "--target", "truth", *FAST)
    assert found.exit_code == 0, found.exception
    assert typed("report", out, "--figures", "svg").exit_code == 0
    assert (out / "report" / "group.svg").is_file()
    from cuelens import load_corpus

    group = explain_group(
        load_corpus(tmp_path / "some.csv"),
        load_model("emodb-egemaps"),
        EmoLime(units=FrequencyBands(n_bands=2)),
        target="truth",
    )
    known = group.means("emotion").set_index(["group", "unit"])["mean"]
    ours = pd.read_csv(out / "report" / "group.csv").set_index(["group", "unit"])["mean"]
    pd.testing.assert_series_equal(ours, known, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--job", "cues", "--bands", "4"], "--bands is for --job explanations and faithfulness"),
        (["--job", "embedding"], "needs --embedding"),
        (["--embedding", "egemaps"], "--embedding is for --job embedding"),
        (["--explainer", "lrp", "--bands", "4"], "--bands: lrp does not take it"),
        (["--units", "windows", "--bands", "4"], "--bands is for units with bands"),
        (["--explainer", "shapley-windows", "--bands", "4"], "--bands is for explainers of bands"),
        (["--workers", "2", "--cluster", "tcp://127.0.0.1:1"], "expected one"),
        (["--model", "emodb-cn"], "emodb-cn"),
    ],
)
def test_options_that_do_not_fit(recordings, tmp_path, options, words):
    found = typed("run", recordings, "--out", tmp_path / "new", *options)
    assert found.exit_code != 0
    assert words in str(found.exception)
    assert not (tmp_path / "new").exists()


def test_cues_and_embeddings(recordings, tmp_path):
    for job, options in (("cues", []), ("embedding", ["--embedding", "egemaps"])):
        out = tmp_path / job
        found = typed("run", recordings, "--out", out, "--job", job, *options, "--workers", "1")
        assert found.exit_code == 0, found.exception
        assert read_run(out).n_failed == 2
        refused = typed("report", out)
        assert f"a run of {job}; expected one of explanations" in str(refused.exception)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_twice(recordings, tmp_path):
    """Interrupted twice, then finished: no traceback, and nothing is done again."""
    for number in range(12):
        file = recordings / f"more {number:02d}.wav"
        file.write_bytes((recordings / "clip 0.wav").read_bytes())
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cuelens", "run", str(recordings), "--out", str(out), *FAST]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    n_done = 0
    for _ in range(2):
        running = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        journal = out / "unfinished" / "00000.jsonl"
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
            if lines > n_done:
                break
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to workers, too
        stderr = running.communicate(timeout=300)[1]
        assert running.returncode == 130
        assert "Traceback" not in stderr
        assert "go on where they stopped" in " ".join(stderr.split())
        n_done = json.loads((out / "manifest.json").read_text())["n_done"]
        assert 0 < n_done < 17
    found = typed("run", recordings, "--out", out, *FAST)
    assert found.exit_code == 0, found.exception
    assert "15 of 17 clips" in found.stdout
