"""Frequency bands that add up to the clip: masks on the short-time spectrum, original phase.

The inverse short-time Fourier transform is linear.  With masks that sum to one in every bin, the
K band signals therefore sum to the clip, are computed once, and every one of the 2^K versions of
the clip with bands missing is a sum of them.  Nothing is synthesised and no phase is guessed.

References
----------
.. [1] J. Allen, L. Rabiner, "A unified approach to short-time Fourier analysis and synthesis",
   Proc. IEEE 65(11), 1977.
.. [2] H. Traunmueller, "Analytical expressions for the tonotopic sensory scale", JASA 88, 1990.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import scipy.signal

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.features.log_mel import hz_to_mel, mel_to_hz
from cuelens.typing import FloatArray
from cuelens.units.components import Components, Unit

Scale = Literal["mel", "linear", "bark", "octave"]

WINDOW_S = 0.064
_LOWEST_OCTAVE_HZ = 62.5


@dataclass(frozen=True, kw_only=True)
class FrequencyBands:
    """Neighbouring frequency bands from 0 Hz to half the sample rate.

    Parameters
    ----------
    n_bands : int, 2 to 64
    scale : {"mel", "linear", "bark", "octave"}
        Scale on which the bands are equally wide.  ``"mel"`` is Slaney's, so that 8 bands are the 8
        groups of 16 mel bins of EmoLIME.  ``"octave"`` halves downwards from half the sample rate;
        with more bands than fit above 62.5 Hz, it takes equal fractions of an octave above 62.5 Hz.

    Notes
    -----
    Masks act on a short-time spectrum with a Hann window of 64 ms (rounded to a power of two) and a
    quarter of it as hop.  A frequency bin on a boundary is shared in proportion to its overlap.
    """

    n_bands: int = 8
    scale: Scale = "mel"

    def __post_init__(self) -> None:
        if self.scale not in get_args(Scale):
            raise InputError(
                f"band scale is {self.scale!r}; expected one of {', '.join(get_args(Scale))}"
            )
        if not isinstance(self.n_bands, int | np.integer) or not 2 <= self.n_bands <= 64:
            raise InputError(f"n_bands is {self.n_bands}; expected 2 to 64")

    def n_units(self, duration_s: float) -> int:
        """Number of bands, of a clip of any duration."""
        return self.n_bands

    def edges_hz(self, sample_rate: int) -> FloatArray:
        """Boundaries of the bands in Hz, shape (n_bands + 1,), from 0 to ``sample_rate / 2``."""
        top = sample_rate / 2
        if self.scale == "octave":
            lowest = max(top / 2.0 ** (self.n_bands - 1), _LOWEST_OCTAVE_HZ)
            edges = np.concatenate([[0.0], np.geomspace(lowest, top, self.n_bands)])
        elif self.scale == "linear":
            edges = np.linspace(0.0, top, self.n_bands + 1)
        elif self.scale == "mel":
            edges = mel_to_hz(np.linspace(0.0, float(hz_to_mel(top)), self.n_bands + 1))
        else:
            barks = np.linspace(_hz_to_bark(0.0), _hz_to_bark(top), self.n_bands + 1)
            edges = _bark_to_hz(barks)
        edges[0], edges[-1] = 0.0, top  # exactly, whatever the scale's arithmetic rounds to
        return edges

    def decompose(self, audio: Audio) -> Components:
        """The clip as ``n_bands`` signals that add up to it.

        Returns
        -------
        Components
            ``parts`` has shape (n_bands, n_samples); their sum differs from the clip by rounding
            only (below 1e-6).
        """
        edges_hz = self.edges_hz(audio.sample_rate)
        transform = short_time_transform(audio.sample_rate)
        n_samples = audio.samples.size
        spectrum = transform.stft(audio.samples.astype(np.float64))
        parts = np.empty((self.n_bands, n_samples), dtype=np.float32)
        for part, mask in zip(parts, band_masks(transform.f, edges_hz), strict=True):
            part[:] = transform.istft(spectrum * mask[:, None], k1=n_samples)
        units = tuple(
            Unit(
                name=f"{low:.0f}–{high:.0f} Hz",
                low_hz=float(low),
                high_hz=float(high),
                start_s=0.0,
                end_s=audio.duration_s,
            )
            for low, high in pairwise(edges_hz)
        )
        return Components(
            units=units, parts=parts, waveform=audio.samples, sample_rate=audio.sample_rate
        )


def short_time_transform(sample_rate: int) -> scipy.signal.ShortTimeFFT:
    """The invertible short-time Fourier transform that units are cut from."""
    n_window = 2 ** round(np.log2(WINDOW_S * sample_rate))
    window = scipy.signal.get_window("hann", n_window)
    return scipy.signal.ShortTimeFFT(window, hop=n_window // 4, fs=sample_rate)


def band_masks(bins_hz: FloatArray, edges_hz: FloatArray) -> FloatArray:
    """Share of each frequency bin that lies in each band.

    Parameters
    ----------
    bins_hz : ndarray, shape (n_bins,)
        Equally spaced bin centres from 0 Hz; a bin reaches half a step to both sides.
    edges_hz : ndarray, shape (n_bands + 1,)

    Returns
    -------
    ndarray, shape (n_bands, n_bins), values in [0, 1], every column sums to 1
    """
    half_step = (bins_hz[1] - bins_hz[0]) / 2
    low = np.clip(bins_hz - half_step, edges_hz[0], edges_hz[-1])
    high = np.clip(bins_hz + half_step, edges_hz[0], edges_hz[-1])
    overlap = np.minimum(high, edges_hz[1:, None]) - np.maximum(low, edges_hz[:-1, None])
    return np.maximum(overlap, 0.0) / (high - low)


def _hz_to_bark(hz: float) -> float:
    return 26.81 * hz / (1960.0 + hz) - 0.53


def _bark_to_hz(bark: FloatArray) -> FloatArray:
    return 1960.0 * (bark + 0.53) / (26.28 - bark)
