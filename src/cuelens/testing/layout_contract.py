"""Whether the layout of a corpus keeps to what loading relies on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cuelens.corpora import LAYOUTS, Layout, canonical_emotion
from cuelens.errors import InputError
from cuelens.testing.require import require

_STATED = ("title", "language", "licence", "permits", "citation", "homepage", "how_to_get")
_STRANGER = "notes/microphone test.wav"


def check_layout(layout: Layout, files: Mapping[str, str], *, root: str | Path = ".") -> None:
    """Check that a layout reads the file names of its corpus.

    It has a name and says where the corpus is from and what its licence permits; every file is
    found, with the emotion that it should have and a speaker in words; the file type does not
    matter; a file of another name is left out with a note; no corpus of cuelens' own is recognised
    in the names.

    Parameters
    ----------
    layout : Layout
    files : mapping of str to str
        Paths as in the corpus, relative to its folder, with forward slashes, and the emotion of
        each; two or more.
    root : path
        The folder, for layouts that read more than names.

    Raises
    ------
    AssertionError
        The first thing that is not so, in a sentence.
    """
    require(
        isinstance(layout, Layout),
        f"{type(layout).__name__} is no Layout; expected one of cuelens.corpora",
    )
    name = layout.name
    require(
        name and name == name.lower() and not set(name) & set(" /\\:"),
        f"the layout is named {name!r}; expected lower case without spaces, slashes or colons",
    )
    require(
        name not in {*LAYOUTS, "folders", "audformat"},
        f"the layout is named {name!r}, a name of cuelens' own; expected another",
    )
    for field in _STATED:
        require(getattr(layout, field).strip(), f"{name} states no {field}; expected a text")
    require(len(files) > 1, f"{len(files)} files are given; expected two or more")
    paths = list(files)
    for path in paths:
        require(layout.match(path), f"{name} does not match {path}; expected its pattern to")
    for other in LAYOUTS.values():
        alike = [path for path in paths if other.match(path)]
        require(
            not alike, f"{alike[:1]} is also a name of {other.name}; expected a pattern of its own"
        )
    found = _emotions(layout, paths, Path(root))
    for path, emotion in files.items():
        expected = canonical_emotion(emotion)
        require(
            found[path] == expected,
            f"{name} reads {found[path]!r} from {path}; expected {expected!r}",
        )
    flac = [str(PurePosixPath(path).with_suffix(".flac")) for path in paths]
    require(
        list(_emotions(layout, flac, Path(root)).values()) == list(found.values()),
        f"{name} reads FLAC files otherwise than the files given; expected the same",
    )
    rows, notes = layout.rows(Path(root), [*paths, _STRANGER])
    require(
        all(row["file"] != _STRANGER for row in rows),
        f"{name} takes {_STRANGER!r} for a clip of its own; expected it to be left out",
    )
    require(notes, f"{name} leaves {_STRANGER!r} out without a note; expected one")


def _emotions(layout: Layout, paths: list[str], root: Path) -> dict[str, str]:
    """Emotion by path, each row checked."""
    rows, notes = layout.rows(root, paths)
    found: dict[str, str] = {}
    for row in rows:
        path = str(row.get("file"))
        require(path in paths, f"{layout.name} gives a row of {path}; expected a file it was given")
        try:
            found[path] = canonical_emotion(str(row.get("emotion")))
        except InputError as error:
            raise AssertionError(f"{layout.name}, {path}: {error}") from error
        speaker = row.get("speaker", "unknown")
        require(
            isinstance(speaker, str) and speaker,
            f"{layout.name} gives {path} the speaker {speaker!r}; expected a text",
        )
    missing = [path for path in paths if path not in found]
    require(not missing, f"{layout.name} leaves out {missing[:3]} ({'; '.join(notes)})")
    return {path: found[path] for path in paths}
