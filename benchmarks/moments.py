"""Which explainer finds the moments that count: ``python -m benchmarks.moments``.

For clips of EmoDB and the bundled network: windows of 150 ms are silenced one after another in the
order of each explainer's weights, and the mean probability lost over the first half of the windows
is compared, against random orders.  The clips were in the network's training set: this compares
explainers, not models.  Writes ``results/moments.json``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from cuelens import EmoLime, load_corpus, load_model
from cuelens.evaluate import removal_curve
from cuelens.explain import MAP_EXPLAINERS, Occlusion
from cuelens.provenance import versions
from cuelens.units import TimeWindows

RESULTS = Path(__file__).parent / "results"
N_CLIPS = 24
EXPLAINERS: dict[str, Any] = {
    "Shapley, 256 versions (default)": EmoLime(units=TimeWindows(), samples=256),
    "Shapley, 1024 versions": EmoLime(units=TimeWindows(), samples=1024),
    "LIME, 256 versions": EmoLime(units=TimeWindows(), samples=256, estimator="lime"),
    **{name: explainer() for name, explainer in MAP_EXPLAINERS.items()},
    "occlusion, published patch and fill": Occlusion.published(),
}


def main() -> None:
    corpus, model = load_corpus("emodb-2s"), load_model("emodb-cnn")
    rows = np.random.default_rng(0).permutation(len(corpus))[:N_CLIPS]
    lost: dict[str, list[float]] = {name: [] for name in [*EXPLAINERS, "random order"]}
    seconds = dict.fromkeys(EXPLAINERS, 0.0)
    for row in rows:
        audio = corpus.audio(int(row))
        for name, explainer in EXPLAINERS.items():
            began = time.perf_counter()
            explanation = explainer.explain(model, audio)
            seconds[name] += time.perf_counter() - began
            by_weight, random = removal_curve(explanation, model).lost()
            lost[name].append(by_weight)
        lost["random order"].append(random)
        print(".", end="", flush=True)
    draws = np.random.default_rng(0).integers(N_CLIPS, size=(10_000, N_CLIPS))
    first = np.array(lost[next(iter(EXPLAINERS))])
    found = {}
    for name, values in lost.items():
        difference = np.array(values) - first
        low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
        found[name] = {
            "lost": float(np.mean(values)),
            "minus_default": float(difference.mean()),
            "low": float(low),
            "high": float(high),
            "seconds": seconds.get(name, 0.0) / N_CLIPS,
        }
    results = {"n_clips": N_CLIPS, "versions": dict(versions()), "explainers": found}
    (RESULTS / "moments.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print("\n" + markdown_moments(results))


def markdown_moments(results: dict[str, Any]) -> str:
    """The figures as they stand in the documentation."""
    lines = ["| order of removal | probability lost | against the default |", "|---|---|---|"]
    for name, v in results["explainers"].items():
        against = f"{v['minus_default']:+.3f} ({v['low']:+.3f} to {v['high']:+.3f})"
        lines.append(f"| {name} | {v['lost']:.3f} | {against} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
