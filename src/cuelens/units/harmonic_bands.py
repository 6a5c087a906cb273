"""Harmonics of the voice in groups, and what is not harmonic: parts that add up to the clip.

The fundamental frequency F0 is tracked by openSMILE; a comb around its multiples shares every bin
of the short-time spectrum between a group of harmonics and what is not harmonic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.features.opensmile import OpenSmile
from cuelens.typing import FloatArray
from cuelens.units.components import Components
from cuelens.units.frequency_bands import short_time_transform
from cuelens.units.harmonic_percussive import whole_clip

NOT_HARMONIC = "not harmonic"
_F0 = "F0semitoneFrom27.5Hz_sma3nz"
_F0_FRAME_S = 0.06  # rows every 10 ms, of frames of 60 ms
_F0_STEP_S = 0.01
_TOP = 1 / 6  # of the distance of two harmonics: the comb is 1 as near as this,
_FOOT = 1 / 3  # and 0 from here


@dataclass(frozen=True, kw_only=True)
class HarmonicBands:
    """Groups of harmonics, from low to high, and last what is not harmonic.

    Parameters
    ----------
    first : tuple of int
        The first harmonic of each group; 1 is the fundamental.  By default 1, 2 to 4, 5 to 10 and
        all above.

    Notes
    -----
    Where F0 is f, a tooth of the comb is 1 up to f/6 from a multiple of f, 0 from f/3, and half a
    raised cosine between.  Unvoiced frames are not harmonic; high up in voiced frames, noise that
    falls on a tooth counts as harmonic, as the comb cannot tell.  Where F0 is tracked an octave
    off, groups are shifted by an octave.
    """

    first: tuple[int, ...] = (1, 2, 5, 11)

    def __post_init__(self) -> None:
        if self.first[:1] != (1,) or any(a >= b for a, b in pairwise(self.first)):
            raise InputError(
                f"groups begin with the harmonics {self.first}; expected 1 and then higher ones"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """What the groups are called."""
        names = []
        for low, above in pairwise(self.first):
            if above > low + 1:
                names.append(f"harmonics {low}–{above - 1}")
            else:
                names.append("fundamental" if low == 1 else f"harmonic {low}")
        return (*names, f"harmonics from {self.first[-1]}", NOT_HARMONIC)

    def n_units(self, duration_s: float) -> int:
        """Number of groups and one, of a clip of any duration."""
        return len(self.first) + 1

    def decompose(self, audio: Audio) -> Components:
        """The clip as signals that add up to it, to within rounding (below 1e-6)."""
        transform = short_time_transform(audio.sample_rate)
        n_samples = audio.samples.size
        spectrum = transform.stft(audio.samples.astype(np.float64))
        f0_hz = f0_at(audio, transform.t(n_samples))
        masks = comb_masks(transform.f, f0_hz, self.first)
        parts = np.empty((len(masks), n_samples), dtype=np.float32)
        for part, mask in zip(parts, masks, strict=True):
            part[:] = transform.istft(spectrum * mask, k1=n_samples)
        units = tuple(whole_clip(name, audio) for name in self.names)
        return Components(
            units=units, parts=parts, waveform=audio.samples, sample_rate=audio.sample_rate
        )


def f0_at(audio: Audio, times_s: FloatArray) -> FloatArray:
    """Fundamental frequency in Hz at given times; 0 where the nearest frame is unvoiced.

    Returns
    -------
    ndarray, shape (n_times,), float64
        Interpolated in semitones between voiced frames of openSMILE (eGeMAPSv02).
    """
    frames = OpenSmile().low_level_descriptors(audio.samples, sample_rate=audio.sample_rate)
    semitones = frames[_F0].to_numpy(dtype=np.float64)
    centres_s = _F0_FRAME_S / 2 + _F0_STEP_S * np.arange(len(semitones))
    voiced = semitones > 0
    if not voiced.any():
        return np.zeros(len(times_s))
    nearest = np.clip(np.round((times_s - centres_s[0]) / _F0_STEP_S), 0, len(semitones) - 1)
    between = np.interp(times_s, centres_s[voiced], semitones[voiced])
    return np.where(voiced[nearest.astype(int)], 27.5 * 2 ** (between / 12), 0.0)


def comb_masks(bins_hz: FloatArray, f0_hz: FloatArray, first: tuple[int, ...]) -> FloatArray:
    """Share of each bin that belongs to each group of harmonics, and to none.

    Parameters
    ----------
    bins_hz : ndarray, shape (n_bins,)
    f0_hz : ndarray, shape (n_frames,)
        0 where unvoiced.
    first : tuple of int
        First harmonic of each group.

    Returns
    -------
    ndarray, shape (len(first) + 1, n_bins, n_frames), values in [0, 1], sum to 1 in every bin
    """
    ratio = bins_hz[:, None] / np.where(f0_hz > 0, f0_hz, np.inf)
    harmonic = np.round(ratio)
    away = np.abs(ratio - harmonic)
    fall = np.clip((away - _TOP) / (_FOOT - _TOP), 0.0, 1.0)
    tooth = np.where(harmonic >= 1, 0.5 + 0.5 * np.cos(np.pi * fall), 0.0)
    group = np.searchsorted(first, harmonic, side="right") - 1
    masks = np.stack([np.where(group == index, tooth, 0.0) for index in range(len(first))])
    return np.concatenate([masks, [1.0 - tooth]])
