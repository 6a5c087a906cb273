"""Speed of explaining one clip, side by side in one run: ``make bench``.

Every figure is a median over repetitions on the same clip and machine; quote the ratios.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cuelens import Audio, EmoLime, FrequencyBands, load_audio, load_model
from cuelens.models import FeaturesModel, Model, predict
from cuelens.provenance import versions

RESULTS = Path(__file__).parent / "results"
CLIP = Path(__file__).parents[1] / "src" / "cuelens" / "demo_clips" / "de_male_anger.flac"


def median_s(action: Callable[[], Any], repetitions: int) -> float:
    """Median wall time of an action, in seconds, after one warm-up."""
    action()
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def two_seconds(audio: Audio) -> Audio:
    """The first two seconds of a clip."""
    return Audio(samples=audio.samples[: 2 * audio.sample_rate], sample_rate=audio.sample_rate)


def measure(name: str, model: Model, audio: Audio) -> dict[str, float]:
    """Times of the ways to explain a clip with one model, in seconds, and their ratios."""
    lossless_64 = EmoLime(estimator="lime", samples=64)
    exact = EmoLime()
    published = EmoLime(variant="published")
    coalitions = list(
        FrequencyBands().decompose(audio).mix(np.random.default_rng(0).random((256, 8)) < 0.5)
    )
    found = {
        "prediction_of_256_s": median_s(lambda: predict(model, coalitions), 3),
        "lossless_64_s": median_s(lambda: lossless_64.explain(model, audio), 3),
        "exact_256_s": median_s(lambda: exact.explain(model, audio), 3),
        "published_64_s": median_s(lambda: published.explain(model, audio), 1),
    }
    one_worker = found["prediction_of_256_s"]
    if isinstance(model, FeaturesModel):
        alone = replace(model, features=replace(model.features, n_workers=1))
        one_worker = median_s(lambda: predict(alone, coalitions), 3) / (os.cpu_count() or 1)
    found["exact_over_ideal"] = found["exact_256_s"] / one_worker
    found["published_over_lossless_64"] = found["published_64_s"] / found["lossless_64_s"]
    found["published_over_exact_256"] = found["published_64_s"] / found["exact_256_s"]
    found["exact_over_its_predictions"] = found["exact_256_s"] / found["prediction_of_256_s"]
    print(f"\n{name}, clip of {audio.duration_s:.2f} s")
    for key, value in found.items():
        print(f"  {key:<30} {value:8.2f}")
    return found


def markdown_speed(results: dict[str, Any]) -> str:
    """The ratios as they stand in the documentation."""
    lines = ["| | emodb-cnn | emodb-egemaps |", "|---|---|---|"]
    for key, text in (
        ("exact_256_s", "exact Shapley, all 256 versions (s)"),
        ("lossless_64_s", "lossless LIME, 64 versions (s)"),
        ("published_64_s", "published variant, 64 versions (s)"),
        ("published_over_lossless_64", "published over lossless, 64 versions each"),
        ("published_over_exact_256", "published (64) over exact (256)"),
        ("exact_over_its_predictions", "exact over its batched predictions alone"),
        ("exact_over_ideal", "exact over its predictions by one worker, divided by the cores"),
    ):
        cells = [f"{results['models'][m][key]:.2f}" for m in ("emodb-cnn", "emodb-egemaps")]
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    audio = two_seconds(load_audio(CLIP))
    results: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "versions": versions(),
        "models": {
            name: measure(name, load_model(name), audio) for name in ("emodb-cnn", "emodb-egemaps")
        },
        "units_with_emodb_cnn": {},
    }
    model = load_model("emodb-cnn")
    print("\nexact Shapley values against the number of bands")
    for n_bands in (2, 4, 6, 8, 10):
        explainer = EmoLime(units=FrequencyBands(n_bands=n_bands), samples=1024)
        seconds = median_s(lambda e=explainer: e.explain(model, audio), 3)
        results["units_with_emodb_cnn"][str(n_bands)] = seconds
        print(f"  {n_bands:>2} bands, {2**n_bands:>4} calls {seconds:8.2f} s")
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "speed.json"
    file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(
        f"\nwritten to {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}"
    )


if __name__ == "__main__":
    main()
