"""transformers beside a torchvision that cannot be imported, such as one built for another PyTorch.

transformers imports torchvision, whatever the model, as soon as it is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


@contextmanager
def torchvision_set_aside() -> Iterator[None]:
    """Hide a torchvision that cannot be imported; one that can stays as it is."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        before = sys.modules.get("torchvision")
        sys.modules["torchvision"] = None  # type: ignore[assignment]  # what import takes for "none"
        try:
            yield
        finally:
            del sys.modules["torchvision"]
            if before is not None:
                sys.modules["torchvision"] = before
    else:
        yield


def watch_transformers() -> None:
    """From now on, the first import of transformers, whoever makes it, sets torchvision aside.

    Nothing is imported here.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds transformers where it is, and loads it with torchvision set aside."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "transformers":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self._loader.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        with torchvision_set_aside():
            self._loader.exec_module(module)
            from transformers.utils import is_torchvision_available

            is_torchvision_available()  # asked once, and remembered

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
