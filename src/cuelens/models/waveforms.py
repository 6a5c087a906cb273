"""What every adapter refuses of the waveforms it is given, in one line each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cuelens.errors import InputError
from cuelens.typing import FloatArray


def checked_waveforms(
    waveforms: Sequence[FloatArray], *, name: str, sample_rate: int = 0, shortest: int = 0
) -> list[FloatArray]:
    """The waveforms as float32, if a model can take them.

    Parameters
    ----------
    waveforms : sequence of ndarray, shape (n_samples,), float
    name : str
        Of the model, for messages.
    sample_rate : int, Hz
        For messages.
    shortest : int
        Samples that the model needs.

    Raises
    ------
    InputError
        A waveform with another number of axes, with a sample that is no number, or too short.
    """
    return [_checked(w, name, sample_rate, shortest) for w in waveforms]


def _checked(waveform: FloatArray, name: str, rate: int, shortest: int) -> FloatArray:
    waveform = np.asarray(waveform)
    if waveform.ndim != 1:
        what = "average the channels first" if waveform.ndim else "give a list of waveforms"
        raise InputError(
            f"model {name} was given a waveform of shape {waveform.shape}; expected (n_samples,), "
            f"one channel: {what}"
        )
    if not np.issubdtype(waveform.dtype, np.floating):
        raise InputError(
            f"model {name} was given samples of type {waveform.dtype}; expected float in [-1, 1]: "
            "divide 16-bit integers by 32768"
        )
    if not np.isfinite(waveform).all():
        raise InputError(
            f"model {name} was given {np.count_nonzero(~np.isfinite(waveform))} samples that are "
            "NaN or infinite; expected numbers in [-1, 1]"
        )
    if len(waveform) < shortest:
        raise InputError(
            f"model {name} was given a waveform of {len(waveform)} samples "
            f"({len(waveform) / rate * 1000:.0f} ms); expected {shortest} or more "
            f"({math.ceil(shortest / rate * 1000)} ms)"
        )
    return waveform.astype(np.float32, copy=False)


def check_sample_rate(sample_rate: object, *, name: str) -> int:
    """A rate in Hz that a model may have.

    Raises
    ------
    InputError
        Not a whole number of Hz, 1000 or more.
    """
    try:
        rate = int(sample_rate)  # type: ignore[call-overload]
        if rate == float(sample_rate) and rate >= 1000:  # type: ignore[arg-type]
            return rate
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(
        f"model {name}: sample rate is {sample_rate!r}; expected a whole number of Hz, such as "
        "16000"
    )
