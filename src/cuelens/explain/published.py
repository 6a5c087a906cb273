"""EmoLIME's perturbation as published: zero mel bands, rebuild the sound with Griffin-Lim.

Kept as the baseline to compare with.  The rebuilt sound differs from the clip even when no band is
missing, because the mel spectrogram has no phase and coarse frequencies; so these versions do not
add up, and the whole clip is not among them.

References
----------
.. [1] E. Hjuler, L. Clemmensen, S. Das, arXiv 2504.05368, section 2, and its code.
.. [2] D. Griffin, J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE
   Trans. ASSP 32(2), 1984.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import MissingExtraError
from cuelens.typing import BoolArray, FloatArray, IntArray

N_FFT = 2048
HOP_LENGTH = 512
N_MELS = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class GriffinLimBands:
    """Versions of a clip with mel bands set to zero, rebuilt by Griffin-Lim.

    Parameters
    ----------
    mel : ndarray, shape (128, n_frames)
        Mel power spectrogram, librosa's defaults.
    groups : ndarray, shape (128,), int
        Band of each mel bin, equally wide in mel to within a bin where n_bands does not divide 128
        (the published code repeats a row over the last band instead).
    n_samples : int
    sample_rate : int, Hz
    n_bands : int
    seed : int
        Of Griffin-Lim's initial phase, the same for every version.
    """

    mel: FloatArray
    groups: IntArray
    n_samples: int
    sample_rate: int
    n_bands: int
    seed: int

    @classmethod
    def of(cls, audio: Audio, *, n_bands: int, seed: int) -> GriffinLimBands:
        """Measure a clip."""
        librosa = _librosa()
        shortest = max(0, N_FFT - audio.samples.size)
        mel = librosa.feature.melspectrogram(
            y=np.pad(audio.samples, (0, shortest)),
            sr=audio.sample_rate,
            n_fft=N_FFT,
            hop_length=HOP_LENGTH,
            n_mels=N_MELS,
        )
        return cls(
            mel=mel,
            groups=np.arange(N_MELS) * n_bands // N_MELS,
            n_samples=audio.samples.size,
            sample_rate=audio.sample_rate,
            n_bands=n_bands,
            seed=seed,
        )

    def __len__(self) -> int:
        return self.n_bands

    def mix(self, keep: BoolArray) -> FloatArray:
        """The rebuilt clip with some bands absent, shape (n_coalitions, n_samples), float32."""
        librosa = _librosa()
        rebuilt = np.zeros((len(keep), self.n_samples), dtype=np.float32)
        for row, kept in zip(rebuilt, keep, strict=True):
            spectrum = librosa.feature.inverse.mel_to_stft(
                self.mel * kept[self.groups][:, None], sr=self.sample_rate, n_fft=N_FFT
            )
            sound = librosa.griffinlim(
                spectrum,
                n_fft=N_FFT,
                hop_length=HOP_LENGTH,
                length=max(self.n_samples, N_FFT),
                random_state=self.seed,
            )
            row[:] = sound[: self.n_samples]
        return rebuilt


def _librosa() -> Any:
    try:
        import librosa
    except ImportError as error:
        raise MissingExtraError('variant="published"', "published") from error
    return librosa
