"""How a model's answer moves with the dose of a cue: the result of ``Interventions``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.cue_doses import CUE_DOSES, CueDoses
from cuelens.explain.explanation import SCHEMA_VERSION, Clip, Method, dump_json
from cuelens.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cuelens.figure_style import FigureFormat

FLAT = 0.001  # outputs that move by less do not move
LITTLE_PITCH = 0.8  # below, much of the pitch was lost or misheard
_AUDIBLE_DB = 0.05  # attenuation worth a word


@dataclass(frozen=True, kw_only=True, eq=False)
class DoseResponse:
    """The model's answers to one clip with one cue in several doses.

    Parameters
    ----------
    cue : str
        Key of ``CUE_DOSES``.
    doses : ndarray, shape (n_doses,)
        Rising; the dose that changes nothing is one of them.
    outputs : ndarray, shape (n_doses, n_labels)
    low, high : ndarray, shape (n_doses, n_labels)
        Least and largest answer to this dose and to remakes of it: the dose off by up to 1 % of the
        standard range, other breath noise, the sound moved by up to 5 ms, white noise 40 dB below.
        The range over which the answer moves though nothing that matters does; no confidence
        interval.
    control : ndarray, shape (n_labels,)
        Answer to ``CUE_DOSES[cue].control``: processed like any dose, and next to unchanged.
    measured : ndarray, shape (n_doses,)
        The change of the cue as measured on the sound, in ``CUE_DOSES[cue].measured_unit``; NaN
        where it cannot be.
    as_asked : ndarray, shape (n_doses,), bool
        Whether that is the dose to within 5 % of the standard range of doses; for breathiness,
        whether the harmonics-to-noise ratio is lower than at the dose before.
    attenuated_db : float
        By how much all versions are attenuated so that the loudest fits full scale.
    sounds : tuple of Audio
        What the model was given, one a dose; not stored in JSON.
    left_out : tuple of (float, str)
        Doses that were asked for and that the sound does not bear, with why.
    """

    cue: str
    doses: FloatArray
    outputs: FloatArray
    low: FloatArray
    high: FloatArray
    control: FloatArray
    measured: FloatArray
    as_asked: BoolArray
    attenuated_db: float
    sounds: tuple[Audio, ...] = field(default=(), repr=False)
    left_out: tuple[tuple[float, str], ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                frozen = value.copy()
                frozen.setflags(write=False)
                object.__setattr__(self, item.name, frozen)

    @property
    def about(self) -> CueDoses:
        """What the cue is."""
        return CUE_DOSES[self.cue]

    @property
    def identity_index(self) -> int:
        """Row of the dose that changes nothing."""
        return int(np.flatnonzero(self.doses == self.about.identity)[0])

    @property
    def identity(self) -> FloatArray:
        """Answer to the recording, attenuated as the doses are, shape (n_labels,)."""
        return self.outputs[self.identity_index]

    @property
    def reach(self) -> float:
        """How far apart the answers to any two doses are, in the label that moves most."""
        return float(np.ptp(self.outputs, axis=0).max())

    @property
    def flat(self) -> bool:
        """Whether no output moves with the dose at all."""
        return self.reach < FLAT

    def row(self, dose: float) -> int:
        """Row of a dose.

        Raises
        ------
        InputError
            It was not tried.
        """
        found = np.flatnonzero(np.isclose(self.doses, dose))
        if not found.size:
            tried = ", ".join(f"{value:g}" for value in self.doses)
            raise InputError(f"dose {dose:g} of {self.cue} was not tried; expected one of {tried}")
        return int(found[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class DoseResponses:
    """What the model would have said, had the voice been otherwise.

    The dose that changes nothing gives the recording itself.  What the processing does by itself is
    told by a dose next to it, the control: where that moves an output by more than the tolerance,
    the cue is flagged, and what is said of it compares with the control.

    Parameters
    ----------
    clip : Clip
    model : str
    labels : tuple of str
    target : str
    prediction : ndarray, shape (n_labels,)
        Answer to the recording.
    responses : tuple of DoseResponse
    span : (float, float) or None, s
        The part that was edited; None: all of the clip.
    tolerance : float
        How far the control may be from the answer to the recording, in any label.
    pitch_agreement : float
        Share of the frames that openSMILE finds voiced in which WORLD hears the same pitch to a
        semitone; NaN where nothing is voiced, or no cue needs the pitch.
    n_model_calls : int
    method : Method
    timing_s : float
    """

    clip: Clip
    model: str
    labels: tuple[str, ...]
    target: str
    prediction: FloatArray
    responses: tuple[DoseResponse, ...]
    span: tuple[float, float] | None
    tolerance: float
    pitch_agreement: float
    n_model_calls: int
    method: Method
    timing_s: float = 0.0

    @property
    def target_index(self) -> int:
        """Column of the target among the labels."""
        return self.labels.index(self.target)

    @property
    def output_value(self) -> float:
        """Answer to the recording, for the target."""
        return float(self.prediction[self.target_index])

    def control_change(self, response: DoseResponse) -> float:
        """How far the control is from the recording, in the label that moves most."""
        return float(np.abs(response.control - self.prediction).max())

    def faithful(self, response: DoseResponse) -> bool:
        """Whether the control of a cue keeps every answer within the tolerance."""
        return self.control_change(response) <= self.tolerance

    @property
    def faithful_identity(self) -> bool:
        """Whether the controls of all cues keep every answer within the tolerance."""
        return all(self.faithful(response) for response in self.responses)

    def response(self, cue: str) -> DoseResponse:
        """The answers for one cue.

        Raises
        ------
        InputError
            It was not tried.
        """
        for response in self.responses:
            if response.cue == cue:
                return response
        tried = ", ".join(response.cue for response in self.responses)
        raise InputError(f"cue {cue!r} was not tried; expected one of {tried}")

    @property
    def probabilities(self) -> bool:
        """Whether the model's outputs are probabilities: in [0, 1], adding up to 1."""
        rows = np.vstack([self.prediction, *(r.outputs for r in self.responses)])
        return bool(
            (rows >= -1e-6).all()
            and (rows <= 1 + 1e-6).all()
            and np.allclose(rows.sum(axis=1), 1.0, atol=1e-3)
        )

    @property
    def output_name(self) -> str:
        """``p(anger)``, or the label alone where outputs are no probabilities."""
        return f"p({self.target})" if self.probabilities else self.target

    def sentence(self, cue: str, dose: float | None = None) -> str:
        """What the model would have said at a dose of a cue.

        Parameters
        ----------
        cue : str
        dose : float or None
            None: the dose that moves the target most, of those that came out as asked for and
            moved it clear of the ranges; where there is none, that is what the sentence says.

        Raises
        ------
        InputError
            Cue or dose was not tried.
        """
        response = self.response(cue)
        column, name = self.target_index, self.output_name
        if dose is None:
            if len(response.doses) == 1:
                return f"No {_title(response)} was tried but the recording's own."
            if response.flat:
                return (
                    f"At no {_title(response)} from {_range(response)} did any output move by "
                    f"{FLAT:g} or more: the model does not hear it."
                )
            row = self._telling(response)
            if row is None:
                return (
                    f"No dose of {_title(response)} from {_range(response)} moved {name} clear of "
                    "what faint noise and tiny changes do to it."
                )
        else:
            row = response.row(dose)
        value, unedited = response.outputs[row, column], self._unedited(response)
        place = ""
        if self.span is not None:
            place = f" between {self.span[0]:.2f} and {self.span[1]:.2f} s"
        text = response.about.words(float(response.doses[row]), place)
        low, high = response.low[row, column], response.high[row, column]
        text += f", {name} would be {value:.2f} ({low:.2f} to {high:.2f}) instead of "
        text += f"{unedited[column]:.2f}"
        if not self.faithful(response):
            text += f" ({self._processed(response)})"
        answer, before = (int(np.argmax(v)) for v in (response.outputs[row], unedited))
        if self.probabilities and answer != before:
            text += f", and the answer {self.labels[answer]} instead of {self.labels[before]}"
        text += "."
        if not response.as_asked[row]:
            text += f" {self._not_as_asked(response, row)}"
        return text

    def warnings(self) -> tuple[str, ...]:
        """What to keep in mind: processing that counts, doubtful pitch, doses that went astray."""
        found = []
        for response in self.responses:
            if self.faithful(response):
                continue
            worst = int(np.argmax(np.abs(response.control - self.prediction)))
            found.append(
                f"{_title(response).capitalize()}: {self._processed(response)}, the output for "
                f"{self.labels[worst]} is {response.control[worst]:.2f} instead of "
                f"{self.prediction[worst]:.2f}, which is more than the tolerance of "
                f"{self.tolerance:g} away: processing alone counts for the model, and doses are "
                "compared with this instead of the recording."
            )
        if np.isnan(self.pitch_agreement) and any(one.about.voice for one in self.responses):
            found.append(
                "openSMILE hears nothing voiced: doses of pitch and tempo cannot be measured back "
                "and are not to be relied on."
            )
        if self.pitch_agreement < LITTLE_PITCH:
            found.append(
                f"Two ways of finding the pitch agree in only {self.pitch_agreement:.0%} of the "
                "voiced frames (creaky voice or noise?): doses of pitch and tempo are not to be "
                "relied on."
            )
        for response in self.responses:
            found += [
                f"{_title(response).capitalize()} {_dose(response, dose)} was left out: {why}."
                for dose, why in response.left_out
            ]
            astray = np.flatnonzero(~response.as_asked)
            if astray.size:
                found.append(self._not_as_asked(response, *astray.tolist()))
        return tuple(found)

    def account(self) -> str:
        """The answer, a sentence a cue, and the warnings, one a line."""
        name, value = self.output_name, self.output_value
        lines = [f"The model {self.model} gives {name} = {value:.2f} for the recording."]
        lines += [self.sentence(response.cue) for response in self.responses]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings())])

    @staticmethod
    def _processed(response: DoseResponse) -> str:
        """What is done to the recording where nothing is meant to change."""
        how = [] if response.about.control == response.about.identity else ["with next to no dose"]
        if response.attenuated_db >= _AUDIBLE_DB:
            how.append(f"attenuated by {response.attenuated_db:.1f} dB")
        return ", ".join(how)

    def _unedited(self, response: DoseResponse) -> FloatArray:
        """What doses are compared with, shape (n_labels,)."""
        return response.identity if self.faithful(response) else response.control

    def _telling(self, response: DoseResponse) -> int | None:
        column, base = self.target_index, response.identity_index
        unedited = self._unedited(response)[column]
        low, high = response.low[:, column], response.high[:, column]
        clear = (low > max(high[base], unedited)) | (high < min(low[base], unedited))
        shift = np.abs(response.outputs[:, column] - unedited)
        shift = np.where(clear & response.as_asked, shift, -1.0)
        return int(np.argmax(shift)) if shift.max() > 0 else None

    @staticmethod
    def _not_as_asked(response: DoseResponse, *rows: int) -> str:
        about = response.about
        unit = "" if about.unit in ("times", "share") else f" {about.unit}"
        asked = ", ".join(f"{response.doses[row]:g}".replace("-", "−") for row in rows)
        what = f"{about.title.capitalize()} {asked}{unit}"
        found = [float(response.measured[row]) for row in rows]
        if np.isnan(found).all():
            return f"{what}: too little is voiced to measure what came out."
        if about.measured_unit == about.unit:
            return f"{what} came out as {', '.join(_measured(value) for value in found)}{unit}."
        return f"{what} did not lower the harmonics-to-noise ratio any further."

    def to_frame(self) -> pd.DataFrame:
        """One row a cue, dose and label.

        Columns: cue, dose, unit, label, output, low, high, change (against the recording, or
        the control where that is flagged),
        measured, measured_unit, as_asked.
        """
        import pandas as pd

        rows = [
            {
                "cue": response.cue,
                "dose": dose,
                "unit": response.about.unit,
                "label": label,
                "output": response.outputs[row, column],
                "low": response.low[row, column],
                "high": response.high[row, column],
                "change": response.outputs[row, column] - self._unedited(response)[column],
                "measured": response.measured[row],
                "measured_unit": response.about.measured_unit,
                "as_asked": bool(response.as_asked[row]),
            }
            for response in self.responses
            for row, dose in enumerate(response.doses)
            for column, label in enumerate(self.labels)
        ]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON types; see the JSON page of the documentation."""

        def by_label(values: FloatArray) -> dict[str, float]:
            return {label: float(v) for label, v in zip(self.labels, values, strict=True)}

        return {
            "schema_version": SCHEMA_VERSION,
            "clip": asdict(self.clip) | {"notes": list(self.clip.notes)},
            "model": {"name": self.model, "labels": list(self.labels)},
            "prediction": by_label(self.prediction),
            "target": self.target,
            "output_value": self.output_value,
            "span": None if self.span is None else {"start_s": self.span[0], "end_s": self.span[1]},
            "tolerance": self.tolerance,
            "faithful_identity": self.faithful_identity,
            "pitch_agreement": _number(self.pitch_agreement),
            "cues": [
                {
                    "cue": response.cue,
                    "unit": response.about.unit,
                    "measured_unit": response.about.measured_unit,
                    "identity": response.about.identity,
                    "control": {
                        "dose": response.about.control,
                        "outputs": by_label(response.control),
                        "change": self.control_change(response),
                    },
                    "faithful_identity": self.faithful(response),
                    "attenuated_db": response.attenuated_db,
                    "left_out": [{"dose": dose, "reason": why} for dose, why in response.left_out],
                    "flat": response.flat,
                    "sentence": self.sentence(response.cue),
                    "doses": [
                        {
                            "dose": float(dose),
                            "outputs": by_label(response.outputs[row]),
                            "low": by_label(response.low[row]),
                            "high": by_label(response.high[row]),
                            "measured": _number(response.measured[row]),
                            "as_asked": bool(response.as_asked[row]),
                        }
                        for row, dose in enumerate(response.doses)
                    ],
                }
                for response in self.responses
            ],
            "warnings": list(self.warnings()),
            "account": self.account(),
            "n_model_calls": self.n_model_calls,
            "method": {
                "name": self.method.name,
                "parameters": dict(self.method.parameters),
                "seed": self.method.seed,
                "versions": dict(self.method.versions),
            },
            "timing_s": self.timing_s,
        }

    def to_json(self) -> str:
        """The result as JSON text, NaN as null."""
        return dump_json(self.to_dict())

    def _repr_html_(self) -> str:
        """What a notebook shows: the figure and the account."""
        from cuelens.explain.explanation_html import interventions_html

        return interventions_html(self)

    def plot(self) -> Figure:
        """Draw the target's output against the dose, a panel a cue."""
        from cuelens.explain.figures import plot_dose_responses

        return plot_dose_responses(self)

    def save(self, folder: str | Path, *, figures: FigureFormat = "png") -> Path:
        """Write ``interventions.json``, ``.csv`` and the figure; returns the JSON."""
        from cuelens.figure_style import save_figures

        file = Path(folder) / "interventions.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.to_json(), encoding="utf-8")
        self.to_frame().to_csv(file.with_suffix(".csv"), index=False)
        save_figures({"interventions": self.plot()}, file.parent, figures)
        return file


def _measured(value: float) -> str:
    return "unknown" if np.isnan(value) else measured_text(value)


def measured_text(value: float) -> str:
    """A measured dose in two digits, without a sign where it is 0."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _title(response: DoseResponse) -> str:
    return response.about.title


def _dose(response: DoseResponse, dose: float) -> str:
    unit = "" if response.about.unit in ("times", "share") else f" {response.about.unit}"
    return f"{dose:g}{unit}".replace("-", "−")


def _range(response: DoseResponse) -> str:
    unit = "" if response.about.unit in ("times", "share") else f" {response.about.unit}"
    return f"{response.doses[0]:g} to {response.doses[-1]:g}{unit}".replace("-", "−")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
