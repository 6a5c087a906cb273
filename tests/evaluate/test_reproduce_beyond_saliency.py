"""Salient windows over a corpus: counted by hand, enumerated, equal to what single parts give."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile
import torch
import typer
from tests.figure_checks import check_figure
from torch import nn
from typer.testing import CliRunner

from cuelens import InputError
from cuelens.audio import Audio
from cuelens.cli.reproduce_beyond_saliency import beyond_saliency
from cuelens.corpora import Corpus, demo_corpus
from cuelens.cues import WINDOW_CUES, analyse_corpus, corpus_baseline, measure_cues
from cuelens.cues.definitions import CUES, F0_DESCRIPTOR
from cuelens.cues.measure import windows_in_speech
from cuelens.evaluate.beyond_saliency_listening import (
    FLAWS,
    Neutral,
    _all_frames,
    leading_silence_s,
    listen_to_clip,
    ways_of,
)
from cuelens.evaluate.beyond_saliency_overlap import chance_iou, interval_iou, tile_iou
from cuelens.evaluate.beyond_saliency_result import BeyondSaliency
from cuelens.evaluate.beyond_saliency_statistics import Shuffled
from cuelens.evaluate.beyond_saliency_tables import (
    MOMENTS,
    SAME_ANSWER,
    agreement_table,
    correlation_table,
    flaw_table,
    overlap_table,
)
from cuelens.evaluate.intervals import Sample, bootstrapped
from cuelens.evaluate.reproduce_beyond_saliency import reproduce_beyond_saliency
from cuelens.explain import ConceptRelevance, GradCam, Occlusion
from cuelens.features import LogMel
from cuelens.models import PublishedLogMel, TorchModel, load_model
from cuelens.report.beyond_saliency_figure import plot_beyond_saliency
from cuelens.testing import BandModel, speech_like


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    """Three speakers, each with three neutral clips and two of other emotions."""
    folder = tmp_path_factory.mktemp("Stimmen ä")
    rows = []
    for number, (speaker, emotion) in enumerate(
        product("abc", ("neutral", "neutral", "neutral", "anger", "sadness"))
    ):
        f0_hz = {"neutral": 110, "anger": 190, "sadness": 95}[emotion] + 7 * number
        sound = speech_like(f0_hz=f0_hz, duration_s=0.6, seed=number)
        file = folder / f"{number:02}.wav"
        soundfile.write(file, np.concatenate([np.zeros(3200), 0.5 * sound]), 16_000)
        rows.append((str(file), 0.0, np.nan, speaker, emotion, "x"))
    columns = ["file", "start", "end", "speaker", "emotion", "sentence"]
    return Corpus(name="made", licence="none", table=pd.DataFrame(rows, columns=columns))


@pytest.fixture(scope="module")
def model(corpus) -> TorchModel:
    """A small network that answers as it is told: two of three speakers are sad when angry."""
    torch.manual_seed(0)
    front_end = PublishedLogMel(log_mel=LogMel(n_mels=16), duration_s=0.9, trim="none")
    body = nn.Sequential(nn.Conv2d(1, 24, 5, stride=3), nn.ReLU())
    labels = ("anger", "neutral", "sadness")
    pictures = [front_end.network_input(corpus.audio(row).samples).values for row in range(15)]
    with torch.no_grad():
        seen = body(torch.from_numpy(np.concatenate(pictures))).mean(dim=(2, 3)).numpy()
    answers = corpus.table["emotion"].to_numpy(dtype=str)
    answers[[3, 8, 5]] = "sadness", "sadness", "anger"
    wanted = 10.0 * (answers[:, None] == np.array(labels))
    weights = np.linalg.lstsq(np.column_stack([seen, np.ones(15)]), wanted, rcond=None)[0]
    last = nn.Linear(24, 3)
    last.weight.data = torch.from_numpy(weights[:-1].T).float()
    last.bias.data = torch.from_numpy(weights[-1]).float()
    module = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()
    return TorchModel(module=module, labels=labels, front_end=front_end, name="small")


@pytest.fixture(scope="module")
def tracks():
    return measure_cues(Audio(samples=speech_like(duration_s=1.2), sample_rate=16_000))


@pytest.fixture(scope="module")
def found(corpus, model) -> BeyondSaliency:
    return reproduce_beyond_saliency(
        corpus, model, explainers=("grad-cam", "occlusion"), n_clips=None, n_permutations=200
    )


# Overlap


def test_overlap_of_known_windows():
    one = np.array([[0.0, 0.2], [0.5, 0.7]])
    assert interval_iou(one, one) == pytest.approx(1.0)
    assert interval_iou(one, one + 0.2) == 0.0
    other = np.array([[0.1, 0.3], [0.9, 1.1]])
    assert interval_iou(one, other) == pytest.approx(0.1 / 0.7)
    assert interval_iou(one, np.array([[0.0, 1.0]])) == pytest.approx(0.4)


@pytest.mark.parametrize("strata", [((7, 3, 2),), ((4, 2, 1), (3, 1, 3)), ((5, 5, 2), (2, 0, 1))])
def test_expected_overlap_of_tiles_is_the_mean_over_all_sets(strata):
    first, second = [()], [()]
    offset = 0
    for n_tiles, n_first, n_second in strata:
        places = range(offset, offset + n_tiles)
        first = [a + b for a in first for b in combinations(places, n_first)]
        second = [a + b for a in second for b in combinations(places, n_second)]
        offset += n_tiles
    values = [len({*a} & {*b}) / len({*a} | {*b}) for a in first for b in second]
    assert tile_iou(strata) == pytest.approx(np.mean(values))


def test_random_windows_overlap_as_all_places_do(tracks):
    window_s = 0.15
    starts = np.arange(0, int(1.2 / 0.01) - 15 + 1) * 0.01
    starts = starts[windows_in_speech(tracks, starts, window_s=window_s)]
    edges = np.column_stack([starts, starts + window_s])
    expected = np.mean([interval_iou(a[None], b[None]) for a in edges for b in edges])
    drawn = [
        chance_iou(tracks, edges[3:4], edges[9:10], window_s=window_s, seed=seed)
        for seed in range(20)
    ]
    assert np.mean(drawn) == pytest.approx(expected, abs=0.02)


def test_tiles_in_speech_stay_in_speech(corpus):
    tracks = measure_cues(corpus.audio(0))  # 0.2 s of silence, then 0.6 s of speech
    edges = np.arange(5)[:, None] * 0.15 + [0.0, 0.15]
    speech = windows_in_speech(tracks, edges[:, 0], window_s=0.15)
    assert 0 < (~speech).sum() < 3
    chosen = edges[speech][:2]
    expected = tile_iou([(int(speech.sum()), 2, 2)])
    assert chance_iou(tracks, chosen, chosen, window_s=0.15, on_grid=True) == pytest.approx(
        expected
    )


# Agreement


def made_cells(entries) -> pd.DataFrame:
    rows = [
        {
            "explainer": "lrp",
            "way": "corrected",
            "reference": "neutral",
            "row": row,
            "speaker": speaker,
            "truth": "anger" if correct else "fear",
            "answer": answer,
            "correct": correct,
            "cue": cue,
            "salient": float(salient),
            "random": random,
            "loudest": 1.0,
        }
        for row, (speaker, answer, correct, hits) in enumerate(entries)
        for cue, (salient, random) in hits.items()
    ]
    return pd.DataFrame(rows)


def rows_of(table: pd.DataFrame) -> dict:
    return {(row["answers"], row["moments"]): row for row in table.to_dict("records")}


def test_shares_are_counted_by_hand():
    cells = made_cells(
        [
            ("a", "anger", True, {"f0_level": (1, 0.5), "intensity": (1, 1.0)}),
            ("a", "anger", True, {"f0_level": (0, 0.25)}),
            ("a", "anger", False, {"f0_level": (0, 0.5)}),
            ("b", "fear", True, {"f0_level": (1, 1.0)}),
            ("b", "anger", False, {"f0_level": (1, 0.0), "intensity": (0, 0.0)}),
            ("b", "anger", True, {"f0_level": (1, 1.0)}),
        ]
    )
    table = rows_of(agreement_table(cells, over="clips", n_permutations=100))
    assert table["right", "salient"]["value"] == pytest.approx(4 / 5)
    assert table["wrong", "salient"]["value"] == pytest.approx(1 / 3)
    assert table["all", "random"]["value"] == pytest.approx(4.25 / 8)
    assert table["right", "salient minus random"]["value"] == pytest.approx(0.8 - 3.75 / 5)
    assert table["right", "salient minus loudest"]["value"] == pytest.approx(-0.2)
    difference = table["right minus wrong", "salient"]
    assert difference["value"] == pytest.approx(4 / 5 - 1 / 3)
    counts = [difference[name] for name in ("n_cells", "n_clips", "n_speakers")]
    assert counts == [8, 6, 2]
    # anger of a: 2/3 of three cells against 0 of one; of b: 1 of one against 1/2 of two
    same = table[SAME_ANSWER, "salient"]
    weights = 3 * 1 / 4, 1 * 2 / 3
    expected = (weights[0] * 2 / 3 + weights[1] * 1 / 2) / sum(weights)
    assert same["value"] == pytest.approx(expected)
    assert (same["n_cells"], same["n_clips"]) == (7, 5)
    assert np.isnan(same["low"])
    # shares of few clips are as uncertain as Wilson says
    wilson = scipy.stats.binomtest(5, 5).proportion_ci(0.95, method="wilson")
    assert table["right", "loudest"]["low"] == pytest.approx(4 / (4 + 1.96**2), abs=1e-3)
    assert wilson.high == pytest.approx(table["right", "loudest"]["high"])


def test_p_is_the_share_of_shuffles_within_speakers():
    cells = made_cells(
        [
            ("a", "anger", True, {"f0_level": (1, 0.5)}),
            ("a", "anger", True, {"f0_level": (1, 0.5), "intensity": (0, 0.5)}),
            ("a", "anger", False, {"f0_level": (0, 0.5)}),
            ("a", "anger", False, {"f0_level": (0, 0.5), "intensity": (1, 0.5)}),
            ("b", "anger", True, {"f0_level": (1, 0.5)}),
            ("b", "anger", False, {"f0_level": (0, 0.5)}),
            ("b", "anger", False, {"f0_level": (0, 0.5)}),
        ]
    )
    hits, n = np.array([1, 1, 0, 1, 1, 0, 0.0]), np.array([1, 2, 1, 2, 1, 1, 1])
    drawn = []
    for a in set(permutations((1, 1, 0, 0))):
        for b in set(permutations((1, 0, 0))):
            right = np.array(a + b, dtype=bool)
            drawn.append(hits[right].sum() / n[right].sum() - hits[~right].sum() / n[~right].sum())
    seen = 3 / 4 - 1 / 5
    exact = np.mean(np.abs(drawn) >= seen - 1e-12)
    shuffled = Shuffled.of(cells, "salient", within=["speaker"])
    assert shuffled.difference() == pytest.approx(seen)
    assert shuffled.p(20_000) == pytest.approx(exact, abs=0.015)
    alone = Shuffled.of(cells[cells["correct"]], "salient", within=["speaker"])
    assert np.isnan(alone.difference())
    assert np.isnan(alone.p(10))


def test_intervals_are_those_of_the_normal_distribution_where_clusters_are_many():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0.2, 1.0, 400), rng.uniform(0.0, 0.8, 400)
    clusters = np.arange(400)
    one, other = (Sample(values, np.ones(400), clusters) for values in (x, y))
    value, low, high = bootstrapped([one])
    assert value == pytest.approx(x.mean())
    reach = 1.96 * x.std(ddof=1) / 20
    assert (value - low, high - value) == pytest.approx((reach, reach), rel=0.1)
    value, low, high = bootstrapped([other, one])
    assert value == pytest.approx(y.mean() - x.mean())
    paired = 1.96 * (x - y).std(ddof=1) / 20
    assert (value - low, high - value) == pytest.approx((paired, paired), rel=0.1)


def test_intervals_need_three_clusters_and_both_sides():
    few = Sample(np.array([1.0, 0.0]), np.ones(2), np.array(["a", "b"]))
    weightless = Sample(np.array([1.0, 0.0, 0.0]), np.array([1, 1, 0]), np.array(["a", "b", "c"]))
    for sample in (few, weightless):
        value, low, high = bootstrapped([sample])
        assert value == 0.5
        assert np.isnan([low, high]).all()
    nobody = Sample(np.empty(0), np.empty(0), np.empty(0, dtype=str))
    assert np.isnan(bootstrapped([few, nobody])).all()


# Cues


def test_published_values_count_unvoiced_frames_as_zero(corpus):
    sound = np.concatenate([speech_like(duration_s=0.5), np.zeros(8000, dtype=np.float32)])
    tracks = measure_cues(Audio(samples=sound, sample_rate=16_000))
    edges = np.array([[0.4, 0.7]])
    f0 = tracks.frames[F0_DESCRIPTOR].to_numpy(dtype=float)
    times_s = tracks.times_s(F0_DESCRIPTOR)
    inside = f0[(times_s >= 0.4 - 1e-7) & (times_s < 0.7 - 1e-7)]
    assert 0 < (inside > 0).sum() < len(inside)
    column = WINDOW_CUES.index("f0_level")
    assert tracks.values(edges)[0, column] == pytest.approx(inside[inside > 0].mean())
    assert _all_frames(tracks).values(edges)[0, column] == pytest.approx(inside.mean())


def test_the_baseline_is_that_of_the_corpus(corpus):
    neutral = Neutral(corpus, 0.15)
    for row in (0, 3, 9):
        speaker, own = corpus.speaker_of(row), corpus.table["emotion"].iloc[row] == "neutral"
        expected = corpus_baseline(
            corpus, window_s=0.15, speaker=speaker, without=row if own else None
        )
        found = neutral(row, every_frame=False)
        assert found.kind == expected.kind == "speaker's neutral"
        np.testing.assert_array_equal(found.windows, expected.windows)
    table = corpus.table.assign(speaker=[f"s{k}" for k in range(len(corpus))])
    others = Neutral(replace(corpus, table=table), 0.15)(3, every_frame=False)
    assert others.kind == "corpus"


def test_corrected_is_what_the_corpus_analysis_finds(corpus, model, found):
    whole = analyse_corpus(corpus, model, lambda audio: GradCam().explain(model, audio))
    ways = {"grad-cam": ways_of("grad-cam", model)}
    clip, got = (
        whole.clips[8],
        listen_to_clip(corpus, model, ways, Neutral(corpus, 0.15), 5, 0.15, 0, 8),
    )
    own = got["explainers"]["grad-cam"]["corrected"]
    assert own["answer"] == clip.answer
    assert own["p"] == pytest.approx(clip.p, nan_ok=True)
    for what, by_cue in (
        ("effects", clip.effects),
        ("random", clip.random_effects),
        ("random_up", clip.random_up),
        ("loudest", clip.loudest_effects),
    ):
        assert own[what]["neutral"] == pytest.approx(by_cue, nan_ok=True)
    shares = whole.agreement()
    for answers, moments in product(("all", "right", "wrong"), ("salient", "random", "loudest")):
        share, row = shares[answers][moments], found.agreement_of("grad-cam", answers, moments)
        assert row["value"] == pytest.approx(share.value, nan_ok=True)
        assert row["n_cells"] == share.n_cells
    assert found.agreement_of("grad-cam", "all")["n_cells"] > 5
    profile = found.profile.query("explainer == 'grad-cam' and way == 'corrected'")
    columns = whole.profile().columns
    pd.testing.assert_frame_equal(
        profile[columns].reset_index(drop=True), whole.profile(), check_dtype=False
    )


def test_each_flaw_alone(corpus, model):
    ways = {"occlusion": ways_of("occlusion", model)}
    got = listen_to_clip(corpus, model, ways, Neutral(corpus, 0.15), 3, 0.15, 0, 0)
    audio = corpus.audio(0)
    tracks = measure_cues(audio)
    lead_s = got["trimmed_s"]
    assert lead_s == leading_silence_s(audio)
    assert 0.1 < lead_s <= 0.2
    own = got["explainers"]["occlusion"]
    assert own[FLAWS[0]]["windows"] == own[FLAWS[1]]["windows"] == own["corrected"]["windows"]
    edges = np.maximum(np.array(own["corrected"]["windows"]) - lead_s, 0.0)
    edges[:, 1] = edges[:, 0] + 0.15
    f0 = WINDOW_CUES.index("f0_level")
    shifted = tracks.values(edges)[:, f0]
    assert own[FLAWS[1]]["cues"]["f0_level"] == pytest.approx(shifted[np.isfinite(shifted)].mean())
    assert own[FLAWS[0]]["cues"]["f0_level"] <= own["corrected"]["cues"]["f0_level"]
    starts = np.array(own[FLAWS[2]]["windows"])[:, 0] / 0.15
    np.testing.assert_allclose(starts, np.round(starts), atol=1e-9)
    assert [set(own[way]) >= {"random", "loudest"} for way in ("published", *FLAWS)] == [
        True,
        *[False] * 4,
    ]
    kept = ("effects", "baseline")
    clip = {"row": 0, "explainer": "occlusion", "way": "corrected", "voiced_share": 1.0}
    clips = pd.DataFrame([clip | {"answer": own["corrected"]["answer"]}])
    table = flaw_table(clips, {0: got})
    row = table[(table["flaw"] == FLAWS[1]) & (table["cue"] == "f0_level")].iloc[0]
    change = own[FLAWS[1]]["cues"]["f0_level"] - own["corrected"]["cues"]["f0_level"]
    assert row["change"] == pytest.approx(change)
    assert row["unit"] == CUES["f0_level"].unit
    assert (row["n_clips"], row["n_lost"]) == (1, 0)
    empty = {"cues": dict.fromkeys(WINDOW_CUES, np.nan), **{k: own["corrected"][k] for k in kept}}
    lost = {"explainers": {"occlusion": own | {FLAWS[0]: empty, FLAWS[1]: own["corrected"]}}}
    table = flaw_table(clips, {0: lost}).set_index(["flaw", "cue"])
    assert (FLAWS[0], "f0_level") not in table.index  # nothing is left to compare
    assert table.loc[(FLAWS[1], "f0_level"), "change"] == 0.0


def test_published_settings(model):
    assert ways_of("crp", model)["published"].explainer.layer is None  # has no such layer
    model = load_model("emodb-cnn")
    occlusion, crp = (ways_of(name, model)["published"] for name in ("occlusion", "crp"))
    assert occlusion.explainer == Occlusion.published()
    assert crp.explainer == ConceptRelevance(layer="layer1.conv1", n_concepts=1)
    assert occlusion.placement == crp.placement == "grid"
    assert occlusion.every_frame
    assert occlusion.shifted
    assert FLAWS[3] not in ways_of("lrp", model)  # has no settings of the paper


# The whole


def with_effects(values) -> dict:
    """A clip in which two explainers find given effects of every cue."""
    both = []
    for value, random in values:
        by_cue = dict.fromkeys(WINDOW_CUES, value)
        low = dict.fromkeys(WINDOW_CUES, random)
        own = {"effects": {"neutral": by_cue}, "random": {"neutral": low}}
        both.append(
            {
                way: own | {"random_sets": {"neutral": [low, low]}}
                for way in ("published", "corrected")
            }
        )
    return {"explainers": dict(zip(("x", "y"), both, strict=True))}


def test_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    x, y, shared = rng.normal(size=(3, 30))
    results = {
        row: with_effects(
            [(x[row] + shared[row], shared[row]), (y[row] + shared[row], shared[row])]
        )
        for row in range(30)
    }
    clips = pd.DataFrame(
        {
            "row": range(30),
            "explainer": ["x", "y"] * 15,
            "speaker": [f"s{k % 6}" for k in range(30)],
        }
    )
    table = correlation_table(clips, results, over="speakers").set_index(["way", "kind", "cue"])
    by_kind = table.loc["corrected"]["value"]
    assert by_kind["salient", "all"] == pytest.approx(
        scipy.stats.spearmanr(x + shared, y + shared).statistic
    )
    beyond = scipy.stats.spearmanr(x, y).statistic
    assert by_kind["beyond the clip", "f0_level"] == pytest.approx(beyond)
    assert by_kind["random", "all"] == pytest.approx(1.0)
    row = table.loc["corrected", "salient", "all"]
    assert row["low"] < row["value"] < row["high"]


def test_overlaps_are_means_over_clips():
    clips = pd.DataFrame(
        {"row": range(4), "speaker": list("abcd"), "correct": [True, True, False, False]}
    )
    overlaps = [(0.5, 0.1), (0.3, 0.1), (0.2, 0.2), (0.4, np.nan)]
    results = {
        row: {
            "overlaps": [{"way": "corrected", "first": "x", "second": "y", "iou": a, "random": b}]
        }
        for row, (a, b) in enumerate(overlaps)
    }
    table = overlap_table(clips, results, over="speakers").set_index("answers")
    assert table["iou"].to_dict() == pytest.approx({"all": 1 / 3, "right": 0.4, "wrong": 0.2})
    assert table.loc["all", "minus_random"] == pytest.approx((0.4 + 0.2 + 0.0) / 3)
    assert table.loc["all", "n_clips"] == 3
    assert overlap_table(clips, {row: {"overlaps": []} for row in range(4)}, over="clips").empty


def with_agreement(found, **rows) -> BeyondSaliency:
    """The result with other figures of its first explainer."""
    table = found.agreement.copy()
    for name, (answers, moments, value, low, high, p) in rows.items():
        own = (table["explainer"] == "grad-cam") & (table["way"] == "corrected")
        own &= (table["reference"] == "neutral") & (table["answers"] == answers)
        own &= table["moments"] == moments
        assert own.sum() == 1, name
        table.loc[own, ["value", "low", "high", "p"]] = value, low, high, p
    return replace(found, agreement=table)


def test_verdicts(found):
    nan = np.nan
    sure = with_agreement(
        found,
        match=("right", "salient", 0.8, 0.6, 0.9, nan),
        less=("right minus wrong", "salient", 0.3, 0.1, 0.5, 0.01),
        beyond=("right", "salient minus random", 0.0, -0.05, 0.04, nan),
    )
    assert sure.verdict("match", "grad-cam") == "holds"
    assert sure.verdict("less when wrong", "grad-cam") == "holds"
    assert sure.verdict("beyond any window", "grad-cam") == "is not shown"
    other = with_agreement(
        found,
        match=("right", "salient", 0.3, 0.1, 0.4, nan),
        less=("right minus wrong", "salient", 0.3, 0.1, 0.5, 0.2),
        beyond=("right", "salient minus random", nan, nan, nan, nan),
    )
    assert other.verdict("match", "grad-cam") == "does not hold"
    assert other.verdict("less when wrong", "grad-cam") == "is not shown"
    assert other.verdict("beyond any window", "grad-cam") == "cannot be told"
    text = " ".join(sure.summary)
    assert "holds for grad-cam, 80% (60% to 90%)" in text
    assert "holds for grad-cam, +30 points (+10 to +50), p = 0.010" in text
    assert "is not shown for grad-cam" in text
    assert "+0 points (−5 to +4)" in text


def test_saved_tables_and_figure(found, tmp_path):
    found.save(tmp_path / "ä")
    content = json.loads((tmp_path / "ä" / "reproduction.json").read_text("utf-8"))
    assert content["n_clips"] == 15
    assert content["over"] == "speakers"
    assert content["summary"] == list(found.summary)
    assert len(content["verdicts"]) == 3 * 2 * 2 * 2
    assert "clips" not in content
    clips = pd.read_csv(tmp_path / "ä" / "clips.csv")
    assert len(clips) == 15 * 2 * 2
    agreement = pd.read_csv(tmp_path / "ä" / "agreement.csv")
    np.testing.assert_allclose(agreement["value"], found.agreement["value"])
    assert set(agreement["moments"]) == set(MOMENTS)
    figure = plot_beyond_saliency(found)
    check_figure(figure)
    left, right = figure.axes
    ticks = [label.get_text() for label in left.get_yticklabels()]
    assert [tick.split("\n")[0] for tick in ticks] == [
        f"{name}, {answers}" for name in ("grad-cam", "occlusion") for answers in ("right", "wrong")
    ]
    assert len(right.get_yticklabels()) == 3 + 2
    value = found.agreement_of("grad-cam", "right")["value"]
    assert any(line.get_xdata()[0] == pytest.approx(100 * value) for line in left.lines[1:])
    figure.savefig(tmp_path / "figure.png")


def test_goes_on_and_does_not_depend_on_processes(corpus, model, tmp_path):
    settings = {"explainers": ("grad-cam",), "n_clips": 3, "n_permutations": 50, "seed": 1}
    whole = reproduce_beyond_saliency(corpus, model, folder=tmp_path, **settings)
    journal = tmp_path / "clips.jsonl"
    lines = journal.read_text("utf-8").splitlines(keepends=True)
    assert len(lines) == 1 + 3
    journal.write_text("".join(lines[:2]) + lines[2][:50], "utf-8")
    seen = []
    again = reproduce_beyond_saliency(
        corpus, model, folder=tmp_path, n_workers=1, progress=seen.append, **settings
    )
    assert seen == [1, 1, 1]
    assert json.dumps(again.to_dict()) == json.dumps(whole.to_dict())
    with pytest.raises(InputError, match="other settings"):
        reproduce_beyond_saliency(corpus, model, folder=tmp_path, **{**settings, "seed": 2})


def test_demo_clips_with_the_bundled_network():
    model = load_model("emodb-cnn")
    found = reproduce_beyond_saliency(
        demo_corpus(), model, explainers=("crp", "grad-cam"), n_clips=1, n_permutations=10
    )
    assert found.explainers == ("crp", "grad-cam")
    assert found.about["over"] == "clips"
    assert "With 1 speaker no test over speakers is possible" in " ".join(found.summary)
    assert set(found.flaws["flaw"]) == set(FLAWS)
    overlap = found.overlap[found.overlap["n_clips"] > 0]
    assert len(overlap) == 2 * (2 * 3 + 2)  # all, and right or wrong; ways, and between ways
    assert overlap["iou"].between(0, 1).all()
    check_figure(plot_beyond_saliency(found))


def test_clips_that_fail_are_counted(corpus, model, tmp_path):
    table = corpus.select(speakers=["a"]).table
    missing = str(tmp_path / "missing.wav")
    table.loc[3, "file"] = missing
    found = reproduce_beyond_saliency(
        replace(corpus, table=table), model, explainers=("grad-cam",), n_clips=None
    )
    assert found.about["n_failed"] == 1
    assert set(found.clips.loc[found.clips["error"] != "", "file"]) == {missing}
    assert "of 1 some explanation failed" in found.summary[0]


def test_what_cannot_be_done_is_said(corpus, model):
    with pytest.raises(InputError, match="expected one that says when: occlusion"):
        reproduce_beyond_saliency(corpus, model, explainers=("lime",))
    with pytest.raises(InputError, match="no explainers; expected some of occlusion"):
        reproduce_beyond_saliency(corpus, model, explainers=())
    bands = BandModel(band_hz=(500.0, 3000.0), labels=("anger", "neutral"))
    with pytest.raises(InputError, match="'lrp' looks inside a network"):
        reproduce_beyond_saliency(corpus, bands, explainers=("lrp",))
    angry = corpus.select(emotions=["anger", "sadness"])
    with pytest.raises(InputError, match="fewer than 3 neutral clips"):
        reproduce_beyond_saliency(angry, model, explainers=("lrp",))
    other = BandModel(band_hz=(500.0, 3000.0), labels=("x", "y"))
    with pytest.raises(InputError, match="has none of the emotions of"):
        reproduce_beyond_saliency(corpus, other, explainers=("lime-windows",))


# The command


def run(*arguments: str):
    app = typer.Typer(rich_markup_mode="markdown")
    app.command("beyond-saliency")(beyond_saliency)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_help_teaches():
    shown = " ".join(run("--help").output.split())
    for word in ("random windows", "as published", "Example", "--explainer"):
        assert word in shown


def test_command_prints_and_writes(corpus, tmp_path):
    table = tmp_path / "clips.csv"
    corpus.table.rename(columns={"sentence": "text"}).to_csv(table, index=False)
    folder = tmp_path / "out"
    result = run(
        *("--corpus", str(table), "--explainer", "grad-cam", "--clips", "2"),
        *("--workers", "1", "--out", str(folder)),
    )
    assert result.exit_code == 0
    content = json.loads((folder / "reproduction.json").read_text("utf-8"))
    assert (folder / "reproduction.png").read_bytes().startswith(b"\x89PNG")
    shown = " ".join(result.stdout.split())
    for sentence in content["summary"]:
        assert sentence in shown
    assert "right minus wrong" in shown
