"""Speech taken apart and put together again by the WORLD vocoder (extra ``synth``).

References
----------
.. [1] M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis
   system for real-time applications", IEICE Trans. Information and Systems E99-D(7), 2016.
.. [2] IEC 61672-1:2013, "Electroacoustics - Sound level meters", annex E.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.typing import BoolArray, FloatArray

FRAME_S = 0.005
_F0_HZ = (60.0, 600.0)  # of speech
TILT_FROM_HZ = 50.0  # below, a tilt does not go on
TILT_AROUND_HZ = 1000.0


@lru_cache(maxsize=1)
def load_world() -> ModuleType:
    """WORLD's compiled module, without running ``pyworld/__init__.py``.

    That file asks ``pkg_resources`` for its own version, and setuptools dropped it in release 82.

    Raises
    ------
    MissingExtraError
        ``pyworld`` is not installed.
    """
    package = importlib.util.find_spec("pyworld")
    folders = package.submodule_search_locations if package else None
    spec = importlib.machinery.PathFinder.find_spec("pyworld.pyworld", folders) if folders else None
    if spec is None or spec.loader is None:
        raise MissingExtraError("the WORLD vocoder", "synth")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, kw_only=True, eq=False)
class Voice:
    """What WORLD hears in speech, every 5 ms.

    Parameters
    ----------
    f0_hz : ndarray, shape (n_frames,), Hz
        0 where unvoiced.
    log_envelope : ndarray, shape (n_frames, n_bins)
        Natural logarithm of the power envelope, bins equally spaced from 0 Hz.
    aperiodicity : ndarray, shape (n_frames, n_bins), values in [0, 1]
    sample_rate : int, Hz
    n_samples : int
    """

    f0_hz: FloatArray
    log_envelope: FloatArray
    aperiodicity: FloatArray
    sample_rate: int
    n_samples: int

    @property
    def voiced(self) -> BoolArray:
        """Frames with a pitch, shape (n_frames,)."""
        return self.f0_hz > 0

    @classmethod
    def of(cls, samples: FloatArray, *, sample_rate: int) -> Voice:
        """Take speech apart.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
        sample_rate : int, Hz
        """
        world = load_world()
        samples = np.ascontiguousarray(samples, dtype=np.float64)
        coarse, times = world.harvest(samples, sample_rate, *_F0_HZ, frame_period=FRAME_S * 1000)
        f0_hz = world.stonemask(samples, coarse, times, sample_rate)
        envelope = world.cheaptrick(samples, f0_hz, times, sample_rate)
        return cls(
            f0_hz=f0_hz,
            log_envelope=np.log(envelope + 1e-16),
            aperiodicity=world.d4c(samples, f0_hz, times, sample_rate),
            sample_rate=sample_rate,
            n_samples=samples.size,
        )

    def samples(self, *, lead_frames: int = 0) -> FloatArray:
        """Put the speech together again, shape (n_samples,), float64.

        Parameters
        ----------
        lead_frames : int
            Frames made before the first one and dropped.  WORLD draws its noise from one fixed
            sequence, so that another number gives other noise (and other phases of the pitch) of
            the same speech.
        """

        def led(frames: FloatArray, value: float) -> FloatArray:
            lead = np.full((lead_frames, *frames.shape[1:]), value)
            return np.ascontiguousarray(np.concatenate([lead, frames]))

        made = load_world().synthesize(
            led(self.f0_hz, 0.0),
            np.exp(led(self.log_envelope, np.log(1e-16))),
            led(self.aperiodicity, 1.0),
            self.sample_rate,
            frame_period=FRAME_S * 1000,
        )[round(lead_frames * FRAME_S * self.sample_rate) :]
        made = np.pad(made, (0, max(0, self.n_samples - made.size)))[: self.n_samples]
        return np.asarray(made, dtype=np.float64)

    def with_f0(self, *, semitones: float = 0.0, range_factor: float = 1.0) -> Voice:
        """Pitch higher by semitones, its movements around their mean (in semitones) stretched.

        Raises
        ------
        InputError
            Nothing is voiced.
        """
        if not self.voiced.any():
            raise InputError("no frame is voiced; expected speech with a pitch to change")
        pitch_st = 12 * np.log2(self.f0_hz[self.voiced])
        changed_st = pitch_st.mean() + range_factor * (pitch_st - pitch_st.mean()) + semitones
        f0_hz = self.f0_hz.copy()
        f0_hz[self.voiced] = 2 ** (changed_st / 12)
        return replace(self, f0_hz=f0_hz)

    def with_jitter(self, percent: float, *, seed: int = 0) -> Voice:
        """Pitch of each frame multiplied by 1 + a random share (standard deviation in per cent)."""
        random = np.random.default_rng(seed).normal(0.0, percent / 100, self.f0_hz.size)
        return replace(self, f0_hz=self.f0_hz * (1 + random))

    def with_tilt(self, db_per_octave: float) -> Voice:
        """Spectrum turned around 1 kHz; level changes with it."""
        bins_hz = np.linspace(0.0, self.sample_rate / 2, self.log_envelope.shape[1])
        tilt = tilt_db(bins_hz, db_per_octave) * np.log(10) / 10
        return replace(self, log_envelope=self.log_envelope + tilt)

    def with_breathiness(self, share: float) -> Voice:
        """A share of what is periodic turned into noise, 0 to 1."""
        if not 0 <= share <= 1:
            raise InputError(f"breathiness is {share}; expected 0 to 1")
        aperiodicity = self.aperiodicity + share * (1.0 - self.aperiodicity)
        return replace(self, aperiodicity=aperiodicity)

    def with_tempo(self, factor: float) -> Voice:
        """Speech faster by a factor at the same pitch; its length changes."""
        if not factor > 0:
            raise InputError(f"tempo factor is {factor}; expected above 0")
        n_frames = max(2, round((self.f0_hz.size - 1) / factor) + 1)
        position = np.linspace(0.0, self.f0_hz.size - 1, n_frames)
        low = np.minimum(position.astype(int), self.f0_hz.size - 2)
        share = (position - low)[:, None]

        def at(frames: FloatArray) -> FloatArray:
            return np.asarray(frames[low] * (1 - share) + frames[low + 1] * share)

        voiced = np.flatnonzero(self.voiced)
        f0_hz = np.zeros(n_frames)
        if voiced.size:
            pitch = np.interp(position, voiced, np.log(self.f0_hz[voiced]))
            f0_hz = np.where(self.voiced[np.round(position).astype(int)], np.exp(pitch), 0.0)
        return replace(
            self,
            f0_hz=f0_hz,
            log_envelope=at(self.log_envelope),
            aperiodicity=at(self.aperiodicity),
            n_samples=round(self.n_samples / factor),
        )


def tilt_db(hz: FloatArray, db_per_octave: float) -> FloatArray:
    """Gain of a spectral tilt in dB: straight over octaves, 0 dB at 1 kHz, level below 50 Hz.

    Parameters
    ----------
    hz : ndarray, shape (n_bins,), Hz
    db_per_octave : float
    """
    return db_per_octave * np.log2(np.maximum(hz, TILT_FROM_HZ) / TILT_AROUND_HZ)


def a_weighted_db(samples: FloatArray, *, sample_rate: int) -> float:
    """A-weighted root mean square of a clip in dB below full scale, equations E.1 and E.6 of [2]_.

    Raises
    ------
    InputError
        Nothing sounds.
    """
    squared = np.fft.rfftfreq(len(samples), 1 / sample_rate) ** 2
    weight = (12194.217**2 * squared**2) / (
        (squared + 20.598997**2)
        * np.sqrt((squared + 107.65265**2) * (squared + 737.86223**2))
        * (squared + 12194.217**2)
    )
    power = np.abs(np.fft.rfft(samples) * weight) ** 2
    mean_square = 2 * float(power.sum()) / len(samples) ** 2  # both halves of the spectrum
    if not mean_square > 0:
        raise InputError("nothing sounds (silence); expected speech to edit")
    return 10 * float(np.log10(mean_square)) + 2.0  # 0 dB at 1 kHz
