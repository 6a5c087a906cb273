"""ResNetSmall, the log-mel network of Nasr, Ren & Johnson, in PyTorch (extra ``torch``).

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency: enhancing explanation of speech emotion
   recognition with expert-referenced acoustic cues", arXiv 2511.11691, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a 1x1 shortcut without; no biases."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNetSmall(nn.Module):
    """Log-mel (n, 1, n_mels, n_frames) to logits (n, n_labels)."""

    def __init__(self, n_labels: int = 7) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = ResidualBlock(32, 64, stride=1)
        self.layer2 = ResidualBlock(64, 128, stride=2)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(128, n_labels)

    def embed(self, x: Tensor) -> Tensor:
        """Averaged activations before the last layer, shape (n, 128)."""
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))
        return torch.mean(self.layer2(self.layer1(x)), dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(self.embed(x)))
        return logits
