"""Which clips of a corpus are looked at."""

from __future__ import annotations

import numpy as np

from cuelens.corpora import Corpus


def balanced_rows(corpus: Corpus, n_clips: int | None, *, seed: int = 0) -> list[int]:
    """Rows of a corpus, drawn so that emotions and speakers come equally often.

    Parameters
    ----------
    corpus : Corpus
    n_clips : int or None
        None, or more than there are: all.
    seed : int

    Returns
    -------
    list of int
        In rising order.
    """
    order = np.random.default_rng(seed).permutation(len(corpus))
    if n_clips is None or n_clips >= len(corpus):
        return list(range(len(corpus)))
    table = corpus.table.iloc[order]
    # The how-manieth clip of its emotion and speaker each is; then of its emotion.
    turn = table.groupby(["emotion", "speaker"], dropna=False).cumcount()
    table = table.assign(turn=turn).sort_values("turn", kind="stable")
    table = table.assign(round=table.groupby("emotion").cumcount())
    chosen = table.sort_values("round", kind="stable").index[:n_clips]
    return sorted(int(row) for row in chosen)
