from __future__ import annotations

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from cuelens.errors import InputError
from cuelens.evaluate.robustness import DESIGNS, n_arrangements, robustness

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
BANDS = tuple(f"band {k}" for k in range(8))
NO_TESTS = {"n_bootstrap": 0, "n_permutations": 1, "n_splits": 5}


def made_up(
    seed,
    *,
    corpus=0.0,
    model=0.0,
    clip=0.0,
    quirk=0.0,
    noise=1.0,
    effects_seed=None,
    n_models=4,
    n_corpora=3,
    n_speakers=6,
    n_clips=1,
    emotions=EMOTIONS,
):
    """Weights: effects of corpus, model, clip (common to all models), and of each trained model."""
    rng = np.random.default_rng([seed if effects_seed is None else effects_seed, 0])
    n = len(BANDS)
    of_corpus = corpus * rng.standard_normal((n_corpora, len(emotions), n))
    of_model = model * rng.standard_normal((n_models, len(emotions), n))
    of_trained = quirk * rng.standard_normal((n_models, n_corpora, n))
    rng = np.random.default_rng([seed, 1])
    rows = []
    for c in range(n_corpora):
        for e, emotion in enumerate(emotions):
            for s in range(n_speakers):
                for k in range(n_clips):
                    shared = of_corpus[c, e] + clip * rng.standard_normal(n)
                    for m in range(n_models):
                        own = of_model[m, e] + of_trained[m, c] + noise * rng.standard_normal(n)
                        names = [f"model {m}", f"corpus {c}", emotion, f"s{s}", f"{emotion}{s}{k}"]
                        rows.append([*names, *(shared + own)])
    return pd.DataFrame(rows, columns=["model", "corpus", "emotion", "speaker", "clip", *BANDS])


def profiles_by_hand(table):
    """From the definition, slowly: mean over speakers of means over clips, of shares of weights."""
    shares = table.copy()
    shares[list(BANDS)] = table[list(BANDS)].div(table[list(BANDS)].abs().sum(axis=1), axis=0)
    keys = ["model", "corpus", "emotion"]
    by_speaker = shares.groupby([*keys, "speaker"])[list(BANDS)].mean()
    return by_speaker.groupby(keys).mean()


@pytest.mark.parametrize("correlation", ["pearson", "spearman"])
def test_agreements_are_those_of_the_definition(correlation):
    table = made_up(0, corpus=0.5, model=0.5, n_speakers=5, n_clips=2)
    table = table.drop(table[(table["speaker"] == "s3") & (table["clip"].str.endswith("1"))].index)
    found = robustness(table, correlation=correlation, **NO_TESTS)
    profiles = profiles_by_hand(table)
    ours = found.profiles.set_index(["model", "corpus", "emotion"])[list(BANDS)]
    pd.testing.assert_frame_equal(ours.loc[profiles.index], profiles, check_names=False)
    correlate = {"pearson": pearsonr, "spearman": spearmanr}[correlation]
    models, corpora = sorted(set(table["model"])), sorted(set(table["corpus"]))
    for emotion in EMOTIONS:
        across_models = [
            correlate(profiles.loc[one, c, emotion], profiles.loc[other, c, emotion])[0]
            for c in corpora
            for one, other in combinations(models, 2)
        ]
        across_corpora = [
            correlate(profiles.loc[m, one, emotion], profiles.loc[m, other, emotion])[0]
            for m in models
            for one, other in combinations(corpora, 2)
        ]
        agreement = found.agreement_of("same clips", "models", emotion)
        assert agreement["value"] == pytest.approx(np.mean(across_models))
        assert agreement["n_pairs"] == len(across_models)
        assert found.agreement_of("same clips", "corpora", emotion)["value"] == pytest.approx(
            np.mean(across_corpora)
        )
        difference = np.mean(across_models) - np.mean(across_corpora)
        assert found.agreement_of("same clips", "difference", emotion)["value"] == pytest.approx(
            difference
        )
        z = [np.arctanh(across_models), np.arctanh(across_corpora)]
        pooled = np.sqrt((np.var(z[0], ddof=1) * 17 + np.var(z[1], ddof=1) * 11) / (18 + 12 - 2))
        test = found.test_of("same clips", "difference", emotion)
        assert test["effect"] == pytest.approx((np.mean(z[0]) - np.mean(z[1])) / pooled)
        more = np.mean([[np.sign(round(a - b, 9)) for b in across_corpora] for a in across_models])
        assert test["cliff"] == pytest.approx(more)
    pairs = found.pairs[found.pairs["design"] == "same clips"]
    assert len(pairs) == (18 + 12) * 4
    row = pairs[(pairs["first"] == "model 1") & (pairs["second"] == "model 3")].iloc[0]
    one, other = (profiles.loc[row[k], row["within"], row["emotion"]] for k in ("first", "second"))
    assert row["value"] == pytest.approx(correlate(one, other)[0])


def test_other_clips_are_halves_of_speakers_that_never_meet():
    """With 4 speakers there are 3 ways to split; the mean over many splits is theirs."""
    table = made_up(1, corpus=0.7, n_speakers=4, n_models=2, n_corpora=2, emotions=("anger",))
    found = robustness(table, n_bootstrap=0, n_permutations=1, n_splits=2000)

    def half(model, corpus, speakers):
        return profiles_by_hand(
            table[table["speaker"].isin(speakers) & (table["corpus"] == corpus)]
        ).loc[model, corpus, "anger"]

    everyone = {"s0", "s1", "s2", "s3"}
    halves = [(set(some), everyone - set(some)) for some in combinations(sorted(everyone), 2)]

    def same_corpus(one, other, corpus):
        return np.mean(
            [pearsonr(half(one, corpus, a), half(other, corpus, b))[0] for a, b in halves]
        )

    expected = np.mean([same_corpus("model 0", "model 1", f"corpus {c}") for c in range(2)])
    models = found.agreement_of("other clips", "models", "anger")["value"]
    assert models == pytest.approx(expected, abs=0.015)
    cell = found.ceiling.set_index(["model", "corpus"]).loc[("model 0", "corpus 1")]
    itself = same_corpus("model 0", "model 0", "corpus 1")
    assert cell["half"] == pytest.approx(itself, abs=0.015)
    if cell["half"] > 0:
        assert cell["corrected"] == pytest.approx(2 * cell["half"] / (1 + cell["half"]))
    across = np.mean(
        [
            pearsonr(half(m, "corpus 0", a), half(m, "corpus 1", b))[0]
            for m in ("model 0", "model 1")
            for a, _ in halves
            for b, _ in halves
        ]
    )
    corpora = found.agreement_of("other clips", "corpora", "anger")["value"]
    assert corpora == pytest.approx(across, abs=0.015)


def test_clips_are_compared_pair_by_pair():
    table = made_up(2, clip=1.0, n_speakers=3, n_clips=2, n_models=2, n_corpora=2)
    found = robustness(table, **NO_TESTS)
    weights = table.set_index(["model", "corpus", "emotion", "clip"])[list(BANDS)]
    models, corpora = ("model 0", "model 1"), ("corpus 0", "corpus 1")

    def mean(pairs):
        return np.mean([pearsonr(weights.loc[one], weights.loc[other])[0] for one, other in pairs])

    clips = [f"anger{s}{k}" for s in range(3) for k in range(2)]
    two = list(permutations(clips, 2))
    expected = {
        "two models, one clip": mean(
            [
                ((*("model 0", c, "anger"), k), ("model 1", c, "anger", k))
                for c in corpora
                for k in clips
            ]
        ),
        "two models, two clips": mean(
            [
                (("model 0", c, "anger", a), ("model 1", c, "anger", b))
                for c in corpora
                for a, b in two
            ]
        ),
        "one model, two clips": mean(
            [
                ((m, c, "anger", a), (m, c, "anger", b))
                for m in models
                for c in corpora
                for a, b in two
            ]
        ),
        "one model, clips of two corpora": mean(
            [
                ((m, "corpus 0", "anger", a), (m, "corpus 1", "anger", b))
                for m in models
                for a in clips
                for b in clips
            ]
        ),
    }
    ours = found.clips[found.clips["emotion"] == "anger"].set_index("kind")["value"]
    for kind, value in expected.items():
        assert ours[kind] == pytest.approx(value), kind
    every = found.clips[found.clips["emotion"] == "all"].set_index("kind")["value"]
    assert every["two models, one clip"] > every["two models, two clips"] + 0.3


def test_what_corpora_decide_is_found():
    found = robustness(made_up(3, corpus=1.0), n_bootstrap=200, n_permutations=999, n_splits=50)
    for design in DESIGNS:
        assert found.test_of(design, "difference")["p"] == pytest.approx(0.001)
        assert found.agreement_of(design, "difference")["low"] > 0.3
        assert found.test_of(design, "models")["p_fixed"] < 0.02
        assert found.test_of(design, "corpora")["p_fixed"] > 0.05
        for emotion in EMOTIONS:
            assert found.test_of(design, "difference", emotion)["p"] < 0.05


def test_what_models_decide_is_the_opposite():
    found = robustness(made_up(4, model=1.0), n_bootstrap=200, n_permutations=999, n_splits=50)
    for design in DESIGNS:
        assert found.test_of(design, "difference")["p"] > 0.99
        assert found.agreement_of(design, "difference")["high"] < -0.3
        assert found.test_of(design, "corpora")["p_fixed"] < 0.01
        assert found.test_of(design, "models")["p_fixed"] > 0.05


def reject(n, **effects):
    """Share of data sets with p below 0.05, by design, statistic and kind of p."""
    rows = []
    for seed in range(n):
        found = robustness(
            made_up(seed, **effects),
            n_bootstrap=0,
            n_permutations=99,
            n_splits=8,
            seed=10_000 + seed,
        )
        rows.append(found.tests[found.tests["emotion"] == "all"])
    tests = pd.concat(rows).groupby(["design", "what"])[["p", "p_by_emotion", "p_fixed"]]
    return tests.agg(lambda p: (p <= 0.05).mean())


SMALL = {"n_speakers": 4, "emotions": ("anger", "sadness")}


def test_noise_gives_p_below_level_as_often_as_the_level():
    shares = reject(200, noise=1.0, **SMALL)
    for design in DESIGNS:
        assert shares.loc[(design, "difference"), ["p", "p_by_emotion"]].max() <= 0.07
    assert shares.max(axis=None) <= 0.1  # sixteen shares of 200: more room for chance
    assert np.nanmean(shares.where(shares > 0)) == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
def test_peculiar_models_and_shared_clips_move_p_as_the_documentation_says():
    peculiar = reject(100, quirk=1.0, n_speakers=6)
    assert peculiar["p"].max() <= 0.12
    assert peculiar["p_by_emotion"].min() > 0.08  # emotions are no independent repetitions
    shared = reject(100, clip=1.0, n_speakers=6)
    assert shared.loc[("same clips", "difference"), "p"] == 1.0  # nothing but the clips agrees
    assert 0.1 < shared.loc[("other clips", "difference"), "p"] < 0.3


@pytest.mark.slow
def test_interval_and_p_together_are_not_fooled_by_shared_clips():
    both = []
    for seed in range(60):
        found = robustness(
            made_up(seed, clip=1.0), n_bootstrap=200, n_permutations=99, n_splits=20, seed=seed
        )
        low = found.agreement_of("other clips", "difference")["low"]
        both.append(low > 0 and found.test_of("other clips", "difference")["p"] < 0.05)
    assert np.mean(both) <= 0.1


def covered(n, **effects):
    """Share of intervals that hold the mean over data sets with the same effects."""
    runs = [
        robustness(
            made_up(seed, effects_seed=99, **effects),
            n_bootstrap=100,
            n_permutations=1,
            n_splits=20,
            seed=seed,
        ).agreement
        for seed in range(n)
    ]
    table = pd.concat(runs)
    table = table[table["emotion"] == "all"]
    mean = table.groupby(["design", "what"])["value"].transform("mean")
    inside = (table["low"] <= mean) & (mean <= table["high"])
    return inside.groupby([table["design"], table["what"]]).mean()


def test_intervals_hold_what_other_speakers_give():
    shares = covered(
        50, corpus=0.5, model=0.3, noise=0.4, clip=0.3, n_speakers=8, emotions=("anger", "sadness")
    )
    assert shares.min() > 0.82
    assert shares.mean() > 0.88


@pytest.mark.slow
def test_intervals_hold_with_two_speakers_whose_clips_are_resampled():
    shares = covered(60, corpus=0.5, model=0.3, noise=0.4, clip=0.3, n_speakers=2, n_clips=4)
    assert shares.min() > 0.85


def test_arrangements_are_counted():
    """Those of 2 models and 3 corpora, one by one."""
    grid = [(m, c) for m in range(2) for c in range(3)]

    def kind(order):
        at = dict(zip(grid, order, strict=True))
        pairs = {
            frozenset([at[one], at[other]]): "models" if one[1] == other[1] else "corpora"
            for one, other in combinations(grid, 2)
            if one[1] == other[1] or one[0] == other[0]
        }
        return frozenset(pairs.items())

    distinct = {kind(order) for order in permutations(range(6))}
    counts = n_arrangements(2, 3)
    assert len(distinct) == counts["cells"] == 60

    def only(what, order):
        at = dict(zip(grid, order, strict=True))
        shared = 1 if what == "models" else 0
        return frozenset(
            frozenset([at[one], at[other]])
            for one, other in combinations(grid, 2)
            if one[shared] == other[shared]
        )

    within_models = [(*a, *b) for a in permutations(range(3)) for b in permutations(range(3, 6))]
    assert len({only("models", order) for order in within_models}) == counts["models"] == 6
    within_corpora = []
    for swaps in np.ndindex(2, 2, 2):
        order = np.arange(6).reshape(2, 3)
        for c, swap in enumerate(swaps):
            order[:, c] = order[:, c][::-1] if swap else order[:, c]
        within_corpora.append(tuple(order.ravel()))
    assert len({only("corpora", order) for order in within_corpora}) == counts["corpora"] == 4
    assert n_arrangements(4, 3) == {
        "cells": factorial(12) / (24 * 6),
        "models": 216.0,
        "corpora": 576.0,
    }


def test_p_is_the_share_of_all_arrangements():
    """3 models and 2 corpora: p against every one of the 720 orders of the cells."""
    table = made_up(5, corpus=0.4, n_models=3, n_corpora=2, emotions=("anger",))
    found = robustness(table, n_bootstrap=0, n_permutations=20_000, n_splits=5)
    profiles = profiles_by_hand(table).to_numpy()  # cells in the order model, corpus
    similar = np.corrcoef(profiles)
    cells = [(m, c) for m in range(3) for c in range(2)]
    pairs = list(combinations(range(6), 2))
    models = [(i, j) for i, j in pairs if cells[i][1] == cells[j][1]]
    corpora = [(i, j) for i, j in pairs if cells[i][0] == cells[j][0]]

    def difference(order):
        return np.mean([similar[order[i], order[j]] for i, j in models]) - np.mean(
            [similar[order[i], order[j]] for i, j in corpora]
        )

    null = [difference(order) for order in permutations(range(6))]
    exact = np.mean(np.array(null) >= difference(range(6)) - 1e-9)
    test = found.test_of("same clips", "difference")
    assert test["p"] == pytest.approx(exact, abs=0.01)
    assert test["n_arrangements"] == 60


def test_silent_and_missing_clips_stay_out_for_all_models_and_are_counted():
    table = made_up(6, n_speakers=4)
    silent = (table["model"] == "model 1") & (table["corpus"] == "corpus 0")
    silent &= table["clip"] == "anger00"
    changed = table.copy()
    changed.loc[silent, list(BANDS)] = 0.0
    missing = (table["model"] == "model 2") & (table["corpus"] == "corpus 1")
    missing &= table["clip"] == "sadness30"
    found = robustness(changed[~missing], **NO_TESTS)
    assert found.about["n_silent"] == 1
    assert found.about["n_incomplete"] == 1
    assert found.about["n_clips"] == 4 * 4 * 3 - 2
    both = (table["corpus"] == "corpus 0") & (table["clip"] == "anger00")
    both |= (table["corpus"] == "corpus 1") & (table["clip"] == "sadness30")
    without = robustness(table[~both], **NO_TESTS)
    pd.testing.assert_frame_equal(found.agreement, without.agreement)


def test_void_cells_are_in_no_comparison():
    table = made_up(7, corpus=1.0, n_models=3)
    void = [("model 0", "corpus 1")]
    found = robustness(table, void=void, n_bootstrap=20, n_permutations=99, n_splits=10)
    row = table["model"].eq("model 0") & table["corpus"].eq("corpus 1")
    nonsense = table.copy()
    rng = np.random.default_rng(0)
    nonsense.loc[row, list(BANDS)] = rng.standard_normal((int(row.sum()), 8))
    again = robustness(nonsense, void=void, n_bootstrap=20, n_permutations=99, n_splits=10)
    for name in ("agreement", "tests", "clips", "pairs", "ceiling", "profiles"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(again, name))
    assert found.agreement_of("same clips", "models")["n_pairs"] == 3 + 1 + 3
    assert found.agreement_of("same clips", "corpora")["n_pairs"] == 1 + 3 + 3
    assert found.about["void"] == [["model 0", "corpus 1"]]
    assert np.isnan(found.test_of("same clips", "models")["n_arrangements"])
    assert len(found.profiles) == 8 * 4
    # a void model need not have explained the clips at all
    gone = robustness(table[~row], void=void, n_bootstrap=20, n_permutations=99, n_splits=10)
    pd.testing.assert_frame_equal(found.agreement, gone.agreement)


def test_the_same_seed_gives_the_same_and_names_do_not_matter():
    table = made_up(8, corpus=0.5)
    settings = {"n_bootstrap": 50, "n_permutations": 99, "n_splits": 10}
    found, again = (robustness(table, seed=1, **settings) for _ in range(2))
    other = robustness(table.sample(frac=1.0, random_state=0), seed=1, **settings)
    for name in ("agreement", "tests", "clips", "pairs", "ceiling", "profiles"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(again, name))
    same = found.agreement["design"] == "same clips"
    merged = found.agreement[same].merge(
        other.agreement, on=["design", "what", "emotion"], suffixes=("", "_other")
    )
    np.testing.assert_allclose(merged["value"], merged["value_other"])


def test_scale_of_a_clip_does_not_matter():
    table = made_up(9)
    scaled = table.copy()
    factor = np.random.default_rng(0).uniform(0.1, 10, len(table))
    scaled[list(BANDS)] = table[list(BANDS)].mul(factor, axis=0)
    one, other = (robustness(some, **NO_TESTS) for some in (table, scaled))
    pd.testing.assert_frame_equal(one.agreement, other.agreement)


def test_an_emotion_of_one_clip_has_no_halves():
    table = made_up(10, n_speakers=4)
    few = table[(table["emotion"] != "anger") | (table["speaker"] == "s0")]
    found = robustness(few, n_bootstrap=20, n_permutations=19, n_splits=10)
    assert np.isnan(found.agreement_of("other clips", "models", "anger")["value"])
    assert np.isnan(found.test_of("other clips", "models", "anger")["p"])
    others = [found.agreement_of("other clips", "models", name)["value"] for name in EMOTIONS[1:]]
    assert found.agreement_of("other clips", "models")["value"] == pytest.approx(np.mean(others))
    assert np.isfinite(found.test_of("other clips", "difference")["p"])
    assert np.isfinite(found.agreement_of("same clips", "models", "anger")["value"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="speaker"), "no column speaker"),
        (lambda t: t[t["model"] == "model 0"], "1 models and 3 corpora; expected two or more"),
        (lambda t: t.assign(**{"band 0": np.nan}), "weights are no numbers"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "is there twice"),
        (lambda t: t.drop(columns=list(BANDS[2:])), "2 bands; expected 3 or more"),
        (
            lambda t: t[(t["corpus"] != "corpus 1") | (t["emotion"] != "anger")],
            "corpus 1 has no clip of anger that every model explained",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        robustness(change(made_up(0)), **NO_TESTS)


def test_other_refusals():
    table = made_up(0, n_models=2, n_corpora=2)
    with pytest.raises(InputError, match="'kendall'; expected pearson or spearman"):
        robustness(table, correlation="kendall", **NO_TESTS)
    with pytest.raises(InputError, match="is not in the table"):
        robustness(table, void=[("model 9", "corpus 0")], **NO_TESTS)
    void = [("model 0", "corpus 0"), ("model 1", "corpus 1")]
    with pytest.raises(InputError, match="no two models are left"):
        robustness(table, void=void, **NO_TESTS)
    with pytest.raises(InputError, match="no row design 'new clips'"):
        robustness(table, **NO_TESTS).agreement_of("new clips", "models")
