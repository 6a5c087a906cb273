"""Tiers of ELAN annotation files (EAF), with the line of every annotation.

References
----------
.. [1] "ELAN annotation format, EAF 3.0", Max Planck Institute for Psycholinguistics.
"""

from __future__ import annotations

import xml.parsers.expat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from cuelens.errors import InputError
from cuelens.units.recordings import is_named

_Rows = list[tuple[float, float, str, int]]


@dataclass
class _Annotation:
    line: int
    identifier: str
    slots: tuple[str, str] | None = None
    parent: str | None = None
    text: str = ""


@dataclass
class _Tier:
    parent: str | None = None
    annotations: list[_Annotation] = field(default_factory=list)


@dataclass
class _Contents:
    slots: dict[str, str | None] = field(default_factory=dict)
    tiers: dict[str, _Tier] = field(default_factory=dict)
    media: list[tuple[str, str]] = field(default_factory=list)
    time_units: str = "milliseconds"
    current: _Tier = field(default_factory=_Tier)
    in_value: bool = False


def eaf_rows(data: bytes, file: Path, recording: str | None) -> dict[str, _Rows | InputError]:
    """Intervals of every tier: start and end in seconds of the recording, text, line.

    Annotations without times of their own take those of the annotation they refer to; tiers in
    which several share those of one have no times and are left out, and so are tiers that refer to
    these.  Time slots without a value lie evenly between the neighbours that have one in their own
    tier, as ELAN shows them.

    Parameters
    ----------
    data : bytes
    file : path
        For messages.
    recording : str or None
        Which of several media of the file is meant: they may start at different times.

    Returns
    -------
    dict of str to list or InputError
        Of a tier with an annotation without a time, what is wrong with it.

    Raises
    ------
    InputError
        Not XML, with a document type, not of ELAN, with times in other units than milliseconds, or
        of several media that start at different times, none of them named as the recording.

    Notes
    -----
    ``TIME_ORIGIN`` of a medium is its time where the annotations' time is 0 [1]_; it is added.
    """
    contents = _parsed(data, file)
    if not contents.slots:
        raise InputError(f"{file}: no time slots; expected an annotation file of ELAN")
    if contents.time_units != "milliseconds":
        raise InputError(
            f"{file}: times are in {contents.time_units}; expected milliseconds: save it again "
            "with ELAN"
        )
    origin_s = _origin_s(contents.media, file, recording)
    times_s = _aligned_s(contents.slots)
    owners = {
        annotation.identifier: (annotation, name)
        for name, tier in contents.tiers.items()
        for annotation in tier.annotations
    }
    for name in _parents_first(contents.tiers):
        _fill_in(times_s, contents, contents.tiers[name])
    siblings = Counter(
        (name, annotation.parent)
        for name, tier in contents.tiers.items()
        for annotation in tier.annotations
        if annotation.slots is None
    )

    def row(annotation: _Annotation, name: str) -> tuple[float, float, str, int] | None:
        """None: the annotation shares the time of another."""
        timed, seen = (annotation, name), 0
        while timed[0].slots is None and seen <= len(contents.tiers):
            if siblings[timed[1], timed[0].parent] > 1:
                return None
            timed, seen = owners.get(timed[0].parent or "", timed), seen + 1
        slots = timed[0].slots or ("", "")
        for slot in slots:
            value = contents.slots.get(slot)
            if value is not None and not _is_whole(value):
                raise InputError(
                    f"{file}, line {annotation.line}: time slot {slot} is {value!r}; expected "
                    "whole milliseconds from 0"
                )
        if not set(slots) <= set(times_s):
            raise InputError(
                f"{file}, line {annotation.line}: “{annotation.text}” has no time; expected "
                "time slots, or an annotation with time slots that it refers to"
            )
        start_s, end_s = (round(times_s[slot] + origin_s, 6) for slot in slots)
        return start_s, end_s, annotation.text, annotation.line

    tiers: dict[str, _Rows | InputError] = {}
    for name, tier in contents.tiers.items():
        try:
            rows = [row(annotation, name) for annotation in tier.annotations]
        except InputError as error:
            tiers[name] = error
            continue
        timed = [found for found in rows if found is not None]
        if len(timed) == len(rows):
            tiers[name] = timed
    return tiers


def _parsed(data: bytes, file: Path) -> _Contents:
    contents = _Contents()
    parser = xml.parsers.expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        line = parser.CurrentLineNumber
        if tag == "TIME_SLOT":
            contents.slots[attributes.get("TIME_SLOT_ID", "")] = attributes.get("TIME_VALUE")
        elif tag == "HEADER":
            contents.time_units = attributes.get("TIME_UNITS", contents.time_units)
        elif tag == "MEDIA_DESCRIPTOR":
            contents.media.append(
                (attributes.get("MEDIA_URL", ""), attributes.get("TIME_ORIGIN", "0"))
            )
        elif tag == "TIER":
            contents.current = contents.tiers.setdefault(
                attributes.get("TIER_ID", ""), _Tier(parent=attributes.get("PARENT_REF"))
            )
        elif tag == "ALIGNABLE_ANNOTATION":
            slots = attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", "")
            identifier = attributes.get("ANNOTATION_ID", "")
            contents.current.annotations.append(_Annotation(line, identifier, slots=slots))
        elif tag == "REF_ANNOTATION":
            parent = attributes.get("ANNOTATION_REF", "")
            identifier = attributes.get("ANNOTATION_ID", "")
            contents.current.annotations.append(_Annotation(line, identifier, parent=parent))
        contents.in_value = tag == "ANNOTATION_VALUE"

    def text(characters: str) -> None:
        if contents.in_value and contents.current.annotations:
            contents.current.annotations[-1].text += characters

    def end(_tag: str) -> None:
        contents.in_value = False

    def refuse(*_: object) -> NoReturn:
        raise InputError(
            f"{file}, line {parser.CurrentLineNumber}: declares a document type; expected an "
            "annotation file as ELAN writes it, which has none"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except InputError:
        raise
    except (xml.parsers.expat.ExpatError, ValueError, LookupError) as error:  # encodings, too
        raise InputError(f"{file}: not XML ({error}); expected a file of ELAN") from error
    return contents


def _is_whole(value: str) -> bool:
    return value.strip().isdecimal() and value.isascii()


def _aligned_s(slots: dict[str, str | None]) -> dict[str, float]:
    """Seconds of every time slot that has a value."""
    return {name: int(value) / 1000 for name, value in slots.items() if value and _is_whole(value)}


def _parents_first(tiers: dict[str, _Tier]) -> list[str]:
    def depth(name: str) -> int:
        seen: list[str] = []
        parent: str | None = name
        while parent in tiers and parent not in seen:
            seen.append(parent)
            parent = tiers[parent].parent
        return len(seen)

    return sorted(tiers, key=depth)


def _fill_in(times_s: dict[str, float], contents: _Contents, tier: _Tier) -> None:
    """Times of slots without a value: evenly between the neighbours in their tier that have one.

    Those before the first and after the last of them stay without.
    """
    place = {name: index for index, name in enumerate(contents.slots)}
    used = {slot for annotation in tier.annotations for slot in annotation.slots or ()}
    chain = sorted(used & set(place), key=place.__getitem__)
    known = [index for index, slot in enumerate(chain) if slot in times_s]
    if not known:
        return
    inside = range(known[0], known[-1] + 1)
    filled = np.interp(inside, known, [times_s[chain[index]] for index in known])
    for index, time_s in zip(inside, filled.tolist(), strict=True):
        if contents.slots[chain[index]] is None:
            times_s.setdefault(chain[index], time_s)


def _origin_s(media: list[tuple[str, str]], file: Path, recording: str | None) -> float:
    """Time of the recording where the annotations' time is 0."""
    origins: dict[str, float] = {}
    for url, text in media:
        try:
            origins[url] = int(text) / 1000
        except ValueError as error:
            raise InputError(
                f"{file}: the time origin of {url} is {text!r}; expected whole milliseconds"
            ) from error
    own = {origin for url, origin in origins.items() if recording and is_named(url, recording)}
    found = own or set(origins.values())
    if len(found) > 1:
        listed = ", ".join(f"{url.rpartition('/')[2]} {at:g} s" for url, at in origins.items())
        raise InputError(
            f"{file}: its media start at different times ({listed}) and none is named as the "
            f"recording{f' “{recording}”' if recording else ''}; expected one that is"
        )
    return found.pop() if found else 0.0
