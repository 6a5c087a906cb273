"""Edits of a whole clip that change one acoustic cue by a known amount (extra ``synth``).

The clip is taken apart by the WORLD vocoder [1]_, one thing is changed, and it is put together
again.  The untouched clip goes through the vocoder as well, so that the vocoder itself is no cue,
and both have the same A-weighted level [2]_ unless level is what is edited.  (At the same root mean
square a flatter spectrum would be louder.)

Sizes are about what acted emotion does.  Anger against neutral speech of the same speakers (40
clips each): pitch 8 and 9 semitones higher (RAVDESS, EmoDB), high-frequency energy 6 and 10 dB (the
edit: 11 dB), level 18 dB in RAVDESS (EmoDB's levels were evened out).  Jitter and breathiness go
further than emotions do (jitter rises by up to 0.008, the edit by 0.010 to 0.013; the
harmonics-to-noise ratio moves by 1 dB, the edit by 4): smaller ones go unnoticed.

References
----------
.. [1] M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis
   system for real-time applications", IEICE Trans. Information and Systems E99-D(7), 2016.
.. [2] IEC 61672-1:2013, "Electroacoustics - Sound level meters", annex E.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from cuelens.audio import Audio
from cuelens.cues import CUES
from cuelens.typing import FloatArray
from cuelens.vocoder import Voice, a_weighted_db


@dataclass(frozen=True, kw_only=True)
class CueEdit:
    """A change of one acoustic cue of a whole clip.

    Parameters
    ----------
    name : str
    cue : str
        Key in ``cuelens.cues.CUES`` of what changes.
    sign : {1, -1}
        Whether the cue's value rises or falls.
    size : str
        By how much, in words.
    change : callable
        From the voice to the voice as edited.
    gain_db : float
        By how much the level of the edited clip is above that of the untouched one.
    """

    name: str
    cue: str
    sign: int
    size: str
    change: Callable[[Voice], Voice]
    gain_db: float = 0.0

    @property
    def functional(self) -> str:
        """The eGeMAPS functional that is the cue's value for a whole clip."""
        return CUES[self.cue].functional or ""

    def apply(self, voice: Voice) -> FloatArray:
        """The edited clip, shape (n_samples,), float64, to be compared with ``voice.samples()``.

        Parameters
        ----------
        voice : Voice

        Raises
        ------
        InputError
            Nothing is voiced, or the vocoder gives silence.
        """
        untouched, changed = voice.samples(), self.change(voice).samples()
        level_db = a_weighted_db(untouched, sample_rate=voice.sample_rate) + self.gain_db
        gain_db = level_db - a_weighted_db(changed, sample_rate=voice.sample_rate)
        return changed * 10 ** (gain_db / 20)


def edited_pair(audio: Audio, edit: CueEdit) -> tuple[Audio, Audio]:
    """A clip untouched and edited, both through the vocoder.

    Where the edited one goes beyond full scale, both are attenuated by the same amount.

    Parameters
    ----------
    audio : Audio
    edit : CueEdit

    Raises
    ------
    InputError
        Nothing is voiced.
    """
    voice = Voice.of(audio.samples, sample_rate=audio.sample_rate)
    pair = voice.samples(), edit.apply(voice)
    scale = 1.0 / max(1.0, *(float(np.abs(samples).max()) for samples in pair))
    untouched, edited = (
        replace(
            audio,
            samples=(scale * samples).astype(np.float32),
            source=f"{audio.source} ({what})",
            sha256="",
        )
        for samples, what in zip(pair, ("untouched", edit.name), strict=True)
    )
    return untouched, edited


CUE_EDITS: Mapping[str, CueEdit] = MappingProxyType(
    {
        edit.name: edit
        for edit in (
            CueEdit(
                name="f0-level",
                cue="f0_level",
                sign=1,
                size="6 semitones higher",
                change=lambda voice: voice.with_f0(semitones=6.0),
            ),
            CueEdit(
                name="f0-range",
                cue="f0_range",
                sign=1,
                size="movements of pitch twice as wide",
                change=lambda voice: voice.with_f0(range_factor=2.0),
            ),
            CueEdit(
                name="tempo",
                cue="speech_rate",
                sign=1,
                size="1.5 times as fast",
                change=lambda voice: voice.with_tempo(1.5),
            ),
            CueEdit(
                name="level",
                cue="intensity",
                sign=1,
                size="12 dB louder",
                change=lambda voice: voice,
                gain_db=12.0,
            ),
            CueEdit(
                name="tilt",
                cue="high_frequency_energy",
                sign=1,
                size="falls off less by 4 dB an octave",
                change=lambda voice: voice.with_tilt(4.0),
            ),
            CueEdit(
                name="jitter",
                cue="jitter",
                sign=1,
                size="pitch of every 5 ms off by 4 % (standard deviation)",
                change=lambda voice: voice.with_jitter(4.0),
            ),
            CueEdit(
                name="breathiness",
                cue="hnr",
                sign=-1,
                size="half of what is periodic turned into noise",
                change=lambda voice: voice.with_breathiness(0.5),
            ),
        )
    }
)
"""Edits of a whole clip by name."""
