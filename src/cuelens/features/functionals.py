"""eGeMAPS and ComParE as embeddings: every functional is a dimension.

References
----------
See :mod:`cuelens.features.opensmile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cuelens.features.embedding import Embedding
from cuelens.features.opensmile import FeatureSetName, OpenSmile
from cuelens.typing import FloatArray

_NAMES: dict[FeatureSetName, str] = {"eGeMAPSv02": "eGeMAPS", "ComParE_2016": "ComParE"}


@dataclass(frozen=True, kw_only=True)
class Functionals(Embedding):
    """The functionals of one openSMILE feature set, as they are.

    Parameters
    ----------
    feature_set : {"eGeMAPSv02", "ComParE_2016"}
        88 or 6373 dimensions.
    n_workers : int or None
        Threads that extract at once; None: one a core.

    Raises
    ------
    InputError
        No such feature set.
    """

    feature_set: FeatureSetName = "eGeMAPSv02"
    n_workers: int | None = None

    def __post_init__(self) -> None:
        OpenSmile(feature_set=self.feature_set)  # refuses an unknown one

    @property
    def name(self) -> str:
        """``"eGeMAPS"`` or ``"ComParE"``."""
        return _NAMES[self.feature_set]

    @property
    def sample_rate(self) -> int:
        """16 000 Hz."""
        return 16_000

    @property
    def layers(self) -> tuple[str, ...]:
        """``("functionals",)``."""
        return ("functionals",)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the functionals, openSMILE's own."""
        return self._open_smile.names

    @property
    def recipe(self) -> str:
        """Version of openSMILE, feature set and sample rate."""
        return self._open_smile.recipe(self.sample_rate)

    def embed_layers(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Functionals; see :meth:`Embedding.embed_layers`.

        Raises
        ------
        InputError
            A sample beyond [-1, 1], or a waveform too short for openSMILE.
        """
        rows = self._open_smile.functionals(waveforms, sample_rate=self.sample_rate)
        return rows[:, None]

    @property
    def _open_smile(self) -> OpenSmile:
        return OpenSmile(feature_set=self.feature_set, n_workers=self.n_workers)
