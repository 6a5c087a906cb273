"""A job for every clip of a corpus, on one machine or many."""

from cuelens.runs.clips import RunClip, RunClips, find_clips
from cuelens.runs.cue_values import CueValues
from cuelens.runs.embeddings import Embeddings
from cuelens.runs.explanations import Explanations
from cuelens.runs.faithfulness_values import FaithfulnessValues
from cuelens.runs.job import Job
from cuelens.runs.run_corpus import Run, read_run, run_corpus

__all__ = [
    "CueValues",
    "Embeddings",
    "Explanations",
    "FaithfulnessValues",
    "Job",
    "Run",
    "RunClip",
    "RunClips",
    "find_clips",
    "read_run",
    "run_corpus",
]
