"""A profile travels with a model, and an account says what it says."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from cuelens.cues import CUES, CarriedCues
from cuelens.errors import InputError
from cuelens.models.load import bundled_folder
from cuelens.probe import ProbeProfile, Probing
from cuelens.probe.categories import FEATURES


@pytest.fixture
def profile(corpus_of, embedded_of, acoustics_of) -> ProbeProfile:
    """Pitch level is in the embedding, nothing else is."""
    rng = np.random.default_rng(0)
    speakers = np.repeat([f"s{i:02}" for i in range(12)], 40)
    corpus = corpus_of(speakers, np.tile(["anger", "neutral"], len(speakers) // 2))
    y = rng.normal(size=(len(speakers), len(FEATURES)))
    x = rng.normal(size=(len(speakers), 12))
    x[:, 3] = y[:, FEATURES.index(CUES["f0_level"].functional)]
    result = Probing(n_permutations=40, n_random=1).probe(corpus, embedded_of(x), acoustics_of(y))
    return ProbeProfile.of(result)


@pytest.fixture
def model_folder(tmp_path):
    return shutil.copytree(bundled_folder("emodb-egemaps"), tmp_path / "model")


def test_says_what_was_planted(profile):
    cues = CarriedCues.of(profile)
    status = {cue.cue: cue.carried for cue in cues.cues}
    assert status.pop("f0_level") == "carried"
    assert "carried" not in status.values()
    assert set(status) | {"f0_level"} == {key for key, cue in CUES.items() if cue.functional}
    sentence = cues.sentence(["f0_level", "jitter"])
    assert "carries pitch level (R² 0.9" in sentence or "carries pitch level (R² 1.0" in sentence
    assert "not carry pitch irregularity (jitter)" in sentence
    assert "loudness" not in sentence
    assert cues.sentence(["pauses"]) == ""  # no functional stands for it


def test_round_trip_through_a_model_folder(profile, model_folder):
    assert ProbeProfile.load(model_folder) is None
    file = profile.save(model_folder)
    loaded = ProbeProfile.load(model_folder)
    assert vars(loaded) == json.loads(json.dumps(vars(profile)))
    content = file.read_bytes()
    profile.save(model_folder)
    assert file.read_bytes() == content


def test_refuses_what_is_no_model_and_what_is_damaged(profile, model_folder, tmp_path):
    with pytest.raises(InputError, match=r"no model\.json"):
        profile.save(tmp_path)
    file = profile.save(model_folder)
    for damaged in ("{", "[]", '{"schema_version": 9}', '{"schema_version": 1}'):
        file.write_text(damaged)
        with pytest.raises(InputError, match="cannot be read as the profile"):
            ProbeProfile.load(model_folder)
