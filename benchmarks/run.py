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

from benchmarks.probing import measure_speed as measure_probing
from cuelens import Audio, EmoLime, FrequencyBands, load_audio, load_model
from cuelens.explain import Occlusion
from cuelens.explain.occlusion import batched_logits
from cuelens.models import FeaturesModel, Model, predict
from cuelens.models.network import is_network
from cuelens.provenance import versions

RESULTS = Path(__file__).parent / "results"
CLIP = Path(__file__).parents[1] / "src" / "cuelens" / "demo_clips" / "de_male_anger.flac"


def median_s(action: Callable[[], Any], repetitions: int, *, warm_up: bool = True) -> float:
    """Median wall time of an action, in seconds, after one warm-up."""
    if warm_up:
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


def measure_occlusion(audio: Audio) -> dict[str, float]:
    """Times of the published occlusion (1 band x 10 frames, strides 1 and 3), in seconds."""
    import torch
    from captum.attr import Occlusion as Captum

    model = load_model("emodb-cnn")
    assert is_network(model)
    shown = model.front_end.network_input(audio.samples)
    picture = shown.values[:1]
    target = int(model.predict_proba([audio.samples]).argmax())
    explainer = Occlusion.published()
    patches = explainer.patches(*picture.shape[2:])

    def captum(per_pass: int) -> Any:
        return Captum(model.module).attribute(
            torch.from_numpy(picture),
            sliding_window_shapes=(1, 1, 10),
            strides=(1, 1, 3),
            baselines=0.0,
            target=target,
            perturbations_per_eval=per_pass,
        )

    ours = explainer.explain(model, audio, target=model.labels[target]).map
    assert ours is not None
    theirs = captum(64).detach().numpy()[0, 0]
    found = {
        "n_passes": float(1 + len(patches)),
        "captum_default_s": median_s(lambda: captum(1), 1, warm_up=False),
        "captum_64_at_once_s": median_s(lambda: captum(64), 1, warm_up=False),
        "onnx_batched_s": median_s(lambda: batched_logits(model, picture[0], patches, 0.0), 1),
        "local_s": median_s(lambda: explainer.explain(model, audio), 3),
        "largest_difference": float(np.abs(ours.values[target] - theirs).max()),
    }
    found["captum_default_over_local"] = found["captum_default_s"] / found["local_s"]
    found["captum_64_over_local"] = found["captum_64_at_once_s"] / found["local_s"]
    found["captum_default_over_onnx"] = found["captum_default_s"] / found["onnx_batched_s"]
    print("\npublished occlusion of a 2 s clip with emodb-cnn")
    for key, value in found.items():
        print(f"  {key:<30} {value:8.3g}")
    return found


def markdown_occlusion(results: dict[str, Any]) -> str:
    """Times and ratios of occlusion as they stand in the documentation."""
    found = results["occlusion"]
    lines = ["| way | time (s) | captum's default over it |", "|---|---|---|"]
    for key, text in (
        ("captum_default_s", "captum, default settings"),
        ("captum_64_at_once_s", "captum, 64 patches at once"),
        ("onnx_batched_s", "cuelens without PyTorch: ONNX, 128 patches at once"),
        ("local_s", "cuelens: only what a patch can reach"),
    ):
        ratio = found["captum_default_s"] / found[key]
        lines.append(f"| {text} | {found[key]:.1f} | {ratio:.1f} |")
    return "\n".join(lines)


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
        "occlusion": measure_occlusion(audio),
        "probing": measure_probing(n_targets=4),
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
