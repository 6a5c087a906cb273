from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile
from typer.testing import CliRunner

from cuelens import Audio, EmoLime, FrequencyBands, load_audio
from cuelens.cli.main import app
from cuelens.corpora import Corpus, demo_corpus
from cuelens.errors import CuelensError, InputError
from cuelens.evaluate import Group, explain_group
from cuelens.evaluate.group import corresponding_units, spread
from cuelens.evaluate.intervals import bootstrap_mean
from cuelens.testing import BandModel, tone
from cuelens.units import TimeWindows, Unit

BANDS = EmoLime(units=FrequencyBands(n_bands=3))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    """Four speakers say two sentences in two emotions: anger is a tone in the model's band."""
    folder = tmp_path_factory.mktemp("tones")
    rows = []
    for speaker in "abcd":
        for sentence in "12":
            for emotion, hz in (("anger", 1500.0), ("sadness", 400.0)):
                file = folder / f"{speaker}{sentence}{emotion}.wav"
                level = 0.2 + 0.1 * "abcd".index(speaker)
                soundfile.write(file, tone(hz, duration_s=0.5, level=level), 16_000)
                rows.append([str(file), 0.0, np.nan, speaker, emotion, sentence])
    names = ["file", "start", "end", "speaker", "emotion", "sentence"]
    return Corpus(name="tones", licence="none", table=pd.DataFrame(rows, columns=names))


@pytest.fixture
def model() -> BandModel:
    return BandModel(band_hz=(1000.0, 2000.0), labels=("anger", "sadness"), reference=0.05)


def made_up(weights: np.ndarray, *, n_speakers: int, emotions: list[str]) -> Group:
    """Clips with one unit of known weight; speakers and emotions in turns."""
    rows = [
        {
            "corpus": "c",
            "clip": f"{place}.wav",
            "start_s": 0.0,
            "speaker": f"s{place % n_speakers}",
            "sentence": None,
            "emotion": emotions[place % len(emotions)],
            "answer": "a",
            "correct": "right",
            "target": "a",
            "unit": "low",
            "place": 0,
            "low_hz": 0.0,
            "high_hz": 100.0,
            "weight": weight,
        }
        for place, weight in enumerate(weights.tolist())
    ]
    return Group(frame=pd.DataFrame(rows), about={"target": None, "model": "m"})


def test_means_are_those_of_the_explanations(corpus, model):
    found = explain_group(corpus, model, BANDS, n_clips=None, target="anger")
    means = found.means("emotion")
    for emotion in ("anger", "sadness"):
        clips = corpus.table[corpus.table["emotion"] == emotion]
        weights = np.array(
            [
                BANDS.explain(model, load_audio(clip), target="anger").target_weights
                for clip in clips["file"]
            ]
        )
        part = means[means["group"] == emotion]
        np.testing.assert_allclose(part["mean"], weights.mean(axis=0), atol=1e-12)
        expected = [bootstrap_mean(column, clips["speaker"]) for column in weights.T]
        np.testing.assert_allclose(part["low"], [mean.low for mean in expected])
        np.testing.assert_allclose(part["high"], [mean.high for mean in expected])
        assert set(part["n_clips"]) == {8}
        assert set(part["n_speakers"]) == {4}
    assert list(means["unit"][:3]) == list(found.units)
    assert np.all(np.diff(means["low_hz"][:3]) > 0)


def test_difference_of_pairs(corpus, model):
    """Paired by speaker and sentence: the closed form is the mean of the pairs' differences."""
    found = explain_group(corpus, model, BANDS, n_clips=None, target="anger")
    table = found.difference("anger", "sadness")
    assert table["paired"].all()
    assert set(table["n"]) == {8}
    frame = found.frame.set_index(["speaker", "sentence", "unit", "emotion"])["weight"]
    frame = frame.reset_index().pivot_table(
        values="weight", index=["speaker", "sentence", "unit"], columns="emotion"
    )
    pairs = (frame["anger"] - frame["sadness"]).groupby("unit")
    np.testing.assert_allclose(
        table.set_index("unit")["difference"], pairs.mean()[table["unit"]], atol=1e-12
    )
    assert table["difference"].max() > 0.1
    opposite = found.difference("sadness", "anger")
    np.testing.assert_allclose(opposite["difference"], -table["difference"], atol=1e-12)
    unpaired = found.difference("anger", "sadness", paired=False)
    np.testing.assert_allclose(unpaired["difference"], table["difference"], atol=1e-12)
    assert not unpaired["paired"].any()


def test_pairing_takes_the_speaker_out():
    """Speakers differ much, emotions little: pairs see it and unpaired clips do not."""
    rng = np.random.default_rng(0)
    voices = rng.normal(0, 1.0, 8)
    rows = []
    for speaker, voice in enumerate(voices):
        for emotion, shift in (("anger", 0.3), ("neutral", 0.0)):
            weight = np.array([voice + shift + rng.normal(0, 0.05)])
            row = made_up(weight, n_speakers=1, emotions=[emotion])
            rows.append(
                row.frame.assign(speaker=f"s{speaker}", sentence="1", clip=f"{speaker}{emotion}")
            )
    group = Group(frame=pd.concat(rows), about={})
    paired = group.difference("anger", "neutral").iloc[0]
    assert paired["paired"]
    assert 0.2 < paired["low"] < paired["difference"] < paired["high"] < 0.4
    speakers_apart = group.frame.assign(speaker=group.frame["clip"])
    apart = Group(frame=speakers_apart, about={}).difference("anger", "neutral").iloc[0]
    assert not apart["paired"]
    assert apart["low"] < 0 < apart["high"]


@pytest.mark.slow
def test_intervals_hold_the_mean_of_speakers():
    """95 % intervals over eight speakers, whose means vary, hold the truth in 90 % of draws."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(200):
        voices = rng.normal(0.2, 0.1, 8)
        weights = np.tile(voices, 4) + rng.normal(0, 0.05, 32)
        row = made_up(weights, n_speakers=8, emotions=["anger"]).means("emotion").iloc[0]
        held.append(row["low"] <= 0.2 <= row["high"])
    low, _ = scipy.stats.binomtest(sum(held), len(held)).proportion_ci()
    assert low <= 0.95
    assert np.mean(held) >= 0.9


def test_groups_of_speakers_answers_and_corpora(corpus, model):
    found = explain_group([corpus, demo_corpus()], model, BANDS, n_clips=4)
    assert found.groups("corpus") == tuple(sorted(("tones", demo_corpus().name)))
    assert found.n_clips == 8
    for by in ("speaker", "answer", "correct"):
        means = found.means(by)
        per_clip = means.drop_duplicates("group")
        assert per_clip["n_clips"].sum() == 8
    tones = found.frame[found.frame["corpus"] == "tones"]
    assert set(tones["correct"]) <= {"right", "wrong"}
    assert ((tones["answer"] == tones["emotion"]) == (tones["correct"] == "right")).all()


def test_two_speakers_are_paired_by_sentence(corpus, model):
    found = explain_group(corpus, model, BANDS, n_clips=None, target="anger")
    table = found.difference("a", "d", by="speaker", paired=True)
    frame = found.frame.pivot_table(
        values="weight", index=["sentence", "emotion", "unit"], columns="speaker", aggfunc="mean"
    ).dropna(subset=["a", "d"])
    expected = (frame["a"] - frame["d"]).groupby("unit").mean()[table["unit"]]
    np.testing.assert_allclose(table["difference"], expected, atol=1e-12)
    assert set(table["n_speakers"]) == {2}


def test_one_name_in_two_corpora_is_two_voices(corpus, model):
    other = replace(corpus, name="others")
    found = explain_group([corpus, other], model, BANDS, n_clips=None, target="anger")
    alone = explain_group(corpus, model, BANDS, n_clips=None, target="anger")
    both, one = (group.means("emotion")["n_speakers"] for group in (found, alone))
    np.testing.assert_array_equal(both, 2 * one)


def test_values_are_neither_right_nor_wrong(corpus):
    class Values(BandModel):
        output = "value"

    loud = Values(band_hz=(1000.0, 2000.0), labels=("valence", "arousal"), reference=0.05)
    group = explain_group(corpus, loud, BANDS, n_clips=4)
    assert set(group.frame["target"]) == set(group.frame["answer"]) == {"valence"}
    assert set(group.frame["correct"]) == {"unknown"}


def test_truth_as_target(corpus, model):
    found = explain_group(corpus, model, BANDS, n_clips=None, target="truth")
    assert (found.frame["target"] == found.frame["emotion"]).all()
    other = BandModel(band_hz=(1000.0, 2000.0), labels=("joyful", "anger"))
    known = explain_group(corpus, other, BANDS, n_clips=None, target="truth")
    assert set(known.frame["emotion"]) == {"anger"}  # sadness is left out
    neither = BandModel(band_hz=(1000.0, 2000.0), labels=("x", "y"))
    with pytest.raises(InputError, match="no clip has an emotion that the model knows"):
        explain_group(corpus, neither, BANDS, target="truth")


@pytest.mark.parametrize("seed", range(5))
def test_windows_become_shares_of_the_clip(seed):
    """Against a slow version: every millisecond gets its window's weight."""
    rng = np.random.default_rng(seed)
    edges_ms = np.concatenate(
        [[0], np.sort(rng.choice(np.arange(1, 1000), 6, replace=False)), [1000]]
    )
    weights = rng.normal(size=7)
    of_ms = np.repeat(weights / np.diff(edges_ms), np.diff(edges_ms))
    expected = of_ms.reshape(10, 100).sum(axis=1)
    intervals = np.stack([edges_ms[:-1], edges_ms[1:]], axis=1) / 1000
    found = spread(intervals, weights, np.linspace(0, 1, 11))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_windows_beyond_the_clip_keep_their_weight():
    found = spread(
        np.array([[-2.0, -1.0], [0.9, 1.5], [3.0, 4.0]]), np.ones(3), np.linspace(0, 1, 3)
    )
    np.testing.assert_allclose(found, [1.0, 2.0])


def test_moments_of_clips_of_any_length(corpus, model):
    explainer = EmoLime(units=TimeWindows(window_s=0.1))
    explanation = explainer.explain(model, load_audio(corpus.table["file"][0]))
    units = corresponding_units(explanation)
    assert [unit["unit"] for unit in units][::9] == ["0–10 %", "90–100 %"]
    total = sum(unit["weight"] for unit in units)
    assert total == pytest.approx(explanation.target_weights.sum())


def test_cells_do_not_correspond(model):
    explanation = EmoLime(units=TimeWindows(window_s=0.25)).explain(
        model, load_audio_of(tone(1500, duration_s=0.5))
    )
    cells = tuple(
        Unit(name=str(place), low_hz=100.0 * place, high_hz=200.0, start_s=u.start_s, end_s=u.end_s)
        for place, u in enumerate(explanation.units)
    )
    with pytest.raises(InputError, match="differ both in time and in frequency"):
        corresponding_units(replace(explanation, units=cells))


def load_audio_of(samples):
    return Audio(samples=samples, sample_rate=16_000)


def test_a_run_goes_on_and_saves(corpus, model, tmp_path):
    whole = explain_group(corpus, model, BANDS, n_clips=6, journal=tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "part.jsonl").write_bytes(b"".join(lines[:4]))
    again = explain_group(corpus, model, BANDS, n_clips=6, journal=tmp_path / "part.jsonl")
    pd.testing.assert_frame_equal(again.frame, whole.frame)
    whole.save(tmp_path / "out", "emotion")
    data = json.loads((tmp_path / "out" / "group.json").read_text("utf-8"))
    assert data["by"] == "emotion"
    assert {row["group"] for row in data["means"]} == {"anger", "sadness"}
    table = pd.read_csv(tmp_path / "out" / "group.csv")
    np.testing.assert_allclose(table["mean"], whole.means("emotion")["mean"])
    assert len(pd.read_csv(tmp_path / "out" / "clips.csv")) == 6 * 3
    panels = [ax for ax in whole.plot("emotion").axes if ax.get_visible()]
    widths = [[patch.get_width() for patch in ax.patches] for ax in panels]
    np.testing.assert_allclose(np.concatenate(widths), whole.means("emotion")["mean"])


def test_what_cannot_be_grouped(corpus, model):
    found = explain_group(corpus, model, BANDS, n_clips=4)
    with pytest.raises(InputError, match="by is 'mood'"):
        found.means("mood")
    with pytest.raises(InputError, match="no emotion 'joy'"):
        found.difference("anger", "joy")
    unknown = Group(frame=found.frame.assign(speaker=None), about=found.about)
    with pytest.raises(InputError, match="some clips have no speaker"):
        unknown.means("speaker")
    with pytest.raises(InputError, match="no speaker says one sentence"):
        unknown.difference("anger", "sadness", paired=True)
    with pytest.raises(InputError, match="all of different names"):
        explain_group([corpus, corpus], model, BANDS)
    with pytest.raises(InputError, match="expected one of the model's labels"):
        explain_group(corpus, model, BANDS, target="boredom")


def run(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


def test_command(tmp_path):
    out: list[str] = ["--out", str(tmp_path / "out"), "--workers", "1"]
    arguments = ["group", "--explainer", "lime-64", "--clips", "4", *out]
    result = run(*arguments, "--difference", "anger,neutral")
    assert result.exit_code == 0
    assert "anger minus neutral" in result.stdout
    assert (tmp_path / "out" / "difference.csv").exists()
    again = run(*arguments)
    assert "anger minus neutral" not in again.stdout
    assert not (tmp_path / "out" / "difference.csv").exists()
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "clips.csv",
        "cue_differences.png",
        "cues.csv",
        "group.csv",
        "group.json",
        "group.jsonl",
        "group.png",
        "report.html",
    }
    with pytest.raises(InputError, match="expected two groups and a comma"):
        run(*arguments, "--difference", "anger")
