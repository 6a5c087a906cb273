"""Time windows that add up to the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.typing import BoolArray, FloatArray
from cuelens.units.components import Unit, checked_keep

FADE_S = 0.005


@dataclass(frozen=True, kw_only=True)
class TimeWindows:
    """Neighbouring windows of equal length.

    Parameters
    ----------
    window_s : float, 0.03 to 10 s
        The default is the 150 ms of Nasr, Ren & Johnson.  What is left over at the end is a
        window of its own where it is half as long or more, and else belongs to the last.

    Notes
    -----
    Neighbours share a cross-fade of 5 ms around their boundary, raised cosines that add up to one,
    so that leaving a window out makes no click.
    """

    window_s: float = 0.15

    def __post_init__(self) -> None:
        if not 0.03 <= self.window_s <= 10.0:
            raise InputError(f"window_s is {self.window_s} s; expected 0.03 to 10 s")

    def n_units(self, duration_s: float) -> int:
        """Number of windows of a clip of that duration."""
        return max(1, int(np.floor(duration_s / self.window_s + 0.5)))

    def edges_s(self, duration_s: float) -> FloatArray:
        """Boundaries of the windows of a clip in seconds, shape (n_windows + 1,)."""
        edges_s = np.arange(self.n_units(duration_s) + 1) * self.window_s
        edges_s[-1] = duration_s
        return edges_s

    def decompose(self, audio: Audio) -> TimeComponents:
        """The clip as windows that add up to it, to within rounding."""
        edges_s = self.edges_s(audio.duration_s)
        units = tuple(
            Unit(
                name=f"{start:.2f}–{end:.2f} s",
                low_hz=0.0,
                high_hz=audio.sample_rate / 2,
                start_s=float(start),
                end_s=float(end),
            )
            for start, end in pairwise(edges_s)
        )
        return TimeComponents(units=units, waveform=audio.samples, sample_rate=audio.sample_rate)


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeComponents:
    """Windows of a clip; holds the clip once, however many windows there are.

    Parameters
    ----------
    units : tuple of Unit
        Neighbours, from the start of the clip to its end.
    waveform : ndarray, shape (n_samples,), float32
    sample_rate : int, Hz
    """

    units: tuple[Unit, ...]
    waveform: FloatArray
    sample_rate: int

    def __len__(self) -> int:
        return len(self.units)

    @cached_property
    def _ends(self) -> list[int]:
        return [round(unit.end_s * self.sample_rate) for unit in self.units]

    def mix(self, keep: BoolArray) -> FloatArray:
        """The clip with some windows silent.

        Parameters
        ----------
        keep : ndarray, shape (n_coalitions, n_units), bool
            True = present.

        Returns
        -------
        ndarray, shape (n_coalitions, n_samples), float32
            Where every window is kept, the clip itself, bit for bit.
        """
        keep = checked_keep(keep, len(self))
        ends = [*self._ends[:-1], self.waveform.size]
        return window_gain(keep, ends, sample_rate=self.sample_rate) * self.waveform


def window_gain(keep: BoolArray, ends: Sequence[int], *, sample_rate: int) -> FloatArray:
    """What each sample is multiplied by where some windows are absent.

    Parameters
    ----------
    keep : ndarray, shape (n_coalitions, n_windows), bool
        True = present.
    ends : sequence of int, length n_windows
        First sample after each window; the last is the number of samples.
    sample_rate : int, Hz

    Returns
    -------
    ndarray, shape (n_coalitions, n_samples), float32, values in [0, 1]
        Raised cosines of 5 ms around every boundary, shorter where a window is shorter than that,
        so that a fade ends in the middle of a window at the latest; gains of complementary rows
        add up to 1.
    """
    lengths = np.diff([0, *ends])
    gain = np.repeat(keep.astype(np.float32), lengths, axis=1)
    longest = round(FADE_S * sample_rate / 2)
    for unit, end in enumerate(ends[:-1]):
        reach = min(longest, int(lengths[unit]) // 2, int(lengths[unit + 1]) // 2)
        if reach == 0:
            continue
        rising = 0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * reach) + 0.5) / (2 * reach))
        before = keep[:, unit, None].astype(np.float32)
        after = keep[:, unit + 1, None].astype(np.float32)
        gain[:, end - reach : end + reach] = before + (after - before) * rising.astype(np.float32)
    return gain
