"""BYOL-S: a convolutional encoder of speech trained without labels (extra ``torch``).

References
----------
.. [1] N. Scheidwasser-Clow et al., "SERAB: a multi-lingual benchmark for speech emotion
   recognition", ICASSP 2022, arXiv 2110.03414; weights, window and statistics are those
   published with it, https://github.com/Neclow/SERAB (MIT).
.. [2] D. Niizumi et al., "BYOL for audio: self-supervised learning for general-purpose audio
   representation", IJCNN 2021, arXiv 2103.06695, section III and table II.
.. [3] G. Elbanna et al., "BYOL-S: learning self-supervised speech representations by
   bootstrapping", HEAR 2021, arXiv 2206.12038.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.signal

from cuelens.cache_dir import cache_dir
from cuelens.corpora.download import RemoteFile, fetch
from cuelens.errors import CuelensError, InputError, MissingExtraError
from cuelens.features.embedding import Embedding
from cuelens.typing import FloatArray

try:
    import torch
    from torch import Tensor, nn

    from cuelens.features.one_thread import one_thread
except ImportError as error:
    raise MissingExtraError("BYOL-S", "torch") from error

SAMPLE_RATE = 16_000
N_FFT = 1024
HOP_LENGTH = 160
N_MELS = 64
LOW_HZ, HIGH_HZ = 60.0, 7800.0
N_DIMENSIONS = 512
SHORTEST = 7 * HOP_LENGTH  # samples that give the 8 frames which three poolings halve to one

WEIGHTS_NAME = "byols_default512.pth"
WEIGHTS_SHA256 = "449f5d0dc6b6fa8433d5e43769097520d3bc0fdae88977a7ac29e2e72ca51b52"
WEIGHTS = RemoteFile(
    url=(
        "https://github.com/Neclow/SERAB/raw/8023cb75dc6f32a6f211bfbc83efe9491c41d8b7/SERAB/"
        "checkpoints/default512_BYOLAs64x96-2107281850-e100-bs256-lr0003-rs42.pth"
    ),
    path=WEIGHTS_NAME,
    n_bytes=2_409_434,
    md5="64ae2014418bea44e6b176d23f5380c4",
)
_FORMAT = 1  # raised when the same settings give other vectors


class Statistics(NamedTuple):
    """Mean and standard deviation of log-mel spectrograms, in log power."""

    mean: float
    std: float


# Published with BYOL-A [2].
BYOL_A = Statistics(mean=-5.4919, std=5.0389)
# Mean over the nine speech emotion corpora whose statistics are published with the weights [1].
SPEECH_EMOTION = Statistics(mean=-5.9453, std=4.2762)


class ByolSEncoder(nn.Module):
    """Normalised log-mel (n, 1, 64, n_frames) to vectors (n, 512)."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for n_in in (1, 64, 64):
            blocks += [
                nn.Conv2d(n_in, 64, 3, padding=1),
                nn.BatchNorm2d(64),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*blocks)
        self.fc = nn.Sequential(
            nn.Linear(64 * (N_MELS // 8), N_DIMENSIONS),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(N_DIMENSIONS, N_DIMENSIONS),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).permute(0, 3, 2, 1).flatten(2)  # (n, n_frames // 8, mel * channel)
        x = self.fc(x)
        return x.amax(dim=1) + x.mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class ByolS(Embedding):
    """The 512-d BYOL-S encoder of SERAB: one vector a clip, maximum plus mean over time.

    Parameters
    ----------
    weights : Path or str, optional
        A state dict, read without executing anything in it.  By default the published one: from
        ``weights/byols_default512.pth`` in a folder of ``CUELENS_DATA``, else the downloads, else
        downloaded there (2.4 MB, once).
    mean, std : float, log power
        Statistics that the log-mel spectrogram is normalised with, by default `BYOL_A`; see Notes.
    win_length : int, samples, up to 1024
        400, as the weights were trained.  (BYOL-A: 1024.)

    Notes
    -----
    The published code normalises with the statistics of all clips it is given, so that the vector
    of a clip depends on the others.  Here they are settings, and the vector of a clip is the same
    alone and among others.  `normalised_by` measures them as published.

    Weights and window go together: the variances that the first batch norm of the weights has
    stored, and the statistics of EmoDB and RAVDESS that are published with them, are those of 400
    samples.
    """

    weights: Path | str | None = None
    mean: float = BYOL_A.mean
    std: float = BYOL_A.std
    win_length: int = 400

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.std) and self.std > 0):
            raise InputError(
                f"mean is {self.mean} and std {self.std}; expected finite ones and a std above 0"
            )
        _check_window(self.win_length)

    @classmethod
    def normalised_by(
        cls,
        waveforms: Sequence[FloatArray],
        *,
        weights: Path | str | None = None,
        win_length: int = 400,
    ) -> ByolS:
        """BYOL-S with the statistics of these waveforms, as the published code has it."""
        mean, std = log_mel_statistics(waveforms, win_length=win_length)
        return cls(weights=weights, mean=mean, std=std, win_length=win_length)

    @property
    def name(self) -> str:
        """``"BYOL-S"``."""
        return "BYOL-S"

    @property
    def sample_rate(self) -> int:
        """16 000 Hz."""
        return SAMPLE_RATE

    @property
    def dimensions(self) -> tuple[str, ...]:
        """``("1", ..., "512")``."""
        return tuple(str(i + 1) for i in range(N_DIMENSIONS))

    @cached_property
    def recipe(self) -> str:  # computed once: it reads the weights
        """Weights, statistics and window."""
        digest = hashlib.sha256(self._file.read_bytes()).hexdigest()
        return (
            f"byol-s {_FORMAT} weights {digest} mean {self.mean!r} std {self.std!r} "
            f"win_length {self.win_length}"
        )

    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Vectors; see :meth:`Embedding.embed_layers`.

        Raises
        ------
        InputError
            A waveform of fewer than 1120 samples (70 ms: three poolings would leave no frame) or
            with a sample that is no number, or weights that cannot be read.
        CuelensError
            The weights cannot be downloaded.
        """
        vectors = np.empty((len(waveforms), 1, N_DIMENSIONS), dtype=np.float32)
        with one_thread(), torch.inference_mode():
            for row, waveform in enumerate(waveforms):  # one by one: padding would change them
                x = (log_mel(waveform, win_length=self.win_length) - self.mean) / self.std
                vectors[row, 0] = self.encoder(torch.from_numpy(x)[None, None])[0].numpy()
        return vectors

    @cached_property
    def encoder(self) -> ByolSEncoder:
        """The network with its weights, in evaluation mode."""
        encoder = ByolSEncoder()
        try:
            encoder.load_state_dict(torch.load(self._file, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises what its parts raise
            first_line = (str(error).splitlines() or [repr(error)])[0]
            raise InputError(
                f"{self._file}: no weights of BYOL-S ({first_line}); expected a state dict of "
                "tensors named features.0.weight ... fc.3.bias"
            ) from error
        return encoder.eval()

    @cached_property
    def _file(self) -> Path:
        if self.weights is None:
            return published_weights()
        file = Path(self.weights).expanduser()
        if not file.is_file():
            raise InputError(f"{file}: no such file; expected weights of BYOL-S")
        return file


def log_mel(waveform: FloatArray, *, win_length: int = 400) -> FloatArray:
    """Log-mel spectrogram as BYOL-S takes it.

    64 triangular filters of unit height, spaced on the mel scale of HTK from 60 to 7800 Hz, on the
    power spectrum of 1024 points every 10 ms; the clip is mirrored at its ends.  Equal to
    ``log(torchaudio.transforms.MelSpectrogram(...)(waveform) + eps)``.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float, values in [-1, 1]
        At 16 kHz.
    win_length : int, samples
        Periodic Hann window, centred in the 1024 points.

    Returns
    -------
    ndarray, shape (64, 1 + n_samples // 160), float32, natural logarithm of power

    Raises
    ------
    InputError
        Fewer than 1120 samples, or one that is no number.
    """
    _check_window(win_length)
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1 or waveform.size < SHORTEST:
        raise InputError(
            f"waveform has shape {waveform.shape}; expected one channel of {SHORTEST} samples "
            f"({1000 * SHORTEST // SAMPLE_RATE} ms) or more: BYOL-S halves its frames three times"
        )
    if not np.isfinite(waveform).all():
        raise InputError("waveform has samples that are no numbers; expected values in [-1, 1]")
    padded = np.pad(waveform, N_FFT // 2, mode="reflect")
    left = (N_FFT - win_length) // 2
    inside = slice(left, left + win_length)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    windowed = np.zeros(frames.shape)
    windowed[:, inside] = frames[:, inside] * _window(win_length)
    # In double precision: quiet cells beside loud ones would be rounded away.
    spectrum = scipy.fft.rfft(windowed, axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2) @ _mel_filters().T
    return np.log(power.T + np.finfo(np.float32).eps).astype(np.float32)


def log_mel_statistics(waveforms: Sequence[FloatArray], *, win_length: int = 400) -> Statistics:
    """Statistics of a corpus, as the published code takes them.

    The mean over the clips of their means, and of their standard deviations (unbiased).

    Raises
    ------
    InputError
        No waveform, or one that `log_mel` refuses.
    """
    if not len(waveforms):
        raise InputError("no waveforms; expected at least one to take statistics of")
    clips = [log_mel(waveform, win_length=win_length).astype(np.float64) for waveform in waveforms]
    return Statistics(
        mean=float(np.mean([clip.mean() for clip in clips])),
        std=float(np.mean([clip.std(ddof=1) for clip in clips])),
    )


def published_weights() -> Path:
    """File of the published weights, verified; downloaded where there is none.

    Raises
    ------
    InputError
        A file of that name holds something else.
    CuelensError
        They cannot be downloaded or written.
    """
    configured = os.environ.get("CUELENS_DATA", "").split(os.pathsep)
    folders = [Path(part).expanduser() / "weights" for part in configured if part]
    downloads = cache_dir("weights")
    for folder in (*folders, downloads):
        if (folder / WEIGHTS_NAME).is_file():
            return _verified(folder / WEIGHTS_NAME)
    try:
        fetch([WEIGHTS], downloads)
    except OSError as error:
        raise CuelensError(
            f"{downloads}: cannot be written ({error.strerror or error}); expected room for the "
            "weights of BYOL-S: set CUELENS_CACHE to another folder"
        ) from error
    return _verified(downloads / WEIGHTS_NAME)


def _verified(file: Path) -> Path:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise InputError(
            f"{file}: checksum is {found[:12]}...; expected {WEIGHTS_SHA256[:12]}..., the "
            "published weights of BYOL-S: delete it, or name weights of your own as byols:FILE"
        )
    return file


def _check_window(win_length: int) -> None:
    if not 1 <= win_length <= N_FFT:
        raise InputError(f"win_length is {win_length}; expected 1 to {N_FFT} samples")


@lru_cache(maxsize=4)
def _window(win_length: int) -> FloatArray:
    return scipy.signal.get_window("hann", win_length, fftbins=True)


@lru_cache(maxsize=1)
def _mel_filters() -> FloatArray:
    """Triangles of unit height, equally wide in HTK mels, shape (64, 513)."""
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOW_HZ, HIGH_HZ))
    edges_hz = 700.0 * (10.0 ** (np.linspace(low, high, N_MELS + 2) / 2595.0) - 1.0)
    bins_hz = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    width_hz = np.diff(edges_hz)[:, None]
    rising = (bins_hz - edges_hz[:-2, None]) / width_hz[:-1]
    falling = (edges_hz[2:, None] - bins_hz) / width_hz[1:]
    return np.maximum(0.0, np.minimum(rising, falling))
