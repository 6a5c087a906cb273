from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile

from cuelens import Audio, InputError
from cuelens.corpora import Corpus
from cuelens.cues import CUES, WINDOW_CUES, clips_baseline, corpus_baseline, measure_cues
from cuelens.cues.baseline import (
    Baseline,
    clip_effects,
    effect_of,
    log_scaled,
    rest_of_clip,
    speech_values,
    window_effects,
)
from cuelens.cues.measure import windows_in_speech
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
    single = effect_of(y[:5], y, one, rng=rng)
    assert "one clip to compare with" in single.reason
    assert np.isfinite(single.size)
    few = effect_of(np.array([-9.0, 9.0]), y, np.arange(20), rng=rng)
    assert "too uncertain" in few.reason
    assert effect_of(np.array([1.0]), y, one, rng=rng).sign == 0


def test_a_wide_interval_is_withheld_on_either_side_of_zero(monkeypatch):
    """Few windows far above a baseline, but far apart: by how much they differ is unknown."""
    y, cluster = np.random.default_rng(0).normal(size=40), np.arange(40)
    cases = {"wide": [6.3, 7.7], "far": [30.0, 31.0], "sure": [4.0, 4.4, 4.8, 5.0, 4.6]}

    def found():
        rng = np.random.default_rng(1)
        return {name: effect_of(np.array(x), y, cluster, rng=rng) for name, x in cases.items()}

    shown = found()
    monkeypatch.setattr("cuelens.cues.baseline._WIDEST", np.inf)
    intervals = found()
    assert {name for name in cases if "too uncertain" in shown[name].reason} == {"wide"}
    assert intervals["wide"].low > 0
    assert intervals["far"].low > 10
    for name, effect in intervals.items():
        width = effect.high - effect.low
        assert (width > 10 and width > abs(effect.size)) == (name == "wide")


def clip(f0_hz: float, *, seed: int = 0, peak: float = 0.5, duration_s: float = 1.5) -> Audio:
    samples = speech_like(f0_hz=f0_hz, duration_s=duration_s, seed=seed)
    return Audio(samples=samples * peak / np.abs(samples).max(), sample_rate=16_000)


def test_a_higher_voice_is_higher_by_what_was_put_in():
    neutral = [clip(hz, seed=i) for i, hz in enumerate(np.linspace(110, 130, 9))]
    baseline = clips_baseline(neutral, window_s=0.15)
    high = measure_cues(clip(180.0))
    edges = [(0.3, 0.45), (0.6, 0.75), (1.05, 1.2)]
    starts = [start for start, _ in edges]
    effects = window_effects(high.values(edges), starts, baseline, window_s=0.15)
    effect = effects["f0_level"]
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

    def loudness(clips):
        baseline = clips_baseline(clips, window_s=0.15)
        return window_effects(values, [0.3, 0.6], baseline, window_s=0.15)["intensity"]

    assert "same peak" in loudness(even).reason
    assert np.isfinite(loudness(uneven).size)


def test_rest_of_the_clip_leaves_the_windows_out():
    tracks = measure_cues(clip(120.0, duration_s=1.5))
    speech = windows_in_speech(tracks, np.arange(10) * 0.15, window_s=0.15)
    assert speech.sum() >= 6
    rest = rest_of_clip(tracks, [(0.3, 0.45), (0.75, 0.9)], window_s=0.15)
    assert len(rest.windows) == speech.sum() - speech[[2, 5]].sum()
    # Two windows that share 0.07 s each with the one between them leave too little of it.
    between = rest_of_clip(tracks, [(0.24, 0.37), (0.38, 0.51)], window_s=0.15)
    assert len(between.windows) == speech.sum() - speech[[2]].sum()
    assert rest.clips.shape == (0, len(CUES))
    with pytest.raises(InputError, match="no clips"):
        clips_baseline([], window_s=0.15)


def test_silence_is_no_part_of_a_baseline_and_no_soft_voice():
    voice = speech_like(f0_hz=120.0, duration_s=1.5)
    padded = np.concatenate([np.zeros(16_000), voice, np.zeros(16_000)]).astype(np.float32)
    plain, silent = (
        clips_baseline([Audio(samples=s, sample_rate=16_000)] * 2, window_s=0.15)
        for s in (voice, padded)
    )
    column = WINDOW_CUES.index("intensity")
    ratio = np.nanmean(silent.windows[:, column]) / np.nanmean(plain.windows[:, column])
    assert ratio == pytest.approx(1.0, abs=0.15)
    tracks = measure_cues(Audio(samples=padded, sample_rate=16_000))
    values = speech_values(tracks, [(0.3, 0.45), (1.3, 1.45)], window_s=0.15)
    assert np.isnan(values[0, column])
    assert np.isfinite(values[1, column])


def test_skewed_cues_are_compared_on_a_logarithmic_scale():
    rng = np.random.default_rng(0)
    column = WINDOW_CUES.index("jitter")
    raw = np.full((400, len(WINDOW_CUES)), np.nan)
    raw[:, column] = np.exp(rng.normal(np.log(0.02), 1.0, 400))
    baseline = Baseline(
        kind="corpus",
        description="",
        windows=log_scaled(raw),
        likeness=np.zeros(len(WINDOW_CUES)),
        window_clip=np.repeat(np.arange(20), 20),
        clips=np.empty((0, len(CUES))),
    )
    values = np.full((2, len(WINDOW_CUES)), np.nan)
    values[:, column] = (0.02 * np.e * 0.99, 0.02 * np.e * 1.01)  # one SD of the logarithm up
    found = window_effects(values, [0.0, 0.6], baseline, window_s=0.15)["jitter"]
    assert found.size == pytest.approx(1.0, abs=0.15)
    assert found.baseline == pytest.approx(0.02, rel=0.15)


def test_neighbouring_windows_count_for_less():
    rng = np.random.default_rng(1)
    raw = rng.normal(0.0, 1.0, (100, len(WINDOW_CUES)))
    column = WINDOW_CUES.index("f0_level")

    def width(likeness: float, starts) -> float:
        baseline = Baseline(
            kind="corpus",
            description="",
            windows=raw,
            likeness=np.full(len(WINDOW_CUES), likeness),
            window_clip=np.repeat(np.arange(10), 10),
            clips=np.empty((0, len(CUES))),
        )
        values = np.full((5, len(WINDOW_CUES)), np.nan)
        values[:, column] = (0.6, 0.8, 1.0, 1.2, 1.4)
        found = window_effects(values, starts, baseline, window_s=0.15)["f0_level"]
        return found.high - found.low

    row = np.arange(5) * 0.15
    assert width(0.0, row) < width(0.5, row) < width(0.9, row)
    assert width(0.5, row * 10) < width(0.5, row)


def test_one_clip_against_others_varies_as_a_clip_does():
    """Crawford & Howell: a new clip of the same voice is called different in one case of twenty."""
    different = []
    for seed in range(2000):
        y = np.random.default_rng(seed).normal(0.0, 1.0, 9)
        clips = np.full((8, len(CUES)), np.nan)
        clips[:, -1] = y[:8]
        baseline = Baseline(
            kind="speaker's neutral",
            description="",
            windows=np.empty((0, len(WINDOW_CUES))),
            likeness=np.zeros(len(WINDOW_CUES)),
            window_clip=np.empty(0, dtype=int),
            clips=clips,
        )
        different.append(clip_effects([np.nan] * 11 + [y[8]], baseline)["pauses"].sign != 0)
    assert np.mean(different) == pytest.approx(0.05, abs=0.015)


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
    left = corpus_baseline(corpus, window_s=0.15, speaker="a", without=0)
    assert len(left.clips) == 2
    others = corpus_baseline(corpus, window_s=0.15, speaker="c")
    assert (others.kind, len(others.clips)) == ("corpus", 5)
    assert "of other speakers" in others.description
    assert corpus.speaker_of(corpus.find(corpus.table["file"][3])) == "a"
    assert corpus.find("elsewhere/a3.wav") is None


def test_effects_come_with_a_reason_or_an_interval():
    baseline = Baseline(
        kind="corpus",
        description="",
        windows=np.full((10, len(WINDOW_CUES)), np.nan),
        likeness=np.zeros(len(WINDOW_CUES)),
        window_clip=np.zeros(10, dtype=int),
        clips=np.empty((0, len(CUES))),
    )
    noisy = measure_cues(Audio(samples=noise(duration_s=1.0), sample_rate=16_000))
    values = noisy.values([(0.2, 0.35), (0.5, 0.65)])
    for effect in window_effects(values, [0.2, 0.5], baseline, window_s=0.15).values():
        assert np.isnan(effect.low)
        assert effect.reason
