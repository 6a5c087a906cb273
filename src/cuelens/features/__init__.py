"""Numbers that describe a clip: log-mel spectrograms, eGeMAPS and ComParE."""

from cuelens.features.cache import FeatureCache
from cuelens.features.log_mel import LogMel
from cuelens.features.opensmile import OpenSmile

__all__ = ["FeatureCache", "LogMel", "OpenSmile"]
