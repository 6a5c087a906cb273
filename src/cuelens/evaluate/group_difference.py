"""By how much two groups of clips differ: weights of units, or values of cues.

Speakers are what varies: clips of one resemble each other, so speakers are drawn again [1]_.

References
----------
.. [1] C. Field, A. Welsh, "Bootstrapping clustered data", J. Royal Statistical Society B 69, 2007.
.. [2] R. Frisch, F. Waugh, "Partial time regressions as compared with individual trends",
   Econometrica 1, 1933.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cuelens.errors import InputError
from cuelens.evaluate.intervals import (
    MIN_CLUSTERS,
    Sample,
    bootstrap_mean,
    bootstrapped,
    bootstrapped_apart,
)


def group_difference(
    frame: pd.DataFrame,
    first: str,
    second: str,
    *,
    by: str,
    value: str,
    about: Sequence[str],
    paired: bool | None = None,
) -> pd.DataFrame:
    """Mean values of one group less those of another.

    Parameters
    ----------
    frame : DataFrame
        One row a clip and item (a unit, a cue): corpus, clip, speaker, sentence, emotion, the
        columns ``by`` and ``value``, place (order of the items), and ``about``.  Rows without a
        value are left out.
    first, second : str
        Values of ``by``.
    by, value : str
    about : sequence of str
        Columns that describe an item.
    paired : bool or None
        As in :meth:`~cuelens.evaluate.group.Group.difference`.

    Returns
    -------
    DataFrame
        Columns of ``about``, then difference, low, high, n, n_speakers, paired.

    Raises
    ------
    InputError
        Pairs are asked for and there are none.
    """
    frame = frame[frame[value].notna()]
    pairs = _pairs(frame, first, second, by, value, about)
    n_speakers = 0 if pairs.empty else pairs["cluster"].nunique()
    if paired and pairs.empty:
        raise InputError(
            f"no speaker says one sentence both in {first} and in {second}; expected such "
            "pairs: explain more clips, or compare without pairs (paired=False)"
        )
    if paired or (paired is None and n_speakers >= MIN_CLUSTERS):
        return _paired(pairs, about)
    return _unpaired(frame[frame[by].isin([first, second])], first, second, by, value, about)


def difference_within(
    frame: pd.DataFrame,
    first: str,
    second: str,
    *,
    by: str,
    value: str,
    about: Sequence[str],
    within: str,
) -> pd.DataFrame:
    """The same without what is due to another column, such as the emotion of the clips.

    The difference of clips that share a value of ``within``, averaged over its values, each with
    the weight that least squares give it: the coefficient of the group in a regression on group and
    ``within`` [2]_.  Values of ``within`` that only one group has say nothing, and their clips are
    not counted in ``n``.
    """
    both = frame[frame[value].notna() & frame[by].isin([first, second])]
    rows = []
    for _, part in both.groupby("place"):
        side = (part[by] == first).astype(float)
        apart = (side - side.groupby(part[within]).transform("mean")).to_numpy()
        values = (part[value] - part[value].groupby(part[within]).transform("mean")).to_numpy()
        counts = np.abs(apart) > 1e-9
        speakers = voices(part)
        drawn = speakers if _can_draw(speakers[counts]) else _clips(part)
        sample = Sample(apart * values, np.where(counts, apart**2, 0.0), pd.factorize(drawn)[0])
        found = bootstrapped([sample])
        rows.append(_row(part, about, found, int(counts.sum()), speakers[counts].nunique(), False))
    return pd.DataFrame(rows)


def voices(frame: pd.DataFrame) -> pd.Series[Any]:
    """Speakers by corpus and name, as names occur in several corpora; missing where not known."""
    return (frame["corpus"] + " " + frame["speaker"].astype("str")).where(frame["speaker"].notna())


def _clips(frame: pd.DataFrame) -> pd.Series[Any]:
    return frame["corpus"] + " " + frame["clip"]


def _can_draw(speakers: pd.Series[Any]) -> bool:
    return not speakers.isna().any() and speakers.nunique() >= MIN_CLUSTERS


def _pairs(
    frame: pd.DataFrame, first: str, second: str, by: str, value: str, about: Sequence[str]
) -> pd.DataFrame:
    """One row a speaker, sentence and item that both groups have."""
    keys = ["corpus", "speaker", "sentence", "place", *about]
    known = frame.dropna(subset=["speaker", "sentence"])
    if by == "speaker":  # the same sentence of two voices
        keys[keys.index("speaker")] = "emotion"
    sides = [known[known[by] == name].groupby(keys)[value].mean() for name in (first, second)]
    joined = pd.concat(sides, axis=1, join="inner", keys=["first", "second"]).reset_index()
    joined["difference"] = joined["first"] - joined["second"]
    return joined.assign(cluster=joined["sentence"] if by == "speaker" else voices(joined))


def _paired(pairs: pd.DataFrame, about: Sequence[str]) -> pd.DataFrame:
    rows = []
    for _, part in pairs.groupby("place"):
        mean = bootstrap_mean(part["difference"].to_numpy(), part["cluster"].to_list())
        n_speakers = part["cluster"].nunique() if "speaker" in part else 2
        rows.append(_row(part, about, mean[:3], mean.n, n_speakers, True))
    return pd.DataFrame(rows)


def _unpaired(
    both: pd.DataFrame, first: str, second: str, by: str, value: str, about: Sequence[str]
) -> pd.DataFrame:
    rows = []
    for _, part in both.groupby("place"):
        speakers = voices(part)
        of_each = [set(speakers[part[by] == name]) for name in (first, second)]
        few = speakers.nunique() if of_each[0] & of_each[1] else min(map(len, of_each))
        use_speakers = by != "speaker" and not speakers.isna().any() and few >= MIN_CLUSTERS
        codes = pd.factorize(speakers if use_speakers else _clips(part))[0]
        samples = []
        for name in (first, second):
            chosen = (part[by] == name).to_numpy()
            values = part[value].to_numpy()[chosen]
            samples.append(Sample(values, np.ones(values.size), codes[chosen]))
        if np.intersect1d(samples[0].clusters, samples[1].clusters).size:
            found = bootstrapped(samples)
        else:
            found = bootstrapped_apart(samples[0], samples[1])
        rows.append(_row(part, about, found, len(part), speakers.nunique(), False))
    return pd.DataFrame(rows)


def _row(
    part: pd.DataFrame,
    about: Sequence[str],
    found: tuple[float, float, float],
    n: int,
    n_speakers: int,
    paired: bool,
) -> dict[str, Any]:
    return {
        **{name: part[name].iloc[0] for name in about},
        **dict(zip(("difference", "low", "high"), found, strict=True)),
        "n": n,
        "n_speakers": n_speakers,
        "paired": paired,
    }
