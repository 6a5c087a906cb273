from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from cuelens import Audio, InputError
from cuelens.corpora import Corpus, demo_corpus
from cuelens.evaluate.gate import CONSTANT_SD, WARNED, Gate, gate
from cuelens.evaluate.randomised_models import layers, redraw
from cuelens.models import CallableModel, PublishedLogMel, WindowedLogMel, load_model
from cuelens.testing import ConstantModel, noise, tone

RATE = 16_000
LABELS = ("anger", "neutral", "sadness")


def keys(passed: Gate) -> list[str]:
    return [flag.key for flag in passed.flags]


def sentence(passed: Gate, key: str) -> str:
    return next(flag.sentence for flag in passed.flags if flag.key == key)


def level(waveform) -> float:
    """A number between 0 and 1 that differs from clip to clip, 0 of silence."""
    return 0.5 + 0.5 * np.sin(200 * float(np.sqrt(np.mean(np.square(waveform)))))


def listens(waveforms) -> np.ndarray:
    """A model that changes its answer with the level."""
    p = np.array([level(w) for w in waveforms])
    return np.column_stack([p**2, p * (1 - p), 1 - p])


def model_of(function, labels=LABELS) -> CallableModel:
    return CallableModel(function=function, labels=labels, name="made up")


CLIPS = [
    Audio(samples=tone(440.0, duration_s=0.2 + 0.05 * k, level=0.02 + 0.06 * k), sample_rate=RATE)
    for k in range(8)
]


def test_nothing_is_said_of_a_model_that_listens():
    passed = gate(model_of(listens), clips=CLIPS)
    assert passed.ok
    assert passed.flags == ()
    outputs = np.stack([listens([clip.samples])[0] for clip in CLIPS])
    assert passed.measures["largest_sd"] == pytest.approx(outputs.std(axis=0).max())
    assert passed.measures["largest_above_uniform"] == pytest.approx(outputs.max() - 1 / 3)
    assert passed.n_clips == 8
    assert json.loads(json.dumps(passed.to_dict()))["ok"] is True


def test_models_of_short_sound_are_asked_about_shorter_clips():
    def short_only(waveforms):
        if max(len(one) for one in waveforms) > 16_000:
            raise InputError("takes a second at most")
        return listens(waveforms)

    found = gate(model_of(short_only))
    assert found.n_clips >= 2
    longer = Audio(samples=noise(duration_s=1.5), sample_rate=RATE)
    with pytest.raises(InputError, match="takes a second at most"):
        gate(model_of(short_only), clips=[longer, longer])


def test_constant_answers():
    passed = gate(ConstantModel())
    assert keys(passed) == ["constant", "same label for everything"]
    assert not passed.ok
    assert passed.n_clips == 10  # the demo clips
    assert "there is nothing to explain" in sentence(passed, "constant")
    assert "All 10 clips are answered with yes" in sentence(passed, "same label for everything")
    assert passed.measures["largest_sd"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_the_threshold_of_constant_is_where_it_says(scale):
    """Two answers, half of the clips each, differ by twice the standard deviation."""
    half = CONSTANT_SD * scale

    def two(waveforms):
        up = np.array([1.0 if len(w) % 1600 else -1.0 for w in waveforms])  # every other clip
        return np.column_stack([0.5 + half * up, 0.5 - half * up])

    passed = gate(model_of(two, ("a", "b")), clips=CLIPS)
    assert passed.measures["largest_sd"] == pytest.approx(half)
    assert ("constant" in keys(passed)) == (scale < 1)


def test_near_uniform_answers():
    def uniform(waveforms):
        p = np.array([0.02 * (level(w) - 0.5) for w in waveforms])
        return np.column_stack([1 / 3 + p, 1 / 3 - p, np.full(len(p), 1 / 3)])

    passed = gate(model_of(uniform), clips=CLIPS)
    assert {"constant", "near uniform"} <= set(keys(passed))
    assert "never trained" in sentence(passed, "near uniform")
    assert keys(gate(model_of(lambda w: np.ones((len(w), 1)), ("only",)), clips=CLIPS)) == [
        "constant"
    ]


def test_outputs_that_are_no_probabilities_speak_against_the_model_unless_it_says_so():
    def score(waveforms):
        return 100 * listens(waveforms) - 50

    passed = gate(model_of(score), clips=CLIPS)
    assert keys(passed) == ["not probabilities"]
    assert not passed.ok
    said = gate(CallableModel(function=score, labels=LABELS, output="logit"), clips=CLIPS)
    assert keys(said) == ["not probabilities"]
    assert said.ok
    dimensions = ("arousal", "valence", "dominance")
    assert gate(model_of(score, dimensions), clips=CLIPS).flags == ()
    # what is constant is measured against the outputs' own size
    flat = gate(model_of(lambda w: 1e4 + listens(w)), clips=CLIPS)
    assert "constant" in keys(flat)


def test_values_are_no_bad_probabilities():
    model = CallableModel(function=lambda w: 5 * listens(w) - 1, labels=LABELS, output="value")
    assert gate(model, clips=CLIPS).flags == ()
    small = CallableModel(function=lambda w: 0.05 * listens(w), labels=LABELS, output="value")
    assert gate(small, clips=CLIPS).flags == ()
    flat = CallableModel(function=lambda w: 2 + 1e-4 * listens(w), labels=LABELS, output="value")
    assert keys(gate(flat, clips=CLIPS)) == ["constant"]


def test_answers_that_differ_when_asked_again():
    rng = np.random.default_rng(0)

    def dropout(waveforms):
        return np.abs(listens(waveforms) + 0.05 * rng.normal(size=(len(waveforms), 3)))

    passed = gate(model_of(dropout), clips=CLIPS)
    assert "not deterministic" in keys(passed)
    assert "evaluation mode" in sentence(passed, "not deterministic")


def test_batches_that_are_padded():
    def padded(waveforms):
        longest = max(len(w) for w in waveforms)
        return listens([np.pad(w, (0, longest - len(w))) for w in waveforms])

    passed = gate(model_of(padded), clips=CLIPS)
    assert keys(passed) == ["batch differs from single"]
    together = padded([clip.samples for clip in CLIPS])
    alone = np.concatenate([padded([clip.samples]) for clip in CLIPS])
    difference = np.abs(together - alone).max() / alone.max()
    assert passed.measures["difference_in_batch"] == pytest.approx(difference)


def test_failing_on_silence():
    def needs_sound(waveforms):
        with np.errstate(invalid="ignore", divide="ignore"):
            return listens(waveforms) * np.array([[w.any() / w.any()] for w in waveforms])

    def refuses(waveforms):
        if not all(w.any() for w in waveforms):
            raise ValueError("silent")
        return listens(waveforms)

    for function in (needs_sound, refuses):
        passed = gate(model_of(function), clips=CLIPS)
        assert keys(passed) == ["fails on silence"]
        assert "explainers give it" in sentence(passed, "fails on silence")
    with pytest.raises(InputError, match="returned shape"):
        gate(model_of(lambda w: np.zeros((len(w), 9))), clips=CLIPS)


@dataclass(frozen=True)
class Oracle:
    """Knows the emotion of some recordings by their length; guesses the others."""

    answers: dict
    labels: tuple = LABELS
    sample_rate: int = RATE
    name: str = "oracle"

    def predict_proba(self, waveforms):
        return np.array(
            [np.eye(3)[self.answers.get(len(w), len(w) % 3)] * 0.8 + 0.2 / 3 for w in waveforms]
        )


@pytest.fixture
def labelled(tmp_path):
    """Thirty clips of different lengths, three emotions, five speakers."""
    import soundfile

    rows, truth = [], {}
    for k in range(30):
        n = 3200 + 3 * (k // 3) + k % 3 * 600
        soundfile.write(tmp_path / f"{k}.wav", noise(duration_s=n / RATE, seed=k), RATE)
        truth[n] = k % 3
        rows.append((str(tmp_path / f"{k}.wav"), LABELS[k % 3], f"s{k % 5}"))
    table = pd.DataFrame(rows, columns=["file", "emotion", "speaker"])
    table = table.assign(start=0.0, end=float("nan"), sentence=None)
    return Corpus(name="labelled", licence="none", table=table), truth


def test_recall_against_chance(labelled):
    corpus, truth = labelled
    passed = gate(Oracle(answers=truth), corpus=corpus)
    assert "no better than chance" not in keys(passed)
    assert (passed.measures["uar"], passed.measures["uar_low"]) == (1.0, 1.0)
    assert passed.measures["uar_chance"] == pytest.approx(1 / 3)
    right_of_ten = {n: (t if k % 10 < 4 else (t + 1) % 3) for k, (n, t) in enumerate(truth.items())}
    guess = gate(Oracle(answers=right_of_ten), corpus=corpus)
    assert keys(guess)[-1] == "no better than chance"
    assert "chance is 0.33" in sentence(guess, "no better than chance")
    hits = np.array([right_of_ten[n] == t for n, t in truth.items()])
    emotion = np.array(list(truth.values()))
    expected = np.mean([hits[emotion == k].mean() for k in range(3)])
    assert guess.measures["uar"] == pytest.approx(expected)


def test_emotions_that_the_model_does_not_know_are_left_out(labelled):
    corpus, truth = labelled
    table = corpus.table.replace({"emotion": {"sadness": "boredom"}})
    passed = gate(Oracle(answers=truth), corpus=replace(corpus, table=table))
    assert passed.measures["n_labelled_clips"] == 20
    assert passed.measures["uar_chance"] == 0.5
    unknown = replace(corpus, table=corpus.table.assign(emotion="boredom", speaker=None))
    with pytest.raises(InputError, match="labelled has boredom; expected some of the labels"):
        gate(Oracle(answers=truth), corpus=unknown)
    nobody = replace(corpus, table=corpus.table.assign(speaker=None))
    assert gate(Oracle(answers=truth), corpus=nobody).measures["uar"] == 1.0


def test_one_clip_is_too_few():
    with pytest.raises(InputError, match="1 clips; expected two or more"):
        gate(ConstantModel(), clips=CLIPS[:1])


@pytest.mark.parametrize("name", ["emodb-cnn", "emodb-egemaps"])
def test_bundled_models_pass(name):
    passed = gate(load_model(name))
    assert passed.ok, passed.flags
    assert passed.measures["largest_sd"] > 3 * CONSTANT_SD
    assert passed.measures["n_labels_answered"] >= 2


@pytest.fixture
def one_thread():
    """Networks this small only wait for threads."""
    torch = pytest.importorskip("torch")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("seed", range(4))
def test_untrained_networks_are_flagged(seed, one_thread):
    from cuelens.models import TorchModel
    from cuelens.models.resnet_small import ResNetSmall

    trained = load_model("emodb-cnn")
    new, head = ResNetSmall(7).eval(), deepcopy(trained.module)
    for layer in layers(new):
        redraw(new, layer, seed=seed)
    redraw(head, "fc", seed=seed)
    for front_end, network in (
        (WindowedLogMel(), new),
        (PublishedLogMel(), new),
        (WindowedLogMel(), head),  # trained but for its last layer
    ):
        model = TorchModel(module=network, labels=trained.labels, front_end=front_end)
        passed = gate(model)
        assert "constant" in keys(passed)
        assert not passed.ok


def test_labels_by_themselves_are_told_so():
    def by_itself(waveforms):
        p = np.array([level(w) for w in waveforms])
        return np.column_stack([p, 1 - p, p])

    passed = gate(model_of(by_itself), clips=CLIPS)
    assert keys(passed) == ["each label by itself"]
    assert passed.ok
    assert "softmax" not in sentence(passed, "each label by itself")
    outputs = by_itself([clip.samples for clip in CLIPS])
    assert passed.measures["off_one"] == pytest.approx(np.abs(outputs.sum(axis=1) - 1).max())
    assert passed.measures["outside_probability"] == 0.0
    assert passed.measures["largest_sd"] == pytest.approx(outputs.std(axis=0).max())


def test_one_label_between_0_and_1_is_a_probability():
    model = model_of(lambda w: np.array([[level(one)] for one in w]), ("angry",))
    assert gate(model, clips=CLIPS).flags == ()


def test_what_lies_outside_is_called_what_the_model_says():
    def logits(waveforms):
        return 10 * listens(waveforms) - 5

    said = CallableModel(function=logits, labels=LABELS, output="logit")
    assert sentence(gate(said, clips=CLIPS), "not probabilities").endswith(
        "shares of logits, as the model says."
    )
    silent = sentence(gate(model_of(logits), clips=CLIPS), "not probabilities")
    assert 'say output = "value"' in silent
    outputs = logits([clip.samples for clip in CLIPS])
    assert f"({outputs.min():.3g} to {outputs.max():.3g})" in silent


@pytest.mark.parametrize(("tolerance", "flagged"), [(1e-4, True), (1e-2, False)])
def test_batches_are_compared_with_the_models_own_tolerance(tolerance, flagged):
    class Half:
        labels, sample_rate, name = LABELS, RATE, "half"
        batch_tolerance = tolerance

        def predict_proba(self, waveforms):
            off = 0.005 * (len(waveforms) > 1)
            return listens(waveforms) * (1 - off) + off / 3

    assert ("batch differs from single" in keys(gate(Half(), clips=CLIPS))) == flagged


@pytest.mark.parametrize("longest", [800, 12_345, 48_000, 55_000, 10**6])
def test_demo_clips_are_cut_to_any_length_that_the_model_takes(longest):
    asked = []

    def short_only(waveforms):
        if max(len(one) for one in waveforms) > longest:
            raise InputError("too long")
        asked.extend(len(one) for one in waveforms)
        return listens(waveforms)

    found = gate(model_of(short_only))
    assert found.n_clips == 10
    assert not any(key.startswith("fails on") for key in keys(found))
    demo = max(len(demo_corpus().audio(row, sample_rate=RATE).samples) for row in range(10))
    assert 0.985 * min(longest, demo) <= max(asked) <= min(longest, demo)


def test_demo_clips_are_cut_to_what_the_model_says_it_hears():
    asked = set()

    def hears(waveforms):
        asked.update(len(one) for one in waveforms)
        return listens(waveforms)

    class Short(Oracle):
        max_duration_s = 0.5

        def predict_proba(self, waveforms):
            return hears(waveforms)

    gate(Short(answers={}))
    assert asked == {8000}  # silence and noise too
    asked.clear()
    gate(Short(answers={}), clips=CLIPS)  # the user's own are not cut
    assert max(asked) == RATE
    assert {len(clip.samples) for clip in CLIPS} <= asked


def test_a_model_that_takes_nothing_says_its_own_reason():
    def broken(waveforms):
        raise InputError("always broken")

    with pytest.raises(InputError, match="always broken"):
        gate(model_of(broken))


def test_what_an_adapter_warned_of_is_a_flag():
    class Warned(Oracle):
        notes = ("4 weights were drawn at random",)

    found = gate(Warned(answers={}), clips=CLIPS)
    assert sentence(found, WARNED) == "4 weights were drawn at random."
    assert not found.ok
