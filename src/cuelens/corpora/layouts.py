"""The published corpora: licence, and how their file names say speaker, emotion and sentence.

A layout turns the relative paths of the audio files in a folder into the rows of a corpus.
Codes are those of each corpus's own documentation; the file type does not matter.
"""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

Row = dict[str, object]
"""One clip: at least ``file`` (relative path) and ``emotion``."""


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """What is published about a corpus, and how to read its folder.

    Parameters
    ----------
    name : str
        Short name, as in ``load_corpus("emodb")``.
    title, language, citation, homepage : str
    licence : str
        Short name of the licence.
    permits : str
        What the licence lets one do, in a plain sentence.
    how_to_get : str
        What to do to have the corpus, in a plain sentence.
    pattern : compiled regular expression
        Found at the end of the relative path, without extension, of every clip of the corpus.
    """

    name: str
    title: str
    language: str
    licence: str
    permits: str
    citation: str
    homepage: str
    how_to_get: str
    pattern: re.Pattern[str]

    def match(self, path: str) -> re.Match[str] | None:
        """Match of a relative path, whatever its file type."""
        return self.pattern.search(str(PurePosixPath(path).with_suffix("")))

    @abstractmethod
    def rows(self, root: Path, paths: Sequence[str]) -> tuple[list[Row], list[str]]:
        """Rows for the clips, and a note for everything that was left out.

        Parameters
        ----------
        root : Path
            Folder of the corpus.
        paths : sequence of str
            Its audio files, relative to `root`, with forward slashes.
        """


@dataclass(frozen=True, kw_only=True)
class FileNameLayout(Layout):
    """A corpus whose file names say everything.

    Parameters
    ----------
    fields : callable
        From a match of `pattern` to the columns of the row, or to the reason (str) why files
        like this are left out.
    """

    fields: Callable[[re.Match[str]], Row | str]

    def rows(self, root: Path, paths: Sequence[str]) -> tuple[list[Row], list[str]]:
        """See `Layout.rows`."""
        rows: list[Row] = []
        left_out: Counter[str] = Counter()
        strangers: list[str] = []
        for path in paths:
            match = self.match(path)
            if match is None:
                strangers.append(path)
                continue
            fields = self.fields(match)
            if isinstance(fields, str):
                left_out[fields] += 1
            else:
                rows.append({"file": path, **fields})
        notes = [f"{n} files left out: {reason}" for reason, n in sorted(left_out.items())]
        if strangers:
            notes.append(
                f"{len(strangers)} audio files left out, not named like {self.title}: "
                + ", ".join(strangers[:3])
            )
        return rows, notes


@dataclass(frozen=True, kw_only=True)
class CremaDLayout(FileNameLayout):
    """CREMA-D: sex and age come from a table beside the recordings."""

    def rows(self, root: Path, paths: Sequence[str]) -> tuple[list[Row], list[str]]:
        """See `Layout.rows`."""
        wav = [p for p in paths if "AudioWAV" in PurePosixPath(p).parts]
        rows, notes = super().rows(root, wav or paths)
        if 0 < len(wav) < len(paths):
            notes.append(f"{len(paths) - len(wav)} files outside AudioWAV left out")
        for table in (root / "VideoDemographics.csv", root.parent / "VideoDemographics.csv"):
            if table.is_file():
                with table.open(encoding="utf-8", newline="") as lines:
                    actors = {actor["ActorID"]: actor for actor in csv.DictReader(lines)}
                for row in rows:
                    actor = actors.get(str(row["speaker"]))
                    if actor is not None:
                        row |= {"sex": actor["Sex"].lower(), "age": int(actor["Age"])}
                break
        return rows, notes


_EMODB_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_EMODB_MEN = {"03", "10", "11", "12", "15"}


def _emodb(match: re.Match[str]) -> Row | str:
    if "laryn" in match.string.lower():
        return "laryngograms, not speech"
    return {
        "speaker": match["speaker"],
        "emotion": _EMODB_EMOTIONS[match["emotion"]],
        "sentence": match["sentence"],
        "version": match["version"],
        "sex": "male" if match["speaker"] in _EMODB_MEN else "female",
    }


_RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}


def _ravdess(match: re.Match[str]) -> Row | str:
    if match["channel"] == "02":
        return "sung, not spoken (vocal channel 02)"
    if match["modality"] != "03":
        return "sound of a video (modality 01 or 02), the audio-only release holds the same takes"
    return {
        "speaker": match["actor"],
        "emotion": _RAVDESS_EMOTIONS[match["emotion"]],
        "sentence": match["statement"],
        "intensity": {"01": "normal", "02": "strong"}[match["intensity"]],
        "repetition": int(match["repetition"]),
        "sex": "male" if int(match["actor"]) % 2 else "female",
    }


_TESS_EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}


def _tess(match: re.Match[str]) -> Row:
    # One file of the release, OA_bite_neutral, lacks the F of its speaker.
    speaker = "OAF" if match["speaker"].upper() in {"OAF", "OA"} else "YAF"
    return {
        "speaker": speaker,
        "emotion": _TESS_EMOTIONS[match["emotion"].lower()],
        "sentence": match["word"].lower(),
        "sex": "female",
        "age": 64 if speaker == "OAF" else 26,
    }


_CREMA_D_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_CREMA_D_SENTENCES = "DFA|IEO|IOM|ITH|ITS|IWL|IWW|MTI|TAI|TIE|TSI|WSI"
_CREMA_D_INTENSITIES = {
    "LO": "low",
    "MD": "medium",
    "HI": "high",
    "XX": "unspecified",
    "X": "unspecified",  # 1040_ITH_SAD_X is named so in the release
}


def _crema_d(match: re.Match[str]) -> Row:
    return {
        "speaker": match["speaker"],
        "emotion": _CREMA_D_EMOTIONS[match["emotion"]],
        "sentence": match["sentence"],
        "intensity": _CREMA_D_INTENSITIES[match["intensity"]],
    }


_SAVEE_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def _savee(match: re.Match[str]) -> Row:
    return {
        "speaker": match["speaker"],
        "emotion": _SAVEE_EMOTIONS[match["emotion"]],
        # Numbers start again for every emotion; the text of most differs between emotions.
        "sentence": match["emotion"] + match["number"],
        "sex": "male",
    }


EMODB = FileNameLayout(
    name="emodb",
    title="EmoDB, Berlin Database of Emotional Speech",
    language="German",
    licence="CC0-1.0",
    permits="Free for any use (the Zenodo record of release 1.3.0 says CC-BY-4.0: give credit).",
    citation="Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005",
    homepage="http://emodb.bilderbar.info",
    how_to_get="Run `cuelens corpus get emodb`.",
    pattern=re.compile(
        r"(?:^|/)(?P<speaker>03|08|09|1[0-6])(?P<sentence>[ab]\d\d)"
        r"(?P<emotion>[WLEAFTN])(?P<version>[a-z]?)$"
    ),
    fields=_emodb,
)
RAVDESS = FileNameLayout(
    name="ravdess",
    title="RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song",
    language="English",
    licence="CC-BY-NC-SA-4.0",
    permits="Non-commercial use with credit; what is derived from it carries the same licence.",
    citation="Livingstone and Russo, PLoS ONE 13(5): e0196391, 2018",
    homepage="https://doi.org/10.5281/zenodo.1188976",
    how_to_get="Run `cuelens corpus get ravdess`.",
    pattern=re.compile(
        r"(?:^|/)(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])-"
        r"(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>0[1-9]|1\d|2[0-4])$"
    ),
    fields=_ravdess,
)
TESS = FileNameLayout(
    name="tess",
    title="TESS, Toronto emotional speech set",
    language="English",
    licence="CC-BY-NC-ND-4.0",
    permits="Non-commercial use with credit; changed copies must not be passed on.",
    citation="Pichora-Fuller and Dupuis, Toronto emotional speech set, Borealis, 2020",
    homepage="https://doi.org/10.5683/SP2/E8H2MF",
    how_to_get="Run `cuelens corpus get tess`.",
    pattern=re.compile(
        r"(?:^|/)(?P<speaker>OAF|OA|YAF|YA)_(?P<word>[^_/]+)_"
        r"(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)$",
        re.IGNORECASE,
    ),
    fields=_tess,
)
CREMA_D = CremaDLayout(
    name="crema-d",
    title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    language="English",
    licence="ODbL-1.0",
    permits="Any use with credit; a database derived from it carries the same licence.",
    citation="Cao et al., IEEE Transactions on Affective Computing 5(4): 377-390, 2014",
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    how_to_get=(
        "Install Git LFS, which checks every file, and run "
        "`git clone https://gitlab.com/cs-cooper-lab/crema-d-mirror.git crema-d` (the authors' "
        "mirror; GitHub's own copy is often over its quota) in a folder named by CUELENS_DATA."
    ),
    pattern=re.compile(
        rf"(?:^|/)(?P<speaker>1\d{{3}})_(?P<sentence>{_CREMA_D_SENTENCES})_"
        r"(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<intensity>LO|MD|HI|XX?)$"
    ),
    fields=_crema_d,
)
SAVEE = FileNameLayout(
    name="savee",
    title="SAVEE, Surrey Audio-Visual Expressed Emotion",
    language="English",
    licence="research only, on registration",
    permits="Research by those who registered; copies must not be passed on.",
    citation="Haq and Jackson, Machine Audition, IGI Global, 398-423, 2010",
    homepage="http://kahlan.eps.surrey.ac.uk/savee/",
    how_to_get=(
        "Register at http://kahlan.eps.surrey.ac.uk/savee/Register.html and unpack it as a folder "
        "`savee` in a folder named by CUELENS_DATA."
    ),
    pattern=re.compile(
        r"(?:^|/)(?P<speaker>DC|JE|JK|KL)[_/](?P<emotion>sa|su|[adfhn])(?P<number>\d\d)$"
    ),
    fields=_savee,
)
