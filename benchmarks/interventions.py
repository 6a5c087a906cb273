"""How far interventions can be trusted: ``python -m benchmarks.interventions [identity|direction|praat]``.

``identity``: how far resynthesis without edit moves the bundled models, 60 clips of EmoDB and 40 of
RAVDESS.  ``direction``: what EmoDB's pitch implies, and where the network goes when neutral speech
is raised: the bundled one, which has heard the clips, and one trained without their speakers.
``praat``: every standard dose, measured back by Praat (needs praat-parselmouth), 10 clips of each
corpus.  Writes ``results/interventions_*.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cuelens import Audio, load_corpus, load_model
from cuelens.corpora import Corpus
from cuelens.explain import CUE_DOSES, Interventions
from cuelens.features import OpenSmile
from cuelens.models.training import fit_model
from cuelens.provenance import versions
from cuelens.typing import FloatArray

RESULTS = Path(__file__).parent / "results"
MODELS = ("emodb-cnn", "emodb-egemaps")
HELD_OUT = ("03", "08", "09")
RATE = 16_000
LITTLE_PITCH = 0.8
FUNCTIONALS = {
    "pitch level, semitones": "F0semitoneFrom27.5Hz_sma3nz_amean",
    "pitch range (80th − 20th percentile), semitones": "F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2",
    "high-frequency energy, dB": "alphaRatioV_sma3nz_amean",
    "harmonics to noise, dB": "HNRdBACF_sma3nz_amean",
}
_N_BOOTSTRAP = 2000


def main() -> None:
    asked = sys.argv[1:] or ["identity", "direction", "praat"]
    parts = {"identity": identity, "direction": direction, "praat": praat}
    for name in asked:
        found = parts[name]() | {"versions": dict(versions())}
        file = RESULTS / f"interventions_{name}.json"
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"\n{file}")


def drawn(corpus: Corpus, n: int) -> list[int]:
    """Clips with emotions and speakers about equally often."""
    order = corpus.table.reset_index(drop=True).sample(frac=1.0, random_state=0)
    turn = order.groupby(["emotion", "speaker"]).cumcount()
    by_emotion = order.assign(turn=turn).sort_values("turn", kind="stable")
    place = by_emotion.groupby("emotion").cumcount()
    return [
        int(row)
        for row in by_emotion.assign(place=place).sort_values("place", kind="stable").index[:n]
    ]


def identity() -> dict[str, Any]:
    """Largest change of any output by resynthesis, and how much of the pitch is kept."""
    explainer = Interventions(cues=("f0-level",), doses={"f0-level": ()}, n_perturbed=0)
    rows = []
    for name, n in (("emodb", 60), ("ravdess", 40)):
        corpus = load_corpus(name)
        for index in drawn(corpus, n):
            audio = corpus.audio(index)
            for model in MODELS:
                result = explainer.explain(load_model(model), audio)
                response = result.responses[0]
                rows.append(
                    {
                        "corpus": corpus.name,
                        "model": model,
                        "change": result.identity_change(response),
                        "flagged": not result.faithful_identity,
                        "answer_kept": bool(
                            response.identity.argmax() == result.prediction.argmax()
                        ),
                        "pitch_kept": result.pitch_kept,
                    }
                )
            print(".", end="", flush=True)
    table = pd.DataFrame(rows)
    summary = [
        {
            "corpus": corpus,
            "model": model,
            "n": len(part),
            "within": float((part["change"] <= 0.05).mean()),
            "flagged": float(part["flagged"].mean()),
            "median": float(part["change"].median()),
            "answer_kept": float(part["answer_kept"].mean()),
            "little_pitch": float((part["pitch_kept"] < LITTLE_PITCH).mean()),
        }
        for (corpus, model), part in table.groupby(["corpus", "model"])
    ]
    return {"summary": summary}


def direction() -> dict[str, Any]:
    """What EmoDB's pitch implies, and what the network does when neutral speech is raised."""
    corpus = load_corpus("emodb")
    neutral = corpus.select(speakers=list(HELD_OUT), emotions=["neutral"])
    rows = np.random.default_rng(0).permutation(len(neutral))[:20]
    clips = [neutral.audio(int(row)) for row in rows]
    others = [speaker for speaker in corpus.speakers if speaker not in HELD_OUT]
    held_out = fit_model(load_corpus("emodb-2s").select(speakers=others), features="logmel")
    explainer = Interventions(
        cues=("f0-level",), doses={"f0-level": (-6.0, -3.0, 3.0, 6.0)}, n_perturbed=0
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
    table["duration"] = [12 * np.log2(len(w)) / 12 for w in waveforms]  # octaves
    table["speaker"] = corpus.table["speaker"].to_numpy()
    table["emotion"] = corpus.table["emotion"].to_numpy()
    table["sentence"] = corpus.table["sentence"].to_numpy()
    means = table.drop(columns="sentence").groupby(["speaker", "emotion"]).mean()
    found = []
    for title, name in FUNCTIONALS.items():
        wide = means[name].unstack("emotion")
        difference = wide.sub(wide["neutral"], axis=0).mean()
        found.append({"cue": title} | {e: float(difference[e]) for e in wide if e != "neutral"})
    # tempo: the same sentence of the same speaker
    spoken = table.groupby(["speaker", "sentence", "emotion"])["duration"].mean().unstack("emotion")
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
            result = Interventions(n_perturbed=0).explain(constant, corpus.audio(index))
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
    return {"n_clips": 20, "cues": found, "rows": rows}


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
        values = sounds[1].to_harmonicity_cc().values
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


if __name__ == "__main__":
    main()
