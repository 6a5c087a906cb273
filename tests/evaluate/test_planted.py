"""Planted cues with a detector and explainers whose answers can be worked out by hand."""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.figure_checks import check_figure

from cuelens.corpora import demo_corpus
from cuelens.errors import CuelensWarning, InputError
from cuelens.evaluate.detectors import (
    EDITED,
    LABELS,
    FeatureDetector,
    NetworkDetector,
    detector_named,
)
from cuelens.evaluate.edits import EDITS, PlacedEdit, _gain
from cuelens.evaluate.explainers import explainer_named
from cuelens.evaluate.planted import Case, evaluate_planted, excerpt, material, training_sounds
from cuelens.explain import EmoLime
from cuelens.models.base import predict
from cuelens.testing.models import band_energy
from cuelens.units import FrequencyBands, TimeWindows

EDGES_HZ = FrequencyBands(n_bands=8).edges_hz(16_000)


@dataclass(frozen=True)
class BandShareModel:
    """p(edited) rises with the share of the energy that lies in a band."""

    threshold: float
    band: int
    labels: tuple = LABELS
    sample_rate: int = 16_000
    name: str = "share of a band"

    def predict_proba(self, waveforms):
        shares = np.array([share(w, self.band) for w in waveforms])
        p = 1 / (1 + np.exp(-8 * np.log((shares + 1e-9) / self.threshold)))
        return np.column_stack([p, 1 - p])


def share(waveform, band):
    inside = band_energy(waveform, 16_000, (EDGES_HZ[band], EDGES_HZ[band + 1]))
    return inside / (band_energy(waveform, 16_000, (0.0, 9000.0)) + 1e-12)


@dataclass(frozen=True)
class BandShareDetector:
    """Learns nothing but a threshold."""

    band: int

    def train(self, sounds, edited, folder):
        shares = np.array([share(sound, self.band) for sound in sounds])
        best = min(shares, key=lambda t: np.mean((shares >= t) != edited))
        (folder / "threshold.txt").write_text(str(best))

    def load(self, folder):
        return BandShareModel(float((folder / "threshold.txt").read_text()), self.band)


@dataclass(frozen=True)
class Blind:
    """An explainer that gives random weights."""

    def explain(self, model, audio, *, target=None):
        from dataclasses import replace

        found = EmoLime(samples=16, estimator="lime").explain(model, audio, target=target)
        seed = int(1e6 * abs(audio.samples).sum()) % 2**32
        weights = np.random.default_rng(seed).normal(size=found.weights.shape)
        return replace(found, weights=weights)


@dataclass(frozen=True)
class Constant:
    def train(self, sounds, edited, folder):
        (folder / "nothing.txt").write_text("")

    def load(self, folder):
        from cuelens.testing import ConstantModel

        return ConstantModel(probabilities=(0.6, 0.4), labels=LABELS)


@pytest.fixture(autouse=True)
def _loud_edit(monkeypatch):
    """Bands made so much louder that a threshold can tell."""
    louder = PlacedEdit(name="band-gain", kind="band", change=_gain(30.0))
    edits = {**EDITS, "band-gain": louder}
    monkeypatch.setattr("cuelens.evaluate.planted.EDITS", edits)


def planted(tmp_path, **changes):
    settings = {
        "edits": ["band-gain"],
        "bands": [6],
        "n_clips": 10,
        "n_test": 6,
        "masked": False,
        "folder": tmp_path,
    }
    return evaluate_planted(
        demo_corpus(),
        {"shapley": EmoLime(), "random": Blind()},
        {"share": BandShareDetector(band=6)},
        **(settings | changes),
    )


def test_shapley_finds_the_band_and_random_weights_do_not(tmp_path):
    found = planted(tmp_path)
    case = found.cases.iloc[0]
    assert not case["void"]
    assert case["recall"] >= 0.95
    board = found.leaderboard().set_index("explainer")
    assert board.loc["shapley", "hit"] == 1.0
    assert board.loc["shapley", "rank"] == 1.0
    assert board.loc["shapley", "above_chance"]
    assert board.loc["random", "chance_hit"] == pytest.approx(1 / 8)
    assert board.loc["random", "hit"] < 0.6
    assert board.index[0] == "shapley"
    # Few clips: certainty is not claimed.
    assert board.loc["shapley", "hit_low"] < 0.7


def test_goes_on_where_it_stopped_and_gives_the_same(tmp_path):
    calls = []
    found = planted(tmp_path, progress=lambda *report: calls.append(report))
    clips = (tmp_path / "clips.jsonl").read_text().splitlines()
    (tmp_path / "clips.jsonl").write_text("\n".join(clips[:2]) + "\n" + clips[2][:20])
    again = planted(tmp_path)
    columns = [name for name in found.clips if name != "seconds"]
    assert found.clips[columns].equals(again.clips[columns])
    assert ("training", 1, 1) in calls
    with pytest.raises(InputError, match="other settings \\(seed was"):
        planted(tmp_path, seed=3)


def test_a_model_that_cannot_tell_makes_its_case_void(tmp_path):
    found = evaluate_planted(
        demo_corpus(),
        {"shapley": EmoLime()},
        {"constant": Constant()},
        edits=["band-gain"],
        bands=[6],
        n_clips=6,
        masked=False,
        folder=tmp_path,
    )
    assert found.cases["void"].all()
    assert found.cases["recall"].iloc[0] == 0.5
    assert found.leaderboard().empty
    found.save(tmp_path)
    assert (tmp_path / "planted.json").is_file()


def test_files(tmp_path):
    found = planted(tmp_path)
    found.save(tmp_path / "out")
    check_figure(found.plot())
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"planted.json", "leaderboard.csv", "clips.csv", "planted.png"}
    assert found.to_dict()["leaderboard"][0]["explainer"] == "shapley"


def test_training_sounds_with_parts_missing():
    """A sound counts as edited where the place is still in it."""
    clips = material(demo_corpus(), n_clips=6, seed=0)
    case = Case(edit="band-gain", detector="any", band=6)
    sounds, edited = training_sounds(clips, [0, 1], case, masked=True)
    assert len(sounds) == len(edited)
    assert 0.25 < edited.mean() < 0.6
    shares = np.array([share(sound, 6) for sound in sounds])
    assert np.median(shares[edited]) > 5 * np.median(shares[~edited])
    whole = training_sounds(clips, [0, 1], case, masked=False)
    assert whole[1].mean() == 0.5


def test_excerpts_hold_what_is_loud():
    corpus = demo_corpus()
    audio = corpus.audio(0)
    cut = excerpt(audio, 0.5)
    assert cut.samples.size == 8000
    energies = [
        np.sum(audio.samples[s : s + 8000].astype(float) ** 2)
        for s in range(0, audio.samples.size - 8000, 7)
    ]
    assert np.sum(cut.samples.astype(float) ** 2) >= 0.999 * max(energies)
    longer = excerpt(audio, 10.0)
    assert longer.samples.size == 160_000
    np.testing.assert_array_equal(longer.samples[: audio.samples.size], audio.samples)


def test_speakers_are_on_one_side_only():
    clips = material(demo_corpus(), n_clips=10, seed=0)
    of = [clips.corpus.speaker_of(row) for row in clips.rows]
    tested = {who for who, test in zip(of, clips.test, strict=True) if test}
    learned = {who for who, test in zip(of, clips.test, strict=True) if not test}
    assert tested
    assert learned
    assert not tested & learned
    with pytest.raises(InputError, match="expected two or more"):
        material(demo_corpus().select(speakers=["de_male"]), n_clips=2, seed=0)


def test_feature_detector_learns_what_was_planted(tmp_path):
    clips = material(demo_corpus(), n_clips=10, seed=0)
    case = Case(edit="band-noise", detector="egemaps", band=3)
    learned = [i for i, test in enumerate(clips.test) if not test][:3]
    sounds, edited = training_sounds(clips, learned, case, masked=False)
    detector = FeatureDetector()
    detector.train(sounds, edited, tmp_path)
    model = detector.load(tmp_path)
    found = predict(model, sounds)[:, list(model.labels).index(EDITED)]
    assert np.mean((found > 0.5) == edited) > 0.95


@pytest.mark.slow
def test_network_detector_learns_what_was_planted(tmp_path):
    pytest.importorskip("torch", reason="the extra torch is not installed")
    clips = material(demo_corpus(), n_clips=4, seed=0)
    case = Case(edit="band-gain", detector="cnn", band=6)
    sounds, edited = training_sounds(clips, [0, 1], case, masked=False)
    detector = NetworkDetector(n_steps=40, batch_size=8)
    detector.train(sounds, edited, tmp_path)
    model = detector.load(tmp_path)
    found = predict(model, sounds)[:, list(model.labels).index(EDITED)]
    assert np.mean((found > 0.5) == edited) > 0.9
    assert model.module is not None


def test_detectors_by_name(monkeypatch, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.svm import LinearSVC\n"
        "forest = RandomForestClassifier(n_estimators=5, random_state=0)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    made = detector_named("python:mine:forest").classifier()
    assert made.n_estimators == 5
    assert not hasattr(made, "estimators_")
    with pytest.raises(InputError, match="expected one of cnn, egemaps, compare"):
        detector_named("tree")
    with pytest.raises(InputError, match="with fit and predict_proba"):
        detector_named("python:mine:LinearSVC")
    with pytest.raises(InputError, match="no 'nothing'"):
        detector_named("python:mine:nothing")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edits": ["louder"]}, "expected some of band-gain"),
        ({"edits": []}, "nothing to evaluate"),
        ({"bands": [9]}, "expected some of 0 to 7"),
    ],
)
def test_bad_settings(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        planted(tmp_path, **changes)


def test_edits_that_no_explainer_can_point_at_are_not_trained_for(tmp_path):
    windows = {"windows": EmoLime(units=TimeWindows(), samples=256)}
    detectors = {"share": BandShareDetector(band=6)}
    with (
        pytest.warns(CuelensWarning, match="band-gain is left out: none of windows can point at"),
        pytest.raises(InputError, match="expected explainers of bands for bands"),
    ):
        evaluate_planted(demo_corpus(), windows, detectors, edits=["band-gain"], folder=tmp_path)
    maps = {"lrp": explainer_named("lrp")}
    features = {"egemaps": detector_named("egemaps")}
    with pytest.raises(InputError, match="lrp: looks inside a network, and egemaps is none"):
        evaluate_planted(demo_corpus(), maps, features, folder=tmp_path)
    assert not list(tmp_path.iterdir())  # before anything is trained
