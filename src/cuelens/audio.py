"""Sound as every other part of the library sees it: mono, float32, checked."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cuelens.errors import CuelensWarning, InputError
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import soundfile

MIN_DURATION_S = 0.05
SILENCE_PEAK = 1e-4  # -80 dB below full scale: three steps of 16-bit audio
OGG_PAGE_BYTES = 27 + 255 + 255 * 255  # the largest page of an Ogg stream
LONGEST_PLAYER_S = 300.0  # ten megabytes at 16 kHz
FORMATS = "wav, flac, ogg, mp3 and what else libsndfile reads"


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
) -> Audio:
    """Read a recording: any format of libsndfile, any rate, channels averaged to mono.

    Parameters
    ----------
    path : str or Path
    sample_rate : int or None, Hz
        Rate to resample to; None keeps the file's own.
    start_s, end_s : float, s
        Part of the recording to read; to the end by default.

    Returns
    -------
    Audio
        Its ``notes`` say what was changed: resampled, downmixed, scaled.

    Raises
    ------
    InputError
        Missing, empty, not audio, truncated, shorter than 50 ms, silent, or NaN: one line each.

    Warns
    -----
    CuelensWarning
        Samples beyond [-1, 1] were scaled to a peak of 1; up to 1 % of what the header promises is
        missing at the end.
    """
    import soundfile

    path = Path(path)
    content = _read_bytes(path)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            refuse_truncated(path, content, file)
            rate = file.samplerate
            first, last = _frame_range(path, start_s, end_s, file.frames, rate)
            file.seek(first)
            block = file.read(last - first, dtype="float32", always_2d=True)
            if len(block) < 0.99 * (last - first):
                raise InputError(truncated(path, len(block), last - first, rate))
            missing = last - first - len(block)
    except soundfile.LibsndfileError as error:
        raise InputError(unreadable(path, error)) from error

    notes: list[str] = []
    if missing:
        notes.append(f"the last {missing / rate:.2f} s that the header promises could not be read")
        warnings.warn(f"{path}: {notes[-1]}", CuelensWarning, stacklevel=2)
    if not np.isfinite(block).all():
        raise InputError(
            f"{path}: {np.count_nonzero(~np.isfinite(block))} samples are NaN or infinite; "
            "expected finite values: export the recording again"
        )
    peak = float(np.abs(block).max(initial=0.0))
    if peak > 1.0:
        block = block / peak
        notes.append(f"scaled by {1 / peak:.3f} because its peak was {peak:.3f} of full scale")
        warnings.warn(f"{path}: {notes[-1]}", CuelensWarning, stacklevel=2)
    if block.shape[1] > 1:
        notes.append(f"{block.shape[1]} channels averaged to mono")
        block = block.mean(axis=1, keepdims=True)
    samples = block[:, 0]
    if sample_rate is not None and sample_rate != rate and samples.size:
        samples, resampling_notes = _resample(samples, rate, sample_rate)
        notes += resampling_notes
    return Audio(
        samples=samples,
        sample_rate=sample_rate or rate,
        source=os.fsencode(path).decode("utf-8", "replace"),
        start_s=start_s,
        sha256=hashlib.sha256(content).hexdigest(),
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


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected a recording ({FORMATS})") from error
    except IsADirectoryError as error:
        raise InputError(
            f"{path}: is a folder; expected one recording ({FORMATS}): name its files, as in "
            f"{path}/*.wav"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not content:
        raise InputError(f"{path}: empty (0 bytes); expected a recording ({FORMATS})")
    return content


def unreadable(path: Path, error: soundfile.LibsndfileError) -> str:
    """What is said of a file that libsndfile cannot read."""
    reason = error.error_string.rstrip(".").removeprefix("Error : ")
    if "lost sync" in str(error):
        return f"{path}: truncated or damaged ({reason}); expected a complete file: copy it again"
    return f"{path}: not audio that can be read ({reason}); expected {FORMATS}"


def _frame_range(
    path: Path, start_s: float, end_s: float | None, n_frames: int, rate: int
) -> tuple[int, int]:
    first = round(start_s * rate)
    last = n_frames if end_s is None else round(end_s * rate)
    if not 0 <= first < max(last, 1) or last > n_frames + rate // 100:
        raise InputError(
            f"{path}: asked for {start_s:g} to {'the end' if end_s is None else f'{end_s:g}'} s "
            f"of a recording of {n_frames / rate:.3f} s"
        )
    return first, min(last, n_frames)


def refuse_truncated(path: Path, content: bytes, file: soundfile.SoundFile) -> None:
    """Formats whose end libsndfile does not miss: compare what the header promises.

    ``content`` holds the end of the file, the last `OGG_PAGE_BYTES` at least.
    """
    for line in file.extra_info.splitlines():
        # libsndfile notes "data : 64000 (should be 31978)"; a stream claims 2**32 - 1: unknown.
        name, _, rest = line.partition(":")
        if "(should be" not in rest or name.strip() not in {"data", "SSND", "riff", "FORM"}:
            continue
        claimed, present = (
            int("".join(c for c in part if c.isdigit()) or 0) for part in rest.split("(should be")
        )
        if present < claimed < 0x7FFF_0000:
            raise InputError(
                f"{path}: truncated, {present} of {claimed} bytes of sound are there; expected a "
                "complete file: copy or download it again"
            )
    if file.format == "OGG" and not _ogg_is_complete(content):
        raise InputError(
            f"{path}: truncated, the end of the Ogg stream is missing; expected a complete "
            "file: copy or download it again"
        )


def _ogg_is_complete(content: bytes) -> bool:
    """Whether the last Ogg page is whole and marked as the end of its stream (RFC 3533)."""
    page = content.rfind(b"OggS")
    header = content[page : page + 27]
    if page < 0 or len(header) < 27 or not header[5] & 0x04:
        return False
    lengths = content[page + 27 : page + 27 + header[26]]
    return page + 27 + header[26] + sum(lengths) <= len(content)


def truncated(path: Path, got: int, expected: int, rate: int) -> str:
    """What is said of a file that ends too early."""
    return (
        f"{path}: truncated, {got / rate:.2f} of {expected / rate:.2f} s could be read; expected a "
        "complete file: copy or download it again"
    )


def _resample(
    samples: FloatArray, from_rate: int, to_rate: int
) -> tuple[FloatArray, tuple[str, ...]]:
    import soxr

    resampled = soxr.resample(samples, from_rate, to_rate, quality="VHQ").astype(np.float32)
    notes = [f"resampled from {from_rate} to {to_rate} Hz"]
    peak = float(np.abs(resampled).max(initial=0.0))
    if peak > 1.0:  # a full-scale recording overshoots between its samples
        resampled = resampled / np.float32(peak)
        notes.append(f"scaled by {1 / peak:.3f} because resampling overshot full scale")
        resampled = np.clip(resampled, -1.0, 1.0)
    return resampled, tuple(notes)
