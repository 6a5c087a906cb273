from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile

from cuelens import Audio, EmoLime, FrequencyBands
from cuelens.corpora import Corpus
from cuelens.cues import CUES, measure_cues
from cuelens.errors import InputError
from cuelens.evaluate import Group, explain_group
from cuelens.evaluate.group_cues import ALL, OTHERS, OWN, compare_cues, cue_frame, standardised
from cuelens.testing import BandModel, speech_like

VOICES = {"a": 100.0, "b": 120.0, "c": 150.0, "d": 190.0}


def loud(f0_hz: float, level: float) -> np.ndarray:
    return level * speech_like(duration_s=0.8, f0_hz=f0_hz)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Group:
    """Anger is four semitones above the speaker's neutral pitch, sadness is not."""
    folder = tmp_path_factory.mktemp("voices")
    rows = []
    for speaker, f0_hz in VOICES.items():
        for sentence in "123":
            for emotion, semitones in (("neutral", 0.0), ("anger", 4.0), ("sadness", 0.0)):
                file = folder / f"{speaker}{sentence}{emotion}.wav"
                shift = 0.3 * "123".index(sentence)
                level = 0.3 + 0.03 * len(rows) % 0.5
                samples = loud(f0_hz * 2 ** ((semitones + shift) / 12), level)
                soundfile.write(file, samples, 16_000)
                rows.append([str(file), 0.0, np.nan, speaker, emotion, sentence])
    names = ["file", "start", "end", "speaker", "emotion", "sentence"]
    corpus = Corpus(name="voices", licence="none", table=pd.DataFrame(rows, columns=names))
    model = BandModel(band_hz=(500.0, 3000.0), labels=("anger", "sadness"))
    explainer = EmoLime(units=FrequencyBands(n_bands=2), samples=4)
    return explain_group(corpus, model, explainer, n_clips=None, target="anger")


def made_up(values: np.ndarray, **columns: object) -> pd.DataFrame:
    """Clips of one cue with known effects."""
    n = len(values)
    known = {
        "corpus": "c",
        "clip": [f"{place}.wav" for place in range(n)],
        "start_s": 0.0,
        "speaker": [f"s{place % 8}" for place in range(n)],
        "sentence": None,
        "emotion": "anger",
        "correct": "right",
        "cue": "f0_level",
        "title": "pitch level",
        "unit": "semitones",
        "place": 0,
        "effect": values,
        "above": 2 * values,
    }
    return pd.DataFrame({**known, **columns})


def test_a_planted_difference_is_found_and_nothing_else_is_larger(found):
    """Four semitones of pitch; the spread of neutral clips is known from their pitch."""
    comparison = found.cue_difference("anger", "sadness", paired=True)
    first = comparison.table.iloc[0]
    assert first["cue"] == "f0_level"
    assert first["differs"]
    assert first["paired"]
    assert (first["n"], first["n_speakers"]) == (12, 4)
    assert first["difference"] == pytest.approx(4.0, abs=0.1)
    spread = np.std([0.0, 0.3, 0.6], ddof=1)  # semitones, of each speaker's neutral clips
    assert first["effect"] == pytest.approx(4.0 / spread, rel=0.05)
    assert first["low"] <= first["effect"] <= first["high"]
    assert comparison.account.startswith("anger against sadness: a higher pitch")
    known = comparison.table[comparison.table["low"].notna()]
    assert np.all(np.diff(known["effect"].abs()) <= 0)
    assert set(comparison.table["cue"]) == set(CUES)


def test_no_difference_is_said_plainly(found):
    comparison = found.cue_difference("neutral", "sadness")
    pitch = comparison.table.set_index("cue").loc["f0_level"]
    assert not pitch["differs"]
    assert pitch["low"] <= 0 <= pitch["high"]
    assert "a higher pitch" not in comparison.account
    n_null = int((~comparison.table["differs"] & comparison.table["low"].notna()).sum())
    assert f"{n_null}" in comparison.account
    assert comparison.account.endswith("whose intervals include 0.")


def test_clips_are_compared_with_the_others_of_their_speaker(found):
    """Against measuring again: the mean of the speaker's neutral clips, without the clip."""
    pitch = found.cues[found.cues["cue"] == "f0_level"].set_index("clip")
    values = {}
    for clip in pitch.index:
        samples, rate = soundfile.read(clip, dtype="float32")
        audio = Audio(samples=samples, sample_rate=rate, source=clip)
        values[clip] = measure_cues(audio).clip()[0].value
    for clip, row in pitch.iterrows():
        others = [
            values[other]
            for other in pitch.index
            if pitch.loc[other, "speaker"] == row["speaker"]
            and pitch.loc[other, "emotion"] == "neutral"
            and other != clip
        ]
        assert len(others) == (2 if row["emotion"] == "neutral" else 3)
        assert row["above"] == pytest.approx(values[clip] - np.mean(others), abs=1e-6)
        assert row["baseline"] == OWN


def test_where_a_speaker_has_no_neutral_speech():
    def clip(name: str, speaker: str, emotion: str, pitch: float):
        about = {"corpus": "c", "clip": name, "start_s": 0.0}
        about |= {"speaker": speaker, "emotion": emotion}
        return about, {"peak_db": -len(name), "values": {"f0_level": pitch}}

    neutral = cue_frame(
        [clip(str(k), "a", "neutral", pitch) for k, pitch in enumerate((1.0, 2.0, 3.0, 4.0))]
    )
    explained = cue_frame([clip("x", "b", "anger", 5.0), clip("yy", "b", "anger", 7.0)])
    of_pitch = standardised(explained, neutral).query("cue == 'f0_level'")
    assert set(of_pitch["baseline"]) == {OTHERS}
    np.testing.assert_allclose(of_pitch["above"], [2.5, 4.5])
    spread = np.std([1.0, 2.0, 3.0, 4.0], ddof=1)
    np.testing.assert_allclose(of_pitch["effect"], np.array([2.5, 4.5]) / spread)
    alone = standardised(explained, neutral[:0]).query("cue == 'f0_level'")
    assert set(alone["baseline"]) == {ALL}
    np.testing.assert_allclose(alone["above"], [-1.0, 1.0])
    assert alone["effect"].isna().all()  # two clips of one speaker: no spread to speak of


def test_same_peaks_say_nothing_about_loudness_nor_equal_values_about_a_cue():
    clips = [
        (
            {"corpus": "c", "clip": str(k), "start_s": 0.0, "speaker": "a", "emotion": "neutral"},
            {"peak_db": 0.0, "values": {"intensity": float(k), "f0_level": float(k)}},
        )
        for k in range(6)
    ]
    for k, (_, cues) in enumerate(clips):
        cues["values"]["pauses"] = 0.3 * (k > 3)  # most have none
    table = standardised(cue_frame(clips), cue_frame(clips)).set_index("cue")
    assert table.loc["pauses", "effect"].isna().all()
    assert table.loc["pauses", "above"].notna().all()
    assert table.loc["intensity", "effect"].isna().all()
    assert table.loc["f0_level", "effect"].notna().all()


def test_right_and_wrong_are_compared_within_emotions():
    """The coefficient of least squares; emotions that differ do not count as a difference."""
    rng = np.random.default_rng(3)
    emotion = np.array(["anger"] * 20 + ["sadness"] * 20 + ["fear"] * 4)
    right = np.concatenate([rng.random(20) < 0.8, rng.random(20) < 0.2, np.ones(4, bool)])
    values = rng.normal(size=44) + 5.0 * (emotion == "anger")
    cues = made_up(values, emotion=emotion, correct=np.where(right, "right", "wrong"))
    table = compare_cues(cues, "right", "wrong", by="correct").table.set_index("cue")
    columns = [right, *(emotion == name for name in ("anger", "sadness", "fear"))]
    slopes = np.linalg.lstsq(np.column_stack(columns).astype(float), values, rcond=None)[0]
    row = table.loc["f0_level"]
    assert row["effect"] == pytest.approx(slopes[0])
    assert row["difference"] == pytest.approx(2 * slopes[0])
    assert row["n"] == 40  # all clips of fear are right
    assert row["low"] < slopes[0] < row["high"]
    raw = values[right].mean() - values[~right].mean()
    assert abs(raw) > 2 > abs(slopes[0])


@pytest.mark.parametrize("by", ["emotion", "correct"])
def test_shuffled_labels_are_covered(by):
    """Eight speakers who differ, labels at random: 95 % of the intervals hold 0."""
    rng = np.random.default_rng(5)
    held = []
    for _ in range(300):
        voices = np.tile(rng.normal(size=8), 6)
        values = voices + rng.normal(size=48)
        groups = rng.permutation(np.repeat(["right", "wrong"], 24))
        if by == "emotion":
            cues = made_up(values, emotion=groups)
        else:
            emotion = np.repeat(["anger", "fear", "joy"], 16)
            cues = made_up(values, emotion=emotion, correct=groups)
        table = compare_cues(cues, "right", "wrong", by=by).table.set_index("cue")
        row = table.loc["f0_level"]
        assert row["n_speakers"] == 8
        held.append(not row["differs"])
    low, high = scipy.stats.binomtest(sum(held), len(held)).proportion_ci(0.99)
    assert low <= 0.95 <= high, np.mean(held)


def test_in_the_json_and_the_files(found, tmp_path):
    found.save(tmp_path, compared=("anger", "sadness"), figures="svg")
    data = json.loads((tmp_path / "group.json").read_text("utf-8"))
    asked = data["cue_differences"][0]
    assert (asked["by"], asked["first"], asked["second"]) == ("emotion", "anger", "sadness")
    table = found.cue_difference("anger", "sadness").table
    assert [row["cue"] for row in asked["cues"]] == list(table["cue"])
    assert asked["cues"][0]["effect"] == table["effect"].iloc[0]
    clips = pd.read_csv(tmp_path / "cues.csv")
    assert len(clips) == found.n_clips * len(CUES)
    drawn = (tmp_path / "cue_differences.svg").read_text("utf-8")
    assert "anger less sadness" in drawn
    found.save(tmp_path, compared=None)
    names = {
        row["by"] for row in json.loads((tmp_path / "group.json").read_text())["cue_differences"]
    }
    assert names == {"correct"}


def test_what_cannot_be_compared(found):
    with pytest.raises(InputError, match="no emotion 'joy'"):
        found.cue_difference("anger", "joy")
    with pytest.raises(InputError, match="this group has no cues"):
        Group(frame=found.frame, about=found.about).cue_difference("anger", "sadness")
    few = made_up(np.array([1.0, 2.0]), emotion=["anger", "sadness"], speaker=["a", "b"])
    unknown = compare_cues(few, "anger", "sadness", by="emotion")
    assert unknown.account.startswith("No cue can be compared")
    assert not unknown.table["differs"].any()
