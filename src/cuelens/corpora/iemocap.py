"""IEMOCAP: recordings in one place, labels in another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cuelens.corpora.layouts import Layout, Row
from cuelens.errors import InputError

_EMOTIONS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "sur": "surprise",
}
_UNUSABLE = {"xxx": "no agreement between annotators", "oth": "an emotion outside the list"}

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_SUMMARY = re.compile(
    r"^\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\s+"
    r"(?P<utterance>(?P<dialog>(?P<session>Ses0[1-5])[FM]_\w+)_(?P<sex>[FM])\w+)\s+"
    r"(?P<emotion>[a-z]+)\s+\[(?P<valence>[\d.]+), (?P<activation>[\d.]+), (?P<dominance>[\d.]+)\]",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class IemocapLayout(Layout):
    """Labels from ``SessionN/dialog/EmoEvaluation``, sound from ``SessionN/sentences/wav``.

    Where the cut sentences are missing, the dialogue's recording and the sentence's start and
    end are used instead.  Valence, activation and dominance (1 to 5, mean over annotators) are
    extra columns.  The first letter of an utterance's last part is its speaker: each of the five
    sessions has its own woman and man.
    """

    def rows(self, root: Path, paths: Sequence[str]) -> tuple[list[Row], list[str]]:
        """See `Layout.rows`."""
        sentences = {PurePosixPath(p).stem: p for p in paths if "/sentences/wav/" in f"/{p}"}
        dialogs = {PurePosixPath(p).stem: p for p in paths if "/dialog/wav/" in f"/{p}"}
        label_files = [
            file
            for file in sorted(root.rglob("Session[1-5]/dialog/EmoEvaluation/*.txt"))
            if not file.name.startswith(".")
        ]
        if not label_files:
            raise InputError(
                f"{root}: no Session*/dialog/EmoEvaluation/*.txt; expected the labels of IEMOCAP "
                "beside its recordings: unpack the full release"
            )
        rows: list[Row] = []
        left_out: Counter[str] = Counter()
        n_from_dialog = 0
        for label_file in label_files:
            session = label_file.parents[2]
            for match in _SUMMARY.finditer(label_file.read_text(encoding="utf-8")):
                code = match["emotion"]
                if code in _UNUSABLE:
                    left_out[code] += 1
                    continue
                if code not in _EMOTIONS:
                    raise InputError(
                        f"{label_file}: unknown emotion code {code!r} of {match['utterance']}; "
                        f"expected one of {', '.join([*_EMOTIONS, *_UNUSABLE])}"
                    )
                row: Row = {
                    "speaker": match["session"] + match["sex"],
                    "emotion": _EMOTIONS[code],
                    "dialog": match["dialog"],
                    "utterance": match["utterance"],
                    "sex": {"F": "female", "M": "male"}[match["sex"]],
                    **{d: float(match[d]) for d in ("valence", "activation", "dominance")},
                }
                if match["utterance"] not in sentences and match["dialog"] in dialogs:
                    n_from_dialog += 1
                    row |= {
                        "file": dialogs[match["dialog"]],
                        "start": float(match["start"]),
                        "end": float(match["end"]),
                    }
                else:  # a sentence that is nowhere keeps its place, so that the check reports it
                    expected = session / "sentences/wav" / match["dialog"] / match["utterance"]
                    row["file"] = sentences.get(
                        match["utterance"], f"{expected.relative_to(root).as_posix()}.wav"
                    )
                rows.append(row)
        notes = [
            f"{left_out[code]} utterances labelled {code} left out: {reason}"
            for code, reason in _UNUSABLE.items()
            if left_out[code]
        ]
        if n_from_dialog:
            notes.append(f"{n_from_dialog} utterances are read from the recording of the dialogue")
        return rows, notes


IEMOCAP = IemocapLayout(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture Database",
    language="English",
    licence="research only, on request",
    permits="Research by those who signed the release form; copies must not be passed on.",
    citation="Busso et al., Language Resources and Evaluation 42(4): 335-359, 2008",
    homepage="https://sail.usc.edu/iemocap/",
    how_to_get=(
        "Sign the release form at https://sail.usc.edu/iemocap/iemocap_release.htm and unpack it "
        "as a folder `iemocap` in a folder named by CUELENS_DATA."
    ),
    pattern=re.compile(r"(?:^|/)Session[1-5]/(?:sentences|dialog)/wav/(?:.+/)?Ses0[1-5][FM]_\w+$"),
)
