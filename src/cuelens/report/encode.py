"""Sound and pictures as bytes, and as data URLs that keep a report in one file."""

from __future__ import annotations

import base64
import io

import numpy as np

from cuelens.audio import Audio
from cuelens.explain.figures import SPECTROGRAM_RANGE_DB, spectrogram_db


def flac_bytes(audio: Audio) -> bytes:
    """A clip as 16-bit FLAC, exact to half a step of 16 bits."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples, audio.sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def wav_bytes(audio: Audio) -> bytes:
    """A clip as 16-bit WAV: larger than FLAC, but browsers can start anywhere in it."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples, audio.sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def spectrogram_png(audio: Audio, *, n_rows: int = 192) -> bytes:
    """Spectrogram as a greyscale picture without axes: low frequencies at the bottom, mel scale."""
    import matplotlib.image

    image = spectrogram_db(audio, n_rows=n_rows)
    if image.shape[1] > 1600:  # long clips: the loudest frame of every group, so that nothing hides
        group = -(-image.shape[1] // 1600)
        padded = np.pad(image, [(0, 0), (0, -image.shape[1] % group)], mode="edge")
        image = padded.reshape(len(image), -1, group).max(axis=2)
    buffer = io.BytesIO()
    matplotlib.image.imsave(
        buffer,
        image[::-1],
        cmap="gray_r",
        vmin=-SPECTROGRAM_RANGE_DB,
        vmax=0.0,
        format="png",
        metadata={"Software": ""},
    )
    return buffer.getvalue()


def data_url(content: bytes, mime_type: str) -> str:
    """Bytes as a URL that carries them."""
    return f"data:{mime_type};base64,{base64.b64encode(content).decode('ascii')}"
