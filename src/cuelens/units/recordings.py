"""Names by which label files tell recordings apart."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

_SOUNDS = frozenset(
    (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif", ".sph", ".m4a", ".mp4", ".mov")
)


def is_named(name: str, recording: str) -> bool:
    """Whether a label file means a recording.

    Parameters
    ----------
    name : str
        As written in the file: a name, or a path or address with or without the ending of a sound
        file.
    recording : str
        The clip's name without folder and ending.
    """
    last = unquote(name).replace("\\", "/").rpartition("/")[2]
    return recording in (last, _stem(last))


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.casefold() in _SOUNDS else name
