"""Speech emotion models: the protocol, adapters, the bundled ones, and training."""

from importlib import import_module
from typing import TYPE_CHECKING

from cuelens.models.base import CallableModel, Model, model_name, model_output, predict
from cuelens.models.contrast import Contrast, contrast
from cuelens.models.features_model import FeaturesModel
from cuelens.models.folder import load_model_folder
from cuelens.models.level import normalise_level
from cuelens.models.load import BUNDLED, DEFAULT_MODEL, describe_bundled, load_model
from cuelens.models.log_mel_cnn import LogMelCnn, WindowedLogMel
from cuelens.models.network import FrontEnd, NetworkInput, NetworkModel
from cuelens.models.onnx_model import OnnxModel
from cuelens.models.published_log_mel import PublishedLogMel

if TYPE_CHECKING:
    from cuelens.models.embedding_model import EmbeddingModel
    from cuelens.models.hugging_face_model import HuggingFaceModel
    from cuelens.models.torch_model import TorchModel
    from cuelens.models.torch_waveform_model import TorchWaveformModel

__all__ = [
    "BUNDLED",
    "DEFAULT_MODEL",
    "CallableModel",
    "Contrast",
    "EmbeddingModel",
    "FeaturesModel",
    "FrontEnd",
    "HuggingFaceModel",
    "LogMelCnn",
    "Model",
    "NetworkInput",
    "NetworkModel",
    "OnnxModel",
    "PublishedLogMel",
    "TorchModel",
    "TorchWaveformModel",
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


_HOME = {  # imported when first used: optional packages, slow to load
    "EmbeddingModel": "cuelens.models.embedding_model",
    "HuggingFaceModel": "cuelens.models.hugging_face_model",
    "TorchModel": "cuelens.models.torch_model",
    "TorchWaveformModel": "cuelens.models.torch_waveform_model",
}


def __getattr__(name: str) -> type:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cuelens.models' has no attribute {name!r}")
