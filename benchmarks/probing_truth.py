"""Probing where the truth is known: embeddings made of real eGeMAPS values.

    python -m benchmarks.probing_truth            # needs CUELENS_DATA with ravdess and emodb-2s

Of the 88 features, six are in the embedding and make the label, twenty are in it and do not, the
rest are not in it.  Each has four dimensions of its own: its value plus noise.  So that nothing
but this relates features to each other or to the label, the values of every feature are shuffled
within speakers first; marginals and speakers stay real.  The label is above or below the 60th
percentile of a sum of the first six *as the dimensions hold them*.

- own dimensions: as said, with 152 dimensions of noise;
- rotated: the same, turned by a random rotation, so that no dimension is special;
- shuffled labels: the labels shuffled within speakers: nothing can be used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cuelens.corpora import Corpus, load_corpus
from cuelens.features import FeatureCache
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.probe import VERDICTS, Acoustics, Probing, measure_acoustics
from cuelens.probe.folds import shuffled_within_speakers, z_scores_by_speaker
from cuelens.provenance import versions

RESULTS = Path(__file__).parent / "results" / "probing_truth.json"
KINDS = {
    "own dimensions": "in dimensions of their own",
    "rotated": "rotated over all dimensions",
    "shuffled labels": "labels shuffled",
}
CORPORA = ("ravdess", "emodb-2s")
N_USED, N_CARRIED, N_EACH, N_NOISE = 6, 20, 4, 152
N_SEEDS = 3


def planted(
    corpus: Corpus, acoustics: Acoustics, *, kind: str, seed: int
) -> tuple[Corpus, EmbeddedCorpus, Acoustics, list[str]]:
    """A corpus with planted labels, its embedding, its features, and the right verdicts."""
    rng = np.random.default_rng(seed)
    speakers = corpus.table["speaker"].to_numpy(dtype=str)
    values = z_scores_by_speaker(acoustics.features, speakers)
    for j in range(values.shape[1]):
        values[:, j] = values[shuffled_within_speakers(speakers, rng), j]
    order = rng.permutation(values.shape[1])
    used, carried = order[:N_USED], order[N_USED : N_USED + N_CARRIED]
    copies = np.repeat(values[:, np.concatenate([used, carried])], N_EACH, axis=1)
    held = copies + 0.7 * rng.normal(size=copies.shape)
    x = np.hstack([held, rng.normal(size=(len(values), N_NOISE))])
    heard = held[:, : N_USED * N_EACH].reshape(len(values), N_USED, N_EACH).mean(axis=2)
    score = heard @ rng.choice([-1.0, 1.0], N_USED)
    label = np.where(score > np.quantile(score, 0.6), "anger", "neutral")
    truth = np.full(values.shape[1], "not carried", dtype=object)
    truth[carried], truth[used] = "carried, not used", "carried and used"
    if kind == "rotated":
        x = x @ np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0]
    if kind == "shuffled labels":
        label = label[shuffled_within_speakers(speakers, rng)]
        truth[used] = "carried, not used"
    table = corpus.table.assign(emotion=label)
    return (
        Corpus(name=corpus.name, licence=corpus.licence, table=table),
        EmbeddedCorpus(
            name="planted",
            values=x[:, None].astype(np.float32),
            layers=("planted",),
            dimensions=tuple(f"{i}" for i in range(x.shape[1])),
        ),
        Acoustics(
            names=acoustics.names,
            features=values,
            level_db=acoustics.level_db,
            duration_s=acoustics.duration_s,
        ),
        [str(verdict) for verdict in truth],
    )


def measure(n_seeds: int = N_SEEDS) -> dict[str, Any]:
    """Counts of right and given verdicts."""
    found: dict[str, Any] = {"n_seeds": n_seeds, "versions": versions(), "counts": {}}
    for name in CORPORA:
        corpus = load_corpus(name)
        acoustics = measure_acoustics(corpus, cache=FeatureCache())
        for kind in KINDS:
            counts = pd.DataFrame(0, index=list(VERDICTS), columns=list(VERDICTS))
            for seed in range(n_seeds):
                clips, embedded, features, truth = planted(corpus, acoustics, kind=kind, seed=seed)
                probing = Probing(n_permutations=100, n_random=5, seed=seed)
                table = probing.probe(clips, embedded, features).features
                given = table[table["task"] == "anger"]["verdict"]
                for right, verdict in zip(truth, given, strict=True):
                    counts.loc[right, verdict] += 1
                print(name, kind, seed, flush=True)
            found["counts"].setdefault(name, {})[kind] = counts.T.to_dict()
    return found


def markdown_truth(results: dict[str, Any]) -> str:
    """Right verdicts as they stand in the documentation."""
    lines = [
        "| corpus | features are | used: right | carried, not used: right | not carried: right "
        "| falsely carried | falsely used |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, kinds in results["counts"].items():
        for kind, counts in kinds.items():
            cells = []
            for verdict in ("carried and used", "carried, not used", "not carried"):
                row = counts[verdict]
                n = sum(row.values())
                undecided = row["undecided"]
                cells.append(
                    f"{row[verdict]} of {n}" + (f", {undecided} undecided" if undecided else "")
                    if n
                    else "–"
                )
            absent = counts["not carried"]
            false_carried = absent["carried and used"] + absent["carried, not used"]
            false_used = sum(
                row["carried and used"]
                for right, row in counts.items()
                if right != "carried and used"
            )
            n_other = sum(
                sum(row.values()) for right, row in counts.items() if right != "carried and used"
            )
            lines.append(
                f"| {name} | {KINDS[kind]} | {' | '.join(cells)} | {false_carried} of "
                f"{sum(absent.values())} | {false_used} of {n_other} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    results = measure()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(markdown_truth(results))
