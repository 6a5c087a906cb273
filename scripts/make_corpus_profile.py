"""Measure what EmoDB shows of each emotion, for the corpus column of reports.

Run with EmoDB under CUELENS_DATA: ``python scripts/make_corpus_profile.py``.  Seven emotions are
taken from ``emodb-2s`` (clips cut or padded to 2 s); speech rate and pauses only from the full
recordings of ``emodb``, because cut clips have none.
"""

from pathlib import Path
from types import MappingProxyType

from cuelens.corpora import load_corpus
from cuelens.cues.profile import CorpusProfile, profile_of

TARGET = Path(__file__).parents[1] / "src" / "cuelens" / "cues" / "emodb_profile.json"
NEED_WHOLE_CLIPS = ("speech_rate", "pauses", "f0_contour")


def main() -> None:
    cut = profile_of(load_corpus("emodb-2s")).cells
    whole = profile_of(load_corpus("emodb")).cells
    cells = {key: cell for key, cell in cut.items() if key[1] not in NEED_WHOLE_CLIPS}
    cells |= {key: cell for key, cell in whole.items() if key[1] in NEED_WHOLE_CLIPS}
    profile = CorpusProfile(corpus="EmoDB", cells=MappingProxyType(dict(sorted(cells.items()))))
    TARGET.write_text(profile.to_json(), encoding="utf-8")
    print(f"{len(cells)} cells written to {TARGET}")


if __name__ == "__main__":
    main()
