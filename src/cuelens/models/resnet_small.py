"""ResNetSmall, the log-mel network of Nasr, Ren & Johnson, in PyTorch (extra ``torch``).

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency: enhancing explanation of speech emotion
   recognition with expert-referenced acoustic cues", arXiv 2511.11691, section 3.
"""

from __future__ import annotations

from pathlib import Path

from cuelens.errors import InputError, MissingExtraError
from cuelens.models.published_log_mel import PublishedLogMel, Trim

try:
    import safetensors.torch
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from cuelens.models.torch_model import TorchModel
except ImportError as error:
    raise MissingExtraError("ResNetSmall in PyTorch", "torch") from error


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


def from_safetensors(content: bytes, *, n_labels: int) -> ResNetSmall:
    """A network in evaluation mode from weights in the safetensors format."""
    network = ResNetSmall(n_labels)
    try:
        network.load_state_dict(safetensors.torch.load(content))
    except Exception as error:  # safetensors and torch raise what their parts raise
        raise InputError(f"no weights of ResNetSmall with {n_labels} labels ({error})") from error
    return network.eval()


PUBLISHED_LABELS = ("fear", "neutral", "happy", "angry", "disgust", "surprise", "sad")


def load_published(file: str | Path, *, trim: Trim = "edges") -> TorchModel:
    """The published network, from a file of its weights.

    Parameters
    ----------
    file : path
        A state dict, read without executing anything in it: ``.pth`` (tensors only) or
        ``.safetensors``.
    trim : {"edges", "everywhere", "none"}
        Which silence is cut away first; see :class:`~cuelens.models.PublishedLogMel`.

    Raises
    ------
    InputError
        Not such a file.
    """
    file = Path(file)
    try:
        if file.suffix == ".safetensors":
            state = safetensors.torch.load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        network = ResNetSmall(len(PUBLISHED_LABELS))
        network.load_state_dict(state)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; expected weights of ResNetSmall") from error
    except Exception as error:  # torch and safetensors raise what their parts raise
        first_line = (str(error).splitlines() or [repr(error)])[0]
        raise InputError(
            f"{file}: no weights of ResNetSmall ({first_line}); expected a state dict of tensors "
            "named conv1.weight, bn1.weight, layer1.conv1.weight ... fc.bias"
        ) from error
    return TorchModel(
        module=network.eval(),
        labels=PUBLISHED_LABELS,
        front_end=PublishedLogMel(trim=trim),
        name=file.stem,
    )
