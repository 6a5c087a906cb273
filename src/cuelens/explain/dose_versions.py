"""Versions of a clip that differ in the dose of one cue, over all of it or over one part.

Every version is made from the recording's own waveform, so that the dose that changes nothing gives
the recording, sample by sample:

- pitch and tempo: periods of the voice are moved, repeated or left out (TD-PSOLA, see
  ``cuelens.overlap_add``); where they lie is found with WORLD's pitch;
- level: a factor; tilt: a filter without delay, straight in dB over octaves, 0 dB at 1 kHz;
- breathiness: a share of the power replaced by noise of the same spectrum and level from moment to
  moment, made by WORLD from the clip with nothing periodic left.

Outside the part, a version is the recording; 10 ms of raised cosines join the two.  The part keeps
its A-weighted level, unless level is what is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cuelens.errors import InputError
from cuelens.explain.cue_doses import CueDoses
from cuelens.overlap_add import Periods
from cuelens.typing import FloatArray
from cuelens.vocoder import FRAME_S, Voice, a_weighted_db, tilt_db

FADE_S = 0.01
MAX_SHIFT_S = 0.005
SNR_DB = 40.0
_TILT_PADDING_S = 0.1


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
        The recording taken apart; None where no cue needs its pitch.
    """

    samples: FloatArray
    sample_rate: int
    first: int
    last: int
    voice: Voice | None = None

    def edited(self, cue: CueDoses, dose: float, *, lead_frames: int = 0) -> FloatArray:
        """The recording with a dose of a cue in the part, shape (n,), float64.

        Beyond [-1, 1] where it is too loud: scale all versions that are compared alike.

        Parameters
        ----------
        cue : CueDoses
        dose : float
        lead_frames : int
            Another number gives other breath noise; see ``Voice.samples``.

        Raises
        ------
        InputError
            Pitch is changed where nothing is voiced, or the part is silent.
        """
        recording = self.samples.astype(np.float64)
        if dose == cue.identity:
            return recording
        if cue.name == "level":
            return self._joined(recording, recording * 10 ** (dose / 20))
        changed = self._changed(cue.name, dose, lead_frames)
        stretch = len(changed) / len(recording)
        part = changed[round(self.first * stretch) : round(self.last * stretch)]
        gain_db = self._db(recording[self.first : self.last]) - self._db(part)
        return self._joined(recording, changed * 10 ** (gain_db / 20))

    def _changed(self, cue: str, dose: float, lead_frames: int) -> FloatArray:
        """All of the recording with a dose, at whatever level."""
        if cue == "tilt":
            return self._tilted(dose)
        if cue == "breathiness":
            return self._breathy(dose, lead_frames)
        if cue == "tempo":
            return self._periods.resynthesised(tempo=dose)
        periods = self._periods
        middles = (periods.marks[:-1] + periods.marks[1:]) / 2
        inside = periods.voiced & (middles >= self.first) & (middles < self.last)
        if not inside.any():
            raise InputError("nothing is voiced; expected speech with a pitch to change")
        if cue == "f0-level":
            return periods.resynthesised(pitch=2 ** (dose / 12))
        pitch_st = 12 * np.log2(np.where(periods.voiced, periods.f0_hz, 1.0))
        mean_st = np.average(pitch_st[inside], weights=np.diff(periods.marks)[inside])
        return periods.resynthesised(pitch=2 ** ((dose - 1) * (pitch_st - mean_st) / 12))

    @cached_property
    def _periods(self) -> Periods:
        return Periods.of(
            self.samples, sample_rate=self.sample_rate, f0_hz=self._voice.f0_hz, hop_s=FRAME_S
        )

    @property
    def _voice(self) -> Voice:
        if self.voice is None:
            raise InputError("the voice is not known; expected a voice for cues of pitch")
        return self.voice

    def _tilted(self, db_per_octave: float) -> FloatArray:
        n_padded = len(self.samples) + round(_TILT_PADDING_S * self.sample_rate)
        hz = np.fft.rfftfreq(n_padded, 1 / self.sample_rate)
        gain = 10 ** (tilt_db(hz, db_per_octave) / 20)
        spectrum = np.fft.rfft(self.samples, n_padded) * gain
        return np.asarray(np.fft.irfft(spectrum, n_padded)[: len(self.samples)])

    def _breathy(self, share: float, lead_frames: int) -> FloatArray:
        breath = self._voice.with_breathiness(1.0).samples(lead_frames=lead_frames)
        gain_db = self._db(self.samples) - self._db(breath)
        breath = breath * 10 ** (gain_db / 20)
        return np.asarray(np.sqrt(1 - share) * self.samples + np.sqrt(share) * breath)

    def part_of(self, version: FloatArray) -> FloatArray:
        """The part of a version, whose length is that of the recording unless tempo changed."""
        return version[self.first : len(version) - (len(self.samples) - self.last)]

    def _db(self, samples: FloatArray) -> float:
        return a_weighted_db(samples, sample_rate=self.sample_rate)

    def _joined(self, around: FloatArray, inside: FloatArray) -> FloatArray:
        """``inside``, all of the clip, in place of the part; it may be longer or shorter."""
        stretch = len(inside) / len(around)
        start, stop = round(self.first * stretch), round(self.last * stretch)
        reach = round(FADE_S / 2 * self.sample_rate)
        rising = 0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * reach) + 0.5) / (2 * reach))
        pieces: list[FloatArray] = []
        if min(self.first, start) >= reach:
            old = around[self.first - reach : self.first + reach]
            new = inside[start - reach : start + reach]
            pieces += [around[: self.first - reach], old * (1 - rising) + new * rising]
            start += reach
        else:
            start = 0
        if min(len(around) - self.last, len(inside) - stop) >= reach:
            old = around[self.last - reach : self.last + reach]
            new = inside[stop - reach : stop + reach]
            pieces += [inside[start : stop - reach], new * (1 - rising) + old * rising]
            pieces.append(around[self.last + reach :])
        else:
            pieces.append(inside[start:])
        return np.concatenate(pieces)


def disturbed(samples: FloatArray, *, sample_rate: int, random: np.random.Generator) -> FloatArray:
    """Moved by up to 5 ms either way, with white noise 40 dB below; shape (n_samples,), float64.

    What is moved beyond an end is lost; zeros take its place.
    """
    reach = round(MAX_SHIFT_S * sample_rate)
    shift = int(random.integers(-reach, reach + 1))
    moved = np.zeros(len(samples))
    moved[max(0, shift) : len(samples) + min(0, shift)] = samples[
        max(0, -shift) : len(samples) - max(0, shift)
    ]
    noise = random.standard_normal(len(samples))
    level = float(np.sqrt(np.mean(samples**2) / np.mean(noise**2))) * 10 ** (-SNR_DB / 20)
    return moved + level * noise
