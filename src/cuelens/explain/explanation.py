"""The result of every explainer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.input_file import parse_json
from cuelens.models.base import Model, Output, model_labels
from cuelens.models.contrast import contrast_columns
from cuelens.typing import BoolArray, FloatArray, IntArray
from cuelens.units import Parts, Unit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SCHEMA_VERSION = 1
_NOT_PROBABILITY = 1e-3  # rounding of half precision stays below
ALL_COMBINATIONS = "all combinations"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Which sound was explained.

    ``path`` as given; ``sha256`` of the file; ``sample_rate_hz`` as analysed; ``start_s`` where the
    clip begins in the file; ``notes`` on what was changed when it was read.
    """

    path: str
    sha256: str
    duration_s: float
    sample_rate_hz: int
    start_s: float = 0.0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, audio: Audio) -> Clip:
        """Describe an :class:`~cuelens.audio.Audio`."""
        return cls(
            path=audio.source,
            sha256=audio.sha256,
            duration_s=audio.duration_s,
            sample_rate_hz=audio.sample_rate,
            start_s=audio.start_s,
            notes=audio.notes,
        )


@dataclass(frozen=True, kw_only=True)
class Method:
    """How an explanation was made: name, every parameter, seed, versions of what computed it."""

    name: str
    parameters: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A part of another clip that a concept answers to most.

    ``source`` is the clip's path; times in seconds of it; ``score`` the channel's share of the
    relevance there, which orders references and means nothing else; ``sound`` the part itself,
    not stored in JSON.
    """

    source: str
    start_s: float
    end_s: float
    score: float
    sound: Audio | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concept:
    """A channel of a network, and what it stands for.

    Parameters
    ----------
    layer : str
        Name of the module whose output holds the channel.
    channel : int
    share : float
        Share of the layer's relevance for the target that passes through the channel.
    map : TimeFrequencyMap
        Relevance that passes through this channel alone, for the target: ``values`` has shape
        (1, n_bands, n_frames).
    references : tuple of Reference
        Where in other clips the channel is most relevant to the target, the most relevant first.
    """

    layer: str
    channel: int
    share: float
    map: TimeFrequencyMap
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Weights of a clip's units, for every label of the model at once.

    Sign: a weight above 0 supports the label.  Times are seconds of the clip as given.

    Parameters
    ----------
    clip : Clip
    model : str
    labels : tuple of str
    target : str
        The label that was asked about; by default the one the model answers.
    prediction : ndarray, shape (n_labels,)
        The model's answer to the clip.
    base : ndarray, shape (n_labels,)
        Its answer with every unit absent (Shapley), the surrogate's intercept (LIME), the output
        at the baseline (integrated gradients); NaN where the method has none.
    units : tuple of Unit
    weights : ndarray, shape (n_labels, n_units)
    ci_low, ci_high : ndarray, shape (n_labels, n_units), or None
        95 % interval of the sampling error; None where the weights are exact.
    interactions : ndarray, shape (n_labels, n_units, n_units), or None
        Pairwise Shapley interaction index.
    fidelity : ndarray, shape (n_labels,)
        Weighted R2 of the additive model near the clip; NaN where the output never changes.
    keep, outputs : ndarray, shape (n_coalitions, n_units) bool and (n_coalitions, n_labels)
        Every version of the clip that the model was asked about, and its answers.
    n_model_calls : int
    method : Method
    account : str
        The explanation in plain sentences.
    timing_s : float
    output : ndarray, shape (n_labels,), or None
        What the weights are shares of, where that is not ``prediction``: logits.
    map : TimeFrequencyMap or None
        Of explainers that look inside a network; ``weights`` are then its sums over the units,
        which are time windows.
    concepts : tuple of Concept
        Channels of the network that the target rests on, where the explainer finds them.
    components : Parts or None
        The parts, to listen to; not stored in JSON.
    """

    clip: Clip
    model: str
    labels: tuple[str, ...]
    target: str
    prediction: FloatArray
    base: FloatArray
    units: tuple[Unit, ...]
    weights: FloatArray
    ci_low: FloatArray | None = None
    ci_high: FloatArray | None = None
    interactions: FloatArray | None = None
    fidelity: FloatArray
    keep: BoolArray
    outputs: FloatArray
    n_model_calls: int
    method: Method
    account: str = ""
    timing_s: float = 0.0
    output: FloatArray | None = None
    map: TimeFrequencyMap | None = None
    concepts: tuple[Concept, ...] = ()
    components: Parts | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                frozen = value.copy()
                frozen.setflags(write=False)
                object.__setattr__(self, item.name, frozen)

    @property
    def target_index(self) -> int:
        """Column of the target among the labels."""
        return self.labels.index(self.target)

    @property
    def output_value(self) -> float:
        """The output that is explained, for the target: a probability, or a logit."""
        outputs = self.prediction if self.output is None else self.output
        return float(outputs[self.target_index])

    @property
    def base_value(self) -> float:
        """The base for the target."""
        return float(self.base[self.target_index])

    @property
    def target_weights(self) -> FloatArray:
        """Weights of the units for the target, shape (n_units,)."""
        return self.weights[self.target_index]

    @property
    def tried_all(self) -> bool:
        """Whether the model answered every combination of units, mixed from parts that add up."""
        return bool(self.method.parameters.get("sampling") == ALL_COMBINATIONS)

    @property
    def output_kind(self) -> Output:
        """What is explained: probabilities, logits (log-odds), or a regression's values."""
        kind: Output = self.method.parameters.get("output", "probability")
        return kind

    @property
    def predicts_probabilities(self) -> bool:
        """Whether ``prediction`` holds probabilities, whatever it is that is explained.

        Not where answers lie outside [0, 1], whatever the model says that they are.
        """
        said = self.output_kind == "probability" or self.output is not None
        own = slice(None if self.contrast is None else -1)
        return said and all(
            answers[..., own].min(initial=0.0) >= -_NOT_PROBABILITY
            and answers[..., own].max(initial=1.0) <= 1.0 + _NOT_PROBABILITY
            for answers in (self.prediction, self.outputs)
        )

    @property
    def contrast(self) -> tuple[str, str] | None:
        """A and B where the last label is "A rather than B", else None."""
        found = self.method.parameters.get("contrast")
        return None if found is None else (found[0], found[1])

    @property
    def quantity(self) -> str:
        """What the target's weights are shares of, in words."""
        if self.output_kind != "logit":
            return self.answer_quantity
        if self.contrast is not None and self.target == self.labels[-1]:
            if self.map is not None:
                return "logit({}) − logit({})".format(*self.contrast)
            return "log p({})/p({})".format(*self.contrast)
        return f"logit({self.target})"

    @property
    def answer_quantity(self) -> str:
        """What the model gives for the target, in words."""
        if not self.predicts_probabilities:
            return self.target
        if self.contrast is not None and self.target == self.labels[-1]:
            return "p({}) − p({})".format(*self.contrast)
        return f"p({self.target})"

    @property
    def answer_range(self) -> tuple[float, float]:
        """Lowest and highest value that the target's answers are drawn between."""
        column = self.outputs[:, self.target_index]
        low, high = float(column.min(initial=0.0)), float(column.max(initial=1.0))
        return low, high

    def order(self) -> IntArray:
        """Indices of the units, most supporting first, shape (n_units,); ties in unit order."""
        return np.argsort(-self.target_weights, kind="stable")

    def audio(self, keep: BoolArray) -> Audio:
        """The clip with only some units, to listen to.

        Parameters
        ----------
        keep : ndarray, shape (n_units,), bool

        Returns
        -------
        Audio
            Scaled down where it would overshoot full scale; its notes say so.

        Raises
        ------
        InputError
            Nothing is left to hear, or the explanation was read from JSON, which holds no sound.
        """
        if self.components is None:
            raise InputError(
                "this explanation holds no sound (it was read from JSON); expected one returned "
                "by explain(): explain the clip again to listen to it"
            )
        samples = self.components.mix(np.atleast_2d(keep))[0]
        peak = float(np.abs(samples).max())
        notes: tuple[str, ...] = ("some units absent",)
        if peak > 1.0:
            samples = samples / peak
            notes = (*notes, f"scaled by {1 / peak:.3f} to stay within full scale")
        return Audio(
            samples=samples,
            sample_rate=self.components.sample_rate,
            source=self.clip.path,
            notes=notes,
        )

    def to_frame(self, *, all_labels: bool = False) -> pd.DataFrame:
        """Weights as a table, one row a unit.

        Parameters
        ----------
        all_labels : bool
            A row a unit and label instead, indexed (file, start, end) as audformat's segments are,
            to join with tables of features; columns unit, low_hz, high_hz, label, weight, ci_low,
            ci_high.

        Returns
        -------
        DataFrame
            Indexed by unit, for the target: columns low_hz, high_hz, start_s, end_s (of the file),
            weight, and where weights were sampled ci_low, ci_high.
        """
        import pandas as pd

        nothing = np.full(self.weights.shape, np.nan)
        low = nothing if self.ci_low is None else self.ci_low
        high = nothing if self.ci_high is None else self.ci_high
        wanted = self.labels if all_labels else (self.target,)
        frame = pd.DataFrame(
            [
                {
                    "unit": unit.name,
                    "low_hz": unit.low_hz,
                    "high_hz": unit.high_hz,
                    "start_s": self.clip.start_s + unit.start_s,
                    "end_s": self.clip.start_s + unit.end_s,
                    "label": label,
                    "weight": self.weights[row, column],
                    "ci_low": low[row, column],
                    "ci_high": high[row, column],
                }
                for label in wanted
                for row in [self.labels.index(label)]
                for column, unit in enumerate(self.units)
            ]
        )
        if not all_labels:
            exact = ["ci_low", "ci_high"] if self.ci_low is None else []
            return frame.drop(columns=["label", *exact]).set_index("unit")
        times = {
            name: pd.to_timedelta(frame.pop(f"{name}_s"), unit="s") for name in ("start", "end")
        }
        return frame.assign(file=self.clip.path, **times).set_index(["file", "start", "end"])

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON types; see the JSON page of the documentation."""
        row = self.target_index
        units = []
        for column, unit in enumerate(self.units):
            entry: dict[str, Any] = asdict(unit) | {"weight": float(self.weights[row, column])}
            if self.ci_low is not None and self.ci_high is not None:
                entry["ci_low"] = float(self.ci_low[row, column])
                entry["ci_high"] = float(self.ci_high[row, column])
            units.append(entry)
        return {
            "schema_version": SCHEMA_VERSION,
            "clip": asdict(self.clip) | {"notes": list(self.clip.notes)},
            "model": {"name": self.model, "labels": list(self.labels)},
            "prediction": _by_label(self.labels, self.prediction),
            "target": self.target,
            "output_value": self.output_value,
            "base_value": _number(self.base_value),
            "n_model_calls": self.n_model_calls,
            "method": {
                "name": self.method.name,
                "parameters": dict(self.method.parameters),
                "seed": self.method.seed,
                "versions": dict(self.method.versions),
            },
            "units": units,
            "all_targets": _by_label(self.labels, self.weights),
            "all_outputs": None if self.output is None else _by_label(self.labels, self.output),
            "all_bases": {
                label: _number(value) for label, value in zip(self.labels, self.base, strict=True)
            },
            "all_ci_low": None if self.ci_low is None else _by_label(self.labels, self.ci_low),
            "all_ci_high": None if self.ci_high is None else _by_label(self.labels, self.ci_high),
            "interactions": (
                None if self.interactions is None else _by_label(self.labels, self.interactions)
            ),
            "fidelity": _number(self.fidelity[row]),
            "all_fidelity": {
                label: _number(value)
                for label, value in zip(self.labels, self.fidelity, strict=True)
            },
            "evaluations": {
                "keep": ["".join("01"[bit] for bit in bits) for bits in self.keep.astype(int)],
                "outputs": self.outputs.tolist(),
            },
            "map": None if self.map is None else self.map.to_dict(),
            "concepts": [
                {
                    "layer": concept.layer,
                    "channel": concept.channel,
                    "share": concept.share,
                    "map": concept.map.to_dict(),
                    "references": [
                        {
                            "path": reference.source,
                            "start_s": reference.start_s,
                            "end_s": reference.end_s,
                            "score": reference.score,
                        }
                        for reference in concept.references
                    ],
                }
                for concept in self.concepts
            ],
            "account": self.account,
            "timing_s": self.timing_s,
        }

    def to_json(self) -> str:
        """The explanation as JSON text, two spaces of indent, NaN as null."""
        return dump_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Explanation:
        """Read what :meth:`to_json` wrote; further keys are ignored.

        Raises
        ------
        InputError
            Not JSON, another schema version, or a key is missing.
        """
        try:
            data = parse_json(text)
            version = data["schema_version"]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"not an explanation ({error!r}); expected the JSON that cuelens writes"
            ) from error
        if version != SCHEMA_VERSION:
            raise InputError(
                f"explanation has schema version {version!r}; expected {SCHEMA_VERSION}: read it "
                "with the version of cuelens that wrote it"
            )
        try:
            return _from_dict(data)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise InputError(f"explanation is incomplete or damaged: {error!r}") from error

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the units' weights for the target with their intervals; returns the axes."""
        from cuelens.explain.figures import plot_weights

        return plot_weights(self, ax)

    def _repr_html_(self) -> str:
        """Figure, account and table of weights, for notebooks."""
        from cuelens.explain.explanation_html import explanation_html

        return explanation_html(self)

    def save(self, folder: str | Path) -> Path:
        """Write ``explanation.json`` into a folder, which is made if needed; returns the file."""
        file = Path(folder) / "explanation.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.to_json(), encoding="utf-8")
        return file


def output_parameters(model: Model, kind: Output) -> dict[str, Any]:
    """What the record says of the output that is explained: its kind, and a contrast's labels."""
    columns, labels = contrast_columns(model), model_labels(model)
    found: dict[str, Any] = {"output": kind}
    if columns is not None:
        found["contrast"] = [labels[column] for column in columns]
    return found


def dump_json(data: Mapping[str, Any]) -> str:
    """JSON text as cuelens writes it everywhere."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_line(data: Mapping[str, Any]) -> str:
    """The same on one line, for files of many results."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"


def _from_dict(data: Mapping[str, Any]) -> Explanation:
    labels = tuple(data["model"]["labels"])

    def table(name: str) -> FloatArray | None:
        found = data.get(name)
        return None if found is None else np.array([found[label] for label in labels])

    def required(name: str) -> FloatArray:
        return np.array([data[name][label] for label in labels], dtype=np.float64)

    unit_fields = [item.name for item in fields(Unit)]
    return Explanation(
        clip=Clip(**{**data["clip"], "notes": tuple(data["clip"]["notes"])}),
        model=data["model"]["name"],
        labels=labels,
        target=data["target"],
        prediction=required("prediction"),
        base=required("all_bases"),
        units=tuple(Unit(**{name: unit[name] for name in unit_fields}) for unit in data["units"]),
        weights=required("all_targets"),
        ci_low=table("all_ci_low"),
        ci_high=table("all_ci_high"),
        interactions=table("interactions"),
        fidelity=required("all_fidelity"),  # null becomes NaN
        keep=np.array([[bit == "1" for bit in bits] for bits in data["evaluations"]["keep"]]),
        outputs=np.array(data["evaluations"]["outputs"]),
        n_model_calls=data["n_model_calls"],
        method=Method(**data["method"]),
        account=data["account"],
        timing_s=data["timing_s"],
        output=table("all_outputs"),
        map=None if data.get("map") is None else TimeFrequencyMap.from_dict(data["map"]),
        concepts=tuple(
            Concept(
                layer=concept["layer"],
                channel=concept["channel"],
                share=concept["share"],
                map=TimeFrequencyMap.from_dict(concept["map"]),
                references=tuple(
                    Reference(
                        source=reference["path"],
                        start_s=reference["start_s"],
                        end_s=reference["end_s"],
                        score=reference["score"],
                    )
                    for reference in concept["references"]
                ),
            )
            for concept in data.get("concepts", ())
        ),
    )


def _by_label(labels: tuple[str, ...], values: FloatArray) -> dict[str, Any]:
    return dict(zip(labels, values.tolist(), strict=True))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
