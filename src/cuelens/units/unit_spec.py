"""Units as the command line writes them: ``bands``, ``phones``, ``words:FILE*bands``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal, cast, get_args

from cuelens.audio import Audio
from cuelens.errors import CuelensWarning, InputError
from cuelens.units.components import Units
from cuelens.units.emodb_labels import find_emodb_labels, read_emodb_labels
from cuelens.units.frequency_bands import FrequencyBands
from cuelens.units.harmonic_bands import HarmonicBands
from cuelens.units.harmonic_percussive import HarmonicPercussive
from cuelens.units.label_files import SUFFIXES, names_recordings, read_labels
from cuelens.units.products import SpectralUnits, TimeUnits, UnitProduct
from cuelens.units.segments import TOLERANCE_S, Label, Segments, within
from cuelens.units.time_windows import TimeWindows
from cuelens.units.voiced_windows import VoicedWindows

LabelKind = Literal["words", "syllables", "phones"]

FORMS = (
    "bands, windows, cells, voiced-windows, harmonics, harmonic-percussive, "
    "words[:FILE[#TIER]], syllables[:FILE], phones[:FILE], or one of time and one of frequency "
    "joined by *, such as words:FILE*bands"
)
_TIMES = ("windows", "voiced-windows", *get_args(LabelKind))
_PARTS = ("bands", "harmonics", "harmonic-percussive")
_LATE_S, _LATE_SHARE = 1.0, 1 / 3  # of a clip after its last label; 265 clips of EmoDB: 0.35, 0.16


@dataclass(frozen=True, kw_only=True)
class _Factor:
    name: str
    file: Path | None = None
    tier: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnitSpec:
    """Units of clips, some of which are known only when the clip is.

    Made by :meth:`parse`.

    Parameters
    ----------
    factors : tuple
        One kind, or one of time and one of frequency.
    bands : FrequencyBands
    windows : TimeWindows
    """

    factors: tuple[_Factor, ...]
    bands: FrequencyBands
    windows: TimeWindows

    @classmethod
    def parse(
        cls, text: str, *, bands: FrequencyBands | None = None, windows: TimeWindows | None = None
    ) -> UnitSpec:
        """Read a form such as ``words:FILE*bands``.

        Parameters
        ----------
        text : str
        bands, windows
            What ``bands`` and ``windows`` stand for; by default 8 mel bands, and 150 ms.

        Raises
        ------
        InputError
            An unknown form, a missing file, or two kinds that cannot be combined.
        """
        factors = tuple(
            _factor(part) for part in ("windows*bands" if text == "cells" else text).split("*")
        )
        if len(factors) > 2:
            raise InputError(f"units are {text!r}; expected at most two kinds joined by *")
        if len(factors) == 2:
            if factors[0].name in _PARTS:
                factors = factors[::-1]
            if factors[0].name not in _TIMES or factors[1].name not in _PARTS:
                raise InputError(
                    f"units are {text!r}; expected one of {', '.join(_TIMES)} and one of "
                    f"{', '.join(_PARTS)} joined by *"
                )
        return cls(
            factors=factors, bands=bands or FrequencyBands(), windows=windows or TimeWindows()
        )

    @property
    def needs_labels(self) -> bool:
        """Whether the units are another for every clip."""
        return any(factor.name in get_args(LabelKind) for factor in self.factors)

    def takes(self, name: Literal["bands", "windows"]) -> bool:
        """Whether bands, or windows, are among the units, so that their settings matter."""
        return any(factor.name == name for factor in self.factors)

    def check_clips(self, clips: Iterable[str | Path]) -> None:
        """Whether the labels can be those of several clips.

        Raises
        ------
        InputError
            One file is given for several clips, and it does not say which recording its labels
            are of.
        """
        n_clips = len({Path(clip).resolve() for clip in clips})
        for factor in self.factors:
            file = factor.file
            if n_clips > 1 and file and not file.is_dir() and not names_recordings(file):
                raise InputError(
                    f"{file}: labels of one recording, and {n_clips} clips; expected a folder of "
                    f"files named as the clips ({factor.name}:FOLDER), or a file that names its "
                    "recordings (CTM, or a table with a column file)"
                )

    def units(self) -> Units:
        """The units, where they need no labels.

        Raises
        ------
        InputError
            They do.
        """
        if self.needs_labels:
            raise InputError(
                f"{self.factors[0].name} depend on the clip; expected units of a clip: of_clip()"
            )
        return self._joined([self._fixed(factor.name) for factor in self.factors])

    def of_clip(self, clip: str | Path, audio: Audio, *, part: bool = False) -> Units:
        """The units of one clip.

        Parameters
        ----------
        clip : path
            Of the recording, by whose name labels are found: in a folder, in a file that names its
            recordings, and in EmoDB.
        audio : Audio
            The clip, or the part of it that is read; labels are moved and cut accordingly.
        part : bool
            Whether the sound may end before the recording does; a part that starts later than the
            recording is known to be one.

        Raises
        ------
        InputError
            No labels are found, or they cannot be read, or run past the clip's end by more than
            20 ms where the clip is a whole recording.

        Warns
        -----
        CuelensWarning
            After the last label comes more than a second and more than a third of the clip.
        """
        return self._joined(
            [
                _labelled(factor, Path(clip), audio, part=part or audio.start_s > 0)
                if factor.name in get_args(LabelKind)
                else self._fixed(factor.name)
                for factor in self.factors
            ]
        )

    def _fixed(self, name: str) -> Units:
        made: dict[str, Units] = {
            "bands": self.bands,
            "windows": self.windows,
            "voiced-windows": VoicedWindows(),
            "harmonics": HarmonicBands(),
            "harmonic-percussive": HarmonicPercussive(),
        }
        return made[name]

    def _joined(self, units: list[Units]) -> Units:
        if len(units) == 1:
            return units[0]
        return UnitProduct(times=cast(TimeUnits, units[0]), parts=cast(SpectralUnits, units[1]))


def _factor(text: str) -> _Factor:
    name, _, rest = text.strip().partition(":")
    if name not in (*_TIMES, *_PARTS):
        raise InputError(f"units are {text!r}; expected {FORMS}")
    if not rest:
        if text.strip().endswith(":"):
            raise InputError(f"units are {text!r}; expected a file after the colon")
        return _Factor(name=name)
    if name not in get_args(LabelKind):
        raise InputError(f"units are {text!r}; {name} are made without a file: expected {FORMS}")
    file, tier = Path(rest), None
    if not file.exists() and "#" in rest:
        path, _, tier = rest.rpartition("#")
        file = Path(path)
    if not file.exists():
        raise InputError(f"{file}: no such file or folder; expected labels of {name}")
    return _Factor(name=name, file=file, tier=tier)


def _labelled(factor: _Factor, clip: Path, audio: Audio, *, part: bool) -> Segments:
    """Segments of a clip, from the file given or, of EmoDB, found beside it."""
    kind = cast(LabelKind, factor.name)
    file = factor.file
    if file is not None and file.is_dir():
        file = _file_in(file, clip)
    if file is None or file.suffix == ".lablaut":
        found = find_emodb_labels(clip) if file is None else file
        labels = read_emodb_labels(found, kind=kind)
        # copies of the corpus that are cut keep the times, and the names, of the originals
        part = part or file is None or file.stem.removesuffix("xx") == clip.stem
    else:
        found = file
        labels = read_labels(file, kind=kind, tier=factor.tier, recording=clip.stem)
    end_s = audio.start_s + audio.duration_s
    inside: tuple[Label, ...] = labels
    if part or labels[-1].end_s <= end_s + TOLERANCE_S:
        inside = within(labels, audio.start_s, end_s)
    if not inside:
        raise InputError(
            f"{found}: no {kind} between {audio.start_s:.2f} and {end_s:.2f} s, where the clip is; "
            "expected labels of this recording"
        )
    rest_s = end_s - labels[-1].end_s
    if not part and rest_s > max(_LATE_S, _LATE_SHARE * audio.duration_s):
        warnings.warn(
            f"{found}: the last of its {kind} ends at {labels[-1].end_s:.2f} s and the clip at "
            f"{end_s:.2f} s; the rest counts as a pause: are these labels of this recording?",
            CuelensWarning,
            stacklevel=2,
        )
    return Segments(labels=inside, kind=kind, source=found.name)


def _file_in(folder: Path, clip: Path) -> Path:
    """The label file of a clip in a folder, by its name."""
    for suffix in (*SUFFIXES, ".lablaut"):
        for file in sorted(folder.glob(f"{escape(clip.stem)}.*")):
            if file.stem == clip.stem and file.suffix.casefold() == suffix.casefold():
                return file
    raise InputError(
        f"{folder}: no labels of {clip.stem}; expected {clip.stem} with one of "
        f"{', '.join((*SUFFIXES, '.lablaut'))}"
    )
