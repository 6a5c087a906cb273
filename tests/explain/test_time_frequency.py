"""Maps lie where the sound is: in seconds of the clip as given, whatever the front end does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
pytest.importorskip("crp")

from tests.explain.tiny_networks import TONE_HZ, clip_with_burst, tone_model  # noqa: E402

from cuelens import EmoLime  # noqa: E402
from cuelens.explain import (  # noqa: E402
    MAP_EXPLAINERS,
    ConceptRelevance,
    GradCam,
    IntegratedGradients,
    LayerwiseRelevance,
    Occlusion,
    TimeFrequencyMap,
)
from cuelens.explain.map_explainer import window_sums  # noqa: E402
from cuelens.explain.salient_windows import salient_windows  # noqa: E402
from cuelens.models import NetworkInput, PublishedLogMel, WindowedLogMel  # noqa: E402
from cuelens.units import TimeWindows  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

FRONT_ENDS = {
    "windows": WindowedLogMel(),
    "edges": PublishedLogMel(trim="edges"),
    "everywhere": PublishedLogMel(trim="everywhere"),
    "none": PublishedLogMel(trim="none"),
}
LONGEST_S = {"windows": 4.0, "edges": 2.4, "everywhere": 4.0, "none": 4.0}
BEFORE_S = {"windows": 4.0, "edges": 2.4, "everywhere": 2.4, "none": 1.9}  # the network sees 2 s
N_TRIALS = {  # for each of the four front ends: 200 in all, fewer where they take seconds
    GradCam(): 50,
    LayerwiseRelevance(): 50,
    ConceptRelevance(): 50,
    IntegratedGradients(n_steps=8): 8,
    Occlusion(): 4,
    Occlusion(patch_bands=64, stride_bands=64): 25,
}


@pytest.mark.slow
@pytest.mark.parametrize("explainer", N_TRIALS, ids=lambda e: f"{e.name}-{N_TRIALS[e]}")
def test_the_top_window_covers_a_burst_at_a_random_time(explainer):
    rng = np.random.default_rng(20)
    covered, offsets_s = [], []
    for name, front_end in FRONT_ENDS.items():
        model = tone_model(front_end)
        for trial in range(N_TRIALS[explainer]):
            audio, start_s, end_s = clip_with_burst(
                rng,
                duration_s=rng.uniform(1.0, LONGEST_S[name]),
                before_s=BEFORE_S[name],
                noise=(0.0, 1e-3)[trial % 2],
            )
            explanation = explainer.explain(model, audio, target="tone")
            (top,) = salient_windows(explanation, n=1)
            inside = min(top.end_s, end_s) - max(top.start_s, start_s)
            assert inside > 0.75 * (end_s - start_s), (name, trial)
            covered.append(inside > end_s - start_s - 1e-6)
            offsets_s.append((top.start_s + top.end_s - start_s - end_s) / 2)
    assert np.mean(covered) >= 0.99
    assert abs(np.mean(offsets_s)) < 0.01  # less than a frame


@pytest.mark.slow
def test_the_top_window_of_any_model_covers_a_burst():
    """Windows that are left out lie on a grid: the top one holds the most of the burst."""
    rng = np.random.default_rng(21)
    explainer = EmoLime(units=TimeWindows(), samples=64)
    right = []
    for front_end in FRONT_ENDS.values():
        model = tone_model(front_end)
        for _ in range(15):
            audio, start_s, end_s = clip_with_burst(
                rng,
                duration_s=rng.uniform(1.0, 1.5),
                before_s=1.5,
                noise=0.0,  # left alone, noise would be the loudest sound there is
            )
            explanation = explainer.explain(model, audio, target="tone")
            overlaps = [
                max(0.0, min(unit.end_s, end_s) - max(unit.start_s, start_s))
                for unit in explanation.units
            ]
            (top,) = salient_windows(explanation, n=1)
            found = max(0.0, min(top.end_s, end_s) - max(top.start_s, start_s))
            # Of a burst across a boundary, the model may hear the smaller part a little more.
            enough = min(max(overlaps), (end_s - start_s) / 3)
            right.append(overlaps[explanation.order()[0]] >= enough and found >= enough)
    assert np.mean(right) >= 0.99


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("name", ["integrated-gradients", "occlusion"])
def test_the_tone_is_in_its_bands(name, front_end):
    model = tone_model(FRONT_ENDS[front_end])
    audio, *_ = clip_with_burst(np.random.default_rng(3), duration_s=1.8, before_s=1.7, noise=1e-3)
    explanation = MAP_EXPLAINERS[name]().explain(model, audio, target="tone")
    by_band = explanation.map.values[0].sum(axis=1)
    edges_hz = explanation.map.edges_hz
    centre_hz = np.average((edges_hz[1:] + edges_hz[:-1]) / 2, weights=np.maximum(by_band, 0))
    assert centre_hz == pytest.approx(TONE_HZ, rel=0.1)


def slowly_on_clip(relevance, shown, n_frames):
    values = np.zeros((relevance.shape[0], relevance.shape[2], n_frames))
    for window, times_s in enumerate(shown.times_s):
        for frame, time_s in enumerate(times_s):
            if np.isnan(time_s):
                continue
            for place in range(n_frames):
                near = 1.0 - abs(time_s / shown.hop_s - place)
                if near > 0:
                    cell = shown.shares[window] * relevance[:, window, :, frame]
                    values[:, :, place] += near * cell
    return values


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n_windows=st.integers(0, 3))
def test_cells_go_where_they_belong(seed, n_windows):
    rng = np.random.default_rng(seed)
    n_clip, n_seen, hop_s = 12, 5, 0.015
    starts = rng.uniform(0, n_clip - n_seen, size=(n_windows, 1))
    times_s = (starts + np.arange(n_seen)) * hop_s
    times_s[rng.random(times_s.shape) < 0.2] = np.nan
    shown = NetworkInput(
        values=np.zeros((n_windows, 1, 2, n_seen), np.float32),
        times_s=times_s,
        edges_hz=np.array([0.0, 1000.0, 8000.0]),
        hop_s=hop_s,
        silence=-1.0,
        shares=rng.dirichlet(np.ones(n_windows)) if n_windows else np.zeros(0),
    )
    relevance = rng.normal(size=(3, n_windows, 2, n_seen))
    found = TimeFrequencyMap.on_clip(relevance, shown, duration_s=(n_clip - 0.5) * hop_s)
    assert found.values.shape == (3, 2, n_clip)
    expected = slowly_on_clip(relevance, shown, n_clip)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    shares = shown.shares[:, None] * ~np.isnan(times_s)
    total = (relevance * shares[None, :, None, :]).sum(axis=(1, 3))
    np.testing.assert_allclose(found.values.sum(axis=2), total, atol=1e-5)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("duration_s", [0.06, 0.7, 2.0, 3.37])
def test_times_of_frames_are_those_of_the_sound_in_them(front_end, duration_s):
    """A click is in the frames whose time is within half an analysis window of it."""
    rate, front = 16_000, FRONT_ENDS[front_end]
    hiss = 0.01 * np.random.default_rng(0).standard_normal(round(duration_s * rate))
    for at_s in np.linspace(0.02, min(duration_s, 2.0) - 0.02, 5):
        samples = hiss.astype(np.float32)
        samples[round(at_s * rate)] = 0.9
        shown = front.network_input(samples)
        found = 0
        for picture, times_s in zip(shown.values[:, 0], shown.times_s, strict=True):
            loud = picture[64:].mean(axis=0)  # a click holds all frequencies alike
            if not (np.nanmin(times_s) <= at_s <= np.nanmax(times_s)):
                continue
            found += 1
            assert abs(times_s[loud.argmax()] - at_s) <= 0.0151
            assert (np.diff(times_s[~np.isnan(times_s)]) >= -1e-12).all()
            sounding = loud > (loud.min() + loud.max()) / 2
            assert not np.isnan(times_s[sounding]).any()
        assert found


def test_sums_over_windows():
    values = np.arange(2 * 3 * 7, dtype=float).reshape(2, 3, 7)
    cells = TimeFrequencyMap(values=values, edges_hz=np.arange(4.0), hop_s=0.015)
    # Frames at 0, 15 | 30, 45 | 60, 75, 90 ms: one on a boundary belongs to the later window.
    sums = window_sums(cells, [0.0, 0.03, 0.06])
    by_frame = values.sum(axis=1)
    expected = [by_frame[:, :2].sum(1), by_frame[:, 2:4].sum(1), by_frame[:, 4:].sum(1)]
    np.testing.assert_allclose(sums, np.stack(expected, axis=1))


def test_json_keeps_every_bit():
    values = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)
    cells = TimeFrequencyMap(values=values, edges_hz=np.linspace(0, 8000, 6), hop_s=0.015)
    again = TimeFrequencyMap.from_dict(cells.to_dict())
    np.testing.assert_array_equal(again.values, values)
    np.testing.assert_array_equal(again.edges_hz, cells.edges_hz)
    np.testing.assert_allclose(again.times_s, np.arange(7) * 0.015)
    assert again.to_dict() == cells.to_dict()
    with pytest.raises(ValueError, match="read-only"):
        again.values[0, 0, 0] = 1.0
