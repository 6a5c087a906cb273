from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from tests.report.made_up_emolime import made_up_result
from typer.testing import CliRunner

from cuelens.cli.reproduce_emolime import emolime
from cuelens.errors import CuelensError
from cuelens.evaluate import reproduce_emolime as module
from cuelens.evaluate.emolime_models import DEFAULT_MODELS
from cuelens.evaluate.emolime_plan import EMOTIONS

APP = typer.Typer()
APP.command("emolime")(emolime)


@APP.callback()
def about():
    """So that the command keeps its name."""


def run(*arguments: str):
    """A command in this process; raises what the command line turns into one line."""
    result = CliRunner().invoke(APP, ["emolime", *arguments])
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


@pytest.fixture
def asked(monkeypatch):
    """What the procedure is asked for; it answers with a made-up result."""
    calls = []

    def answer(corpora, **settings):
        calls.append({"corpora": [corpus.name for corpus in corpora], **settings})
        settings["progress"]("explaining clips", 1, 2)
        return made_up_result(chance="two")

    monkeypatch.setattr(module, "reproduce_emolime", answer)
    return calls


@pytest.fixture
def corpora(tmp_path):
    """Two tables of clips; nobody listens to them."""
    files = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        lines = ["file,emotion,speaker"]
        for speaker in "ab":
            for emotion in ("anger", "sadness"):
                file = folder / f"{speaker}{emotion}.wav"
                file.write_bytes(b"")
                lines.append(f"{file.name},{emotion},{speaker}")
        (folder / f"{name}.csv").write_text("\n".join(lines))
        files.append(str(folder / f"{name}.csv"))
    return files


def test_help_teaches():
    output = " ".join(run("--help").output.split())
    for words in ("across models than across", "other clips", "Example", "--clips", "Griffin-Lim"):
        assert words in output


def test_settings_reach_the_procedure_and_results_are_printed_and_written(
    asked, corpora, tmp_path, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "out ä"
    result = run(
        *("--corpus", corpora[0], "--corpus", corpora[1], "--out", str(out)),
        *("--model", "egemaps", "--model", "compare", "--emotion", "wut", "--emotion", "sadness"),
        *("--clips", "5", "--folds", "2", "--seed", "7", "--workers", "1"),
        *("--target", "answer", "--correlation", "spearman", "--published"),
    )
    assert result.exit_code == 0, result.output
    (call,) = asked
    del call["progress"]
    names = [Path(file).stem for file in corpora]
    assert call == {
        "corpora": names,
        "models": ["egemaps", "compare"],
        "emotions": ["wut", "sadness"],
        "n_clips": 5,
        "n_folds": 2,
        "target": "answer",
        "variant": "published",
        "correlation": "spearman",
        "seed": 7,
        "folder": out,
        "n_workers": 1,
    }
    content = json.loads((out / "reproduction.json").read_text("utf-8"))
    shown = " ".join(result.stdout.split())
    for sentence in content["summary"]:
        assert sentence in shown
    assert "50 void" in shown
    assert (out / "emolime.html").is_file()
    assert (out / "agreement.png").read_bytes().startswith(b"\x89PNG")


def test_by_default_the_corpora_that_are_here(asked, corpora, tmp_path, monkeypatch):
    from cuelens import corpora as room
    from cuelens.errors import InputError

    real = room.load_corpus

    def load(name):
        if name == "tess":
            raise InputError("corpus 'tess' is not on this machine")
        return real(corpora[name == "ravdess"])

    monkeypatch.setattr(room, "load_corpus", load)
    result = run("--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert asked[0]["corpora"] == [Path(file).stem for file in corpora]
    assert asked[0]["models"] == list(DEFAULT_MODELS)
    assert asked[0]["emotions"] == EMOTIONS
    assert "note: without tess" in result.output


def test_bad_input_is_one_line(corpora, tmp_path, monkeypatch):
    out = ("--out", str(tmp_path / "out"))
    both = ("--corpus", corpora[0], "--corpus", corpora[1])
    with pytest.raises(CuelensError, match="models are egemaps; expected two or more"):
        run(*both, *out, "--model", "egemaps")
    with pytest.raises(CuelensError, match="unknown embedding 'nonsense'"):
        run(*both, *out, "--model", "egemaps", "--model", "nonsense")
    with pytest.raises(CuelensError, match="nowhere"):
        run("--corpus", "nowhere", *out)
    with pytest.raises(CuelensError, match="expected two or more, all different"):
        run("--corpus", corpora[0], *out)
    with pytest.raises(CuelensError, match="no emotion fear"):
        run(*both, *out, "--emotion", "fear", "--emotion", "anger")
    monkeypatch.setenv("CUELENS_DATA", str(tmp_path))
    with pytest.raises(CuelensError, match="0 of the corpora emodb, ravdess, tess are on this"):
        run(*out)
