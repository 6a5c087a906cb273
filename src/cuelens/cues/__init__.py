"""What the voice does at the moments a model listened to, and whether that is expected."""

from cuelens.cues.account import cue_account
from cuelens.cues.baseline import Baseline, Effect, clips_baseline, corpus_baseline
from cuelens.cues.carried import CarriedCue, CarriedCues
from cuelens.cues.chance import ChanceTest, chance_test, random_windows
from cuelens.cues.corpus_analysis import CorpusCues, analyse_corpus
from cuelens.cues.definitions import CUES, WINDOW_CUES, Cue
from cuelens.cues.experts import SOURCES, Expectation, expert_table
from cuelens.cues.measure import CueTracks, CueValue, measure_cues
from cuelens.cues.profile import CorpusProfile, corpus_profile, emodb_profile
from cuelens.cues.report import CueReport, CueRow, cue_report

__all__ = [
    "CUES",
    "SOURCES",
    "WINDOW_CUES",
    "Baseline",
    "CarriedCue",
    "CarriedCues",
    "ChanceTest",
    "CorpusCues",
    "CorpusProfile",
    "Cue",
    "CueReport",
    "CueRow",
    "CueTracks",
    "CueValue",
    "Effect",
    "Expectation",
    "analyse_corpus",
    "chance_test",
    "clips_baseline",
    "corpus_baseline",
    "corpus_profile",
    "cue_account",
    "cue_report",
    "emodb_profile",
    "expert_table",
    "measure_cues",
    "random_windows",
]
