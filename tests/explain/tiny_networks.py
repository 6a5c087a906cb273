"""Small networks and pictures for tests of explainers that look inside a network."""

from __future__ import annotations

import numpy as np
import scipy.signal
import torch
from torch import Tensor, nn
from torch.nn import functional

from cuelens import Audio
from cuelens.features import LogMel
from cuelens.models import NetworkInput, PublishedLogMel, TorchModel, WindowedLogMel
from cuelens.models.resnet_small import ResidualBlock

RATE = 16_000
TONE_HZ, HISS_HZ = 1000.0, 5000.0
SMALL_PICTURES = PublishedLogMel(log_mel=LogMel(n_mels=24, mel_norm=None), duration_s=0.6)


class Reduced(nn.Module):
    """ResNetSmall with few channels."""

    def __init__(self, n_labels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = ResidualBlock(4, 6, stride=1)
        self.layer2 = ResidualBlock(6, 8, stride=2)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(8, n_labels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))
        logits: Tensor = self.fc(self.dropout(self.layer2(self.layer1(x)).mean(dim=(2, 3))))
        return logits


class Untraceable(nn.Module):
    """Its path depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)
        self.conv.weight.data.abs_()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x / 40 + 2))  # pictures hold -80 to 0 dB
        return self.fc(x.mean(dim=(2, 3)) if x.sum() > 0 else x.amax(dim=(2, 3)))


def randomised(network: nn.Module, *, seed: int = 7) -> nn.Module:
    """In evaluation mode, with random weights and batch norms that do something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.3, 3.0)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def pictures(n_windows: int, n_bands: int, n_frames: int, *, seed: int = 0) -> NetworkInput:
    """Random pictures of a clip; silence is -2."""
    values = np.random.default_rng(seed).normal(size=(n_windows, 1, n_bands, n_frames))
    return NetworkInput(
        values=values.astype(np.float32),
        times_s=np.tile(np.arange(n_frames) * 0.015, (n_windows, 1)),
        edges_hz=np.linspace(0.0, 8000.0, n_bands + 1),
        hop_s=0.015,
        silence=-2.0,
        shares=np.full(n_windows, 1.0 / n_windows),
    )


def as_model(module: nn.Module, *, n_labels: int = 3) -> TorchModel:
    labels = tuple("abcdefghij"[:n_labels])
    return TorchModel(module=module, labels=labels, front_end=SMALL_PICTURES)


class ToneDetector(nn.Module):
    """Written by hand: how far, and how long, a tone's bands rise above a threshold.

    The first label hears the tone, the second a third as well the hiss.
    """

    def __init__(self, edges_hz: np.ndarray, *, threshold: float, gain: float) -> None:
        super().__init__()
        self.bands = nn.Conv2d(1, 2, (len(edges_hz) - 1, 1))
        self.pool = nn.MaxPool2d((1, 2))
        self.smooth = nn.Conv2d(2, 2, (1, 3), stride=(1, 2), padding=(0, 1))
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for channel, hz in enumerate((TONE_HZ, HISS_HZ)):
                band = int(np.searchsorted(edges_hz, hz)) - 1
                self.bands.weight[channel, 0, band - 1 : band + 2] = 1 / 3
                self.smooth.weight[channel, channel] = 1 / 3
                self.fc.weight[channel, channel] = gain / (1 + 2 * channel)
            self.bands.bias.fill_(-threshold)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.smooth(self.pool(torch.relu(self.bands(x)))))
        return self.fc(x.mean(dim=(2, 3)))


def tone_model(front_end: WindowedLogMel | PublishedLogMel) -> TorchModel:
    """A tone detector with its threshold 30 dB below the loudest cell."""
    threshold, gain = -30.0, 3.0  # in dB
    if isinstance(front_end, WindowedLogMel):
        threshold = (threshold + front_end.offset_db) / front_end.scale_db
        gain *= front_end.scale_db
    edges_hz = front_end.log_mel.band_edges_hz()
    network = ToneDetector(edges_hz, threshold=threshold, gain=gain).eval()
    return TorchModel(module=network, labels=("tone", "hiss"), front_end=front_end)


def clip_with_burst(
    rng: np.random.Generator, *, duration_s: float, before_s: float, noise: float
) -> tuple[Audio, float, float]:
    """0.5 s of (near) silence, then bursts of hiss with gaps, and one burst of a tone.

    Returns
    -------
    audio : Audio
    start_s, end_s : float, s
        Of the tone, which lasts 60 to 100 ms and ends before ``before_s``.
    """
    samples = noise * rng.standard_normal(round(duration_s * RATE))
    band = scipy.signal.butter(8, [4000, 6000], "bandpass", fs=RATE, output="sos")
    hiss = 0.1 * scipy.signal.sosfilt(band, rng.standard_normal(samples.size))
    start_s = 0.5
    while start_s < duration_s:
        end_s = start_s + rng.uniform(0.15, 0.4)
        part = slice(round(start_s * RATE), round(end_s * RATE))
        samples[part] += hiss[part]
        start_s = end_s + rng.uniform(0.15, 0.4)
    length_s = rng.uniform(0.06, 0.1)
    first = round(rng.uniform(0.5, min(before_s, duration_s - 0.02) - length_s) * RATE)
    time = np.arange(round(length_s * RATE))
    fade = np.minimum(1.0, np.minimum(time, time[::-1]) / 80)
    samples[first : first + time.size] += 0.5 * fade * np.sin(2 * np.pi * TONE_HZ * time / RATE)
    samples /= max(1.0, np.abs(samples).max())
    audio = Audio(samples=samples.astype(np.float32), sample_rate=RATE)
    return audio, first / RATE, (first + time.size) / RATE
