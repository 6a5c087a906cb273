"""How far interventions can be trusted: ``python -m benchmarks.interventions [PART...]``.

``identity_*``: how far next to no dose moves the bundled models, 60 clips of EmoDB and 40 of
RAVDESS, beside white noise 40 dB below and resynthesis by WORLD.  ``direction``: what EmoDB's pitch
implies, and where the network goes when neutral speech is raised: the bundled one, which has heard
the clips, and one trained without their speakers.  ``praat``: every standard dose measured back by
Praat (needs praat-parselmouth), 10 clips of each corpus.  Writes ``results/interventions_*.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cuelens import Audio, load_corpus, load_model
from cuelens.audio import within_full_scale
from cuelens.corpora import Corpus
from cuelens.explain import CUE_DOSES, Interventions
from cuelens.explain.dose_responses import LITTLE_PITCH
from cuelens.explain.dose_versions import disturbed
from cuelens.features import OpenSmile
from cuelens.models import Model, predict
from cuelens.models.training import fit_model
from cuelens.provenance import versions
from cuelens.typing import FloatArray
from cuelens.vocoder import Voice

RESULTS = Path(__file__).parent / "results"
MODELS = ("emodb-cnn", "emodb-egemaps")
HELD_OUT = ("03", "08", "09")
RATE = 16_000
TOLERANCE = 0.05
_N_BOOTSTRAP = 2000
FUNCTIONALS = {
    "pitch level, semitones": "F0semitoneFrom27.5Hz_sma3nz_amean",
    "pitch range (80th − 20th percentile), semitones": "F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2",
    "high-frequency energy, dB": "alphaRatioV_sma3nz_amean",
    "harmonics to noise, dB": "HNRdBACF_sma3nz_amean",
}


def main() -> None:
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "identity_emodb": partial(identity, "emodb", 60),
        "identity_ravdess": partial(identity, "ravdess", 40),
        "direction": direction,
        "praat": praat,
    }
    for name in sys.argv[1:] or parts:
        found = parts[name]() | {"versions": versions(Voice)}
        file = RESULTS / f"interventions_{name}.json"
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"\n{file}")


def drawn(corpus: Corpus, n: int) -> list[int]:
    """Clips with emotions and speakers about equally often."""
    order = corpus.table.reset_index(drop=True).sample(frac=1.0, random_state=0)
    turn = order.groupby(["emotion", "speaker"]).cumcount()
    order = order.assign(turn=turn).sort_values("turn", kind="stable")
    order = order.assign(place=order.groupby("emotion").cumcount())
    return [int(row) for row in order.sort_values("place", kind="stable").index[:n]]


def identity(name: str, n: int) -> dict[str, Any]:
    """Largest change of any output of a model by next to no dose of each cue, n clips."""
    cues = tuple(cue for cue in CUE_DOSES if cue != "level")
    explainer = Interventions(cues=cues, doses=dict.fromkeys(cues, ()), n_remakes=0)
    models = {name: load_model(name) for name in MODELS}
    rows = []
    corpus = load_corpus(name)
    for index in drawn(corpus, n):
        audio = corpus.audio(index)
        found = explainer.explain(_Together(models), audio)
        random = np.random.default_rng(index)
        noisy = disturbed(audio.samples, sample_rate=RATE, random=random)
        world = Voice.of(audio.samples, sample_rate=RATE).samples()
        others = {"noise 40 dB below, moved up to 5 ms": noisy, "all through WORLD": world}
        for model, by_itself in models.items():
            own = [found.labels.index(f"{model} {label}") for label in by_itself.labels]
            asked = found.prediction[own]
            outputs = {r.cue: r.control[own] for r in found.responses}
            unedited = {r.cue: r.identity[own] for r in found.responses}
            for other, samples in others.items():
                outputs[other] = predict(by_itself, [within_full_scale(samples)])[0]
            for what, output in outputs.items():
                rows.append(
                    {
                        "corpus": corpus.name,
                        "model": model,
                        "what": what,
                        "identity": float(np.abs(unedited.get(what, asked) - asked).max()),
                        "change": float(np.abs(output - asked).max()),
                        "answer_kept": bool(output.argmax() == asked.argmax()),
                        "pitch": found.pitch_agreement,
                    }
                )
        print(".", end="", flush=True)
    table = pd.DataFrame(rows)
    summary = [
        {
            "corpus": corpus,
            "model": model,
            "what": what,
            "n": len(part),
            "within": float((part["change"] <= TOLERANCE).mean()),
            "median": float(part["change"].median()),
            "answer_kept": float(part["answer_kept"].mean()),
        }
        for (corpus, model, what), part in table.groupby(["corpus", "model", "what"], sort=False)
    ]
    clips = table[(table["model"] == MODELS[0]) & (table["what"] == "f0-level")]
    return {
        "summary": summary,
        "identity": float(table["identity"].max()),
        "little_pitch": float((clips["pitch"] < LITTLE_PITCH).mean()),
    }


class _Together:
    """Several models as one, so that versions are made once."""

    sample_rate = RATE
    name = "together"

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models.values()
        self.labels = tuple(f"{k} {label}" for k, model in models.items() for label in model.labels)

    def predict_proba(self, waveforms: list[FloatArray]) -> FloatArray:
        return np.hstack([predict(model, waveforms) for model in self._models])


def direction() -> dict[str, Any]:
    """What EmoDB's pitch implies, and what the network does when neutral speech is raised."""
    corpus = load_corpus("emodb")
    neutral = corpus.select(speakers=list(HELD_OUT), emotions=["neutral"])
    rows = np.random.default_rng(0).permutation(len(neutral))[:20]
    clips = [neutral.audio(int(row)) for row in rows]
    others = [speaker for speaker in corpus.speakers if speaker not in HELD_OUT]
    held_out = fit_model(load_corpus("emodb-2s").select(speakers=others), features="logmel")
    explainer = Interventions(
        cues=("f0-level",), doses={"f0-level": (-6.0, -3.0, 3.0, 6.0)}, n_remakes=0
    )
    moves = []
    for name, model in (("emodb-cnn", load_model("emodb-cnn")), ("without them", held_out)):
        results = [explainer.explain(model, clip) for clip in clips]
        labels = results[0].labels
        outputs = np.stack([result.responses[0].outputs for result in results])
        doses = results[0].responses[0].doses
        base = outputs[:, int(np.flatnonzero(doses == 0)[0])]
        for label in ("anger", "happiness", "neutral", "sadness"):
            column = labels.index(label)
            for row, dose in enumerate(doses):
                if dose == 0:
                    continue
                change = outputs[:, row, column] - base[:, column]
                low, high = bootstrap(change)
                moves.append(
                    {
                        "model": name,
                        "label": label,
                        "dose": float(dose),
                        "mean": float(change.mean()),
                        "low": low,
                        "high": high,
                        "up": float((change > 0).mean()),
                    }
                )
    return {
        "implied": implied(corpus),
        "n_clips": len(clips),
        "held_out": list(HELD_OUT),
        "moves": moves,
    }


def implied(corpus: Corpus) -> list[dict[str, Any]]:
    """Mean difference of cues between an emotion and neutral speech of the same speaker."""
    smile = OpenSmile()
    waveforms = [corpus.audio(row).samples for row in range(len(corpus))]
    values = smile.functionals(waveforms, sample_rate=RATE)
    table = pd.DataFrame(values, columns=list(smile.names))[list(FUNCTIONALS.values())]
    table["duration"] = [np.log2(len(waveform)) for waveform in waveforms]
    table["speaker"] = corpus.table["speaker"].to_numpy()
    table["emotion"] = corpus.table["emotion"].to_numpy()
    table["sentence"] = corpus.table["sentence"].to_numpy()
    means = table.drop(columns="sentence").groupby(["speaker", "emotion"]).mean()
    found = []
    for title, name in FUNCTIONALS.items():
        wide = means.reset_index().pivot_table(index="speaker", columns="emotion", values=name)
        difference = wide.sub(wide["neutral"], axis=0).mean()
        found.append({"cue": title} | {e: float(difference[e]) for e in wide if e != "neutral"})
    spoken = table.pivot_table(index=["speaker", "sentence"], columns="emotion", values="duration")
    tempo = 2 ** -spoken.sub(spoken["neutral"], axis=0).mean()
    found.append(
        {"cue": "tempo of the same sentence, times"}
        | {e: float(tempo[e]) for e in spoken if e != "neutral"}
    )
    return found


def bootstrap(values: FloatArray) -> tuple[float, float]:
    """95 % interval of a mean over clips."""
    draws = np.random.default_rng(0).integers(len(values), size=(_N_BOOTSTRAP, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def praat() -> dict[str, Any]:
    """Share of clips whose dose, measured by Praat, is the one asked for to within 5 %."""
    rows = []
    constant = _Constant()
    for name in ("emodb", "ravdess"):
        corpus = load_corpus(name)
        for index in drawn(corpus, 10):
            result = Interventions(n_remakes=0).explain(constant, corpus.audio(index))
            for response in result.responses:
                before = response.sounds[response.identity_index]
                for row, dose in enumerate(response.doses):
                    if row == response.identity_index and response.cue != "breathiness":
                        continue
                    rows.append(
                        {
                            "corpus": corpus.name,
                            "clip": index,
                            "cue": response.cue,
                            "dose": float(dose),
                            "praat": praat_dose(response.cue, before, response.sounds[row]),
                            "flagged": not response.as_asked[row],
                        }
                    )
            print(".", end="", flush=True)
    table = pd.DataFrame(rows)
    found = []
    for cue in CUE_DOSES:
        part = table[table["cue"] == cue]
        of_range = 0.05 * np.ptp(CUE_DOSES[cue].standard)
        if cue == "breathiness":
            falls = (
                part.sort_values("dose")
                .groupby(["corpus", "clip"])["praat"]
                .apply(lambda hnr: bool((np.diff(hnr) < 0).all()))
            )
            found.append(
                {
                    "cue": cue,
                    "n": len(falls),
                    "falls": float(falls.mean()),
                    "flagged": float(part.groupby(["corpus", "clip"])["flagged"].any().mean()),
                }
            )
            continue
        error = (part["praat"] - part["dose"]).abs()
        size = part["dose"].abs()
        found.append(
            {
                "cue": cue,
                "n": len(part),
                "median_error": float(error.median()),
                "of_dose": float((error <= 0.05 * size).mean()),
                "of_range": float((error <= of_range).mean()),
                "flagged": float(part["flagged"].mean()),
                "missed": float(((error > of_range) & ~part["flagged"]).mean()),
            }
        )
    return {"n_clips": 20, "cues": found}


class _Constant:
    labels = ("any", "other")
    sample_rate = RATE
    name = "constant"

    def predict_proba(self, waveforms: list[FloatArray]) -> FloatArray:
        return np.full((len(waveforms), 2), 0.5)


def praat_dose(cue: str, before: Audio, after: Audio) -> float:
    """A dose as Praat measures it; breathiness: mean harmonicity in dB."""
    import parselmouth

    sounds = [parselmouth.Sound(a.samples.astype(float), a.sample_rate) for a in (before, after)]
    if cue == "tempo":
        return float(sounds[0].duration / sounds[1].duration)
    if cue == "level":
        return float(sounds[1].get_intensity() - sounds[0].get_intensity())
    if cue == "breathiness":
        values = sounds[1].to_harmonicity_cc().as_array()
        return float(values[values > -200].mean())
    if cue == "tilt":
        octaves = np.arange(-5, 7) / 3
        levels = []
        for sound in sounds:
            ltas = parselmouth.praat.call(sound, "To Ltas...", 50.0)
            levels.append(
                [
                    parselmouth.praat.call(ltas, "Get mean...", hz, hz * 2 ** (1 / 3), "energy")
                    for hz in 1000 * 2**octaves
                ]
            )
        return float(np.polyfit(octaves, np.subtract(levels[1], levels[0]), 1)[0])
    pitches = []
    for sound in sounds:
        pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=60.0, pitch_ceiling=800.0)
        pitches.append(pitch.selected_array["frequency"])
    n = min(len(p) for p in pitches)
    both = (pitches[0][:n] > 0) & (pitches[1][:n] > 0)
    old, new = (12 * np.log2(p[:n][both]) for p in pitches)
    if cue == "f0-level":
        return float(np.median(new - old))
    near = np.abs(old - np.median(old)) < 12  # without octave errors
    return float(np.polyfit(old[near], new[near], 1)[0])


def markdown_identity(results: dict[str, dict[str, Any]]) -> str:
    """The figures as they stand in the documentation; results by corpus."""
    rows: dict[str, list[str]] = {}
    head = []
    for found in results.values():
        for model in MODELS:
            head.append(f"{found['summary'][0]['corpus']}, {model}")
            for row in found["summary"]:
                if row["model"] == model:
                    cell = f"{row['within']:.0%} ({row['median']:.3f})"
                    rows.setdefault(row["what"], []).append(cell)
    lines = ["| what is done | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    lines += [f"| {what} | " + " | ".join(cells) + " |" for what, cells in rows.items()]
    return "\n".join(lines)


def markdown_implied(results: dict[str, Any]) -> str:
    """What EmoDB's emotions do, as it stands in the documentation."""
    emotions = ("anger", "happiness", "sadness")
    lines = ["| against neutral | " + " | ".join(emotions) + " |", "|---|---|---|---|"]
    for row in results["implied"]:
        sign = "" if "times" in row["cue"] else "+"
        cells = (f"{row[emotion]:{sign}.2f}" for emotion in emotions)
        lines.append(f"| {row['cue']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown_direction(results: dict[str, Any]) -> str:
    """Where neutral speech goes when raised, as it stands in the documentation."""
    doses = sorted({row["dose"] for row in results["moves"]})
    head = " | ".join(f"{dose:+g} semitones" for dose in doses)
    lines = [f"| model, output | {head} |", "|---" * (len(doses) + 1) + "|"]
    for model in dict.fromkeys(row["model"] for row in results["moves"]):
        for label in ("anger", "happiness", "neutral", "sadness"):
            cells = [
                f"{row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}), {row['up']:.0%} up"
                for dose in doses
                for row in results["moves"]
                if (row["model"], row["label"], row["dose"]) == (model, label, dose)
            ]
            lines.append(f"| {model}, p({label}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown_praat(results: dict[str, Any]) -> str:
    """What Praat measures, as it stands in the documentation."""
    lines = [
        "| cue | doses measured | median error | within 5 % of the dose | within 5 % of the range "
        "| flagged by cuelens | astray by Praat, not flagged |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["cues"]:
        if row["cue"] == "breathiness":
            continue
        error = f"{row['median_error']:.3f} {CUE_DOSES[row['cue']].unit}"
        shares = (f"{row[key]:.0%}" for key in ("of_dose", "of_range", "flagged", "missed"))
        lines.append(f"| {row['cue']} | {row['n']} | {error} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
