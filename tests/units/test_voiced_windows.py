"""Windows end where level or voicing changes, and the cuts are the cheapest there are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from cuelens import Audio, InputError, load_audio
from cuelens.testing import noise, tone
from cuelens.units import VoicedWindows, read_emodb_labels
from cuelens.units.emodb_labels import find_emodb_labels
from cuelens.units.voiced_windows import _cheapest_cuts, level_and_voicing


def voice(duration_s, f0_hz=120.0, level=0.3):
    """Ten harmonics of equal level."""
    return sum(tone(f0_hz * h, duration_s=duration_s, level=level / 10) for h in range(1, 11))


def joined(*pieces):
    return Audio(samples=np.concatenate(pieces), sample_rate=16_000)


@pytest.mark.parametrize("f0_hz", [90.0, 150.0, 300.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_changes_are_found(f0_hz, seed):
    """Silence, a voice, noise as loud, a soft voice: the boundaries between them, within 20 ms."""
    audio = joined(
        noise(duration_s=0.2, level=1e-4, seed=seed),
        voice(0.3, f0_hz),
        noise(duration_s=0.15, level=0.05, seed=seed + 10),
        voice(0.25, f0_hz, level=0.02),
        noise(duration_s=0.1, level=1e-4, seed=seed + 20),
    )
    edges_s = VoicedWindows().edges_s(audio)
    for change_s in (0.2, 0.5, 0.65, 0.9):
        assert np.abs(edges_s - change_s).min() <= 0.02
    assert len(edges_s) - 1 <= 7


def test_a_change_of_voicing_alone_is_found():
    """Voice and noise of equal level."""
    own = voice(0.35)
    audio = joined(own, noise(duration_s=0.35, level=float(own.std()), seed=2))
    assert np.abs(VoicedWindows().edges_s(audio) - 0.35).min() <= 0.02


def test_an_even_sound_is_cut_no_more_than_it_must_be():
    edges_s = VoicedWindows().edges_s(joined(voice(1.0)))
    assert len(edges_s) - 1 == 3  # 400 ms at most


@pytest.mark.parametrize("seed", range(8))
def test_cuts_are_the_cheapest(seed):
    """Against all ways of cutting 14 frames into windows of 2 to 6."""
    features = np.random.default_rng(seed).random((14, 2))

    def cost(ends):
        total = 0.0
        for first, last in zip([0, *ends], ends, strict=False):
            part = features[first:last]
            total += ((part - part.mean(axis=0)) ** 2).sum() + 0.3
        return total

    ways = [
        (*cuts, 14)
        for n in range(7)
        for cuts in combinations(range(1, 14), n)
        if all(2 <= b - a <= 6 for a, b in zip((0, *cuts), (*cuts, 14), strict=True))
    ]
    found = tuple(_cheapest_cuts(features, shortest=2, longest=6, price=0.3))
    assert found in ways
    assert cost(found) == pytest.approx(min(map(cost, ways)), abs=1e-12)


@pytest.mark.parametrize("duration_s", [0.06, 0.15, 0.163, 0.9])
@pytest.mark.parametrize("sample_rate", [8_000, 22_050])
def test_windows_add_up_and_keep_their_lengths(duration_s, sample_rate):
    samples = noise(duration_s=duration_s, sample_rate=sample_rate, seed=3)
    audio = Audio(samples=samples, sample_rate=sample_rate)
    units = VoicedWindows()
    components = units.decompose(audio)
    parts = components.mix(np.eye(len(components), dtype=bool))
    assert np.abs(parts.sum(axis=0) - audio.samples).max() <= 1e-6
    everything = np.ones((1, len(components)), dtype=bool)
    np.testing.assert_array_equal(components.mix(everything)[0], audio.samples)
    lengths = np.diff(units.edges_s(audio))
    assert len(lengths) <= units.n_units(audio.duration_s)
    if duration_s >= 0.16:
        assert lengths.min() >= 0.08 - 1e-9
    assert lengths.max() <= 0.4 + 0.005
    np.testing.assert_array_equal(units.edges_s(audio), units.edges_s(audio))


def test_voicing_of_known_sounds():
    features = level_and_voicing(joined(voice(0.4)))
    assert features[20:-20, 1].min() > 0.95
    features = level_and_voicing(joined(noise(duration_s=0.4, seed=1)))
    assert np.median(features[:, 1]) < 0.5


@pytest.mark.corpus
def test_boundaries_of_real_speech_are_boundaries_of_phones(data_dir):
    """They lie nearer to phone boundaries than the same number of equal windows do."""
    own, equal = [], []
    for clip in sorted((data_dir / "emodb").glob("*.flac"))[::13]:
        audio = load_audio(clip)
        try:
            labels = read_emodb_labels(find_emodb_labels(clip), kind="segments")
        except InputError:
            continue
        phones = np.array([label.start_s for label in labels] + [labels[-1].end_s])
        edges_s = VoicedWindows().edges_s(audio)
        grid = np.linspace(0, audio.duration_s, len(edges_s))
        own += [np.abs(phones - edge).min() for edge in edges_s[1:-1]]
        equal += [np.abs(phones - edge).min() for edge in grid[1:-1]]
    assert len(own) > 200
    assert np.median(own) < 0.7 * np.median(equal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_s": 0.02}, "min_s is 0.02 s"),
        ({"min_s": 0.3}, "max_s at least twice min_s"),
        ({"price": 0.0}, "price is 0.0; expected more than 0"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        VoicedWindows(**settings)
