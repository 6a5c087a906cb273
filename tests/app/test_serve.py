"""Where the app is served, and to whom."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cuelens.app.limits import Limits
from cuelens.app.page import without_folders
from cuelens.app.serve import launch
from cuelens.app.workbench import Workbench
from cuelens.cli.main import app
from cuelens.errors import InputError

pytest.importorskip("gradio", reason="the extra app is not installed")


@pytest.fixture(scope="module")
def bench():
    return Workbench(["emodb-egemaps"])


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::"])
def test_other_machines_need_a_password(bench, host):
    with pytest.raises(InputError, match="expected --auth USER:PASSWORD"):
        launch(bench, host=host)


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "cuelens", "app", "--model", "emodb-egemaps"]
        done = subprocess.run(
            [*command, "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 2
    assert f"cannot be served at 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("auth", ["ann", "ann:", ":secret"])
def test_a_password_needs_a_user(auth, monkeypatch):
    monkeypatch.setenv("CUELENS_APP_AUTH", auth)
    result = CliRunner().invoke(app, ["app"])
    assert isinstance(result.exception, InputError)
    assert "expected a user, a colon and a password" in str(result.exception)
    assert "secret" not in str(result.exception)


def test_too_many_neutral_recordings(bench, tmp_path):
    bench.limits = Limits(max_neutral=2)
    audio = bench.clip(None, bench.demo_clips[0])
    with pytest.raises(InputError, match="3 neutral recordings; expected 2 at most"):
        next(bench.explained(audio, bench.models[0], neutral=["a.wav"] * 3))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("failed in /home/ann/lab/my_model.py:12: bad", "failed in my_model.py:12: bad"),
        ("'/tmp/app x/c.wav': silent", "'/tmp/app x/c.wav': silent".replace("/tmp/", "")),
        ("C:\\Users\\ann\\clip.wav: silent", "clip.wav: silent"),
        ("p(a)/p(b), 3 dB/octave, hf:ORG/NAME", "p(a)/p(b), 3 dB/octave, hf:ORG/NAME"),
    ],
)
def test_messages_show_no_folders(text, shown):
    assert without_folders(text) == shown
