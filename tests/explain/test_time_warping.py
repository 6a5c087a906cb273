from __future__ import annotations

import difflib
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cuelens import Audio, load_audio
from cuelens.errors import InputError
from cuelens.explain.time_warping import Alignment, align, dynamic_time_warping
from cuelens.testing import noise

DEMO_CLIPS = Path(__file__).parents[2] / "src" / "cuelens" / "demo_clips"


@pytest.mark.parametrize("seed", range(20))
def test_path_and_cost_equal_librosa(seed):
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(seed)
    costs = rng.random((rng.integers(1, 60), rng.integers(1, 60)))
    totals, path = librosa.sequence.dtw(C=costs)
    ours, total = dynamic_time_warping(costs)
    np.testing.assert_array_equal(ours, path[::-1])
    assert total == pytest.approx(totals[-1, -1])


def test_a_path_by_hand():
    costs = np.array([[0.0, 9.0, 9.0], [0.0, 9.0, 9.0], [9.0, 0.0, 1.0]])
    path, total = dynamic_time_warping(costs)
    assert path.tolist() == [[0, 0], [1, 0], [2, 1], [2, 2]]
    assert total == 1.0
    with pytest.raises(InputError, match="both 1 or more"):
        dynamic_time_warping(np.empty((0, 3)))


def test_times_where_one_clip_waits():
    path = np.array([[0.0, 0.0], [0.1, 0.1], [0.1, 0.2], [0.1, 0.3], [0.2, 0.3]])
    alignment = Alignment(path_s=path, cost=0.0)
    np.testing.assert_allclose(alignment.to_second(np.array([0.0, 0.1, 0.15])), [0.0, 0.2, 0.25])
    np.testing.assert_allclose(alignment.swapped().to_second([0.1, 0.3]), [0.1, 0.2])


def test_ends_belong_together():
    """The second clip begins and ends with what the first lacks: nothing of it is lost."""
    path = np.array([[0.0, 0.0], [0.0, 0.5], [0.1, 0.6], [0.2, 0.7], [0.2, 0.9]])
    np.testing.assert_allclose(
        Alignment(path_s=path, cost=0.0).to_second(np.array([0.0, 0.1, 0.2])), [0.0, 0.6, 0.9]
    )


def test_a_clip_and_itself():
    audio = load_audio(DEMO_CLIPS / "de_male_anger.flac")
    found = align(audio, audio)
    assert found.cost < 1e-6
    times_s = np.linspace(0, audio.duration_s, 50)
    np.testing.assert_allclose(found.to_second(times_s), times_s, atol=0.006)


def test_a_pause_put_in_is_found():
    """Half a second of faint noise in the middle: everything behind it is half a second later."""
    audio = load_audio(DEMO_CLIPS / "de_male_anger.flac")
    middle = audio.samples.size // 2
    pause = noise(duration_s=0.5, level=1e-3)
    samples = np.concatenate([audio.samples[:middle], pause, audio.samples[middle:]])
    later = align(audio, Audio(samples=0.5 * samples, sample_rate=16_000))
    times_s = np.arange(0.2, audio.duration_s - 0.2, 0.05)
    cut_s = middle / 16_000
    away = np.abs(times_s - cut_s) > 0.1
    expected = times_s + 0.5 * (times_s > cut_s)
    assert np.abs(later.to_second(times_s) - expected)[away].max() < 0.05


def test_too_long_to_align():
    long = Audio(samples=noise(duration_s=90.0), sample_rate=16_000)
    with pytest.raises(InputError, match="too long to align"):
        align(long, long)


def labelled(file: Path) -> list[tuple[float, str]]:
    """Ends of speech sounds in seconds, from a label file of EmoDB."""
    rows = [
        re.match(r"\s+([\d.]+)\s+-1\s*(\S*)", row) for row in file.read_text("latin1").splitlines()
    ]
    return [(float(row[1]), row[2].lstrip("_!")) for row in rows if row]


@pytest.mark.corpus
@pytest.mark.slow
def test_sounds_of_real_sentences_are_aligned(data_dir):
    """Boundaries that people marked in two clips of one sentence, most by two speakers."""
    labels = data_dir / "emodb-labels" / "lablaut"
    if not labels.is_dir():
        pytest.skip(f"no real speech: {labels} is missing")
    stems = sorted(file.stem for file in (data_dir / "emodb").glob("*.flac"))
    stems = [stem for stem in stems if (labels / f"{stem}.lablaut").exists()]
    rng, errors, stretched = np.random.default_rng(0), [], []
    for sentence in sorted({stem[2:5] for stem in stems}):
        same = [stem for stem in stems if stem[2:5] == sentence]
        for one, other in pairwise(rng.choice(same, 4, replace=False)):
            clips = [load_audio(data_dir / "emodb" / f"{stem}.flac") for stem in (one, other)]
            marks = [labelled(labels / f"{stem}.lablaut") for stem in (one, other)]
            found = align(*clips)
            matcher = difflib.SequenceMatcher(
                None, *[[name for _, name in rows] for rows in marks], autojunk=False
            )
            for i, j, n in matcher.get_matching_blocks():
                for k in range(n - 1):  # the last of a run may be followed by something else
                    first_s, second_s = marks[0][i + k][0], marks[1][j + k][0]
                    errors.append(abs(float(found.to_second(first_s)) - second_s))
                    ratio = clips[1].duration_s / clips[0].duration_s
                    stretched.append(abs(first_s * ratio - second_s))
    assert len(errors) > 400
    assert np.median(errors) < 0.015
    assert np.mean(np.array(errors) < 0.05) > 0.85
    assert np.mean(np.array(stretched) < 0.05) < 0.6
