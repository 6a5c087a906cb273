"""Speech emotion models: the protocol, adapters, the bundled ones, and training."""

from typing import TYPE_CHECKING

from cuelens.models.base import CallableModel, Model, model_name, model_output, predict
from cuelens.models.contrast import Contrast, contrast
from cuelens.models.features_model import FeaturesModel
from cuelens.models.folder import load_model_folder
from cuelens.models.level import normalise_level
from cuelens.models.load import BUNDLED, DEFAULT_MODEL, describe_bundled, load_model
from cuelens.models.log_mel_cnn import LogMelCnn, WindowedLogMel
from cuelens.models.network import FrontEnd, NetworkInput, NetworkModel
from cuelens.models.published_log_mel import PublishedLogMel

if TYPE_CHECKING:
    from cuelens.models.torch_model import TorchModel

__all__ = [
    "BUNDLED",
    "DEFAULT_MODEL",
    "CallableModel",
    "Contrast",
    "FeaturesModel",
    "FrontEnd",
    "LogMelCnn",
    "Model",
    "NetworkInput",
    "NetworkModel",
    "PublishedLogMel",
    "TorchModel",
    "WindowedLogMel",
    "contrast",
    "describe_bundled",
    "load_model",
    "load_model_folder",
    "model_name",
    "model_output",
    "normalise_level",
    "predict",
]


def __getattr__(name: str) -> type:
    if name == "TorchModel":  # imported when first used: PyTorch is optional and slow to load
        from cuelens.models.torch_model import TorchModel

        return TorchModel
    raise AttributeError(f"module 'cuelens.models' has no attribute {name!r}")
