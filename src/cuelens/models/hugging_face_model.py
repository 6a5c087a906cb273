"""Audio classifiers and regressors of the Hugging Face hub, or of a folder (extra ``hf``)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cuelens.errors import CuelensWarning, InputError
from cuelens.features.hugging_face import (
    UNUSED_WEIGHTS,
    Device,
    DType,
    checkpoint_folder,
    device_and_dtype,
    loading,
    samples_of_a_frame,
    torch,
    transformers,
)
from cuelens.models.base import Output, are_dimensions, sigmoid, softmax
from cuelens.models.batching import (
    SAME_IN_BATCH,
    SAME_IN_HALF,
    answer_and_compare,
    in_batches,
)
from cuelens.models.dense_head import dense_head_class, has_dense_head
from cuelens.models.waveforms import checked_waveforms
from cuelens.typing import FloatArray

_NAMED = 4  # missing weights that the warning names


class _Loaded(NamedTuple):
    network: torch.nn.Module
    extractor: Any  # turns waveforms into what the network takes
    config: Any
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class HuggingFaceModel:
    """Any checkpoint of ``AutoModelForAudioClassification``, or with audeering's regression head.

    Parameters
    ----------
    checkpoint : str
        A folder, or a name of the hub such as ``"superb/wav2vec2-base-superb-er"``: downloaded
        when first used.  Code in the checkpoint is never run.
    revision : str, optional
        Branch, tag or commit of the hub.
    device : {"auto", "cpu", "cuda"}
        ``"auto"``: the GPU where there is one.
    dtype : {"auto", "float32", "float16"}
        ``"auto"``: float16 on a GPU, else float32.
    batch_seconds : float, s
        Sound that goes through the network at once, at least one waveform; what the extractor
        pads (Whisper's to 30 s) is counted.
    masks_padding : bool
        Waveforms of different lengths go through the network together, padded and with an
        attention mask.  Faster, and right only of networks that use the mask everywhere: the
        first answer to two lengths is compared with those alone, and a difference is an error.

    Warns
    -----
    CuelensWarning
        Weights of the classification head are not in the checkpoint, so they are random numbers;
        or a clip is longer than the network hears.

    Notes
    -----
    Labels are ``id2label`` of the configuration.  Answers are a softmax of the logits, a sigmoid
    for ``problem_type`` ``multi_label_classification``, and the numbers themselves, values, for
    ``regression``: the same as those of transformers' pipeline ``audio-classification``.  Where
    the configuration has no ``problem_type``, a single label is a value, and so are dimensions
    such as arousal (:func:`~cuelens.models.base.are_dimensions`), of which the pipeline takes a
    softmax.

    Architectures ``EmotionModel`` and ``...ForSpeechClassification`` have a head that transformers
    does not have; see :mod:`cuelens.models.dense_head`.  Of these every weight must be there.

    Weights in safetensors; a ``.bin`` is read by PyTorch with ``weights_only=True``.
    """

    checkpoint: str
    revision: str | None = None
    device: Device = "auto"
    dtype: DType = "auto"
    batch_seconds: float = 60.0
    masks_padding: bool = False

    def __post_init__(self) -> None:
        device_and_dtype(self.device, self.dtype)  # refuses what cannot be
        if not self.batch_seconds > 0:
            raise InputError(f"batch_seconds is {self.batch_seconds}; expected more than 0")

    @property
    def name(self) -> str:
        """Last part of the checkpoint's name."""
        return Path(self.checkpoint).expanduser().name or self.checkpoint

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The configuration's ``id2label``, in the order of its numbers."""
        names = self._loaded.config.id2label
        return tuple(str(names[number]) for number in sorted(names))

    @property
    def sample_rate(self) -> int:
        """Rate the checkpoint was trained at, in Hz."""
        return int(self._loaded.extractor.sampling_rate)

    @property
    def output(self) -> Output:
        """``"value"`` of regression, else ``"probability"``."""
        return "value" if self._problem == "regression" else "probability"

    @property
    def max_duration_s(self) -> float:
        """What the feature extractor keeps of a clip, in s; infinity where it keeps all."""
        return self._longest / self.sample_rate

    @property
    def notes(self) -> tuple[str, ...]:
        """What was warned of when the checkpoint was loaded."""
        return self._loaded.notes

    @property
    def batch_tolerance(self) -> float:
        """How far answers in a batch and alone may differ by rounding, of the largest output."""
        half = device_and_dtype(self.device, self.dtype)[1] == torch.float16
        return SAME_IN_HALF if half else SAME_IN_BATCH

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Probabilities or values, shape (n_waveforms, n_labels), float64.

        Raises
        ------
        InputError
            A waveform that is not one channel of numbers, or is shorter than a frame of the
            network; a checkpoint that cannot be had or is no audio classifier.
        """
        given = checked_waveforms(
            waveforms, name=self.name, sample_rate=self.sample_rate, shortest=self._shortest
        )
        self._warn_of_what_is_not_heard(given)
        padded = (lambda some: self._outputs(self._logits(some))) if self.masks_padding else None
        return answer_and_compare(self, self._answers, given, padded=padded)

    def __getstate__(self) -> dict[str, Any]:
        """For other processes, which load the checkpoint themselves."""
        return {name: value for name, value in self.__dict__.items() if name != "_loaded"}

    def _answers(self, waveforms: list[FloatArray]) -> FloatArray:
        logits = in_batches(
            waveforms,
            self._logits,
            n_labels=len(self.labels),
            batch_samples=int(self.batch_seconds * self.sample_rate),
            padded=self.masks_padding,
            padded_to=0 if np.isinf(self._longest) else int(self._longest),
        )
        return self._outputs(logits)

    def _outputs(self, logits: FloatArray) -> FloatArray:
        if self._problem == "regression":
            return logits
        return sigmoid(logits) if self._problem == "multi_label_classification" else softmax(logits)

    def _logits(self, waveforms: list[FloatArray]) -> FloatArray:
        network, extractor = self._loaded.network, self._loaded.extractor
        device, dtype = device_and_dtype(self.device, self.dtype)
        masked = {"padding": True, "return_attention_mask": True} if self.masks_padding else {}
        inputs = extractor(waveforms, sampling_rate=self.sample_rate, return_tensors="pt", **masked)
        prepared = {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
        }
        with torch.inference_mode(), warnings.catch_warnings():
            # of WavLM's code in transformers, nothing of the user's
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
            return network(**prepared).logits.float().cpu().numpy()

    @property
    def _problem(self) -> str:
        config = self._loaded.config
        values = config.num_labels == 1 or are_dimensions(self.labels)
        return config.problem_type or ("regression" if values else "single_label_classification")

    @property
    def _shortest(self) -> int:
        config = self._loaded.config
        if hasattr(config, "conv_kernel") and hasattr(config, "conv_stride"):
            return samples_of_a_frame(config)
        return round(0.025 * self.sample_rate)  # a frame of the filter banks of all others

    @cached_property
    def _longest(self) -> float:
        """Samples that the extractor keeps; infinite where it keeps all."""
        extractor = self._loaded.extractor
        kept = getattr(extractor, "n_samples", None) or getattr(extractor, "nb_max_samples", None)
        if kept is None and self._loaded.config.model_type == "audio-spectrogram-transformer":
            kept = extractor.max_length * self.sample_rate // 100  # frames of 10 ms
        return float(kept or np.inf)

    def _warn_of_what_is_not_heard(self, waveforms: list[FloatArray]) -> None:
        longest = max(map(len, waveforms), default=0)
        if longest > self._longest and not self.__dict__.get("_warned"):
            self.__dict__["_warned"] = True
            warnings.warn(
                f"model {self.name} hears the first {self.max_duration_s:.2f} s of a clip, and one "
                f"lasts {longest / self.sample_rate:.2f} s: cut it, or the rest counts for nothing",
                CuelensWarning,
                stacklevel=3,
            )

    @cached_property
    def _loaded(self) -> _Loaded:
        folder = checkpoint_folder(self.checkpoint)
        source = str(folder or self.checkpoint)
        options: dict[str, Any] = {
            "revision": self.revision or "main",
            "trust_remote_code": False,
            "local_files_only": folder is not None,
        }
        with loading(self.checkpoint, bars=folder is None):
            config = transformers.AutoConfig.from_pretrained(source, **options)
            extractor = transformers.AutoFeatureExtractor.from_pretrained(source, **options)
            dense = has_dense_head(config)
            kind = (
                dense_head_class(config, name=self.checkpoint)
                if dense
                else transformers.AutoModelForAudioClassification
            )
            if not dense:
                options["config"] = config
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)  # a head that is missing is the same random one every time
                network, report = kind.from_pretrained(source, output_loading_info=True, **options)
        missing = sorted(set(report["missing_keys"]) - UNUSED_WEIGHTS)
        if missing and dense:
            raise InputError(
                f"{self.checkpoint}: {len(missing)} weights are missing, such as {missing[0]}; "
                "expected all of them: they would be random numbers"
            )
        foreign = [name for name in report["unexpected_keys"] if name.startswith("classifier")]
        if foreign and dense:
            raise InputError(
                f"{self.checkpoint}: its head has weights that a dense head has not, such as "
                f"{sorted(foreign)[0]}; expected classifier.dense and classifier.out_proj only"
            )
        notes: tuple[str, ...] = ()
        if missing:
            notes = (self._random_weights(missing, sorted(report["unexpected_keys"])),)
            warnings.warn(notes[0], CuelensWarning, stacklevel=3)
        device, dtype = device_and_dtype(self.device, self.dtype)
        return _Loaded(network.to(device=device, dtype=dtype).eval(), extractor, config, notes)

    def _random_weights(self, missing: list[str], unexpected: list[str]) -> str:
        named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        other = f"; it holds {', '.join(unexpected[:_NAMED])} instead" if unexpected else ""
        return (
            f"{self.checkpoint}: {len(missing)} weights are not in the checkpoint and were drawn "
            f"at random ({named}){other}: its answers mean nothing; expected a checkpoint that was "
            "fine-tuned for audio classification"
        )
