from __future__ import annotations

import importlib.util
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import cuelens.demo_clips
from cuelens import load_audio
from cuelens.corpora import (
    LongRecording,
    Segment,
    SpeechDetector,
    map_speech,
    read_parts,
    speech_windows,
)
from cuelens.corpora.long_recording import SpeechMap, cut_at_quiet, follow_level
from cuelens.corpora.speech_detector import FRAME, FRAME_S
from cuelens.errors import CuelensWarning, InputError
from cuelens.testing import noise, speech_like

DEMO_CLIPS = sorted(Path(cuelens.demo_clips.__path__[0]).glob("*.flac"))
HAS_SILERO = importlib.util.find_spec("silero_vad") is not None
needs_silero = pytest.mark.skipif(not HAS_SILERO, reason="needs the extra long")


def spoken_part(samples):
    """First and last sample within 40 dB of the loudest 10 ms."""
    n = 160
    level = np.sqrt((samples[: len(samples) // n * n].reshape(-1, n) ** 2).mean(axis=1))
    loud = np.flatnonzero(level > level.max() / 100)
    return loud[0] * n, (loud[-1] + 1) * n


def with_silences(clips, seed=0):
    """Clips with 0.8 to 2 s of silence between them, and where each is heard, in seconds."""
    rng = np.random.default_rng(seed)
    parts, truth, at = [np.zeros(16_000, np.float32)], [], 16_000
    for clip in clips:
        samples = load_audio(clip).samples
        truth.append([(at + edge) / 16_000 for edge in spoken_part(samples)])
        silence = np.zeros(int(rng.uniform(0.8, 2.0) * 16_000), np.float32)
        parts += [samples, silence]
        at += len(samples) + len(silence)
    return np.concatenate(parts), np.array(truth)


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (16_000, 2)])
def test_blocks_add_up_to_the_file_read_at_once(tmp_path, rate, channels):
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (int(23.4 * rate), channels))
    soundfile.write(tmp_path / "long.flac", samples, rate)
    recording = LongRecording.open(tmp_path / "long.flac")
    blocks = list(recording.blocks(16_000))
    whole = load_audio(tmp_path / "long.flac")
    assert max(map(len, blocks)) <= 11 * 16_000
    np.testing.assert_allclose(np.concatenate(blocks), whole.samples, atol=1e-6)
    assert recording.sha256 == whole.sha256
    assert recording.notes(16_000) == whole.notes


def test_parts_are_cut_from_the_whole(tmp_path):
    soundfile.write(tmp_path / "long.wav", noise(duration_s=47.0, sample_rate=22_050), 22_050)
    recording = LongRecording.open(tmp_path / "long.wav")
    whole = load_audio(tmp_path / "long.wav").samples
    parts = [
        Segment(*part) for part in [(0, 3), (1.5, 12.25), (9.99, 10.01), (30.1, 33), (44, 47.5)]
    ]
    found = list(read_parts(recording, parts, 16_000))
    for (start_s, end_s), part in zip(parts, found, strict=True):
        expected = whole[round(start_s * 16_000) : round(end_s * 16_000)]
        np.testing.assert_array_equal(part, expected)


@needs_silero
def test_speech_between_silences_is_found_within_100_ms(tmp_path):
    sound, truth = with_silences(DEMO_CLIPS)
    soundfile.write(tmp_path / "demo.wav", sound, 16_000)
    found = map_speech(LongRecording.open(tmp_path / "demo.wav"), SpeechDetector())
    np.testing.assert_allclose(np.array(found.segments), truth, atol=0.1)
    assert found.speech_s == pytest.approx(np.diff(truth).sum(), rel=0.05)


@needs_silero
@pytest.mark.corpus
def test_real_speech_between_silences_is_found(tmp_path, data_dir):
    files = sorted((data_dir / "emodb").glob("*.flac"))[::25]
    sound, truth = with_silences(files)
    soundfile.write(tmp_path / "emodb.wav", sound, 16_000)
    found = map_speech(LongRecording.open(tmp_path / "emodb.wav"), SpeechDetector()).segments
    errors = []
    for start_s, end_s in truth:
        within = [part for part in found if part.start_s < end_s and part.end_s > start_s]
        assert within
        errors.append((within[0].start_s - start_s, within[-1].end_s - end_s))
    assert np.mean(np.abs(errors) < 0.1) >= 0.95


def test_ends_follow_the_level():
    level = np.full(100, -120.0)
    level[20:50] = -20.0
    level[50:53] = -55.0  # 35 dB below the loud part: heard
    level[53:60] = -70.0  # 50 dB below: not
    assert follow_level([Segment(22 * FRAME_S, 52 * FRAME_S)], level) == (
        Segment(20 * FRAME_S, 53 * FRAME_S),
    )
    far = Segment(30 * FRAME_S, 40 * FRAME_S)  # silence is out of reach: up to 5 frames further
    assert follow_level([far], level) == (Segment(25 * FRAME_S, 45 * FRAME_S),)
    assert follow_level([], level) == ()


def test_everything_counts_without_a_detector(tmp_path):
    soundfile.write(tmp_path / "long.wav", noise(duration_s=12.5), 16_000)
    found = map_speech(LongRecording.open(tmp_path / "long.wav"), None)
    assert found.segments == (Segment(0.0, 12.5),)
    assert found.probability is None
    assert len(found.level_db) == -(-12.5 * 16_000 // FRAME)
    assert found.level_db.mean() == pytest.approx(-20.0, abs=0.1)  # standard deviation 0.1


def test_cuts_lie_at_the_quietest_place():
    rng = np.random.default_rng(0)
    level = rng.normal(-20, 3, 2000)
    segment, longest = Segment(1.0, 50.0), 6.0
    pieces = cut_at_quiet(segment, level, longest)
    assert pieces[0].start_s == 1.0
    assert pieces[-1].end_s == 50.0
    centres = (np.arange(2000) + 0.5) * FRAME_S
    for piece, following in pairwise(pieces):
        assert piece.end_s == following.start_s
        latest = min(piece.start_s + longest, segment.end_s - longest / 2)
        allowed = (centres >= piece.start_s + longest / 2 - 1e-9) & (centres <= latest + 1e-9)
        quietest = centres[allowed][level[allowed].argmin()]
        assert piece.end_s == pytest.approx(quietest)
    lengths = [piece.end_s - piece.start_s for piece in pieces]
    assert longest / 2 - 1e-9 <= min(lengths)
    assert max(lengths) <= longest + 1e-9


def test_pause_is_where_speech_is_cut():
    level = np.full(400, -20.0)
    level[120:123] = [-50, -60, -50]
    (first, second) = cut_at_quiet(Segment(0.0, 7.0), level, 4.5)
    assert first.end_s == second.start_s == pytest.approx(121.5 * FRAME_S)


def test_windows_with_a_hop_cover_every_segment():
    speech = SpeechMap(
        duration_s=30.0,
        level_db=np.zeros(1000),
        probability=None,
        segments=(Segment(1.0, 3.0), Segment(5.0, 12.5)),
    )
    found = speech_windows(speech, window_s=4.0, hop_s=1.5)
    assert found[0] == Segment(1.0, 3.0)
    np.testing.assert_allclose(
        np.array(found[1:]), [(5.0, 9.0), (6.5, 10.5), (8.0, 12.0), (8.5, 12.5)]
    )
    assert speech.speech_share(Segment(2.0, 6.0)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_s": 0.1}, "window_s is 0.1; expected 0.25 to 60 s"),
        ({"window_s": 61.0}, "window_s is 61; expected 0.25 to 60 s"),
        ({"window_s": float("nan")}, "window_s is nan"),
        ({"window_s": 2.0, "hop_s": 0.0}, "hop_s is 0.0"),
    ],
)
def test_windows_out_of_range(settings, message):
    speech = SpeechMap(duration_s=1.0, level_db=np.zeros(31), probability=None, segments=())
    with pytest.raises(InputError, match=message):
        speech_windows(speech, **settings)


def test_unreadable_recordings(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        LongRecording.open(tmp_path / "missing.wav")
    with pytest.raises(InputError, match="is a folder"):
        LongRecording.open(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(InputError, match="0 bytes"):
        LongRecording.open(tmp_path / "empty.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(InputError, match="not audio that can be read"):
        LongRecording.open(tmp_path / "text.wav")
    soundfile.write(tmp_path / "none.wav", np.empty(0), 16_000)
    with pytest.raises(InputError, match="holds no sound"):
        LongRecording.open(tmp_path / "none.wav")
    soundfile.write(tmp_path / "whole.wav", noise(duration_s=20.0), 16_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:300_000])
    with pytest.raises(InputError, match="truncated"):
        LongRecording.open(tmp_path / "cut.wav")
    bad = noise(duration_s=13.0)
    bad[200_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", bad, 16_000, subtype="FLOAT")
    with pytest.raises(InputError, match="after 10 s are NaN"):
        list(LongRecording.open(tmp_path / "nan.wav").blocks(16_000))


@pytest.mark.parametrize("ending", ["ogg", "flac"])
def test_truncated_compressed_recordings(tmp_path, ending):
    whole = tmp_path / f"whole.{ending}"
    soundfile.write(whole, speech_like(duration_s=30.0), 16_000)
    assert sum(map(len, LongRecording.open(whole).blocks(16_000))) == 480_000
    cut = tmp_path / f"cut.{ending}"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="truncated"):
        list(LongRecording.open(cut).blocks(16_000))


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    """Ten minutes are 38 MB of samples; reading them holds a few blocks of ten seconds."""
    peaks = []
    for minutes in (2, 10):
        file = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(file, "w", 16_000, 1) as target:
            for seed in range(minutes):
                target.write(noise(duration_s=60.0, seed=seed))
        recording = LongRecording.open(file)
        tracemalloc.start()
        speech = map_speech(recording, None)
        windows = speech_windows(speech, window_s=6.0)
        assert sum(len(part) for part in read_parts(recording, windows, 16_000)) == (
            minutes * 60 * 16_000
        )
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert peaks[1] < 15
    assert peaks[1] < peaks[0] + 2


def test_speech_shares_are_those_of_the_slow_sum():
    """Against every segment in turn, for thousands of windows of thousands of segments."""
    random = np.random.default_rng(0)
    edges = np.cumsum(random.exponential(1.0, 4000)).reshape(-1, 2)
    segments = tuple(Segment(*pair) for pair in edges.tolist())
    speech = SpeechMap(
        duration_s=edges[-1, 1] + 1, level_db=np.zeros(1), probability=None, segments=segments
    )
    starts = random.uniform(-2, edges[-1, 1], 300)
    parts = [Segment(start, start + random.uniform(0.05, 60)) for start in starts.tolist()]
    parts += segments[:20]
    for start, end in parts:
        inside = np.minimum(end, edges[:, 1]) - np.maximum(start, edges[:, 0])
        expected = np.maximum(inside, 0).sum() / (end - start)
        assert speech.speech_share(Segment(start, end)) == pytest.approx(expected, abs=1e-9)
    assert speech.speech_share(segments[7]) == 1.0


def test_end_that_is_missing_is_said(tmp_path):
    """MP3 has no length that can be checked; 0.5 % less of the bytes is 0.5 % less of the sound."""
    whole, cut = tmp_path / "whole.mp3", tmp_path / "cut.mp3"
    soundfile.write(whole, speech_like(duration_s=30.0), 16_000)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(0.995 * len(content))])
    assert map_speech(LongRecording.open(whole), None).missing_s == 0.0
    with pytest.warns(CuelensWarning, match=r"cut.mp3: the last 0\.\d\d s that the header"):
        found = map_speech(LongRecording.open(cut), None)
    assert found.missing_s == pytest.approx(0.15, abs=0.05)
    assert found.duration_s == pytest.approx(30.0 - found.missing_s, abs=0.1)
    with pytest.warns(CuelensWarning, match="header promises"):
        assert load_audio(cut).notes == found.notes()


def test_moved_ends_leave_a_quarter_of_a_second():
    level = np.full(100, -120.0)
    level[30] = -20.0  # a click of 32 ms between two ends that could both move inwards
    short = Segment(25 * FRAME_S, 36 * FRAME_S)
    assert follow_level([short], level) == (short,)
    level[27:35] = -20.0
    (found,) = follow_level([short], level)
    assert found == Segment(27 * FRAME_S, 35 * FRAME_S)
    assert found.end_s - found.start_s >= 0.25


def test_what_is_too_short_for_any_model_is_no_window():
    speech = SpeechMap(
        duration_s=9.0,
        level_db=np.zeros(300),
        probability=None,
        segments=(Segment(1.0, 1.04), Segment(2.0, 2.05), Segment(3.0, 5.0)),
    )
    assert speech_windows(speech, window_s=6.0) == speech.segments[1:]
