from __future__ import annotations

import importlib.util
import inspect
import json
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import cuelens.demo_clips
from cuelens import EmoLime, FrequencyBands, load_audio, load_model
from cuelens.corpora import Segment, SpeechDetector
from cuelens.errors import InputError, MissingExtraError
from cuelens.explain import Timeline, open_timeline, timeline
from cuelens.explain.timeline_figure import clock, shown_until
from cuelens.models import predict
from cuelens.testing import BandModel, noise, tone
from cuelens.units import TimeWindows

HAS_SILERO = importlib.util.find_spec("silero_vad") is not None
BANDS = EmoLime(units=FrequencyBands(n_bands=4))


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """Half a minute at 22.05 kHz: 3 s of a tone in the model's band, then 3 s of one outside."""
    file = tmp_path_factory.mktemp("long") / "tönes.wav"
    parts = [
        tone(1500.0 if turn % 2 == 0 else 300.0, duration_s=3.0, sample_rate=22_050)
        for turn in range(10)
    ]
    soundfile.write(file, np.concatenate(parts), 22_050)
    return file


@pytest.fixture
def model() -> BandModel:
    return BandModel(band_hz=(1000.0, 2000.0))


def run(model, recording, **settings):
    return timeline(model, recording, detector=None, window_s=3.0, hop_s=3.0, **settings)


def test_answers_equal_those_of_the_recording_resampled_at_once(model, recording):
    """The streaming resampler gives the same samples, so the answers agree to rounding."""
    found = timeline(model, recording, detector=None, window_s=2.5, hop_s=0.7)
    whole = load_audio(recording, sample_rate=16_000).samples
    for row in found.rows:
        part = whole[round(row.start_s * 16_000) : round(row.end_s * 16_000)]
        np.testing.assert_allclose(row.probabilities, predict(model, [part])[0], atol=1e-6)
    assert found.rows[0].start_s == 0.0
    assert found.rows[-1].end_s == pytest.approx(30.0, abs=1e-3)
    assert len(found.rows) == 41


def test_answers_of_a_network_equal_those_of_the_clips(tmp_path):
    """Windows answered together, of several lengths, with a real model."""
    network = load_model("emodb-cnn")
    clips = sorted(Path(cuelens.demo_clips.__path__[0]).glob("*.flac"))[:4]
    sound = np.concatenate([load_audio(clip).samples for clip in clips])
    soundfile.write(tmp_path / "clips.wav", sound, 16_000)
    found = timeline(network, tmp_path / "clips.wav", detector=None, window_s=2.0)
    whole = load_audio(tmp_path / "clips.wav").samples
    assert len({row.duration_s for row in found.rows}) > 2
    for row in found.rows:
        part = whole[round(row.start_s * 16_000) : round(row.end_s * 16_000)]
        np.testing.assert_allclose(row.probabilities, predict(network, [part])[0], atol=1e-5)


def test_labels_alternate_with_the_sound(model, recording):
    found = run(model, recording)
    assert [found.answer(row) for row in found.rows] == ["high", "low"] * 5
    assert found.n_changes() == 9
    assert found.time_per_answer() == pytest.approx({"high": 0.5, "low": 0.5})
    assert {row.start_s for row in found.top("low")} == {3.0, 9.0, 15.0, 21.0, 27.0}
    with pytest.raises(InputError, match="expected one of high, low"):
        found.top("anger")


def test_top_windows_do_not_overlap(model, recording):
    found = timeline(model, recording, detector=None, window_s=3.0, hop_s=0.5)
    rows = sorted(found.top("high"), key=lambda row: row.start_s)
    assert len(rows) == 5
    assert all(a.end_s <= b.start_s for a, b in pairwise(rows))


def test_explanations_are_those_of_the_clips(model, recording):
    found = run(model, recording, explainer=BANDS, explain="all", target="high")
    for row in found.rows[:3]:
        clip = load_audio(recording, start_s=row.start_s, end_s=row.end_s)
        alone = BANDS.explain(model, clip, target="high")
        assert row.target == "high"
        assert [unit.name for unit in row.weights] == [unit.name for unit in alone.units]
        weights = [unit.weight for unit in row.weights]
        # a clip read alone is resampled without the sound around it
        np.testing.assert_allclose(weights, alone.target_weights, atol=2e-3)
        assert row.weights[0].start_s == row.start_s
        assert row.weights[0].end_s == pytest.approx(row.end_s, abs=1e-3)
    supporting = max(found.rows[0].weights, key=lambda unit: unit.weight)
    assert supporting.low_hz < 1500 < supporting.high_hz


def test_only_changes_are_explained(model, tmp_path):
    parts = [tone(hz, duration_s=2.0) for hz in (1500, 1500, 300, 300, 300, 1500)]
    soundfile.write(tmp_path / "tones.wav", np.concatenate(parts), 16_000)
    found = timeline(
        model, tmp_path / "tones.wav", detector=None, window_s=2.0, hop_s=2.0, explainer=BANDS
    )
    assert [bool(row.weights) for row in found.rows] == [True, False, True, False, False, True]
    assert [row.target for row in found.explained] == ["high", "low", "high"]


def test_moments_are_placed_in_the_recording(model, recording):
    explainer = EmoLime(units=TimeWindows(window_s=1.0))
    found = run(model, recording, explainer=explainer, explain="all")
    starts = [unit.start_s for unit in found.rows[2].weights]
    np.testing.assert_allclose(starts, [6.0, 7.0, 8.0], atol=1e-3)
    assert not [name for name in found.to_frame().columns if name.startswith("weight ")]


def test_a_run_that_was_killed_goes_on(model, recording, tmp_path):
    settings = {"explainer": BANDS, "explain": "changes"}
    whole = run(model, recording, **settings, journal=tmp_path / "whole.jsonl")
    began = open_timeline(
        model,
        recording,
        detector=None,
        window_s=3.0,
        hop_s=3.0,
        journal=tmp_path / "part.jsonl",
        **settings,
    )
    rows = began.rows()
    for _ in range(4):
        next(rows)
    rows.close()
    journal = tmp_path / "part.jsonl"
    assert len(journal.read_text().splitlines()) == 5
    journal.write_bytes(journal.read_bytes()[:-20])  # cut off in the middle of the fourth
    calls = model.n_waveforms
    again = run(model, recording, **settings, journal=journal)
    n_again = model.n_waveforms - calls
    assert again.to_dict() == whole.to_dict()
    assert journal.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    calls = model.n_waveforms
    assert run(model, recording, **settings, journal=journal).to_dict() == whole.to_dict()
    assert model.n_waveforms - calls == 1  # which model it is
    assert n_again < 7 * 17 + 12


def test_journal_of_other_settings(model, recording, tmp_path):
    run(model, recording, journal=tmp_path / "run.jsonl")
    with pytest.raises(InputError, match=r"other settings \(.*window_s"):
        timeline(model, recording, detector=None, window_s=4.0, journal=tmp_path / "run.jsonl")
    other = BandModel(band_hz=(200.0, 400.0))  # the same name, other answers
    with pytest.raises(InputError, match="answer_to_first_window"):
        run(other, recording, journal=tmp_path / "run.jsonl")


def test_frame_and_json(model, recording):
    found = run(model, recording, explainer=BANDS, explain="changes")
    frame = found.to_frame()
    assert frame.index.names == ["file", "start", "end"]
    assert frame.index[1][1:] == (pd.Timedelta(seconds=3), pd.Timedelta(seconds=6))
    np.testing.assert_allclose(frame["p high"] + frame["p low"], 1.0)
    names = [name for name in frame.columns if name.startswith("weight ")]
    assert names == [f"weight {unit.name}" for unit in found.rows[0].weights]  # low to high
    np.testing.assert_allclose(
        frame[names].iloc[0], [unit.weight for unit in found.rows[0].weights]
    )
    again = Timeline.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert again.rows == found.rows
    with pytest.raises(InputError, match="schema_version is 9"):
        Timeline.from_dict({"schema_version": 9})
    with pytest.raises(InputError, match="incomplete or damaged"):
        Timeline.from_dict({"schema_version": 1})


@pytest.mark.parametrize("explainer", [None, BANDS])
def test_figure_shows_every_answer(model, recording, explainer, tmp_path):
    found = run(model, recording, explainer=explainer, explain="all")
    figure = found.plot()
    lanes = figure.axes[1:3]
    for ax, label in zip(lanes, found.labels, strict=True):
        heights = sum(patch.get_height() for patch in ax.patches)
        column = found.labels.index(label)
        assert heights == pytest.approx(sum(row.probabilities[column] for row in found.rows))
    assert len(figure.axes) == (3 if explainer is None else 4)
    found.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "timeline.csv")
    np.testing.assert_allclose(table["start_s"], np.arange(10) * 3.0)
    assert (tmp_path / "out" / "timeline.png").stat().st_size > 10_000
    found.save(tmp_path / "out", figures="svg")
    assert found.labels[0] in (tmp_path / "out" / "timeline.svg").read_text("utf-8")
    assert not (tmp_path / "out" / "timeline.png").exists()


def test_overlapping_windows_are_drawn_side_by_side(model, recording):
    found = timeline(model, recording, detector=None, window_s=3.0, hop_s=1.0)
    spans = [(row.start_s, end_s) for row, end_s in shown_until(found)]
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert spans[-1][1] == found.rows[-1].end_s


@dataclass(kw_only=True)
class FailsBelow:
    """Refuses windows whose level is low."""

    labels: tuple[str, ...] = ("a", "b")
    sample_rate: int = 16_000
    name: str = "picky"

    def predict_proba(self, waveforms):
        if any(np.abs(waveform).max() < 0.2 for waveform in waveforms):
            raise ValueError("too quiet")
        return np.tile([0.8, 0.2], (len(waveforms), 1))


def test_one_window_that_fails_does_not_cost_the_others(tmp_path):
    parts = [tone(500, duration_s=2.0, level=level) for level in (0.5, 0.1, 0.5)]
    soundfile.write(tmp_path / "tones.wav", np.concatenate(parts), 16_000)
    found = timeline(FailsBelow(), tmp_path / "tones.wav", detector=None, window_s=2.0, hop_s=2.0)
    assert [bool(row.probabilities) for row in found.rows] == [True, False, True]
    assert "too quiet" in found.rows[1].error
    assert np.isnan(found.to_frame()["p a"].iloc[1])
    soundfile.write(tmp_path / "quiet.wav", parts[1], 16_000)
    with pytest.raises(InputError, match=r"no window could be answered.*too quiet"):
        timeline(FailsBelow(), tmp_path / "quiet.wav", detector=None)


def test_loud_windows_are_scaled_as_clips_are(model, tmp_path):
    samples = np.concatenate([noise(duration_s=2.0), 3 * tone(1500, duration_s=2.0)])
    soundfile.write(tmp_path / "loud.wav", samples, 16_000, subtype="FLOAT")
    found = timeline(model, tmp_path / "loud.wav", detector=None, window_s=2.0, hop_s=2.0)
    scaled = samples[32_000:] / np.abs(samples[32_000:]).max()
    expected = predict(model, [samples[:32_000], scaled])
    np.testing.assert_allclose([row.probabilities for row in found.rows], expected, atol=1e-6)


def test_silent_windows_are_answered_but_not_explained(model, tmp_path):
    samples = np.concatenate([tone(1500, duration_s=2.0), np.zeros(32_000, np.float32)])
    soundfile.write(tmp_path / "half.wav", samples, 16_000)
    began = open_timeline(
        model,
        tmp_path / "half.wav",
        detector=None,
        window_s=2.0,
        hop_s=2.0,
        explainer=BANDS,
        explain="all",
    )
    found = began.collect()
    assert [bool(row.weights) for row in found.rows] == [True, False]
    assert "silent" in found.rows[1].error
    loud, silent = began.sounds(found.rows)
    np.testing.assert_allclose(loud.samples, samples[:32_000], atol=1e-4)
    assert silent is None


def test_timeline_and_open_timeline_have_one_list_of_settings(model, recording):
    whole, opened = (inspect.signature(one).parameters for one in (timeline, open_timeline))
    assert whole == opened
    with pytest.raises(TypeError, match="wndow_s"):
        timeline(model, recording, wndow_s=3.0)


def test_settings_are_refused_before_the_work(model, recording):
    with pytest.raises(InputError, match="window_s is 0"):
        timeline(model, recording, window_s=0)
    with pytest.raises(InputError, match="explain is 'some'"):
        timeline(model, recording, explain="some")
    with pytest.raises(InputError, match="expected one of the model's labels"):
        timeline(model, recording, target="boredom")


@pytest.mark.skipif(not HAS_SILERO, reason="needs the extra long")
def test_recording_without_speech(model, tmp_path):
    soundfile.write(tmp_path / "noise.wav", noise(duration_s=5.0), 16_000)
    with pytest.raises(InputError, match="no speech found in 5"):
        timeline(model, tmp_path / "noise.wav")


def test_missing_detector(model, recording, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"cuelens\[long\]"):
        timeline(model, recording, detector=SpeechDetector())


def test_progress_ends_at_the_length(model, recording):
    seen = []
    run(model, recording, progress=lambda *report: seen.append(report))
    assert seen[-1] == ("answers", 30, 30)
    assert [done for what, done, _ in seen if what == "answers"][:3] == [3, 6, 9]
    assert ("finding speech", 30, 30) in seen


@pytest.mark.parametrize(
    ("seconds", "text", "exact"),
    [
        (0.0, "0:00", "0:00.0"),
        (59.96, "1:00", "1:00.0"),
        (754.24, "12:34", "12:34.2"),
        (3723.0, "1:02:03", "1:02:03.0"),
    ],
)
def test_times_as_a_clock_shows_them(seconds, text, exact):
    assert clock(seconds) == text
    assert clock(seconds, tenths=True) == exact


@pytest.mark.slow
def test_memory_stays_small(model, tmp_path):
    """Ten minutes hold 38 MB of samples."""
    file = tmp_path / "long.wav"
    with soundfile.SoundFile(file, "w", 16_000, 1) as target:
        for seed in range(10):
            target.write(noise(duration_s=60.0, seed=seed))
    timeline(model, file, detector=None, window_s=6.0, hop_s=60.0)  # imports
    tracemalloc.start()
    found = timeline(model, file, detector=None, window_s=6.0)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert len(found.rows) >= 100
    assert peak_mb < 25
    assert found.segments == (Segment(0.0, 600.0),)
