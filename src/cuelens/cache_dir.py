"""Where cuelens keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir(*parts: str) -> Path:
    """Folder for cached features and downloads; it may not exist yet.

    ``CUELENS_CACHE`` when set, otherwise the user's cache folder of the platform.
    """
    configured = os.environ.get("CUELENS_CACHE")
    if configured:
        return Path(configured).expanduser().joinpath(*parts)
    import platformdirs

    return Path(platformdirs.user_cache_dir("cuelens")).joinpath(*parts)
