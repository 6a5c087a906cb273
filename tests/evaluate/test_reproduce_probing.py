from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate import reproduce_probing as module
from cuelens.evaluate.probing_reproduction import ProbingReproduction
from cuelens.evaluate.reproduce_probing import PAPER, mixture, reproduce_probing
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.probe import Probing
from cuelens.probe import published as published_module
from cuelens.probe.acoustics import Acoustics
from cuelens.probe.categories import CATEGORIES, FEATURES
from cuelens.probe.published import draw_clips, nested_f1, per_speaker, published_probing

N_DIMENSIONS = 12


def made_up(
    *,
    emotions=("anger", "calm", "neutral", "sadness"),
    n_each=4,
    n_speakers=5,
    seed=0,
    name="made up",
):
    """A corpus, an embedding of its features, and the features, that tell anger and neutral."""
    rng = np.random.default_rng(seed)
    emotion_of = np.tile(np.repeat(emotions, n_each), n_speakers)
    n = len(emotion_of)
    table = pd.DataFrame(
        {
            "file": [f"/made/up/{i:04d}.wav" for i in range(n)],
            "start": 0.0,
            "end": np.nan,
            "speaker": np.repeat([f"s{k:02d}" for k in range(n_speakers)], n // n_speakers),
            "emotion": emotion_of,
            "sentence": None,
        }
    )
    features = rng.standard_normal((n, len(FEATURES)))
    features[:, 0] += 2 * (emotion_of == "anger")
    features[:, 10] += 2 * (emotion_of == "neutral")
    mixed = features @ rng.standard_normal((len(FEATURES), N_DIMENSIONS - 1)) / 9
    values = np.column_stack([features[:, 0], np.tanh(mixed)])
    return (
        Corpus(name=name, licence="none", table=table),
        embedded(values),
        Acoustics(
            names=FEATURES,
            features=features,
            level_db=rng.uniform(-30, -20, n),
            duration_s=rng.uniform(1, 2, n),
        ),
    )


def embedded(values):
    return EmbeddedCorpus(
        name="vectors",
        values=values[:, None].astype(np.float32),
        layers=("last",),
        dimensions=tuple(str(i) for i in range(values.shape[1])),
    )


@pytest.fixture(scope="module", autouse=True)
def few_strengths():
    """The same procedure with fewer of them: a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published_module, "STRENGTHS", (0.1, 1))
        yield


@pytest.fixture(scope="module")
def data():
    return made_up(name="ravdess")


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def found(data, steps) -> ProbingReproduction:
    return reproduce_probing(
        *data, n_repeats=2, n_permutations=40, n_workers=1, progress=lambda *a: steps.append(a)
    )


def test_the_published_columns_are_those_of_the_published_procedure(data, found):
    corpus, vectors, acoustics = data
    labels = corpus.table["emotion"].to_numpy(dtype=str)
    speakers = corpus.table["speaker"].to_numpy(dtype=str)
    for contrast in ("neutral", "others"):
        theirs = published_probing(
            vectors.layer("last"),
            acoustics.features,
            labels,
            speakers,
            contrast=contrast,
            n_workers=1,
        ).to_frame()
        ours = found.published(contrast)
        assert list(ours.index) == ["anger", "neutral", "sadness"]  # calm is not in the paper
        for column, name in (("egemaps", "f1_egemaps"), ("all", "f1_embedding"), ("top", "f1_top")):
            np.testing.assert_array_equal(ours[column], theirs[name])


def test_repeats_draw_other_clips_and_test_on_other_speakers(data, found):
    corpus, _, acoustics = data
    labels = corpus.table["emotion"].to_numpy(dtype=str)
    speakers = corpus.table["speaker"].to_numpy(dtype=str)
    scaled = per_speaker(acoustics.features, speakers)
    scores = []
    for seed in (43, 44):
        names = np.unique(speakers)
        new = dict(zip(names, np.random.default_rng(seed).permutation(names), strict=True))
        renamed = np.array([new[name] for name in speakers])
        rows, y = draw_clips(labels, contrast="others", seed=seed)["anger"]
        scores.append(nested_f1(scaled[rows], y, renamed[rows])[0])
    row = found.published("others").loc["anger"]
    assert row["egemaps_mean"] == pytest.approx(np.mean(scores))
    assert row["egemaps_sd"] == pytest.approx(np.std(scores, ddof=1))


def test_the_corrected_columns_are_those_of_probing(data, found):
    probing = Probing(
        emotions=("anger", "neutral", "sadness"), n_permutations=40, n_random=0, seed=42
    )
    tasks = probing.probe(*data).tasks.set_index("task")
    ours = found.corrected.set_index("emotion")
    for end in ("", "_low", "_high"):
        for name, theirs in (("egemaps", "f1_features"), ("all", "f1"), ("top", "f1_top")):
            expected = tasks.loc[ours.index, f"{theirs}{end}"]
            np.testing.assert_array_equal(ours[f"{name}{end}"], expected)


def test_neutral_is_told_from_itself_in_the_published_way_only(found):
    assert found.published("neutral").loc["neutral", "egemaps_mean"] < 0.3
    assert found.corrected.set_index("emotion").loc["neutral", "egemaps"] > 0.6


def test_progress_ends_where_it_said(steps):
    stages = list(dict.fromkeys(what for what, _, _ in steps))
    assert stages == [
        "speakers held out: embedding",
        "speakers held out: mixture",
        "speakers held out: noise",
        "as published: embedding, from neutral",
        "as published: embedding, from the others",
        "as published: mixture, from neutral",
        "as published: mixture, from the others",
        "as published: noise, from the others",
        "as published: other clips and speakers",
    ]
    for stage in stages:
        done = [d for what, d, _ in steps if what == stage]
        total = {t for what, _, t in steps if what == stage}
        assert done == sorted(done)
        assert total == {done[-1]}


def test_a_mixture_favours_no_feature_and_carries_all():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 88)) * rng.uniform(0.1, 100, 88) + 50
    speakers = np.repeat(["a", "b"], 200)
    mixed = mixture(features, speakers, n_dimensions=1024, rng=rng)
    assert mixed.shape == (400, 1024)
    z = per_speaker(features, speakers)
    carried = ((z.T @ mixed) / len(z)) ** 2
    shares = carried.sum(axis=1)
    assert shares.std() / shares.mean() < 0.15  # as much of every feature
    expected = np.tanh(z @ (np.random.default_rng(1).standard_normal((88, 1024)) / np.sqrt(88)))
    again = mixture(features, speakers, n_dimensions=1024, rng=np.random.default_rng(1))
    np.testing.assert_allclose((again - expected).std(), 0.5, rtol=0.02)


def test_orders_and_steps_are_those_of_the_tables(found):
    rows = found.categories
    published = rows[(rows["of"] == "embedding") & (rows["measure"] == "published, neutral")]
    means = published[published["emotion"] != "neutral"].groupby("category")["value"].mean()
    assert found.order_of("embedding", "published, neutral") == tuple(
        sorted(means.index, key=lambda name: -means[name])
    )
    assert set(found.order_of("mixture", "gain")) == set(CATEGORIES)
    assert sum(found.steps("embedding", "gain").values()) == 9
    given = pd.DataFrame(
        {
            "of": "embedding",
            "measure": "gain",
            "difference_low": [0.1, -0.2, -0.3, 0.2],
            "difference_high": [0.2, -0.1, 0.3, 0.4],
        }
    )
    counted = replace(found, order=given).steps("embedding", "gain")
    assert counted == {"holds": 2, "reversed": 1, "open": 1}


def test_the_summary_says_what_the_tables_hold(found):
    text = " ".join(found.summary)
    assert 3 <= len(found.summary) <= 6
    top = 100 * found.published("others")["top"].mean()
    assert f"reach F1 {top:.1f} on average against the others" in text
    assert f"{100 * found.noise['published_top'].mean():.1f} in the published way" in text


def test_saved_is_what_was_found(found, tmp_path):
    found.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    content = json.loads((folder / "reproduction.json").read_text("utf-8"))
    assert content["summary"] == list(found.summary)
    assert content["noise"][0]["published_top"] == pytest.approx(
        found.noise["published_top"].iloc[0], abs=1e-6
    )
    for name in ("f1", "corrected", "noise", "categories", "order"):
        table = pd.read_csv(folder / f"{name}.csv")
        assert len(table) == len(content[name])
    assert {row["of"] for row in content["orders"]} == {"embedding", "mixture", "noise"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same(data, found):
    again = reproduce_probing(*data, n_repeats=2, n_permutations=40, n_workers=1)
    assert again.to_dict() == found.to_dict()


def test_the_printed_figures_stand_beside_ravdess(found):
    assert found.published("others").loc["sadness", "paper_egemaps"] == pytest.approx(0.756)
    assert found.published("neutral").loc["anger", "paper_wavlm_top"] == 1.0
    assert "(printed: 83.8)" in found.summary[0]  # anger 92.1, sadness 75.6
    assert list(PAPER["wavlm"].values()) == [98.1, 96.6, 0.0, 93.3, 82.7, 99.1]


def test_without_neutral_clips_emotions_are_told_from_the_others():
    found = reproduce_probing(
        *made_up(emotions=("anger", "fear")), n_repeats=2, n_permutations=0, n_workers=1
    )
    assert found.contrasts == ("others",)
    assert found.summary[0].startswith("There are no neutral clips")
    assert found.summary[-1].endswith("are open, by information increase.")  # no shuffles, no gain
    assert set(found.f1["contrast"]) == {"others"}
    assert found.f1[["paper_egemaps", "paper_wavlm"]].isna().all(axis=None)  # not RAVDESS
    assert found.to_dict()["f1"][0]["paper_egemaps"] is None


def test_what_cannot_be_used_is_refused(data):
    corpus, vectors, acoustics = data
    with pytest.raises(InputError, match="n_repeats is 1; expected 2 or more"):
        reproduce_probing(*data, n_repeats=1)
    with pytest.raises(InputError, match="seed is -1; expected 0 to"):
        reproduce_probing(*data, seed=-1)
    with pytest.raises(InputError, match="n_permutations is 7; expected 0"):
        reproduce_probing(*data, n_permutations=7)
    with pytest.raises(InputError, match="has no layer 'first'; expected one of last"):
        reproduce_probing(*data, layer="first")
    with pytest.raises(InputError, match="expected the 88 functionals"):
        reproduce_probing(corpus, vectors, replace(acoustics, names=FEATURES[::-1]))
    calm, some, of_some = made_up(emotions=("anger", "calm"))
    with pytest.raises(InputError, match="has the emotions anger, calm; expected at least two of"):
        reproduce_probing(calm, some, of_some)
    table = corpus.table.assign(speaker=None)
    with pytest.raises(InputError, match="80 clips have no speaker"):
        reproduce_probing(Corpus(name="?", licence="none", table=table), vectors, acoustics)


@pytest.mark.slow
def test_noise_tells_emotions_in_the_published_way_only():
    """About as many clips as published: dimensions are chosen on those that they are scored on."""
    corpus, _, acoustics = made_up(emotions=("anger", "fear", "neutral"), n_each=8, n_speakers=12)
    noise = np.random.default_rng(5).standard_normal((len(corpus), 200))
    labels = corpus.table["emotion"].to_numpy(dtype=str)
    speakers = corpus.table["speaker"].to_numpy(dtype=str)
    published = published_probing(noise, acoustics.features, labels, speakers, n_workers=1)
    corrected = Probing(n_permutations=0, n_random=0).probe(corpus, embedded(noise), acoustics)
    table = module._noise_table(published, corrected)
    np.testing.assert_array_equal(table["published_top"], published.to_frame()["f1_top"])
    assert table["published_top"].mean() > 0.62
    assert table["published_top"].min() > 0.55
    assert table["top"].mean() == pytest.approx(0.5, abs=0.06)
    assert ((table["top_low"] < 0.5) & (table["top_high"] > 0.5)).all()
    assert ((table["uar_top_low"] < 0.5) & (table["uar_top_high"] > 0.5)).all()
