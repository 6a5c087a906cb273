"""A folder of sounds that holds what one run wrote, and nothing that an earlier run left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cuelens.report.clip_report import make_folder

MANIFEST = "manifest.json"


def write_sounds(folder: str | Path, sounds: Mapping[str, bytes]) -> None:
    """Write files and a manifest of their hashes, and remove what an earlier run left.

    A file is removed where the manifest names it and its bytes are still those that were written:
    files that anybody else put there, or changed, stay.

    Parameters
    ----------
    folder : path
        Made if needed.
    sounds : mapping of str to bytes
        By file name.

    Raises
    ------
    InputError
        The folder cannot be made.
    """
    folder = make_folder(folder)
    manifest = folder / MANIFEST
    for name, sha256 in _written_before(manifest).items():
        file = folder / name
        if name in sounds or file.parent != folder or not file.is_file() or file.is_symlink():
            continue
        if _sha256(file.read_bytes()) == sha256:
            file.unlink()
    for name, content in sounds.items():
        (folder / name).write_bytes(content)
    written = {name: _sha256(content) for name, content in sounds.items()}
    manifest.write_text(json.dumps({"sha256": written}, indent=1) + "\n", encoding="utf-8")


def _written_before(manifest: Path) -> dict[str, str]:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))["sha256"]
        return {str(name): str(sha256) for name, sha256 in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # none, or not ours


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
