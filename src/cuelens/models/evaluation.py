"""How well a model recognises emotions of speakers it has not heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cuelens.typing import FloatArray, IntArray

_N_BOOTSTRAP = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Predictions for clips of speakers that the model was not trained on.

    Parameters
    ----------
    labels : tuple of str
    truth : ndarray, shape (n_clips,), int, index into labels
    probabilities : ndarray, shape (n_clips, n_labels)
    speakers : ndarray, shape (n_clips,), str
    """

    labels: tuple[str, ...]
    truth: IntArray
    probabilities: FloatArray
    speakers: np.ndarray[Any, Any]

    @property
    def confusion(self) -> IntArray:
        """Counts, shape (n_labels, n_labels): rows the truth, columns the answer."""
        counts = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)
        np.add.at(counts, (self.truth, self.probabilities.argmax(axis=1)), 1)
        return counts

    @property
    def recall(self) -> FloatArray:
        """Share of each label's clips that were recognised, shape (n_labels,)."""
        return _recall(self.confusion)

    @property
    def uar(self) -> float:
        """Unweighted average recall: mean of the recalls of the labels."""
        return float(np.nanmean(self.recall))

    def uar_interval(self, *, seed: int = 0, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile interval of the UAR when the speakers are drawn again with replacement."""
        answer = self.probabilities.argmax(axis=1)
        names = np.unique(self.speakers)
        by_speaker = np.zeros((len(names), len(self.labels), len(self.labels)))
        np.add.at(by_speaker, (np.searchsorted(names, self.speakers), self.truth, answer), 1)
        draws = np.random.default_rng(seed).integers(len(names), size=(_N_BOOTSTRAP, len(names)))
        uars = [np.nanmean(_recall(by_speaker[draw].sum(axis=0))) for draw in draws]
        tail = 100 * (1 - confidence) / 2
        low, high = np.percentile(uars, [tail, 100 - tail])
        return float(low), float(high)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        low, high = self.uar_interval()
        hit = self.probabilities.argmax(axis=1) == self.truth
        return {
            "protocol": "leave one speaker out",
            "n_clips": len(self.truth),
            "uar": self.uar,
            "uar_ci_low": low,
            "uar_ci_high": high,
            "recall": dict(zip(self.labels, self.recall.tolist(), strict=True)),
            "accuracy_by_speaker": {
                str(speaker): float(hit[self.speakers == speaker].mean())
                for speaker in np.unique(self.speakers)
            },
            "confusion": self.confusion.tolist(),
        }


def _recall(confusion: FloatArray | IntArray) -> FloatArray:
    total = confusion.sum(axis=1)
    return np.where(total > 0, np.diagonal(confusion) / np.maximum(total, 1), np.nan)
