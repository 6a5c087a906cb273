"""Which cues a model's embedding carries, for the account of one clip.

From a probe profile attached to the model (``cuelens probe --attach``).  It says what the model
could have known, not what this answer rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cuelens.cues.definitions import CUES
from cuelens.explain.account import listed

if TYPE_CHECKING:
    from cuelens.probe import ProbeProfile

ENGLISH: Mapping[str, str] = {
    "and": " and ",
    "lead": "Probed on {corpus}, what enters the model's last layer ",
    "carried": "carries {cues}",
    "not_carried": "does not carry {cues}",
    "undecided": "may or may not carry {cues}",
    "cue": "{title} (R² {r2})",
    "intensity": "{title} (R² {r2}; timbre tells it even where levels are evened out)",
    "end": ": what it could know, not what this answer rests on.",
}


@dataclass(frozen=True, kw_only=True)
class CarriedCue:
    """Whether an embedding carries one cue.

    Parameters
    ----------
    cue, feature : str
        Key of the cue and the openSMILE functional that stands for it.
    r2, low, high : float
        Of the functional from all dimensions, for speakers left out, with 95 % interval.
    carried : {"carried", "not carried", "undecided"}
    """

    cue: str
    feature: str
    r2: float
    low: float
    high: float
    carried: str


@dataclass(frozen=True, kw_only=True)
class CarriedCues:
    """Cues that the embedding of a model carries.

    Parameters
    ----------
    embedding, corpus : str
        What was probed, and on what.
    cues : tuple of CarriedCue
        Those that an openSMILE functional stands for.
    """

    embedding: str
    corpus: str
    cues: tuple[CarriedCue, ...]

    @classmethod
    def of(cls, profile: ProbeProfile) -> CarriedCues:
        """The cues among the features of a profile."""
        found = []
        for cue in CUES.values():
            row = None if cue.functional is None else profile.features.get(cue.functional)
            if row is not None and cue.functional is not None:
                found.append(
                    CarriedCue(
                        cue=cue.key,
                        feature=cue.functional,
                        r2=float(row["r2"]),
                        low=float(row["low"]),
                        high=float(row["high"]),
                        carried=str(row["carried"]),
                    )
                )
        return cls(embedding=profile.embedding, corpus=profile.corpus, cues=tuple(found))

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    def sentence(self, keys: Sequence[str], words: Mapping[str, str] = ENGLISH) -> str:
        """One sentence on some cues; empty where none of them was probed."""
        named = [cue for cue in self.cues if cue.cue in keys]
        parts = []
        for status, key in (
            ("carried", "carried"),
            ("not carried", "not_carried"),
            ("undecided", "undecided"),
        ):
            cues = [_phrase(cue, words) for cue in named if cue.carried == status]
            if cues:
                parts.append(words[key].format(cues=listed(cues, words)))
        if not parts:
            return ""
        return words["lead"].format(corpus=self.corpus) + "; it ".join(parts) + words["end"]


def _phrase(cue: CarriedCue, words: Mapping[str, str]) -> str:
    key = "intensity" if cue.cue == "intensity" and cue.carried == "carried" else "cue"
    return words[key].format(title=CUES[cue.cue].title, r2=f"{cue.r2:.2f}".replace("-", "−"))
