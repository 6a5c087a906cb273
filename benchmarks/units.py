"""Labels against the sound; words and phones that carry answers: ``python -m benchmarks.units``.

On EmoDB with its phone labels: where releases of stops stand against the rise of the sound, how
often aligned words are those of the sentence, how near the boundaries of ``VoicedWindows`` are to
labelled ones; and for 20 clips, explained by word and by phone with the bundled network, what
removal loses and what pauses carry.  The clips were in the network's training set.  Writes
``results/units.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

from cuelens import EmoLime, InputError, load_audio, load_corpus, load_model
from cuelens.evaluate import removal_curve
from cuelens.models import Model
from cuelens.provenance import versions
from cuelens.units import UnitSpec, VoicedWindows, read_emodb_labels
from cuelens.units.emodb_labels import SENTENCES, find_emodb_labels
from cuelens.units.segments import PAUSE

RESULTS = Path(__file__).parent / "results"
FIRST, STEP, N_CLIPS = 5, 13, 20
_RATE = 16_000


def main() -> None:
    files = [Path(file) for file in load_corpus("emodb").table["file"]]
    releases, boundaries = _label_checks(files)
    model = load_model("emodb-cnn")
    some = files[FIRST::STEP][:N_CLIPS]
    results = {
        "n_clips": len(files),
        "releases": releases,
        "words": _words(find_emodb_labels(files[0]).parent),
        "boundaries": boundaries,
        "explained": {kind: _explained(kind, some, model) for kind in ("words", "phones")},
        "versions": versions(),
    }
    (RESULTS / "units.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(markdown_units(results))


def markdown_units(results: dict[str, Any]) -> str:
    """What removal loses, and what pauses carry."""
    lines = [
        "| units | median number | lost by weight | at random | beat 95 % of random orders "
        "| pauses, sad clips | pauses, others (largest) |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, clips in results["explained"].items():
        sad = [clip["pauses"] for clip in clips if clip["target"] == "sadness"]
        others = [abs(clip["pauses"]) for clip in clips if clip["target"] != "sadness"]
        lines.append(
            f"| {kind} | {np.median([clip['n_units'] for clip in clips]):.0f} "
            f"| {np.mean([clip['lost'] for clip in clips]):.2f} "
            f"| {np.mean([clip['lost_random'] for clip in clips]):.2f} "
            f"| {sum(clip['beaten'] >= 0.95 for clip in clips)} of {len(clips)} "
            f"| {', '.join(f'{value:+.2f}'.replace('-', '−') for value in sad)} "
            f"| {max(others):.2f} |"
        )
    return "\n".join(lines)


def _label_checks(files: list[Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    high = scipy.signal.butter(4, 2000, "high", fs=_RATE, output="sos")
    off_ms: list[float] = []
    own: list[float] = []
    equal: list[float] = []
    for file in files:
        audio = load_audio(file)
        try:
            labels = read_emodb_labels(find_emodb_labels(file), kind="segments")
        except InputError:  # empty
            continue
        sound = scipy.signal.sosfiltfilt(high, audio.samples.astype(np.float64))
        power = scipy.signal.fftconvolve(sound**2, np.full(32, 1 / 32), "same")
        db = 10 * np.log10(np.maximum(power, 0) + 1e-9)
        rise = np.pad(db[48:] - db[:-48], 24)  # over 3 ms
        for label in labels:
            place = round(label.start_s * _RATE)
            near = rise[max(0, place - 400) : place + 400]  # 25 ms to both sides
            if label.name in ("!p", "!t", "!k") and near.size == 800 and near.max() > 10:
                off_ms.append((int(near.argmax()) - 400) / _RATE * 1000)
        set_s = np.array([label.start_s for label in labels] + [labels[-1].end_s])
        edges_s = VoicedWindows().edges_s(audio)
        grid_s = np.linspace(0, audio.duration_s, len(edges_s))
        own += [float(np.abs(set_s - edge).min()) for edge in edges_s[1:-1]]
        equal += [float(np.abs(set_s - edge).min()) for edge in grid_s[1:-1]]
    releases = {
        "n": len(off_ms),
        "median_ms": float(np.median(off_ms)),
        "within_2_ms": float(np.mean(np.abs(off_ms) < 2)),
    }
    boundaries = {"n": len(own)} | {
        f"{name}_{what}": value
        for name, distances in (("own", np.array(own)), ("equal", np.array(equal)))
        for what, value in (
            ("median_ms", float(1000 * np.median(distances))),
            ("within_10_ms", float(np.mean(distances < 0.01))),
        )
    }
    return releases, boundaries


def _words(folder: Path) -> dict[str, int]:
    as_written = labelled = 0
    for file in sorted(folder.glob("*.lablaut")):
        try:
            found = [label.name for label in read_emodb_labels(file, kind="words")]
        except InputError:  # empty
            continue
        labelled += 1
        as_written += found == [w.replace(".", "") for w, _ in SENTENCES[file.stem[2:5]]]
    return {"labelled": labelled, "as_written": as_written}


def _explained(kind: str, files: list[Path], model: Model) -> list[dict[str, Any]]:
    clips = []
    for file in files:
        audio = load_audio(file)
        units = UnitSpec.parse(kind).of_clip(file, audio)
        n_units = units.n_units(audio.duration_s)
        explainer = EmoLime(units=units, samples=max(256, 2 + 6 * (n_units - 1)))
        explanation = explainer.explain(model, audio)
        curve = removal_curve(explanation, model)
        lost, random = curve.lost()
        pauses = [
            float(weight)
            for unit, weight in zip(explanation.units, explanation.target_weights, strict=True)
            if unit.name == PAUSE
        ]
        clips.append(
            {
                "clip": file.stem,
                "n_units": n_units,
                "target": explanation.target,
                "p": explanation.output_value,
                "lost": lost,
                "lost_random": random,
                "beaten": curve.share_beaten,
                "pauses": sum(pauses),
            }
        )
        print(".", end="", flush=True)
    print()
    return clips


if __name__ == "__main__":
    main()
