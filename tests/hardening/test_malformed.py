"""Thousands of malformed inputs: a result, or one line that says what is wrong; never more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cuelens import CuelensError, InputError
from cuelens.input_file import parse_json, read_yaml

pytest.importorskip("onnx")
pytest.importorskip("audformat")

from tests.conftest import REPOSITORY
from tests.hardening.inputs import kinds
from tests.hardening.mutations import malformed

N_INPUTS = 2000


def test_two_thousand_malformed_inputs(tmp_path):
    """No other exception, no warning, nothing printed, 10 s and 1 GB at most."""
    note = tmp_path / "note"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.hardening.worker", str(N_INPUTS)],
        cwd=REPOSITORY,
        env=os.environ | {"HARDENING_NOTE": str(note)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{note.read_text()}: {ran.stderr[-2000:]}"
    assert ran.stderr == ""
    found = json.loads(ran.stdout)
    assert found["bad"] == []
    assert sum(found["total"].values()) == N_INPUTS
    assert found["total"]["refused"] > 0.5 * N_INPUTS
    assert found["slowest_s"][0] < 10
    assert found["max_mb"] < 1024


def test_the_command_line_says_one_line(tmp_path, monkeypatch, capfd):
    """Malformed clips, label files, tables and models through `cuelens` itself."""
    from cuelens.cli.main import main

    commands = {
        "wav-pcm_16-whole": ["explain", "{file}"],
        "flac-pcm_16-whole": ["explain", "{file}"],
        "mp3-mpeg_layer_iii-pieces": ["timeline", "{file}"],
        "corpus-csv": ["corpus", "check", "{file}"],
        "corpus-parquet": ["corpus", "check", "{file}"],
        "textgrid": ["explain", "{clip}", "--units", "words:{file}"],
        "eaf": ["explain", "{clip}", "--units", "words:{file}"],
        "onnx": ["explain", "{clip}", "--model", "onnx:{file}?labels=anger,neutral"],
        "model-json": ["explain", "{clip}", "--model", "{folder}"],
    }
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    known = {kind.name: kind for kind in kinds(inputs)}
    clip = inputs / "corpus" / "a.wav"
    n_refused = 0
    for index, (name, command) in enumerate(list(commands.items()) * 3):
        kind = known[name]
        file = inputs / name / kind.file
        rng = np.random.default_rng([7, index])
        while True:  # those that can still be read would be explained, which takes long
            file.write_bytes(malformed(kind.content, b"RIFF....WAVE", rng))
            try:
                kind.read(file)
            except CuelensError:
                break
        words = [word.format(file=file, clip=clip, folder=file.parent) for word in command]
        out = ["--out", str(tmp_path / "out")] * (command[0] != "corpus")
        monkeypatch.setattr(sys, "argv", ["cuelens", *words, *out])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr().err.strip().splitlines()
        errors = [line for line in said if line.startswith("error:")]
        assert ended.value.code == 2, (name, index, said)
        assert len(errors) == 1, (name, index, said)
        assert all(line.startswith(("error:", "note:")) for line in said), (name, index, said)
        n_refused += 1
    assert n_refused == 27


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_invented_content_is_no_worse(data, invented):
    """Bytes and texts that resemble nothing, to every reader."""
    kind = data.draw(st.sampled_from(invented))
    file = Path(kind.folder) / kind.file
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    nested = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=12,
    )
    content = data.draw(
        st.binary(max_size=400)
        | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
        | nested.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=200).map(lambda tail: kind.content[:40] + tail)
    )
    file.write_bytes(content)
    try:
        kind.read(file)
    except CuelensError as error:
        said = str(error)
    else:
        said = "read"
    assert len(said.splitlines()) == 1


@pytest.fixture(scope="module")
def invented(tmp_path_factory):
    folder = tmp_path_factory.mktemp("invented") / "inputs"
    folder.mkdir()
    found = kinds(folder)
    for kind in found:
        object.__setattr__(kind, "folder", folder / kind.name)
    return found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "'a' twice"),
        ("[NaN]", "NaN is no number"),
        ("[-1e400]", "beyond the range"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "4300"),
    ],
)
def test_json_by_the_letter(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_yaml_aliases_do_not_expand(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    file = tmp_path / "model.yaml"
    file.write_text("\n".join(lines))
    with pytest.raises(InputError, match="stands for more than 1000000 values"):
        read_yaml(file)
    file.write_text("!!python/object/apply:os.system ['exit']")
    with pytest.raises(InputError, match="could not determine a constructor"):
        read_yaml(file)


def test_messages_are_one_line_that_no_terminal_obeys():
    assert str(InputError("a\nb\r\nc\u2028d")) == "a b  c d"
    assert str(InputError("\x1b[31mred\0")) == "\\x1b[31mred\\x00"
    assert len(str(InputError("x" * 10**6))) < 2100
