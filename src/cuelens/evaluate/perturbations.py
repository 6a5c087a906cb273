"""Changes of a clip that should not matter: noise, shifts, codecs, a telephone.

References
----------
.. [1] ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988 (mu-law).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import scipy.signal

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    pass

CodecName = Literal["mp3", "ogg"]


_SUBTYPES: dict[CodecName, str] = {"mp3": "MPEG_LAYER_III", "ogg": "VORBIS"}


_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


_BLOCK = 4096  # samples: libsndfile's Vorbis encoder crashes on very long blocks


_LONGEST_DELAY_S = 0.2


_TELEPHONE_HZ = (300.0, 3400.0)


_SLOPE_HZ = 20.0  # half the width of the filter's slope, which lies within the band


@dataclass(frozen=True, kw_only=True, eq=False)
class Perturbed:
    """A changed clip.

    Parameters
    ----------
    audio : Audio
        As long as the clip; scaled down where the change overshot full scale, as its notes say.
    shift_s : float, s
        How much later the sound is than in the clip.
    delay_s : float, s
        Delay of a codec, which has been undone.
    """

    audio: Audio
    shift_s: float = 0.0
    delay_s: float = 0.0


class Perturbation(Protocol):
    """A change that should not matter."""

    @property
    def name(self) -> str: ...

    def apply(self, audio: Audio, *, seed: Sequence[int] = (0,)) -> Perturbed:
        """The changed clip; the same seed gives the same bytes."""
        ...


@dataclass(frozen=True, kw_only=True)
class WhiteNoise:
    """White Gaussian noise.

    Parameters
    ----------
    snr_db : float, dB
        Energy of the clip over that of the noise, exactly.
    """

    snr_db: float = 40.0

    @property
    def name(self) -> str:
        return f"noise {self.snr_db:g} dB"

    def apply(self, audio: Audio, *, seed: Sequence[int] = (0,)) -> Perturbed:
        samples = audio.samples.astype(np.float64)
        noise = np.random.default_rng(list(seed)).standard_normal(samples.size)
        gain = np.sqrt((samples @ samples) / (noise @ noise) / 10 ** (self.snr_db / 10))
        return Perturbed(audio=_changed(audio, samples + gain * noise, self.name))


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The sound moved in time, zeros in its place; what is moved beyond the end is lost.

    Parameters
    ----------
    shift_s : float, s
        Above 0: later.  Rounded to whole samples.
    """

    shift_s: float = 0.005

    @property
    def name(self) -> str:
        return f"{abs(self.shift_s) * 1000:g} ms {'later' if self.shift_s > 0 else 'earlier'}"

    def apply(self, audio: Audio, *, seed: Sequence[int] = (0,)) -> Perturbed:
        n = round(self.shift_s * audio.sample_rate)
        samples = _moved(audio.samples, n, audio.samples.size)
        return Perturbed(audio=_changed(audio, samples, self.name), shift_s=n / audio.sample_rate)


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Encoded and decoded in memory by libsndfile, at its default quality.

    Parameters
    ----------
    codec : {"mp3", "ogg"}
        MPEG-1/2 layer III, or Vorbis.  Of 16 kHz speech they keep some 50 to 55 kbit/s.
    """

    codec: CodecName = "mp3"

    def __post_init__(self) -> None:
        if self.codec not in get_args(CodecName):
            raise InputError(
                f"codec is {self.codec!r}; expected one of {', '.join(get_args(CodecName))}"
            )

    @property
    def name(self) -> str:
        return self.codec

    def apply(self, audio: Audio, *, seed: Sequence[int] = (0,)) -> Perturbed:
        rate = audio.sample_rate
        if self.codec == "mp3" and rate not in _MP3_RATES:
            rate = min((known for known in _MP3_RATES if known > rate), default=_MP3_RATES[-1])
        sent = _resampled(audio.samples, audio.sample_rate, rate)
        received = through_codec(sent, rate, file_format=self.codec, subtype=_SUBTYPES[self.codec])
        return _received(audio, _resampled(received, rate, audio.sample_rate), self.name)


@dataclass(frozen=True, kw_only=True)
class Telephone:
    """A telephone line: 8 kHz, 300 to 3400 Hz, 8 bits of G.711 mu-law [2]_, and back."""

    @property
    def name(self) -> str:
        return "telephone"

    def apply(self, audio: Audio, *, seed: Sequence[int] = (0,)) -> Perturbed:
        low, high = _TELEPHONE_HZ
        band = scipy.signal.firwin(
            1025, [low + _SLOPE_HZ, high - _SLOPE_HZ], pass_zero=False, fs=8000, window="hamming"
        )
        narrow = _resampled(audio.samples, audio.sample_rate, 8000)
        narrow = scipy.signal.oaconvolve(narrow, band)[512 : 512 + narrow.size]
        peak = max(1.0, float(np.abs(narrow).max(initial=0.0)))
        line = peak * through_codec(narrow / peak, 8000, file_format="wav", subtype="ULAW")
        return _received(audio, _resampled(line, 8000, audio.sample_rate), self.name)


PERTURBATIONS: tuple[Perturbation, ...] = (
    WhiteNoise(),
    Shift(shift_s=0.005),
    Shift(shift_s=-0.005),
    Codec(codec="mp3"),
    Codec(codec="ogg"),
    Telephone(),
)


def through_codec(
    samples: FloatArray, sample_rate: int, *, file_format: str, subtype: str
) -> FloatArray:
    """Samples encoded and decoded by libsndfile, shape (n_decoded,), float32."""
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", samplerate=sample_rate, channels=1, format=file_format, subtype=subtype
    ) as file:
        for first in range(0, len(samples), _BLOCK):
            file.write(np.asarray(samples[first : first + _BLOCK], dtype=np.float32))
    buffer.seek(0)
    decoded: FloatArray = soundfile.read(buffer, dtype="float32")[0]
    return decoded


def delay_of(decoded: FloatArray, original: FloatArray, *, longest: int) -> int:
    """By how many samples a signal comes later than another: where their correlation peaks.

    Parameters
    ----------
    decoded, original : ndarray, shape (n_samples,), of any two lengths
    longest : int
        Delays of more samples, in either direction, are not looked for.
    """
    correlation = scipy.signal.correlate(decoded, original, method="fft")
    lags = scipy.signal.correlation_lags(len(decoded), len(original))
    near = np.abs(lags) <= longest
    return int(lags[near][correlation[near].argmax()])


def _received(audio: Audio, samples: FloatArray, name: str) -> Perturbed:
    """What came out of a codec, in step with what went in and as long."""
    longest = round(_LONGEST_DELAY_S * audio.sample_rate)
    delay = delay_of(samples, audio.samples, longest=longest)
    in_step = _moved(samples, -delay, audio.samples.size)
    return Perturbed(audio=_changed(audio, in_step, name), delay_s=delay / audio.sample_rate)


def _moved(samples: FloatArray, n: int, length: int) -> FloatArray:
    """Samples moved n later, cut or padded with zeros to a length."""
    moved = np.zeros(length, dtype=samples.dtype)
    kept = samples[max(0, -n) :][: max(0, length - max(0, n))]
    moved[max(0, n) : max(0, n) + len(kept)] = kept
    return moved


def _changed(audio: Audio, samples: FloatArray, name: str) -> Audio:
    notes = [*audio.notes, name]
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1.0:
        samples = np.clip(samples / peak, -1.0, 1.0)
        notes.append(f"scaled by {1 / peak:.3f} because {name} overshot full scale")
    return Audio(
        samples=samples,
        sample_rate=audio.sample_rate,
        source=f"{audio.source} ({name})",
        start_s=audio.start_s,
        notes=tuple(notes),
    )


def _resampled(samples: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    if from_rate == to_rate:
        return samples
    import soxr

    resampled: FloatArray = soxr.resample(samples, from_rate, to_rate, quality="VHQ")
    return resampled
