"""Numbers that describe a clip: log-mel spectrograms, eGeMAPS and ComParE, and embeddings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cuelens.features.cache import FeatureCache
from cuelens.features.embedding import EmbeddedCorpus, Embedding, embed_corpus
from cuelens.features.embedding_table import EMBEDDING_TABLE_TYPES, read_embedding_table
from cuelens.features.functionals import Functionals
from cuelens.features.load_embedding import EMBEDDINGS, EmbeddingEntry, load_embedding
from cuelens.features.log_mel import LogMel
from cuelens.features.opensmile import OpenSmile

if TYPE_CHECKING:
    from cuelens.features.byol_s import ByolS
    from cuelens.features.d_vectors import DVectors
    from cuelens.features.hugging_face import HuggingFaceEncoder

__all__ = [
    "EMBEDDINGS",
    "EMBEDDING_TABLE_TYPES",
    "ByolS",
    "DVectors",
    "EmbeddedCorpus",
    "Embedding",
    "EmbeddingEntry",
    "FeatureCache",
    "Functionals",
    "HuggingFaceEncoder",
    "LogMel",
    "OpenSmile",
    "embed_corpus",
    "load_embedding",
    "read_embedding_table",
]

_HOME = {  # imported when first used: optional packages, slow to load
    "ByolS": "cuelens.features.byol_s",
    "DVectors": "cuelens.features.d_vectors",
    "HuggingFaceEncoder": "cuelens.features.hugging_face",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cuelens.features' has no attribute {name!r}")
