"""``cuelens intervene``, run in this process."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import soundfile
from typer.testing import CliRunner

from cuelens.cli.main import app
from cuelens.errors import CuelensError
from cuelens.testing import speech_like


def run(*arguments: str):
    result = CliRunner().invoke(app, ["intervene", *arguments])
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    file = tmp_path_factory.mktemp("speech") / "ä clip.wav"
    soundfile.write(file, speech_like(duration_s=0.8), 16_000)
    return str(file)


def test_table_has_the_doses_in_columns(clip):
    shown = run(clip, "--cues", "tilt,level", "--remakes", "1", "--target", "sadness")
    assert shown.exit_code == 0
    assert re.search(r"-4 +-2 +0 +2 +4\n +p\(sadness\)( +\d\.\d\d){5}\n", shown.output)
    assert "level (dB)" in shown.output
    assert "does not hear it" in " ".join(shown.output.split())


def test_json_and_folder_hold_the_same(clip, tmp_path):
    arguments = ("--cues", "level", "--dose", "level=-3,3", "--remakes", "0", "--out")
    shown = run(clip, *arguments, str(tmp_path), "--json")
    data = json.loads(shown.output)
    assert [dose["dose"] for dose in data["cues"][0]["doses"]] == [-3, 0, 3]
    folder = tmp_path / "ä clip"
    assert json.loads((folder / "interventions.json").read_text(encoding="utf-8")) == data
    assert (folder / "interventions.html").is_file()
    assert (folder / "interventions" / "level_-3.flac").is_file()


@pytest.mark.skipif(importlib.util.find_spec("pyworld") is None, reason="needs pyworld")
def test_part_of_a_clip(clip):
    shown = run(clip, "--cues", "f0-level", "--span", "0.2-0.6", "--remakes", "0", "--json")
    data = json.loads(shown.output)
    assert data["span"] == {"start_s": 0.2, "end_s": 0.6}
    assert data["cues"][0]["doses"][0]["measured"] == pytest.approx(-6, abs=0.6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cues", "pitch"), "cue is 'pitch'; expected some of f0-level, f0-range, tempo"),
        (("--span", "0.9"), "--span is '0.9'; expected seconds, such as 0.4-0.9"),
        (("--cues", "level", "--span", "0.2-9"), "expected a part of the clip"),
        (("--dose", "tempo=fast"), "--dose is 'tempo=fast'; expected a cue and numbers"),
        (("--dose", "tempo"), "--dose is 'tempo'; expected a cue and numbers"),
        (("--dose", "tempo=9"), "dose of tempo is 9; expected 0.5 to 2"),
        (("--cues", "level", "--target", "joyous"), "target is 'joyous'"),
    ],
)
def test_mistakes_give_one_line(clip, arguments, message):
    with pytest.raises(CuelensError, match=re.escape(message)):
        run(clip, *arguments)


def test_missing_clip_is_named():
    with pytest.raises(CuelensError, match="no such file"):
        run("nowhere.wav")
