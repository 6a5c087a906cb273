from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile

from cuelens import Audio, InputError
from cuelens.corpora import Corpus
from cuelens.cues import CUES, WINDOW_CUES, clips_baseline, corpus_baseline, measure_cues
from cuelens.cues.baseline import Baseline, clip_effects, effect_of, rest_of_clip, window_effects
from cuelens.testing import noise, speech_like


def test_size_is_the_difference_in_standard_deviations_of_the_baseline():
    rng = np.random.default_rng(0)
    x, y = rng.normal(2, 1, 7), rng.normal(0, 3, 40)
    found = effect_of(x, y, np.repeat(np.arange(8), 5), rng=rng)
    assert found.size == pytest.approx((x.mean() - y.mean()) / y.std(ddof=1))
    assert found.baseline == pytest.approx(y.mean())
    assert found.low < found.size < found.high


@pytest.mark.parametrize("n_windows", [3, 5, 12])
def test_intervals_hold_the_truth_as_often_as_they_say(n_windows):
    """True difference 0.8 SD, clips of a baseline that differ among themselves."""
    truth, n_clips, per_clip, inside = 0.8, 10, 12, []
    total_sd = np.hypot(1.0, 0.5)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        y = rng.normal(0, 1, (n_clips, per_clip)) + rng.normal(0, 0.5, (n_clips, 1))
        x = rng.normal(truth * total_sd, 1.0, n_windows)
        found = effect_of(x, y.ravel(), np.repeat(np.arange(n_clips), per_clip), rng=rng)
        inside.append(found.low <= truth <= found.high)
    assert np.mean(inside) >= 0.92  # three standard errors below 0.95 would be 0.912


def test_no_interval_is_made_up():
    rng = np.random.default_rng(0)
    y, one = rng.normal(size=20), np.zeros(20, dtype=int)
    assert "one window" in effect_of(np.array([1.0]), y, one, rng=rng).reason
    assert "no salient window" in effect_of(np.array([]), y, one, rng=rng).reason
    assert "hardly varies" in effect_of(y, np.ones(20), one, rng=rng).reason
    assert "expected 4" in effect_of(y, y[:3], one[:3], rng=rng).reason
    assert effect_of(np.array([1.0]), y, one, rng=rng).sign == 0


def clip(f0_hz: float, *, seed: int = 0, peak: float = 0.5, duration_s: float = 1.5) -> Audio:
    samples = speech_like(f0_hz=f0_hz, duration_s=duration_s, seed=seed)
    return Audio(samples=samples * peak / np.abs(samples).max(), sample_rate=16_000)


def test_a_higher_voice_is_higher_by_what_was_put_in():
    neutral = [clip(hz, seed=i) for i, hz in enumerate((110.0, 115.0, 120.0, 125.0, 130.0))]
    baseline = clips_baseline(neutral, window_s=0.15)
    high = measure_cues(clip(180.0))
    edges = [(0.3, 0.45), (0.6, 0.75), (1.05, 1.2)]
    effect = window_effects(high.values(edges), baseline)["f0_level"]
    spread = np.nanstd(baseline.windows[:, 0], ddof=1)
    semitones = 12 * np.log2(180.0 / 120.0)
    assert effect.size == pytest.approx(semitones / spread, rel=0.1)
    assert effect.sign == 1
    lower = clip_effects([v.value for v in measure_cues(clip(80.0)).clip()], baseline)
    assert lower["f0_level"].sign == -1


def test_level_is_not_compared_where_it_was_evened_out():
    even = [clip(110.0 + 5 * i, seed=i, peak=0.9) for i in range(4)]
    uneven = [clip(110.0 + 5 * i, seed=i, peak=0.2 + 0.2 * i) for i in range(4)]
    values = measure_cues(clip(120.0)).values([(0.3, 0.45), (0.6, 0.75)])
    assert (
        "same peak"
        in window_effects(values, clips_baseline(even, window_s=0.15))["intensity"].reason
    )
    found = window_effects(values, clips_baseline(uneven, window_s=0.15))["intensity"]
    assert np.isfinite(found.size)


def test_rest_of_the_clip_leaves_the_windows_out():
    tracks = measure_cues(clip(120.0, duration_s=1.5))
    rest = rest_of_clip(tracks, [(0.3, 0.45), (0.75, 0.9)], window_s=0.15)
    assert len(rest.windows) == 8
    assert rest.clips.shape == (0, len(CUES))
    with pytest.raises(InputError, match="no clips"):
        clips_baseline([], window_s=0.15)


@pytest.fixture
def corpus(tmp_path):
    rows = []
    for number, (speaker, emotion) in enumerate(
        [("a", "neutral")] * 3 + [("a", "anger")] + [("b", "neutral")] * 2 + [("c", "anger")] * 2
    ):
        file = tmp_path / f"{speaker}{number}.wav"
        sound = speech_like(f0_hz=100 + 5 * number, duration_s=0.6, seed=number)
        soundfile.write(file, sound, 16_000)
        rows.append((str(file), 0.0, np.nan, speaker, emotion, "s"))
    columns = ["file", "start", "end", "speaker", "emotion", "sentence"]
    return Corpus(name="tiny", licence="none", table=pd.DataFrame(rows, columns=columns), notes=())


def test_the_speakers_own_neutral_speech_comes_first(corpus):
    own = corpus_baseline(corpus, window_s=0.15, speaker="a")
    assert (own.kind, len(own.clips)) == ("speaker's neutral", 3)
    assert own.description == "3 neutral clips of speaker a in tiny"
    # One of them is the clip in question.
    left = corpus_baseline(corpus, window_s=0.15, speaker="a", without=corpus.audio(0).sha256)
    assert len(left.clips) == 2
    others = corpus_baseline(corpus, window_s=0.15, speaker="c")
    assert (others.kind, len(others.clips)) == ("corpus", 5)
    assert "of other speakers" in others.description
    assert corpus.speaker_of(corpus.table["file"][3]) == "a"
    assert corpus.speaker_of("elsewhere/a3.wav") is None


def test_effects_come_with_a_reason_or_an_interval():
    baseline = Baseline(
        kind="corpus",
        description="",
        windows=np.full((10, len(WINDOW_CUES)), np.nan),
        window_clip=np.zeros(10, dtype=int),
        clips=np.empty((0, len(CUES))),
    )
    noisy = measure_cues(Audio(samples=noise(duration_s=1.0), sample_rate=16_000))
    for effect in window_effects(noisy.values([(0.2, 0.35), (0.5, 0.65)]), baseline).values():
        assert np.isnan(effect.low)
        assert effect.reason
