"""Probing from end to end: chance on noise, the truth where it is known, errors, files."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from cuelens.corpora import load_corpus
from cuelens.errors import InputError
from cuelens.probe import Acoustics, ProbeResult, Probing, measure_acoustics
from cuelens.probe.categories import FEATURES
from cuelens.probe.folds import shuffled_within_speakers, z_scores_by_speaker

TABLES = [field.name for field in fields(ProbeResult) if field.name != "about"]


def speakers_of(n_speakers, n_clips):
    return np.repeat([f"s{i:02d}" for i in range(n_speakers)], n_clips)


def above(values, share=0.6):
    return np.where(values > np.quantile(values, share), "anger", "neutral")


@pytest.fixture
def small(corpus_of, embedded_of, acoustics_of):
    """Five speakers, twelve clips each, three emotions; two features are in the embedding."""
    rng = np.random.default_rng(0)
    speakers = speakers_of(5, 12)
    x = rng.standard_normal((60, 16))
    y = np.column_stack([x[:, 0] + 0.2 * rng.standard_normal(60), rng.standard_normal((60, 2))])
    y[:, 1] += 2 * x[:, 1]
    emotions = np.resize(["anger", "fear", "neutral", "neutral"], 60)
    x[:, 0] += 2 * (emotions == "anger")
    corpus = corpus_of(
        speakers, emotions, arousal=x[:, 0] + rng.standard_normal(60), topic=["a"] * 60
    )
    return corpus, embedded_of(x), acoustics_of(y)


QUICK = Probing(n_permutations=40, n_random=1)


# -- nothing to find ---------------------------------------------------------------------------


def test_noise_is_at_chance_and_nothing_is_carried(corpus_of, embedded_of, acoustics_of):
    """300 clips of 10 speakers, 200 dimensions, features that correlate as real ones do."""
    inside, verdicts, p = [], [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        y = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 30))
        y += 1.5 * rng.standard_normal((300, 30))
        result = Probing(n_folds=5, n_permutations=40, n_random=1, seed=seed).probe(
            corpus_of(speakers_of(10, 30), rng.choice(["anger", "neutral"], 300)),
            embedded_of(rng.standard_normal((300, 200))),
            acoustics_of(y),
        )
        tasks = result.tasks
        for score in ("score", "score_top", "score_features"):
            inside += ((tasks[f"{score}_low"] < 0.5) & (tasks[f"{score}_high"] > 0.5)).tolist()
            assert tasks[score].between(0.38, 0.62).all()
        curve = result.curve
        assert curve["f1"].mean() == pytest.approx(0.5, abs=0.06)
        features = result.features[result.features["task"] == "anger"]
        verdicts += features["verdict"].tolist()
        p += features["p"].tolist()
        assert (features["r2_all"] < 0.1).all()
    assert np.mean(inside) > 0.75
    assert np.mean([verdict.startswith("carried") for verdict in verdicts]) <= 0.05
    assert np.mean([verdict == "not carried" for verdict in verdicts]) > 0.7
    assert np.mean(np.array(p) <= 0.05) < 0.15


def test_strong_voices_do_not_count_as_features(corpus_of, embedded_of, acoustics_of):
    """Without z-scores: voices set both the embedding and the features, clips do not."""
    carried = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        who = np.repeat(np.arange(8), 25)
        x = 2 * rng.standard_normal((8, 30))[who] + rng.standard_normal((200, 30))
        y = 2 * rng.standard_normal((8, 20))[who] + rng.standard_normal((200, 20))
        anger = rng.random(200) < rng.uniform(0.2, 0.8, 8)[who]
        result = Probing(normalise=False, n_permutations=40, n_random=0, seed=seed).probe(
            corpus_of(speakers_of(8, 25), np.where(anger, "anger", "neutral")),
            embedded_of(x),
            acoustics_of(y),
        )
        carried += result.features["verdict"].str.startswith("carried").tolist()
    assert np.mean(carried) <= 0.05


# -- the truth is known ------------------------------------------------------------------------


def planted(seed, *, n_speakers=12, n_clips=40):
    """24 features: 3 in the embedding and in the label, 8 in the embedding, 13 in neither."""
    rng = np.random.default_rng(seed)
    n = n_speakers * n_clips
    y = rng.gamma(2.0, size=(n, 24))  # skewed, as real ones are
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    own = np.repeat(np.arange(11), 4)
    x = np.concatenate(
        [y[:, own] + 0.6 * rng.standard_normal((n, 44)), rng.standard_normal((n, 52))], axis=1
    )
    cue = x[:, :12].reshape(n, 3, 4).mean(axis=2) @ rng.choice([-1, 1], 3)
    truth = np.repeat(["carried and used", "carried, not used", "not carried"], [3, 8, 13])
    return x, y, above(cue), truth, rng


def test_verdicts_are_right_where_the_truth_is_known(corpus_of, embedded_of, acoustics_of):
    right = []
    for seed in range(2):
        x, y, emotions, truth, _ = planted(seed)
        result = Probing(n_permutations=49, n_random=1, seed=seed).probe(
            corpus_of(speakers_of(12, 40), emotions), embedded_of(x), acoustics_of(y)
        )
        anger = result.features[result.features["task"] == "anger"]
        right += (anger["verdict"].to_numpy() == truth).tolist()
        assert anger["feature"].tolist() == list(FEATURES)[:24]
        row = result.tasks.set_index("task").loc["anger"]
        assert row["score_low"] > 0.75
        assert row["better_low"] > -0.2
    assert np.mean(right) >= 0.95


def test_nothing_is_used_for_shuffled_labels(corpus_of, embedded_of, acoustics_of):
    used = []
    for seed in range(3):
        x, y, emotions, _, rng = planted(seed, n_speakers=8)
        speakers = speakers_of(8, 40)
        emotions = emotions[shuffled_within_speakers(speakers, rng)]
        result = Probing(n_folds=5, n_permutations=40, n_random=0, seed=seed).probe(
            corpus_of(speakers, emotions), embedded_of(x), acoustics_of(y)
        )
        used += (result.features["verdict"] == "carried and used").tolist()
        carried = result.features["r2_all"].to_numpy().reshape(2, 24)[:, :11]
        assert (carried > 0.5).all()
    assert np.mean(used) <= 0.05


def test_a_value_is_predicted_and_its_feature_is_used(corpus_of, embedded_of, acoustics_of):
    x, y, emotions, _, rng = planted(9)
    x = z_scores_by_speaker(x, speakers_of(12, 40))
    arousal = x[:, :4].mean(axis=1) + 0.3 * rng.standard_normal(len(x))
    result = Probing(values=("arousal",), n_permutations=40, n_random=1).probe(
        corpus_of(speakers_of(12, 40), emotions, arousal=arousal), embedded_of(x), acoustics_of(y)
    )
    row = result.tasks.set_index("task").loc["arousal"]
    assert (row["metric"], row["chance"]) == ("R2", 0.0)
    assert row["score"] > 0.8
    assert np.isnan(row["f1"])
    features = result.features[result.features["task"] == "arousal"]["verdict"].tolist()
    assert features[0] == "carried and used"
    assert "carried and used" not in features[11:]


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize("turned", [False, True])
def test_verdicts_on_features_of_real_speech(data_dir, corpus_of, embedded_of, measured, turned):
    """Values of RAVDESS, each shuffled within speakers so that only planted relations are left."""
    corpus = load_corpus(data_dir / "ravdess")
    speakers = corpus.table["speaker"].to_numpy(str)
    rows = np.flatnonzero(np.isin(speakers, sorted(set(speakers))[:12]))
    corpus = replace(corpus, table=corpus.table.iloc[rows])
    speakers = corpus.table["speaker"].to_numpy(str)
    acoustics = measure_acoustics(corpus, cache=measured)
    rng = np.random.default_rng(0)
    y = z_scores_by_speaker(acoustics.features, speakers)
    y = np.stack([column[shuffled_within_speakers(speakers, rng)] for column in y.T], axis=1)
    order = rng.permutation(88)
    own = np.repeat(order[:18], 4)
    x = y[:, own] + 0.7 * rng.standard_normal((len(y), 72))
    cue = x[:, :20].reshape(len(y), 5, 4).mean(axis=2) @ rng.choice([-1, 1], 5)
    x = np.concatenate([x, rng.standard_normal((len(y), 120))], axis=1)
    if turned:
        x = x @ np.linalg.qr(rng.standard_normal((192, 192)))[0]
    truth = np.full(88, "not carried", dtype=object)
    truth[order[:18]] = "carried, not used"
    truth[order[:5]] = "carried and used"
    result = Probing(n_permutations=99, n_random=2).probe(
        corpus_of(speakers, above(cue)),
        embedded_of(x),
        Acoustics(
            names=acoustics.names,
            features=y,
            level_db=acoustics.level_db,
            duration_s=acoustics.duration_s,
        ),
    )
    anger = result.features[result.features["task"] == "anger"]
    assert (anger["verdict"].to_numpy() == truth).mean() >= 0.95
    assert not set(anger["feature"][anger["verdict"] == "carried and used"]) - set(
        np.array(acoustics.names)[order[:18]]
    )


# -- what is reported --------------------------------------------------------------------------


def test_numbers_of_a_result_fit_together(small):
    corpus, embedded, acoustics = small
    result = replace(QUICK, values=("arousal",)).probe(corpus, embedded, acoustics)
    assert result.tasks["task"].tolist() == ["anger", "fear", "neutral", "all emotions", "arousal"]
    features = result.features
    assert len(features) == 5 * 3
    for name in ("r2_all", "r2_within", "r2_top", "selectivity", "gain", "drop"):
        ends = 2 * features[name] - features[f"{name}_low"]  # even, and up to 1 for an R2
        ends = ends.clip(upper=1.0) if name.startswith("r2") else ends
        np.testing.assert_allclose(features[f"{name}_high"], ends, atol=1e-9)
    np.testing.assert_allclose(
        features["selectivity"], features["r2_all"] - features["r2_shuffled"], atol=1e-9
    )
    np.testing.assert_allclose(
        features["gain"], features["r2_top"] - features["r2_top_shuffled"], atol=1e-9
    )
    # the same clips and dimensions: what is carried does not depend on the task
    for _, rows in features.groupby("feature"):
        assert rows[["r2_all", "p", "q"]].drop_duplicates().shape == (1, 3)
    np.testing.assert_allclose(
        features["information_ratio"], features["rmse_all"] / features["rmse_top"], atol=1e-12
    )
    for p in (features["p"], features["p_top"]):  # of 40 shuffles
        assert p.between(1 / 41, 1).all()
        np.testing.assert_allclose(p * 41, np.round(p * 41), atol=1e-9)
    for (_, task), rows in result.importance.groupby(["layer", "task"]):
        assert sorted(rows["rank"]) == list(range(1, 17)), task
        best = rows.set_index("rank")["importance"].sort_index()
        assert best.is_monotonic_decreasing
    row = result.tasks.set_index("task").loc["anger"]
    assert row["n_of_class"] == 15
    curve = result.curve.query("task == 'anger' and which == 'top'")
    assert curve["n"].is_unique


def test_features_by_hand(small):
    """R2 over clips of speakers left out, about the mean of the training speakers."""
    corpus, embedded, acoustics = small
    result = QUICK.probe(corpus, embedded, acoustics)
    speakers = corpus.table["speaker"].to_numpy(str)
    x = z_scores_by_speaker(embedded.layer("embedding"), speakers)
    y = z_scores_by_speaker(acoustics.features, speakers)
    off, spread = np.zeros(3), np.zeros(3)
    for name in sorted(set(speakers)):
        train, test = np.flatnonzero(speakers != name), np.flatnonzero(speakers == name)
        inner = list(GroupKFold(4).split(train, groups=speakers[train]))
        errors = {penalty: np.zeros(3) for penalty in 10.0 ** np.arange(-1, 7)}
        for kept, part in inner:
            scaler = StandardScaler().fit(x[train[kept]])
            z, left_out = scaler.transform(x[train[kept]]), scaler.transform(x[train[part]])
            for penalty, error in errors.items():
                predicted = Ridge(alpha=penalty).fit(z, y[train[kept]]).predict(left_out)
                errors[penalty] = error + ((predicted - y[train[part]]) ** 2).sum(axis=0)
        scaler = StandardScaler().fit(x[train])
        for j in range(3):
            best = list(errors)[int(np.argmin([error[j] for error in errors.values()]))]
            model = Ridge(alpha=best).fit(scaler.transform(x[train]), y[train, j])
            off[j] += ((model.predict(scaler.transform(x[test])) - y[test, j]) ** 2).sum()
            spread[j] += ((y[test, j] - y[train, j].mean()) ** 2).sum()
    found = result.features[result.features["task"] == "fear"]["r2_all"]
    np.testing.assert_allclose(found, 1 - off / spread, atol=1e-8)


def test_balanced_sets_have_clips_of_their_own(small):
    result = replace(QUICK, balance="published").probe(*small)
    assert result.tasks["task"].tolist() == ["anger", "fear", "neutral"]
    # 15 fear and 30 neutral clips: 15 of anger, 7 and 7 of the others
    assert result.tasks.set_index("task").loc["anger", ["n_clips", "n_of_class"]].tolist() == [
        29,
        15,
    ]


def test_without_shuffles_nothing_is_called_carried(small):
    result = replace(QUICK, n_permutations=0, n_random=0).probe(*small)
    assert not result.features["verdict"].str.startswith("carried").any()
    assert result.features[["p", "q", "p_top", "q_top", "r2_random"]].isna().all(axis=None)


def test_a_feature_that_does_not_vary_gets_no_number(small):
    corpus, embedded, acoustics = small
    y = acoustics.features.copy()
    y[:, 2] = 7.0
    result = QUICK.probe(corpus, embedded, replace(acoustics, features=y))
    flat = result.features[result.features["feature"] == acoustics.names[2]]
    assert flat["r2_all"].isna().all()
    assert (flat["verdict"] == "undecided").all()


def test_a_feature_that_does_not_vary_changes_no_other(small):
    corpus, embedded, acoustics = small
    y = acoustics.features.copy()
    y[:, 2] = 7.0
    with_flat = QUICK.probe(corpus, embedded, replace(acoustics, features=y)).features
    without = QUICK.probe(
        corpus, embedded, replace(acoustics, features=y[:, :2], names=acoustics.names[:2])
    ).features
    kept = with_flat[with_flat["feature"].isin(acoustics.names[:2])]
    np.testing.assert_allclose(kept["r2_all"], without["r2_all"], atol=1e-9)
    np.testing.assert_allclose(kept["q"], without["q"], atol=1e-9)


def test_inputs_are_not_changed(small):
    corpus, embedded, acoustics = small
    before = corpus.table.copy(), embedded.values.copy(), acoustics.features.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 that nobody touches it
    QUICK.probe(corpus, embedded, acoustics)
    pd.testing.assert_frame_equal(corpus.table, before[0])
    np.testing.assert_array_equal(embedded.values, before[1])
    np.testing.assert_array_equal(acoustics.features, before[2])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_same_seed_same_bytes_and_another_seed_other_shuffles(small, tmp_path):
    for name in ("first", "again"):
        QUICK.probe(*small).save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted([*(f"{name}.parquet" for name in TABLES), "probe.json"])
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    other = replace(QUICK, seed=1).probe(*small).features
    first = ProbeResult.load(tmp_path / "first").features
    assert not np.allclose(other["r2_shuffled"], first["r2_shuffled"])
    np.testing.assert_allclose(other["r2_all"], first["r2_all"])


def test_save_and_load(small, tmp_path):
    result = replace(QUICK, emotions=("anger", "neutral"), values=("arousal",)).probe(*small)
    result.save(tmp_path / "deep" / "folder")
    loaded = ProbeResult.load(tmp_path / "deep" / "folder")
    for name in TABLES:
        pd.testing.assert_frame_equal(
            getattr(loaded, name).astype({"n_of_class": float} if name == "tasks" else {}),
            getattr(result, name).astype({"n_of_class": float} if name == "tasks" else {}),
        )
    assert loaded.about == json.loads(json.dumps(result.about))
    content = json.loads((tmp_path / "deep" / "folder" / "probe.json").read_text("utf-8"))
    assert len(content["verdicts"]) == len(result.features)
    assert content["settings"]["emotions"] == ["anger", "neutral"]


def test_what_was_loaded_is_saved_as_the_same_bytes(small, tmp_path):
    QUICK.probe(*small).save(tmp_path / "first")
    ProbeResult.load(tmp_path / "first").save(tmp_path / "again")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("damage", ["probe.json", "features.parquet", "not json"])
def test_a_damaged_folder_is_refused(small, tmp_path, damage):
    QUICK.probe(*small).save(tmp_path)
    if damage == "not json":
        (tmp_path / "probe.json").write_text("{", encoding="utf-8")
    else:
        (tmp_path / damage).unlink()
    with pytest.raises(InputError, match="cannot be read as the result of cuelens probe"):
        ProbeResult.load(tmp_path)


def test_progress_reaches_its_end(small):
    seen = []
    QUICK.probe(*small, progress=lambda what, done, of: seen.append((what, done, of)))
    dones = [done for _, done, _ in seen]
    assert dones == sorted(dones)
    assert dones[0] == 0
    assert dones[-1] == seen[-1][2]


def test_a_voice_in_the_dimensions_that_matter_is_warned_of(small, embedded_of):
    corpus, embedded, acoustics = small
    who = np.repeat(np.arange(5), 12)
    x = embedded.layer("embedding") + 6 * np.random.default_rng(0).standard_normal((5, 16))[who]
    result = QUICK.probe(corpus, embedded_of(x), acoustics)
    assert "also tell who speaks" in result.about["warnings"][0]
    assert not QUICK.probe(corpus, embedded, acoustics).about["warnings"]


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_permutations": 5}, r"n_permutations is 5; expected 0 \(no tests\) or 40 and more"),
        ({"n_permutations": 40, "alpha": 0.01}, "is 40; expected 0 .* or 200 and more"),
        ({"n_permutations": -1}, "n_permutations is -1; expected 0"),
        ({"n_random": -1}, "n_random is -1; expected 0 or more"),
        ({"balance": "even"}, "balance is 'even'; expected one of weighted, published"),
        ({"importance": "lime"}, "importance is 'lime'; expected one of shap"),
        ({"negligible_r2": 0.0}, "negligible_r2 is 0.0; expected a number between 0 and 1"),
        ({"alpha": 1.0}, "alpha is 1.0; expected a number between 0 and 1"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        Probing(**settings)


def test_three_speakers_are_too_few(small, embedded_of, acoustics_of):
    corpus, embedded, acoustics = small
    part = replace(corpus, table=corpus.table.iloc[:36])
    x, y = embedded.layer("embedding")[:36], acoustics.features[:36]
    with pytest.raises(InputError, match=r"3 speakers .* expected at least 4"):
        QUICK.probe(part, embedded_of(x), acoustics_of(y))


def test_speakers_that_are_missing(small):
    corpus, embedded, acoustics = small
    table = corpus.table.copy()
    table.loc[[3, 7], "speaker"] = None
    with pytest.raises(InputError, match="2 clips have no speaker"):
        QUICK.probe(replace(corpus, table=table), embedded, acoustics)


def test_an_emotion_of_two_speakers(small):
    corpus, embedded, acoustics = small
    table = corpus.table.copy()
    table["emotion"] = np.where(
        (table["emotion"] == "fear") & (table["speaker"] > "s01"), "neutral", table["emotion"]
    )
    with pytest.raises(InputError, match="fear is spoken by 2 of the speakers"):
        QUICK.probe(replace(corpus, table=table), embedded, acoustics)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emotions": ("anger", "xyzzy")}, "xyzzy"),
        ({"emotions": ("anger", "disgust")}, "no clip of disgust"),
        ({"emotions": ("anger",)}, "only anger to tell"),
        ({"values": ("valence",)}, "no column 'valence'"),
        ({"values": ("topic",)}, "column 'topic' has values that are no numbers, such as 'a'"),
        ({"n_folds": 9}, "n_folds is 9; expected"),
    ],
)
def test_questions_that_a_corpus_cannot_answer(small, settings, message):
    with pytest.raises(InputError, match=message):
        replace(QUICK, **settings).probe(*small)


def test_numbers_of_clips_that_differ(small, embedded_of, acoustics_of):
    corpus, embedded, acoustics = small
    with pytest.raises(InputError, match="60 clips, the embedding 59 and the features 60"):
        QUICK.probe(corpus, embedded_of(embedded.layer("embedding")[:59]), acoustics)
    with pytest.raises(InputError, match="60 clips, the embedding 60 and the features 58"):
        QUICK.probe(corpus, embedded, acoustics_of(acoustics.features[:58]))


def test_a_layer_that_is_not_there(small):
    with pytest.raises(InputError, match="no layer 'top'"):
        QUICK.probe(*small, layers=["top"])


def test_acoustics_that_do_not_fit():
    with pytest.raises(InputError, match="expected as many rows of each and a name for every"):
        Acoustics(
            names=("a",), features=np.ones((3, 2)), level_db=np.ones(3), duration_s=np.ones(3)
        )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_value_that_is_missing(small, value):
    corpus, embedded, acoustics = small
    y = acoustics.features.copy()
    y[3, 1] = value
    with np.errstate(all="ignore"), pytest.raises(InputError, match="expected numbers"):
        QUICK.probe(corpus, embedded, replace(acoustics, features=y))


def test_an_emotion_whose_speakers_share_a_fold(corpus_of, embedded_of, acoustics_of):
    rng = np.random.default_rng(0)
    speakers = speakers_of(12, 10)
    emotions = np.resize(["anger", "neutral"], 120)
    rare = np.isin(speakers, ["s00", "s05", "s10"]) & (emotions == "anger")
    corpus = corpus_of(speakers, np.where(rare, "fear", emotions))
    try:
        QUICK.probe(
            corpus,
            embedded_of(rng.standard_normal((120, 20))),
            acoustics_of(rng.standard_normal((120, 3))),
        )
    except InputError:
        return


@pytest.mark.parametrize(
    ("values", "column"), [(("arousal", "arousal"), "arousal"), (("anger",), "anger")]
)
def test_two_tasks_of_one_name(small, values, column):
    corpus, embedded, acoustics = small
    table = corpus.table.assign(**{column: np.arange(60.0)})
    try:
        replace(QUICK, values=values).probe(replace(corpus, table=table), embedded, acoustics)
    except InputError:
        return
