"""Vectors of a corpus, from what a user types after ``--embedding``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cuelens.corpora import Corpus
    from cuelens.features import FeatureCache
    from cuelens.features.embedding import EmbeddedCorpus


def embed(
    corpus: Corpus, spec: str, *, cache: FeatureCache, progress: Callable[[int], None]
) -> EmbeddedCorpus:
    """Vectors of every clip: from a table, inside a model, or an embedding by name.

    Raises
    ------
    InputError
        No such embedding, or it does not fit the corpus.
    MissingExtraError
        It needs an optional package.
    """
    from cuelens.features.embedding import embed_corpus
    from cuelens.features.embedding_table import EMBEDDING_TABLE_TYPES, read_embedding_table
    from cuelens.features.load_embedding import load_embedding

    if Path(spec).suffix.lower() in EMBEDDING_TABLE_TYPES:
        return read_embedding_table(spec, corpus)
    if spec.startswith("model:"):
        from cuelens.models import load_model
        from cuelens.models.model_embedding import embedding_of

        embedding = embedding_of(load_model(spec.removeprefix("model:")))
    else:
        embedding = load_embedding(spec)
    return embed_corpus(corpus, embedding, cache=cache, progress=progress)
