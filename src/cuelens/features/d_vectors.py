"""d-vectors: who speaks, in 256 numbers (extra ``dvectors``).

References
----------
.. [1] L. Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018,
   arXiv 1710.10467.
.. [2] Resemblyzer, https://github.com/resemble-ai/Resemblyzer (Apache-2.0): network, weights and
   preprocessing.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.features.embedding import Embedding
from cuelens.typing import FloatArray

try:
    with warnings.catch_warnings():  # about pkg_resources (webrtcvad) and scipy.ndimage.morphology
        warnings.simplefilter("ignore")
        import resemblyzer

    from cuelens.features.one_thread import one_thread
except ImportError as error:
    raise MissingExtraError("DVectors", "dvectors") from error

N_DIMENSIONS = 256
SHORTEST_S = 0.03  # one decision of the voice detector
_FORMAT = 1  # raised when the same settings give other vectors


@dataclass(frozen=True, kw_only=True)
class DVectors(Embedding):
    """Speaker embeddings of Resemblyzer: a 3-layer LSTM over windows of 1.6 s, averaged.

    Volume is raised to -30 dBFS and long silences are cut away first, as published.  The weights
    come with the package.

    Notes
    -----
    The vectors have length 1 and no negative value.  Trained to tell speakers apart, whatever they
    say and feel: what they know about emotion is a baseline for other embeddings.
    """

    @property
    def name(self) -> str:
        """``"d-vectors"``."""
        return "d-vectors"

    @property
    def sample_rate(self) -> int:
        """16 000 Hz."""
        return int(resemblyzer.sampling_rate)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """``("1", ..., "256")``."""
        return tuple(str(i + 1) for i in range(N_DIMENSIONS))

    @property
    def recipe(self) -> str:
        """Version of Resemblyzer and its weights."""
        return f"d-vectors {_FORMAT} resemblyzer {version('resemblyzer')} {_weights_digest()}"

    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Vectors; see :meth:`Embedding.embed_layers`.

        Raises
        ------
        InputError
            A waveform with a sample that is no number, shorter than 30 ms, or without speech: the
            published preprocessing would leave nothing of it.
        """
        vectors = np.empty((len(waveforms), 1, N_DIMENSIONS), dtype=np.float32)
        encoder = _encoder()
        with one_thread():
            for row, waveform in enumerate(waveforms):
                vectors[row, 0] = encoder.embed_utterance(preprocess(waveform))
        return vectors


def preprocess(waveform: FloatArray) -> FloatArray:
    """Volume raised to -30 dBFS and long silences cut away, as Resemblyzer does.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float, values in [-1, 1]
        At 16 kHz.

    Returns
    -------
    ndarray, shape (n_left,), float32

    Raises
    ------
    InputError
        A sample that is no number, or nothing left.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    if not np.isfinite(waveform).all():
        raise InputError("waveform has samples that are no numbers; expected values in [-1, 1]")
    if waveform.size < SHORTEST_S * resemblyzer.sampling_rate:
        raise InputError(
            f"{waveform.size / resemblyzer.sampling_rate * 1000:.0f} ms is too short for "
            f"d-vectors; expected {SHORTEST_S * 1000:.0f} ms or more"
        )
    voiced = resemblyzer.preprocess_wav(waveform) if waveform.any() else waveform[:0]
    if not len(voiced):
        raise InputError(
            f"no speech found in a clip of {waveform.size / resemblyzer.sampling_rate:.2f} s; "
            "expected some, or the published preprocessing leaves nothing: leave the clip out"
        )
    return np.asarray(voiced, dtype=np.float32)


@lru_cache(maxsize=1)
def _encoder() -> resemblyzer.VoiceEncoder:
    return resemblyzer.VoiceEncoder("cpu", verbose=False)


@lru_cache(maxsize=1)
def _weights_digest() -> str:
    weights = Path(resemblyzer.__file__).with_name("pretrained.pt")
    return hashlib.sha256(weights.read_bytes()).hexdigest()
