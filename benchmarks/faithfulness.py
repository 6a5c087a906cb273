"""Faithfulness of the band explainers on real speech: does the answer fall when their bands go?

For clips of speakers that the model was not trained on, the probability that is lost when the top 1
to 4 of 8 bands are removed, for exact Shapley values, lossless LIME with 64 samples, the published
variant, random order, and the best order there is.  Removal is the same lossless mask for all.

    python -m benchmarks.faithfulness --corpus emodb-2s --clips 60

Griffin-Lim takes most of the time, about 20 s a clip.  What it rebuilt is kept, so that an
interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.run import RESULTS
from cuelens import EmoLime, load_corpus
from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.evaluate import removal_curve
from cuelens.evaluate.removal import coalition_table
from cuelens.explain.lime import bernoulli_coalitions, lime_weights
from cuelens.explain.published import GriffinLimBands
from cuelens.explain.shapley import all_coalitions
from cuelens.models import Model, predict
from cuelens.models.training import fit_model
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray

PUBLISHED = EmoLime(variant="published")
N_REMOVED = 4


def rebuilt(audio: Audio, file: Path) -> FloatArray:
    """The 64 versions of the published variant, rebuilt by Griffin-Lim; kept in a file.

    They do not depend on the model, so that several models can answer the same ones.
    """
    if not file.exists():
        bands = GriffinLimBands.of(audio, n_bands=8, seed=PUBLISHED.seed)
        unfinished = file.with_suffix(".part.npy")
        np.save(unfinished, bands.mix(published_coalitions()))
        unfinished.replace(file)
    return np.load(file)


def published_coalitions() -> BoolArray:
    """Which bands each version keeps, as ``EmoLime(variant="published")`` draws them."""
    rng = np.random.default_rng(PUBLISHED.seed)
    return bernoulli_coalitions(8, n_samples=PUBLISHED.budget, rng=rng)


def lost(model: Model, audio: Audio, versions_as_published: FloatArray) -> dict[str, list[float]]:
    """Probability of the model's answer lost with 1 to 4 bands removed, by method."""
    exact = EmoLime().explain(model, audio)
    table = coalition_table(exact)  # every lossless method reads its answers here
    keep = published_coalitions()
    orders = {
        "exact Shapley, 256 calls": exact.weights,
        "LIME on all 256 combinations": lime_weights(all_coalitions(8), table)[0],
        "lossless LIME, 64 samples": lime_weights(keep, table[keep @ (1 << np.arange(8))])[0],
    }
    answers = predict(model, list(versions_as_published))
    orders["published (Griffin-Lim), 64 samples"], _ = lime_weights(keep, answers)
    found = {}
    for method, weights in orders.items():
        # This method's order, on the table of all combinations that the exact one has.
        curve = removal_curve(replace(exact, weights=weights), model)
        found[method] = (curve.by_weight[0] - curve.by_weight[1 : N_REMOVED + 1]).tolist()
    for method, values in (("random order", curve.random_mean), ("best order", curve.lowest)):
        found[method] = (curve.by_weight[0] - values[1 : N_REMOVED + 1]).tolist()
    return found


def held_out_models(corpus: Corpus, speakers: list[str]) -> dict[str, Model]:
    """Models trained without some speakers."""
    others = corpus.select(speakers=[s for s in corpus.speakers if s not in speakers])
    print(f"training on {len(others)} clips of {len(others.speakers)} speakers", flush=True)
    return {
        "emodb-cnn": fit_model(others, features="logmel"),
        "emodb-egemaps": fit_model(others, features="egemaps"),
    }


def chosen(corpus: Corpus, speakers: list[str], n_clips: int) -> list[int]:
    """Clips of these speakers, spread evenly over emotions."""
    table = corpus.table[corpus.table["speaker"].isin(speakers)]
    rank = table.groupby("emotion").cumcount()
    return table.assign(rank=rank).sort_values(["rank", "file"]).index[:n_clips].tolist()


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over removals 1 to 4 and clips, with paired bootstrap intervals of every difference."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(rows), size=(10_000, len(rows)))
    result: dict[str, Any] = {}
    for model in rows[0]:
        values = {
            method: np.array([np.mean(row[model][method]) for row in rows])
            for method in rows[0][model]
        }
        result[model] = {}
        reference = values["exact Shapley, 256 calls"]
        for method, value in values.items():
            low, high = np.percentile(value[draws].mean(axis=1), [2.5, 97.5])
            against = (value - reference)[draws].mean(axis=1)
            result[model][method] = {
                "mean": value.mean(),
                "ci_low": low,
                "ci_high": high,
                "minus_exact_shapley": (value - reference).mean(),
                "minus_ci_low": np.percentile(against, 2.5),
                "minus_ci_high": np.percentile(against, 97.5),
            }
    return result


def markdown_table(results: dict[str, Any], model: str) -> str:
    """The figures of one model as they stand in the documentation."""
    lines = ["| order of removal | probability lost | against exact Shapley |", "|---|---|---|"]
    for method, v in results["lost"][model].items():
        lines.append(
            f"| {method} | {v['mean']:.3f} ({v['ci_low']:.3f} to {v['ci_high']:.3f}) | "
            f"{v['minus_exact_shapley']:+.3f} ({v['minus_ci_low']:+.3f} to "
            f"{v['minus_ci_high']:+.3f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="emodb-2s")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--speakers", default="09,13", help="left out of training, explained")
    parser.add_argument("--work", type=Path, default=Path("build/faithfulness"))
    options = parser.parse_args()
    corpus = load_corpus(options.corpus)
    speakers = options.speakers.split(",")
    options.work.mkdir(parents=True, exist_ok=True)
    clips = {}
    for index in chosen(corpus, speakers, options.clips):
        file = Path(corpus.table.loc[index, "file"])
        clips[options.work / f"{file.stem}.npy"] = corpus.audio(index)
    with ProcessPoolExecutor() as pool:
        for n, _ in enumerate(pool.map(rebuilt, clips.values(), clips), start=1):
            print(f"rebuilt {n} of {len(clips)} clips", flush=True)
    models = held_out_models(corpus, speakers)
    rows = [
        {name: lost(model, audio, rebuilt(audio, file)) for name, model in models.items()}
        for file, audio in clips.items()
    ]
    results = {
        "corpus": corpus.name,
        "speakers_left_out": speakers,
        "n_clips": len(rows),
        "bands_removed": f"1 to {N_REMOVED} of 8, mean",
        "versions": versions(),
        "lost": summary(rows),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "faithfulness.json").write_text(json.dumps(results, indent=2) + "\n")
    for name in results["lost"]:
        print(f"\n{name}: probability lost with the top 1 to 4 of 8 bands removed")
        print(markdown_table(results, name))


if __name__ == "__main__":
    main()
