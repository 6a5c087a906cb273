"""What a dose did to the sound, measured on the sound itself and not by the vocoder.

Pitch is openSMILE's, on the frames that it finds voiced both in the recording and in the edited
clip.  The harmonics-to-noise ratio is that of the autocorrelation [1]_ at the period which the
recording has there, because breathy voice is soon taken for unvoiced.  The spectrum's slope is
a least-squares line through the change of third octaves from 315 Hz to 4 kHz.

References
----------
.. [1] P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
   harmonics-to-noise ratio of a sampled sound", Proc. Institute of Phonetic Sciences 17, 1993.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.signal
import scipy.stats

from cuelens.errors import InputError
from cuelens.features import OpenSmile
from cuelens.typing import BoolArray, FloatArray

SEMITONE_REFERENCE_HZ = 27.5  # openSMILE counts semitones from A0
_PITCH = "F0semitoneFrom27.5Hz_sma3nz"
_MIN_FRAMES = 5  # of 10 ms, voiced in both
_MOST_FRAMES = 1000  # of a line through pitch: all pairs of them are compared
_THIRDS = np.arange(-5, 7) / 3  # octaves from 1 kHz, lower edges
_WITHIN_ST = 1.0
_PITCH_CENTRE_S = 0.03  # openSMILE's frames of pitch last 60 ms
_HOP_S = 0.01
_HARMONICITY_S = 0.05
_FINER = 4  # lags between samples, because periods are
_LEAST_R = 1e-3  # of autocorrelation: 30 dB either way
_SPECTRUM_S = 0.05  # length of the windows whose spectra are averaged


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """A sound as openSMILE hears it; nothing is computed before it is asked for.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,), values in [-1, 1]
    sample_rate : int, Hz
    """

    samples: FloatArray
    sample_rate: int

    @cached_property
    def pitch_st(self) -> FloatArray:
        """Semitones above 27.5 Hz every 10 ms, 0 where unvoiced, shape (n_frames,)."""
        try:
            found = OpenSmile().low_level_descriptors(self.samples, sample_rate=self.sample_rate)
        except InputError:  # too short
            return np.zeros(0)
        return found[_PITCH].to_numpy(np.float64)

    def harmonicity_db(self, pitch_st: FloatArray) -> float:
        """Mean harmonics-to-noise ratio in dB of voiced frames, given their pitch.

        Parameters
        ----------
        pitch_st : ndarray, shape (n_frames,)
            As of ``pitch_st``; 0 where unvoiced.

        Returns
        -------
        float
            NaN where fewer than 5 frames are voiced.
        """
        n = round(_HARMONICITY_S * self.sample_rate)
        window = np.hanning(n)
        of_window = _autocorrelation(window)
        ratios = []
        for frame in np.flatnonzero(pitch_st > 0):
            centre = round((frame * _HOP_S + _PITCH_CENTRE_S) * self.sample_rate)
            part = self.samples[max(0, centre - n // 2) : centre - n // 2 + n].astype(np.float64)
            period = self.sample_rate / (SEMITONE_REFERENCE_HZ * 2 ** (pitch_st[frame] / 12))
            if len(part) < n or period > n / 2:
                continue
            found = _autocorrelation((part - part.mean()) * window)
            if found[0] <= 0:
                continue
            lags = np.arange(int(0.95 * _FINER * period), int(1.05 * _FINER * period) + 2)
            r = float((found[lags] / found[0] / (of_window[lags] / of_window[0])).max())
            r = min(max(r, _LEAST_R), 1 - _LEAST_R)
            ratios.append(10 * np.log10(r / (1 - r)))
        return float(np.mean(ratios)) if len(ratios) >= _MIN_FRAMES else float("nan")


def measured_dose(cue: str, before: Heard, after: Heard) -> float:
    """By how much a cue of a sound differs from that of another, in the unit it is dosed in.

    Parameters
    ----------
    cue : str
        Key of ``CUE_DOSES``.
    before, after : Heard
        The same part without and with the edit.

    Returns
    -------
    float
        Median change of pitch in semitones; Theil-Sen slope of one pitch against the other; ratio
        of lengths; dB of the root mean square; dB/octave; change of the mean harmonics-to-noise
        ratio in dB.  NaN where fewer than 5 frames of 10 ms are voiced.
    """
    if cue == "tempo":
        return len(before.samples) / len(after.samples)
    if cue == "level":
        return _rms_db(after.samples) - _rms_db(before.samples)
    if cue == "tilt":
        return _slope_db_per_octave(before, after)
    if cue == "breathiness":
        return after.harmonicity_db(before.pitch_st) - before.harmonicity_db(before.pitch_st)
    both = _voiced_in_both(before, after)
    if np.count_nonzero(both) < _MIN_FRAMES:
        return float("nan")
    old, new = before.pitch_st[: both.size][both], after.pitch_st[: both.size][both]
    if cue == "f0-level":
        return float(np.median(new - old))
    if np.ptp(old) == 0:
        return float("nan")
    few = np.linspace(0, old.size - 1, min(old.size, _MOST_FRAMES)).astype(int)
    return float(scipy.stats.theilslopes(new[few], old[few]).slope)


def pitch_agreement(recording: Heard, *, f0_hz: FloatArray, hop_s: float) -> float:
    """Share of openSMILE's voiced frames in which another pitch is the same to a semitone.

    Parameters
    ----------
    recording : Heard
    f0_hz : ndarray, shape (n_frames,), Hz
        Pitch every ``hop_s``; 0 where unvoiced.
    hop_s : float, s

    Returns
    -------
    float
        NaN where openSMILE finds nothing voiced.
    """
    pitch_st = recording.pitch_st
    voiced = np.flatnonzero(pitch_st > 0)
    if not voiced.size:
        return float("nan")
    at = np.round((voiced * _HOP_S + _PITCH_CENTRE_S) / hop_s).astype(int)
    other = f0_hz[np.minimum(at, len(f0_hz) - 1)]
    other_st = 12 * np.log2(np.maximum(other, 1e-3) / SEMITONE_REFERENCE_HZ)
    return float((np.abs(other_st - pitch_st[voiced]) <= _WITHIN_ST).mean())


def _voiced_in_both(before: Heard, after: Heard) -> BoolArray:
    n = min(before.pitch_st.size, after.pitch_st.size)
    return np.asarray((before.pitch_st[:n] > 0) & (after.pitch_st[:n] > 0))


def _autocorrelation(samples: FloatArray) -> FloatArray:
    """At lags of quarters of a sample, shape (4 * n_samples,)."""
    spectrum = np.fft.rfft(samples, 2 * len(samples))
    finer = np.fft.irfft(np.abs(spectrum) ** 2, 2 * len(samples) * _FINER)
    return np.asarray(finer[: len(samples) * _FINER])


def _rms_db(samples: FloatArray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


def _slope_db_per_octave(before: Heard, after: Heard) -> float:
    rate = before.sample_rate
    octaves = _THIRDS[rate / 2 >= 1000 * 2 ** (_THIRDS + 1 / 3)]
    levels = []
    for heard in (before, after):
        n = min(len(heard.samples), round(_SPECTRUM_S * rate))
        hz, power = scipy.signal.welch(heard.samples.astype(np.float64), rate, nperseg=n)
        bands = [
            power[(hz >= low_hz) & (hz < low_hz * 2 ** (1 / 3))].sum()
            for low_hz in 1000 * 2**octaves
        ]
        levels.append(10 * np.log10(np.array(bands) + 1e-20))
    return float(np.polyfit(octaves, levels[1] - levels[0], 1)[0])
