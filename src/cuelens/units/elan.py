"""Tiers of ELAN annotation files (EAF), with the line of every annotation."""

from __future__ import annotations

import xml.parsers.expat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from cuelens.errors import InputError

_Rows = list[tuple[float, float, str, int]]


@dataclass
class _Annotation:
    line: int
    identifier: str
    slots: tuple[str, str] | None = None
    parent: str | None = None
    text: str = ""


@dataclass
class _Contents:
    slots: dict[str, str | None] = field(default_factory=dict)
    tiers: dict[str, list[_Annotation]] = field(default_factory=dict)
    current: list[_Annotation] = field(default_factory=list)
    in_value: bool = False


def eaf_rows(data: bytes, file: Path) -> dict[str, _Rows]:
    """Intervals of every tier: start and end in seconds, text, line.

    Annotations without times of their own take those of the annotation they refer to; tiers in
    which several share those of one have no times and are left out.  Time slots without a value
    lie evenly between their neighbours that have one, as ELAN shows them.

    Raises
    ------
    InputError
        Not XML, with a document type, not of ELAN, or an annotation has no time.
    """
    contents = _parsed(data, file)
    if not contents.slots:
        raise InputError(f"{file}: no time slots; expected an annotation file of ELAN")
    times_s = _times_s(contents.slots, file)
    by_identifier = {
        annotation.identifier: annotation
        for listed in contents.tiers.values()
        for annotation in listed
    }
    tiers: dict[str, _Rows] = {}
    for name, listed in contents.tiers.items():
        parents = [annotation.parent for annotation in listed if annotation.slots is None]
        if len(set(parents)) < len(parents):
            continue  # equal shares of other annotations: no times of their own
        rows: _Rows = []
        for annotation in listed:
            timed, seen = annotation, 0
            while timed.slots is None and seen <= len(contents.tiers):
                timed, seen = by_identifier.get(timed.parent or "", timed), seen + 1
            if timed.slots is None or not set(timed.slots) <= set(times_s):
                raise InputError(
                    f"{file}, line {annotation.line}: “{annotation.text}” has no time; expected "
                    "time slots, or an annotation with time slots that it refers to"
                )
            start, end = timed.slots
            rows.append((times_s[start], times_s[end], annotation.text, annotation.line))
        tiers[name] = rows
    return tiers


def _parsed(data: bytes, file: Path) -> _Contents:
    contents = _Contents()
    parser = xml.parsers.expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        line = parser.CurrentLineNumber
        if tag == "TIME_SLOT":
            contents.slots[attributes.get("TIME_SLOT_ID", "")] = attributes.get("TIME_VALUE")
        elif tag == "TIER":
            contents.current = contents.tiers.setdefault(attributes.get("TIER_ID", ""), [])
        elif tag == "ALIGNABLE_ANNOTATION":
            slots = attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", "")
            identifier = attributes.get("ANNOTATION_ID", "")
            contents.current.append(_Annotation(line, identifier, slots=slots))
        elif tag == "REF_ANNOTATION":
            parent = attributes.get("ANNOTATION_REF", "")
            identifier = attributes.get("ANNOTATION_ID", "")
            contents.current.append(_Annotation(line, identifier, parent=parent))
        contents.in_value = tag == "ANNOTATION_VALUE"

    def text(characters: str) -> None:
        if contents.in_value and contents.current:
            contents.current[-1].text += characters

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
    except xml.parsers.expat.ExpatError as error:
        raise InputError(f"{file}: not XML ({error}); expected a file of ELAN") from error
    return contents


def _times_s(slots: dict[str, str | None], file: Path) -> dict[str, float]:
    """Seconds of every time slot; those without a value evenly between their neighbours."""
    known = []
    for place, (name, value) in enumerate(slots.items()):
        if value is None:
            continue
        if not value.strip().isdigit():
            raise InputError(
                f"{file}: time slot {name} is {value!r}; expected whole milliseconds from 0"
            )
        known.append((place, int(value) / 1000))
    if not known:
        return {}
    places, seconds = zip(*known, strict=True)
    return dict(zip(slots, np.interp(range(len(slots)), places, seconds).tolist(), strict=True))
