"""Edits of real speech whose place is known.

An edited clip and the clip it was made from differ inside the place and nowhere else: a band of
frequencies, a moment, or both.  Whole-clip edits change one acoustic cue through the WORLD vocoder
[1]_ (extra ``synth``); for those, the untouched clip goes through the vocoder too, so that the
vocoder itself is no cue.

References
----------
.. [1] M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis
   system for real-time applications", IEICE Trans. Information and Systems E99-D(7), 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cuelens.audio import Audio
from cuelens.typing import FloatArray
from cuelens.units import FrequencyBands
from cuelens.vocoder import Voice

N_BANDS = 8
"""Places in frequency are bands of `FrequencyBands` in mel."""

MOMENT_S = (0.15, 0.30)
"""Shortest and longest place in time, s."""

FADE_S = 0.01
_QUIET_DB = -25.0  # below the loudest moment: nothing is said there


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an edit is: Hz, and seconds of the clip."""

    low_hz: float
    high_hz: float
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class PlacedEdit:
    """An edit inside a place.

    Parameters
    ----------
    name : str
    kind : {"band", "moment", "cell"}
        What is bounded: frequency, time, or both.
    change : callable
        From samples (n_samples,), the part of them that lies in the place's band, the sample rate
        and a random generator to the samples as they are inside the moment.
    """

    name: str
    kind: str
    change: Callable[[FloatArray, FloatArray, int, np.random.Generator], FloatArray]

    def place(self, audio: Audio, *, band: int | None, rng: np.random.Generator) -> Place:
        """Draw a place: the given band, and for moments a time at which something is said."""
        low_hz, high_hz = 0.0, audio.sample_rate / 2
        if band is not None:
            edges_hz = FrequencyBands(n_bands=N_BANDS).edges_hz(audio.sample_rate)
            low_hz, high_hz = float(edges_hz[band]), float(edges_hz[band + 1])
        start_s, end_s = 0.0, audio.duration_s
        if self.kind != "band":
            start_s, end_s = spoken_moment(audio, rng)
        return Place(low_hz=low_hz, high_hz=high_hz, start_s=start_s, end_s=end_s)

    def apply(self, audio: Audio, place: Place, rng: np.random.Generator) -> FloatArray:
        """The edited clip, shape (n_samples,), float32; outside the place it is the clip."""
        inside = _band(audio, place)
        changed = self.change(audio.samples.astype(np.float64), inside, audio.sample_rate, rng)
        if self.kind == "band":
            return changed.astype(np.float32)
        gate = _gate(audio, place)
        return (audio.samples + gate * (changed - audio.samples)).astype(np.float32)


def _band(audio: Audio, place: Place) -> FloatArray:
    """The clip's part between the place's frequencies; the clip where it has no bounds."""
    edges_hz = FrequencyBands(n_bands=N_BANDS).edges_hz(audio.sample_rate)
    band = int(np.argmin(np.abs(edges_hz - place.low_hz)))
    if place.high_hz >= audio.sample_rate / 2 and place.low_hz <= 0:
        return audio.samples.astype(np.float64)
    parts = FrequencyBands(n_bands=N_BANDS).decompose(audio).parts
    return parts[band].astype(np.float64)


def _gate(audio: Audio, place: Place) -> FloatArray:
    """1 inside the moment, 0 outside, raised cosines of 10 ms inside its ends."""
    time_s = (np.arange(audio.samples.size) + 0.5) / audio.sample_rate
    rise = np.clip((time_s - place.start_s) / FADE_S, 0.0, 1.0)
    fall = np.clip((place.end_s - time_s) / FADE_S, 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(rise, fall))


def spoken_moment(audio: Audio, rng: np.random.Generator) -> tuple[float, float]:
    """Start and end in s of a random moment of 150 to 300 ms that is not silent."""
    length_s = float(min(rng.uniform(*MOMENT_S), 0.8 * audio.duration_s))
    n = round(length_s * audio.sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(audio.samples.astype(np.float64) ** 2)])
    power = energy[n:] - energy[:-n]
    starts = np.flatnonzero(power >= power.max() * 10 ** (_QUIET_DB / 10))
    start_s = float(rng.choice(starts)) / audio.sample_rate
    return start_s, start_s + length_s


def _gain(gain_db: float) -> Callable[..., FloatArray]:
    factor = 10 ** (gain_db / 20) - 1

    def louder(
        samples: FloatArray, inside: FloatArray, sample_rate: int, rng: np.random.Generator
    ) -> FloatArray:
        return samples + factor * inside

    return louder


def _noise(snr_db: float) -> Callable[..., FloatArray]:
    def noisy(
        samples: FloatArray, inside: FloatArray, sample_rate: int, rng: np.random.Generator
    ) -> FloatArray:
        # Gaussian noise with the spectrum of what is there: its spectrum with random phase.
        spectrum = np.abs(np.fft.rfft(inside))
        # Smoothed over 200 Hz: the noise reaches 100 Hz beyond its band.
        width = max(1, round(200.0 * len(inside) / sample_rate))
        smooth = np.sqrt(np.convolve(spectrum**2, np.ones(width) / width, mode="same"))
        white = np.fft.rfft(rng.normal(size=len(inside)))
        noise = np.fft.irfft(white * smooth, len(inside))
        level = np.sqrt(np.mean(inside**2)) / max(np.sqrt(np.mean(noise**2)), 1e-12)
        return samples + noise * level * 10 ** (-snr_db / 20)

    return noisy


def _raised_f0(semitones: float) -> Callable[..., FloatArray]:
    def raised(
        samples: FloatArray, inside: FloatArray, sample_rate: int, rng: np.random.Generator
    ) -> FloatArray:
        voice = Voice.of(samples, sample_rate=sample_rate)
        return voice.with_f0(semitones=semitones).samples()

    return raised


EDITS: Mapping[str, PlacedEdit] = MappingProxyType(
    {
        edit.name: edit
        for edit in (
            PlacedEdit(name="band-gain", kind="band", change=_gain(12.0)),
            PlacedEdit(name="band-noise", kind="band", change=_noise(-6.0)),
            PlacedEdit(name="moment-gain", kind="moment", change=_gain(20.0)),
            PlacedEdit(name="moment-noise", kind="moment", change=_noise(-10.0)),
            PlacedEdit(name="moment-f0", kind="moment", change=_raised_f0(9.0)),
            PlacedEdit(name="cell-noise", kind="cell", change=_noise(-16.0)),
        )
    }
)
