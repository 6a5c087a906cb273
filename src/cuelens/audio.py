"""Sound as every other part of the library sees it: mono, float32, checked."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cuelens.errors import CuelensWarning, InputError
from cuelens.sound_file import (
    LARGEST_SAMPLE,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    SoundFile,
    open_sound,
    too_long,
    truncated,
)
from cuelens.typing import FloatArray

MIN_DURATION_S = 0.05
SILENCE_PEAK = 1e-4  # -80 dB below full scale: three steps of 16-bit audio
LONGEST_CLIP_S = 1800.0
"""Longest clip that `load_audio` holds in memory by default, in s."""
LARGEST_CLIP = 100_000_000  # samples, at the file's rate and as asked for: 400 MB
LONGEST_PLAYER_S = 300.0  # ten megabytes at 16 kHz


def check_is_audio(given: object) -> None:
    """Refuse what is no clip, such as a path or an array.

    Raises
    ------
    InputError
        Another type than `Audio`.
    """
    if isinstance(given, Audio):
        return
    remedy = "Audio(samples=..., sample_rate=...)"
    if isinstance(given, str | Path):
        remedy = f'load_audio("{given}")'
    raise InputError(f"the clip is of type {type(given).__name__}; expected Audio: {remedy}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """A clip of sound.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,), float32, values in [-1, 1]
        Mono; made read-only.
    sample_rate : int, Hz
    source : str
        Path it was read from, or a name for sound made in memory.
    sha256 : str
        Of the file's bytes; of the samples where there is no file.  Filled in when left out.
    start_s : float, s
        Where the clip begins in the recording it is a part of.
    notes : tuple of str
        What was changed on the way in (resampled, downmixed, scaled), one short phrase each.

    Raises
    ------
    InputError
        Not one-dimensional, shorter than 50 ms, NaN or infinite, silent, or beyond [-1, 1].
    """

    samples: FloatArray
    sample_rate: int
    source: str = "array"
    sha256: str = ""
    start_s: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        samples = np.array(self.samples, dtype=np.float32)
        if samples.ndim != 1:
            raise InputError(
                f"{self.source}: samples have shape {samples.shape}; expected (n_samples,), mono: "
                "average the channels first"
            )
        if self.sample_rate <= 0 or int(self.sample_rate) != self.sample_rate:
            raise InputError(
                f"{self.source}: sample rate is {self.sample_rate}; expected a whole number of Hz"
            )
        if samples.size < MIN_DURATION_S * self.sample_rate:
            raise InputError(
                f"{self.source}: {samples.size / self.sample_rate * 1000:.1f} ms long; "
                f"expected at least {MIN_DURATION_S * 1000:.0f} ms of sound"
            )
        if not np.isfinite(samples).all():
            raise InputError(
                f"{self.source}: {np.count_nonzero(~np.isfinite(samples))} samples are NaN or "
                "infinite; expected finite values: export the recording again"
            )
        peak = float(np.abs(samples).max())
        if peak < SILENCE_PEAK:
            raise InputError(
                f"{self.source}: silent (peak {peak:.1e} of full scale); expected a peak above "
                f"{SILENCE_PEAK:.0e}: check the channel and the recording level"
            )
        if peak > 1.0:
            raise InputError(
                f"{self.source}: peak is {peak:.3g}; expected samples in [-1, 1]: divide by the "
                "peak, or by 32768 for 16-bit integers"
            )
        samples.setflags(write=False)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sample_rate", int(self.sample_rate))
        if not self.sha256:
            object.__setattr__(self, "sha256", hashlib.sha256(samples.tobytes()).hexdigest())

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.sample_rate

    def resample(self, sample_rate: int) -> Audio:
        """The clip at another sample rate (soxr, very high quality)."""
        if sample_rate == self.sample_rate:
            return self
        samples, notes = _resample(self.samples, self.sample_rate, sample_rate)
        return replace(self, samples=samples, sample_rate=sample_rate, notes=(*self.notes, *notes))

    def _repr_html_(self) -> str:
        """A player that carries the sound, for notebooks; the name of the file, not its folder."""
        name = html.escape(_without_folder(self.source))
        text = f"{name}, {self.duration_s:.2f} s, {self.sample_rate} Hz"
        if self.start_s:
            text += f", from {self.start_s:.2f} s of the recording"
        if self.duration_s > LONGEST_PLAYER_S:
            return f"<p>{text}: longer than {LONGEST_PLAYER_S / 60:.0f} minutes, no player</p>"
        url = data_url(wav_bytes(self), "audio/wav")
        return (
            '<figure class="cuelens-player" style="margin: 0 0 1em">'
            f"<figcaption>{text}</figcaption>"
            f'<audio controls preload="metadata" aria-label="{name}" src="{url}" '
            'style="width: 100%; max-width: 26em"></audio></figure>'
        )


def load_audio(
    path: str | Path,
    *,
    sample_rate: int | None = 16_000,
    start_s: float = 0.0,
    end_s: float | None = None,
    longest_s: float = LONGEST_CLIP_S,
) -> Audio:
    """Read a recording: any format of libsndfile, any rate, channels averaged to mono.

    Parameters
    ----------
    path : str or Path
    sample_rate : int or None, Hz
        Rate to resample to, 1 to 768 kHz; None keeps the file's own.
    start_s, end_s : float, s
        Part of the recording to read; to the end by default.
    longest_s : float, s
        Longest clip that is held in memory; longer recordings are for `cuelens timeline`.

    Returns
    -------
    Audio
        Its ``notes`` say what was changed: resampled, downmixed, scaled.

    Raises
    ------
    InputError
        Missing, empty, no file (a folder, a pipe, a device), not audio, truncated, a header that
        claims more than its bytes can hold, longer than `longest_s` or than 100 million samples,
        shorter than 50 ms, silent, or NaN: one line each.

    Warns
    -----
    CuelensWarning
        Samples beyond [-1, 1] were scaled to a peak of 1; up to 1 % of what the header promises is
        missing at the end.
    """
    with open_sound(path) as sound:
        rate = sound.sample_rate
        wanted = _checked_rate(sample_rate) if sample_rate is not None else rate
        first, last = _frame_range(sound, start_s, end_s)
        _refuse_long(sound.path, last - first, rate, wanted, longest_s)
        samples, heard = _mono(sound, first, last, wanted)
        if heard.peak > 1.0:  # known only now: scaled before anything else is done to it
            samples, _ = _mono(sound, first, last, wanted, divide_by=heard.peak)
        sha256 = sound.sha256()
    notes: list[str] = []
    if missing := last - first - heard.n_frames:
        if heard.n_frames < 0.99 * (last - first):
            raise InputError(truncated(sound.path, heard.n_frames, last - first, rate))
        notes.append(f"the last {missing / rate:.2f} s that the header promises could not be read")
        warnings.warn(f"{path}: {notes[-1]}", CuelensWarning, stacklevel=2)
    if heard.n_bad:
        raise InputError(
            f"{path}: {heard.n_bad} samples are NaN or infinite, or nearly so; expected finite "
            "values: export the recording again"
        )
    if heard.peak > 1.0:
        notes.append(
            f"scaled by {1 / heard.peak:.3f} because its peak was {heard.peak:.3f} of full scale"
        )
        warnings.warn(f"{path}: {notes[-1]}", CuelensWarning, stacklevel=2)
    if sound.n_channels > 1:
        notes.append(f"{sound.n_channels} channels averaged to mono")
    if wanted != rate and samples.size:
        samples, resampling_notes = _within_resampled(samples, rate, wanted)
        notes += resampling_notes
    return Audio(
        samples=samples,
        sample_rate=wanted,
        source=os.fsencode(path).decode("utf-8", "replace"),
        start_s=start_s,
        sha256=sha256,
        notes=tuple(notes),
    )


def _without_folder(source: str) -> str:
    """The name of the file and what was said of it: ``a.wav (tilt -4 dB/octave)``."""
    folder = re.match(r".*[/\\](?=[^/\\]+\.\w+(?: \(|$))", source)
    return source[folder.end() :] if folder else Path(source).name


def wav_bytes(audio: Audio) -> bytes:
    """A clip as 16-bit WAV: larger than FLAC, but browsers can start anywhere in it."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples, audio.sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def data_url(content: bytes, mime_type: str) -> str:
    """Bytes as a URL that carries them."""
    return f"data:{mime_type};base64,{base64.b64encode(content).decode('ascii')}"


def within_full_scale(samples: FloatArray) -> FloatArray:
    """Sound scaled down to a peak of 1 where it goes beyond, and left as it is where it does not.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,), float

    Returns
    -------
    ndarray, shape (n_samples,), float32, values in [-1, 1]
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak <= 1.0:
        return samples.astype(np.float32, copy=False)
    return np.clip((samples / peak).astype(np.float32), -1.0, 1.0)


class _Heard(NamedTuple):
    """What was seen of a clip while it was read."""

    n_frames: int
    n_bad: int
    peak: float


def _mono(
    sound: SoundFile, first: int, last: int, to_rate: int, *, divide_by: float = 1.0
) -> tuple[FloatArray, _Heard]:
    """Part of a file: scaled, channels averaged, resampled block by block."""
    import soxr

    resampler = None
    if to_rate != sound.sample_rate:
        resampler = soxr.ResampleStream(
            sound.sample_rate, to_rate, 1, dtype="float32", quality="VHQ"
        )
    parts, n_frames, n_bad, peak = [np.empty(0, np.float32)], 0, 0, 0.0
    for block in sound.blocks(first, last):
        n_frames += len(block)
        n_bad += int(np.count_nonzero(~(np.abs(block) < LARGEST_SAMPLE)))
        if n_bad:  # only counted from here on: the clip is refused
            continue
        peak = max(peak, float(np.abs(block).max()))
        scaled = block / divide_by if divide_by != 1.0 else block
        mono = scaled.mean(axis=1) if sound.n_channels > 1 else scaled[:, 0]
        parts.append(mono if resampler is None else resampler.resample_chunk(mono))
    if resampler is not None and n_frames and not n_bad:
        parts.append(resampler.resample_chunk(np.empty(0, np.float32), last=True))
    return np.concatenate(parts), _Heard(n_frames, n_bad, peak)


def _checked_rate(sample_rate: int) -> int:
    if not MIN_RATE_HZ <= sample_rate <= MAX_RATE_HZ or int(sample_rate) != sample_rate:
        raise InputError(
            f"sample rate is {sample_rate}; expected a whole number of Hz from {MIN_RATE_HZ} to "
            f"{MAX_RATE_HZ}"
        )
    return int(sample_rate)


def _refuse_long(path: Path, n_frames: int, rate: int, to_rate: int, longest_s: float) -> None:
    longest_s = min(longest_s, LARGEST_CLIP / max(rate, to_rate))
    if n_frames > longest_s * rate:
        raise InputError(too_long(path, n_frames / rate, longest_s))


def _frame_range(sound: SoundFile, start_s: float, end_s: float | None) -> tuple[int, int]:
    n_frames, rate = sound.n_frames, sound.sample_rate
    if math.isfinite(start_s) and math.isfinite(end_s or 0.0):
        first = round(start_s * rate)
        last = n_frames if end_s is None else round(end_s * rate)
        if 0 <= first < max(last, 1) and last <= n_frames + rate // 100:
            return first, min(last, n_frames)
    raise InputError(
        f"{sound.path}: asked for {start_s:g} to {'the end' if end_s is None else f'{end_s:g}'} s "
        f"of a recording of {sound.duration_s:.3f} s"
    )


def _resample(
    samples: FloatArray, from_rate: int, to_rate: int
) -> tuple[FloatArray, tuple[str, ...]]:
    import soxr

    resampled = soxr.resample(samples, from_rate, to_rate, quality="VHQ").astype(np.float32)
    return _within_resampled(resampled, from_rate, to_rate)


def _within_resampled(
    resampled: FloatArray, from_rate: int, to_rate: int
) -> tuple[FloatArray, tuple[str, ...]]:
    notes = [f"resampled from {from_rate} to {to_rate} Hz"]
    peak = float(np.abs(resampled).max(initial=0.0))
    if peak > 1.0:  # a full-scale recording overshoots between its samples
        resampled = resampled / np.float32(peak)
        notes.append(f"scaled by {1 / peak:.3f} because resampling overshot full scale")
        resampled = np.clip(resampled, -1.0, 1.0)
    return resampled, tuple(notes)
