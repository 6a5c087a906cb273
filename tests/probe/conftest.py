"""Small corpora without sound, and embeddings made of known parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cuelens.corpora import Corpus
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.probe import Acoustics
from cuelens.probe.categories import FEATURES


@pytest.fixture
def corpus_of() -> Callable[..., Corpus]:
    """A corpus of clips that have speaker and emotion, and whatever columns are asked for."""

    def make(speakers, emotions, **columns) -> Corpus:
        n = len(speakers)
        table = pd.DataFrame(
            {
                "file": [f"/nowhere/{i:05d}.wav" for i in range(n)],
                "start": 0.0,
                "end": np.nan,
                "speaker": speakers,
                "emotion": emotions,
                "sentence": "s",
            }
        )
        for name, values in columns.items():
            table[name] = values
        return Corpus(name="toy", licence="unknown", table=table)

    return make


@pytest.fixture
def embedded_of() -> Callable[..., EmbeddedCorpus]:
    """One layer with these rows."""

    def make(x) -> EmbeddedCorpus:
        return EmbeddedCorpus(
            name="made",
            values=np.asarray(x, dtype=np.float32)[:, None, :],
            layers=("embedding",),
            dimensions=tuple(f"d{i}" for i in range(x.shape[1])),
        )

    return make


@pytest.fixture
def acoustics_of() -> Callable[..., Acoustics]:
    """The first eGeMAPS features with these values; level and duration are noise."""

    def make(y, *, level_db=None, duration_s=None, seed=99) -> Acoustics:
        rng = np.random.default_rng(seed)
        return Acoustics(
            names=tuple(FEATURES)[: y.shape[1]],
            features=np.asarray(y, dtype=np.float64),
            level_db=rng.normal(-25, 3, len(y)) if level_db is None else level_db,
            duration_s=rng.uniform(1, 3, len(y)) if duration_s is None else duration_s,
        )

    return make
