"""What all explainers that look inside a network share.

An explainer adds one method, ``relevance``: from the network and its pictures of the clip to the
relevance of every cell.  Everything else happens here: the front end, where the cells lie in the
clip as given, the sums over time windows, and the result.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from cuelens.audio import Audio, check_is_audio
from cuelens.errors import InputError
from cuelens.explain.account import unit_account
from cuelens.explain.explanation import (
    Clip,
    Concept,
    Explanation,
    Method,
    output_parameters,
)
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.models.base import (
    Model,
    default_target,
    label_index,
    model_labels,
    model_name,
    predict,
)
from cuelens.models.network import NetworkInput, NetworkModel, is_network
from cuelens.provenance import versions
from cuelens.typing import FloatArray
from cuelens.units import TimeWindows


@dataclass(frozen=True, kw_only=True, eq=False)
class Relevance:
    """What an explainer found.

    Parameters
    ----------
    cells : ndarray, shape (n_labels, n_windows, n_bands, n_frames)
        Relevance of every cell of every picture for every label's logit.
    base : ndarray, shape (n_labels, n_windows), or None
        Logits that the relevance counts from, where the method has such a baseline.
    n_model_calls : int
        Pictures that went through the network, forwards or backwards.
    parameters : mapping
        What was found on the way and belongs into the record: layer, steps, error.
    concepts : callable results, tuple of (layer, channel, share, cells)
        For concept relevance: cells of shape (n_windows, n_bands, n_frames), for the target.
    """

    cells: FloatArray
    base: FloatArray | None = None
    n_model_calls: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    concepts: tuple[tuple[str, int, float, FloatArray], ...] = ()


@dataclass(frozen=True, kw_only=True)
class MapExplainer(ABC):
    """Relevance over time and frequency of a network's logits.

    Parameters
    ----------
    window_s : float, s
        Length of the time windows that the map is summed over.
    """

    name: ClassVar[str]
    window_s: float = 0.15

    @abstractmethod
    def relevance(self, model: NetworkModel, shown: NetworkInput, target: int) -> Relevance:
        """Relevance of every cell of the network's pictures of one clip.

        Parameters
        ----------
        model : NetworkModel
        shown : NetworkInput
        target : int
            The label that is asked about, for methods that do more for it than for the others.
        """

    def n_evaluations(self, model: Model, audio: Audio) -> int | None:
        """Pictures that will go through the network, where known, to plan and show progress."""
        return None

    def settings(self) -> dict[str, Any]:
        """The explainer's parameters as JSON types, for the record."""
        return asdict(self)

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> Explanation:
        """Explain one clip.

        Parameters
        ----------
        model : NetworkModel
            A network behind a front end: ``emodb-cnn``, ``resnetsmall:FILE``, a folder of
            ``cuelens train --features logmel``, or a :class:`~cuelens.models.TorchModel`.
        audio : Audio
            Resampled to the model's rate if it has another.
        target : str or None
            Label to explain, in any spelling of the emotion; by default the one with the highest
            probability.

        Returns
        -------
        Explanation
            ``map`` holds the cells, ``units`` and ``weights`` their sums over time windows.

        Raises
        ------
        InputError
            The model does not know the target, or is no network behind a front end.
        MissingExtraError
            The method needs PyTorch.
        """
        began = time.perf_counter()
        check_is_audio(audio)
        labels = model_labels(model)
        wanted = None if target is None else label_index(model, target)
        if not is_network(model):
            raise InputError(
                f"model {model_name(model)} is no network behind a front end, and {self.name} "
                "looks inside one; expected emodb-cnn, resnetsmall:FILE, a TorchModel, or an "
                "explainer for any model: emolime"
            )
        audio = audio.resample(model.sample_rate)
        components = TimeWindows(window_s=self.window_s).decompose(audio)
        prediction = predict(model, [audio.samples.copy()])[0]
        chosen = default_target(model, prediction) if wanted is None else wanted
        shown = model.front_end.network_input(audio.samples)
        found = self.relevance(model, shown, chosen)
        cells = TimeFrequencyMap.on_clip(found.cells, shown, duration_s=audio.duration_s)
        no_base = np.full((len(labels), len(shown.shares)), np.nan)
        base = no_base if found.base is None else found.base
        output = model.logits(shown.values).astype(np.float64).T @ shown.shares
        explanation = Explanation(
            clip=Clip.of(audio),
            model=model_name(model),
            labels=labels,
            target=labels[chosen],
            prediction=prediction,
            base=base @ shown.shares,
            output=output,
            units=components.units,
            weights=window_sums(cells, [unit.start_s for unit in components.units]),
            fidelity=np.full(len(labels), np.nan),
            keep=np.ones((1, len(components)), dtype=bool),
            outputs=prediction[None],
            n_model_calls=found.n_model_calls,
            method=Method(
                name=self.name,
                parameters={
                    "units": "time windows",
                    **output_parameters(model, "logit"),
                    **self.settings(),
                    **found.parameters,
                },
                seed=0,
                versions=versions(self, model),
            ),
            map=cells,
            concepts=tuple(
                Concept(
                    layer=layer,
                    channel=channel,
                    share=share,
                    map=TimeFrequencyMap.on_clip(own[None], shown, duration_s=audio.duration_s),
                )
                for layer, channel, share, own in found.concepts
            ),
            components=components,
        )
        return replace(
            explanation,
            account=unit_account(explanation),
            timing_s=time.perf_counter() - began,
        )


def window_sums(cells: TimeFrequencyMap, starts_s: list[float]) -> FloatArray:
    """Sums of a map over frequency and over windows, shape (n_labels, n_windows).

    Parameters
    ----------
    cells : TimeFrequencyMap
    starts_s : list of float, s
        A frame belongs to the last window that starts no later than the frame's centre.
    """
    by_frame = cells.values.sum(axis=1, dtype=np.float64)
    window = np.searchsorted(np.array(starts_s), cells.times_s + 1e-9, side="right") - 1
    sums = np.zeros((len(by_frame), len(starts_s)))
    np.add.at(sums.T, window, by_frame.T)
    return sums
