"""Cells of time and frequency that add up to the clip: frequency bands, each cut into windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cuelens.audio import Audio
from cuelens.typing import BoolArray, FloatArray
from cuelens.units.components import Components, Unit, checked_keep
from cuelens.units.frequency_bands import FrequencyBands
from cuelens.units.time_windows import TimeComponents, TimeWindows, window_gain


@dataclass(frozen=True, kw_only=True)
class TimeFrequencyCells:
    """Every frequency band in every time window.

    Parameters
    ----------
    bands : FrequencyBands
    windows : TimeWindows

    Notes
    -----
    A cell is a band's signal multiplied by a window's gain: neighbours in time share the windows'
    cross-fade, neighbours in frequency the bin on their boundary.  Cells are ordered by band, the
    lowest first, and by time within a band.
    """

    bands: FrequencyBands = field(default_factory=FrequencyBands)
    windows: TimeWindows = field(default_factory=TimeWindows)

    def n_units(self, duration_s: float) -> int:
        """Number of cells of a clip of that duration."""
        return self.bands.n_units(duration_s) * self.windows.n_units(duration_s)

    def decompose(self, audio: Audio) -> CellComponents:
        """The clip as cells that add up to it, to within rounding (below 1e-6)."""
        return crossed(self.bands.decompose(audio), self.windows.decompose(audio))


def crossed(bands: Components, windows: TimeComponents) -> CellComponents:
    """Every band of a clip, cut into windows; named by both."""
    units = tuple(
        Unit(
            name=f"{band.name}, {window.name}",
            low_hz=band.low_hz,
            high_hz=band.high_hz,
            start_s=window.start_s,
            end_s=window.end_s,
        )
        for band in bands.units
        for window in windows.units
    )
    return CellComponents(
        units=units, bands=bands.parts, waveform=bands.waveform, sample_rate=bands.sample_rate
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CellComponents:
    """Cells of a clip; holds one signal a band, however many windows there are.

    Parameters
    ----------
    units : tuple of Unit
        All windows of the lowest band, then all of the next.
    bands : ndarray, shape (n_bands, n_samples), float32
        Their sum is the clip, to within rounding.
    waveform : ndarray, shape (n_samples,), float32
        The clip itself.
    sample_rate : int, Hz
    """

    units: tuple[Unit, ...]
    bands: FloatArray
    waveform: FloatArray
    sample_rate: int

    def __len__(self) -> int:
        return len(self.units)

    def mix(self, keep: BoolArray) -> FloatArray:
        """The clip with some cells silent.

        Parameters
        ----------
        keep : ndarray, shape (n_coalitions, n_units), bool
            True = present.

        Returns
        -------
        ndarray, shape (n_coalitions, n_samples), float32
            Where every cell is kept, the clip itself, bit for bit.
        """
        keep = checked_keep(keep, len(self))
        by_band = keep.reshape(len(keep), len(self.bands), -1)
        ends = [round(unit.end_s * self.sample_rate) for unit in self.units[: by_band.shape[2]]]
        ends[-1] = self.waveform.size
        mixed = np.zeros((len(keep), self.waveform.size), dtype=np.float32)
        for band, own in zip(self.bands, by_band.transpose(1, 0, 2), strict=True):
            mixed += window_gain(own, ends, sample_rate=self.sample_rate) * band
        mixed[keep.all(axis=1)] = self.waveform
        return mixed
