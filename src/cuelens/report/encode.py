"""Sound and pictures as bytes, and as data URLs that keep a report in one file."""

from __future__ import annotations

import io

import numpy as np

from cuelens.audio import Audio, data_url, wav_bytes
from cuelens.explain.figures import SPECTROGRAM_RANGE_DB, spectrogram_db

__all__ = ["data_url", "flac_bytes", "spectrogram_png", "wav_bytes"]


def flac_bytes(audio: Audio) -> bytes:
    """A clip as 16-bit FLAC, exact to half a step of 16 bits."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples, audio.sample_rate, format="FLAC", subtype="PCM_16")
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
