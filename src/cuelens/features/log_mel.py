"""Log-mel spectrograms in NumPy, equal to librosa's.

Definitions
-----------
The short-time Fourier transform uses a periodic Hann window of ``win_length`` samples, padded with
zeros to ``n_fft`` and centred on multiples of ``hop_length`` (the clip is padded with
``n_fft // 2`` zeros on both sides).  The mel scale is Slaney's: linear below 1 kHz, logarithmic
above; each triangular filter is scaled to unit area, unless ``mel_norm`` is None.

References
----------
.. [1] M. Slaney, "Auditory Toolbox", Interval Research Technical Report 1998-010.
.. [2] B. McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft
import scipy.signal

from cuelens.typing import FloatArray

_HZ_PER_MEL = 200.0 / 3  # Slaney's scale below its break point
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: FloatArray | float) -> FloatArray:
    """Slaney mels of frequencies in Hz."""
    hz = np.asarray(hz, dtype=np.float64)
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: FloatArray | float) -> FloatArray:
    """Frequencies in Hz of Slaney mels; inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


MelNorm = Literal["slaney"] | None


@lru_cache(maxsize=16)
def mel_filters(
    *, sample_rate: int, n_fft: int, n_mels: int, norm: MelNorm = "slaney"
) -> FloatArray:
    """Triangular mel filters from 0 Hz to half the sample rate.

    With unit area (``"slaney"``), or with unit height (None).

    Returns
    -------
    ndarray, shape (n_mels, n_fft // 2 + 1), float32, read-only
    """
    bins_hz = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    edges_hz = mel_to_hz(np.linspace(0.0, hz_to_mel(sample_rate / 2), n_mels + 2))
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        triangles *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    filters = triangles.astype(np.float32)
    filters.setflags(write=False)
    return filters


@lru_cache(maxsize=16)
def _window(win_length: int) -> FloatArray:
    return np.asarray(scipy.signal.get_window("hann", win_length, fftbins=True))


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-mel spectrogram in dB below the loudest cell of the clip.

    Parameters
    ----------
    sample_rate : int, Hz
    n_fft, win_length, hop_length : int, samples
        The defaults are those of Nasr, Ren & Johnson (arXiv 2511.11691).
    n_mels : int
    top_db : float, dB
        Values further below the maximum are raised to ``-top_db``.
    mel_norm : {"slaney", None}
        Filters of unit area or of unit height.
    """

    sample_rate: int = 16_000
    n_fft: int = 1024
    win_length: int = 480
    hop_length: int = 240
    n_mels: int = 128
    top_db: float = 80.0
    mel_norm: MelNorm = "slaney"

    def power(self, waveforms: FloatArray) -> FloatArray:
        """Mel power of equally long waveforms.

        Parameters
        ----------
        waveforms : ndarray, shape (..., n_samples), float

        Returns
        -------
        ndarray, shape (..., n_mels, 1 + n_samples // hop_length), float32
        """
        waveforms = np.asarray(waveforms, dtype=np.float32)
        half = self.n_fft // 2
        padded = np.pad(waveforms, [(0, 0)] * (waveforms.ndim - 1) + [(half, half)])
        # One by one: frames and spectra of many waveforms at once would not fit into the cache.
        n_frames = 1 + waveforms.shape[-1] // self.hop_length
        powers = np.empty((*waveforms.shape[:-1], self.n_mels, n_frames), dtype=np.float32)
        for place in np.ndindex(waveforms.shape[:-1]):
            powers[place] = self._power(padded[place])
        return powers

    def _power(self, padded: FloatArray) -> FloatArray:
        """Mel power of one waveform with half a frame of zeros on either side."""
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)
        # The window is 0 outside its middle: leaving that out changes phases, not the power.
        first = (self.n_fft - self.win_length) // 2
        frames = frames[:: self.hop_length, first : first + self.win_length]
        # In double precision, as librosa does: quiet cells beside loud ones would be rounded away.
        spectrum = scipy.fft.rfft(frames * _window(self.win_length), self.n_fft, axis=-1)
        energy = spectrum.real**2
        energy += spectrum.imag**2
        filters = mel_filters(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            norm=self.mel_norm,
        )
        return (energy.astype(np.float32) @ filters.T).T

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Log-mel spectrograms of equally long waveforms.

        Parameters
        ----------
        waveforms : ndarray, shape (..., n_samples), float

        Returns
        -------
        ndarray, shape (..., n_mels, n_frames), float32, dB in [-top_db, 0]
            0 is the loudest cell of each waveform.  Silence is 0 everywhere, as in librosa.
        """
        power = np.maximum(self.power(waveforms), 1e-10)
        db = 10.0 * np.log10(power)
        db -= db.max(axis=(-1, -2), keepdims=True)
        return np.maximum(db, -self.top_db)

    def frame_times_s(self, n_frames: int) -> FloatArray:
        """Centre of each frame in seconds, shape (n_frames,)."""
        return np.arange(n_frames) * (self.hop_length / self.sample_rate)

    def band_edges_hz(self) -> FloatArray:
        """Boundaries of the mel bins in Hz, shape (n_mels + 1,), 0 to half the rate."""
        centres = np.linspace(0.0, hz_to_mel(self.sample_rate / 2), self.n_mels + 2)
        inner = (centres[1:-2] + centres[2:-1]) / 2
        return np.concatenate([[0.0], mel_to_hz(inner), [self.sample_rate / 2]])
