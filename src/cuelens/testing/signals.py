"""Signals with known content."""

from __future__ import annotations

import numpy as np

from cuelens.typing import FloatArray


def noise(
    *, duration_s: float = 1.0, sample_rate: int = 16_000, level: float = 0.1, seed: int = 0
) -> FloatArray:
    """White Gaussian noise with standard deviation ``level``, clipped to [-1, 1], float32."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, level, round(duration_s * sample_rate))
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def tone(
    frequency_hz: float,
    *,
    duration_s: float = 1.0,
    sample_rate: int = 16_000,
    level: float = 0.5,
) -> FloatArray:
    """A sine with amplitude ``level``, float32."""
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def speech_like(
    *,
    f0_hz: float = 120.0,
    duration_s: float = 1.0,
    sample_rate: int = 16_000,
    tilt_db_per_octave: float = -9.0,
    seed: int = 0,
) -> FloatArray:
    """Harmonics that fall off, switched on and off four times a second, over faint noise.

    Parameters
    ----------
    f0_hz : float, Hz
    tilt_db_per_octave : float
        Level of the harmonics against frequency.

    Returns
    -------
    ndarray, shape (n_samples,), float32, peak 0.5
    """
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    harmonics = np.arange(1, int(0.45 * sample_rate / f0_hz) + 1)
    gain = 10 ** (tilt_db_per_octave * np.log2(harmonics) / 20)
    voice = (gain[:, None] * np.sin(2 * np.pi * f0_hz * harmonics[:, None] * time_s)).sum(axis=0)
    syllables = 0.5 - 0.5 * np.cos(2 * np.pi * 4.0 * time_s)
    samples = voice * syllables
    samples = 0.5 * samples / np.abs(samples).max()
    faint = np.random.default_rng(seed).normal(0.0, 1e-3, samples.size)
    return (samples + faint).astype(np.float32)
