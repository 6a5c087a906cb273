"""Maps over time and frequency, in seconds and Hz of the clip as given."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cuelens.models.network import NetworkInput
from cuelens.typing import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeFrequencyMap:
    """What each moment and frequency contributes, for every label.

    Parameters
    ----------
    values : ndarray, shape (n_labels, n_bands, n_frames), float32
        Above 0 supports the label.
    edges_hz : ndarray, shape (n_bands + 1,), Hz
        Boundaries of the bands, rising.
    hop_s : float, s
        Frame j is centred on ``j * hop_s`` of the clip as given.
    """

    values: FloatArray
    edges_hz: FloatArray
    hop_s: float

    def __post_init__(self) -> None:
        for name, dtype in (("values", np.float32), ("edges_hz", np.float64)):
            frozen = np.array(getattr(self, name), dtype=dtype)
            frozen.setflags(write=False)
            object.__setattr__(self, name, frozen)

    @property
    def times_s(self) -> FloatArray:
        """Centres of the frames, shape (n_frames,), s."""
        return np.arange(self.values.shape[2]) * self.hop_s

    @classmethod
    def on_clip(
        cls, relevance: FloatArray, shown: NetworkInput, *, duration_s: float
    ) -> TimeFrequencyMap:
        """Move cells of the network's pictures to their place in the clip.

        A cell whose time falls between two frames is shared between them in proportion, so that
        sums are kept; cells of padding are left out; windows are weighted by their shares.

        Parameters
        ----------
        relevance : ndarray, shape (n_labels, n_windows, n_bands, n_frames)
        shown : NetworkInput
        duration_s : float, s
        """
        n_frames = int(np.floor(duration_s / shown.hop_s + 1e-9)) + 1
        values = np.zeros((n_frames, *relevance.shape[:1], relevance.shape[2]))
        for window, (times_s, share) in enumerate(zip(shown.times_s, shown.shares, strict=True)):
            inside = np.flatnonzero(~np.isnan(times_s))
            place = np.clip(times_s[inside] / shown.hop_s, 0, n_frames - 1)
            left = np.floor(place + 1e-6).astype(int)
            right_share = np.clip(place - left, 0.0, 1.0)[:, None, None]
            cells = share * relevance[:, window, :, inside]  # (n_inside, n_labels, n_bands)
            np.add.at(values, left, (1.0 - right_share) * cells)
            np.add.at(values, np.minimum(left + 1, n_frames - 1), right_share * cells)
        return cls(values=np.moveaxis(values, 0, 2), edges_hz=shown.edges_hz, hop_s=shown.hop_s)

    def to_dict(self) -> dict[str, Any]:
        """The map as JSON types; ``values`` is base64 of little-endian float32, row-major."""
        content = np.ascontiguousarray(self.values, dtype="<f4").tobytes()
        return {
            "shape": list(self.values.shape),
            "axes": ["label", "frequency", "time"],
            "edges_hz": self.edges_hz.tolist(),
            "hop_s": self.hop_s,
            "encoding": "base64 float32 little-endian",
            "values": base64.b64encode(content).decode("ascii"),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TimeFrequencyMap:
        """Read what :meth:`to_dict` wrote."""
        content = base64.b64decode(data["values"], validate=True)
        return cls(
            values=np.frombuffer(content, dtype="<f4").reshape(data["shape"]),
            edges_hz=np.array(data["edges_hz"]),
            hop_s=float(data["hop_s"]),
        )
