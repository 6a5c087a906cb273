"""From a folder, a table or a name to a corpus."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path, PurePosixPath

import pandas as pd

from cuelens.cache_dir import cache_dir
from cuelens.corpora.corpus import Corpus
from cuelens.corpora.emotions import ALIASES, label_key
from cuelens.corpora.iemocap import IEMOCAP
from cuelens.corpora.layouts import CREMA_D, EMODB, RAVDESS, SAVEE, TESS, Layout, Row
from cuelens.corpora.table_file import TABLE_TYPES
from cuelens.corpora.tables import corpus_from_frame, read_audformat, read_table
from cuelens.errors import InputError
from cuelens.plugins import load_plugin, plugin_names, refuse_plugin

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (EMODB, RAVDESS, TESS, CREMA_D, SAVEE, IEMOCAP)
}
_TAKEN = frozenset({*LAYOUTS, "folders", "audformat"})
AUDIO_TYPES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64"),
)
_SPEAKER_FOLDER = re.compile(
    r"(?:speaker|spkr?|actor|actress|subject|subj|participant|person)[ _-]*\d+|\d{3,}",
    re.IGNORECASE,
)


def load_corpus(
    source: str | Path, *, layout: str | None = None, speaker_pattern: str | None = None
) -> Corpus:
    """Read a corpus: a folder, a table, or the name of a known corpus.

    Parameters
    ----------
    source : str or Path
        - A folder.  A published corpus is recognised by its file names, whatever the folder is
          called, one that another package registers by its folder's name (see `layout_named`);
          then an audformat database by its ``db.yaml``; then a tree with one folder per
          emotion, such as ``anger/x.wav``, in any language (see `canonical_emotion`).
        - A table: CSV, TSV or Parquet with columns ``file`` and ``emotion`` (`read_table`).
        - A bare name, such as ``"emodb"``: a folder of this name in one of those in the
          environment variable ``CUELENS_DATA`` or among the downloads.
    layout : str, optional
        Do not guess: a name from `LAYOUTS`, or of a registered layout, or "folders", or
        "audformat".
    speaker_pattern : str, optional
        Regular expression with a group called ``speaker``, searched in the path of each clip
        relative to the folder (for a table, in the absolute path).  Not for published corpora,
        whose speakers are known.

    Returns
    -------
    Corpus
        Its ``notes`` say what was left out.

    Raises
    ------
    InputError
        Nothing there, nothing recognised, more than one corpus, or an unknown emotion.

    Notes
    -----
    In a tree of folders, the level whose names are emotions gives the emotion.  Another level
    gives the speaker only if there is exactly one and every name in it is unmistakably a speaker's
    (``Actor_12``, ``spk-7``, three digits or more): folders called train and test, sessions or
    takes are not speakers.  Otherwise speakers are unknown; name them with `speaker_pattern`.
    """
    path = _locate(source)
    named = None if layout in {None, "folders", "audformat"} else layout_named(str(layout))
    if path.is_file():
        if layout is not None:
            raise InputError(f"{path}: is a file; layout={layout!r} is for folders: leave it out")
        return _with_speakers(read_table(path), path=None, pattern=speaker_pattern)
    if layout == "audformat":
        return _with_speakers(read_audformat(path), path=path, pattern=speaker_pattern)

    files = audio_files(path)
    is_audformat = layout is None and (path / "db.yaml").is_file()
    if not files and not is_audformat:
        raise InputError(f"{path}: no audio files; expected recordings ({', '.join(AUDIO_TYPES)})")
    published = named if layout else _recognise(path, files)
    if published is not None:
        if speaker_pattern is not None:
            raise InputError(
                f"{path}: {published.name} names its speakers; expected no speaker_pattern: leave "
                "it out, or give layout='folders'"
            )
        return _from_layout(published, path, files)
    if is_audformat:
        return _with_speakers(read_audformat(path), path=path, pattern=speaker_pattern)
    return _with_speakers(_from_folders(path, files), path=path, pattern=speaker_pattern)


def layout_named(name: str) -> Layout:
    """A layout by its name: one of `LAYOUTS`, or one that another package registers.

    Raises
    ------
    InputError
        Nothing of that name, or the package is broken.
    """
    found = load_plugin("corpus", name, taken=_TAKEN) or LAYOUTS.get(name)
    if found is None:
        known = ", ".join((*layout_names(), "folders", "audformat"))
        raise InputError(f"layout is {name!r}; expected one of {known}")
    if not isinstance(found, Layout):
        raise refuse_plugin(
            "corpus",
            name,
            seen=f"of type {type(found).__name__}",
            expected="a Layout of cuelens.corpora, such as a FileNameLayout",
        )
    if found.name != name:
        raise refuse_plugin(
            "corpus", name, seen=f"a layout named {found.name!r}", expected="the same name"
        )
    return found


def layout_names() -> tuple[str, ...]:
    """Names of all layouts; those that other packages register are not imported."""
    return (*LAYOUTS, *plugin_names("corpus", taken=_TAKEN))


def find_corpus(name: str) -> Path | None:
    """The folder of a known corpus on this machine, or None.

    Looked for in the folders of the environment variable ``CUELENS_DATA`` (separated as in
    ``PATH``), then among the downloads.
    """
    key = label_key(name)
    for folder in _data_folders():
        if folder.is_dir():
            for candidate in sorted(folder.iterdir()):
                if candidate.is_dir() and label_key(candidate.name) == key:
                    return candidate
    return None


def audio_files(folder: Path) -> list[str]:
    """Audio files below a folder: relative paths with forward slashes, sorted; hidden ones not."""
    found = []
    for file in folder.rglob("*"):
        relative = file.relative_to(folder)
        hidden = any(part.startswith((".", "__MACOSX")) for part in relative.parts)
        if file.suffix.lower() in AUDIO_TYPES and not hidden and file.is_file():
            found.append(relative.as_posix())
    return sorted(found)


def _data_folders() -> list[Path]:
    configured = os.environ.get("CUELENS_DATA", "")
    folders = [Path(part).expanduser() for part in configured.split(os.pathsep) if part]
    return [*folders, cache_dir("corpora")]


def _locate(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.exists():
        return path.resolve()
    if isinstance(source, Path) or len(path.parts) != 1 or path.suffix in TABLE_TYPES:
        raise InputError(
            f"{source}: no such file or folder; expected a folder of recordings, a table, or one "
            f"of {', '.join(LAYOUTS)}"
        )
    found = find_corpus(source)
    if found is not None:
        return found.resolve()
    here = [one.name for folder in _data_folders() if folder.is_dir() for one in folder.iterdir()]
    layouts = {label_key(name): name for name in layout_names()}
    names = {label_key(name): name for name in here} | layouts
    alike = get_close_matches(label_key(source), names, n=1, cutoff=0.7)
    looked = ", ".join(str(folder) for folder in _data_folders())
    own = layouts.get(label_key(source))
    known = None if own is None else layout_named(own)
    remedy = (
        f"{known.how_to_get} Its licence: {known.licence}. {known.permits}"
        if known
        else f"known corpora are {', '.join(layouts.values())}"
    )
    meant = f"; did you mean {names[alike[0]]}? Expected" if alike and not known else "; expected"
    raise InputError(
        f"corpus {source!r} is not on this machine{meant} a folder of this name in {looked} "
        f"(CUELENS_DATA, then downloads): {remedy}"
    )


def _recognise(path: Path, files: Sequence[str]) -> Layout | None:
    """The published layout that most of the files follow, or a registered one of its name."""
    counts = {name: sum(1 for f in files if lay.match(f)) for name, lay in LAYOUTS.items()}
    counts = {name: n for name, n in counts.items() if n}
    if len(counts) > 1:
        seen = ", ".join(f"{n} files like {name}" for name, n in counts.items())
        raise InputError(
            f"{path}: more than one corpus ({seen}); expected one: give the folder of one of them, "
            "or say layout=, one of these or 'folders'"
        )
    name, n = next(iter(counts.items()), ("", 0))
    if n > len(files) / 2:
        return LAYOUTS[name]
    registered = {label_key(name): name for name in plugin_names("corpus", taken=_TAKEN)}
    own = registered.get(label_key(path.name))
    return None if own is None else layout_named(own)


def _from_layout(layout: Layout, path: Path, files: Sequence[str]) -> Corpus:
    rows, notes = layout.rows(path, files)
    if not rows:
        raise InputError(
            f"{path}: no clip of {layout.title} among {len(files)} audio files "
            f"({'; '.join(notes) or 'none'}); expected its file names: give another layout"
        )
    # A folder such as emodb-2s holds a variant: keep its name, results differ.
    name = path.name.lower() if path.name.lower().startswith(layout.name) else layout.name
    corpus = corpus_from_frame(pd.DataFrame(rows), name=name, licence=layout.licence, folder=path)
    return replace(corpus, notes=(*notes, *corpus.notes))


def _from_folders(path: Path, files: Sequence[str]) -> Corpus:
    """One folder per emotion."""
    folders = [PurePosixPath(file).parts[:-1] for file in files]
    depth = min(len(parts) for parts in folders)
    levels = [[parts[level] for parts in folders] for level in range(depth)]
    n_known = [sum(label_key(name) in ALIASES for name in level) for level in levels]
    if max(n_known, default=0) == 0:
        raise InputError(
            f"{path}: {len(files)} audio files, such as {', '.join(files[:3])}; expected the file "
            f"names of {', '.join(LAYOUTS)}, or a folder per emotion: give a table with columns "
            "file and emotion instead"
        )
    emotion_level = n_known.index(max(n_known))
    rows: list[Row] = [
        {"file": file, "emotion": name}
        for file, name in zip(files, levels[emotion_level], strict=True)
    ]
    others = [level for i, level in enumerate(levels) if i != emotion_level]
    all_equally_deep = all(len(parts) == depth for parts in folders)
    if len(others) == 1 and all_equally_deep and all(map(_SPEAKER_FOLDER.fullmatch, others[0])):
        for row, speaker in zip(rows, others[0], strict=True):
            row["speaker"] = speaker
    return corpus_from_frame(pd.DataFrame(rows), name=path.name, licence="unknown", folder=path)


def _with_speakers(corpus: Corpus, *, path: Path | None, pattern: str | None) -> Corpus:
    if pattern is None:
        return corpus
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"speaker_pattern {pattern!r} is not a regular expression ({error})"
        ) from error
    if "speaker" not in compiled.groupindex:
        raise InputError(
            f"speaker_pattern {pattern!r} has no group called speaker; expected one, "
            r"e.g. r'(?P<speaker>[^/]+)/'"
        )
    speakers = []
    for file in corpus.table["file"]:
        searched = Path(file).relative_to(path).as_posix() if path else Path(file).as_posix()
        match = compiled.search(searched)
        if match is None or not match["speaker"]:
            raise InputError(
                f"speaker_pattern {pattern!r} finds no speaker in {searched}; expected one in "
                "every path: widen the pattern"
            )
        speakers.append(match["speaker"])
    return replace(corpus, table=corpus.table.assign(speaker=speakers))


def demo_corpus() -> Corpus:
    """The synthetic clips that come with cuelens: two German voices and an English one."""
    folder = Path(str(files("cuelens") / "demo_clips"))
    rows = []
    for file in sorted(folder.glob("*.flac")):
        language, voice, emotion = file.stem.split("_")
        rows.append(
            {
                "file": str(file),
                "start": 0.0,
                "end": float("nan"),
                "speaker": f"{language}_{voice}",
                "emotion": emotion,
                "sentence": language,
            }
        )
    return Corpus(name="demo clips (synthetic)", licence="Apache-2.0", table=pd.DataFrame(rows))
