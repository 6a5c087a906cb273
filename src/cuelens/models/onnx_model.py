"""ONNX networks of waveforms or log-mel pictures, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from cuelens.errors import InputError
from cuelens.features import LogMel
from cuelens.input_file import parse_json
from cuelens.models.audonnx_folder import read_audonnx
from cuelens.models.base import (
    NetworkOutput,
    Output,
    given_output,
    model_labels,
    network_answers,
)
from cuelens.models.batching import (
    SAME_IN_BATCH,
    SAME_IN_HALF,
    answer_and_compare,
    in_batches,
)
from cuelens.models.lengths import length_hint, shortest_taken
from cuelens.models.log_mel_cnn import WindowedLogMel, onnx_session
from cuelens.models.spec import labels_of, output_of, read_sidecar, split_spec
from cuelens.models.waveforms import check_sample_rate, checked_waveforms
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import onnxruntime

OPTIONS = ("labels", "rate", "input", "output", "node")
INPUTS = ("waveform", "log_mel")
_open: WeakValueDictionary[str, Any] = WeakValueDictionary()
_PICTURES = 32  # through the network at once
_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class _Input(NamedTuple):
    name: str
    shape: list[Any]  # a number, or anything else where it may be any
    dtype: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxModel:
    """A network in ONNX that takes waveforms, or log-mel pictures of them.

    Parameters
    ----------
    file : str or Path
    labels : tuple of str
    sample_rate : int, Hz
        Of the waveforms it takes.
    network_output : {"probability", "logit", "multi_label_logit", "value"} or None
        What the network gives.  Logits go through a softmax, those of labels that do not exclude
        each other (``"multi_label_logit"``) through a sigmoid.  None: values where every label is
        one of arousal, activation, dominance, control, valence, liking; else probabilities that
        add up to 1, or an error.
    front_end : WindowedLogMel or None
        Makes pictures (n, 1, n_mels, n_frames) of a clip; the answers to its windows are
        averaged, and silence is answered with equal probabilities.  None: the network takes
        waveforms, (n, n_samples), (n, 1, n_samples) or (n_samples,).
    node : str, optional
        Output node; by default the only one that has as many numbers as there are labels.
    batch_seconds : float, s
        Sound that goes through the network at once, at least one waveform.
    name : str, optional
        By default that of the file.

    Notes
    -----
    Only waveforms of equal length go through the network together, and one by one where its first
    axis is fixed to 1; of pictures likewise.  A network with a fixed number of samples gets
    shorter waveforms with silence behind them; longer ones are refused.

    Raises
    ------
    InputError
        A file that cannot be read, more than one input, a first axis fixed to 2 or more, or an
        output that is not one row a waveform and one column a label.
    """

    file: str | Path
    labels: tuple[str, ...]
    sample_rate: int = 16_000
    network_output: NetworkOutput | None = None
    front_end: WindowedLogMel | None = None
    node: str | None = None
    batch_seconds: float = 60.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", Path(self.file).stem)
        check_sample_rate(self.sample_rate, name=self.name)
        model_labels(self)
        if self.front_end is not None and self.front_end.sample_rate != self.sample_rate:
            raise InputError(
                f"model {self.name}: sample rate is {self.sample_rate} Hz and that of its log-mel "
                f"front end {self.front_end.sample_rate} Hz; expected the same"
            )
        self._input, self._output_node  # noqa: B018 - fails here rather than in the first answer

    @property
    def output(self) -> Output:
        """What the answers are: probabilities, unless the network gives values."""
        return "value" if self._gives == "value" else "probability"

    @property
    def max_duration_s(self) -> float:
        """Length of the waveforms that a network of fixed length takes, in s; else infinity."""
        n = self._input.shape[-1]
        fixed = self.front_end is None and isinstance(n, int)
        return n / self.sample_rate if fixed else float("inf")

    @property
    def batch_tolerance(self) -> float:
        """How far answers in a batch and alone may differ by rounding, of the largest output."""
        return SAME_IN_HALF if self._input.dtype == np.float16 else SAME_IN_BATCH

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Answers, shape (n_waveforms, n_labels), float64.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers, is empty or does not fit the network;
            or numbers that were not expected of it.
        """
        given = checked_waveforms(
            waveforms, name=self.name, sample_rate=self.sample_rate, shortest=1
        )
        return answer_and_compare(self, self._answers, given)

    def __getstate__(self) -> dict[str, Any]:
        """For other processes, which make their own session."""
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def _answers(self, waveforms: list[FloatArray]) -> FloatArray:
        if self.front_end is not None:
            answers = [self._of_pictures(waveform) for waveform in waveforms]
            return np.stack(answers) if answers else np.empty((0, len(self.labels)))
        raw = in_batches(
            waveforms,
            self._of_waveforms,
            n_labels=len(self.labels),
            batch_samples=1 if self._one_by_one else int(self.batch_seconds * self.sample_rate),
        )
        return network_answers(raw, self._gives, name=self.name)

    def _of_waveforms(self, waveforms: list[FloatArray]) -> FloatArray:
        batch = np.stack(waveforms)
        expected = self._input.shape[-1]
        if isinstance(expected, int):
            if batch.shape[1] > expected:
                raise InputError(
                    f"model {self.name} takes {expected} samples "
                    f"({expected / self.sample_rate:.2f} s) and was given {batch.shape[1]} "
                    f"({batch.shape[1] / self.sample_rate:.2f} s); expected no more: cut the clip, "
                    "or export the network with a time axis of any length"
                )
            batch = np.pad(batch, [(0, 0), (0, expected - batch.shape[1])])
        rank = len(self._input.shape)
        shaped = batch[0] if rank == 1 else batch[:, None] if rank == 3 else batch
        return self._run(shaped, len(waveforms))

    def _of_pictures(self, waveform: FloatArray) -> FloatArray:
        """Mean over the windows that hold speech; all of silence, if there is none."""
        front_end: Any = self.front_end
        shown = front_end.network_input(waveform)
        values, shares = shown.values, shown.shares
        if not len(values):
            if self.output == "probability":
                return np.full(len(self.labels), 1.0 / len(self.labels))
            values = front_end.inputs(np.zeros((1, front_end.n_window), dtype=np.float32))
            shares = np.ones(1)
        at_once = 1 if self._one_by_one else _PICTURES
        raw = np.concatenate(
            [
                self._run(some, len(some))
                for some in np.split(values, range(at_once, len(values), at_once))
            ]
        )
        return shares @ network_answers(raw, self._gives, name=self.name)

    def _run(self, values: FloatArray, n: int) -> FloatArray:
        try:
            raw = self._session.run(
                [self._output_node], {self._input.name: values.astype(self._input.dtype)}
            )[0]
        except Exception as error:  # onnxruntime has no common base for what it raises
            reason = " ".join(str(error).split())[:200]
            hint = "the front_end that it was trained with"
            if self.front_end is None:
                hint = length_hint(self._shortest, values.shape[-1], sample_rate=self.sample_rate)
            raise InputError(
                f"model {self.name}: the network fails on input of shape {values.shape} "
                f"({reason}); expected {hint}"
            ) from error
        expected = (n, len(self.labels))
        if _without_ones(raw.shape) != _without_ones(expected):
            raise InputError(
                f"model {self.name}: the network returned shape {raw.shape}; expected {expected}, "
                "one row a waveform and one column a label: turn other axes round, and average "
                "over time, before you export it"
            )
        return raw.reshape(expected)

    @cached_property
    def _shortest(self) -> int | None:
        """Fewest samples of silence that the network answers; None where it answers none."""

        def takes(n: int) -> bool:
            silence = np.zeros((1, 1, n)[3 - len(self._input.shape) :], self._input.dtype)
            try:
                self._session.run([self._output_node], {self._input.name: silence})
            except Exception:  # onnxruntime has no common base for what it raises
                return False
            return True

        return shortest_taken(takes, sample_rate=self.sample_rate)

    @property
    def _one_by_one(self) -> bool:
        """Whether the network takes one waveform or picture at a time."""
        return len(self._input.shape) == 1 or self._input.shape[0] == 1

    @property
    def _gives(self) -> NetworkOutput | None:
        return given_output(self.network_output, self.labels)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return _session_of(Path(self.file))

    @cached_property
    def _input(self) -> _Input:
        inputs = self._session.get_inputs()
        rank = 4 if self.front_end is not None else len(inputs[0].shape)
        if (
            len(inputs) != 1
            or inputs[0].type not in _TYPES
            or len(inputs[0].shape) != rank
            or (rank == 3 and inputs[0].shape[1] != 1)
            or (self.front_end is None and rank > 3)
        ):
            found = "; ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
            expected = (
                "pictures (n, 1, n_mels, n_frames)"
                if self.front_end is not None
                else "waveforms (n, n_samples); of log-mel pictures, say input=log_mel"
            )
            raise InputError(f"model {self.name} takes {found}; expected {expected}")
        together = inputs[0].shape[0] if rank > 1 else 1
        if isinstance(together, int) and together != 1:
            raise InputError(
                f"model {self.name} takes {together} inputs at once, {inputs[0].shape}; expected a "
                "first axis of any size, or of 1: export it with a dynamic first axis"
            )
        return _Input(inputs[0].name, inputs[0].shape, _TYPES[inputs[0].type])

    @cached_property
    def _output_node(self) -> str:
        outputs = self._session.get_outputs()
        if self.node is not None:
            fitting = [each for each in outputs if each.name == self.node]
        else:
            fitting = [each for each in outputs if _may_hold(each.shape, len(self.labels))]
        if len(fitting) != 1 or not _may_hold(fitting[0].shape, len(self.labels)):
            found = ", ".join(f"{each.name} {each.shape}" for each in outputs)
            raise InputError(
                f"model {self.name} has outputs {found} and {len(self.labels)} labels; expected "
                "one of as many numbers, in its last axis: give its labels, and its name as "
                "node=NAME"
            )
        return str(fitting[0].name)


def load_onnx(spec: str) -> OnnxModel:
    """An ONNX file or a folder of audonnx, with what is said about it.

    Parameters
    ----------
    spec : str
        ``FILE`` or ``FOLDER``, and options ``?labels=a,b&rate=16000&input=waveform&output=logit&
        node=NAME``.  What is not given there is taken from ``FILE.json`` (``labels``,
        ``sample_rate``, ``input``, ``output``, ``node``, ``front_end``: settings of
        :class:`WindowedLogMel`), then from the file's metadata of the same names (``labels`` as
        JSON), then from the folder's ``model.yaml``.

    Raises
    ------
    InputError
        A file that cannot be read, no labels, or an option that is none.
    """
    place, options = split_spec(spec, OPTIONS)
    file = Path(place).expanduser()
    folder = read_audonnx(file) if file.is_dir() else None
    file = file if folder is None else folder.file
    name = Path(place).name.removesuffix(".onnx") or file.stem
    session = _session_of(file)  # kept for the model, which asks for it again
    said: dict[str, Any] = _metadata(file, session) | read_sidecar(file) | options
    if "rate" in said:
        said["sample_rate"] = said["rate"]
    node = said.get("node")
    if "labels" not in said and folder is not None:
        node, said["labels"] = _labelled_node(folder.labels, node, name=name)
    if "labels" not in said:
        raise InputError(
            f"model {name}: nothing says what its outputs are called; expected {file.name}.json "
            'with {"labels": [...]}, or onnx:FILE?labels=a,b,c'
        )
    kind = said.get("input", "waveform")
    if kind not in INPUTS:
        raise InputError(f"model {name}: input is {kind!r}; expected one of {', '.join(INPUTS)}")
    front_end = _front_end(said.get("front_end", {}), name=name) if kind == "log_mel" else None
    default_rate = 16_000 if front_end is None else front_end.sample_rate
    return OnnxModel(
        file=file,
        labels=labels_of(said["labels"], name=name),
        sample_rate=check_sample_rate(said.get("sample_rate", default_rate), name=name),
        network_output=output_of(said.get("output"), name=name),
        front_end=front_end,
        node=node or None,
        name=name,
    )


def _session_of(file: Path) -> onnxruntime.InferenceSession:
    """A session, or the one that still lives of this file: opening a large network takes long."""
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected an ONNX network")
    key = f"{file.resolve()} {file.stat().st_mtime_ns}"
    try:
        session = _open.get(key)
        if session is None:
            session = _open[key] = onnx_session(str(file))
        return session
    except Exception as error:  # onnxruntime has no common base for what it raises
        first_line = str(error).splitlines()[0]
        raise InputError(f"{file}: cannot be read as ONNX ({first_line})") from error


def _metadata(file: Path, session: onnxruntime.InferenceSession) -> dict[str, Any]:
    """What the file says itself, of the names that a sidecar may have."""
    found = session.get_modelmeta().custom_metadata_map
    known = ("labels", "sample_rate", "input", "output", "node", "front_end")
    said: dict[str, Any] = {name: found[name] for name in known if name in found}
    for name in ("labels", "front_end"):
        if name in said:
            try:
                said[name] = parse_json(said[name])
            except ValueError as error:
                raise InputError(
                    f"{file}: its metadata {name!r} is no JSON ({error}); expected a list or an "
                    "object"
                ) from error
    return said


def _labelled_node(
    labels: Mapping[str, list[str]], node: str | None, *, name: str
) -> tuple[str | None, list[str]]:
    """Output node of an audonnx folder and its labels; embeddings are no heads."""
    heads = {key: value for key, value in labels.items() if key != "hidden_states"}
    if node is not None:
        heads = {key: value for key, value in heads.items() if key == node}
    if len(heads) != 1:
        raise InputError(
            f"model {name} has labels for {', '.join(labels) or 'no output'}; expected one: name "
            "it as ?node=NAME, or give its labels as ?labels=a,b,c"
        )
    found, names = next(iter(heads.items()))
    return found or None, names


def _front_end(settings: Any, *, name: str) -> WindowedLogMel:
    try:
        settings = dict(settings)
        settings["log_mel"] = LogMel(**settings.get("log_mel", {}))
        return WindowedLogMel(**settings)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"model {name}: front_end is {settings!r} ({error}); expected settings of "
            "WindowedLogMel"
        ) from error


def _may_hold(shape: list[Any], n_labels: int) -> bool:
    """Whether an output of that shape can be one number a label: theirs is the last axis."""
    fixed = [size for size in shape if isinstance(size, int) and size != 1]
    if not fixed:
        return True
    return fixed == [n_labels] and next(size for size in reversed(shape) if size != 1) == n_labels


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
