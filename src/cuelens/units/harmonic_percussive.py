"""Harmonic, percussive and residual parts that add up to the clip.

Steady tones are lines along time in the spectrogram, clicks lines along frequency.  A median over
time keeps the first, a median over frequency the second [1]_; what neither explains is a residual
[2]_.

References
----------
.. [1] D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.
.. [2] J. Driedger, M. Müller, S. Disch, "Extending harmonic-percussive separation of audio
   signals", ISMIR 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.typing import FloatArray
from cuelens.units.components import Components, Unit
from cuelens.units.frequency_bands import short_time_transform

NAMES = ("harmonic", "percussive", "residual")


@dataclass(frozen=True, kw_only=True)
class HarmonicPercussive:
    r"""The harmonic, the percussive and the residual part of a clip.

    Parameters
    ----------
    kernel_s : float, s
        Length of the median over time; 200 ms, as Driedger et al. take.
    kernel_hz : float, Hz
        Length of the median over frequency; 500 Hz, as Driedger et al. take.
    separation : float, 1 or more
        How much stronger a part must be to be taken for harmonic or percussive; the higher, the
        more is residual.  With 1 nothing is.

    Notes
    -----
    With :math:`H` and :math:`P` the medians of the magnitudes and :math:`\beta` the separation,
    the masks are :math:`H^2 / (H^2 + \beta^2 P^2)`, :math:`P^2 / (P^2 + \beta^2 H^2)` and what
    is left to 1: soft, where Driedger et al. decide for one part in each bin (as in librosa with a
    margin).
    """

    kernel_s: float = 0.2
    kernel_hz: float = 500.0
    separation: float = 2.0

    def __post_init__(self) -> None:
        if not self.separation >= 1:
            raise InputError(f"separation is {self.separation}; expected 1 or more")
        if not (self.kernel_s > 0 and self.kernel_hz > 0):
            raise InputError(
                f"kernels are {self.kernel_s} s and {self.kernel_hz} Hz; expected more than 0"
            )

    def n_units(self, duration_s: float) -> int:
        """Three, of a clip of any duration."""
        return len(NAMES)

    def decompose(self, audio: Audio) -> Components:
        """The clip as three signals that add up to it, to within rounding (below 1e-6)."""
        transform = short_time_transform(audio.sample_rate)
        spectrum = transform.stft(audio.samples.astype(np.float64))
        masks = median_masks(
            np.abs(spectrum),
            n_times=_odd(self.kernel_s / transform.delta_t),
            n_bins=_odd(self.kernel_hz / transform.delta_f),
            separation=self.separation,
        )
        n_samples = audio.samples.size
        parts = np.empty((len(NAMES), n_samples), dtype=np.float32)
        for part, mask in zip(parts, masks, strict=True):
            part[:] = transform.istft(spectrum * mask, k1=n_samples)
        units = tuple(whole_clip(name, audio) for name in NAMES)
        return Components(
            units=units, parts=parts, waveform=audio.samples, sample_rate=audio.sample_rate
        )


def whole_clip(name: str, audio: Audio) -> Unit:
    """A unit that may be anywhere in the clip."""
    return Unit(
        name=name,
        low_hz=0.0,
        high_hz=audio.sample_rate / 2,
        start_s=0.0,
        end_s=audio.duration_s,
    )


def median_masks(
    magnitude: FloatArray, *, n_times: int, n_bins: int, separation: float
) -> FloatArray:
    """Masks of the harmonic, percussive and residual part.

    Parameters
    ----------
    magnitude : ndarray, shape (n_frequencies, n_frames)
    n_times, n_bins : int, odd
        Lengths of the medians.
    separation : float

    Returns
    -------
    ndarray, shape (3, n_frequencies, n_frames), float64, values in [0, 1]
        Sum to 1 in every bin; silence is residual.
    """
    harmonic = scipy.ndimage.median_filter(magnitude, size=(1, n_times), mode="reflect") ** 2
    percussive = scipy.ndimage.median_filter(magnitude, size=(n_bins, 1), mode="reflect") ** 2
    tiny = np.finfo(np.float64).tiny
    masks = np.zeros((3, *magnitude.shape))
    masks[0] = harmonic / np.maximum(harmonic + separation**2 * percussive, tiny)
    masks[1] = percussive / np.maximum(percussive + separation**2 * harmonic, tiny)
    masks[2] = np.maximum(1.0 - masks[0] - masks[1], 0.0)
    return masks


def _odd(length: float) -> int:
    return 2 * int(length / 2) + 1
