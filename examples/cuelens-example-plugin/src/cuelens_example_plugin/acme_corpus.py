"""The corpus of a company that records ``spk07_ANG_s03.wav``: speaker, emotion, sentence."""

from __future__ import annotations

import re

from cuelens.corpora import FileNameLayout

_EMOTIONS = {"ANG": "anger", "JOY": "happiness", "NTR": "neutral", "SAD": "sadness"}


def _fields(match: re.Match[str]) -> dict[str, object] | str:
    """Columns of a clip, or the reason why files like it are left out."""
    if match["emotion"] == "TST":
        return "sound checks"
    return {
        "speaker": match["speaker"],
        "emotion": _EMOTIONS[match["emotion"]],
        "sentence": match["sentence"],
    }


ACME = FileNameLayout(
    name="acme",
    title="Acme calls, an invented corpus",
    language="English",
    licence="internal",
    permits="It does not exist; nobody has to be asked.",
    citation="none",
    homepage="https://example.org",
    how_to_get="Name files as above, in a folder acme.",
    pattern=re.compile(
        r"(?:^|/)(?P<speaker>spk\d\d)_(?P<emotion>ANG|JOY|NTR|SAD|TST)_(?P<sentence>s\d\d)$"
    ),
    fields=_fields,
)
