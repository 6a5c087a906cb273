"""Whether a model keeps to what explainers rely on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from cuelens.errors import CuelensError, CuelensWarning
from cuelens.models.base import (
    Model,
    model_labels,
    model_max_duration_s,
    model_name,
    model_output,
    predict,
)
from cuelens.models.waveforms import check_sample_rate
from cuelens.testing.require import require
from cuelens.testing.signals import noise, speech_like, tone
from cuelens.typing import FloatArray

_TOLERANCE = 1e-4  # of the largest output, as cuelens itself allows
_PROBABILITY = 1e-3


def check_model(model: Model, *, waveforms: Sequence[FloatArray] | None = None) -> None:
    """Check that a model can be explained.

    Labels are different texts; the sample rate is a whole number of Hz; every waveform gets one
    finite row with a column a label, probabilities lie in [0, 1]; rows do not depend on what else
    is in the batch; the same waveform gets the same row again; waveforms are left as they were.

    Parameters
    ----------
    model : Model
    waveforms : sequence of ndarray, shape (n_samples,), float32, or None
        What to ask it about, at its rate.  None: speech-like sound of two lengths, noise, a tone,
        faint noise and silence.

    Raises
    ------
    AssertionError
        The first thing that is not so, in a sentence.
    """
    name = model_name(model)
    try:
        labels, output = model_labels(model), model_output(model)
        check_sample_rate(model.sample_rate, name=name)
    except CuelensError as error:
        raise AssertionError(str(error)) from error
    sounds = _sounds(model) if waveforms is None else list(waveforms)
    before = [sound.copy() for sound in sounds]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CuelensWarning)  # it is an error here, further below
        together = _answers(model, sounds)
        alone = np.concatenate([_answers(model, [sound]) for sound in sounds])
        again = _answers(model, sounds)
    for sound, unchanged in zip(sounds, before, strict=True):
        require(
            np.array_equal(sound, unchanged),
            f"model {name} changes the waveforms it is given; expected it to work on a copy",
        )
    if output == "probability":
        low, high = float(together.min()), float(together.max())
        require(
            low >= -_PROBABILITY and high <= 1.0 + _PROBABILITY,
            f"model {name} gives numbers from {low:.3g} to {high:.3g} as probabilities; expected "
            '0 to 1, or an attribute output of "value" or "logit"',
        )
    largest = max(float(np.abs(together).max()), 1e-12)
    allowed = max(_TOLERANCE, float(getattr(model, "batch_tolerance", 0.0)))
    difference = float(np.abs(together - alone).max()) / largest
    require(
        difference <= allowed,
        f"model {name} answers a clip differently in a batch of {len(sounds)} than alone (by "
        f"{difference:.2g} of the largest output, for labels {', '.join(labels)}); expected rows "
        "that do not depend on each other",
    )
    changed = float(np.abs(together - again).max()) / largest
    require(
        changed <= allowed,
        f"model {name} answers the same clips differently when asked again (by {changed:.2g} of "
        "the largest output); expected the same: switch dropout off, or fix its seed",
    )


def _answers(model: Model, sounds: Sequence[FloatArray]) -> FloatArray:
    try:
        return predict(model, sounds)
    except CuelensError as error:
        raise AssertionError(str(error)) from error


def _sounds(model: Model) -> list[FloatArray]:
    rate = model.sample_rate
    longest_s = min(1.0, model_max_duration_s(model))
    return [
        speech_like(duration_s=longest_s, sample_rate=rate),
        speech_like(f0_hz=210.0, duration_s=0.6 * longest_s, sample_rate=rate, seed=1),
        noise(duration_s=longest_s, sample_rate=rate),
        tone(min(440.0, rate / 4), duration_s=longest_s, sample_rate=rate),
        noise(duration_s=longest_s, sample_rate=rate, level=1e-5, seed=2),
        np.zeros(round(longest_s * rate), dtype=np.float32),
    ]
