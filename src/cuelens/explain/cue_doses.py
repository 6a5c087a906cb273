"""Cues that can be given in doses: what each dose does to the voice, and how it is said.

Standard doses are about what acted emotion does.  Anger against neutral speech of the same
speakers (40 clips each): pitch 8 and 9 semitones higher (RAVDESS, EmoDB), high-frequency energy 6
and 10 dB (a tilt of 4 dB an octave: 11 dB), level 18 dB in RAVDESS; sad speech of EmoDB is 0.64
times as fast as neutral.  Faster speech and breathiness go further than emotions do: there the
harmonics-to-noise ratio moves by 1 dB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class CueDoses:
    """A cue of which speech can be given more or less.

    Parameters
    ----------
    name : str
    title : str
        Short plain name.
    unit : str
        Of a dose.
    identity : float
        The dose that changes nothing.
    standard : tuple of float
        Doses that are tried unless others are asked for.
    lowest, highest : float
        Doses that can be asked for.
    measured_unit : str
        Unit in which the edited sound is measured back: the dose's own, but for breathiness, of
        which the change of the harmonics-to-noise ratio is measured.
    words : callable
        From a dose and a place ("" or " between 0.40 and 0.90 s") to how a sentence begins.
    voice : bool
        Whether the voice's pitch has to be known, for which WORLD is needed.
    """

    name: str
    title: str
    unit: str
    identity: float
    standard: tuple[float, ...]
    lowest: float
    highest: float
    measured_unit: str
    words: Callable[[float, str], str]
    voice: bool = True

    @property
    def tolerance(self) -> float:
        """How far the measured dose may be from the one asked for: 5 % of the standard range."""
        return 0.05 * (max(self.standard) - min(self.standard))

    @property
    def step(self) -> float:
        """A difference that should not matter: 1 % of the standard range."""
        return 0.01 * (max(self.standard) - min(self.standard))

    @property
    def control(self) -> float:
        """A step from the dose that changes nothing, processed like any other; level needs none."""
        return self.identity if self.name == "level" else self.identity + self.step


def _signed(dose: float, unit: str, more: str, less: str) -> str:
    return f"{abs(dose):g} {unit} {more if dose > 0 else less}"


def _pitch_words(dose: float, place: str) -> str:
    if dose == 0:
        return f"Had the pitch{place} stayed as it is"
    unit = "semitone" if abs(dose) == 1 else "semitones"
    return f"Had the pitch{place} been {_signed(dose, unit, 'higher', 'lower')}"


def _range_words(dose: float, place: str) -> str:
    if dose == 0:
        return f"Had the pitch{place} been flat"
    return f"Had the pitch{place} moved {dose:g} times as much"


def _tempo_words(dose: float, place: str) -> str:
    return f"Had the speech{place} been {dose:g} times as fast"


def _level_words(dose: float, place: str) -> str:
    return f"Had the speech{place} been {_signed(dose, 'dB', 'louder', 'softer')}"


def _tilt_words(dose: float, place: str) -> str:
    how = _signed(dose, "dB an octave", "brighter", "darker")
    return f"Had the voice{place} been {how}"


def _breath_words(dose: float, place: str) -> str:
    return f"Had {100 * dose:g} % of the sound{place} been breath"


CUE_DOSES: Mapping[str, CueDoses] = MappingProxyType(
    {
        cue.name: cue
        for cue in (
            CueDoses(
                name="f0-level",
                title="pitch level",
                unit="semitones",
                identity=0.0,
                standard=(-6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0),
                lowest=-12.0,
                highest=12.0,
                measured_unit="semitones",
                words=_pitch_words,
            ),
            CueDoses(
                name="f0-range",
                title="pitch range",
                unit="times",
                identity=1.0,
                standard=(0.0, 0.5, 1.0, 1.5, 2.0),
                lowest=0.0,
                highest=3.0,
                measured_unit="times",
                words=_range_words,
            ),
            CueDoses(
                name="tempo",
                title="tempo",
                unit="times",
                identity=1.0,
                standard=(0.67, 0.8, 1.0, 1.25, 1.5),
                lowest=0.5,
                highest=2.0,
                measured_unit="times",
                words=_tempo_words,
            ),
            CueDoses(
                name="level",
                title="level",
                unit="dB",
                identity=0.0,
                standard=(-12.0, -6.0, 0.0, 6.0, 12.0),
                lowest=-40.0,
                highest=40.0,
                measured_unit="dB",
                words=_level_words,
                voice=False,
            ),
            CueDoses(
                name="tilt",
                title="spectral tilt",
                unit="dB/octave",
                identity=0.0,
                standard=(-4.0, -2.0, 0.0, 2.0, 4.0),
                lowest=-12.0,
                highest=12.0,
                measured_unit="dB/octave",
                words=_tilt_words,
                voice=False,
            ),
            CueDoses(
                name="breathiness",
                title="breathiness",
                unit="share",
                identity=0.0,
                standard=(0.0, 0.2, 0.4, 0.6, 0.8),
                lowest=0.0,
                highest=1.0,
                measured_unit="dB HNR",
                words=_breath_words,
            ),
        )
    }
)
"""Cues by name, in the order in which they are shown."""
