"""Making models deaf to the recording's level."""

from __future__ import annotations

import numpy as np

from cuelens.typing import FloatArray

SILENT_RMS = 10 ** (-110 / 20)  # below the quantisation noise of 16 bits: rounding, not sound
TARGET_RMS = 10 ** (-26 / 20)  # -26 dB below full scale, the level ITU-T P.56 tests speech at


def normalise_level(waveform: FloatArray) -> FloatArray:
    """Scale a waveform to a root mean square of -26 dB below full scale, then clip to [-1, 1].

    Parameters
    ----------
    waveform : ndarray, shape (..., n_samples), float
        Each along the last axis by itself.  What lies below -110 dB is silence, and becomes 0.

    Returns
    -------
    ndarray, same shape, float32
        Clipping touches only waveforms whose peak is more than 26 dB above their RMS.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    rms = np.sqrt(np.mean(np.square(waveform, dtype=np.float64), axis=-1, keepdims=True))
    sounds = rms > SILENT_RMS
    gain = np.where(sounds, TARGET_RMS / np.where(sounds, rms, 1.0), 0.0)
    return np.clip(waveform * gain, -1.0, 1.0).astype(np.float32)
