"""cuelens shows which acoustic cues a speech-emotion model listens to.

>>> import cuelens                                             # doctest: +SKIP
>>> model = cuelens.load_model("emodb-cnn")                    # doctest: +SKIP
>>> audio = cuelens.load_audio("clip.wav")                     # doctest: +SKIP
>>> explanation = cuelens.EmoLime().explain(model, audio)      # doctest: +SKIP
>>> print(explanation.account)                                 # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cuelens.audio import Audio, load_audio
    from cuelens.corpora import load_corpus
    from cuelens.errors import CuelensError, CuelensWarning, InputError, MissingExtraError
    from cuelens.explain import EmoLime, Explanation
    from cuelens.models import CallableModel, load_model
    from cuelens.report import ClipReport, explain_clip
    from cuelens.units import FrequencyBands

__version__ = version("cuelens")

_HOME = {
    "Audio": "cuelens.audio",
    "CallableModel": "cuelens.models",
    "ClipReport": "cuelens.report",
    "CuelensError": "cuelens.errors",
    "CuelensWarning": "cuelens.errors",
    "EmoLime": "cuelens.explain",
    "Explanation": "cuelens.explain",
    "FrequencyBands": "cuelens.units",
    "InputError": "cuelens.errors",
    "MissingExtraError": "cuelens.errors",
    "explain_clip": "cuelens.report",
    "load_audio": "cuelens.audio",
    "load_corpus": "cuelens.corpora",
    "load_model": "cuelens.models",
}

__all__ = [
    "Audio",
    "CallableModel",
    "ClipReport",
    "CuelensError",
    "CuelensWarning",
    "EmoLime",
    "Explanation",
    "FrequencyBands",
    "InputError",
    "MissingExtraError",
    "__version__",
    "explain_clip",
    "load_audio",
    "load_corpus",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:  # imported when first used, so that `import cuelens` is quick
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cuelens' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
