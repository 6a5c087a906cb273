"""Interventions: what the model would say, had the voice been higher, flatter, faster, louder.

Masks take something away; here the clip is taken apart by the WORLD vocoder [1]_, one cue is given
in doses, the rest is kept, and the model answers every version (extra ``synth``).

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

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.cue_doses import CUE_DOSES, CueDoses
from cuelens.explain.dose_measures import Heard, measured_dose, pitch_kept
from cuelens.explain.dose_responses import DoseResponse, DoseResponses
from cuelens.explain.dose_versions import Versions, perturbed
from cuelens.explain.explanation import Clip, Method
from cuelens.models.base import Model, label_index, model_labels, model_name, predict
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray
from cuelens.vocoder import Voice

MIN_SPAN_S = 0.1


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
    n_perturbed : int
        Remakes of every version whose answers give the range: other noise of the vocoder, a shift
        of up to 5 ms, white noise 40 dB below the voice.  The same disturbances at every dose.
    tolerance : float
        How far the clip without edit may move any output before the result is flagged.
    seed : int

    Notes
    -----
    Versions keep the recording's A-weighted level unless level is the cue.  Where one of them goes
    beyond full scale, all that went through the vocoder are attenuated alike, and so are those of
    level.  A remake that still overshoots is scaled down to full scale by itself.
    """

    cues: tuple[str, ...] = tuple(CUE_DOSES)
    doses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    span: tuple[float, float] | None = None
    n_perturbed: int = 5
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
        for name in ("n_perturbed", "seed"):
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
        """Waveforms that the model will be given."""
        n_versions = sum(len(self.doses_of(cue)) for cue in self.cues)
        vocoded = sum(CUE_DOSES[cue].edit is not None for cue in self.cues)
        n_versions -= max(0, vocoded - 1)  # the clip without edit is asked about once
        return 1 + n_versions * (1 + self.n_perturbed)

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> DoseResponses:
        """Ask the model about every dose.

        Parameters
        ----------
        model : Model
        audio : Audio
            Resampled to the model's rate where it has another.
        target : str or None
            The label that sentences and figures are about; None: the model's answer.

        Raises
        ------
        InputError
            The target is none of the labels; the part is outside the clip or shorter than 100 ms;
            pitch is to be changed where nothing is voiced.
        MissingExtraError
            A cue other than level is asked for and ``pyworld`` is not installed.
        """
        began = time.perf_counter()
        audio = audio.resample(model.sample_rate)
        labels = model_labels(model)
        asked = None if target is None else label_index(model, target)
        first, last = self._part(audio)
        rate = audio.sample_rate
        prediction = predict(model, [audio.samples])[0]
        made: dict[str, DoseResponse] = {}
        kept = float("nan")
        vocoded = [CUE_DOSES[cue] for cue in self.cues if CUE_DOSES[cue].edit is not None]
        for cues in (vocoded, [CUE_DOSES[cue] for cue in self.cues if cue == "level"]):
            if not cues:
                continue
            voice = None
            if cues is vocoded:
                voice = Voice.of(audio.samples, sample_rate=audio.sample_rate)
            maker = Versions(
                samples=audio.samples,
                sample_rate=audio.sample_rate,
                first=first,
                last=last,
                voice=voice,
            )
            group = _Group(settings=self, model=model, audio=audio, maker=maker)
            made |= group.responses(cues)
            if cues is vocoded:
                kept = group.pitch_kept()
        return DoseResponses(
            clip=Clip.of(audio),
            model=model_name(model),
            labels=labels,
            target=labels[int(np.argmax(prediction)) if asked is None else asked],
            prediction=prediction,
            responses=tuple(made[cue] for cue in self.cues),
            span=None if self.span is None else (first / rate, last / rate),
            tolerance=self.tolerance,
            pitch_kept=kept,
            n_model_calls=self.n_evaluations(),
            method=Method(
                name="interventions",
                parameters={
                    "doses": {cue: self.doses_of(cue).tolist() for cue in self.cues},
                    "span": None if self.span is None else list(self.span),
                    "n_perturbed": self.n_perturbed,
                    "tolerance": self.tolerance,
                },
                seed=self.seed,
                versions=versions(),
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


class _Group:
    """Versions that are compared with each other and hence scaled alike."""

    def __init__(
        self, *, settings: Interventions, model: Model, audio: Audio, maker: Versions
    ) -> None:
        self._settings, self._model, self._audio, self._maker = settings, model, audio, maker
        self._scale = 1.0
        self._identity: Audio | None = None

    def responses(self, cues: list[CueDoses]) -> dict[str, DoseResponse]:
        """Answers to all doses of cues, by name."""
        waveforms: dict[tuple[str, float], FloatArray] = {}
        for cue in cues:
            for dose in self._settings.doses_of(cue.name):
                key = _key(cue, dose)
                if key not in waveforms:
                    waveforms[key] = self._edited(cue, dose).astype(np.float32)
        peak = max(float(np.abs(waveform).max()) for waveform in waveforms.values())
        self._scale = 1.0 / max(1.0, peak)
        answers = {}
        sounds = {}
        for cue in cues:
            for dose in self._settings.doses_of(cue.name):
                key = _key(cue, dose)
                if key in answers:
                    continue
                scaled = np.clip(waveforms[key] * np.float32(self._scale), -1.0, 1.0)
                sounds[key] = self._sound(scaled, cue, dose)
                answers[key] = predict(self._model, [scaled, *self._remakes(cue, dose)])
            self._identity = sounds[_key(cue, cue.identity)]
        return {cue.name: self._response(cue, answers, sounds) for cue in cues}

    def pitch_kept(self) -> float:
        """How well the pitch of the recording survives resynthesis without edit."""
        if self._identity is None:
            return float("nan")
        rate = self._audio.sample_rate
        return pitch_kept(
            Heard(samples=self._audio.samples, sample_rate=rate),
            Heard(samples=self._identity.samples, sample_rate=rate),
        )

    def _response(
        self,
        cue: CueDoses,
        answers: Mapping[tuple[str, float], FloatArray],
        sounds: Mapping[tuple[str, float], Audio],
    ) -> DoseResponse:
        doses = self._settings.doses_of(cue.name)
        keys = [_key(cue, dose) for dose in doses]
        parts = [self._heard_part(sounds[key]) for key in keys]
        before = parts[int(np.flatnonzero(doses == cue.identity)[0])]
        measured = np.array([measured_dose(cue.name, before, part) for part in parts])
        return DoseResponse(
            cue=cue.name,
            doses=doses,
            outputs=np.stack([answers[key][0] for key in keys]),
            low=np.stack([answers[key].min(axis=0) for key in keys]),
            high=np.stack([answers[key].max(axis=0) for key in keys]),
            measured=measured,
            as_asked=_as_asked(cue, doses, measured),
            attenuated_db=abs(20 * float(np.log10(self._scale))),
            sounds=tuple(sounds[key] for key in keys),
        )

    def _edited(self, cue: CueDoses, dose: float, *, lead_frames: int = 0) -> FloatArray:
        try:
            return self._maker.edited(cue, dose, lead_frames=lead_frames)
        except InputError as error:
            where = (
                ""
                if self._settings.span is None
                else " between {:g} and {:g} s".format(*self._settings.span)
            )
            raise InputError(f"{self._audio.source}{where}: {error}") from error

    def _remakes(self, cue: CueDoses, dose: float) -> list[FloatArray]:
        """The version again and again, disturbed, each shape (n_samples,), float32."""
        found = []
        for number in range(1, self._settings.n_perturbed + 1):
            remade = self._scale * self._edited(cue, dose, lead_frames=number)
            remade = perturbed(
                remade,
                sample_rate=self._audio.sample_rate,
                seed=(int(self._settings.seed), number),
            )
            remade = remade / max(1.0, float(np.abs(remade).max()))
            found.append(np.clip(remade, -1.0, 1.0).astype(np.float32))
        return found

    def _heard_part(self, sound: Audio) -> Heard:
        return Heard(
            samples=self._maker.part_of(sound.samples), sample_rate=self._audio.sample_rate
        )

    def _sound(self, samples: FloatArray, cue: CueDoses, dose: float) -> Audio:
        what = "no edit" if dose == cue.identity else f"{cue.name} {dose:g} {cue.unit}"
        return Audio(
            samples=samples,
            sample_rate=self._audio.sample_rate,
            source=f"{self._audio.source} ({what})",
            start_s=self._audio.start_s,
            notes=(*self._audio.notes, what),
        )


def _key(cue: CueDoses, dose: float) -> tuple[str, float]:
    """Cues that go through the vocoder share the version without edit."""
    return ("", 0.0) if dose == cue.identity else (cue.name, float(dose))


def _as_asked(cue: CueDoses, doses: FloatArray, measured: FloatArray) -> BoolArray:
    """Whether each dose came out: NaN did not."""
    if cue.name != "breathiness":
        return np.asarray(np.abs(measured - doses) <= cue.tolerance)
    falling = np.diff(measured, prepend=np.inf) < 0
    return np.asarray(falling & ~np.isnan(measured))
