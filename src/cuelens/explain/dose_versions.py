"""Versions of a clip that differ in the dose of one cue, over all of it or over one part.

Outside the part, a version is the resynthesised clip without edit, sample by sample; 10 ms of
raised cosines join the two.  All versions have the A-weighted level of the recording, unless level
is what is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cuelens.explain.cue_doses import CueDoses
from cuelens.typing import BoolArray, FloatArray
from cuelens.vocoder import FRAME_S, Voice, a_weighted_db

FADE_S = 0.01
MAX_SHIFT_S = 0.005
SNR_DB = 40.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Versions:
    """Makes versions of one clip.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,), float
        The recording.
    sample_rate : int, Hz
    first, last : int
        The part in samples; ``last`` is exclusive.
    voice : Voice or None
        The recording taken apart; None where only the level is changed.
    """

    samples: FloatArray
    sample_rate: int
    first: int
    last: int
    voice: Voice | None = None
    _made: dict[int, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def identity(self, *, lead_frames: int = 0) -> FloatArray:
        """The recording resynthesised without edit, shape (n_samples,), float64."""
        if self.voice is None:
            return self.samples.astype(np.float64)
        if lead_frames not in self._made:
            made = self.voice.samples(lead_frames=lead_frames)
            gain_db = self._db(self.samples) - self._db(made)
            self._made[lead_frames] = made * 10 ** (gain_db / 20)
        return self._made[lead_frames]

    def edited(self, cue: CueDoses, dose: float, *, lead_frames: int = 0) -> FloatArray:
        """The recording with a dose of a cue in the part, shape (n,), float64.

        Beyond [-1, 1] where it is too loud: scale all versions that are compared alike.

        Raises
        ------
        InputError
            Pitch is changed where nothing is voiced, or silence where the level is to be kept.
        """
        untouched = self.identity(lead_frames=lead_frames)
        if cue.edit is None:
            return self._joined(untouched, untouched * 10 ** (dose / 20), 1.0)
        if dose == cue.identity or self.voice is None:
            return untouched
        changed = cue.edit(self.voice, dose, self._frames).samples(lead_frames=lead_frames)
        stretch = len(changed) / len(untouched)
        part = changed[round(self.first * stretch) : round(self.last * stretch)]
        gain_db = self._db(untouched[self.first : self.last]) - self._db(part)
        return self._joined(untouched, changed * 10 ** (gain_db / 20), stretch)

    def part_of(self, version: FloatArray) -> FloatArray:
        """The part of a version, whose length is that of the recording unless tempo changed."""
        return version[self.first : len(version) - (len(self.samples) - self.last)]

    @property
    def _frames(self) -> BoolArray:
        """Frames of the voice in the part, shape (n_frames,)."""
        n_frames = 0 if self.voice is None else self.voice.f0_hz.size
        at = np.arange(n_frames) * FRAME_S * self.sample_rate
        return np.asarray((at >= self.first) & (at < self.last))

    def _db(self, samples: FloatArray) -> float:
        return a_weighted_db(samples, sample_rate=self.sample_rate)

    def _joined(self, around: FloatArray, inside: FloatArray, stretch: float) -> FloatArray:
        """``inside``, which lasts ``stretch`` times as long, in place of the part."""
        start, stop = round(self.first * stretch), round(self.last * stretch)
        reach = round(FADE_S / 2 * self.sample_rate)
        rising = 0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * reach) + 0.5) / (2 * reach))
        pieces: list[FloatArray] = []
        if self.first >= reach:
            old = around[self.first - reach : self.first + reach]
            new = inside[start - reach : start + reach]
            pieces += [around[: self.first - reach], old * (1 - rising) + new * rising]
            start += reach
        else:
            start = 0
        if len(around) - self.last >= reach:
            old = around[self.last - reach : self.last + reach]
            new = inside[stop - reach : stop + reach]
            pieces += [inside[start : stop - reach], new * (1 - rising) + old * rising]
            pieces.append(around[self.last + reach :])
        else:
            pieces.append(inside[start:])
        return np.concatenate(pieces)


def perturbed(samples: FloatArray, *, sample_rate: int, seed: Sequence[int]) -> FloatArray:
    """Moved by up to 5 ms either way, with white noise 40 dB below; shape (n_samples,), float64.

    What is moved beyond an end is lost; zeros take its place.
    """
    random = np.random.default_rng(list(seed))
    reach = round(MAX_SHIFT_S * sample_rate)
    shift = int(random.integers(-reach, reach + 1))
    moved = np.zeros(len(samples))
    moved[max(0, shift) : len(samples) + min(0, shift)] = samples[
        max(0, -shift) : len(samples) - max(0, shift)
    ]
    noise = random.standard_normal(len(samples))
    level = float(np.sqrt(np.mean(samples**2) / np.mean(noise**2))) * 10 ** (-SNR_DB / 20)
    return moved + level * noise
