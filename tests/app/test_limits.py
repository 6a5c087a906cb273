"""What the app takes, and what it says of the rest."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from cuelens.app.limits import Limits
from cuelens.errors import InputError
from cuelens.testing import speech_like


def write(folder, *, duration_s=1.0, name="clip.wav", rate=16_000):
    file = folder / name
    soundfile.write(file, speech_like(duration_s=duration_s, sample_rate=rate), rate)
    return file


def test_a_recording_is_called_by_its_name_only(tmp_path):
    audio = Limits().read(write(tmp_path))
    assert audio.source == "clip.wav"
    assert audio.duration_s == pytest.approx(1.0)
    assert Limits().read(write(tmp_path), name="mine").source == "mine"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_s=0.5), "1 s long; expected 0.5 s at most"),
        (Limits(max_mb=0.01), "0.0 MB; expected 0.01 MB at most"),
    ],
)
def test_too_long_or_too_large(tmp_path, limits, message):
    with pytest.raises(InputError, match=message) as caught:
        limits.read(write(tmp_path))
    assert str(tmp_path) not in str(caught.value)


def test_length_is_known_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("cuelens.app.limits.load_audio", lambda file: pytest.fail("decoded"))
    with pytest.raises(InputError, match="at most"):
        Limits(max_s=0.5).read(write(tmp_path))


@pytest.mark.parametrize("content", [b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound(tmp_path, content):
    file = tmp_path / "bad.wav"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"^bad\.wav: cannot be read as sound; expected") as caught:
        Limits().read(file)
    assert str(tmp_path) not in str(caught.value)


def test_messages_of_the_reader_show_no_folder(tmp_path):
    file = tmp_path / "silent.wav"
    soundfile.write(file, np.zeros(16_000), 16_000)
    with pytest.raises(InputError, match=r"^silent\.wav: silent") as caught:
        Limits().read(file)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(InputError, match=r"gone\.wav: cannot be read"):
        Limits().read(tmp_path / "gone.wav")


def test_limits_are_checked():
    with pytest.raises(InputError, match="max_s is 0; expected more than 0"):
        Limits(max_s=0)
