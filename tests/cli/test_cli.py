from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens.cli.explain import unique_folders
from cuelens.cli.main import app, main
from cuelens.errors import CuelensError
from cuelens.testing import speech_like

RUNNER = CliRunner()


def run(*arguments: str):
    """A command in this process; raises what the command line turns into one line."""
    result = RUNNER.invoke(app, list(arguments))
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


def command(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """A command as the shell sees it."""
    return subprocess.run(
        [sys.executable, "-m", "cuelens", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        **options,
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("Fröhliche Stimmen")
    file = folder / "ä clip.wav"
    soundfile.write(file, speech_like(duration_s=0.8), 16_000)
    return file


@pytest.mark.parametrize(
    "name",
    [
        None,
        "explain",
        "intervene",
        "timeline",
        "cues",
        "group",
        "compare",
        "demo",
        "models",
        "probe",
        "train",
        "corpus",
    ],
)
def test_help_teaches(name):
    result = run(*([name] if name else []), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_version():
    assert run("--version").output.startswith("cuelens ")


def test_explain_prints_a_table_and_the_account(clip):
    result = run("explain", str(clip))
    assert result.exit_code == 0
    assert "0–377 Hz" in result.stdout
    assert "The model emodb-cnn answers" in " ".join(result.stdout.split())


def test_explain_writes_a_report(clip, tmp_path):
    result = run("explain", str(clip), "--out", str(tmp_path / "Ergebnisse ü"), "--bands", "4")
    assert result.exit_code == 0
    folder = tmp_path / "Ergebnisse ü" / "ä clip"
    assert (folder / "report.html").exists()
    assert len(json.loads((folder / "explanation.json").read_text("utf-8"))["units"]) == 4


def test_json_is_all_that_standard_output_holds(clip):
    result = run("explain", str(clip), "--json", "--target", "sadness", "--bands", "3")
    data = json.loads(result.stdout)
    assert data["target"] == "sadness"
    assert data["n_model_calls"] == 8
    lines = run("explain", str(clip), str(clip), "--json", "--bands", "3").stdout.splitlines()
    assert [json.loads(line)["schema_version"] for line in lines] == [1, 1]


def test_options_reach_the_explainer(clip):
    result = run(
        *("explain", str(clip), "--json", "--model", "emodb-egemaps", "--bands", "6"),
        *("--scale", "octave", "--estimator", "lime", "--samples", "20", "--seed", "7"),
    )
    method = json.loads(result.stdout)["method"]
    assert method["seed"] == 7
    assert method["parameters"]["scale"] == "octave"
    assert method["parameters"]["estimator"] == "lime"
    assert method["parameters"]["samples"] == 20


def bad_inputs(folder: Path, clip: Path) -> dict[str, tuple[list[str], str]]:
    text = folder / "text.wav"
    text.write_text("this is a text file")
    empty = folder / "empty.wav"
    empty.touch()
    silent = folder / "silent.wav"
    soundfile.write(silent, np.zeros(16_000), 16_000)
    return {
        "text": ([str(text)], "not audio that can be read"),
        "empty": ([str(empty)], "empty (0 bytes)"),
        "silent": ([str(silent)], "silent"),
        "missing": ([str(folder / "missing.wav")], "no such file"),
        "folder": ([str(folder)], "is a folder"),
        "model": ([str(clip), "--model", "nonsense"], "neither a known name nor a folder"),
        "target": ([str(clip), "--target", "envy"], "expected one of the model's labels"),
        "bands": ([str(clip), "--bands", "1"], "n_bands is 1; expected 2 to 64"),
        "samples": ([str(clip), "--samples", "5"], "samples is 5"),
        "seed": ([str(clip), "--seed", "-1"], "seed is -1"),
        "out": ([str(clip), "--out", str(text)], "cannot be made"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "text",
        "empty",
        "silent",
        "missing",
        "folder",
        "model",
        "target",
        "bands",
        "samples",
        "seed",
        "out",
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(name, tmp_path, clip, monkeypatch, capfd):
    arguments, message = bad_inputs(tmp_path, clip)[name]
    monkeypatch.setattr(sys, "argv", ["cuelens", "explain", *arguments])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_a_bad_clip_does_not_cost_the_others(clip, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no")
    result = command("explain", str(bad), str(clip), "--out", str(tmp_path / "out"), "--bands", "3")
    assert result.returncode == 2
    assert (tmp_path / "out" / "ä clip" / "report.html").exists()
    assert "1 of 2 clips could not be explained" in result.stderr


def test_scaled_sound_is_noted_in_one_line(tmp_path):
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, 3 * speech_like(duration_s=0.5), 16_000, subtype="FLOAT")
    result = command("explain", str(loud), "--bands", "3")
    assert result.returncode == 0
    assert "note:" in result.stderr
    assert "of full scale" in result.stderr


def test_markup_in_file_names_is_text(tmp_path):
    loud = tmp_path / "loud[red] x.wav"
    soundfile.write(loud, 3 * speech_like(duration_s=0.3), 16_000, subtype="FLOAT")
    result = command("explain", str(loud), "--bands", "2", "--out", str(tmp_path / "out"))
    assert result.returncode == 0
    assert "loud[red] x.wav" in result.stderr


def test_namesakes_get_folders_of_their_own(tmp_path):
    clips = [Path("a/x.wav"), Path("b/x.flac"), Path("b/X.ogg"), Path("y.wav")]
    names = [folder.name for folder in unique_folders(clips, tmp_path)]
    assert names == ["x", "x-2", "X-3", "y"]
    assert unique_folders([Path("...wav")], tmp_path) == [tmp_path / "clip"]
    assert unique_folders(clips, None) == [None] * 4


def test_models_lists_recall_and_shows_cards():
    listed = run("models").output
    assert "emodb-cnn" in listed
    assert "emodb-egemaps" in listed
    assert "leave one speaker out" in run("models", "emodb-cnn").output
    with pytest.raises(CuelensError, match="not bundled and no folder"):
        run("models", "emodb-xyz")


def test_corpus_list():
    assert "ravdess" in run("corpus", "list").output


def test_corpus_check_finds_what_is_wrong(tmp_path):
    for emotion in ("anger", "sadness"):
        for take in range(2):
            file = tmp_path / "mine" / emotion / f"{take}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, speech_like(duration_s=0.5, seed=take), 16_000)
    result = run("corpus", "check", str(tmp_path / "mine"))
    assert result.exit_code == 0
    assert "same sound" in result.output  # anger/0 is sadness/0
    (tmp_path / "mine" / "anger" / "broken.wav").write_text("no")
    result = run("corpus", "check", str(tmp_path / "mine"))
    assert result.exit_code == 2
    assert "unreadable" in result.output


def test_corpus_get_refuses_what_must_be_asked_for():
    with pytest.raises(CuelensError, match="iemocap cannot be downloaded"):
        run("corpus", "get", "iemocap", "--yes")


def test_corpus_get_shows_the_licence_first():
    result = RUNNER.invoke(app, ["corpus", "get", "ravdess"], input="n\n")
    assert result.exit_code == 1
    assert "CC BY-NC-SA" in result.output or "CC-BY-NC-SA" in result.output


def test_train_and_use(tmp_path):
    for speaker, f0 in (("spk-1", 110.0), ("spk-2", 150.0), ("spk-3", 210.0)):
        for emotion, tilt in (("anger", -4.0), ("sadness", -14.0)):
            for take in range(2):
                file = tmp_path / "mine" / speaker / emotion / f"{take}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                samples = speech_like(f0_hz=f0, duration_s=0.5, tilt_db_per_octave=tilt, seed=take)
                soundfile.write(file, samples, 16_000)
    model = tmp_path / "model"
    result = run("train", "--corpus", str(tmp_path / "mine"), "--out", str(model))
    assert result.exit_code == 0
    assert "leave one speaker out" in result.output
    clip = tmp_path / "mine" / "spk-1" / "anger" / "0.wav"
    result = run("explain", str(clip), "--model", str(model), "--bands", "3", "--json")
    assert json.loads(result.stdout)["target"] == "anger"


@pytest.mark.slow
def test_demo_without_real_speech(tmp_path, monkeypatch):
    monkeypatch.delenv("CUELENS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick_to_ask.py").write_text(
        "import numpy as np\n\n\ndef loud(waveforms):\n"
        "    p = np.array([min(1.0, 5 * float(np.sqrt(np.mean(w**2)))) for w in waveforms])\n"
        "    return np.column_stack([p, 1 - p])\n\n\nloud.labels = ('loud', 'quiet')\n"
    )
    result = run("demo", "--out", str(tmp_path / "demo"), "--model", "python:quick_to_ask:loud")
    assert result.exit_code == 0
    assert "synthetic speech" in result.output
    assert len(list((tmp_path / "demo").glob("*/report.html"))) == 10
    assert "Look here first" in result.output
    lines = result.output.splitlines()
    assert sum("most support:" in line for line in lines) == 10
    assert len(lines) < 40
    assert "cuelens explain clip.wav --out results" in result.output


@pytest.mark.corpus
@pytest.mark.slow
def test_demo_prefers_real_speech(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("CUELENS_DATA", str(data_dir))
    monkeypatch.setattr("cuelens.cli.demo._CORPUS_CLIPS", 2)
    result = run("demo", "--out", str(tmp_path / "demo"))
    assert result.exit_code == 0
    assert "2 clips (real speech, emodb) with emodb-cnn" in " ".join(result.output.split())
    assert len(list((tmp_path / "demo").glob("*/report.html"))) == 2


@pytest.mark.corpus
def test_original_recordings(data_dir, tmp_path):
    files = sorted((data_dir / "io").glob("*.wav"))
    result = run("explain", *map(str, files), "--out", str(tmp_path), "--bands", "3")
    assert result.exit_code == 0
    assert len(list(tmp_path.glob("*/report.html"))) == len(files)


def test_starting_is_quick():
    code = "import sys, cuelens; sys.exit('scipy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_moments_and_cues_are_in_the_json(clip):
    data = json.loads(run("explain", str(clip), "--json", "--bands", "3").stdout)
    assert {"windows", "cues", "cue_summary", "moments"} <= set(data)
    assert data["cue_summary"]["baseline_kind"] == "rest of the clip"
    assert "It listened most at" in data["account"]
    bare = json.loads(run("explain", str(clip), "--json", "--bands", "3", "--no-cues").stdout)
    assert not {"windows", "cues", "moments"} & set(bare)


def test_moments_share_out_what_the_bands_do(clip):
    options = ("--json", "--bands", "2", "--output", "logit")
    data = json.loads(run("explain", str(clip), *options).stdout)
    moments = data["moments"]
    assert moments["method"]["parameters"]["output"] == "logit"
    p = data["prediction"][data["target"]]
    log_odds = np.log(p / (1 - p))
    assert data["output_value"] == pytest.approx(log_odds)
    shares = sum(unit["weight"] for unit in moments["units"])
    assert moments["base_value"] + shares == pytest.approx(log_odds, abs=1e-6)


def test_moments_alone(clip, tmp_path):
    arguments = ("explain", str(clip), "--units", "windows", "--samples", "64", "--out")
    result = run(*arguments, str(tmp_path))
    assert result.exit_code == 0
    assert "0.00–0.15 s" in result.stdout
    data = json.loads((tmp_path / "ä clip" / "explanation.json").read_text("utf-8"))
    assert data["method"]["parameters"]["units"] == "time windows"
    assert "moments" not in data
    report = (tmp_path / "ä clip" / "report.html").read_text("utf-8")
    assert "Does the answer fall when these moments go?" in report
    assert "Where in frequency the reasons lie" not in report


def test_words_from_a_table(clip, tmp_path):
    labels = tmp_path / "words.csv"
    labels.write_text("start,end,label\n0.05,0.3,ja\n0.3,0.5,so\n", encoding="utf-8")
    arguments = ("explain", str(clip), "--no-cues", "--units", f"words:{labels}", "--out")
    result = run(*arguments, str(tmp_path))
    assert result.exit_code == 0
    assert "so 0.30–0.50 s" in result.stdout
    data = json.loads((tmp_path / "ä clip" / "explanation.json").read_text("utf-8"))
    assert data["method"]["parameters"]["units"] == "words"
    assert data["method"]["parameters"]["labels"] == "words.csv"
    assert [unit["name"] for unit in data["units"]][:3] == ["(pause)", "ja", "so"]
    assert "moments" not in data


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ("letters", "units are 'letters'; expected bands, windows"),
        ("words:gone.csv", "no such file or folder; expected labels of words"),
    ],
)
def test_wrong_units_are_refused_before_any_work(clip, units, words):
    with pytest.raises(CuelensError, match=words):
        run("explain", str(clip), "--units", units)


def test_harmonics_with_full_trust_say_what_was_not_done(clip):
    result = run(
        "explain", str(clip), "--no-cues", "--units", "harmonic-percussive", "--trust", "full"
    )
    assert result.exit_code == 0
    assert "the full test is for bands and units of time" in " ".join(result.stderr.split())
    assert "percussive" in result.stdout


def test_phones_need_labels(clip):
    failed = run("explain", str(clip), "--units", "phones")
    assert failed.exit_code == 2
    assert "expected a clip of EmoDB, or a file: phones:FILE" in " ".join(failed.stderr.split())


def test_a_baseline_of_the_speakers_neutral_speech(clip, tmp_path):
    neutral = tmp_path / "neutral"
    neutral.mkdir()
    for number in range(4):
        sound = speech_like(f0_hz=90 + 4 * number, duration_s=0.8, seed=number)
        soundfile.write(neutral / f"{number}.wav", sound * (0.4 + 0.1 * number), 16_000)
    arguments = ("explain", str(clip), "--bands", "3", "--json", "--baseline", str(neutral))
    data = json.loads(run(*arguments).stdout)
    assert data["cue_summary"]["baseline"] == "the 4 neutral clips given"
    f0 = next(cue for cue in data["cues"] if cue["cue"] == "f0_level")
    assert f0["effect_size"] > 0  # 120 Hz against 90 to 102
    empty = tmp_path / "empty"
    empty.mkdir()
    for wrong, words in ((empty, "no recordings in it"), (tmp_path / "gone", "no such file")):
        with pytest.raises(CuelensError, match=words):
            run("explain", str(clip), "--baseline", str(wrong))


@pytest.mark.parametrize("name", ["occlusion", "grad-cam", "lrp"])
def test_maps_from_the_command_line(clip, tmp_path, name):
    pytest.importorskip("captum")
    result = run("explain", str(clip), "--explainer", name, "--out", str(tmp_path))
    assert result.exit_code == 0
    data = json.loads((tmp_path / "ä clip" / "explanation.json").read_text("utf-8"))
    assert data["method"]["name"] == name
    assert data["map"]["shape"][:2] == [7, 128]
    assert data["windows"]
    assert "Map of relevance" in (tmp_path / "ä clip" / "report.html").read_text("utf-8")


def test_maps_need_a_network_and_layers_an_explainer_that_has_them(clip):
    arguments = ("explain", str(clip), "--explainer", "occlusion")
    failed = run(*arguments, "--model", "emodb-egemaps")
    assert failed.exit_code == 2
    assert "no network behind a front end" in " ".join(failed.stderr.split())
    with pytest.raises(CuelensError, match="--layer is for grad-cam and crp"):
        run(*arguments, "--layer", "conv1")


def test_cues_of_a_corpus(tmp_path):
    rows = ["file,speaker,emotion"]
    for number in range(8):
        emotion = "neutral" if number % 2 else "anger"
        f0_hz = 180 if emotion == "anger" else 110
        sound = speech_like(f0_hz=f0_hz, duration_s=0.7, seed=number)
        soundfile.write(tmp_path / f"{number}.wav", sound, 16_000)
        rows.append(f"{number}.wav,s{number // 4},{emotion}")
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(rows))
    out = tmp_path / "out"
    result = run("cues", "--corpus", str(table), "--clips", "6", "--out", str(out))
    assert result.exit_code == 0
    assert "answers are right" in result.stdout
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert (summary["n_clips"], summary["n_failed"]) == (6, 0)
    for name in ("clips.parquet", "profile.csv", "agreement.png", "clips.jsonl"):
        assert (out / name).stat().st_size > 0
    again = run("cues", "--corpus", str(table), "--clips", "6", "--out", str(out))
    assert again.stdout == result.stdout


def test_what_was_changed_and_what_was_left_out_is_printed(clip, tmp_path):
    stereo = tmp_path / "stereo.wav"
    samples, rate = soundfile.read(clip)
    soundfile.write(stereo, np.column_stack([samples, samples]), rate)
    result = run("explain", str(stereo), "--bands", "3")
    assert result.exit_code == 0
    said = " ".join(result.output.split())
    assert "2 channels averaged to mono" in said
    assert "not compared: " in said
    assert "Trust: " in said
    assert "--trust full also tries other sound" in said
    folder = command("explain", str(tmp_path))
    assert folder.returncode == 2
    assert f"name its files, as in {tmp_path}/*.wav" in " ".join(folder.stderr.split())
