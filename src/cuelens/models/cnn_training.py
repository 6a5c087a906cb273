"""Training ``ResNetSmall`` on log-mel windows (extra ``torch``).

A few hundred clips are little for a network.  What makes it work on speakers it has not heard:

- variants of every clip: other speeds (which stand in for other voices), cuts, spectral tilts and
  smooth equalisation; then shifts in time, masked bands and moments [1]_, mixtures of two [2]_;
- a second head that has to predict what openSMILE measures in each variant, the 88 eGeMAPS
  functionals and the principal components of ComParE's 6373; it teaches the network what
  phoneticians measure and is thrown away after training;
- the average of the weights over the last steps.

References
----------
.. [1] D. Park et al., "SpecAugment", Interspeech 2019.
.. [2] H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from cuelens.errors import MissingExtraError
from cuelens.features import FeatureCache, LogMel, OpenSmile
from cuelens.features.one_thread import one_thread
from cuelens.features.opensmile import FeatureSetName
from cuelens.models.base import softmax
from cuelens.models.level import normalise_level
from cuelens.models.log_mel_cnn import LogMelCnn, WindowedLogMel
from cuelens.models.training import SAMPLE_RATE, Progress, TrainingClips, play_at
from cuelens.typing import FloatArray, IntArray

try:
    import safetensors.torch
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from cuelens.models.resnet_small import ResNetSmall
except ImportError as error:
    raise MissingExtraError("training the log-mel network", "torch") from error

_N_WINDOWS = 10_000  # training windows in all, whatever the size of the corpus
_VARIANTS = (2, 24)  # fewest and most of each clip
_N_EGEMAPS = 88


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Settings of one training run.

    Parameters
    ----------
    n_epochs, batch_size : int
        An epoch is as many drawn clips as there are; emotions are drawn equally often.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises for a fifth of the steps and falls to nothing (one cycle).
    mixup : float
        Parameter of the beta distribution.
    label_smoothing : float
    auxiliary : float
        Weight of the second head's error.
    n_components : int
        Principal components of ComParE that it predicts.
    slowest, fastest : float
        Range of the variants' speed.
    tilt_db : float, dB
        Standard deviation of the variants' spectral tilt, at the edges of the spectrum.
    shift_frames, mask_bands, mask_frames : int
        Largest shift in time and widths of masks.
    """

    n_epochs: int = 140
    batch_size: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    mixup: float = 0.1
    label_smoothing: float = 0.02
    auxiliary: float = 6.0
    n_components: int = 32
    slowest: float = 0.85
    fastest: float = 1.18
    tilt_db: float = 4.0
    shift_frames: int = 20
    mask_bands: int = 8
    mask_frames: int = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowTable:
    """Log-mel windows of variants of clips, and what openSMILE measures in them.

    Parameters
    ----------
    db : ndarray, shape (n_clips, n_variants, n_mels, n_frames), float16, dB
    functionals : ndarray, shape (n_clips, n_variants, 88 + 6373), float32
        eGeMAPS, then ComParE.
    truth : ndarray, shape (n_clips,), int
    n_labels : int
    """

    db: FloatArray
    functionals: FloatArray
    truth: IntArray
    n_labels: int


class CnnRecipe:
    """The log-mel network.

    Parameters
    ----------
    seed : int
    schedule : Schedule
    """

    def __init__(self, *, seed: int, schedule: Schedule | None = None) -> None:
        self.seed = seed
        self.schedule = schedule or Schedule()
        self.front_end = WindowedLogMel(log_mel=LogMel(sample_rate=SAMPLE_RATE))

    def prepare(self, clips: TrainingClips, progress: Progress) -> None:
        """Log-mel windows and functionals of variants of every clip."""
        rng = np.random.default_rng(self.seed)
        n_clips = len(clips.waveforms)
        n_variants = int(np.clip(_N_WINDOWS // n_clips, *_VARIANTS))
        windows = [
            variant(waveform, self.schedule, self.front_end.n_window, rng)
            for waveform in clips.waveforms
            for _ in range(n_variants)
        ]
        done = 0

        def further(n: int) -> None:
            nonlocal done
            done += n
            progress("measuring features", done, 2 * len(windows))

        cache = FeatureCache()
        functionals = np.hstack(
            [
                OpenSmile(feature_set=name, cache=cache).functionals(
                    windows, sample_rate=SAMPLE_RATE, progress=further
                )
                for name in get_args(FeatureSetName)
            ]
        )
        db = np.stack([self.front_end.log_mel(window).astype(np.float16) for window in windows])
        self._waveforms = clips.waveforms
        self._labels = clips.labels
        self._table = WindowTable(
            db=db.reshape(n_clips, n_variants, *db.shape[1:]),
            functionals=functionals.reshape(n_clips, n_variants, -1),
            truth=clips.truth,
            n_labels=len(clips.labels),
        )

    def model(self, train: IntArray) -> LogMelCnn:
        """Fit on some clips."""
        return self._model(fit(self._table, train, self.schedule, self.seed))

    def held_out(
        self, splits: Sequence[tuple[IntArray, IntArray]], progress: Progress
    ) -> list[FloatArray]:
        """Probabilities of each split's test clips; one process a core, each with one thread."""
        answers: dict[int, FloatArray] = {}
        n_workers = min(os.cpu_count() or 1, len(splits))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            n_workers, mp_context=context, initializer=_share, initargs=(self._table,)
        ) as pool:
            jobs = {
                pool.submit(_fit_shared, train, self.schedule, self.seed): index
                for index, (train, _) in enumerate(splits)
            }
            progress("leaving speakers out", 0, len(splits))
            for job in as_completed(jobs):
                index = jobs[job]
                model = self._model(job.result())
                answers[index] = model.predict_proba([self._waveforms[i] for i in splits[index][1]])
                progress("leaving speakers out", len(answers), len(splits))
        return [answers[index] for index in range(len(splits))]

    def save(self, folder: Path, progress: Progress) -> dict[str, Any]:
        """Fit on everything, write ``model.onnx`` and ``model.safetensors``."""
        progress("training on all speakers", 0, 1)
        state = fit(self._table, np.arange(len(self._table.truth)), self.schedule, self.seed)
        (folder / "model.onnx").write_bytes(to_onnx(state, len(self._labels), self.front_end))
        safetensors.torch.save_file(state, folder / "model.safetensors")
        progress("training on all speakers", 1, 1)
        return {
            "kind": "log_mel_cnn",
            "architecture": "ResNetSmall",
            "front_end": asdict(self.front_end),
            "recipe": asdict(self.schedule),
        }

    def _model(self, state: dict[str, Tensor]) -> LogMelCnn:
        network = to_onnx(state, len(self._labels), self.front_end)
        return LogMelCnn(network=network, labels=self._labels, front_end=self.front_end)


_shared: WindowTable


def _share(table: WindowTable) -> None:
    global _shared  # noqa: PLW0603 (one copy of the data a worker process)
    _shared = table
    torch.set_num_threads(1)


def _fit_shared(train: IntArray, schedule: Schedule, seed: int) -> dict[str, Tensor]:
    return fit(_shared, train, schedule, seed)


def fit(table: WindowTable, train: IntArray, schedule: Schedule, seed: int) -> dict[str, Tensor]:
    """Weights of a network trained on some clips.

    Parameters
    ----------
    table : WindowTable
    train : ndarray of int
        Clips that may be seen.
    schedule : Schedule
    seed : int
        The same seed gives the same weights on the same machine.

    Returns
    -------
    dict of str to Tensor
        State of :class:`~cuelens.models.resnet_small.ResNetSmall`.
    """
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNetSmall(table.n_labels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        auxiliary_head = nn.Linear(128, _N_EGEMAPS + schedule.n_components)
        average = ResNetSmall(table.n_labels).eval()
        return _descend(table, train, schedule, rng, network, auxiliary_head, average)


def _descend(
    table: WindowTable,
    train: IntArray,
    schedule: Schedule,
    rng: np.random.Generator,
    network: ResNetSmall,
    auxiliary_head: nn.Linear,
    average: ResNetSmall,
) -> dict[str, Tensor]:
    targets = auxiliary_targets(table.functionals[train], schedule.n_components)
    place = np.full(len(table.truth), -1)
    place[train] = np.arange(len(train))
    truth = table.truth[train]
    chance = 1.0 / np.bincount(truth, minlength=table.n_labels)[truth]
    chance /= chance.sum()
    n_steps = schedule.n_epochs * -(-len(train) // schedule.batch_size)
    optimiser = torch.optim.AdamW(
        [*network.parameters(), *auxiliary_head.parameters()],
        lr=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.learning_rate, total_steps=n_steps, pct_start=0.2
    )
    network.train()
    for step in range(n_steps):
        clips = rng.choice(train, schedule.batch_size, p=chance)
        variants = rng.integers(table.db.shape[1], size=schedule.batch_size)
        inputs = augment(table.db[clips, variants].astype(np.float32), schedule, rng)
        wanted = np.eye(table.n_labels, dtype=np.float32)[table.truth[clips]]
        measured = targets[place[clips], variants]
        share = rng.beta(schedule.mixup, schedule.mixup, schedule.batch_size).astype(np.float32)
        other = rng.permutation(schedule.batch_size)
        x, y, functionals = (
            torch.from_numpy(_mix(values, share, other)) for values in (inputs, wanted, measured)
        )
        y = y * (1 - schedule.label_smoothing) + schedule.label_smoothing / table.n_labels
        with torch.autocast("cpu", dtype=torch.bfloat16):  # halves the time where the chip has it
            embedding = network.embed(x[:, None].contiguous(memory_format=torch.channels_last))
        embedding = embedding.float()
        logits = network.fc(network.dropout(embedding))
        loss = functional.cross_entropy(logits, y)
        loss = loss + schedule.auxiliary * functional.smooth_l1_loss(
            auxiliary_head(embedding), functionals
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rate.step()
        _move_average(average, network, keep=min(0.99, (step + 1) / (step + 10)))
    return {name: value.contiguous() for name, value in average.state_dict().items()}


def fit_plain(
    pictures: FloatArray,
    truth: IntArray,
    *,
    n_labels: int,
    n_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    furthest: int = 10,
) -> dict[str, Tensor]:
    """Weights of a network trained on pictures as they are, moved in time a little.

    Parameters
    ----------
    pictures : ndarray, shape (n, n_mels, n_frames), float32
        As the front end makes them.
    truth : ndarray, shape (n,), int
    n_labels, n_steps, batch_size : int
        Labels are drawn equally often.
    learning_rate : float
        Highest rate of AdamW (one cycle).
    seed : int
        The same seed gives the same weights on the same machine.
    furthest : int
        Frames that a picture is moved by at most.

    Returns
    -------
    dict of str to Tensor
        State of :class:`~cuelens.models.resnet_small.ResNetSmall`.
    """
    rng = np.random.default_rng(seed)
    chance = 1.0 / np.bincount(truth, minlength=n_labels)[truth]
    chance /= chance.sum()
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        network = ResNetSmall(n_labels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, learning_rate, total_steps=n_steps, pct_start=0.2
        )
        network.train()
        for _ in range(n_steps):
            drawn = rng.choice(len(truth), batch_size, p=chance)
            moves = rng.integers(-furthest, furthest + 1, size=batch_size)
            moved = [np.roll(pictures[k], n, axis=1) for k, n in zip(drawn, moves, strict=True)]
            x = torch.from_numpy(np.stack(moved))[:, None]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                embedding = network.embed(x.contiguous(memory_format=torch.channels_last))
            logits = network.fc(network.dropout(embedding.float()))
            loss = functional.cross_entropy(logits, torch.from_numpy(truth[drawn]))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
    return {name: value.contiguous() for name, value in network.eval().state_dict().items()}


def auxiliary_targets(functionals: FloatArray, n_components: int) -> FloatArray:
    """What the second head has to predict.

    Parameters
    ----------
    functionals : ndarray, shape (n_clips, n_variants, 88 + 6373)
        Of the training clips only.
    n_components : int

    Returns
    -------
    ndarray, shape (n_clips, n_variants, 88 + n_components), float32, values in [-4, 4]
        Standardised eGeMAPS, then principal components of standardised ComParE, the first with
        standard deviation 1, the others with the square root of their share of it.
    """
    rows = functionals.reshape(-1, functionals.shape[-1])
    egemaps = StandardScaler().fit_transform(rows[:, :_N_EGEMAPS])
    compare = StandardScaler().fit_transform(rows[:, _N_EGEMAPS:])
    pca = PCA(n_components, svd_solver="randomized", random_state=0)
    components = pca.fit_transform(compare)
    deviation = np.sqrt(pca.explained_variance_)
    components /= np.sqrt(deviation * deviation[0])
    targets = np.clip(np.hstack([egemaps, components]), -4.0, 4.0).astype(np.float32)
    return targets.reshape(*functionals.shape[:2], -1)


def variant(
    waveform: FloatArray, schedule: Schedule, n_window: int, rng: np.random.Generator
) -> FloatArray:
    """One window of a clip as another voice, microphone and moment would have given it.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32, 16 kHz
    schedule : Schedule
    n_window : int
        Samples of the window; a shorter clip is padded with silence at its end.
    rng : Generator

    Returns
    -------
    ndarray, shape (n_window,), float32, at the level of :func:`normalise_level`
    """
    speed = np.exp(rng.uniform(np.log(schedule.slowest), np.log(schedule.fastest)))
    waveform = play_at(waveform, round(float(speed), 3))
    start = int(rng.integers(max(0, len(waveform) - n_window) + 1))
    waveform = waveform[start : start + n_window]
    spectrum = np.fft.rfft(waveform)
    octaves = np.log2(np.linspace(1.0, 64.0, len(spectrum))) / 3.0 - 1.0  # -1 to 1
    gain_db = rng.normal(0.0, schedule.tilt_db) * octaves
    for k in range(2, 6):
        gain_db += rng.normal(0.0, schedule.tilt_db / 3) * np.cos(np.pi * k * (octaves + 1) / 2)
    coloured = np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(waveform))
    return normalise_level(np.pad(coloured, (0, n_window - len(waveform))))


def augment(db: FloatArray, schedule: Schedule, rng: np.random.Generator) -> FloatArray:
    """Shift, add faint noise and mask log-mel windows.

    Parameters
    ----------
    db : ndarray, shape (n, n_mels, n_frames), float32, dB below the loudest cell
    schedule : Schedule
    rng : Generator

    Returns
    -------
    ndarray, same shape, float32
        Scaled as the network's input is.
    """
    n, n_mels, n_frames = db.shape
    furthest = schedule.shift_frames
    shifted = [np.roll(row, int(rng.integers(-furthest, furthest + 1)), axis=1) for row in db]
    db = np.stack(shifted)
    floor_db = rng.uniform(-95.0, -60.0, (n, 1, 1))
    noise = 10 ** (floor_db / 10) * 2 * rng.random(db.shape)
    db = np.clip(10 * np.log10(10 ** (db / 10) + noise), -80.0, 0.0)
    scaled = ((db + 40.0) / 20.0).astype(np.float32)
    for row in scaled:
        for axis, widest in ((0, schedule.mask_bands), (1, schedule.mask_frames)):
            width = int(rng.integers(widest + 1))
            start = int(rng.integers((n_mels, n_frames)[axis] - width))
            np.swapaxes(row, 0, axis)[start : start + width] = row.mean()
    return scaled


def to_onnx(state: dict[str, Tensor], n_labels: int, front_end: WindowedLogMel) -> bytes:
    """The network as ONNX, any number of windows at once; input ``log_mel``, output ``logits``."""
    network = ResNetSmall(n_labels).eval()
    network.load_state_dict(state)
    example = torch.from_numpy(front_end.inputs(np.zeros((2, front_end.n_window), np.float32)))
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        exporter_log.setLevel(logging.ERROR)  # that torchvision is not there
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["log_mel"],
            output_names=["logits"],
            dynamic_shapes={"x": {0: torch.export.Dim("n_windows")}},
            verbose=False,
        )
    exporter_log.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    content: bytes = program.model_proto.SerializeToString()
    return content


def predict_windows(state: dict[str, Tensor], inputs: FloatArray) -> FloatArray:
    """Probabilities from the PyTorch network, the oracle of the ONNX one; shape (n, n_labels)."""
    network = ResNetSmall(len(state["fc.bias"])).eval()
    network.load_state_dict(state)
    with torch.inference_mode():
        return softmax(network(torch.from_numpy(inputs)).numpy())


def _mix(values: FloatArray, share: FloatArray, other: IntArray) -> FloatArray:
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    mixed = share * values + (1 - share) * values[other]
    return np.ascontiguousarray(mixed, dtype=np.float32)


def _move_average(average: nn.Module, network: nn.Module, *, keep: float) -> None:
    with torch.no_grad():
        state = network.state_dict()
        for name, value in average.state_dict().items():
            if value.dtype.is_floating_point:
                value.mul_(keep).add_(state[name], alpha=1 - keep)
            else:
                value.copy_(state[name])
