"""A result of the EmoLIME reproduction without any sound, for pages and commands."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus
from cuelens.evaluate.emolime_reproduction import EmoLimeReproduction
from cuelens.evaluate.emolime_tables import (
    band_names,
    choice_table,
    flipping_table,
    recall_table,
    weight_table,
)
from cuelens.evaluate.robustness import robustness
from cuelens.provenance import versions

EDGES_HZ = (0, 377, 754, 1145, 1689, 2492, 3676, 5423, 8000)
MODELS = ("compare", "egemaps", "logmel")
EMOTIONS = ("anger", "sadness")
SETTINGS = {"n_bootstrap": 40, "n_permutations": 99}


@lru_cache(maxsize=4)
def made_up_result(*names: str, seed: int = 0, chance: str | None = None) -> EmoLimeReproduction:
    """Profiles that corpora decide; ``chance`` names a corpus where the first model guesses."""
    rng = np.random.default_rng(seed)
    names = names or ("one", "two", "three")
    corpora, explained, trained = [], {}, {}
    for name in names:
        table = pd.DataFrame(
            [
                {"file": f"/{name}/{s}{e}.wav", "start": 0.0, "end": np.nan, "speaker": f"s{s}"}
                | {"emotion": e, "sentence": None}
                for s in range(4)
                for e in EMOTIONS
            ]
        )
        corpus = Corpus(name=name, licence="none", table=table)
        corpora.append(corpus)
        shape = {e: rng.standard_normal(8) for e in EMOTIONS}
        for spec in MODELS:
            truth = [EMOTIONS.index(e) for e in corpus.table["emotion"]]
            guesses = name == chance and spec == MODELS[0]
            answers = [0] * len(truth) if guesses else truth
            trained[f"{name}/{spec}"] = {
                "labels": list(EMOTIONS),
                "rows": list(range(len(truth))),
                "answers": answers,
                "seconds": 1.0,
            }
            for row, emotion in enumerate(corpus.table["emotion"]):
                weights = shape[emotion] + 0.5 * rng.standard_normal(8)
                both = [weights if e == emotion else -weights for e in EMOTIONS]
                explained[f"{name}/{row}/{spec}"] = {
                    "labels": list(EMOTIONS),
                    "prediction": [float(e == EMOTIONS[answers[row]]) for e in EMOTIONS],
                    "weights": [list(map(float, some)) for some in both],
                    "lime": [list(map(float, some)) for some in both],
                    "kept_top": [0.0, 0.0, 0.0, 0.0],
                    "kept_random": [0.9, 0.8, 0.7, 0.6],
                    "bands_hz": [list(edges) for edges in pairwise(EDGES_HZ)],
                }
    weights = weight_table(corpora, explained, models=MODELS)
    recall = recall_table(corpora, trained, models=MODELS)
    void = {(row["model"], row["corpus"]) for row in recall.to_dict("records") if row["void"]}
    bands = band_names(explained)
    return EmoLimeReproduction(
        about={
            "corpora": [
                {"name": corpus.name, "licence": "none", "n_clips": len(corpus), "n_speakers": 4}
                | {"n_folds": 2, "n_explained": len(corpus)}
                for corpus in corpora
            ],
            "models": list(dict.fromkeys(weights["model"])),
            "emotions": list(EMOTIONS),
            "bands": list(bands),
            "chance": 0.5,
            "target": "truth",
            "variant": "lossless",
            "correlation": "pearson",
            "n_clips": 4,
            "n_folds": 2,
            "seed": 0,
            "failed": {"one/0/logmel": "<no sound>"},
            "versions": versions(),
        },
        robustness=robustness(weights, bands=bands, void=void, n_splits=20, **SETTINGS),
        weights=weights,
        recall=recall,
        flipping=flipping_table(weights, void=void, seed=0),
        choices=choice_table(
            corpora, explained, models=MODELS, void=void, seed=0, lime=True, **SETTINGS
        ),
    )
