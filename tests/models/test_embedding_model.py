from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cuelens.errors import InputError
from cuelens.features import FeatureCache
from cuelens.features.embedding import Embedding
from cuelens.models import Model
from cuelens.models.embedding_model import EmbeddingModel, EmbeddingRecipe
from cuelens.models.level import TARGET_RMS, normalise_level
from cuelens.models.training import TrainingClips
from cuelens.testing import noise, tone

RATE = 16_000


@dataclass(frozen=True, kw_only=True)
class Energies(Embedding):
    """Energies of both halves of the spectrum, in dB; refuses what has next to none above."""

    heard: list[np.ndarray] = field(default_factory=list)
    broken: bool = False

    @property
    def name(self) -> str:
        return "energies"

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def dimensions(self) -> tuple[str, ...]:
        return ("low", "high")

    @property
    def recipe(self) -> str:
        if self.broken:
            raise InputError("no weights")
        return "energies 1"

    def embed_layers(self, waveforms):
        rows = []
        for waveform in waveforms:
            if self.broken:
                raise InputError("no weights")
            self.heard.append(waveform)
            power = np.abs(np.fft.rfft(waveform)) ** 2
            half = len(power) // 2
            low, high = power[:half].sum(), power[half:].sum()
            if high < 1e-3 * low:
                raise InputError("no speech found")
            rows.append([10 * np.log10(low + 1e-9), 10 * np.log10(high + 1e-9)])
        return np.array(rows, dtype=np.float32)[:, None]


def bright(seed, share):
    """Noise, and a tone of 6 kHz with so much of the amplitude."""
    return (1 - share) * noise(duration_s=0.3, seed=seed) + share * tone(6000.0, duration_s=0.3)


@pytest.fixture(scope="module")
def clips():
    waveforms, truth, speakers = [], [], []
    for k in range(32):
        emotion = k % 2
        waveforms.append((0.3 + 0.4 * (k % 3)) * bright(k, 0.1 + 0.5 * emotion))
        truth.append(emotion)
        speakers.append(f"s{k // 8}")
    return TrainingClips(
        waveforms=waveforms,
        truth=np.array(truth),
        labels=("neutral", "anger"),
        speakers=np.array(speakers),
    )


@pytest.fixture(scope="module")
def model(clips):
    recipe = EmbeddingRecipe(Energies())
    recipe.prepare(clips, lambda what, done, total: None)
    return recipe.model(np.flatnonzero(clips.speakers != "s3"))


def test_it_is_the_pipeline_on_the_embedding_of_sound_at_one_level(model, clips):
    assert isinstance(model, Model)
    assert (model.name, model.sample_rate, model.labels) == ("energies", RATE, ("anger", "neutral"))
    test = [clips.waveforms[i] for i in np.flatnonzero(clips.speakers == "s3")]
    answers = model.predict_proba(test)
    vectors = Energies().embed([normalise_level(w) for w in test]).astype(np.float64)
    np.testing.assert_allclose(answers, model.classifier.predict_proba(vectors))
    truth = clips.truth[clips.speakers == "s3"]
    assert np.mean((answers[:, 0] > 0.5) == (truth == 1)) == 1.0
    for name in ("clip", "scale", "classifier"):
        assert name in model.classifier.named_steps


def test_level_does_not_matter(model):
    waveform = bright(1, 0.3)
    answers = model.predict_proba([waveform, 0.01 * waveform])
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    embedding = Energies()
    EmbeddingModel(embedding=embedding, classifier=model.classifier).predict_proba([waveform])
    rms = np.sqrt(np.mean(np.square(embedding.heard[0])))
    assert rms == pytest.approx(TARGET_RMS, rel=1e-3)


def test_silence_and_what_is_refused_are_answered_with_equal_probabilities(model):
    heard = bright(1, 0.6)
    dull = tone(500.0, duration_s=0.3)  # refused: no speech
    answers = model.predict_proba([np.zeros(4000, np.float32), heard, dull, 1e-7 * heard])
    np.testing.assert_array_equal(answers[[0, 2, 3]], 0.5)
    np.testing.assert_allclose(answers[1], model.predict_proba([heard])[0])
    assert answers[1, 0] > 0.51
    assert model.predict_proba([]).shape == (0, 2)


def test_short_waveforms_are_padded(model):
    embedding = Energies()
    short = EmbeddingModel(embedding=embedding, classifier=model.classifier)
    short.predict_proba([bright(0, 0.3)[:200]])
    assert len(embedding.heard[0]) == 1600


def test_an_embedding_that_cannot_be_loaded_is_an_error_and_no_guess(model):
    broken = EmbeddingModel(embedding=Energies(broken=True), classifier=model.classifier)
    with pytest.raises(InputError, match="no weights"):
        broken.predict_proba([bright(0, 0.3)])


def test_broken_sound_is_an_error(model):
    waveform = bright(0, 0.3)
    waveform[5] = np.nan
    with pytest.raises(InputError, match="1 samples that are NaN or infinite"):
        model.predict_proba([waveform])


def test_another_number_of_dimensions_is_refused():
    classifier = LogisticRegression().fit(np.eye(3), [0, 1, 1])
    with pytest.raises(InputError, match="takes 3 dimensions; expected 2, those of energies"):
        EmbeddingModel(embedding=Energies(), classifier=classifier)


def test_penalty_is_chosen_without_the_speakers_left_out(model, clips):
    assert model.classifier.named_steps["classifier"].C in (0.003, 0.01, 0.03, 0.1)
    recipe = EmbeddingRecipe(Energies())
    recipe.prepare(clips, lambda what, done, total: None)
    few = recipe.model(np.flatnonzero(np.isin(clips.speakers, ["s0", "s1"])))
    assert few.classifier.named_steps["classifier"].C == 0.01  # two speakers: nothing to choose on


def test_vectors_are_computed_once(clips, tmp_path):
    cache = FeatureCache(file=tmp_path / "features.sqlite")
    first, second = Energies(), Energies()
    steps = []
    for embedding in (first, second):
        recipe = EmbeddingRecipe(embedding, cache=cache)
        recipe.prepare(clips, lambda what, done, total: steps.append((done, total)))
    assert len(first.heard) == 32
    assert not second.heard
    assert steps[-1] == (32, 32)
    without = EmbeddingRecipe(Energies())
    without.prepare(clips, lambda what, done, total: None)
    train = np.arange(24)
    np.testing.assert_allclose(
        recipe.model(train).predict_proba(clips.waveforms[24:]),
        without.model(train).predict_proba(clips.waveforms[24:]),
    )
