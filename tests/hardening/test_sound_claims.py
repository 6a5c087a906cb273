"""Sound files whose headers claim more than there is, and files that are none."""

from __future__ import annotations

import io
import os
import struct

import numpy as np
import pytest
import soundfile

from cuelens import InputError, load_audio
from cuelens.audio import LONGEST_CLIP_S
from cuelens.corpora.long_recording import LongRecording
from cuelens.input_file import read_bytes, read_json

RATE = 16_000
TONE = (0.1 * np.sin(np.arange(RATE) / 5)).astype(np.float32)


def encoded(samples=TONE, *, form="FLAC", rate=RATE):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=form)
    return content.getvalue()


def flac_of(n_frames):
    """A FLAC file whose STREAMINFO claims that many samples (RFC 9639, section 8.2)."""
    data = bytearray(encoded())
    claimed = int.from_bytes(data[18:26], "big") >> 36 << 36 | n_frames
    data[18:26] = claimed.to_bytes(8, "big")
    return bytes(data)


@pytest.mark.parametrize("hours", [10, 100, 1000])
def test_a_small_file_that_claims_hours(tmp_path, hours):
    file = tmp_path / "bomb.flac"
    file.write_bytes(flac_of(hours * 3600 * RATE)[:1000])
    for read in (load_audio, LongRecording.open):
        with pytest.raises(InputError, match=rf"claims {hours}.0 h of sound, more than its 1000"):
            read(file)


def test_a_stream_that_does_not_say_how_long_it_is(tmp_path):
    file = tmp_path / "stream.flac"
    file.write_bytes(flac_of(0))
    with pytest.raises(InputError, match="does not say how long it is"):
        load_audio(file)


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3", "CAF", "WAV"])
def test_real_silence_is_no_bomb(tmp_path, form):
    """Digital silence after a word: the least bytes that real recordings have."""
    subtype = {"CAF": "ALAC_16", "OGG": "VORBIS"}.get(form)
    file = tmp_path / f"quiet.{form.lower()}"
    with soundfile.SoundFile(
        file, "w", samplerate=48_000, channels=1, format=form, subtype=subtype
    ) as out:
        out.write(TONE)
        for _ in range(120):
            out.write(np.zeros(48_000, np.float32))
    assert load_audio(file).duration_s == pytest.approx(120.33, abs=0.1)


def test_a_clip_is_not_an_hour_but_a_part_of_an_hour_is(tmp_path):
    file = tmp_path / "long.flac"
    with soundfile.SoundFile(file, "w", samplerate=4000, channels=1) as out:
        for _ in range(31):
            out.write(np.tile(TONE, 15))
    assert LONGEST_CLIP_S == 1800
    with pytest.raises(InputError, match=r"31.0 min asked for.*30.0 min at most.*timeline"):
        load_audio(file)
    assert load_audio(file, start_s=1000, end_s=1002).duration_s == pytest.approx(2, abs=0.01)
    with pytest.raises(InputError, match=r"2.00 s asked for; expected a clip of 1.00 s"):
        load_audio(file, start_s=1000, end_s=1002, longest_s=1.0)
    recording = LongRecording.open(file)
    assert sum(map(len, recording.blocks(4000))) == 31 * 15 * RATE
    with pytest.raises(InputError, match="asked for"):
        load_audio(file, sample_rate=768_000, end_s=200)


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
def test_rates_of_no_recording(tmp_path, rate):
    file = tmp_path / "odd.wav"
    data = bytearray(encoded(form="WAV"))
    data[24:28] = struct.pack("<I", rate)
    file.write_bytes(data)
    for read in (load_audio, LongRecording.open):
        with pytest.raises(InputError, match=rf"says {rate} Hz; expected a sample rate"):
            read(file)


@pytest.mark.parametrize("rate", [0, -1, 10**9, 16_000.5, float("nan")])
def test_rates_that_nobody_can_want(tmp_path, rate):
    file = tmp_path / "a.wav"
    file.write_bytes(encoded(form="WAV"))
    with pytest.raises(InputError, match="expected a whole number of Hz"):
        load_audio(file, sample_rate=rate)


@pytest.mark.parametrize(("start_s", "end_s"), [(float("nan"), None), (0.0, float("inf"))])
def test_times_that_are_none(tmp_path, start_s, end_s):
    file = tmp_path / "a.wav"
    file.write_bytes(encoded(form="WAV"))
    with pytest.raises(InputError, match="asked for"):
        load_audio(file, start_s=start_s, end_s=end_s)


def test_many_channels(tmp_path):
    file = tmp_path / "array.wav"
    file.write_bytes(encoded(np.tile(TONE[:4000, None], (1, 65)), form="WAV"))
    with pytest.raises(InputError, match="65 channels; expected 1 to 64"):
        load_audio(file)


@pytest.mark.parametrize("read", [load_audio, LongRecording.open, read_json])
def test_what_is_no_file_is_refused_unopened(tmp_path, read):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for place in (pipe, "/dev/zero"):
        with pytest.raises(InputError, match="is a pipe or a device"):
            read(place)
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"a\\0b"):
        read("a\0b")


def test_large_text_is_refused(tmp_path):
    file = tmp_path / "labels.csv"
    with file.open("wb") as out:
        out.truncate(10**12)  # holes: no byte on the disk
    with pytest.raises(InputError, match=r"larger than 32\.0 MB"):
        read_bytes(file, expected="a label file")
