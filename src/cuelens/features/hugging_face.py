"""Every layer of a speech encoder of the Hugging Face hub, averaged over time (extra ``hf``).

References
----------
.. [1] A. Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech
   representations", NeurIPS 2020, arXiv 2006.11477.
.. [2] W.-N. Hsu et al., "HuBERT: self-supervised speech representation learning by masked
   prediction of hidden units", IEEE/ACM TASLP 29, 2021, arXiv 2106.07447.
.. [3] S. Chen et al., "WavLM: large-scale self-supervised pre-training for full stack speech
   processing", IEEE JSTSP 16(6), 2022, arXiv 2110.13900.
.. [4] A. Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023,
   arXiv 2212.04356.
.. [5] A. Pasad, J.-C. Chou, K. Livescu, "Layer-wise analysis of a self-supervised speech
   representation model", ASRU 2021, arXiv 2107.04734.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.features.embedding import Embedding
from cuelens.torchvision_aside import torchvision_set_aside
from cuelens.typing import FloatArray

__all__ = [
    "UNUSED_WEIGHTS",
    "DType",
    "Device",
    "HuggingFaceEncoder",
    "checkpoint_folder",
    "device_and_dtype",
    "loading",
    "samples_of_a_frame",
    "torch",  # with transformers, for those who must import both as it is done here
    "transformers",
]

Device = Literal["auto", "cpu", "cuda"]
DType = Literal["auto", "float32", "float16"]
_NO_CONVERSION = "DISABLE_SAFETENSORS_CONVERSION"
_FORMAT = 1  # raised when the same settings give other vectors
UNUSED_WEIGHTS = {"masked_spec_embed"}  # of training: published checkpoints may leave it out


try:
    import torch

    with torchvision_set_aside():
        import transformers
        import transformers.modeling_utils
except ImportError as error:
    raise MissingExtraError("An encoder of the Hugging Face hub", "hf") from error


class _Loaded(NamedTuple):
    encoder: torch.nn.Module
    extractor: Any  # turns waveforms into what the encoder takes
    config: Any


@dataclass(frozen=True, kw_only=True)
class HuggingFaceEncoder(Embedding):
    """A speech encoder: WavLM, wav2vec 2.0, HuBERT and their kin, or the encoder of Whisper.

    Parameters
    ----------
    checkpoint : str
        A folder, or a name of the hub such as ``"microsoft/wavlm-large"``: downloaded when first
        used.  Weights in the safetensors format; code in the checkpoint is never run.
    revision : str, optional
        Branch, tag or commit of the hub.
    device : {"auto", "cpu", "cuda"}
        ``"auto"``: the GPU where there is one.
    dtype : {"auto", "float32", "float16"}
        ``"auto"``: float16 on a GPU, else float32.
    batch_seconds : float, s
        Sound that is encoded at once, at least one clip.

    Notes
    -----
    Layer 0 is what goes into the first transformer block, layer i what comes out of block i, the
    last what the encoder gives (after its final layer norm, where it has one).  A vector is the
    mean over the frames of the clip.

    Only clips of equal length are encoded together.  Padding would change the vectors: of
    encoders with a group norm over time always, of all others in the layers of convolutions.

    Whisper hears every clip followed by silence up to 30 s; the mean is over the frames whose
    centre is in the clip.

    Normalisation of the waveform is the checkpoint's own (``preprocessor_config.json``).
    """

    checkpoint: str
    revision: str | None = None
    device: Device = "auto"
    dtype: DType = "auto"
    batch_seconds: float = 60.0

    def __post_init__(self) -> None:
        device_and_dtype(self.device, self.dtype)  # refuses what cannot be
        if not self.batch_seconds > 0:
            raise InputError(f"batch_seconds is {self.batch_seconds}; expected more than 0")

    @property
    def name(self) -> str:
        """Last part of the checkpoint's name."""
        return Path(self.checkpoint).expanduser().name or self.checkpoint

    @property
    def sample_rate(self) -> int:
        """Rate the checkpoint was trained at, in Hz."""
        return int(self._loaded.extractor.sampling_rate)

    @property
    def layers(self) -> tuple[str, ...]:
        """``("layer 0", ..., "layer N")`` with N transformer blocks."""
        return tuple(f"layer {i}" for i in range(int(self._loaded.config.num_hidden_layers) + 1))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """``("1", ..., "1024")``, as many as the encoder is wide."""
        return tuple(str(i + 1) for i in range(int(self._loaded.config.hidden_size)))

    @cached_property
    def recipe(self) -> str:  # computed once: it reads the weights
        """Weights (commit of the hub, or checksum of the folder's files), pooling and precision."""
        if self._folder is not None:
            digest = hashlib.sha256()
            for file in sorted(self._folder.iterdir()):
                if file.suffix in {".safetensors", ".json"}:
                    digest.update(file.name.encode() + b"\0" + file.read_bytes())
            source = f"sha256 {digest.hexdigest()}"
        else:
            commit = getattr(self._loaded.config, "_commit_hash", None)
            source = f"{self.checkpoint} {commit or self.revision or 'main'}"
        return (
            f"hugging face {_FORMAT} {source} mean {self._torch_dtype} "
            f"transformers {transformers.__version__}"
        )

    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Vectors of every layer; see :meth:`Embedding.embed_layers`.

        Raises
        ------
        InputError
            A waveform with a sample that is no number, shorter than a frame, or (Whisper) longer
            than 30 s; a checkpoint that cannot be had or is no speech encoder.
        """
        vectors = np.empty(
            (len(waveforms), len(self.layers), len(self.dimensions)), dtype=np.float32
        )
        rows_of: dict[int, list[int]] = defaultdict(list)
        for row, waveform in enumerate(waveforms):
            self._check(np.asarray(waveform))
            rows_of[len(waveform)].append(row)
        for n_samples, rows in rows_of.items():
            heard = self._loaded.extractor.n_samples if self._is_whisper else n_samples
            at_once = max(1, int(self.batch_seconds * self.sample_rate / heard))
            for first in range(0, len(rows), at_once):
                some = rows[first : first + at_once]
                vectors[some] = self._means([waveforms[row] for row in some])
        return vectors

    def _means(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Means over the frames of equally long waveforms, by waveform, layer and dimension."""
        encoder, extractor, _ = self._loaded
        n_frames = None
        if self._is_whisper:
            stride = extractor.n_samples / self._loaded.config.max_source_positions
            n_frames = math.ceil(len(waveforms[0]) / stride)
        inputs = extractor(
            [np.asarray(waveform, dtype=np.float32) for waveform in waveforms],
            sampling_rate=self.sample_rate,
            return_tensors="pt",
        )[extractor.model_input_names[0]]
        with torch.inference_mode():
            output = encoder(inputs.to(self._device, self._torch_dtype), output_hidden_states=True)
            # Whether a final layer norm is in hidden_states[-1] depends on the version.
            hidden = (*output.hidden_states[:-1], output.last_hidden_state)
            means = torch.stack([layer[:, :n_frames].float().mean(dim=1) for layer in hidden], 1)
        return means.cpu().numpy()

    def _check(self, waveform: FloatArray) -> None:
        if waveform.ndim != 1 or not np.isfinite(waveform).all():
            raise InputError(
                f"waveform has shape {waveform.shape} or samples that are no numbers; expected one "
                "channel with values in [-1, 1]"
            )
        rate, config = self.sample_rate, self._loaded.config
        if self._is_whisper:
            if not 1 <= waveform.size <= self._loaded.extractor.n_samples:
                raise InputError(
                    f"{self.name}: a clip lasts {waveform.size / rate:.2f} s; expected more than 0 "
                    f"and at most {self._loaded.extractor.n_samples / rate:.0f} s, what Whisper "
                    "hears at once: cut it"
                )
            return
        needed = samples_of_a_frame(config)
        if waveform.size < needed:
            raise InputError(
                f"{self.name}: a clip lasts {waveform.size / rate * 1000:.0f} ms; expected "
                f"{math.ceil(needed / rate * 1000)} ms or more, one frame of the encoder"
            )

    @property
    def _device(self) -> str:
        return device_and_dtype(self.device, self.dtype)[0]

    @property
    def _torch_dtype(self) -> torch.dtype:
        return device_and_dtype(self.device, self.dtype)[1]

    @property
    def _is_whisper(self) -> bool:
        return self._loaded.config.model_type == "whisper"

    @cached_property
    def _folder(self) -> Path | None:
        return checkpoint_folder(self.checkpoint)

    @cached_property
    def _loaded(self) -> _Loaded:
        source = str(self._folder or self.checkpoint)
        options: dict[str, Any] = {
            "revision": self.revision or "main",
            "trust_remote_code": False,
            "local_files_only": self._folder is not None,
        }
        with loading(self.checkpoint, bars=self._folder is None):
            config = transformers.AutoConfig.from_pretrained(source, **options)
            self._refuse_other_kinds(config)
            extractor = transformers.AutoFeatureExtractor.from_pretrained(source, **options)
            model, report = transformers.AutoModel.from_pretrained(
                source, use_safetensors=True, output_loading_info=True, **options
            )
        prefix = "encoder." if config.model_type == "whisper" else ""
        missing = {key for key in report["missing_keys"] if key.startswith(prefix)}
        missing -= UNUSED_WEIGHTS
        if missing:
            raise InputError(
                f"{self.checkpoint}: {len(missing)} weights are missing, such as {min(missing)}; "
                "expected all of them: they would be random numbers"
            )
        encoder = model.get_encoder() if config.model_type == "whisper" else model
        if getattr(encoder, "adapter", None) is not None:
            encoder.adapter = None  # layers behind the encoder, with other frames and dimensions
        encoder = encoder.to(device=self._device, dtype=self._torch_dtype).eval()
        return _Loaded(encoder, extractor, config)

    def _refuse_other_kinds(self, config: Any) -> None:
        on_waveforms = hasattr(config, "conv_kernel") and hasattr(config, "conv_stride")
        if config.model_type != "whisper" and (
            not on_waveforms or getattr(config, "is_encoder_decoder", False)
        ):
            raise InputError(
                f"{self.checkpoint}: is a model of type {config.model_type}; expected a speech "
                "encoder such as WavLM, wav2vec 2.0, HuBERT or Whisper"
            )


def device_and_dtype(device: Device, dtype: DType) -> tuple[str, torch.dtype]:
    """Where to compute, and in which precision.

    Raises
    ------
    InputError
        No such device or precision, or not here.
    """
    for what, value, known in (
        ("device", device, get_args(Device)),
        ("dtype", dtype, get_args(DType)),
    ):
        if value not in known:
            raise InputError(f"{what} is {value!r}; expected one of {', '.join(known)}")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise InputError("device is 'cuda' and PyTorch finds no GPU; expected 'cpu' or 'auto'")
    where = "cuda" if device == "cuda" or (device == "auto" and has_gpu) else "cpu"
    if dtype == "float16" and where == "cpu":
        raise InputError("dtype is 'float16' on a processor; expected 'float32' or 'auto'")
    half = dtype == "float16" or (dtype == "auto" and where == "cuda")
    return where, torch.float16 if half else torch.float32


def checkpoint_folder(checkpoint: str) -> Path | None:
    """A checkpoint as a folder; None where it is a name of the hub.

    Raises
    ------
    InputError
        Neither.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder
    parts = checkpoint.split("/")
    if not 1 <= len(parts) <= 2 or any(part.strip(".~ ") == "" for part in parts):
        raise InputError(
            f"{checkpoint}: no such folder; expected one, or a name of the Hugging Face "
            "hub such as microsoft/wavlm-large"
        )
    return None


def samples_of_a_frame(config: Any) -> int:
    """Samples that one frame of convolutions over the waveform sees."""
    needed = 1
    for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
        needed = (needed - 1) * stride + kernel
    return needed


@contextmanager
def loading(checkpoint: str, *, bars: bool) -> Iterator[None]:
    """Without transformers' messages, and with its errors in one line.

    Parameters
    ----------
    checkpoint : str
        For messages.
    bars : bool
        Whether it may draw progress bars.

    Raises
    ------
    InputError
        Whatever went wrong inside.
    """
    try:
        with _quiet(bars=bars):
            yield
    except (OSError, ValueError, KeyError, RuntimeError, UnpicklingError) as error:
        if isinstance(error, InputError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]
        folder = Path(checkpoint).expanduser().is_dir()
        raise InputError(
            f"{checkpoint}: {'' if folder else 'no such folder here, and as a name of the hub it '}"
            f"cannot be loaded ({reason}); expected a folder, or a "
            "name of the Hugging Face hub and a connection, with config.json, "
            "preprocessor_config.json and weights in model.safetensors"
        ) from error


@contextmanager
def _quiet(*, bars: bool) -> Iterator[None]:
    """Without messages of transformers and the hub, and without progress bars unless `bars`.

    Nor does it ask the hub to convert a checkpoint and propose that to its owners.
    """
    from huggingface_hub.utils import logging as hub_log

    log = transformers.utils.logging
    asked = os.environ.get(_NO_CONVERSION)
    os.environ[_NO_CONVERSION] = "1"
    verbosity, had_bars = log.get_verbosity(), log.is_progress_bar_enabled()
    hub_verbosity = hub_log.get_verbosity()
    log.set_verbosity_error()
    hub_log.set_verbosity(logging.ERROR)  # it tells of every attempt without a connection
    if not bars:
        log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        hub_log.set_verbosity(hub_verbosity)
        if asked is None:
            del os.environ[_NO_CONVERSION]
        else:
            os.environ[_NO_CONVERSION] = asked
        if had_bars:
            log.enable_progress_bar()
