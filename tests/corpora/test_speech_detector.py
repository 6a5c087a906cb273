from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from cuelens.corpora import Segment, SpeechDetector
from cuelens.corpora.speech_detector import FRAME, FRAME_S
from cuelens.errors import InputError, MissingExtraError
from cuelens.testing import noise, speech_like

HAS_SILERO = importlib.util.find_spec("silero_vad") is not None
needs_silero = pytest.mark.skipif(not HAS_SILERO, reason="needs the extra long")


def blocks(samples, sizes):
    edges = np.cumsum(sizes)
    return np.split(samples, edges[edges < len(samples)])


@needs_silero
def test_probabilities_do_not_depend_on_the_blocks():
    sound = np.concatenate([noise(duration_s=9.0), speech_like(duration_s=9.13)])
    detector = SpeechDetector()
    whole = np.concatenate(list(detector.probabilities([sound])))
    rng = np.random.default_rng(0)
    in_blocks = np.concatenate(
        list(detector.probabilities(blocks(sound, rng.integers(1, 40_000, 60))))
    )
    assert len(whole) == -(-len(sound) // FRAME)
    np.testing.assert_array_equal(in_blocks, whole)


@needs_silero
def test_probabilities_are_those_of_the_package():
    torch = pytest.importorskip("torch")
    silero = pytest.importorskip("silero_vad")
    sound = np.concatenate([noise(duration_s=1.0), speech_like(duration_s=3.01)])
    model = silero.load_silero_vad(onnx=True)
    theirs = model.audio_forward(torch.from_numpy(sound), 16_000).numpy()[0]
    ours = np.concatenate(list(SpeechDetector().probabilities([sound])))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@needs_silero
@pytest.mark.parametrize("seed", range(12))
def test_segments_are_those_of_the_package(seed):
    """Random walks that cross both thresholds often."""
    from silero_vad.utils_vad import get_speech_timestamps_from_probs

    rng = np.random.default_rng(seed)
    smooth = np.convolve(rng.normal(size=800), np.ones(9) / 9, "same")
    probabilities = 1 / (1 + np.exp(-6 * smooth))
    n_samples = int(800 * FRAME - rng.integers(FRAME))
    settings = SpeechDetector(min_silence_s=0.1 * (1 + seed % 3), pad_s=0.03 * (1 + seed % 4))
    theirs = get_speech_timestamps_from_probs(
        probabilities.tolist(),
        threshold=settings.threshold,
        neg_threshold=settings.release,
        min_silence_duration_ms=round(1000 * settings.min_silence_s),
        speech_pad_ms=round(1000 * settings.pad_s),
        audio_length_samples=n_samples,
    )
    ours = settings.segments(probabilities, duration_s=n_samples / 16_000)
    assert len(theirs) > 3
    np.testing.assert_allclose(
        np.array(ours), [(s["start"] / 16_000, s["end"] / 16_000) for s in theirs], atol=1e-4
    )


def test_segments_of_hand_made_probabilities():
    detector = SpeechDetector(min_silence_s=0.1, min_speech_s=0.1, pad_s=0.0)
    values = np.array([0, 0, 0.6, 0.9, 0.4, 0.9, 0.9, 0.9, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1, 0.9])
    found = detector.segments(values, duration_s=15 * FRAME_S)
    assert found == (Segment(2 * FRAME_S, 8 * FRAME_S),)  # 0.4 goes on; one frame is too short
    assert detector.segments(np.zeros(5), duration_s=5 * FRAME_S) == ()
    assert detector.segments(np.empty(0), duration_s=0.0) == ()


def test_settings_out_of_range():
    with pytest.raises(InputError, match="release is 0"):
        SpeechDetector(release=0.9)
    with pytest.raises(InputError, match="min_silence_s is -1"):
        SpeechDetector(min_silence_s=-1)


def test_missing_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"cuelens\[long\]"):
        next(SpeechDetector().probabilities([np.zeros(FRAME, np.float32)]))


def test_package_without_the_network(monkeypatch, tmp_path):
    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(InputError, match=r"expected silero-vad 6\.2\.3"):
        next(SpeechDetector().probabilities([np.zeros(FRAME, np.float32)]))
