"""What cues and salient moments are worth on real speech: ``python -m benchmarks.cues PART...``.

Parts (all of them without arguments; about an hour on two cores):

- ``emodb``: networks trained without two speakers each explain these speakers' clips; how often
  cues on which the literature agrees go the expected way in the salient moments, for right and
  wrong answers, against random moments and against the loudest ones.
- ``ravdess``: the same for the bundled network, trained on EmoDB, and clips of all speakers.
- ``honesty``: random moments in place of salient ones, scattered or touching; p < 0.05 should come
  out in 5 % of clips.
- ``tess``: the published weights (``weights/resnetsmall_tess.pth`` under CUELENS_DATA) on TESS:
  recall with each way of trimming, and the largest cues per emotion by occlusion.

Every part writes its figures to ``results/cues_PART.json``; finished clips are kept under
``build/cues`` and not computed again.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cuelens import EmoLime, load_corpus, load_model
from cuelens.corpora import canonical_emotion
from cuelens.cues import chance_test, measure_cues
from cuelens.cues.corpus_analysis import CorpusCues, analyse_corpus
from cuelens.explain import Occlusion
from cuelens.models.training import fit_model
from cuelens.provenance import versions
from cuelens.units import TimeWindows

RESULTS = Path(__file__).parent / "results"
WORK = Path("build/cues")
N_RAVDESS = 120
N_TESS = 140  # clips of TESS whose cues are measured; recall is of all
MOMENTS = EmoLime(units=TimeWindows(), samples=256)


def held_out_speakers(name: str, n_folds: int, n_used: int) -> dict[str, Any]:
    """Agreement on speakers that a model has not heard."""
    corpus = load_corpus(name)
    clips = []
    models = []
    for number, fold in enumerate(corpus.speaker_folds(n_folds)[:n_used]):
        others = [speaker for speaker in corpus.speakers if speaker not in fold.speakers]
        print(f"{name}: training without {', '.join(fold.speakers)}", flush=True)
        model = fit_model(corpus.select(speakers=others), features="logmel")
        models.append(list(fold.speakers))
        found = analyse_corpus(
            corpus,
            model,
            lambda audio, model=model: MOMENTS.explain(model, audio),
            rows=fold.test.tolist(),
            settings={"moments": "shapley, 256 versions", "without": list(fold.speakers)},
            resume=WORK / f"{name}-{number}.jsonl",
            progress=lambda n: print(".", end="", flush=True),
        )
        clips += found.clips
    everything = CorpusCues(corpus=name, model="emodb-cnn recipe", clips=tuple(clips), settings={})
    profile = everything.profile()
    return {
        **everything.to_dict(),
        "held_out": models,
        "profile": json.loads(profile.to_json(orient="records")),
    }


def other_corpus() -> dict[str, Any]:
    """Agreement on a corpus that the bundled network has not heard."""
    corpus, model = load_corpus("ravdess"), load_model("emodb-cnn")
    found = analyse_corpus(
        corpus,
        model,
        lambda audio: MOMENTS.explain(model, audio),
        rows=np.sort(np.random.default_rng(0).permutation(len(corpus))[:N_RAVDESS]).tolist(),
        settings={"moments": "shapley, 256 versions"},
        resume=WORK / "ravdess.jsonl",
        progress=lambda n: print(".", end="", flush=True),
    )
    profile = json.loads(found.profile().to_json(orient="records"))
    return {**found.to_dict(), "profile": profile}


def honesty() -> dict[str, Any]:
    """Share of clips with p < 0.05 where moments are random."""
    found = {}
    for name in ("emodb", "ravdess", "tess"):
        corpus = load_corpus(name)
        rows = np.random.default_rng(0).permutation(len(corpus))[:400]
        values: dict[str, list[float]] = {"scattered": [], "touching": []}
        for row in rows:
            tracks = measure_cues(corpus.audio(int(row)))
            for kind, p in values.items():
                p.append(random_p(tracks, seed=int(row), touching=kind == "touching"))
        found[name] = {}
        for kind, p in values.items():
            known = np.array(p)[np.isfinite(p)]
            low, high = wilson(int((known < 0.05).sum()), len(known))
            found[name][kind] = {
                "n_clips": len(known),
                "share_below_0.05": float((known < 0.05).mean()),
                "low": low,
                "high": high,
            }
        print(name, found[name], flush=True)
    return found


def random_p(tracks: Any, *, seed: int, touching: bool) -> float:
    """p of five random windows placed anywhere in a clip: apart, or in one row."""
    rng = np.random.default_rng([seed, 1])
    free_s = tracks.duration_s - 5 * 0.15 - 0.02
    gaps_s = np.repeat(rng.uniform(0.0, free_s), 5) if touching else rng.uniform(0.0, free_s, 5)
    starts_s = np.sort(gaps_s) + 0.15 * np.arange(5)
    intervals = [(float(s), float(s) + 0.15) for s in starts_s]
    return chance_test(tracks, intervals, seed=seed).p


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a share."""
    z, share = 1.96, k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return float(centre - reach), float(centre + reach)


def tess() -> dict[str, Any]:
    """The published weights: recall, and cues where they look."""
    corpus = load_corpus("tess")
    weights = Path(os.environ["CUELENS_DATA"]) / "weights" / "resnetsmall_tess.pth"
    truth = corpus.table["emotion"].to_numpy()
    waveforms = [corpus.audio(i).samples for i in range(len(corpus))]
    recall = {}
    for trim in ("none", "edges", "everywhere"):
        model = load_model(f"resnetsmall:{weights}?trim={trim}")
        emotions = [canonical_emotion(label) for label in model.labels]
        answers = np.array(emotions)[model.predict_proba(waveforms).argmax(axis=1)]
        each = {e: float((answers[truth == e] == e).mean()) for e in emotions}
        recall[trim] = {"uar": float(np.mean(list(each.values()))), **each}
        print(trim, recall[trim], flush=True)
    model = load_model(f"resnetsmall:{weights}")
    found = analyse_corpus(
        corpus,
        model,
        lambda audio: Occlusion().explain(model, audio),
        rows=np.sort(np.random.default_rng(0).permutation(len(corpus))[:N_TESS]).tolist(),
        settings={"moments": "occlusion"},
        resume=WORK / "tess.jsonl",
        progress=lambda n: print(".", end="", flush=True),
    )
    return {
        **found.to_dict(),
        "recall": recall,
        "profile": json.loads(found.profile().to_json(orient="records")),
    }


PARTS = {
    "emodb": lambda: held_out_speakers("emodb-2s", 4, 2),
    "ravdess": other_corpus,
    "honesty": honesty,
    "tess": tess,
}


def markdown_agreement(results: dict[str, Any]) -> str:
    """Shares of strong cells that go the expected way, as they stand in the documentation."""
    lines = [
        "| corpus, answers | speakers | clips | cells | salient moments | random moments | "
        "loudest moments | salient − random |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        for group, shares in found["agreement"].items():
            n = shares["salient"]
            if group == "all" or n["low"] is None or n["n_cells"] < 20:
                continue
            cells = [
                f"{shares[k]['value']:{sign}.0%} ({shares[k]['low']:{sign}.0%} to "
                f"{min(shares[k]['high'], 1.0):{sign}.0%})"
                for k, sign in (
                    ("salient", ""),
                    ("random", ""),
                    ("loudest", ""),
                    ("difference", "+"),
                )
            ]
            what = group if group in ("right", "wrong") else f"“{group}”"
            lines.append(
                f"| {name}, {what} | {n['n_speakers']} | {n['n_clips']} | {n['n_cells']} | "
                f"{' | '.join(cells)} |"
            )
    return "\n".join(lines)


def markdown_honesty(found: dict[str, Any]) -> str:
    """Shares of clips with p < 0.05 for random moments."""
    lines = ["| corpus | clips | scattered: p < 0.05 | touching: p < 0.05 |", "|---|---|---|---|"]
    for name, kinds in found.items():
        if name != "versions":
            cells = [
                f"{v['share_below_0.05']:.1%} ({v['low']:.1%} to {v['high']:.1%})"
                for v in (kinds["scattered"], kinds["touching"])
            ]
            lines.append(f"| {name} | {kinds['scattered']['n_clips']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown_recall(found: dict[str, Any]) -> str:
    """Recall of the published weights with each way of trimming."""
    emotions = [name for name in found["recall"]["none"] if name != "uar"]
    lines = [f"| silence cut | UAR | {' | '.join(emotions)} |", "|---" * (2 + len(emotions)) + "|"]
    names = {"none": "nowhere", "edges": "at both ends (default)", "everywhere": "everywhere"}
    for trim, recall in found["recall"].items():
        each = " | ".join(f"{recall[e]:.0%}" for e in emotions)
        lines.append(f"| {names[trim]} | {recall['uar']:.1%} | {each} |")
    return "\n".join(lines)


def markdown_top_cues(found: dict[str, Any], *, n: int = 3) -> str:
    """The largest cues of every answer, right and wrong."""
    from cuelens.cues import CUES

    lines = ["| answer | when right | when wrong |", "|---|---|---|"]
    for emotion in sorted({row["emotion"] for row in found["profile"]}):
        cells = []
        for group in ("right", "wrong"):
            rows = [
                row
                for row in found["profile"]
                if row["emotion"] == emotion and row["group"] == group
            ]
            rows.sort(key=lambda row: -abs(row["effect"]))
            cells.append(
                ", ".join(f"{CUES[row['cue']].title} {row['effect']:+.1f}" for row in rows[:n])
                or "–"
            )
        lines.append(f"| {emotion} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    for part in sys.argv[1:] or PARTS:
        found = {"versions": dict(versions()), **PARTS[part]()}
        text = json.dumps(found, indent=1) + "\n"
        (RESULTS / f"cues_{part}.json").write_text(text, encoding="utf-8")
        print(f"\n{part}: written", flush=True)


if __name__ == "__main__":
    main()
