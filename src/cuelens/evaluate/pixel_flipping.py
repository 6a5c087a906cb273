"""Pixel flipping: cells of the network's own picture are covered, most relevant first.

Nothing is removed from the sound: the front end is not asked again, so this judges what a map says
of the network alone, as is usual for images [1]_.  Covered cells never occur in a picture of real
sound, though; for the answer to sound without these cells see
:func:`~cuelens.evaluate.faithfulness.faithfulness_curves`.

References
----------
.. [1] W. Samek et al., "Evaluating the visualization of what a deep neural network has learned",
   IEEE Trans. Neural Networks and Learning Systems 28(11), 2017.
.. [2] A. Hedstroem et al., "Quantus: an explainable AI toolkit for responsible evaluation of neural
   network explanations", JMLR 24, 2023 (``PixelFlipping``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.integrate

from cuelens.errors import InputError
from cuelens.evaluate.orders import relevance_order, share_beaten
from cuelens.explain.explanation import Explanation
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.models.base import label_index, softmax
from cuelens.models.network import NetworkInput, NetworkModel
from cuelens.typing import FloatArray, IntArray

Output = Literal["probability", "logit"]

_N_STEPS = 50
_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelFlipping:
    """The output for a label as cells of the picture are covered.

    Parameters
    ----------
    target : str
    output : {"probability", "logit"}
        What the curves show; of several pictures, the mean weighted by their shares.
    fill : float
        What covered cells hold.
    n_covered : ndarray, shape (n_steps + 1,), int
        Cells covered in each picture, from 0 to all.
    by_relevance : ndarray, shape (n_steps + 1,)
        Most relevant first.
    random : ndarray, shape (n_orders, n_steps + 1)
        In random orders.
    """

    target: str
    output: Output
    fill: float
    n_covered: IntArray
    by_relevance: FloatArray
    random: FloatArray

    @property
    def share_covered(self) -> FloatArray:
        """Share of the cells that are covered, shape (n_steps + 1,), 0 to 1."""
        return self.n_covered / self.n_covered[-1]

    @property
    def area(self) -> float:
        """Area under the curve over the share of cells, trapezoids; lower is more faithful."""
        return float(scipy.integrate.trapezoid(self.by_relevance, self.share_covered))

    @property
    def random_areas(self) -> FloatArray:
        """The same of every random order, shape (n_orders,)."""
        return np.asarray(scipy.integrate.trapezoid(self.random, self.share_covered, axis=-1))

    @property
    def percentile(self) -> float:
        """Share of random orders with a larger area, ties counting half; NaN with none."""
        return share_beaten(self.area, self.random_areas) if len(self.random) else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """The curves as JSON types."""
        some = len(self.random) > 0
        return {
            "target": self.target,
            "output": self.output,
            "fill": self.fill,
            "n_covered": self.n_covered.tolist(),
            "by_relevance": self.by_relevance.tolist(),
            "random_mean": self.random.mean(axis=0).tolist() if some else None,
            "n_random_orders": len(self.random),
            "area": self.area,
            "area_random": float(self.random_areas.mean()) if some else None,
            "percentile": self.percentile if some else None,
        }


def pixel_flipping(
    model: NetworkModel,
    relevance: FloatArray | Explanation,
    shown: NetworkInput,
    *,
    target: str | None = None,
    cells_per_step: int | None = None,
    fill: float | None = None,
    output: Output = "probability",
    n_random: int = 10,
    seed: int = 0,
) -> PixelFlipping:
    """Cover cells of the network's pictures of a clip in order of relevance.

    Parameters
    ----------
    model : NetworkModel
    relevance : ndarray, shape (n_windows, n_bands, n_frames), or Explanation
        Of every cell of the pictures for the target; of an explanation, its map (see
        :func:`relevance_on_pictures`).
    shown : NetworkInput
        ``model.front_end.network_input(samples)``.
    target : str or None
        Label; of an explanation, by default its own.
    cells_per_step : int or None
        Cells covered at a time; the last step may cover fewer.  None: a fiftieth of the picture.
    fill : float or None
        What covered cells hold; None is silence.
    output : {"probability", "logit"}
    n_random : int
        Random orders to compare with, 0 for none.
    seed : int
        Of random orders and of the order of equally relevant cells.

    Returns
    -------
    PixelFlipping
        Several pictures of a clip are covered at once, each in its own order.

    Raises
    ------
    InputError
        The relevance is of another shape or not finite, there is no picture, or no target is given.

    Notes
    -----
    Quantus' curve lacks the first point, of the picture with nothing covered.
    """
    if isinstance(relevance, Explanation):
        target = relevance.target if target is None else target
        relevance = relevance_on_pictures(relevance, shown, target=target)
    if target is None:
        raise InputError("no target; expected a label of the model, or an Explanation: give target")
    if output not in get_args(Output):
        raise InputError(f"output is {output!r}; expected one of {', '.join(get_args(Output))}")
    relevance = np.asarray(relevance, dtype=np.float64)
    expected = shown.values[:, 0].shape
    if relevance.shape != expected or not np.isfinite(relevance).all():
        raise InputError(
            f"relevance has shape {relevance.shape} or is not finite; expected finite values of "
            f"shape {expected}, one a cell of each picture"
        )
    if not len(shown.values):
        raise InputError("there is no picture of this clip; expected sound that the model hears")
    n_cells = relevance[0].size
    step = -(-n_cells // _N_STEPS) if cells_per_step is None else cells_per_step
    if step < 1:
        raise InputError(f"cells_per_step is {step}; expected 1 or more")
    n_covered = np.append(np.arange(0, n_cells, step), n_cells)
    column = label_index(model, target)
    value = float(shown.silence if fill is None else fill)
    rng = np.random.default_rng(seed)

    def curve(ranks: IntArray) -> FloatArray:
        """Outputs where cells of low rank are covered, shape (n_steps + 1,)."""
        pictures, parts = shown.values.reshape(1, *ranks.shape), []
        for first in range(0, len(n_covered), _BATCH):
            covered = ranks[None] < n_covered[first : first + _BATCH, None, None]
            flipped = np.where(covered, np.float32(value), pictures)
            parts.append(model.logits(flipped.reshape(-1, *shown.values.shape[1:])))
        logits = np.concatenate(parts)
        outputs = softmax(logits) if output == "probability" else logits.astype(np.float64)
        return outputs[:, column].reshape(len(n_covered), -1) @ shown.shares

    orders = [relevance_order(cells.ravel(), seed=seed) for cells in relevance]
    n_windows = len(relevance)
    random = [
        curve(np.stack([rng.permutation(n_cells) for _ in range(n_windows)]))
        for _ in range(n_random)
    ]
    return PixelFlipping(
        target=model.labels[column],
        output=output,
        fill=value,
        n_covered=n_covered,
        by_relevance=curve(np.argsort(np.stack(orders), axis=1)),
        random=np.array(random).reshape(n_random, len(n_covered)),
    )


def relevance_on_pictures(
    explanation: Explanation, shown: NetworkInput, *, target: str | None = None
) -> FloatArray:
    """The map of an explanation, read at every cell of the network's pictures.

    Parameters
    ----------
    explanation : Explanation
        With a map.
    shown : NetworkInput
    target : str or None
        By default the explanation's.

    Returns
    -------
    ndarray, shape (n_windows, n_bands, n_frames), float64
        Between frames of the map, in proportion; 0 where a frame is padding.  Where pictures
        overlap, a map holds the sum of what both were found to be relevant for.

    Raises
    ------
    InputError
        There is no map, or its bands are not those of the pictures.
    """
    found: TimeFrequencyMap | None = explanation.map
    if found is None:
        raise InputError(
            "the explanation has no map over time and frequency; expected one of an explainer that "
            "looks inside a network"
        )
    if found.edges_hz.shape != shown.edges_hz.shape or not np.allclose(
        found.edges_hz, shown.edges_hz
    ):
        raise InputError(
            f"the map has {len(found.edges_hz) - 1} bands and the pictures "
            f"{len(shown.edges_hz) - 1}, or others; expected the same: show the clip to the model "
            "that was explained"
        )
    row = explanation.labels.index(explanation.target if target is None else target)
    values = found.values[row].astype(np.float64)
    padding = np.isnan(shown.times_s)
    place = np.clip(np.where(padding, 0.0, shown.times_s) / found.hop_s, 0, values.shape[1] - 1)
    left = np.floor(place + 1e-6).astype(int)
    right = np.minimum(left + 1, values.shape[1] - 1)
    share = np.clip(place - left, 0.0, 1.0)
    at_frames = (1.0 - share) * values[:, left] + share * values[:, right]  # (n_bands, w, frames)
    return np.where(padding[:, None], 0.0, np.moveaxis(at_frames, 0, 1))
