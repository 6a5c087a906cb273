"""Where a recording holds speech: Silero's voice activity detector (extra ``long``).

The network is the file of the package ``silero-vad`` and runs in ONNX Runtime; neither that package
nor PyTorch is imported.

References
----------
.. [1] Silero Team, "Silero VAD: pre-trained enterprise-grade voice activity detector",
   https://github.com/snakers4/silero-vad (MIT), version 6.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import onnxruntime

SAMPLE_RATE = 16_000
FRAME = 512  # samples a probability is for
FRAME_S = FRAME / SAMPLE_RATE
_CONTEXT = 64  # samples of the frame before that the network sees too
_FRAMES_AT_ONCE = 512  # 16 s
_STATE = (1, 1, 128)


class Segment(NamedTuple):
    """A part of a recording, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class SpeechDetector:
    """Probabilities of speech, 31 a second, and the segments they add up to.

    Parameters
    ----------
    threshold : float, 0 to 1
        Speech begins with a frame of this probability.
    release : float, 0 to threshold
        It ends with the first frame below this ...
    min_silence_s : float, s
        ... where no frame reaches the threshold for this long.
    min_speech_s : float, s
        Shorter segments are left out.
    pad_s : float, s
        Added at both ends.

    Notes
    -----
    Thresholds, shortest segment and padding are Silero's defaults; its silence of 0.1 s is made
    longer here, so that a phrase is not cut at every stop consonant.
    """

    threshold: float = 0.5
    release: float = 0.35
    min_silence_s: float = 0.5
    min_speech_s: float = 0.25
    pad_s: float = 0.03

    def __post_init__(self) -> None:
        if not 0 <= self.release <= self.threshold <= 1:
            raise InputError(
                f"release is {self.release} and threshold {self.threshold}; expected "
                "0 <= release <= threshold <= 1"
            )
        if min(self.min_silence_s, self.min_speech_s, self.pad_s) < 0:
            raise InputError(
                f"min_silence_s is {self.min_silence_s}, min_speech_s {self.min_speech_s}, pad_s "
                f"{self.pad_s}; expected 0 or more"
            )

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The network, on one thread.

        Raises
        ------
        MissingExtraError
            ``silero-vad`` is not installed.
        InputError
            It is a version without the file.
        """
        import onnxruntime

        file = _network_file()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])

    def probabilities(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """Probabilities of speech, as sound comes in.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (n_samples,), float32
            Consecutive sound at 16 kHz, in blocks of any length.

        Yields
        ------
        ndarray, shape (n_frames,), float32
            One value for every 32 ms; the last frame is filled up with zeros.  They do not depend
            on how the sound was cut into blocks.
        """
        states = [np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)]
        before = np.zeros(_CONTEXT, np.float32)
        for frames in _in_frames(blocks):
            contexts = np.vstack([before[None], frames[:-1, -_CONTEXT:]])
            before = frames[-1, -_CONTEXT:]
            found, *states = self.session.run(
                ["speech_probs", "hn", "cn"],
                {"input": np.hstack([contexts, frames]), "h": states[0], "c": states[1]},
            )
            yield found.reshape(-1)

    def segments(self, probabilities: FloatArray, *, duration_s: float) -> tuple[Segment, ...]:
        """Where speech begins and ends, as Silero's own code decides it.

        Parameters
        ----------
        probabilities : ndarray, shape (n_frames,)
        duration_s : float, s
            Length of the recording.

        Returns
        -------
        tuple of Segment
            In order, without overlap.
        """
        n_samples = round(duration_s * SAMPLE_RATE)
        least = self.min_speech_s * SAMPLE_RATE
        found: list[list[int]] = []
        start = end = None
        for place, probability in enumerate(probabilities.tolist()):
            now = FRAME * place
            if probability >= self.threshold:
                end = None
                start = now if start is None else start
            elif start is not None and probability < self.release:
                end = now if end is None else end
                if now - end >= self.min_silence_s * SAMPLE_RATE:
                    if end - start > least:
                        found.append([start, end])
                    start = end = None
        if start is not None and n_samples - start > least:
            found.append([start, n_samples])
        return self._padded(found, n_samples)

    def _padded(self, found: list[list[int]], n_samples: int) -> tuple[Segment, ...]:
        pad = self.pad_s * SAMPLE_RATE
        inner = [b[0] - a[1] for a, b in pairwise(found)]
        befores, afters = [np.inf, *inner], [*inner, np.inf]
        return tuple(
            Segment(
                max(0.0, start - min(pad, before / 2)) / SAMPLE_RATE,
                min(float(n_samples), end + min(pad, after / 2)) / SAMPLE_RATE,
            )
            for (start, end), before, after in zip(found, befores, afters, strict=False)
        )


def _network_file() -> Path:
    found = importlib.util.find_spec("silero_vad")  # does not import it
    if found is None or found.origin is None:
        raise MissingExtraError("finding speech in recordings", "long")
    file = Path(found.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
    if not file.is_file():
        raise InputError(
            f"{file} is missing; expected silero-vad 6.2.3 or later: "
            "pip install --upgrade silero-vad"
        )
    return file


def _in_frames(blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Sound as tables (n, 512) of at most 512 rows, however it comes in."""
    held: list[FloatArray] = []
    size = FRAME * _FRAMES_AT_ONCE
    n_held = 0
    for block in blocks:
        held.append(np.asarray(block, dtype=np.float32))
        n_held += len(block)
        if n_held >= size:
            joined = np.concatenate(held)
            whole = n_held // size * size
            yield from joined[:whole].reshape(-1, _FRAMES_AT_ONCE, FRAME)
            held, n_held = [joined[whole:].copy()], n_held - whole
    if n_held:
        rest = np.concatenate(held)
        yield np.pad(rest, (0, -n_held % FRAME)).reshape(-1, FRAME)
