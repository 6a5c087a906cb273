"""Files of sound that others made, opened with what their headers claim held against their size.

A header of a few bytes can claim any number of samples, and silence packed by FLAC or Vorbis is a
thousandth of its size.  What is refused: more samples than the bytes could hold (exactly for
uncompressed formats), sample rates and numbers of channels outside those of recordings, and more
than two days.  Sound is read in blocks, so that memory follows what is there, not what is claimed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from cuelens.errors import InputError
from cuelens.input_file import open_regular
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import soundfile

FORMATS = "wav, flac, ogg, mp3 and what else libsndfile reads"
EXPECTED = f"a recording ({FORMATS})"
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
MAX_CHANNELS = 64
MAX_RECORDING_S = 48 * 3600.0
LARGEST_SAMPLE = 1e30  # what is beyond cannot be averaged over channels
BLOCK_SAMPLES = 2**20  # of all channels together: 4 MB

_OGG_PAGE_BYTES = 27 + 255 + 255 * 255  # the largest page of an Ogg stream
_UNKNOWN = 2**62  # samples of a stream whose header does not say how many
_SAMPLE_BYTES = {
    **dict.fromkeys(("PCM_S8", "PCM_U8", "ULAW", "ALAW", "DPCM_8"), 1),
    **dict.fromkeys(("PCM_16", "DPCM_16"), 2),
    **dict.fromkeys(("PCM_24",), 3),
    **dict.fromkeys(("PCM_32", "FLOAT"), 4),
    **dict.fromkeys(("DOUBLE",), 8),
}
# Samples a channel that one byte of a file can hold.  Measured on digital silence: FLAC 342 (blocks
# of 4096), Vorbis 459, Opus 127, ALAC 205, MP3 at its lowest bit rate 24, DWVW 8, GSM 4.9.
_MOST_A_BYTE = {"FLAC": 4000, "OGG": 4000, "CAF": 4000, "MP3": 200}
_MOST_A_BYTE_OTHERS = 16


@dataclass(frozen=True, kw_only=True)
class SoundFile:
    """An open file of sound whose claims were checked.

    Parameters
    ----------
    path : Path
    file : soundfile.SoundFile
    content : binary file
        Its bytes.
    n_frames : int
        Samples a channel.
    """

    path: Path
    file: soundfile.SoundFile
    content: BufferedReader
    n_frames: int

    @property
    def sample_rate(self) -> int:
        """Of the file, in Hz."""
        return int(self.file.samplerate)

    @property
    def n_channels(self) -> int:
        """Channels."""
        return int(self.file.channels)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_frames / self.sample_rate

    def sha256(self) -> str:
        """Of the file's bytes."""
        self.content.seek(0)
        return hashlib.file_digest(self.content, "sha256").hexdigest()

    def blocks(
        self, first: int = 0, last: int | None = None, *, n_frames: int | None = None
    ) -> Iterator[FloatArray]:
        """The sound from one sample to another, block by block; less where the file ends earlier.

        Parameters
        ----------
        first, last : int
            Samples a channel; to the end by default.
        n_frames : int, optional
            Samples a channel of a block; never more than `BLOCK_SAMPLES` of all channels.

        Yields
        ------
        ndarray, shape (n_frames, n_channels), float32

        Raises
        ------
        InputError
            Damaged.
        """
        import soundfile

        left = (self.n_frames if last is None else last) - first
        most = min(n_frames or BLOCK_SAMPLES, BLOCK_SAMPLES // self.n_channels)
        try:
            if self.file.tell() != first:
                with _silent_decoder(self.file.format == "MP3"):
                    self.file.seek(first)
            while left > 0:
                with _silent_decoder(self.file.format == "MP3"):
                    block = self.file.read(min(most, left), dtype="float32", always_2d=True)
                if not len(block):
                    return
                left -= len(block)
                yield block
        except soundfile.LibsndfileError as error:
            raise InputError(unreadable(self.path, error)) from error


@contextmanager
def open_sound(path: str | Path) -> Iterator[SoundFile]:
    """A file of sound, opened.

    Raises
    ------
    InputError
        Missing, empty, no regular file, not audio, truncated, or with a header that claims what
        cannot be: one line each.
    """
    import soundfile

    path = Path(path)
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; expected {EXPECTED}: name its files, as in {path}/*.wav"
        )
    with open_regular(path, expected=EXPECTED) as content:
        size = os.fstat(content.fileno()).st_size
        content.seek(max(0, size - 2 * _OGG_PAGE_BYTES))
        end = content.read()
        content.seek(0)
        try:
            with _silent_decoder(True):
                file = soundfile.SoundFile(content.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:
            raise InputError(unreadable(path, error)) from error
        with file:
            _refuse_claims(path, file, size)
            _refuse_truncated(path, end, file)
            yield SoundFile(path=path, file=file, content=content, n_frames=file.frames)


_silence = threading.Lock()
_silent = {"depth": 0, "stderr": -1}


@contextmanager
def _silent_decoder(wanted: bool) -> Iterator[None]:
    """Standard error shut while the MP3 decoder, which prints what it thinks, is at work."""
    if not wanted:
        yield
        return
    with _silence:
        if not _silent["depth"]:
            _silent["stderr"] = os.dup(2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        _silent["depth"] += 1
    try:
        yield
    finally:
        with _silence:
            _silent["depth"] -= 1
            if not _silent["depth"]:
                os.dup2(_silent["stderr"], 2)
                os.close(_silent["stderr"])


def _refuse_claims(path: Path, file: soundfile.SoundFile, size: int) -> None:
    """What a header says that no recording of that size is."""
    rate, channels, frames = file.samplerate, file.channels, file.frames
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise InputError(
            f"{path}: its header says {rate} Hz; expected a sample rate of {MIN_RATE_HZ} to "
            f"{MAX_RATE_HZ} Hz: convert it again from the original"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(
            f"{path}: its header says {channels} channels; expected 1 to {MAX_CHANNELS}"
        )
    if frames >= _UNKNOWN:
        raise InputError(
            f"{path}: its header does not say how long it is, as of a stream; expected a complete "
            f"{file.format} file: write it again with its encoder"
        )
    most = size * _MOST_A_BYTE.get(file.format, _MOST_A_BYTE_OTHERS)
    if file.format not in _MOST_A_BYTE and file.subtype in _SAMPLE_BYTES:
        most = size // (_SAMPLE_BYTES[file.subtype] * channels)
    if frames > most:
        raise InputError(
            f"{path}: its header claims {_told(frames / rate)} of sound, more than its {size} "
            f"bytes can hold ({_told(most / rate)} at most); expected a complete file: copy or "
            "download it again"
        )
    if frames > MAX_RECORDING_S * rate:
        raise InputError(
            f"{path}: {_told(frames / rate)} long; expected {_told(MAX_RECORDING_S)} at most: cut "
            "it into several files"
        )


def _told(duration_s: float) -> str:
    """A duration in the largest unit of which there is one."""
    for unit, seconds in (("h", 3600.0), ("min", 60.0)):
        if duration_s >= seconds:
            return f"{duration_s / seconds:.1f} {unit}"
    return f"{duration_s:.2f} s"


def too_long(path: Path, duration_s: float, longest_s: float) -> str:
    """What is said of a clip that is a whole recording."""
    return (
        f"{path}: {_told(duration_s)} asked for; expected a clip of {_told(longest_s)} at most: "
        "give its start and end, or use `cuelens timeline` for long recordings"
    )


def unreadable(path: Path, error: soundfile.LibsndfileError) -> str:
    """What is said of a file that libsndfile cannot read."""
    reason = " ".join(error.error_string.rstrip(".").removeprefix("Error : ").split())
    if "lost sync" in str(error):
        return f"{path}: truncated or damaged ({reason}); expected a complete file: copy it again"
    return f"{path}: not audio that can be read ({reason}); expected {FORMATS}"


def _refuse_truncated(path: Path, content: bytes, file: soundfile.SoundFile) -> None:
    """Formats whose end libsndfile does not miss: compare what the header promises.

    ``content`` holds the end of the file, the last `_OGG_PAGE_BYTES` at least.
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
