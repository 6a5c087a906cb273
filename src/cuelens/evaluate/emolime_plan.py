"""Which clips of which corpora are explained, and by models that heard which speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cuelens.corpora import Corpus, canonical_emotion
from cuelens.errors import InputError
from cuelens.typing import IntArray

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
"""Those of the paper."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which clips are explained, and by models that heard which.

    Parameters
    ----------
    corpora : tuple of Corpus
        Of the emotions alone.
    folds : dict of str to list of (train, test)
        Rows by name of the corpus; speakers are on one side only.
    clips : dict of str to list of (row, fold)
        Rows that are explained, and the fold whose model has not heard them.
    """

    corpora: tuple[Corpus, ...]
    folds: dict[str, list[tuple[IntArray, IntArray]]]
    clips: dict[str, list[tuple[int, int]]]


def plan(
    corpora: Sequence[Corpus],
    *,
    emotions: Sequence[str] = EMOTIONS,
    n_clips: int = 8,
    n_folds: int = 3,
    seed: int = 0,
) -> Plan:
    """Folds and clips of every corpus.

    Parameters
    ----------
    corpora : sequence of Corpus
    emotions : sequence of str
    n_clips : int
        Of each emotion and corpus.
    n_folds : int
        Models a corpus: each holds out 1 of so many parts of the speakers, so that all speakers
        are explained by a model that has not heard them.  Fewer where there are fewer speakers.
    seed : int
    """
    wanted = tuple(dict.fromkeys(canonical_emotion(name) for name in emotions))
    names = [corpus.name for corpus in corpora]
    if len(set(names)) < len(names) or len(names) < 2:
        raise InputError(f"corpora are {', '.join(names)}; expected two or more, all different")
    if len(wanted) < 2:
        raise InputError(f"emotions are {', '.join(wanted)}; expected two or more")
    if n_clips < 2 or n_folds < 2:
        raise InputError(
            f"n_clips is {n_clips} and n_folds {n_folds}; expected 2 or more of each emotion, and "
            "2 folds or more"
        )
    chosen = tuple(corpus.select(emotions=wanted) for corpus in corpora)
    folds, clips = {}, {}
    for corpus in chosen:
        parts = corpus.speaker_folds(min(n_folds, len(corpus.speakers)), seed=seed)
        for part in parts:
            missing = set(wanted) - set(corpus.table["emotion"].iloc[part.train])
            if missing:
                raise InputError(
                    f"{corpus.name}: without speakers {', '.join(part.speakers)} nobody is left "
                    f"who has {', '.join(sorted(missing))}; expected every emotion from speakers "
                    "in each fold: take more folds, or leave the emotion out"
                )
        fold_of = {int(row): k for k, part in enumerate(parts) for row in part.test}
        folds[corpus.name] = [(part.train, part.test) for part in parts]
        rows = explained_rows(corpus, n_clips, seed=seed)
        clips[corpus.name] = [(row, fold_of[row]) for row in rows]
    return Plan(corpora=chosen, folds=folds, clips=clips)


def explained_rows(corpus: Corpus, n_clips: int, *, seed: int = 0) -> list[int]:
    """Rows of a corpus, so many of each emotion, from the same speakers for every emotion.

    Speakers take turns in one random order, those with all emotions first, so that few clips come
    from as many speakers as there can be, and more clips are these and others.
    """
    rng = np.random.default_rng(seed)
    table = corpus.table.iloc[rng.permutation(len(corpus))]
    n_emotions = table.groupby("speaker")["emotion"].nunique()
    order = sorted(rng.permutation(corpus.speakers), key=lambda name: -n_emotions[name])
    place = {name: k for k, name in enumerate(order)}
    table = table.assign(
        turn=table.groupby(["emotion", "speaker"]).cumcount(), place=table["speaker"].map(place)
    )
    table = table.sort_values(["turn", "place"], kind="stable")
    return sorted(int(row) for row in table.groupby("emotion").head(n_clips).index)
