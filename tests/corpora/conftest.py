"""Tiny recordings for the tests of corpora."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

WriteClip = Callable[..., Path]


@pytest.fixture
def write_clip() -> WriteClip:
    """Write a tone; every clip sounds different unless `hz` says otherwise."""
    n_written = 0

    def write(
        path: Path,
        *,
        hz: float | None = None,
        duration_s: float = 0.1,
        sample_rate: int = 8000,
        peak: float = 0.5,
    ) -> Path:
        nonlocal n_written
        n_written += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
        tone = peak * np.sin(2 * np.pi * (hz or 200 + n_written) * time_s)
        soundfile.write(path, tone, sample_rate)
        return path

    return write
