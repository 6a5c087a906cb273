"""Interventions: what the model would say, had the voice been higher, flatter, faster, louder.

Masks take something away; here one cue of the clip is given in doses, the rest of the voice is
kept, and the model answers every version.  How versions are made: ``dose_versions.py``; pitch comes
from the WORLD vocoder [1]_ (extra ``synth``).

References
----------
.. [1] M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis
   system for real-time applications", IEICE Trans. Information and Systems E99-D(7), 2016.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cuelens.audio import Audio, within_full_scale
from cuelens.errors import InputError
from cuelens.explain.cue_doses import CUE_DOSES, CueDoses
from cuelens.explain.dose_measures import Heard, measured_dose, pitch_agreement
from cuelens.explain.dose_responses import DoseResponse, DoseResponses
from cuelens.explain.dose_versions import Versions, disturbed
from cuelens.explain.explanation import Clip, Method
from cuelens.models.base import (
    Model,
    default_target,
    label_index,
    model_labels,
    model_name,
    predict,
)
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray
from cuelens.vocoder import FRAME_S, Voice

MIN_SPAN_S = 0.1
MOST_ATTENUATED_DB = 20.0
LEAST_PEAK_DB = -60.0  # 33 steps of 16-bit audio


@dataclass(frozen=True, kw_only=True)
class Interventions:
    """Answers to a clip with cues in doses.

    Parameters
    ----------
    cues : tuple of str
        Keys of ``CUE_DOSES``; all by default.
    doses : mapping of str to tuple of float
        Doses to try instead of the standard ones, by cue.  The dose that changes nothing is always
        tried.
    span : (float, float) or None, s
        Part of the clip that is edited, at least 100 ms; None: all of it.
    n_remakes : int
        Remakes of every version whose answers give the range: the dose off by up to 1 % of the
        standard range, other breath noise, the sound moved by up to 5 ms, white noise 40 dB below.
        The same disturbances at every dose.
    tolerance : float
        How far next to no dose may move any output before the cue is flagged.
    seed : int

    Notes
    -----
    Versions keep the recording's A-weighted level unless level is the cue.  Where a dose goes
    beyond full scale, all versions of that cue are attenuated alike.  A remake that still
    overshoots is scaled down to full scale by itself.

    A sound bears only so much: a dose is left out, and the result says so, where all versions would
    have to be attenuated by more than 20 dB for it, or where its peak in the part would then be
    more than 60 dB below full scale.
    """

    cues: tuple[str, ...] = tuple(CUE_DOSES)
    doses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    span: tuple[float, float] | None = None
    n_remakes: int = 5
    tolerance: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cues or len(set(self.cues)) < len(self.cues):
            raise InputError(f"cues are {list(self.cues)}; expected one or more, all different")
        for cue in (*self.cues, *self.doses):
            if cue not in CUE_DOSES:
                raise InputError(f"cue is {cue!r}; expected some of {', '.join(CUE_DOSES)}")
        for cue, asked in self.doses.items():
            about = CUE_DOSES[cue]
            if cue not in self.cues:
                raise InputError(f"doses are given for {cue}, which is not among the cues")
            for dose in asked:
                if not about.lowest <= dose <= about.highest:
                    raise InputError(
                        f"dose of {cue} is {dose:g}; expected {about.lowest:g} to "
                        f"{about.highest:g} {about.unit}"
                    )
        for name in ("n_remakes", "seed"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 0:
                raise InputError(f"{name} is {value!r}; expected a whole number, 0 or more")
        if not self.tolerance >= 0:
            raise InputError(f"tolerance is {self.tolerance}; expected 0 or more")
        if self.span is not None and not 0 <= self.span[0] < self.span[1]:
            raise InputError(
                f"span is {self.span[0]:g} to {self.span[1]:g} s; expected a start of 0 or more "
                "and an end after it"
            )

    def doses_of(self, cue: str) -> FloatArray:
        """Doses of a cue, rising, with the one that changes nothing, shape (n_doses,)."""
        about = CUE_DOSES[cue]
        return np.unique([*self.doses.get(cue, about.standard), about.identity])

    def n_evaluations(self) -> int:
        """Waveforms that the model will be given; fewer where doses are left out."""
        n_doses = sum(len(self.doses_of(cue)) for cue in self.cues)
        return 1 + len(self.cues) + n_doses * (1 + self.n_remakes)

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> DoseResponses:
        """Ask the model about every dose.

        Parameters
        ----------
        model : Model
        audio : Audio
            Resampled to the model's rate where it has another.
        target : str or None
            The label that sentences and figures are about; None: the model's answer, of a
            regressor its first dimension.

        Raises
        ------
        InputError
            The target is none of the labels; the part is outside the clip or shorter than 100 ms,
            or silent; pitch is to be changed where nothing is voiced.
        MissingExtraError
            A cue other than level and tilt is asked for and ``pyworld`` is not installed.
        """
        began = time.perf_counter()
        audio = audio.resample(model.sample_rate)
        rate, labels = audio.sample_rate, model_labels(model)
        asked = None if target is None else label_index(model, target)
        first, last = self._part(audio)
        voice = None
        if any(CUE_DOSES[cue].voice for cue in self.cues):
            voice = Voice.of(audio.samples, sample_rate=rate)
        maker = Versions(
            samples=audio.samples, sample_rate=rate, first=first, last=last, voice=voice
        )
        prediction = predict(model, [audio.samples])[0]
        responses = tuple(
            self._response(CUE_DOSES[cue], model=model, audio=audio, maker=maker)
            for cue in self.cues
        )
        n_doses = sum(len(response.doses) for response in responses)
        return DoseResponses(
            clip=Clip.of(audio),
            model=model_name(model),
            labels=labels,
            target=labels[default_target(model, prediction) if asked is None else asked],
            prediction=prediction,
            responses=responses,
            span=None if self.span is None else (first / rate, last / rate),
            tolerance=self.tolerance,
            pitch_agreement=(
                float("nan")
                if voice is None
                else pitch_agreement(
                    Heard(samples=audio.samples, sample_rate=rate),
                    f0_hz=voice.f0_hz,
                    hop_s=FRAME_S,
                )
            ),
            n_model_calls=1 + len(responses) + n_doses * (1 + self.n_remakes),
            method=Method(
                name="interventions",
                parameters={
                    "doses": {cue: self.doses_of(cue).tolist() for cue in self.cues},
                    "span": None if self.span is None else list(self.span),
                    "n_remakes": self.n_remakes,
                    "tolerance": self.tolerance,
                },
                seed=self.seed,
                versions=versions(model, voice),
            ),
            timing_s=time.perf_counter() - began,
        )

    def _part(self, audio: Audio) -> tuple[int, int]:
        if self.span is None:
            return 0, audio.samples.size
        start_s, end_s = self.span
        if end_s > audio.duration_s + 0.01:
            raise InputError(
                f"{audio.source}: span is {start_s:g} to {end_s:g} s of a clip of "
                f"{audio.duration_s:.2f} s; expected a part of the clip"
            )
        first = round(start_s * audio.sample_rate)
        last = min(round(end_s * audio.sample_rate), audio.samples.size)
        if last - first < MIN_SPAN_S * audio.sample_rate:
            raise InputError(
                f"{audio.source}: span is {start_s:g} to {end_s:g} s; expected at least "
                f"{MIN_SPAN_S * 1000:.0f} ms"
            )
        return first, last

    def _response(
        self, cue: CueDoses, *, model: Model, audio: Audio, maker: Versions
    ) -> DoseResponse:
        rate = audio.sample_rate

        def edited(dose: float, *, lead_frames: int = 0) -> FloatArray:
            try:
                return maker.edited(cue, dose, lead_frames=lead_frames)
            except InputError as error:
                where = "" if self.span is None else f", {self.span[0]:g} to {self.span[1]:g} s"
                raise InputError(f"{audio.source}{where}: {cue.name}: {error}") from error

        asked = {float(dose): edited(float(dose)) for dose in self.doses_of(cue.name)}
        peak, left_out = _bearable(cue, asked, maker)
        doses = np.array([dose for dose in asked if dose not in dict(left_out)])
        made = [asked[dose] for dose in doses.tolist()]
        answers, sounds = [], []
        for dose, samples in zip(doses, made, strict=True):
            remakes = []
            for number in range(1, self.n_remakes + 1):
                random = np.random.default_rng([int(self.seed), number])
                remade = edited(_near(cue, float(dose), random), lead_frames=number) / peak
                remakes.append(
                    within_full_scale(disturbed(remade, sample_rate=rate, random=random))
                )
            scaled = within_full_scale(samples / peak)
            groups = [predict(model, [waveform]) for waveform in (scaled, *remakes)]
            answers.append(np.concatenate(groups))
            sounds.append(_sound(audio, scaled, cue, float(dose)))
        control = predict(model, [within_full_scale(edited(cue.control) / peak)])[0]
        parts = [Heard(samples=maker.part_of(s.samples), sample_rate=rate) for s in sounds]
        before = parts[int(np.flatnonzero(doses == cue.identity)[0])]
        measured = np.array([measured_dose(cue.name, before, part) for part in parts])
        return DoseResponse(
            cue=cue.name,
            doses=doses,
            outputs=np.stack([found[0] for found in answers]),
            low=np.stack([found.min(axis=0) for found in answers]),
            high=np.stack([found.max(axis=0) for found in answers]),
            control=control,
            measured=measured,
            as_asked=_as_asked(cue, doses, measured),
            attenuated_db=20 * float(np.log10(peak)),
            left_out=left_out,
            sounds=tuple(sounds),
        )


def _bearable(
    cue: CueDoses, made: Mapping[float, FloatArray], maker: Versions
) -> tuple[float, tuple[tuple[float, str], ...]]:
    """What versions are divided by to fit full scale, and the doses that are left out, with why."""
    peaks = {dose: float(np.abs(samples).max()) for dose, samples in made.items()}
    left_out: dict[float, str] = {}
    for dose, peak in peaks.items():
        over_db = 20 * float(np.log10(max(peak, 1.0)))
        if dose != cue.identity and over_db > MOST_ATTENUATED_DB:
            left_out[dose] = (
                f"it goes {over_db:.0f} dB beyond full scale, and all versions would be attenuated "
                f"by as much (at most {MOST_ATTENUATED_DB:.0f} dB are)"
            )
    largest = max(1.0, *(peak for dose, peak in peaks.items() if dose not in left_out))
    for dose, samples in made.items():
        part = float(np.abs(maker.part_of(samples)).max()) / largest
        if dose in left_out or dose == cue.identity or part >= 10 ** (LEAST_PEAK_DB / 20):
            continue
        left_out[dose] = (
            f"its peak would be {-20 * np.log10(max(part, 1e-10)):.0f} dB below full scale, next "
            f"to silence (at most {-LEAST_PEAK_DB:.0f} dB are tried)"
        )
    return largest, tuple(sorted(left_out.items()))


def _near(cue: CueDoses, dose: float, random: np.random.Generator) -> float:
    """A dose off by up to 1 % of the standard range, within what can be asked for."""
    off = cue.step * random.uniform(-1.0, 1.0)
    return float(np.clip(dose + off, cue.lowest, cue.highest))


def _sound(audio: Audio, samples: FloatArray, cue: CueDoses, dose: float) -> Audio:
    what = "no edit" if dose == cue.identity else f"{cue.name} {dose:g} {cue.unit}"
    return Audio(
        samples=samples,
        sample_rate=audio.sample_rate,
        source=f"{audio.source} ({what})",
        start_s=audio.start_s,
        notes=(*audio.notes, what),
    )


def _as_asked(cue: CueDoses, doses: FloatArray, measured: FloatArray) -> BoolArray:
    """Whether each dose came out: NaN did not, the recording did."""
    if cue.name == "breathiness":
        came_out = np.diff(measured, prepend=np.inf) < 0
    else:
        came_out = np.abs(measured - doses) <= cue.tolerance
    return np.asarray(came_out | (doses == cue.identity))
