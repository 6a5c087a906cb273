"""Corpora of emotional speech: read, check, split by speaker, download."""

from __future__ import annotations

from cuelens.corpora.check import CorpusCheck, check_corpus
from cuelens.corpora.corpus import Corpus, SpeakerFold, SpeakerSplit
from cuelens.corpora.download import DOWNLOADS, get_corpus
from cuelens.corpora.emotions import ALIASES, CANONICAL, canonical_emotion
from cuelens.corpora.layouts import Layout
from cuelens.corpora.load import LAYOUTS, demo_corpus, find_corpus, load_corpus

__all__ = [
    "ALIASES",
    "CANONICAL",
    "DOWNLOADS",
    "LAYOUTS",
    "Corpus",
    "CorpusCheck",
    "Layout",
    "SpeakerFold",
    "SpeakerSplit",
    "canonical_emotion",
    "check_corpus",
    "demo_corpus",
    "find_corpus",
    "get_corpus",
    "load_corpus",
]
