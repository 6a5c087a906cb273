"""The embedding of every clip: one row a clip and layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cuelens.errors import InputError
from cuelens.features.embedding import Embedding
from cuelens.features.load_embedding import load_embedding
from cuelens.provenance import versions
from cuelens.runs.clips import RunClip
from cuelens.runs.job import Row

_MODEL = "model:"


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Compute the vectors of every clip.

    Parameters
    ----------
    embedding : str
        As for `load_embedding`, or ``model:NAME`` for the last hidden layer of a model.
    layers : tuple of str
        Layers that are kept; empty: the last.
    """

    embedding: str
    layers: tuple[str, ...] = ()
    name = "embedding"

    def settings(self) -> dict[str, Any]:
        """See :class:`~cuelens.runs.job.Job`."""
        return {"embedding": self.embedding, "layers": list(self.layers)}

    def prepare(self) -> PreparedEmbeddings:
        """Load the embedding."""
        if self.embedding.startswith(_MODEL):
            from cuelens.models import load_model
            from cuelens.models.model_embedding import embedding_of

            found = embedding_of(load_model(self.embedding.removeprefix(_MODEL)))
        else:
            found = load_embedding(self.embedding)
        absent = [layer for layer in self.layers if layer not in found.layers]
        if absent:
            raise InputError(
                f"{found.name} has no layer {absent[0]!r}; expected some of "
                f"{', '.join(found.layers)}"
            )
        return PreparedEmbeddings(embedding=found, layers=self.layers or found.layers[-1:])


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedEmbeddings:
    """`Embeddings`, loaded."""

    embedding: Embedding
    layers: tuple[str, ...]

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        n_dimensions = len(self.embedding.dimensions)
        return {"layer": pa.string(), "vector": pa.list_(pa.float32(), n_dimensions)}

    @property
    def provenance(self) -> Mapping[str, Any]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        return {
            "embedding": self.embedding.name,
            "recipe": self.embedding.recipe,
            "dimensions": list(self.embedding.dimensions),
            "versions": versions(self.embedding),
        }

    def rows(self, clip: RunClip) -> list[Row]:
        """See :class:`~cuelens.runs.job.Prepared`."""
        audio = clip.audio(sample_rate=self.embedding.sample_rate)
        vectors = self.embedding.embed_layers([audio.samples])[0]
        return [
            {
                "sha256": audio.sha256,
                "duration_s": audio.duration_s,
                "layer": layer,
                "vector": vectors[self.embedding.layers.index(layer)].tolist(),
            }
            for layer in self.layers
        ]
