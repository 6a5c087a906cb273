"""Concept relevance propagation: relevance that passes through single channels (extra ``torch``).

A channel of a convolution answers to some pattern of sound.  Relevance is propagated once to find
the channels of a layer that the label rests on most, then once for each of them with all other
channels of that layer masked [1]_.  What such a channel stands for is shown by the parts of other
clips in which it is most relevant (relevance maximisation).

References
----------
.. [1] R. Achtibat et al., "From attribution maps to human-understandable explanations through
   concept relevance propagation", Nature Machine Intelligence 5, 2023, sections 2.1 and 2.2.
.. [2] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency", arXiv 2511.11691, which takes one channel
   chosen by hand; here channels are found for every clip and label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError, MissingExtraError
from cuelens.explain.explanation import Concept, Explanation, Reference
from cuelens.explain.map_explainer import MapExplainer, Relevance
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.models.base import Model
from cuelens.models.network import NetworkInput, NetworkModel, is_network
from cuelens.typing import FloatArray, IntArray

_REFERENCE_S = 0.3


@dataclass(frozen=True, kw_only=True)
class ConceptRelevance(MapExplainer):
    """Concept relevance propagation with the rules of :mod:`cuelens.explain.lrp`.

    Parameters
    ----------
    layer : str or None
        Convolution whose channels are the concepts; None: the last.
    n_concepts : int
        Channels with the most relevance for a label; the map is the sum over them.
    references : tuple of Audio
        Clips in which to look for what the target's concepts stand for.
    n_references : int
        Parts shown of each concept, from different clips.
    """

    name: ClassVar[str] = "crp"
    layer: str | None = None
    n_concepts: int = 3
    references: tuple[Audio, ...] = field(default=(), repr=False)
    n_references: int = 3

    def __post_init__(self) -> None:
        if not isinstance(self.n_concepts, int | np.integer) or self.n_concepts < 1:
            raise InputError(f"n_concepts is {self.n_concepts!r}; expected 1 or more")

    def relevance(self, model: NetworkModel, shown: NetworkInput, target: int) -> Relevance:
        cells = np.zeros((len(model.labels), *shown.values.shape[:1], *shown.values.shape[2:]))
        if not len(shown.values):
            return Relevance(cells=cells, n_model_calls=0)
        network = _Network(model, shown, self.layer)
        concepts = []
        for label in range(len(model.labels)):
            by_channel = shown.shares @ network.channel_relevance(shown.values, label)
            channels = np.argsort(-by_channel, kind="stable")[: self.n_concepts]
            own = network.through(shown.values, label, channels)
            cells[label] = own.sum(axis=0)
            if label == target:
                total = float(np.abs(by_channel).sum()) or 1.0
                concepts = [
                    (network.layer, int(channel), float(by_channel[channel]) / total, part)
                    for channel, part in zip(channels, own, strict=True)
                ]
        n_calls = 2 * len(shown.values) * len(model.labels) * (1 + self.n_concepts)
        return Relevance(
            cells=cells,
            n_model_calls=n_calls,
            parameters={"layer": network.layer, "channels": [c[1] for c in concepts]},
            concepts=tuple(concepts),
        )

    def settings(self) -> dict[str, Any]:
        """The explainer's parameters as JSON types; of the reference clips, their paths."""
        return {
            **asdict(replace(self, references=())),
            "references": [clip.source for clip in self.references],
        }

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> Explanation:
        explanation = super().explain(model, audio, target=target)
        if not self.references or not is_network(model):
            return explanation
        concepts = find_references(
            model, explanation, self.references, n_references=self.n_references
        )
        return replace(explanation, concepts=concepts)


def find_references(
    model: NetworkModel,
    explanation: Explanation,
    clips: Sequence[Audio],
    *,
    n_references: int = 3,
    progress: Callable[[int], None] | None = None,
) -> tuple[Concept, ...]:
    """Where in other clips each concept of an explanation is most relevant to its target.

    Parameters
    ----------
    model : NetworkModel
        The model that was explained.
    explanation : Explanation
        Of :class:`ConceptRelevance`.
    clips : sequence of Audio
    n_references : int
    progress : callable, optional
        Called with the number of further clips that were searched.

    Returns
    -------
    tuple of Concept
        With up to ``n_references`` references each, from different clips: the 0.3 s with the most
        relevance, found with all other channels masked.
    """
    if not explanation.concepts:
        return ()
    channels = np.array([concept.channel for concept in explanation.concepts])
    layer, label = explanation.concepts[0].layer, explanation.target_index
    found: list[list[Reference]] = [[] for _ in channels]
    for clip in clips:
        clip = clip.resample(model.sample_rate)  # noqa: PLW2901 (the same clip)
        shown = model.front_end.network_input(clip.samples)
        if len(shown.values):
            network = _Network(model, shown, layer)
            by_channel = shown.shares @ network.channel_relevance(shown.values, label)
            maps = network.through(shown.values, label, channels)
            for references, channel, own in zip(found, channels, maps, strict=True):
                score = float(by_channel[channel])
                if score > 0:
                    references.append(_reference(clip, shown, own, score))
        if progress:
            progress(1)
    return tuple(
        replace(
            concept,
            references=tuple(sorted(refs, key=lambda r: (-r.score, r.source))[:n_references]),
        )
        for concept, refs in zip(explanation.concepts, found, strict=True)
    )


def _reference(clip: Audio, shown: NetworkInput, own: FloatArray, score: float) -> Reference:
    cells = TimeFrequencyMap.on_clip(own[None], shown, duration_s=clip.duration_s)
    frames = np.maximum(cells.values[0].sum(axis=0, dtype=np.float64), 0.0)
    n_frames = min(len(frames), max(1, round(_REFERENCE_S / shown.hop_s)))
    sums = np.convolve(frames, np.ones(n_frames), mode="valid")
    start_s = float(np.clip((sums.argmax() - 0.5) * shown.hop_s, 0.0, clip.duration_s))
    end_s = min(start_s + max(_REFERENCE_S, 0.05), clip.duration_s)
    start_s = max(0.0, min(start_s, end_s - 0.05))
    samples = clip.samples[round(start_s * clip.sample_rate) : round(end_s * clip.sample_rate)]
    try:
        sound = Audio(samples=samples, sample_rate=clip.sample_rate, source=clip.source)
    except InputError:  # silent there
        sound = None
    return Reference(source=clip.source, start_s=start_s, end_s=end_s, score=score, sound=sound)


class _Network:
    """A canonised network, and relevance in one of its layers."""

    def __init__(self, model: NetworkModel, shown: NetworkInput, layer: str | None) -> None:
        try:
            from crp.attribution import CondAttribution

            from cuelens.explain.lrp import epsilon_plus_flat
            from cuelens.explain.network_graph import (
                canonise,
                chosen_layer,
                last_convolution,
                layer_shapes,
            )
        except ImportError as error:
            raise MissingExtraError("crp", "torch") from error
        graph = canonise(model.module)
        shapes = layer_shapes(graph, shown.values[:1])
        self.layer = chosen_layer(graph, shapes, layer or last_convolution(graph, shapes))
        self._attribution = CondAttribution(graph, no_param_grad=True)
        self._rules = epsilon_plus_flat()

    def channel_relevance(self, pictures: FloatArray, label: int) -> FloatArray:
        """Relevance of each channel for a label, shape (n_pictures, n_channels)."""
        import torch

        with torch.enable_grad():
            found = self._attribution(
                torch.from_numpy(pictures).requires_grad_(),
                [{"y": [label]}] * len(pictures),
                self._rules,
                record_layer=[self.layer],
            )
        return found.relevances[self.layer].detach().numpy().sum(axis=(2, 3), dtype=np.float64)

    def through(self, pictures: FloatArray, label: int, channels: IntArray) -> FloatArray:
        """Relevance through single channels, shape (n_channels, n_pictures, n_bands, n_frames)."""
        import torch

        maps = []
        for channel in channels:
            with torch.enable_grad():
                found = self._attribution(
                    torch.from_numpy(pictures).requires_grad_(),
                    [{"y": [label], self.layer: [int(channel)]}] * len(pictures),
                    self._rules,
                )
            maps.append(found.heatmap.detach().numpy())
        return np.stack(maps)
