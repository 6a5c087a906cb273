"""Embeddings: one vector a clip, and one a layer where there are layers.

A new embedding is a class with a ``name``, a ``sample_rate``, ``dimensions``, a ``recipe`` and
`embed_layers`, and its ``layers`` if there are several; everything else is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.features.cache import FeatureCache
from cuelens.typing import FloatArray

_CLIPS_AT_ONCE = 64  # loaded, embedded and written to the cache together: what a kill can cost


class Embedding(ABC):
    """What turns waveforms into vectors; the same vector alone and among others."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name, as results show it."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, in Hz."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its layers, first to last; the last is the embedding itself."""
        return ("embedding",)

    @property
    @abstractmethod
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions of every layer."""

    @property
    @abstractmethod
    def recipe(self) -> str:
        """Everything but the sound that the vectors depend on; the key of the cache."""

    @abstractmethod
    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Vectors of every layer.

        Parameters
        ----------
        waveforms : sequence of ndarray, shape (n_samples,), float, values in [-1, 1]
            At ``sample_rate``; lengths may differ.

        Returns
        -------
        ndarray, shape (n_waveforms, n_layers, n_dimensions), float32
        """

    def embed(self, waveforms: Sequence[FloatArray], *, layer: str | None = None) -> FloatArray:
        """Vectors of one layer, by default the last.

        Returns
        -------
        ndarray, shape (n_waveforms, n_dimensions), float32

        Raises
        ------
        InputError
            No such layer.
        """
        if layer is not None and layer not in self.layers:
            raise InputError(
                f"{self.name} has no layer {layer!r}; expected one of {', '.join(self.layers)}"
            )
        index = self.layers.index(layer) if layer is not None else len(self.layers) - 1
        return self.embed_layers(waveforms)[:, index]


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedCorpus:
    """The vectors of every clip of a corpus.

    Parameters
    ----------
    name : str
        Of the embedding.
    values : ndarray, shape (n_clips, n_layers, n_dimensions), float32
        In the order of the corpus's table.
    layers, dimensions : tuple of str
    provenance : dict
        What the vectors depend on.
    """

    name: str
    values: FloatArray
    layers: tuple[str, ...]
    dimensions: tuple[str, ...]
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 3 or shape[1:] != (len(self.layers), len(self.dimensions)):
            raise InputError(
                f"{self.name}: values have shape {shape}; expected (clips, {len(self.layers)} "
                f"layers, {len(self.dimensions)} dimensions)"
            )
        broken = ~np.isfinite(self.values).all(axis=(1, 2))
        if broken.any():
            raise InputError(
                f"{self.name}: {broken.sum()} of {shape[0]} clips have a value that is missing or "
                f"infinite, the first in row {int(np.argmax(broken))}; expected numbers: leave "
                "those clips out or mend the table"
            )

    def layer(self, name: str) -> FloatArray:
        """Vectors of one layer, shape (n_clips, n_dimensions)."""
        if name not in self.layers:
            raise InputError(
                f"{self.name} has no layer {name!r}; expected one of {', '.join(self.layers)}"
            )
        return self.values[:, self.layers.index(name)]


def embed_corpus(
    corpus: Corpus,
    embedding: Embedding,
    *,
    cache: FeatureCache | None = None,
    progress: Callable[[int], None] | None = None,
) -> EmbeddedCorpus:
    """Embed every clip of a corpus, a few at a time, so that memory stays bounded.

    Parameters
    ----------
    corpus : Corpus
    embedding : Embedding
    cache : FeatureCache, optional
        Finished clips are kept there at once: an interrupted run goes on where it stopped.
    progress : callable, optional
        Called with the number of further clips that are done.

    Raises
    ------
    InputError
        A clip cannot be read, or the embedding refuses it.
    """
    shape = (len(embedding.layers), len(embedding.dimensions))

    def compute(waveforms: Sequence[FloatArray]) -> FloatArray:
        return embedding.embed_layers(waveforms).reshape(len(waveforms), -1)

    parts = []
    for waveforms in waveforms_of(corpus, sample_rate=embedding.sample_rate):
        rows = (
            cache.rows(waveforms, recipe=embedding.recipe, compute=compute)
            if cache
            else compute(waveforms)
        )
        parts.append(rows.reshape(-1, *shape))
        if progress:
            progress(len(waveforms))
    return EmbeddedCorpus(
        name=embedding.name,
        values=np.concatenate(parts),
        layers=embedding.layers,
        dimensions=embedding.dimensions,
        provenance={"recipe": embedding.recipe},
    )


def waveforms_of(corpus: Corpus, *, sample_rate: int) -> Iterator[list[FloatArray]]:
    """The sound of every clip in order, some clips at a time."""

    def load(row: int) -> FloatArray:
        return corpus.audio(row, sample_rate=sample_rate).samples

    with ThreadPoolExecutor(2) as pool:
        for first in range(0, len(corpus), _CLIPS_AT_ONCE):
            yield list(pool.map(load, range(first, min(first + _CLIPS_AT_ONCE, len(corpus)))))
