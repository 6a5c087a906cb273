"""Exact Shapley values of bands, as others would get them: ``python -m benchmarks.rivals``.

Needs shap.  All ways answer the same question on the same clip, cut to two seconds; the weights
are compared.

Writes ``results/rivals.json``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.run import CLIP, median_s, two_seconds
from cuelens import EmoLime, FrequencyBands, load_audio, load_model
from cuelens.models import predict
from cuelens.provenance import versions

FILE = Path(__file__).parent / "results" / "rivals.json"
MODELS = ("emodb-cnn", "emodb-egemaps")


def measure(name: str) -> dict[str, float]:
    """Times in s and the largest difference of weights."""
    import shap

    model, audio = load_model(name), two_seconds(load_audio(CLIP))
    parts = FrequencyBands().decompose(audio)

    def one_by_one(rows: Any) -> Any:
        mixed = parts.mix(np.asarray(rows) > 0.5)
        return np.concatenate([predict(model, [waveform]) for waveform in mixed])

    def together(rows: Any) -> Any:
        return predict(model, list(parts.mix(np.asarray(rows) > 0.5)))

    def kernel(function: Any) -> Any:
        np.random.seed(0)  # noqa: NPY002 (shap's own state)
        explainer = shap.KernelExplainer(function, np.zeros((1, 8)))
        return explainer.shap_values(np.ones((1, 8)), silent=True)[0].T

    ours = EmoLime().explain(model, audio).weights
    theirs = kernel(together)
    found = {
        "cuelens_s": median_s(lambda: EmoLime().explain(model, audio), 3),
        "kernel_together_s": median_s(lambda: kernel(together), 2),
        "kernel_one_by_one_s": median_s(lambda: kernel(one_by_one), 1, warm_up=False),
        "largest_difference": float(np.abs(ours - theirs).max()),
    }
    for way in ("together", "one_by_one"):
        found[f"{way}_over_cuelens"] = found[f"kernel_{way}_s"] / found["cuelens_s"]
    return found


def markdown_rivals(results: dict[str, Any]) -> str:
    """The figures as they stand in the documentation."""
    lines = [f"| | {' | '.join(MODELS)} |", "|---|---|---|"]
    for key, text in (
        ("cuelens_s", "cuelens (s)"),
        ("kernel_one_by_one_s", "`shap.KernelExplainer`, one version at a time (s)"),
        ("kernel_together_s", "`shap.KernelExplainer`, all versions at once (s)"),
        ("one_by_one_over_cuelens", "one at a time over cuelens"),
        ("together_over_cuelens", "at once over cuelens"),
    ):
        cells = [f"{results['models'][name][key]:.2f}" for name in MODELS]
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    results = {
        "machine": {"cores": os.cpu_count()},
        "versions": versions(),
        "models": {name: measure(name) for name in MODELS},
    }
    print(json.dumps(results["models"], indent=1))
    FILE.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
