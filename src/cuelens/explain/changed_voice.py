"""One clip with several cues changed at once: the voice that someone asks about.

`Interventions` gives one cue in doses, with remakes and checks; this makes one version to hear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.cue_doses import CUE_DOSES
from cuelens.explain.dose_versions import Versions
from cuelens.typing import FloatArray
from cuelens.vocoder import Voice

ORDER = ("f0-level", "f0-range", "tempo", "breathiness", "tilt", "level")
"""In which cues are changed: periods of the voice first, filters and factors last."""


def changed_voice(audio: Audio, doses: Mapping[str, float]) -> Audio:
    """The clip with each cue given its dose, one after the other.

    Parameters
    ----------
    audio : Audio
    doses : mapping of str to float
        By key of ``CUE_DOSES``; a dose that changes nothing leaves its cue alone.

    Returns
    -------
    Audio
        Scaled down where it would go beyond full scale; its notes say so, and what was changed.

    Raises
    ------
    InputError
        An unknown cue, a dose outside its range, or pitch asked for where nothing is voiced.
    MissingExtraError
        A cue of the voice is changed and ``pyworld`` is not installed.
    """
    for name, dose in doses.items():
        if name not in CUE_DOSES:
            raise InputError(f"cue is {name!r}; expected some of {', '.join(CUE_DOSES)}")
        about = CUE_DOSES[name]
        if not about.lowest <= dose <= about.highest:
            raise InputError(
                f"dose of {name} is {dose:g}; expected {about.lowest:g} to {about.highest:g} "
                f"{about.unit}"
            )
    samples: FloatArray = audio.samples.astype(np.float64)
    notes = list(audio.notes)
    for name in ORDER:
        about = CUE_DOSES[name]
        dose = float(doses.get(name, about.identity))
        if dose == about.identity:
            continue
        peak = max(1.0, float(np.abs(samples).max()))  # taken apart within full scale
        inside: FloatArray = (samples / peak).astype(np.float32)
        maker = Versions(
            samples=inside,
            sample_rate=audio.sample_rate,
            first=0,
            last=len(inside),
            voice=Voice.of(inside, sample_rate=audio.sample_rate) if about.voice else None,
        )
        samples = maker.edited(about, dose) * peak
        notes.append(f"{about.title} {dose:+g} {about.unit}")
    if len(notes) == len(audio.notes):
        return audio
    peak = float(np.abs(samples).max())
    if peak > 1.0:
        samples = samples / peak
        notes.append(f"scaled by {1 / peak:.3f} to stay within full scale")
    return replace(
        audio, samples=np.clip(samples, -1.0, 1.0).astype(np.float32), sha256="", notes=tuple(notes)
    )
