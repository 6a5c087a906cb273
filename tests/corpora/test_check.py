from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cuelens.corpora import CorpusCheck, check_corpus, load_corpus
from cuelens.errors import InputError

WriteClip = Callable[..., Path]


def said(check: CorpusCheck, phrase: str) -> bool:
    return any(phrase in warning for warning in check.warnings)


@pytest.fixture
def tree(tmp_path: Path, write_clip: WriteClip) -> Path:
    """Two speakers, two emotions, lengths of 0.1 to 0.4 s: nothing wrong."""
    for i, name in enumerate(["spk1/anger", "spk1/sad", "spk2/anger", "spk2/sad"], start=1):
        write_clip(tmp_path / name / "x.wav", duration_s=0.1 * i, peak=0.1 * i)
    return tmp_path


def test_counts_lengths_and_levels_by_hand(tree: Path) -> None:
    progress: list[tuple[int, int]] = []
    check = check_corpus(load_corpus(tree), progress=lambda *step: progress.append(step))
    assert check.counts.to_dict() == {
        "anger": {"spk1": 1, "spk2": 1},
        "sadness": {"spk1": 1, "spk2": 1},
    }
    assert check.sample_rates == {8000: 4}
    assert check.channels == {1: 4}
    assert check.total_s == pytest.approx(1.0)
    assert (check.min_s, check.median_s, check.max_s) == pytest.approx((0.1, 0.25, 0.4))
    # a sine of peak p has an RMS of p / sqrt(2); anger has peaks 0.1 and 0.3
    expected_db = np.median(20 * np.log10(np.array([0.1, 0.3]) / np.sqrt(2)))
    assert check.level_db["anger"] == pytest.approx(expected_db, abs=0.05)
    assert check.complete
    assert check.warnings == ()
    assert progress == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_same_sound_in_another_file_type(tree: Path) -> None:
    samples, rate = soundfile.read(tree / "spk1/anger/x.wav", dtype="int16")
    soundfile.write(tree / "spk1/anger/copy.flac", samples, rate)
    check = check_corpus(load_corpus(tree))
    assert [[Path(file).name for file in group] for group in check.duplicates] == [
        ["copy.flac", "x.wav"]
    ]
    assert said(check, "2 clips have the same sound")


def test_same_samples_at_another_rate_are_another_sound(tree: Path) -> None:
    samples, rate = soundfile.read(tree / "spk1/anger/x.wav", dtype="int16")
    soundfile.write(tree / "spk1/anger/copy.wav", samples, 2 * rate)
    check = check_corpus(load_corpus(tree))
    assert check.duplicates == ()
    assert check.sample_rates == {8000: 4, 16000: 1}
    assert said(check, "Sample rates differ (4 at 8000 Hz, 1 at 16000 Hz)")


def test_equal_lengths_and_equal_peaks(tmp_path: Path, write_clip: WriteClip) -> None:
    for i in range(4):
        write_clip(tmp_path / f"anger/{i}.wav", duration_s=0.2, peak=0.9)
    check = check_corpus(load_corpus(tmp_path))
    assert (check.commonest_length_s, check.commonest_length_share) == (0.2, 1.0)
    assert said(check, "100% of the clips are exactly 0.2 s long")
    assert said(check, "final pitch contour cannot be measured")
    assert check.same_peak_share == 1.0
    assert said(check, "have the same peak")


def test_half_of_equal_length_is_not_suspicious(tmp_path: Path, write_clip: WriteClip) -> None:
    for i, duration_s in enumerate([0.2, 0.2, 0.3, 0.4]):
        write_clip(tmp_path / f"anger/{i}.wav", duration_s=duration_s)
    check = check_corpus(load_corpus(tmp_path))
    assert check.commonest_length_share == 0.5
    assert not said(check, "exactly")


def test_padding(tree: Path) -> None:
    tone = 0.3 * np.sin(np.arange(800))
    soundfile.write(tree / "spk1/anger/padded.wav", np.concatenate([tone, np.zeros(1000)]), 8000)
    soundfile.write(tree / "spk1/anger/short.wav", np.concatenate([tone, np.zeros(700)]), 8000)
    check = check_corpus(load_corpus(tree))
    assert check.n_padded == 1
    assert said(check, "ends 1 clip; no microphone")


def test_missing_and_unreadable(tree: Path) -> None:
    corpus = load_corpus(tree)
    (tree / "spk1/anger/x.wav").unlink()
    (tree / "spk1/sad/x.wav").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    )
    (tree / "spk2/anger/x.wav").write_bytes(b"hello")
    soundfile.write(tree / "spk2/sad/x.wav", np.zeros(8000), 8000)
    check = check_corpus(corpus)
    assert check.missing == (str(tree / "spk1/anger/x.wav"),)
    assert check.unreadable[str(tree / "spk1/sad/x.wav")].endswith("run `git lfs pull`")
    assert check.unreadable[str(tree / "spk2/anger/x.wav")].startswith("not audio")
    assert check.unreadable[str(tree / "spk2/sad/x.wav")].startswith("silent")
    assert not check.complete
    assert check.n_clips == 4
    assert np.isnan(check.min_s)
    assert check.total_s == 0
    assert said(check, "Missing: 1 file")
    assert said(check, "Cannot be used: 3 clips")


def test_parts_of_one_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.5, 0.5, 8000)
    soundfile.write(tmp_path / "talk.wav", np.concatenate([noise, noise]), 8000)
    (tmp_path / "t.csv").write_text(
        "file,emotion,start,end\n"
        "talk.wav,anger,0,1\ntalk.wav,anger,1,2\ntalk.wav,anger,0.5,0.75\ntalk.wav,anger,1.5,9\n"
    )
    check = check_corpus(load_corpus(tmp_path / "t.csv"))
    path = tmp_path / "talk.wav"
    assert check.duplicates == ((f"{path} from 0 to 1 s", f"{path} from 1 to 2 s"),)
    assert check.unreadable == {
        f"{path} from 1.5 to 9 s": "ends beyond the recording, which lasts 2.000 s"
    }
    assert (check.total_s, check.min_s) == (2.25, 0.25)


def test_speakers_without_an_emotion_and_clips_without_speaker(
    tree: Path, write_clip: WriteClip
) -> None:
    write_clip(tree / "spk2/joy/x.wav", duration_s=0.55)
    check = check_corpus(load_corpus(tree))
    assert check.missing_emotions == {"spk1": ("happiness",)}
    assert said(check, "(1 of 2 do not): spk1 lacks happiness")
    check = check_corpus(load_corpus(tree).select(speakers=["spk1"]))
    assert said(check, "one speaker")
    write_clip(tree / "spk2/joy/deeper/x.wav", duration_s=0.65)
    check = check_corpus(load_corpus(tree))
    assert check.counts.index.tolist() == ["unknown"]
    assert said(check, "Speaker unknown: 6 clips")


def test_level_that_gives_the_label_away(tmp_path: Path, write_clip: WriteClip) -> None:
    for i in range(3):
        write_clip(tmp_path / f"anger/{i}.wav", duration_s=0.1 + 0.01 * i, peak=0.8)
        write_clip(tmp_path / f"sad/{i}.wav", duration_s=0.2 + 0.01 * i, peak=0.08)
    check = check_corpus(load_corpus(tmp_path))
    assert check.level_db["anger"] - check.level_db["sadness"] == pytest.approx(20, abs=0.1)
    assert said(check, "anger is at -5 dB, sadness at -25 dB")


def test_stereo_and_beyond_full_scale(tree: Path) -> None:
    tone = 1.5 * np.sin(np.arange(3000) / 9)
    soundfile.write(
        tree / "spk1/anger/loud.wav", np.stack([tone, tone], axis=1), 8000, subtype="FLOAT"
    )
    check = check_corpus(load_corpus(tree))
    assert check.channels == {1: 4, 2: 1}
    assert said(check, "Beyond full scale, and scaled down on reading: 1 clip.")


@pytest.mark.corpus
def test_real_emodb_2s_is_cut(data_dir: Path) -> None:
    check = check_corpus(load_corpus(data_dir / "emodb-2s"))
    assert (check.n_clips, check.counts.shape) == (408, (8, 7))
    assert check.complete
    assert check.sample_rates == {16_000: 408}
    assert (check.commonest_length_s, check.commonest_length_share) == (2.0, 1.0)
    assert said(check, "cut or padded")


@pytest.mark.corpus
def test_real_emodb_is_whole_and_peak_normalised(data_dir: Path) -> None:
    check = check_corpus(load_corpus(data_dir / "emodb"))
    assert not said(check, "cut or padded")
    assert said(check, "have the same peak")


@pytest.mark.corpus
def test_real_ravdess_has_one_duplicate_and_level_tells(data_dir: Path) -> None:
    check = check_corpus(load_corpus(data_dir / "ravdess"))
    assert [[Path(file).stem for file in group] for group in check.duplicates] == [
        ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]
    ]
    assert check.level_db["anger"] == pytest.approx(-30, abs=1)
    assert check.level_db["calm"] == pytest.approx(-49, abs=1)
    assert said(check, "Level alone separates emotions: anger")


@pytest.mark.corpus
def test_real_originals_have_their_own_rates(data_dir: Path) -> None:
    ravdess = check_corpus(load_corpus(data_dir / "io", layout="ravdess"))
    assert ravdess.sample_rates == {48_000: 2}
    assert ravdess.channels == {1: 1, 2: 1}
    tess = check_corpus(load_corpus(data_dir / "io", layout="tess"))
    assert len(tess.sample_rates) == 2
    with pytest.raises(InputError, match="more than one corpus"):
        load_corpus(data_dir / "io")
