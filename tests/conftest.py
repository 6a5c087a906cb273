"""Fixtures that every test file may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cuelens.features import FeatureCache

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real corpora: CUELENS_DATA, or ../shared/data beside the checkout."""
    configured = os.environ.get("CUELENS_DATA")
    folder = Path(configured) if configured else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"no real speech: set CUELENS_DATA to a folder of corpora ({folder} is missing)"
        )
    return folder


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    """Functionals of real speech, measured once for all tests of a run, in whichever process."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    return FeatureCache(file=folder / "measured.sqlite")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CUELENS_CACHE", str(tmp_path / "cache"))
