"""Corpora of emotional speech: read, check, split by speaker, download."""

from __future__ import annotations

from cuelens.corpora.check import CorpusCheck, check_corpus
from cuelens.corpora.corpus import Corpus, SpeakerFold, SpeakerSplit
from cuelens.corpora.download import DOWNLOADS, get_corpus
from cuelens.corpora.emotions import ALIASES, CANONICAL, canonical_emotion
from cuelens.corpora.layouts import FileNameLayout, Layout
from cuelens.corpora.load import (
    LAYOUTS,
    demo_corpus,
    find_corpus,
    layout_named,
    layout_names,
    load_corpus,
)
from cuelens.corpora.long_recording import LongRecording, map_speech, read_parts, speech_windows
from cuelens.corpora.speech_detector import Segment, SpeechDetector

__all__ = [
    "ALIASES",
    "CANONICAL",
    "DOWNLOADS",
    "LAYOUTS",
    "Corpus",
    "CorpusCheck",
    "FileNameLayout",
    "Layout",
    "LongRecording",
    "Segment",
    "SpeakerFold",
    "SpeakerSplit",
    "SpeechDetector",
    "canonical_emotion",
    "check_corpus",
    "demo_corpus",
    "find_corpus",
    "get_corpus",
    "layout_named",
    "layout_names",
    "load_corpus",
    "map_speech",
    "read_parts",
    "speech_windows",
]
