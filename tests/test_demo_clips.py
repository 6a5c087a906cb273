"""The demo clips sound as their settings say, and their script makes the same samples again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import opensmile
import pytest
import soundfile

import cuelens
from cuelens.vocoder import load_world

FOLDER = Path(cuelens.__file__).parent / "demo_clips"
SCRIPT = Path(__file__).parents[1] / "scripts" / "make_demo_clips.py"
CONTENT = json.loads((FOLDER / "clips.json").read_text(encoding="utf-8"))
CLIPS = {clip["file"]: clip for clip in CONTENT["clips"]}
EMOTIONAL = [name for name, clip in CLIPS.items() if clip["emotion"] != "neutral"]
RATE = 16_000

# Directions against neutral on which the literature agrees (Juslin & Laukka 2003, Murray & Arnott
# 1993, Scherer 2003).
EXPECTED = {
    "anger": {"f0": +1, "f0_range": +1, "loudness": +1, "alpha_ratio": +1},
    "fear": {"f0": +1, "speech_s": -1},
    "happiness": {"f0": +1, "f0_range": +1, "loudness": +1},
    "sadness": {
        "f0": -1,
        "f0_range": -1,
        "f0_slope": -1,
        "loudness": -1,
        "alpha_ratio": -1,
        "speech_s": +1,
        "pauses_s": +1,
    },
}
# A smaller difference would not be heard, or comes and goes with a few frames.
AUDIBLE = {
    "f0": 1.0,  # semitones
    "f0_range": 0.3,  # semitones
    "f0_slope": 0.25,  # semitones/s
    "loudness": 0.1,  # sone-like
    "alpha_ratio": 2.0,  # dB
    "speech_s": 0.2,
    "pauses_s": 0.2,
}


@lru_cache
def samples_of(file: str) -> npt.NDArray[np.int16]:
    samples, rate = soundfile.read(FOLDER / file, dtype="int16", always_2d=True)
    assert rate == RATE
    assert samples.shape[1] == 1
    return samples[:, 0]


def neutral_of(file: str) -> str:
    return f"{CLIPS[file]['speaker']}_neutral.flac"


def setting(file: str, name: str) -> float:
    return float(CLIPS[file]["settings"][name]["value"])


def change(file: str, name: str) -> float:
    return setting(file, name) - setting(neutral_of(file), name)


def spoken(file: str) -> npt.NDArray[np.bool_]:
    """True where a sample is neither in the silent edges nor in an inserted pause."""
    n_samples = len(samples_of(file))
    at_s = np.arange(n_samples) / RATE
    mask = (at_s >= CONTENT["edge_s"]) & (at_s < n_samples / RATE - CONTENT["edge_s"])
    for pause in CLIPS[file]["pauses"]:
        mask &= (at_s < pause["start_s"]) | (at_s >= pause["end_s"])
    return mask


def level_dbfs(samples: npt.NDArray[np.int16]) -> float:
    return float(10 * np.log10(np.mean((samples / 32768) ** 2)))


@lru_cache
def _smile(level: opensmile.FeatureLevel) -> opensmile.Smile:
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, level)


@lru_cache
def cues(file: str) -> dict[str, float]:
    sound = samples_of(file).astype(np.float32) / 32768
    functionals = _smile(opensmile.FeatureLevel.Functionals).process_signal(sound, RATE).iloc[0]
    track = _smile(opensmile.FeatureLevel.LowLevelDescriptors).process_signal(sound, RATE)
    f0 = track["F0semitoneFrom27.5Hz_sma3nz"].to_numpy()
    (voiced,) = np.nonzero(f0)
    return {
        "f0": float(functionals["F0semitoneFrom27.5Hz_sma3nz_amean"]),
        "f0_range": float(functionals["F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2"]),
        "f0_slope": float(np.polyfit(voiced * 0.01, f0[voiced], 1)[0]),
        "loudness": float(functionals["loudness_sma3_amean"]),
        "alpha_ratio": float(functionals["alphaRatioV_sma3nz_amean"]),
        "hammarberg": float(functionals["hammarbergIndexV_sma3nz_amean"]),
        "speech_s": float(spoken(file).sum() / RATE),
        "pauses_s": sum(pause["end_s"] - pause["start_s"] for pause in CLIPS[file]["pauses"]),
    }


def test_folder_holds_the_listed_clips_and_is_small() -> None:
    assert {path.name for path in FOLDER.glob("*.flac")} == set(CLIPS)
    size = sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file())
    assert size < 1_000_000
    assert {clip["emotion"] for clip in CLIPS.values()} == {*EXPECTED, "neutral"}
    assert {neutral_of(file) for file in CLIPS} <= set(CLIPS)


@pytest.mark.parametrize("file", CLIPS)
def test_clip_is_the_recorded_one(file: str) -> None:
    clip, samples = CLIPS[file], samples_of(file)
    assert soundfile.info(FOLDER / file).subtype == "PCM_16"
    digest = hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()
    assert digest == clip["samples_sha256"]
    assert len(samples) / RATE == clip["duration_s"]
    assert all(set(entry) == {"value", "unit"} for entry in clip["settings"].values())


def test_loudest_peak_is_at_minus_1_dbfs() -> None:
    peaks = {file: int(np.abs(samples_of(file).astype(int)).max()) for file in CLIPS}
    assert 20 * np.log10(max(peaks.values()) / 32768) == pytest.approx(-1.0, abs=0.05)


@pytest.mark.parametrize("file", CLIPS)
def test_edges_and_pauses_are_quiet(file: str) -> None:
    samples, guard = samples_of(file), round(0.02 * RATE)  # speech fades in and out
    edge = round(CONTENT["edge_s"] * RATE)
    floor = CONTENT["noise_floor_dbfs"]
    stretches = [samples[: edge - guard], samples[guard - edge :]]
    for pause in CLIPS[file]["pauses"]:
        start, end = (round(pause[key] * RATE) for key in ("start_s", "end_s"))
        stretches.append(samples[start + guard : end - guard])
    for quiet in stretches:
        assert level_dbfs(quiet) == pytest.approx(floor, abs=1.0)
        assert np.abs(quiet.astype(int)).max() < 6 * 32768 * 10 ** (floor / 20)  # no clicks


@pytest.mark.parametrize("file", EMOTIONAL)
def test_clip_differs_from_neutral_by_its_settings(file: str) -> None:
    now, neutral = cues(file), cues(neutral_of(file))
    assert now["f0"] - neutral["f0"] == pytest.approx(change(file, "f0_level_st"), abs=0.5)
    assert now["f0_slope"] == pytest.approx(setting(file, "f0_slope_st_per_s"), abs=0.3)
    level_db = level_dbfs(samples_of(file)[spoken(file)])
    neutral_db = level_dbfs(samples_of(neutral_of(file))[spoken(neutral_of(file))])
    assert level_db - neutral_db == pytest.approx(change(file, "level_db"), abs=0.1)
    expected_s = neutral["speech_s"] / setting(file, "tempo_factor")
    assert now["speech_s"] == pytest.approx(expected_s, abs=0.005)
    assert now["pauses_s"] == pytest.approx(setting(file, "pause_s"), abs=0.002)
    # More energy above 1 kHz raises the alpha ratio and lowers the Hammarberg index.
    tilt = np.sign(change(file, "tilt_db_per_octave"))
    assert tilt * (now["alpha_ratio"] - neutral["alpha_ratio"]) > AUDIBLE["alpha_ratio"]
    assert -tilt * (now["hammarberg"] - neutral["hammarberg"]) > AUDIBLE["alpha_ratio"]


@pytest.mark.parametrize("file", EMOTIONAL)
def test_clip_sounds_as_the_literature_expects(file: str) -> None:
    now, neutral = cues(file), cues(neutral_of(file))
    differences = {cue: now[cue] - neutral[cue] for cue in AUDIBLE}
    wrong = {
        cue: differences[cue]
        for cue, direction in EXPECTED[CLIPS[file]["emotion"]].items()
        if direction * differences[cue] < AUDIBLE[cue]
    }
    assert wrong == {}


# The script


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("make_demo_clips", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_shipped_settings_are_the_scripts(script: ModuleType) -> None:
    for clip in CLIPS.values():
        settings = script.EMOTIONS[clip["emotion"]]
        assert {name: entry["value"] for name, entry in clip["settings"].items()} == vars(settings)


def test_compare_finds_every_kind_of_difference(script: ModuleType, tmp_path: Path) -> None:
    other = tmp_path / "clips"
    shutil.copytree(FOLDER, other)
    assert script.compare(other, FOLDER) == []

    changed, shorter, missing = list(CLIPS)[:3]
    samples = samples_of(changed).copy()
    samples[1000] += 7
    soundfile.write(other / changed, samples, RATE, subtype="PCM_16")
    soundfile.write(other / shorter, samples_of(shorter)[:-5], RATE, subtype="PCM_16")
    (other / missing).unlink()
    found = "\n".join(script.compare(other, FOLDER))
    assert f"{changed}: samples differ by up to 7 of 32768 steps" in found
    assert f"{changed}: the samples are not those that clips.json names" in found
    n_samples = len(samples_of(shorter))
    assert f"{shorter}: {n_samples - 5} samples, expected {n_samples}" in found
    assert f"{missing}: cannot be read" in found

    (other / "clips.json").unlink()
    (line,) = script.compare(other, FOLDER)
    assert "clips.json: cannot be read" in line


@pytest.mark.parametrize("loader", ["espeakng_loader", "pyworld"])
def test_missing_synthesiser_is_one_line_and_status_2(
    loader: str,
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    if loader == "espeakng_loader":
        monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    else:
        monkeypatch.setattr(script, "Espeak", object)
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        load_world.cache_clear()  # the vocoder may have been found already
    assert script.main(["--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert 'pip install "cuelens[synth]"' in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_script_makes_the_same_samples_again() -> None:
    for package in ("espeakng_loader", "pyworld"):
        if importlib.util.find_spec(package) is None:  # pyworld's own import can fail: see script
            pytest.skip(f'needs {package}: pip install "cuelens[synth]"')
    path = os.pathsep.join(
        [str(Path(cuelens.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == f"{len(CLIPS)} clips: the same samples"
    assert done.returncode == 0
