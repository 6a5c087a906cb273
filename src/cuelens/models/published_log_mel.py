"""The front end of Nasr, Ren & Johnson: silence trimmed, 2 s of log-mel.

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency: enhancing explanation of speech emotion
   recognition with expert-referenced acoustic cues", arXiv 2511.11691, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from cuelens.errors import InputError
from cuelens.features import LogMel
from cuelens.models.network import NetworkInput
from cuelens.typing import BoolArray, FloatArray, IntArray

Trim = Literal["edges", "everywhere", "none"]
_FRAME, _HOP = 2048, 512  # of the level that decides what is silence


@dataclass(frozen=True, kw_only=True)
class PublishedLogMel:
    """One picture a clip: silence cut away, then cut or padded to 2.0 s, then log-mel in dB.

    Parameters
    ----------
    log_mel : LogMel
        Filters of unit height by default, with which the published weights do better.
    duration_s : float, s
    trim : {"edges", "everywhere", "none"}
        Cut silence at both ends, or also within the clip, or nowhere.
    trim_db : float, dB
        Frames of 128 ms this far below the loudest are silence.
    """

    log_mel: LogMel = field(default_factory=lambda: LogMel(mel_norm=None))
    duration_s: float = 2.0
    trim: Trim = "edges"
    trim_db: float = 20.0

    def __post_init__(self) -> None:
        if self.trim not in get_args(Trim):
            raise InputError(f"trim is {self.trim!r}; expected one of {', '.join(get_args(Trim))}")

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms it takes, Hz."""
        return self.log_mel.sample_rate

    def kept(self, waveform: FloatArray) -> IntArray:
        """Indices of the samples that are shown to the network, shape (n_kept,), rising."""
        n_samples = round(self.duration_s * self.sample_rate)
        if self.trim == "none":
            return np.arange(min(len(waveform), n_samples))
        sounds = np.flatnonzero(sounding_frames(waveform, top_db=self.trim_db))
        if self.trim == "edges" and len(sounds):
            sounds = np.arange(sounds[0], sounds[-1] + 1)
        inside = np.zeros(len(waveform), dtype=bool)
        for frame in sounds:  # a frame stands for the hop that begins at its centre
            inside[frame * _HOP : (frame + 1) * _HOP] = True
        return np.flatnonzero(inside)[:n_samples]

    def network_input(self, waveform: FloatArray) -> NetworkInput:
        """One picture, shape (1, 1, n_mels, n_frames), in dB below its loudest cell.

        None of a waveform that is silence throughout.
        """
        kept = self.kept(waveform)
        n_samples = round(self.duration_s * self.sample_rate)
        shown = np.zeros(n_samples, dtype=np.float32)
        shown[: len(kept)] = waveform[kept]
        db = self.log_mel(shown)
        sounds = bool(shown.any())
        centres = np.arange(db.shape[-1]) * self.log_mel.hop_length
        times_s = np.full(db.shape[-1], np.nan)
        # A frame whose centre is past the last sample still holds some of it.
        holds = sounds & (centres < len(kept) + self.log_mel.win_length // 2)
        times_s[holds] = kept[np.minimum(centres[holds], len(kept) - 1)] / self.sample_rate
        return NetworkInput(
            values=db[None, None][: int(sounds)],
            times_s=times_s[None][: int(sounds)],
            edges_hz=self.log_mel.band_edges_hz(),
            hop_s=self.log_mel.hop_length / self.sample_rate,
            silence=-self.log_mel.top_db,
            shares=np.ones(int(sounds)),
        )


def sounding_frames(waveform: FloatArray, *, top_db: float) -> BoolArray:
    """Which frames of 2048 samples, centred on multiples of 512, are not silence.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,)
    top_db : float, dB
        Below the root mean square of the loudest frame.

    Returns
    -------
    ndarray, shape (1 + n_samples // 512,), bool
        Equal to the decision of ``librosa.effects.trim``.
    """
    padded = np.pad(np.asarray(waveform, dtype=np.float64), _FRAME // 2)
    power = np.concatenate([[0.0], np.cumsum(padded**2)])
    starts = np.arange(1 + len(waveform) // _HOP) * _HOP
    energy = np.maximum(power[starts + _FRAME] - power[starts], 0.0)
    return energy > max(float(energy.max()), 1e-300) * 10 ** (-top_db / 10)
