"""Phones, syllables and words of EmoDB from its ``lablaut`` files.

A ``lablaut`` file of xlabel lists times in seconds, a colour and a symbol.  A time is where the
segment *begins*, and the last one, ``.``, where speech ends.  (xlabel commonly marks ends.  Here,
by measurement on 266 full clips: read as beginnings, the 830 releases of p, t and k with a clear
burst stand at the rise of the sound above 2 kHz, median difference 0.2 ms, 91 % within 2 ms; and
fricatives have four times the zero crossings that they have when times are read as ends.)  Symbols
are SAMPA; ``t``, ``!t`` and ``tasp`` are closure, release and aspiration of one stop, ``_t`` a
closure after silence, ``(`` a pause, ``(gef`` a filled one, and lines without a symbol, or with one
that begins with + or -, say how the voice changes within a segment.

The corpus marks no words.  Its ten sentences are known, so the phones are aligned with how each
sentence is pronounced (edit distance with costs by similarity of sounds), and words and syllables
begin where the first of their phones does.  Where two words share a sound, as in *am Mittwoch*, it
goes to one of them.  (The third word of sentence a05 is *Blatt* here, as it is spoken in every
clip; the published list says *Stück*.)

References
----------
.. [1] F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss, "A database of German
   emotional speech", Interspeech 2005.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from glob import escape
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from cuelens.errors import InputError
from cuelens.input_file import read_bytes
from cuelens.typing import FloatArray
from cuelens.units.label_files import number
from cuelens.units.segments import PAUSE, Label

EmodbKind = Literal["segments", "phones", "syllables", "words"]

SENTENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "a01": (
        ("Der", "d e 6"),
        ("Lap.pen", "l a . p @ n"),
        ("liegt", "l i k t"),
        ("auf", "aU f"),
        ("dem", "d e m"),
        ("Eis.schrank", "aI s . S 4 a N k"),
    ),
    "a02": (
        ("Das", "d a s"),
        ("will", "v I l"),
        ("sie", "z i"),
        ("am", "a m"),
        ("Mitt.woch", "m I t . v O x"),
        ("ab.ge.ben", "a p . g e . b @ n"),
    ),
    "a04": (
        ("Heu.te", "h OY . t @"),
        ("a.bend", "a . b @ n t"),
        ("könn.te", "k 9 n . t @"),
        ("ich", "I C"),
        ("es", "E s"),
        ("ihm", "i m"),
        ("sa.gen", "z a . g @ n"),
    ),
    "a05": (
        ("Das", "d a s"),
        ("schwar.ze", "S v a 6 . t s @"),
        ("Blatt", "b l a t"),
        ("Pa.pier", "p a . p i 6"),
        ("be.fin.det", "b @ . f I n . d @ t"),
        ("sich", "z I C"),
        ("da", "d a"),
        ("o.ben", "o . b @ n"),
        ("ne.ben", "n e . b @ n"),
        ("dem", "d e m"),
        ("Holz.stück", "h O l t s . S t Y k"),
    ),
    "a07": (
        ("In", "I n"),
        ("sie.ben", "z i . b @ n"),
        ("Stun.den", "S t U n . d @ n"),
        ("wird", "v I 6 t"),
        ("es", "E s"),
        ("so.weit", "z o . v aI t"),
        ("sein", "z aI n"),
    ),
    "b01": (
        ("Was", "v a s"),
        ("sind", "z I n t"),
        ("denn", "d E n"),
        ("das", "d a s"),
        ("für", "f y 6"),
        ("Tü.ten", "t y . t @ n"),
        ("die", "d i"),
        ("da", "d a"),
        ("un.ter", "U n . t 6"),
        ("dem", "d e m"),
        ("Tisch", "t I S"),
        ("ste.hen", "S t e . @ n"),
    ),
    "b02": (
        ("Sie", "z i"),
        ("ha.ben", "h a . b @ n"),
        ("es", "E s"),
        ("ge.ra.de", "g @ . 4 a . d @"),
        ("hoch.ge.tra.gen", "h o x . g @ . t 4 a . g @ n"),
        ("und", "U n t"),
        ("jetzt", "j E t s t"),
        ("ge.hen", "g e . @ n"),
        ("sie", "z i"),
        ("wie.der", "v i . d 6"),
        ("run.ter", "4 U n . t 6"),
    ),
    "b03": (
        ("An", "a n"),
        ("den", "d e n"),
        ("Wo.chen.en.den", "v O . x @ n . E n . d @ n"),
        ("bin", "b I n"),
        ("ich", "I C"),
        ("jetzt", "j E t s t"),
        ("im.mer", "I . m 6"),
        ("nach", "n a x"),
        ("Hau.se", "h aU . z @"),
        ("ge.fah.ren", "g @ . f a . 4 @ n"),
        ("und", "U n t"),
        ("ha.be", "h a . b @"),
        ("Ag.nes", "a k . n I s"),
        ("be.sucht", "b @ . z u x t"),
    ),
    "b09": (
        ("Ich", "I C"),
        ("will", "v I l"),
        ("das", "d a s"),
        ("e.ben", "e . b @ n"),
        ("weg.brin.gen", "v E k . b 4 I . N @ n"),
        ("und", "U n t"),
        ("dann", "d a n"),
        ("mit", "m I t"),
        ("Karl", "k a 6 l"),
        ("was", "v a s"),
        ("trin.ken", "t 4 I N . k @ n"),
        ("ge.hen", "g e . @ n"),
    ),
    "b10": (
        ("Die", "d i"),
        ("wird", "v I 6 t"),
        ("auf", "aU f"),
        ("dem", "d e m"),
        ("Platz", "p l a t s"),
        ("sein", "z aI n"),
        ("wo", "v o"),
        ("wir", "v i 6"),
        ("sie", "z i"),
        ("im.mer", "I . m 6"),
        ("hin.le.gen", "h I n . l e . g @ n"),
    ),
}
"""Sentences of the corpus: words with their syllables, and how they are pronounced (SAMPA)."""

_NAME = re.compile(r"\d\d([ab]\d\d)[A-Z][a-z]?(?:$|\W|_)")
_STOPS = {"p": 0, "b": 0, "t": 1, "d": 1, "k": 2, "g": 2}
_PAUSES = ("(", "(gef")
_TYPING_ERRORS = {"gas": "gasp", "dsap": "dasp", "ss": "s", "mm": "m", "NN": "N", "J": "j"}
_VOWELS = "aAeEiIoOuUyY926@"
_ALIKE = (  # consonants that stand for each other
    ("p", "b", "B"),
    ("t", "d", "D"),
    ("k", "g", "G"),
    ("m", "n", "N"),
    ("f", "v", "V", "B"),
    ("s", "z", "S"),
    ("C", "j", "x", "h", "H", "S"),
    ("4", "R", "X", "x"),
    ("l", "L"),
)
_VOWEL_FAMILIES = ("aA", "eE@62", "iI", "oO", "uU", "yY9", "6@a")
_GAP = 0.8  # of leaving out a sound, or of one more than expected
_WEAK_GAP = 0.35  # the same for sounds that German drops
_WEAK = ("@", "6", "h", "?", "H")
_FARTHEST = 0.5  # mean cost of a sound above which the sentence must be another


def find_emodb_labels(clip: str | Path) -> Path:
    """The ``lablaut`` file of a clip.

    Looked for as ``NAME*.lablaut`` beside the clip, in ``lablaut/`` there and one folder up, and in
    ``emodb-labels/lablaut/`` one folder up.

    Raises
    ------
    InputError
        There is none.
    """
    clip = Path(clip)
    folders = (
        clip.parent,
        clip.parent / "lablaut",
        clip.parent.parent / "lablaut",
        clip.parent.parent / "emodb-labels" / "lablaut",
    )
    for folder in folders:
        found = sorted(folder.glob(f"{escape(clip.stem)}*.lablaut"))
        if found:
            return found[0]
    raise InputError(
        f"{clip}: no labels: no {clip.stem}.lablaut beside it, in lablaut/ or in "
        "../emodb-labels/lablaut/; expected a clip of EmoDB, or a file: phones:FILE"
    )


def read_emodb_labels(file: str | Path, *, kind: EmodbKind = "phones") -> tuple[Label, ...]:
    """Labels of a clip of EmoDB, in seconds of the full recording, without its pauses.

    Parameters
    ----------
    file : path
        ``lablaut`` file; for syllables and words its name must say the sentence, as in
        ``03a01Wa``.
    kind : {"segments", "phones", "syllables", "words"}
        ``"segments"`` as labelled; ``"phones"`` with closure, release and aspiration of a stop
        together.

    Raises
    ------
    InputError
        Damaged, without labels (three files of the corpus are), or of another sentence.
    """
    file = Path(file)
    if kind not in get_args(EmodbKind):
        raise InputError(f"kind is {kind!r}; expected one of {', '.join(get_args(EmodbKind))}")
    segments = _segments(file)
    if kind == "segments":
        return _spoken(segments)
    phones = _phones(segments)
    if kind == "phones":
        return _spoken(phones)
    return _spoken(_aligned(phones, file, syllables=kind == "syllables"))


def _spoken(labels: Sequence[Label]) -> tuple[Label, ...]:
    return tuple(label for label in labels if label.name != PAUSE)


def _segments(file: Path) -> list[Label]:
    """Segments as labelled, pauses among them."""
    lines = read_bytes(file, expected="a lablaut file").decode("latin-1").splitlines()
    if "#" not in (line.strip() for line in lines):
        raise InputError(f"{file}: no line with # alone; expected a lablaut file of xlabel")
    marks: list[tuple[float, str]] = []
    body = next(place for place, line in enumerate(lines) if line.strip() == "#") + 1
    for line, content in enumerate(lines[body:], start=body + 1):
        parts = content.split(None, 2)
        if not parts:
            continue
        time_s = number(parts[0], file, line, "the time")
        symbol = parts[2].split("\t")[0].split()[0] if len(parts) > 2 else ""
        symbol = symbol if symbol[:1] in ("+", "-") else re.split(r"[+\[]", symbol)[0]
        if marks and time_s <= marks[-1][0]:
            raise InputError(
                f"{file}, line {line}: {time_s:g} s after {marks[-1][0]:g} s; expected times that "
                "rise"
            )
        if (symbol and symbol[0] not in "+-!.") or (len(symbol) > 1 and symbol[0] == "!"):
            marks.append((time_s, _TYPING_ERRORS.get(symbol, symbol)))
        elif symbol == ".":
            marks.append((time_s, symbol))
            break
    if len(marks) < 2 or marks[-1][1] != ".":
        raise InputError(
            f"{file}: {len(marks)} labels, and no end of speech (.); expected the labels of a "
            "clip: three files of the corpus are empty, leave these clips out"
        )
    return [
        Label(start_s, end_s, PAUSE if symbol in _PAUSES else symbol)
        for (start_s, symbol), (end_s, _) in pairwise(marks)
    ]


def _phones(segments: Sequence[Label]) -> list[Label]:
    """Closure, release and aspiration of a stop as one."""
    phones: list[Label] = []
    for segment in segments:
        part = re.fullmatch(r"!?([ptkbdg])(?:asp)?", segment.name)
        later = part is not None and segment.name != part[1]
        name = segment.name.lstrip("_!").removesuffix("asp")
        before = phones[-1].name if phones else ""
        if later and part and _STOPS.get(before) == _STOPS[part[1]]:
            phones[-1] = phones[-1]._replace(end_s=segment.end_s)
        else:
            phones.append(segment._replace(name=name))
    return phones


def _aligned(phones: Sequence[Label], file: Path, *, syllables: bool) -> list[Label]:
    """Words or syllables: stretches of phones that belong to the same one."""
    match = _NAME.match(file.name.replace("xx", ""))
    if match is None or match[1] not in SENTENCES:
        raise InputError(
            f"{file}: its name does not say the sentence; expected one such as 03a01Wa.lablaut: "
            "for other speech, give a TextGrid"
        )
    owners: list[int] = []  # of every expected sound, the word or syllable
    names: list[str] = []
    sounds: list[str] = []
    for word, pronounced in SENTENCES[match[1]]:
        if syllables:
            groups, own = pronounced.split(" . "), word.split(".")
        else:
            groups, own = [pronounced.replace(" . ", " ")], [word.replace(".", "")]
        for name, group in zip(own, groups, strict=True):
            owners += [len(names)] * len(group.split())
            sounds += group.split()
            names.append(name)
    spoken = [index for index, phone in enumerate(phones) if phone.name != PAUSE]
    places, cost = _alignment([phones[index].name for index in spoken], sounds)
    if cost > _FARTHEST * max(len(spoken), len(sounds)):
        raise InputError(
            f"{file}: its phones are not those of “{' '.join(names)}”; expected the labels of "
            "this sentence"
        )
    owner_of = {index: owners[place] for index, place in zip(spoken, places, strict=True)}
    found: list[tuple[int, Label]] = []
    for index, phone in enumerate(phones):
        owner = owner_of.get(index, -1)
        if found and found[-1][0] == owner and owner >= 0:
            found[-1] = owner, found[-1][1]._replace(end_s=phone.end_s)
        else:
            found.append((owner, phone if owner < 0 else phone._replace(name=names[owner])))
    return [label for _, label in found]


def _alignment(spoken: Sequence[str], expected: Sequence[str]) -> tuple[list[int], float]:
    """Expected sound that each spoken one stands for, and the edit distance.

    A sound more than expected belongs to the one before it, a glottal stop to the one after.
    """
    costs: FloatArray = np.full((len(spoken) + 1, len(expected) + 1), np.inf)
    step = np.zeros(costs.shape, dtype=np.intp)  # 0 one more spoken, 1 both, 2 one left out
    costs[0] = np.cumsum([0.0, *map(_gap, expected)])
    costs[:, 0] = np.cumsum([0.0, *map(_gap, spoken)])
    step[0], step[1:, 0] = 2, 0
    for i, own in enumerate(spoken, start=1):
        for j, other in enumerate(expected, start=1):
            ways = (  # where equal, the first of two like sounds is the one expected
                costs[i - 1, j] + _gap(own),
                costs[i - 1, j - 1] + _distance(own, other),
                costs[i, j - 1] + _gap(other),
            )
            step[i, j] = int(np.argmin(ways))
            costs[i, j] = ways[step[i, j]]
    i, j = len(spoken), len(expected)
    places = [0] * len(spoken)
    while i > 0:
        way = step[i, j]
        if way != 2:
            i -= 1
            after = way == 0 and spoken[i] == "?"
            places[i] = min(j, len(expected) - 1) if after else max(0, j - 1)
        if way != 0:
            j -= 1
    return places, float(costs[-1, -1])


def _gap(sound: str) -> float:
    return _WEAK_GAP if sound in _WEAK else _GAP


def _distance(one: str, other: str) -> float:
    """How unlike a spoken sound is to an expected one, 0 to 2."""
    if one == other:
        return 0.0
    if one == "?":
        return 2.0  # stands for no other sound
    vowels = one[0] in _VOWELS, other[0] in _VOWELS
    if all(vowels):
        if one[0] == other[0]:
            return 0.15
        alike = any(one[0] in family and other[0] in family for family in _VOWEL_FAMILIES)
        return 0.25 if alike else 0.5
    if any(vowels):
        return 1.5
    if any(one in group and other in group for group in _ALIKE):
        return 0.25
    return 1.0
