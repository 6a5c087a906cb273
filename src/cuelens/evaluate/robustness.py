"""Do explanations agree across models, and across corpora? Statistics of band weights, no sound.

Weights of a clip are divided by the sum of their absolute values.  A *profile* is the mean over
speakers of means over clips, of one model on one corpus for one emotion: a *cell*.  Two profiles
agree as much as they correlate over the bands.

- Agreement *across models*: same corpus and emotion, every pair of models.
- Agreement *across corpora*: same model and emotion, every pair of corpora.
- Their difference is the claim [1]_: explanations agree better across models than across corpora.

Both are computed in two designs.  With the *same clips*, as published, all models explain the same
clips: what is peculiar to the few clips is then common to the models but not to the corpora, which
favours the claim even where neither model nor corpus matters.  With *other clips*, the speakers of
every corpus are split at random into halves (clips within speakers where there are fewer than 4
speakers), one profile is taken from one half and the other from the other half, across models as
across corpora, averaged over many splits: nothing but what models or corpora share can then agree.

Intervals are 95 % bootstrap intervals that resample the speakers of each corpus, the same for all
models and emotions, and in corpora of fewer than 4 speakers the clips of each speaker and emotion
too.  One speaker less is drawn than there are, without which the spread is too small [2]_.
Resampled profiles are noisier than the profiles and correlate less, so that percentiles of the
draws lie too low: the interval is the estimate with the spread of the draws about their mean.  It
covers what other speakers of as large a number would give on average in 82 to 100 % of simulated
data sets (see the tests), mostly 90 and more.  It is about these models and these corpora.

Null hypotheses
---------------
A grid of M models and C corpora has M C cells, which are shuffled; all p-values are one-sided (an
agreement, or the difference, is larger than that of shuffled cells) and count the data among the
shuffles.

``p``
    Profiles are exchangeable over all cells: neither model nor corpus matters.  Cells change places
    alike in every emotion, since a trained model is one draw: its peculiarities, and those of a
    corpus's speakers, carry over from emotion to emotion, and the emotions of a model that tells
    them apart mirror each other.  There are (M C)! / (M! C!) distinct arrangements: 3 326 400 of 4
    models and 3 corpora; 60 of 2 and 3, where no p is below 1/60.  Where models agree fully, only
    which cells share a corpus matters, (M C)! / (M!^C C!) arrangements: 5775 of 4 and 3, 10 of 3
    and 2, where p of the clearest claim is 0.1: two corpora are too few.
``p_by_emotion``
    The same with another shuffle for every emotion, which takes emotions for independent
    repetitions.  Where every trained model has peculiarities of its own in all emotions, it is
    below 0.05 in 15 % of simulated data sets in which nothing else matters.  It stands beside.
``p_fixed``
    For one agreement alone, in the presence of the other factor.  Across models: the corpora of
    each model are exchangeable (shuffled within each model, (C!)^(M - 1) distinct arrangements: 216
    of 4 and 3).  Across corpora: the models of each corpus are ((M!)^(C - 1): 576).  ``p`` of an
    agreement alone compares with pairs of any two cells, so that a strong corpus effect makes the
    ``p`` of the agreement across corpora large whatever the models do; ``p_fixed`` does not suffer
    from that.

With the same clips no shuffle of cells is valid where the models of a corpus share its clips'
noise: in simulations in which nothing but that noise is common, p is below 0.05 always.  A small p
then says no more than that explanations of the same clips agree.  With other clips that noise has
left the expectation of the difference, but not its variance: p is below 0.05 in 20 % of such data
sets, and the interval is above 0 in few.  Neither alone will do: the interval allows for other
speakers and takes models and corpora as they are, p allows for other models and corpora and takes
the clips as they are.  A claim that holds should pass both.  Where two speakers are all there are,
halves of their clips still share them.

References
----------
.. [1] E. Hjuler, L. Clemmensen, S. Das, "Exploring local interpretable model-agnostic explanations
   for speech emotion recognition with distribution-shift", ICASSP 2025, arXiv 2504.05368.
.. [2] J. N. K. Rao, C. F. J. Wu, "Resampling inference with complex survey data", Journal of the
   American Statistical Association 83(401), 1988.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from cuelens.errors import InputError
from cuelens.evaluate.robustness_grid import Correlation, Grid, nanmean, similarity, unit_vectors
from cuelens.typing import BoolArray, FloatArray, IntArray

Design = Literal["same clips", "other clips"]
DESIGNS: tuple[Design, ...] = get_args(Design)
ALL = "all"
"""Of the mean over emotions."""

_WHATS = ("models", "corpora", "difference")
_SPLITS_A_DRAW = 8
_DRAWS_AT_ONCE = 200
_CLIP_KINDS = (
    "two models, one clip",
    "two models, two clips",
    "one model, two clips",
    "one model, clips of two corpora",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Robustness:
    """How well explanations agree.

    Agreements are correlations, -1 to 1.  ``emotion`` is ``"all"`` for the mean over emotions.
    ``_low`` and ``_high``, or ``low`` and ``high``, are 95 % intervals over speakers.

    Parameters
    ----------
    about : dict
        ``models``, ``corpora``, ``emotions``, ``bands``, ``correlation``, ``void`` (cells left out,
        as pairs), ``n_clips`` that count, ``n_silent`` (left out: all weights of some model are 0),
        ``n_incomplete`` (left out: not explained by every model), ``n_bootstrap``,
        ``n_permutations``, ``n_splits``, ``seed``.
    profiles : DataFrame
        ``model``, ``corpus``, ``emotion``, ``n_clips``, ``n_speakers``, then one column a band.
    agreement : DataFrame
        ``design`` ("same clips", "other clips"), ``what`` ("models", "corpora", "difference"),
        ``emotion``, ``value``, ``low``, ``high``, ``n_pairs``.
    tests : DataFrame
        ``design``, ``what``, ``emotion``; ``p``, ``p_by_emotion`` (of all emotions), ``p_fixed``
        (of one agreement), see the module; ``n_arrangements`` and ``n_arrangements_fixed`` that are
        distinct (NaN where cells are void); and for the difference ``effect``, the difference of
        the means of Fisher's z over pairs divided by the pooled standard deviation of pairs, and
        ``cliff``, Cliff's delta: how much more often a pair of models agrees better than a pair of
        corpora than worse.
    ceiling : DataFrame
        ``model``, ``corpus``, ``emotion``, ``half``: agreement of a cell with itself between
        halves of speakers or clips; ``corrected``: after Spearman and Brown, of twice as many
        (``half`` itself where it is below 0).
    clips : DataFrame
        Correlations between weights of single clips, not of profiles: ``kind``, ``emotion``,
        ``value``, ``low``, ``high``.  Kinds: "two models, one clip", "two models, two clips" (same
        corpus and emotion), "one model, two clips" (what two arbitrary clips of an emotion and
        corpus share), "one model, clips of two corpora".
    pairs : DataFrame
        ``design``, ``what`` ("models", "corpora"), ``first``, ``second``, ``within`` (the corpus or
        model they share), ``emotion``, ``value``.
    """

    about: Mapping[str, Any]
    profiles: pd.DataFrame
    agreement: pd.DataFrame
    tests: pd.DataFrame
    ceiling: pd.DataFrame
    clips: pd.DataFrame
    pairs: pd.DataFrame

    def agreement_of(self, design: str, what: str, emotion: str = ALL) -> dict[str, float]:
        """``value``, ``low`` and ``high`` of one row of `agreement`."""
        return _row(self.agreement, design=design, what=what, emotion=emotion)

    def test_of(self, design: str, what: str, emotion: str = ALL) -> dict[str, float]:
        """Figures of one row of `tests`."""
        return _row(self.tests, design=design, what=what, emotion=emotion)


def robustness(
    weights: pd.DataFrame,
    *,
    bands: Sequence[str] | None = None,
    correlation: Correlation = "pearson",
    void: Collection[tuple[str, str]] = (),
    n_bootstrap: int = 2000,
    n_permutations: int = 10_000,
    n_splits: int = 200,
    seed: int = 0,
) -> Robustness:
    """Agreement across models and across corpora, with intervals and tests.

    Parameters
    ----------
    weights : DataFrame
        One row a model and clip: ``model``, ``corpus``, ``emotion``, ``speaker``, ``clip`` (its
        name within the corpus), and the columns of the bands.  Every model explains every clip;
        clips that some model lacks are left out and counted, and so are those where all weights of
        a model are 0.
    bands : sequence of str, optional
        Columns of the bands; by default all further ones.
    correlation : {"pearson", "spearman"}
    void : collection of (model, corpus)
        Cells that are left out: models that recognise nothing.
    n_bootstrap, n_permutations, n_splits : int
        Draws of speakers, shuffles of cells, splits into halves.
    seed : int

    Raises
    ------
    InputError
        Columns or cells are missing, weights are no numbers, there are fewer than two models or
        corpora, or no pair is left.
    """
    if correlation not in get_args(Correlation):
        raise InputError(f"correlation is {correlation!r}; expected pearson or spearman")
    grid = Grid.of(weights, bands, void)
    rng = np.random.default_rng(seed)
    whole = grid.unresampled(1)
    similar: dict[Design, FloatArray] = {
        "same clips": similarity(grid, whole, None, correlation)[0],
        "other clips": nanmean(
            similarity(grid, grid.unresampled(n_splits), rng, correlation), axis=0
        ),
    }
    known = {design: _known(grid, similar[design]) for design in DESIGNS}
    draws, clip_draws = _bootstrap(grid, known, n_bootstrap, correlation, rng)
    return Robustness(
        about={
            "models": list(grid.models),
            "corpora": list(grid.corpora),
            "emotions": list(grid.emotions),
            "bands": list(grid.bands),
            "correlation": correlation,
            "void": [list(cell) for cell in sorted(void)],
            "n_clips": sum(len(part.speaker) for part in grid.parts),
            "n_silent": grid.n_silent,
            "n_incomplete": grid.n_incomplete,
            "n_bootstrap": n_bootstrap,
            "n_permutations": n_permutations,
            "n_splits": n_splits,
            "seed": seed,
        },
        profiles=_profile_table(grid),
        agreement=_agreement_table(grid, similar, draws),
        tests=_test_table(grid, similar, n_permutations, rng),
        ceiling=_ceiling_table(grid, similar["other clips"]),
        clips=_clip_table(grid, _clip_agreement(grid, whole, correlation)[0], clip_draws),
        pairs=_pair_table(grid, similar),
    )


def _agreement(similar: FloatArray, pairs: IntArray, known: BoolArray) -> FloatArray:
    """Mean over pairs, by emotion, then over emotions: shape (..., n_emotions + 1)."""
    by_emotion = similar[..., pairs[:, 0], pairs[:, 1]].mean(axis=-1)
    every = by_emotion[..., known].mean(axis=-1) if known.any() else by_emotion[..., 0] * np.nan
    return np.concatenate([by_emotion, every[..., None]], axis=-1)


def _agreements(grid: Grid, similar: FloatArray, known: BoolArray) -> FloatArray:
    """Across models, across corpora and their difference, shape (..., 3, n_emotions + 1).

    ``known``: emotions that the mean over emotions is of; NaN where one of them is not known.
    """
    models, corpora = (_agreement(similar, grid.pairs(what), known) for what in _WHATS[:2])
    return np.stack([models, corpora, models - corpora], axis=-2)


def _bootstrap(
    grid: Grid,
    known: Mapping[Design, BoolArray],
    n: int,
    correlation: Correlation,
    rng: np.random.Generator,
) -> tuple[dict[Design, FloatArray], FloatArray]:
    """Agreements by design, (n, 3, n_emotions + 1), and of clips, (n, n_kinds, n_emotions + 1)."""
    same, other, clips = [], [], []
    for first in range(0, n, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, n - first)
        counts = [part.resampled(size, rng) for part in grid.parts]
        similar = similarity(grid, counts, None, correlation)
        same.append(_agreements(grid, similar, known["same clips"]))
        clips.append(_clip_agreement(grid, counts, correlation))
        repeated = [np.repeat(some, _SPLITS_A_DRAW, axis=0) for some in counts]
        halves = similarity(grid, repeated, rng, correlation)
        halves = halves.reshape(size, _SPLITS_A_DRAW, *halves.shape[1:])
        other.append(_agreements(grid, nanmean(halves, axis=1), known["other clips"]))
    empty = np.empty((0, len(_WHATS), len(grid.emotions) + 1))
    draws: dict[Design, FloatArray] = {
        "same clips": np.concatenate([empty, *same]),
        "other clips": np.concatenate([empty, *other]),
    }
    none = np.empty((0, len(_CLIP_KINDS), len(grid.emotions) + 1))
    return draws, np.concatenate([none, *clips])


def _clip_agreement(
    grid: Grid, counts: Sequence[FloatArray], correlation: Correlation
) -> FloatArray:
    """Correlations of single clips' weights, shape (n, n_kinds, n_emotions + 1)."""
    (n_models, n_corpora), n_emotions = grid.valid.shape, len(grid.emotions)
    n = len(counts[0])
    totals = np.zeros((n, n_corpora, n_emotions))
    squares = np.zeros((n, n_corpora, n_emotions))
    sums = np.zeros((n, n_models, n_corpora, n_emotions, len(grid.bands)))
    same_clip = np.zeros((n, n_models, n_models, n_corpora, n_emotions))  # weighted by count
    same_squared = np.zeros_like(same_clip)  # and by its square: what sums of products hold of it
    for c, (part, some) in enumerate(zip(grid.parts, counts, strict=True)):
        units = unit_vectors(part.weights, correlation)
        products = np.einsum("ikb,jkb->ijk", units, units)
        for e in range(n_emotions):
            of_emotion = part.emotion == e
            drawn = some[:, of_emotion]
            totals[:, c, e] = drawn.sum(axis=1)
            squares[:, c, e] = np.square(drawn).sum(axis=1)
            sums[:, :, c, e] = np.einsum("nk,mkb->nmb", drawn, units[:, of_emotion])
            shared = products[:, :, of_emotion]
            same_clip[..., c, e] = np.einsum("nk,ijk->nij", drawn, shared)
            same_squared[..., c, e] = np.einsum("nk,ijk->nij", np.square(drawn), shared)
    every = np.einsum("nmceb,nxyeb->nmcxye", sums, sums, optimize=True)
    found = np.full((n, len(_CLIP_KINDS), n_emotions), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        one_clip = same_clip / totals[:, None, None]
        two_clips = np.square(totals) - squares
        two_clips[two_clips <= 1e-12] = np.nan
        pairs = [divmod(cell, n_corpora) for cell in grid.pairs("models").ravel()]
        models = [(i, j, c) for (i, c), (j, _) in zip(pairs[::2], pairs[1::2], strict=True)]
        i, j, c = np.array(models).T
        found[:, 0] = nanmean(one_clip[:, i, j, c], axis=1)
        other = every[:, i, c, j, c] - same_squared[:, i, j, c]
        found[:, 1] = nanmean(other / two_clips[:, c], axis=1)
        m, k = np.nonzero(grid.valid)
        within = every[:, m, k, m, k] - same_squared[:, m, m, k]
        found[:, 2] = nanmean(within / two_clips[:, k], axis=1)
        first, second = (np.divmod(cells, n_corpora) for cells in grid.pairs("corpora").T)
        across = every[:, first[0], first[1], second[0], second[1]]
        found[:, 3] = nanmean(across / (totals[:, first[1]] * totals[:, second[1]]), axis=1)
    return np.concatenate([found, nanmean(found, axis=-1)[..., None]], axis=-1)


def _interval(value: float, draws: FloatArray, *, largest: float = 1.0) -> tuple[float, float]:
    """95 % interval: the estimate, and how far draws lie from their mean; NaN without draws."""
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not np.isfinite(value):
        return np.nan, np.nan
    low, high = value - (np.percentile(draws, [97.5, 2.5]) - draws.mean())
    return max(float(low), -largest), min(float(high), largest)


def _agreement_table(
    grid: Grid, similar: Mapping[Design, FloatArray], draws: Mapping[Design, FloatArray]
) -> pd.DataFrame:
    rows = []
    n_pairs = [len(grid.pairs(what)) for what in _WHATS[:2]]
    for design in DESIGNS:
        estimate = _agreements(grid, similar[design], _known(grid, similar[design]))
        for k, what in enumerate(_WHATS):
            for e, emotion in enumerate((*grid.emotions, ALL)):
                value = float(estimate[k, e])
                largest = 2.0 if what == "difference" else 1.0
                low, high = _interval(value, draws[design][:, k, e], largest=largest)
                rows.append(
                    {
                        "design": design,
                        "what": what,
                        "emotion": emotion,
                        "value": value,
                        "low": low,
                        "high": high,
                        "n_pairs": sum(n_pairs) if what == "difference" else n_pairs[k],
                    }
                )
    return pd.DataFrame(rows)


def _test_table(
    grid: Grid, similar: Mapping[Design, FloatArray], n: int, rng: np.random.Generator
) -> pd.DataFrame:
    shuffled: dict[str | None, list[IntArray]] = {
        kind: [_shuffles(grid, kind, n, rng) for _ in grid.emotions] for kind in (None, *_WHATS[:2])
    }
    counts = n_arrangements(len(grid.models), len(grid.corpora))
    complete = bool(grid.valid.all())
    rows = []
    for design in DESIGNS:
        found = similar[design]
        for what in _WHATS:
            for e, emotion in enumerate((*grid.emotions, ALL)):
                pooled = emotion == ALL
                of_emotions = found if pooled else found[e : e + 1]
                of_emotions = of_emotions[_known(grid, of_emotions)]
                row = {
                    "design": design,
                    "what": what,
                    "emotion": emotion,
                    "p": _p(grid, of_emotions, what, [shuffled[None][0]] * len(of_emotions)),
                    "p_by_emotion": np.nan,
                    "p_fixed": np.nan,
                    "n_arrangements": counts["cells"] if complete else np.nan,
                    "n_arrangements_fixed": np.nan,
                    "effect": np.nan,
                    "cliff": np.nan,
                }
                if pooled:
                    row["p_by_emotion"] = _p(
                        grid, of_emotions, what, shuffled[None][: len(of_emotions)]
                    )
                if what == "difference":
                    row |= _effect_sizes(grid, of_emotions)
                else:
                    same = [shuffled[what][0]] * len(of_emotions)
                    row["p_fixed"] = _p(grid, of_emotions, what, same)
                    row["n_arrangements_fixed"] = counts[what] if complete else np.nan
                rows.append(row)
    return pd.DataFrame(rows)


def n_arrangements(n_models: int, n_corpora: int) -> dict[str, float]:
    """Distinct arrangements of a complete grid: all ``cells``; one factor fixed, by agreement.

    Those that differ only in the names of models or corpora count once: they agree as well.
    """
    return {
        "cells": factorial(n_models * n_corpora) / (factorial(n_models) * factorial(n_corpora)),
        "models": float(factorial(n_corpora) ** (n_models - 1)),
        "corpora": float(factorial(n_models) ** (n_corpora - 1)),
    }


def _shuffles(grid: Grid, kind: str | None, n: int, rng: np.random.Generator) -> IntArray:
    """Which cell's profile comes to each cell, shape (n, n_cells); void cells stay.

    ``kind``: None shuffles all, ``"models"`` (agreement across them) the corpora of each model,
    ``"corpora"`` the models of each corpus.
    """
    cells = np.flatnonzero(grid.valid.ravel())
    model, corpus = np.divmod(cells, len(grid.corpora))
    group = {"models": model, "corpora": corpus}.get(kind or "", np.zeros_like(cells))
    order = np.tile(np.arange(grid.n_cells), (n, 1))
    for one in np.unique(group):
        members = cells[group == one]
        order[:, members] = rng.permuted(np.tile(members, (n, 1)), axis=1)
    return order


def _known(grid: Grid, similar: FloatArray) -> BoolArray:
    """Emotions of which every cell that counts has a profile, in both halves."""
    cells = np.flatnonzero(grid.valid.ravel())
    return np.array([np.isfinite(some[np.ix_(cells, cells)]).all() for some in similar], dtype=bool)


def _p(grid: Grid, similar: FloatArray, what: str, shuffles: Sequence[IntArray]) -> float:
    """One-sided p of a statistic that is averaged over emotions, with a shuffle for each."""
    if not len(similar):
        return np.nan

    null: FloatArray

    def statistic(name: str) -> tuple[float, FloatArray]:
        first, second = grid.pairs(name).T
        values = [
            some[order[:, first], order[:, second]].mean(axis=1)
            for some, order in zip(similar, shuffles, strict=True)
        ]
        return float(similar[:, first, second].mean()), np.mean(values, axis=0)

    if what == "difference":
        (of_models, models), (of_corpora, corpora) = map(statistic, _WHATS[:2])
        observed, null = of_models - of_corpora, models - corpora
    else:
        observed, null = statistic(what)
    rounding = 1e-9
    return float((1 + np.count_nonzero(null >= observed - rounding)) / (1 + len(null)))


def _effect_sizes(grid: Grid, similar: FloatArray) -> dict[str, float]:
    models, corpora = (
        similar[:, first, second].ravel()
        for first, second in (grid.pairs(what).T for what in _WHATS[:2])
    )
    limit = 1 - 1e-6
    z = [np.arctanh(np.clip(values, -limit, limit)) for values in (models, corpora)]
    if not similar.size:
        return {"effect": np.nan, "cliff": np.nan}
    freedom = max(1, len(models) + len(corpora) - 2)
    pooled = np.sqrt(sum(np.square(some - some.mean()).sum() for some in z) / freedom)
    above = np.sign((models[:, None] - corpora[None, :]).round(9)).mean()
    return {
        "effect": float((z[0].mean() - z[1].mean()) / pooled) if pooled > 0 else np.nan,
        "cliff": float(above),
    }


def _profile_table(grid: Grid) -> pd.DataFrame:
    profiles = grid.profiles(grid.unresampled(1))[0]
    rows = []
    for model, corpus, emotion, cell, e in grid.cells():
        part = grid.parts[grid.corpora.index(corpus)]
        of_emotion = part.emotion == e
        rows.append(
            {
                "model": model,
                "corpus": corpus,
                "emotion": emotion,
                "n_clips": int(of_emotion.sum()),
                "n_speakers": len(np.unique(part.speaker[of_emotion])),
                **dict(zip(grid.bands, profiles[cell, e].tolist(), strict=True)),
            }
        )
    return pd.DataFrame(rows)


def _ceiling_table(grid: Grid, similar: FloatArray) -> pd.DataFrame:
    rows = []
    for model, corpus, emotion, cell, e in grid.cells():
        half = float(similar[e, cell, cell])
        corrected = 2 * half / (1 + half) if half > 0 else half
        names = {"model": model, "corpus": corpus, "emotion": emotion}
        rows.append(names | {"half": half, "corrected": corrected})
    return pd.DataFrame(rows)


def _clip_table(grid: Grid, values: FloatArray, draws: FloatArray) -> pd.DataFrame:
    rows = []
    for k, kind in enumerate(_CLIP_KINDS):
        for e, emotion in enumerate((*grid.emotions, ALL)):
            low, high = _interval(float(values[k, e]), draws[:, k, e])
            names = {"kind": kind, "emotion": emotion}
            rows.append(names | {"value": float(values[k, e]), "low": low, "high": high})
    return pd.DataFrame(rows)


def _pair_table(grid: Grid, similar: Mapping[Design, FloatArray]) -> pd.DataFrame:
    rows = []
    for design in DESIGNS:
        for what in _WHATS[:2]:
            for first, second in grid.pairs(what):
                one, other = (grid.cell_name(cell) for cell in (first, second))
                differs, shared = (0, 1) if what == "models" else (1, 0)
                rows += [
                    {
                        "design": design,
                        "what": what,
                        "first": one[differs],
                        "second": other[differs],
                        "within": one[shared],
                        "emotion": emotion,
                        "value": float(similar[design][e, first, second]),
                    }
                    for e, emotion in enumerate(grid.emotions)
                ]
    return pd.DataFrame(rows)


def _row(table: pd.DataFrame, **keys: str) -> dict[str, float]:
    matches = np.logical_and.reduce([table[name] == value for name, value in keys.items()])
    if np.count_nonzero(matches) != 1:
        raise InputError(
            f"no row {', '.join(f'{name} {value!r}' for name, value in keys.items())}; expected "
            "one of those in the table"
        )
    found = table[matches].iloc[0].drop(list(keys))
    return {str(name): float(value) for name, value in found.items()}
