from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, CuelensWarning, InputError, load_audio
from cuelens.audio import within_full_scale
from cuelens.testing import noise, tone

RATE = 16_000


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("wav", "PCM_U8", 2**-6),
        ("wav", "FLOAT", 0.0),
        ("wav", "DOUBLE", 1e-7),
        ("flac", "PCM_16", 2**-15),
        ("ogg", "VORBIS", 0.08),
        ("mp3", "MPEG_LAYER_III", 0.08),
    ],
)
def test_formats_decode_to_the_sound_that_was_written(tmp_path, suffix, subtype, tolerance):
    samples = tone(440.0, duration_s=0.5)
    file = tmp_path / f"tone.{suffix}"
    soundfile.write(file, samples, RATE, subtype=subtype)
    audio = load_audio(file)
    assert audio.samples.dtype == np.float32
    assert audio.samples.size == samples.size
    assert np.abs(audio.samples - samples).max() <= tolerance
    assert audio.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not audio.samples.flags.writeable


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_414, 44_100, 48_000, 96_000])
def test_resampling_keeps_a_tone(tmp_path, rate):
    file = tmp_path / "tone.wav"
    soundfile.write(file, tone(1000.0, sample_rate=rate), rate, subtype="FLOAT")
    audio = load_audio(file)
    assert audio.sample_rate == RATE
    assert audio.duration_s == pytest.approx(1.0, abs=1e-3)
    inner = slice(1000, 15_000)  # the filter rings at the ends
    assert np.abs(audio.samples[inner] - tone(1000.0)[inner]).max() < 1e-3
    assert f"resampled from {rate} to {RATE} Hz" in audio.notes


def test_channels_are_averaged(tmp_path):
    left, right = tone(300.0), tone(500.0)
    file = tmp_path / "stereo.wav"
    soundfile.write(file, np.column_stack([left, right]), RATE, subtype="FLOAT")
    audio = load_audio(file)
    np.testing.assert_allclose(audio.samples, (left + right) / 2, atol=1e-7)
    assert "2 channels averaged to mono" in audio.notes


def test_samples_beyond_full_scale_are_scaled_and_reported(tmp_path):
    loud = 1.5 * tone(300.0, level=1.0)
    file = tmp_path / "loud.wav"
    soundfile.write(file, loud, RATE, subtype="FLOAT")
    with pytest.warns(CuelensWarning, match=r"peak was 1\.500"):
        audio = load_audio(file)
    np.testing.assert_allclose(audio.samples, loud / np.abs(loud).max(), atol=1e-6)
    assert "scaled by 0.667" in audio.notes[0]


def test_resampling_overshoot_never_exceeds_full_scale(tmp_path):
    square = np.sign(tone(700.0, sample_rate=48_000)).astype(np.float32)
    file = tmp_path / "square.wav"
    soundfile.write(file, square, 48_000, subtype="PCM_16")
    audio = load_audio(file)
    assert np.abs(audio.samples).max() <= 1.0
    assert any("overshot" in note for note in audio.notes)


def test_part_of_a_file(tmp_path):
    samples = noise(duration_s=2.0)
    file = tmp_path / "long.wav"
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    part = load_audio(file, start_s=0.5, end_s=1.25)
    np.testing.assert_array_equal(part.samples, samples[8000:20_000])
    with pytest.raises(InputError, match=r"asked for 1 to 5 s of a recording of 2\.000 s"):
        load_audio(file, start_s=1.0, end_s=5.0)


def _bytes(samples: np.ndarray, suffix: str, tmp_path: Path) -> bytes:
    file = tmp_path / f"whole.{suffix}"
    soundfile.write(file, samples, RATE)
    return file.read_bytes()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    content = _bytes(noise(duration_s=2.0), suffix, tmp_path)
    file = tmp_path / f"cut.{suffix}"
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="truncated"):
        load_audio(file)


def test_a_stream_of_unknown_size_is_read(tmp_path):
    content = bytearray(_bytes(noise(duration_s=0.5), "wav", tmp_path))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # what encoders write to a pipe
    file = tmp_path / "stream.wav"
    file.write_bytes(content)
    assert load_audio(file).duration_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"this is a text file\n" * 50, "not audio that can be read"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not audio that can be read"),
        (np.random.default_rng(0).bytes(5000), "not audio that can be read"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, content, message):
    file = tmp_path / "bad.wav"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_audio(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(16_000), r"silent \(peak 0\.0e\+00"),
        (1e-5 * tone(200.0), "silent"),
        (np.full(16_000, np.nan), "16000 samples are NaN"),
        (np.append(tone(200.0), np.inf), "1 samples are NaN or infinite"),
        (tone(200.0, duration_s=0.03), r"30\.0 ms long; expected at least 50 ms"),
    ],
)
def test_unusable_sound_is_refused(tmp_path, samples, message):
    file = tmp_path / "bad.wav"
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=message):
        load_audio(file)


def test_a_header_without_sound_is_refused(tmp_path):
    file = tmp_path / "header.wav"
    soundfile.write(file, np.zeros(0), RATE)
    with pytest.raises(InputError, match="expected at least 50 ms"):
        load_audio(file)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_audio(tmp_path / "nowhere.wav")
    with pytest.raises(InputError, match="is a folder"):
        load_audio(tmp_path)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, 16_000)), RATE, r"shape \(2, 16000\)"),
        (3 * tone(200.0), RATE, r"peak is 1\.5"),
        (tone(200.0), 0, "sample rate is 0"),
        (tone(200.0), 16_000.5, "whole number"),
    ],
)
def test_audio_checks_what_it_is_given(samples, rate, message):
    with pytest.raises(InputError, match=message):
        Audio(samples=samples, sample_rate=rate)


def test_audio_copies_its_samples():
    samples = tone(200.0)
    audio = Audio(samples=samples, sample_rate=RATE)
    before = audio.samples.copy()
    samples[:] = 0
    np.testing.assert_array_equal(audio.samples, before)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=400), magic=st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS"]))
def test_no_content_is_worse_than_an_input_error(tmp_path_factory, content, magic):
    file = tmp_path_factory.mktemp("fuzz") / "x.wav"
    file.write_bytes(magic + content)
    with pytest.raises(InputError):
        load_audio(file)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "duration_s", "notes"),
    [
        ("03-01-02-01-01-02-01.wav", 3.604, 2),
        ("03-01-05-02-01-01-02.wav", 3.904, 1),
        ("OAF_food_fear.wav", 1.512, 1),
        ("YAF_dog_angry.wav", 2.173, 1),
        ("emodb_03b10Ec.wav", 3.202, 0),
    ],
)
def test_originals_as_published(data_dir, name, duration_s, notes):
    audio = load_audio(data_dir / "io" / name)
    assert audio.sample_rate == RATE
    assert audio.duration_s == pytest.approx(duration_s, abs=2e-3)
    assert len(audio.notes) == notes


@pytest.mark.corpus
def test_own_resampling_agrees_with_the_prepared_copy(data_dir):
    original = load_audio(data_dir / "io" / "03-01-05-02-01-01-02.wav").samples
    copy = load_audio(data_dir / "ravdess" / "Actor_02" / "03-01-05-02-01-01-02.flac").samples
    n = min(len(original), len(copy))
    assert np.corrcoef(original[:n], copy[:n])[0, 1] > 0.999


@pytest.mark.parametrize("peak", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sound_beyond_full_scale_is_scaled_and_the_rest_left_alone(peak, dtype):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 500).astype(dtype)
    samples = (samples / np.abs(samples).max()).astype(dtype) * dtype(peak)
    found = within_full_scale(samples)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, samples / max(1.0, peak), atol=1e-7)
    assert np.abs(found).max() == pytest.approx(min(peak, 1.0), abs=1e-7)
    assert np.abs(found).max() <= 1.0


def test_a_notebook_plays_the_sound():
    audio = Audio(
        samples=tone(440.0, duration_s=0.5), sample_rate=RATE, source="/home/me/a <b>.wav"
    )
    shown = audio._repr_html_()
    content = base64.b64decode(re.search(r"data:audio/wav;base64,([^\"]+)", shown)[1])
    samples, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE
    assert np.abs(samples - audio.samples).max() <= 2**-15
    assert "a &lt;b&gt;.wav, 0.50 s" in shown
    assert "<b>" not in shown
    assert "/home" not in shown


def test_a_notebook_says_where_a_part_begins_and_carries_no_hour():
    part = Audio(samples=tone(440.0), sample_rate=RATE, start_s=12.5)
    assert "from 12.50 s" in part._repr_html_()
    long = Audio(samples=np.tile(tone(440.0, sample_rate=100), 301), sample_rate=100)
    assert "<audio" not in long._repr_html_()
    assert "longer than 5 minutes" in long._repr_html_()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/me/a.wav", "a.wav"),
        ("/home/me/a.wav (tilt −4 dB/octave)", "a.wav (tilt −4 dB/octave)"),
        ("C:\\me\\a.wav", "a.wav"),
        ("/home/me/take (2)/a b.flac", "a b.flac"),
        ("/home/me/a", "a"),
        ("array", "array"),
    ],
)
def test_a_notebook_names_the_file_without_its_folder(source, shown):
    audio = Audio(samples=tone(440.0, duration_s=0.1), sample_rate=RATE, source=source)
    assert f'aria-label="{shown}"' in audio._repr_html_()
