"""What stands where a unit is removed.

Silence is a sound too, and one that a model may never have heard in the middle of a clip: an answer
that falls may fall because of the hole [1]_.  Here a removed unit can be replaced by the same unit
of another sound.  Units are linear, so a clip with some units replaced is the sum of what is kept
of the clip and of what is taken from the other sound, exactly.

References
----------
.. [1] S. Hooker et al., "A benchmark for interpretability methods in deep neural networks",
   NeurIPS 2019.
.. [2] W. Samek et al., "Evaluating the visualization of what a deep neural network has learned",
   IEEE Trans. Neural Networks and Learning Systems 28(11), 2017 (noise and blur instead of black).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.typing import BoolArray, FloatArray
from cuelens.units import Parts, Unit
from cuelens.units.components import checked_keep
from cuelens.units.frequency_bands import short_time_transform

Fill = Literal["silence", "mean spectrum", "noise"]
FILLS: tuple[Fill, ...] = get_args(Fill)


class Units(Protocol):
    """A way to take a clip apart."""

    def decompose(self, audio: Audio, /) -> Parts: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Filled:
    """The parts of a clip, each with another part that stands in its place when it is removed.

    Parameters
    ----------
    components : Parts
        Of the clip.
    filler : Parts
        Of another sound of the same length, in the same units.
    level : float
        What the other sound is multiplied by.
    """

    components: Parts
    filler: Parts
    level: float = 1.0

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units of the clip."""
        return self.components.units

    @property
    def waveform(self) -> FloatArray:
        """The clip itself, shape (n_samples,), float32."""
        return self.components.waveform

    @property
    def sample_rate(self) -> int:
        """Rate of the clip, Hz."""
        return self.components.sample_rate

    def __len__(self) -> int:
        return len(self.components)

    def mix(self, keep: BoolArray) -> FloatArray:
        """The clip with some units replaced.

        Parameters
        ----------
        keep : ndarray, shape (n_coalitions, n_units), bool
            True = of the clip.

        Returns
        -------
        ndarray, shape (n_coalitions, n_samples), float32
            Where every unit is kept, the clip itself, bit for bit.
        """
        keep = checked_keep(keep, len(self))
        mixed = self.components.mix(keep) + np.float32(self.level) * self.filler.mix(~keep)
        mixed[keep.all(axis=1)] = self.waveform
        return mixed


def filled(
    units: Units,
    audio: Audio,
    fill: Fill,
    *,
    spectrum: FloatArray | None = None,
    seed: int = 0,
) -> Parts:
    """A clip taken apart, with something in place of what is removed.

    Parameters
    ----------
    units : FrequencyBands, TimeWindows or TimeFrequencyCells
    audio : Audio
    fill : {"silence", "mean spectrum", "noise"}
        See :func:`filler`.
    spectrum : ndarray, shape (n_bins,), or None
        For ``"mean spectrum"``, as :func:`mean_spectrum` returns it; None takes the clip's own.
    seed : int
        Of what is random in the filler.

    Raises
    ------
    InputError
        No such fill, or the spectrum is of another sample rate.
    """
    components = units.decompose(audio)
    if checked_fill(fill) == "silence":
        return components
    sound = filler(audio, fill, spectrum=spectrum, seed=seed)
    peak = float(np.abs(sound).max())
    scaled = Audio(samples=sound / peak, sample_rate=audio.sample_rate, source=fill)
    return Filled(components=components, filler=units.decompose(scaled), level=peak)


def checked_fill(fill: str) -> Fill:
    """The fill, if it is one; anything else is an InputError."""
    for known in FILLS:
        if fill == known:
            return known
    raise InputError(f"fill is {fill!r}; expected one of {', '.join(FILLS)}")


def filler(
    audio: Audio, fill: Fill, *, spectrum: FloatArray | None = None, seed: int = 0
) -> FloatArray:
    """A sound to take units from, as long and (but for silence) as loud as the clip.

    Parameters
    ----------
    audio : Audio
    fill : {"silence", "mean spectrum", "noise"}
        ``"silence"``: nothing.  ``"mean spectrum"``: every moment has the mean power spectrum, with
        the clip's own short-time phase, so that neither loudness nor timbre changes over time.
        ``"noise"``: Gaussian noise with the clip's own mean power spectrum.
    spectrum : ndarray, shape (n_bins,), or None
        The mean power spectrum; None takes the clip's own.  Not used by ``"noise"``.
    seed : int
        Of the noise, whose phase is also taken where the clip is digital silence and has none.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        May exceed full scale.

    Notes
    -----
    Short-time phase is not free of content: with the mean spectrum, some of the clip's pitch and
    rhythm can still be heard.  With noise they cannot.
    """
    if checked_fill(fill) == "silence":
        return np.zeros(audio.samples.size)
    transform = short_time_transform(audio.sample_rate)
    samples = audio.samples.astype(np.float64)
    n_samples = samples.size
    rng = np.random.default_rng(seed)
    clip = transform.stft(samples)
    white = transform.stft(rng.standard_normal(n_samples))
    own = np.square(np.abs(clip)).mean(axis=1)
    if fill == "noise":
        sound = transform.istft(white * np.sqrt(own)[:, None], k1=n_samples)
    else:
        mean = own if spectrum is None else np.asarray(spectrum, dtype=np.float64)
        if mean.shape != own.shape:
            raise InputError(
                f"the mean spectrum has shape {mean.shape}; expected {own.shape}, that of clips at "
                f"{audio.sample_rate} Hz: resample the corpus to the model's rate"
            )
        with_phase = np.where(clip == 0, white, clip)  # digital silence has none
        phase = with_phase / np.abs(with_phase)
        sound = transform.istft(np.sqrt(mean)[:, None] * phase, k1=n_samples)
    rms = np.sqrt(np.square(sound).mean())
    if rms == 0:
        raise InputError(
            "the mean spectrum is 0 everywhere; expected one of clips, from mean_spectrum"
        )
    return sound * (np.sqrt(np.square(samples).mean()) / rms)


def mean_spectrum(clips: Iterable[Audio]) -> FloatArray:
    """Mean power spectrum of clips, every clip counting the same however loud it is.

    Parameters
    ----------
    clips : iterable of Audio
        Of one sample rate.

    Returns
    -------
    ndarray, shape (n_bins,), float64
        Adds up to 1.

    Raises
    ------
    InputError
        No clips, or of several sample rates.
    """
    total: FloatArray | None = None
    for audio in clips:
        spectrum = short_time_transform(audio.sample_rate).stft(audio.samples.astype(np.float64))
        power = np.square(np.abs(spectrum)).mean(axis=1)
        power /= power.sum()
        if total is not None and total.shape != power.shape:
            raise InputError(
                f"{audio.source} is at {audio.sample_rate} Hz and clips before it are not; "
                "expected one sample rate: resample them"
            )
        total = power if total is None else total + power
    if total is None:
        raise InputError("no clips to take the mean spectrum of; expected at least one")
    return total / total.sum()
