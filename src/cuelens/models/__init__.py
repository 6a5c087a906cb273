"""Speech emotion models: the protocol, adapters, the bundled ones, and training."""

from cuelens.models.base import CallableModel, Model, predict
from cuelens.models.features_model import FeaturesModel
from cuelens.models.folder import load_model_folder
from cuelens.models.load import BUNDLED, DEFAULT_MODEL, describe_bundled, load_model
from cuelens.models.log_mel_cnn import LogMelCnn, WindowedLogMel

__all__ = [
    "BUNDLED",
    "DEFAULT_MODEL",
    "CallableModel",
    "FeaturesModel",
    "LogMelCnn",
    "Model",
    "WindowedLogMel",
    "describe_bundled",
    "load_model",
    "load_model_folder",
    "predict",
]
