"""A clip taken apart into units whose parts add up to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.typing import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One thing that can be absent: a region of frequency (Hz) and time (seconds of the clip)."""

    name: str
    low_hz: float
    high_hz: float
    start_s: float
    end_s: float


class Parts(Protocol):
    """A clip taken apart: units, and any mixture of their parts."""

    @property
    def units(self) -> tuple[Unit, ...]: ...

    @property
    def waveform(self) -> FloatArray: ...

    @property
    def sample_rate(self) -> int: ...

    def __len__(self) -> int: ...

    def mix(self, keep: BoolArray, /) -> FloatArray: ...


class Units(Protocol):
    """A way of taking clips apart: how many units a clip has, and the clip as their parts."""

    def n_units(self, duration_s: float, /) -> int: ...

    def decompose(self, audio: Audio, /) -> Parts: ...


def checked_keep(keep: BoolArray, n_units: int) -> BoolArray:
    """Coalitions of shape (n_coalitions, n_units), bool; anything else is an InputError."""
    keep = np.atleast_2d(np.asarray(keep))
    if keep.dtype != np.bool_ or keep.ndim != 2 or keep.shape[1] != n_units:
        raise InputError(
            f"keep has dtype {keep.dtype} and shape {keep.shape}; expected bool and "
            f"(n_coalitions, {n_units})"
        )
    return keep


@dataclass(frozen=True, kw_only=True, eq=False)
class Components:
    """The parts of a clip, one a unit.

    Parameters
    ----------
    units : tuple of Unit
    parts : ndarray, shape (n_units, n_samples), float32
        Their sum is the clip, to within rounding.
    waveform : ndarray, shape (n_samples,), float32
        The clip itself.
    sample_rate : int, Hz
    """

    units: tuple[Unit, ...]
    parts: FloatArray
    waveform: FloatArray
    sample_rate: int

    def __post_init__(self) -> None:
        self.parts.setflags(write=False)

    def __len__(self) -> int:
        return len(self.units)

    def mix(self, keep: BoolArray) -> FloatArray:
        """The clip with some units absent.

        Parameters
        ----------
        keep : ndarray, shape (n_coalitions, n_units), bool
            True = present.

        Returns
        -------
        ndarray, shape (n_coalitions, n_samples), float32
            One matrix product; where every unit is kept, the clip itself, bit for bit.  May
            overshoot [-1, 1] where units that cancel each other are separated.
        """
        keep = checked_keep(keep, len(self))
        mixed = keep.astype(np.float32) @ self.parts
        mixed[keep.all(axis=1)] = self.waveform
        return mixed
