"""The twelve acoustic cues: which measurement stands for which, in words a clinician reads.

References
----------
.. [1] F. Eyben et al., "The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research
   and affective computing", IEEE Trans. Affective Computing 7(2), 2016.
.. [2] Y. Xu, X. Sun, "Maximum speed of pitch change and how it may relate to speech",
   JASA 111(3), 2002.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

Statistic = Literal["mean", "range", "slope", "variability"]

F0_DESCRIPTOR = "F0semitoneFrom27.5Hz_sma3nz"
LOUDNESS_DESCRIPTOR = "Loudness_sma3"
SEMITONE_REFERENCE_HZ = 27.5  # openSMILE counts semitones from A0


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One acoustic cue and how it is measured.

    Parameters
    ----------
    key : str
    title : str
        Short plain name.
    unit : str
    higher, lower : str
        What a higher and a lower value sound like, as words that can follow "one hears".
    functional : str or None
        openSMILE eGeMAPSv02 functional that is the value of a whole clip; None: computed here.
    descriptor : str or None
        eGeMAPSv02 low-level descriptor that windows are measured on; None: not from one.
    voiced : bool
        Measured on voiced frames only.
    statistic : {"mean", "range", "slope", "variability"} or None
        What is taken over the frames of a window: arithmetic mean; 80th minus 20th percentile;
        least-squares slope over time, per second; standard deviation divided by the mean.
    plausible : (float, float)
        Values outside are flagged, never changed.
    implausible : str
        What a value outside probably is.
    min_frames : int
        Fewest frames of 10 ms that give a value.
    per_window : bool
        Whether the cue is defined for a part of a clip.
    scope : str
        Where the measurement does not mean what its title says.
    """

    key: str
    title: str
    unit: str
    higher: str
    lower: str
    functional: str | None
    descriptor: str | None
    voiced: bool
    statistic: Statistic | None
    plausible: tuple[float, float]
    implausible: str
    min_frames: int
    per_window: bool = True
    scope: str = ""


def hz_to_semitones(hz: float) -> float:
    """Semitones above 27.5 Hz, the unit of openSMILE's F0."""
    return float(12 * np.log2(hz / SEMITONE_REFERENCE_HZ))


# Fewest frames.  openSMILE smooths every descriptor over 3 frames, so neighbours repeat each other:
# means need 2 voiced frames (no single outlier decides alone), 3 where openSMILE often fails to
# find the periods (jitter, shimmer) or every frame counts (loudness); a spread or a slope needs 5,
# two independent frames and something between them.
_CUES = (
    Cue(
        key="f0_level",
        title="pitch level",
        unit="semitones above 27.5 Hz",
        higher="a higher pitch",
        lower="a lower pitch",
        functional="F0semitoneFrom27.5Hz_sma3nz_amean",
        descriptor=F0_DESCRIPTOR,
        voiced=True,
        statistic="mean",
        plausible=(hz_to_semitones(60), hz_to_semitones(600)),
        implausible="possible octave error",
        min_frames=2,
        scope="Creaky voice is often taken for unvoiced and then does not count.",
    ),
    Cue(
        key="f0_range",
        title="pitch range",
        unit="semitones",
        higher="a wider pitch range",
        lower="a narrower pitch range",
        functional="F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2",
        descriptor=F0_DESCRIPTOR,
        voiced=True,
        statistic="range",
        plausible=(0.0, 24.0),
        implausible="possible octave errors",
        min_frames=5,
        scope="80th minus 20th percentile; grows with the length of the window.",
    ),
    Cue(
        key="f0_contour",
        title="pitch contour",
        unit="semitones/s",
        higher="a rising pitch",
        lower="a falling pitch",
        functional=None,
        descriptor=F0_DESCRIPTOR,
        voiced=True,
        statistic="slope",
        plausible=(-100.0, 100.0),  # the fastest change speakers manage [2]_
        implausible="faster than a voice can move; possible octave error",
        min_frames=5,
        scope="One straight line; a rise followed by a fall of the same size gives 0.",
    ),
    Cue(
        key="intensity",
        title="loudness",
        unit="openSMILE loudness",
        higher="a louder voice",
        lower="a softer voice",
        functional="loudness_sma3_amean",
        descriptor=LOUDNESS_DESCRIPTOR,
        voiced=False,
        statistic="mean",
        plausible=(0.02, 6.0),
        implausible="check the recording level",
        min_frames=3,
        scope="Depends on the recording level; says nothing across peak-normalised recordings.",
    ),
    Cue(
        key="intensity_variability",
        title="loudness variation",
        unit="share of the mean",
        higher="more varied loudness",
        lower="more even loudness",
        functional="loudness_sma3_stddevNorm",
        descriptor=LOUDNESS_DESCRIPTOR,
        voiced=False,
        statistic="variability",
        plausible=(0.0, 2.5),
        implausible="mostly silence",
        min_frames=5,
        scope="Silence before, after and between words raises it.",
    ),
    Cue(
        key="high_frequency_energy",
        title="high-frequency energy",
        unit="dB",
        higher="a brighter, sharper voice",
        lower="a darker, duller voice",
        functional="alphaRatioV_sma3nz_amean",
        descriptor="alphaRatio_sma3",
        voiced=True,
        statistic="mean",
        plausible=(-45.0, 10.0),
        implausible="check for filtering, or for noise taken for voice",
        min_frames=2,
        scope="Energy of 1 to 5 kHz against 50 Hz to 1 kHz; depends on the microphone.",
    ),
    Cue(
        key="jitter",
        title="pitch irregularity (jitter)",
        unit="share of the period",
        higher="a voice less regular in pitch",
        lower="a voice more regular in pitch",
        functional="jitterLocal_sma3nz_amean",
        descriptor="jitterLocal_sma3nz",
        voiced=True,
        statistic="mean",
        plausible=(0.0, 0.12),
        implausible="probably period-finding errors",
        min_frames=3,
        scope="In running speech partly the melody itself; not comparable with a sustained vowel.",
    ),
    Cue(
        key="shimmer",
        title="loudness irregularity (shimmer)",
        unit="dB",
        higher="a voice less steady in loudness",
        lower="a voice steadier in loudness",
        functional="shimmerLocaldB_sma3nz_amean",
        descriptor="shimmerLocaldB_sma3nz",
        voiced=True,
        statistic="mean",
        plausible=(0.0, 4.0),
        implausible="probably period-finding errors",
        min_frames=3,
        scope="In running speech partly the sounds themselves; not comparable with a vowel.",
    ),
    Cue(
        key="hnr",
        title="voice clarity (harmonics-to-noise ratio)",
        unit="dB",
        higher="a clearer, less noisy voice",
        lower="a noisier or breathier voice",
        functional="HNRdBACF_sma3nz_amean",
        descriptor="HNRdBACF_sma3nz",
        voiced=True,
        statistic="mean",
        plausible=(-5.0, 25.0),
        implausible="noise taken for voice, or synthetic sound",
        min_frames=2,
        scope="About 5 dB below Praat's; background noise lowers it as breathiness does.",
    ),
    Cue(
        key="f1",
        title="first formant",
        unit="Hz",
        higher="a higher first formant, as with a more open mouth",
        lower="a lower first formant, as with a more closed mouth",
        functional="F1frequency_sma3nz_amean",
        descriptor="F1frequency_sma3nz",
        voiced=True,
        statistic="mean",
        plausible=(200.0, 1200.0),
        implausible="probably another formant",
        min_frames=2,
        scope="Depends on the vowels spoken; compare like with like.",
    ),
    Cue(
        key="speech_rate",
        title="speech rate",
        unit="voiced segments/s",
        higher="faster speech",
        lower="slower speech",
        functional="VoicedSegmentsPerSec",
        descriptor=None,
        voiced=True,
        statistic=None,
        plausible=(0.3, 8.0),
        implausible="silence, or voicing that breaks up",
        min_frames=2,
        per_window=False,
        scope="Voiced segments stand in for syllables; void for cut or padded recordings.",
    ),
    Cue(
        key="pauses",
        title="pauses",
        unit="share of the clip",
        higher="more pausing",
        lower="less pausing",
        functional=None,
        descriptor=LOUDNESS_DESCRIPTOR,
        voiced=False,
        statistic=None,
        plausible=(0.0, 0.8),
        implausible="mostly silence",
        min_frames=3,
        per_window=False,
        scope="Silence of 150 ms or more between words; not found in loud background noise.",
    ),
)

CUES: Mapping[str, Cue] = MappingProxyType({cue.key: cue for cue in _CUES})
"""Every cue by its key, in the order in which they are shown."""

WINDOW_CUES: tuple[str, ...] = tuple(cue.key for cue in _CUES if cue.per_window)
"""Keys of the cues that can be measured on a part of a clip, in the order of ``CUES``."""
