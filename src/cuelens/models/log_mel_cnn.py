"""The bundled network: log-mel windows of 2 s through ONNX Runtime, without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.errors import InputError
from cuelens.features import LogMel
from cuelens.models.base import softmax
from cuelens.models.level import normalise_level
from cuelens.models.network import NetworkInput
from cuelens.models.waveforms import checked_waveforms
from cuelens.threads import n_threads, one_blas_thread
from cuelens.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import onnxruntime
    from torch import nn

_BATCH = 32  # windows through the network at once
_MADE = ("session", "module")  # from what is given
_QUIET_DB = 40.0  # windows this far below the loudest one hold no speech


@dataclass(frozen=True, kw_only=True)
class WindowedLogMel:
    """Front end: level, windows, log-mel, scale.  A clip becomes a stack of network inputs.

    Parameters
    ----------
    log_mel : LogMel
    window_s, hop_s : float, s
        Windows start every ``hop_s`` and a last one ends with the clip.  A clip shorter than a
        window is padded with silence at its end.
    offset_db, scale_db : float, dB
        The network sees ``(dB + offset_db) / scale_db``.
    """

    log_mel: LogMel = field(default_factory=LogMel)
    window_s: float = 2.0
    hop_s: float = 1.0
    offset_db: float = 40.0
    scale_db: float = 20.0

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, Hz."""
        return self.log_mel.sample_rate

    @property
    def n_window(self) -> int:
        """Samples in a window."""
        return round(self.window_s * self.log_mel.sample_rate)

    def starts(self, n_samples: int) -> IntArray:
        """First sample of every window of a clip, shape (n_windows,), int."""
        last = max(0, n_samples - self.n_window)
        grid = np.arange(0, last + 1, round(self.hop_s * self.log_mel.sample_rate))
        return grid if grid[-1] == last else np.append(grid, last)

    def windows(self, waveforms: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Cut equally long waveforms into windows.

        Parameters
        ----------
        waveforms : ndarray, shape (n, n_samples)

        Returns
        -------
        windows : ndarray, shape (n, n_windows, n_window), float32
            Of the waveforms at the same level.
        holds_speech : ndarray, shape (n, n_windows), bool
            False where a window is 40 dB or more below the loudest window of its waveform.
        """
        level = normalise_level(waveforms)
        level = np.pad(level, [(0, 0), (0, max(0, self.n_window - level.shape[1]))])
        starts = self.starts(level.shape[1])
        windows = np.stack([level[:, s : s + self.n_window] for s in starts], axis=1)
        power = np.square(windows).mean(axis=-1)
        loudest = power.max(axis=1, keepdims=True)
        return windows, power >= loudest * 10 ** (-_QUIET_DB / 10)

    def inputs(self, windows: FloatArray) -> FloatArray:
        """Network inputs of windows.

        Parameters
        ----------
        windows : ndarray, shape (n, n_window)

        Returns
        -------
        ndarray, shape (n, 1, n_mels, n_frames), float32
        """
        db = self.log_mel(windows)
        return ((db + self.offset_db) / self.scale_db)[:, None].astype(np.float32)

    def network_input(self, waveform: FloatArray) -> NetworkInput:
        """The windows of one waveform that hold speech, and where they lie in it."""
        rate, n_samples = self.sample_rate, len(waveform)
        windows, holds_speech = self.windows(np.asarray(waveform)[None])
        speech = holds_speech[0] & windows[0].any(axis=-1)
        starts = self.starts(max(n_samples, self.n_window))[speech]
        n_frames = 1 + self.n_window // self.log_mel.hop_length
        centres = starts[:, None] + np.arange(n_frames) * self.log_mel.hop_length
        # A frame whose centre is past the last sample still holds some of it.
        holds = centres < n_samples + self.log_mel.win_length // 2
        return NetworkInput(
            values=self.inputs(windows[0][speech]),
            times_s=np.where(holds, np.minimum(centres, n_samples) / rate, np.nan),
            edges_hz=self.log_mel.band_edges_hz(),
            hop_s=self.log_mel.hop_length / rate,
            silence=(self.offset_db - self.log_mel.top_db) / self.scale_db,
            shares=np.full(len(starts), 1.0 / max(1, len(starts))),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LogMelCnn:
    """A network on log-mel windows; its answers to the windows of a clip are averaged.

    Parameters
    ----------
    network : bytes
        ONNX: input (n, 1, n_mels, n_frames) float32, output logits (n, n_labels).
    labels : tuple of str
    front_end : WindowedLogMel
    name : str
    weights : bytes or None
        The same network's weights as safetensors, for ``module``.
    """

    network: bytes = field(repr=False)
    labels: tuple[str, ...]
    front_end: WindowedLogMel = field(default_factory=WindowedLogMel)
    name: str = "log-mel-cnn"
    weights: bytes | None = field(default=None, repr=False)

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, Hz."""
        return self.front_end.log_mel.sample_rate

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The network in ONNX Runtime."""
        return onnx_session(self.network)

    def __getstate__(self) -> dict[str, Any]:
        """For other processes, which make their own session."""
        return {name: value for name, value in self.__dict__.items() if name not in _MADE}

    @cached_property
    def module(self) -> nn.Module:
        """The network in PyTorch, in evaluation mode (extra ``torch``)."""
        from cuelens.models.resnet_small import from_safetensors

        if self.weights is None:
            raise InputError(
                f"model {self.name} has no model.safetensors; expected the network's weights "
                "beside model.onnx: train it again, or use an explainer that needs no gradients"
            )
        return from_safetensors(self.weights, n_labels=len(self.labels))

    def logits(self, inputs: FloatArray) -> FloatArray:
        """Logits of pictures, (n, 1, n_mels, n_frames) float32 to (n, n_labels) float32."""
        parts = [
            self.session.run(None, {"log_mel": inputs[first : first + _BATCH]})[0]
            for first in range(0, len(inputs), _BATCH)
        ]
        return np.concatenate([np.empty((0, len(self.labels)), dtype=np.float32), *parts])

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Probabilities averaged over the windows that hold speech, shape (n, n_labels), float64.

        Silence (below -110 dB) is answered with equal probabilities.  Waveforms of one length are
        computed together; a waveform's answer does not depend on the others.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers.
        """
        waveforms = checked_waveforms(waveforms, name=self.name)
        outputs = np.empty((len(waveforms), len(self.labels)))
        lengths = np.array([len(waveform) for waveform in waveforms])
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for first in range(0, len(rows), _BATCH):
                some = rows[first : first + _BATCH]
                with one_blas_thread():
                    outputs[some] = self._equally_long(np.stack([waveforms[row] for row in some]))
        return outputs

    def _equally_long(self, waveforms: FloatArray) -> FloatArray:
        windows, holds_speech = self.front_end.windows(waveforms)
        answers = np.zeros((*holds_speech.shape, len(self.labels)))
        holds_speech &= windows.any(axis=-1)
        speech = windows[holds_speech]
        for first in range(0, len(speech), _BATCH):
            logits = self.session.run(
                None, {"log_mel": self.front_end.inputs(speech[first : first + _BATCH])}
            )[0]
            speech_rows = np.flatnonzero(holds_speech)[first : first + _BATCH]
            answers.reshape(-1, len(self.labels))[speech_rows] = softmax(logits)
        n_windows = holds_speech.sum(axis=1, keepdims=True)
        equal = 1.0 / len(self.labels)
        return np.where(n_windows > 0, answers.sum(axis=1) / np.maximum(n_windows, 1), equal)


def onnx_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the processor, with :func:`n_threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised, and said once
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
    for node in (*session.get_inputs(), *session.get_outputs()):
        node.name, node.shape  # noqa: B018 - text that is no UTF-8 fails here, not later
    return session
