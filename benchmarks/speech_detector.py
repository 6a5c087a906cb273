"""How well speech is found: ``python -m benchmarks.speech_detector``.

Clips of EmoDB and the demo clips, with 0.8 to 2 s of silence between them, without noise and with
white noise at two levels below the speech.  A clip is heard from the first to the last 10 ms within
40 dB of its loudest.  Beside Silero's detector, WebRTC's (``webrtcvad``, which the extra
``dvectors`` brings) is asked about the same noisy recording.  Writes
``results/speech_detector.json``.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import cuelens.demo_clips
from cuelens import load_audio, load_corpus
from cuelens.corpora import LongRecording, Segment, SpeechDetector, map_speech
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray

RESULTS = Path(__file__).parent / "results"
RATE = 16_000
N_CLIPS = 60
NOISE_DB = (20, 10)
NEAR_S = 0.1
WEBRTC_MODE, WEBRTC_FRAME_S = 2, 0.03


def main() -> None:
    found = measure()
    file = RESULTS / "speech_detector.json"
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown_speech(found))


def measure() -> dict[str, Any]:
    """Every recording, and both detectors on the noisiest."""
    demo = sorted(Path(cuelens.demo_clips.__path__[0]).glob("*.flac"))
    emodb = [Path(file) for file in load_corpus("emodb").table["file"]]
    emodb = [emodb[k] for k in np.linspace(0, len(emodb) - 1, N_CLIPS).astype(int)]
    rows = [_row("demo clips", demo, None), _row("EmoDB", emodb, None)]
    rows += [_row("EmoDB", emodb, noise_db) for noise_db in NOISE_DB]
    return {
        "recordings": rows,
        "silence_called_speech": _silence_called_speech(emodb, NOISE_DB[-1]),
        "versions": versions(SpeechDetector) | {"webrtcvad": version("webrtcvad")},
    }


def recording_of(
    files: list[Path], noise_db: float | None
) -> tuple[FloatArray, list[tuple[float, float]]]:
    """Clips with silences between them, and when each is heard, in seconds."""
    random = np.random.default_rng(0)
    parts, heard, at = [np.zeros(RATE, np.float32)], [], RATE
    speech = []
    for file in files:
        samples = load_audio(file, sample_rate=RATE).samples
        first, last = heard_part(samples)
        heard.append(((at + first) / RATE, (at + last) / RATE))
        silence = np.zeros(int(random.uniform(0.8, 2.0) * RATE), np.float32)
        parts += [samples, silence]
        speech.append(samples)
        at += len(samples) + len(silence)
    sound = np.concatenate(parts)
    if noise_db is not None:
        rms = float(np.sqrt(np.mean(np.concatenate(speech).astype(np.float64) ** 2)))
        sound = sound + rms * 10 ** (-noise_db / 20) * random.standard_normal(len(sound))
    return (sound / max(1.0, float(np.abs(sound).max()))).astype(np.float32), heard


def heard_part(samples: FloatArray) -> tuple[int, int]:
    """First and last sample within 40 dB of the loudest 10 ms."""
    n = RATE // 100
    level = np.sqrt((samples[: len(samples) // n * n].reshape(-1, n) ** 2).mean(axis=1))
    loud = np.flatnonzero(level > level.max() / 100)
    return int(loud[0]) * n, int(loud[-1] + 1) * n


def _row(name: str, files: list[Path], noise_db: float | None) -> dict[str, Any]:
    sound, heard = recording_of(files, noise_db)
    detector = SpeechDetector()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.wav"
        soundfile.write(file, sound, RATE, subtype="FLOAT")
        speech = map_speech(LongRecording.open(file), detector)
    assert speech.probability is not None
    unmoved = detector.segments(speech.probability, duration_s=speech.duration_s)
    errors, n_segments = _errors(speech.segments, heard)
    before, _ = _errors(unmoved, heard)
    return {
        "sound": name,
        "noise_db": noise_db,
        "n": len(heard),
        "found": len(errors),
        "both_ends_near": _both_near(errors),
        "both_ends_near_before": _both_near(before),
        "late_start_s": np.quantile(errors[:, 0], [0.05, 0.95]).tolist(),
        "late_end_s": np.quantile(errors[:, 1], [0.05, 0.95]).tolist(),
        "in_two_or_more": int(sum(n > 1 for n in n_segments)),
    }


def _errors(
    segments: tuple[Segment, ...], heard: list[tuple[float, float]]
) -> tuple[FloatArray, list[int]]:
    """By how much the ends of found clips are late, shape (n_found, 2), s; segments of each."""
    errors, n_segments = [], []
    for start_s, end_s in heard:
        within = [part for part in segments if part.start_s < end_s and part.end_s > start_s]
        if within:
            errors.append((within[0].start_s - start_s, within[-1].end_s - end_s))
            n_segments.append(len(within))
    return np.array(errors), n_segments


def _both_near(errors: FloatArray) -> float:
    return float((np.abs(errors) < NEAR_S).all(axis=1).mean())


def _silence_called_speech(files: list[Path], noise_db: float) -> dict[str, float]:
    """Share of the time between clips that a detector calls speech."""
    sound, heard = recording_of(files, noise_db)
    frames = np.concatenate([*SpeechDetector().probabilities([sound])]) >= 0.5
    return {
        "silero": _share(frames, len(sound) / RATE / len(frames), heard),
        "webrtc": _share(webrtc_frames(sound), WEBRTC_FRAME_S, heard),
    }


def webrtc_frames(sound: FloatArray) -> BoolArray:
    """What WebRTC's detector says of every 30 ms."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks pkg_resources for its own version
        import webrtcvad
    detector = webrtcvad.Vad(WEBRTC_MODE)
    size = round(WEBRTC_FRAME_S * RATE)
    whole = (sound[: len(sound) // size * size] * 32767).astype("<i2").reshape(-1, size)
    return np.array([detector.is_speech(frame.tobytes(), RATE) for frame in whole])


def _share(frames: BoolArray, frame_s: float, heard: list[tuple[float, float]]) -> float:
    middles_s = (np.arange(len(frames)) + 0.5) * frame_s
    silent = np.ones(len(frames), dtype=bool)
    for start_s, end_s in heard:
        silent &= (middles_s < start_s) | (middles_s > end_s)
    return float(frames[silent].mean())


def markdown_speech(results: dict[str, Any]) -> str:
    """The table as it stands in the documentation."""
    lines = [
        "| sound | noise | clips found | both ends within 100 ms | before the ends are moved |",
        "|---|---|---|---|---|",
    ]
    for row in results["recordings"]:
        noise = "none" if row["noise_db"] is None else f"{row['noise_db']} dB below"
        lines.append(
            f"| {row['sound']} | {noise} | {row['found']} of {row['n']} "
            f"| {100 * row['both_ends_near']:.0f} % | {100 * row['both_ends_near_before']:.0f} % |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
