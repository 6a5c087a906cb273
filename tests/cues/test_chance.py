from __future__ import annotations

import numpy as np
import pytest

from cuelens import Audio, load_corpus
from cuelens.cues import WINDOW_CUES, chance_test, measure_cues, random_windows
from cuelens.cues.measure import windows_in_speech
from cuelens.testing import noise, speech_like


def audio(samples) -> Audio:
    return Audio(samples=samples, sample_rate=16_000)


def random_intervals(duration_s: float, rng) -> list[tuple[float, float]]:
    """Five windows of 150 ms anywhere, without overlap, drawn in another way than the package's."""
    starts = np.sort(rng.uniform(0.0, duration_s - 0.75, 5)) + 0.15 * np.arange(5)
    return [(float(start), float(start) + 0.15) for start in starts]


@pytest.mark.slow
def test_random_windows_are_called_different_in_one_case_in_twenty():
    p = []
    for number in range(4):
        silence = np.zeros(4000, dtype=np.float32)
        voice = speech_like(f0_hz=100 + 40 * number, duration_s=1.5, seed=number)
        tracks = measure_cues(audio(np.concatenate([silence, voice, silence])))
        rng = np.random.default_rng(number)
        for seed in range(100):
            intervals = random_intervals(tracks.duration_s, rng)
            p.append(chance_test(tracks, intervals, n_draws=199, seed=seed).p)
    p = np.array(p)
    assert np.isfinite(p).all()
    assert 0.03 <= np.mean(p <= 0.05) <= 0.075
    assert 0.4 <= np.mean(p <= 0.5) <= 0.6


@pytest.mark.slow
def test_windows_in_a_row_are_compared_with_windows_in_a_row():
    """Neighbouring moments resemble each other: against scattered ones, a row stands out."""
    p = []
    for number in range(4):
        tracks = measure_cues(
            audio(speech_like(f0_hz=120 + 30 * number, duration_s=3, seed=number))
        )
        for seed in range(60):
            start = np.random.default_rng([number, seed]).uniform(0.0, tracks.duration_s - 0.77)
            intervals = [(start + 0.15 * k, start + 0.15 * (k + 1)) for k in range(5)]
            p.append(chance_test(tracks, intervals, n_draws=199, seed=seed).p)
    p = np.array(p)[np.isfinite(p)]
    assert len(p) > 200
    assert np.mean(p <= 0.05) <= 0.085
    assert 0.38 <= np.mean(p <= 0.5) <= 0.62


@pytest.mark.corpus
@pytest.mark.slow
def test_the_same_on_real_speech(data_dir):
    corpus = load_corpus(data_dir / "emodb")
    p = []
    for row in np.random.default_rng(1).permutation(len(corpus))[:60]:
        tracks = measure_cues(corpus.audio(int(row)))
        rng = np.random.default_rng([2, int(row)])
        for seed in range(5):
            intervals = random_intervals(tracks.duration_s, rng)
            p.append(chance_test(tracks, intervals, n_draws=199, seed=seed).p)
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.08  # ties make it careful


def test_windows_that_do_differ_are_found():
    low = speech_like(f0_hz=110.0, duration_s=3.0, seed=1)
    high = speech_like(f0_hz=240.0, duration_s=0.75, seed=2)
    tracks = measure_cues(audio(np.concatenate([low, high, low])))
    intervals = [(3.0 + 0.15 * k, 3.15 + 0.15 * k) for k in range(5)]
    found = chance_test(tracks, intervals)
    assert found.p < 0.01
    assert found.by_cue["f0_level"] < 0.01
    assert set(found.by_cue) == set(WINDOW_CUES)
    for key, p in found.by_cue.items():
        if np.isfinite(p):
            assert p <= found.by_cue_adjusted[key]


def test_random_windows_are_like_the_given_ones():
    voice = speech_like(duration_s=1.0)
    tracks = measure_cues(audio(np.concatenate([np.zeros(16_000, dtype=np.float32), voice])))
    starts = np.array([0.1, 1.2, 1.5])
    sets = random_windows(tracks, starts, window_s=0.15, n_draws=200)
    assert sets.shape == (200, 3)
    gaps = np.diff(np.sort(sets, axis=1), axis=1)
    assert gaps.min() >= 0.15 - 1e-9
    assert sets.min() >= 0
    assert sets.max() <= 2.0 - 0.15 + 1e-9
    n_speech = windows_in_speech(tracks, starts, window_s=0.15).sum()
    row = random_windows(tracks, [1.2, 1.35, 1.5], window_s=0.15, n_draws=50)
    np.testing.assert_allclose(np.diff(np.sort(row, axis=1), axis=1), 0.15, atol=1e-9)
    for one in sets:
        assert windows_in_speech(tracks, one, window_s=0.15).sum() == n_speech
    np.testing.assert_array_equal(sets, random_windows(tracks, starts, window_s=0.15, n_draws=200))


def test_too_short_a_clip_has_no_test():
    tracks = measure_cues(audio(noise(duration_s=0.2)))
    found = chance_test(tracks, [(0.0, 0.1), (0.1, 0.2)])
    assert np.isnan(found.p) or 0 < found.p <= 1
    assert len(random_windows(tracks, [0.0, 0.05, 0.1], window_s=0.15, n_draws=9)) == 0
