from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile

from cuelens import CuelensWarning, EmoLime
from cuelens.corpora import Corpus
from cuelens.cues import WINDOW_CUES, analyse_corpus, corpus_profile, emodb_profile
from cuelens.cues.corpus_analysis import ClipCues, CorpusCues
from cuelens.cues.definitions import CUES
from cuelens.testing import BandModel, speech_like
from cuelens.units import TimeWindows

NAN = dict.fromkeys(WINDOW_CUES, float("nan"))


OWN = "speaker's neutral"


def clip_cues(truth, answer, f0, *, up=0.5, speaker="a", number=0, baseline=OWN) -> ClipCues:
    return ClipCues(
        file=f"{number}.wav",
        speaker=speaker,
        truth=truth,
        answer=answer,
        p=0.5,
        baseline=baseline,
        effects={**NAN, "f0_level": f0, "f0_range": 1.0},
        random_effects={**NAN, "f0_level": 0.0},
        random_up={**NAN, "f0_level": up},
        loudest_effects={**NAN, "f0_level": -1.0},
    )


def test_agreement_counts_signs_of_strong_cells():
    clips = [
        clip_cues("anger", "anger", 1.0),  # expected up
        clip_cues("anger", "anger", -0.5),
        clip_cues("sadness", "sadness", -1.0, up=0.25),  # expected down
        clip_cues("anger", "sadness", 2.0),  # wrong answer, and not as expected of sadness
        clip_cues("neutral", "neutral", 1.0),  # nothing is expected
        clip_cues("disgust", "disgust", 1.0),  # contested
        clip_cues("anger", "anger", 1.0, baseline="corpus"),  # other speakers: not compared
    ]
    shares = CorpusCues(corpus="c", model="m", clips=tuple(clips), settings={}).agreement()
    assert shares["right"]["salient"].value == pytest.approx(2 / 3)
    assert shares["right"]["random"].value == pytest.approx((0.5 + 0.5 + 0.75) / 3)
    assert shares["right"]["difference"].value == pytest.approx(2 / 3 - 1.75 / 3)
    assert shares["wrong"]["salient"].value == 0.0
    assert shares["right"]["loudest"].value == pytest.approx(1 / 3)
    assert shares["all"]["salient"].n_cells == 4
    assert set(shares) == {"all", "right", "wrong", "anger", "sadness"}
    assert np.isnan(shares["all"]["salient"].low)  # one speaker: nothing varies


def test_profile_tests_are_on_speakers_with_false_discovery_control():
    rng = np.random.default_rng(0)
    clips = [
        clip_cues(
            truth,
            "anger",
            rng.normal(1.0 if truth == "anger" else 0.0),
            speaker=str(k % 5),
            number=k,
        )
        for k, truth in enumerate(["anger"] * 20 + ["fear"] * 15)
    ]
    profile = CorpusCues(corpus="c", model="m", clips=tuple(clips), settings={}).profile()
    rows = {row["group"]: row for row in profile.to_dict("records") if row["cue"] == "f0_level"}

    def speakers(truth):
        return np.array(
            [
                np.mean(
                    [
                        clip.effects["f0_level"]
                        for clip in clips
                        if clip.truth == truth and clip.speaker == str(speaker)
                    ]
                )
                for speaker in range(5)
            ]
        )

    right, wrong = speakers("anger"), speakers("fear")
    assert rows["right"]["n_speakers"] == 5
    assert rows["right"]["p"] == pytest.approx(scipy.stats.ttest_1samp(right, 0).pvalue)
    paired = scipy.stats.ttest_rel(right, wrong)
    assert rows["right minus wrong"]["p"] == pytest.approx(paired.pvalue)
    assert rows["right minus wrong"]["effect"] == pytest.approx((right - wrong).mean())
    for _, part in profile[profile["p"].notna()].groupby("group"):
        q = scipy.stats.false_discovery_control(part["p"])
        np.testing.assert_allclose(part["q"], q)


@pytest.fixture
def corpus(tmp_path):
    rows = []
    for number in range(8):
        emotion = "neutral" if number % 2 else "anger"
        file = tmp_path / f"{number}.wav"
        sound = speech_like(f0_hz=180 if emotion == "anger" else 110, duration_s=0.9, seed=number)
        soundfile.write(file, sound, 16_000)
        rows.append((str(file), 0.0, np.nan, f"s{number // 4}", emotion, "x"))
    columns = ["file", "start", "end", "speaker", "emotion", "sentence"]
    return Corpus(name="tiny", licence="none", table=pd.DataFrame(rows, columns=columns), notes=())


def test_a_run_that_was_killed_goes_on(corpus, tmp_path):
    model = BandModel(band_hz=(500.0, 3000.0), labels=("anger", "neutral"))
    explainer = EmoLime(units=TimeWindows(), samples=64)
    calls = []

    def explain(audio):
        calls.append(audio.source)
        if "2.wav" in audio.source and len(calls) < 4:
            raise KeyboardInterrupt
        return explainer.explain(model, audio)

    resume = tmp_path / "clips.jsonl"
    with pytest.raises(KeyboardInterrupt):
        analyse_corpus(corpus, model, explain, resume=resume)
    with resume.open("a") as stream:
        stream.write('{"key": "half a li')
    again = analyse_corpus(corpus, model, explain, resume=resume)
    assert len(calls) == 3 + 6  # the first two clips were not done twice
    fresh = analyse_corpus(corpus, model, lambda audio: explainer.explain(model, audio))
    assert again.to_frame().equals(fresh.to_frame())
    other = analyse_corpus(corpus, model, explain, resume=resume, seed=1)
    assert len(calls) == 9 + 8  # other settings: done anew
    assert len(other.clips) == 8


def test_a_clip_that_fails_is_recorded(corpus):
    model = BandModel(band_hz=(500.0, 3000.0), labels=("anger", "neutral"))
    Path(corpus.table["file"].iloc[3]).write_bytes(b"no sound")
    explainer = EmoLime(units=TimeWindows(), samples=64)
    with pytest.warns(CuelensWarning, match="left out of the baseline"):
        found = analyse_corpus(corpus, model, lambda audio: explainer.explain(model, audio))
    failed = [clip for clip in found.clips if clip.error]
    assert [clip.file for clip in failed] == [corpus.table["file"].iloc[3]]
    assert found.to_dict()["n_failed"] == 1
    anger = [clip for clip in found.clips if clip.truth == "anger" and not clip.error]
    assert all(clip.effects["f0_level"] > 0 for clip in anger)  # against the speakers' neutral


def test_within_speaker_differences_are_means_over_speakers():
    emotions, speakers, values = [], [], []
    differences = (1.0, 2.0, 3.0)
    for speaker, difference in enumerate(differences):
        for emotion, shift in (("neutral", 0.0), ("anger", difference)):
            for noise in (-1.0, 0.0, 1.0):
                emotions.append(emotion)
                speakers.append(str(speaker))
                values.append([10.0 * speaker + shift + noise] + [np.nan] * (len(CUES) - 1))
    profile = corpus_profile(
        np.array(values), emotions=emotions, speakers=speakers, corpus="made up"
    )
    cell = profile.cells["anger", "f0_level"]
    sds = [np.std([-1, 0, 1, d - 1, d, d + 1], ddof=1) for d in differences]
    expected = np.array(differences) / sds
    assert cell.difference == pytest.approx(expected.mean(), abs=1e-4)
    interval = scipy.stats.t.interval(0.95, 2, expected.mean(), scipy.stats.sem(expected))
    assert (cell.low, cell.high) == pytest.approx(interval, abs=1e-4)
    assert (cell.n_speakers, cell.n_up) == (3, 3)
    assert ("anger", "hnr") not in profile.cells
    assert type(profile).from_json(profile.to_json()).cells == dict(profile.cells)


def test_what_emodb_shows_as_others_measured_it():
    """Signs and rough sizes of published within-speaker differences from neutral."""
    cells = emodb_profile().cells
    assert cells["anger", "f0_level"].difference == pytest.approx(1.88, abs=0.3)
    assert cells["fear", "f0_level"].difference == pytest.approx(1.34, abs=0.3)
    assert cells["happiness", "high_frequency_energy"].difference == pytest.approx(1.14, abs=0.3)
    assert cells["sadness", "high_frequency_energy"].sign == -1
    assert cells["sadness", "pauses"].sign == 1
    assert cells["boredom", "jitter"].difference == pytest.approx(-0.59, abs=0.3)
    assert all(cell.n_speakers >= 3 for cell in cells.values())
