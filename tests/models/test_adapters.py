from __future__ import annotations

import operator
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cuelens import (
    Audio,
    CallableModel,
    EmoLime,
    FrequencyBands,
    InputError,
    load_audio,
    load_model,
)
from cuelens.explain import Occlusion
from cuelens.features import OpenSmile
from cuelens.models import FeaturesModel, Model, WindowedLogMel, model_output, predict
from cuelens.models.base import (
    are_dimensions,
    default_target,
    given_output,
    network_answers,
    softmax,
)
from cuelens.models.level import TARGET_RMS, normalise_level
from cuelens.report import explain_clip
from cuelens.testing import BandModel, noise, speech_like

RATE = 16_000
BUNDLED = ["emodb-cnn", "emodb-egemaps"]


def test_callable():
    model = CallableModel(
        function=lambda waveforms: [[w.mean(), 1 - w.mean()] for w in waveforms],
        labels=("a", "b"),
    )
    answers = model.predict_proba([np.full(100, 0.25, np.float32), np.zeros(10, np.float32)])
    np.testing.assert_allclose(answers, [[0.25, 0.75], [0.0, 1.0]])
    assert isinstance(model, Model)


def test_softmax_in_closed_form():
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[0.125, 0.25, 0.625]])
    assert np.isfinite(softmax(np.array([[1000.0, -1000.0]]))).all()


def test_level():
    samples = noise(level=0.01)
    level = normalise_level(samples)
    assert np.sqrt(np.mean(level**2)) == pytest.approx(TARGET_RMS, rel=1e-5)
    np.testing.assert_allclose(normalise_level(10 * samples), level, rtol=1e-5)
    assert not normalise_level(np.zeros(100)).any()
    assert not normalise_level(1e-6 * noise(level=1.0)).any()


@pytest.fixture(scope="module")
def features_model():
    rng = np.random.default_rng(0)
    classifier = LogisticRegression(max_iter=2000)
    classifier.fit(rng.normal(size=(40, 88)), np.array(["a", "b"] * 20))
    return FeaturesModel(classifier=classifier, features=OpenSmile(), normalise=False, name="mine")


def test_features_model_is_the_classifier_on_the_functionals(features_model):
    waveforms = [speech_like(duration_s=0.5), speech_like(f0_hz=200.0, duration_s=0.8)]
    values = OpenSmile().functionals(waveforms, sample_rate=RATE)
    expected = features_model.classifier.predict_proba(values)
    np.testing.assert_allclose(features_model.predict_proba(waveforms), expected, atol=1e-12)
    assert features_model.labels == ("a", "b")
    assert features_model.predict_proba([]).shape == (0, 2)


def test_features_model_survives_overshoot_and_short_clips(features_model):
    answers = features_model.predict_proba([3 * speech_like(), noise(duration_s=0.05)])
    assert np.isfinite(answers).all()


def test_wrong_feature_set_is_refused():
    classifier = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(InputError, match="the classifier takes 4 features; expected 88"):
        FeaturesModel(classifier=classifier, features=OpenSmile())


def test_windows_cover_the_clip():
    front_end = WindowedLogMel()
    assert front_end.starts(10).tolist() == [0]
    assert front_end.starts(32_000).tolist() == [0]
    assert front_end.starts(40_000).tolist() == [0, 8_000]
    assert front_end.starts(64_000).tolist() == [0, 16_000, 32_000]


def test_quiet_windows_hold_no_speech():
    samples = np.concatenate([speech_like(duration_s=2.0), 1e-4 * noise(duration_s=4.0)])
    windows, holds_speech = WindowedLogMel().windows(samples[None])
    assert windows.shape == (1, 5, 32_000)
    assert holds_speech[0].tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_models_answer_alike_in_batches_and_alone(name):
    model = load_model(name)
    waveforms = [
        speech_like(f0_hz=f0, duration_s=d) for f0, d in ((100, 1.0), (220, 3.3), (150, 1))
    ]
    together = model.predict_proba(waveforms)
    alone = np.vstack([model.predict_proba([w]) for w in waveforms])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1.0, atol=1e-9)
    assert isinstance(model, Model)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_models_answer_silence_with_equal_probabilities(name):
    model = load_model(name)
    np.testing.assert_allclose(model.predict_proba([np.zeros(16_000, np.float32)]), 1 / 7)


@pytest.mark.parametrize("name", BUNDLED)
def test_bands_without_sound_get_no_weight(name):
    """A telephone recording has nothing above 4 kHz, what rounding leaves is no reason."""
    narrow = speech_like(duration_s=1.0, sample_rate=8000)
    audio = Audio(samples=narrow, sample_rate=8000)
    explanation = EmoLime(units=FrequencyBands(scale="linear")).explain(load_model(name), audio)
    assert np.abs(explanation.weights[:, 5:]).max() < 1e-3


@pytest.mark.corpus
@pytest.mark.parametrize("name", BUNDLED)
def test_recording_level_does_not_matter(data_dir, name):
    model = load_model(name)
    files = [
        *sorted((data_dir / "emodb-2s").glob("*.flac"))[::40],
        *sorted((data_dir / "ravdess" / "Actor_03").glob("*.flac"))[::15],
    ]
    clips = [load_audio(file).samples for file in files]
    as_given = model.predict_proba(clips)
    quieter = model.predict_proba([0.1 * samples for samples in clips])
    assert np.abs(as_given - quieter).max() <= 0.01


@pytest.mark.corpus
@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_models_know_what_they_were_trained_on(data_dir, name):
    model = load_model(name)
    files = sorted((data_dir / "emodb-2s").glob("*.flac"))[::8]
    answers = model.predict_proba([load_audio(file).samples for file in files])
    names = dict(zip("WLEAFTN", sorted_names(), strict=True))
    truth = [names[file.stem[5]] for file in files]
    hit = np.mean([model.labels[i] == t for i, t in zip(answers.argmax(1), truth, strict=True)])
    assert hit > 0.8


def sorted_names():
    return ["anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"]


def install(monkeypatch, **content) -> None:
    module = types.ModuleType("users_module")
    for name, value in content.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "users_module", module)


def test_a_model_from_python(monkeypatch):
    def answer(waveforms):
        return np.tile([0.2, 0.8], (len(waveforms), 1))

    answer.labels = ["a", "b"]
    install(
        monkeypatch,
        function=answer,
        instance=BandModel(band_hz=(0.0, 500.0)),
        make=lambda: BandModel(band_hz=(0.0, 500.0)),
        number=7,
        bare=lambda waveforms: np.zeros((len(waveforms), 2)),
    )
    assert load_model("python:users_module:function").labels == ("a", "b")
    assert load_model("python:users_module:instance").name == "one band"
    made = load_model("python:users_module:make")
    assert EmoLime(samples=64).explain(made, clip()).target == "high"
    for spec, message in [
        ("python:users_module:number", "is int without labels"),
        ("python:users_module:bare", "has no attribute labels and cannot be called"),
        ("python:users_module:absent", "has no 'absent'"),
        ("python:no_such_module_here:x", "cannot import"),
        ("python:users_module", "expected python:package.module:name"),
    ]:
        with pytest.raises(InputError, match=message):
            load_model(spec)


def clip():
    return Audio(samples=noise(level=0.3), sample_rate=RATE)


def test_unknown_model():
    with pytest.raises(InputError, match="neither a known name nor a folder"):
        load_model("x" * 5000)
    with pytest.raises(InputError, match=r"neither a known name nor a folder; .*emodb-cnn"):
        load_model("emodb-cnm")


def test_a_target_may_be_spelled_in_any_way():
    from cuelens.models.base import label_index

    model = CallableModel(function=len, labels=("angry", "sad", "x"))
    assert label_index(model, "sad") == 1
    assert label_index(model, "anger") == 0
    assert label_index(model, "Wut") == 0
    with pytest.raises(InputError, match="expected one of the model's labels: angry, sad, x"):
        label_index(model, "happiness")
    twice = CallableModel(function=len, labels=("angry", "anger"))
    assert label_index(twice, "anger") == 1
    with pytest.raises(InputError, match="expected one of the model's labels"):
        label_index(twice, "Wut")


def test_what_the_answers_are(monkeypatch):
    def answer(waveforms):
        return np.tile([3.0, -1.0], (len(waveforms), 1))

    answer.labels = ["arousal", "valence"]
    answer.output = "value"
    install(monkeypatch, function=answer, instance=BandModel(band_hz=(0.0, 500.0)))
    assert model_output(load_model("python:users_module:function")) == "value"
    assert model_output(load_model("python:users_module:instance")) == "probability"
    del answer.output  # the labels are dimensions
    assert model_output(load_model("python:users_module:function")) == "value"
    assert CallableModel(function=answer, labels=("angry", "sad")).output == "probability"
    said = CallableModel(function=answer, labels=answer.labels, output="probability")
    assert model_output(said) == "probability"
    with pytest.raises(InputError, match="its output is 'score'; expected one of probability, lo"):
        CallableModel(function=answer, labels=("a", "b"), output="score")
    assert CallableModel(function=answer, labels=("a", "b")).predict_proba([]).shape == (0, 2)


def test_errors_of_adapters_are_passed_on_as_they_are():
    def refuse(waveforms):
        raise InputError("2 ms is too short")

    with pytest.raises(InputError, match=r"^2 ms is too short$"):
        predict(CallableModel(function=refuse, labels=("a",)), [noise()])


@pytest.mark.parametrize("labels", ["abc", None, 3])
def test_labels_that_are_no_sequence_are_refused(labels):
    with pytest.raises(InputError, match=r"has labels .*; expected a sequence of names"):
        CallableModel(function=len, labels=labels)


def test_a_function_whose_labels_are_text_is_refused(monkeypatch):
    def function(waveforms):
        return np.ones((len(waveforms), 3)) / 3

    function.labels = "abc"
    module = types.ModuleType("text_labels")
    module.function = function
    monkeypatch.setitem(sys.modules, "text_labels", module)
    with pytest.raises(InputError, match=r"function has labels 'abc'; expected a sequence"):
        load_model("python:text_labels:function")


def test_answers_that_are_no_numbers_are_told_of_the_clip():
    def function(waveforms):
        return [[np.nan if w.max() < 0.1 else 1.0, 0.0] for w in waveforms]

    model = CallableModel(function=function, labels=("a", "b"), name="mine")
    clips = [np.full(800, level, np.float32) for level in (0.5, 0.05, 0.02)]
    with pytest.raises(
        InputError,
        match=r"answers 2 of 3 waveforms with NaN or .* of 0\.05 s with a peak of 0\.05;",
    ) as error:
        predict(model, clips)
    assert "\n" not in str(error.value)


def dimensional(waveforms):
    """The second dimension is the largest of every clip."""
    energy = np.array([float(np.sqrt(np.mean(np.square(w)))) for w in waveforms])
    return np.column_stack([energy, 2 + energy, -energy])


def test_the_default_target_of_values_is_the_first_everywhere():
    from cuelens.evaluate.over_clips import answer
    from cuelens.explain import Interventions
    from cuelens.report.explain_clip import _contrasted

    audio = Audio(samples=speech_like(duration_s=0.4), sample_rate=RATE)
    names = ("arousal", "valence", "dominance")
    for kind, expected in (("value", "arousal"), ("probability", "valence"), ("logit", "valence")):
        model = CallableModel(function=dimensional, labels=names, output=kind)
        outputs = model.predict_proba([audio.samples])[0]
        assert names[default_target(model, outputs)] == expected
        for explainer in (EmoLime(units=FrequencyBands(n_bands=2)), Interventions(cues=("level",))):
            assert explainer.explain(model, audio).target == expected
        assert answer(model, audio) == expected
        rather = _contrasted(model, audio, None, "dominance")[1]
        assert rather == f"{expected} rather than dominance"


def test_one_rule_for_dimensions():
    assert are_dimensions(("Arousal", " valence"))
    assert not are_dimensions(("arousal", "anger"))
    assert given_output(None, ("arousal",)) == "value"
    assert given_output(None, ("anger",)) is None
    assert given_output("logit", ("arousal",)) == "logit"


def test_logits_of_labels_by_themselves():
    raw = np.array([[0.0, np.log(3.0)], [-800.0, 800.0]])
    found = network_answers(raw, "multi_label_logit", name="m")
    np.testing.assert_allclose(found, [[0.5, 0.75], [0.0, 1.0]], atol=1e-12)
    np.testing.assert_allclose(network_answers(raw[:, 1:], "logit", name="m"), [[0.75], [1.0]])


def test_what_a_function_raises_is_told_with_its_file_and_line():
    def fails(waveforms):
        raise RuntimeError("out of memory")

    line = fails.__code__.co_firstlineno + 1
    model = CallableModel(function=fails, labels=("a", "b"), name="mine")
    expected = f"model mine failed in test_adapters.py, line {line}: RuntimeError: out of memory"
    with pytest.raises(InputError, match=expected) as error:
        predict(model, [noise()])
    assert isinstance(error.value.__cause__, RuntimeError)
    assert "\n" not in str(error.value)
    inside = CallableModel(function=lambda w: np.linalg.inv(np.zeros((2, 2))), labels=("a", "b"))
    with pytest.raises(InputError, match=r"test_adapters\.py, line \d+: LinAlgError: Singular"):
        predict(inside, [noise()])  # raised in NumPy, called by the user


def test_what_no_line_of_the_users_raised_keeps_its_traceback():
    by_library = CallableModel(function=operator.itemgetter(9), labels=("a", "b"))
    with pytest.raises(IndexError):
        predict(by_library, [noise()])


def test_a_module_that_fails_is_told_with_its_line(monkeypatch, tmp_path):
    (tmp_path / "broken_module.py").write_text("x = 1\nraise RuntimeError('no weights')\n")
    (tmp_path / "broken_maker.py").write_text("def make():\n    return {}['key']\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"RuntimeError.*no weights.*broken_module\.py, line 2"):
        load_model("python:broken_module:x")
    with pytest.raises(InputError, match=r"failed in broken_maker\.py, line 2: KeyError: 'key'"):
        load_model("python:broken_maker:make")


def test_a_bare_network_is_told_how_to_be_wrapped(monkeypatch):
    torch = pytest.importorskip("torch")
    labelled = torch.nn.Linear(4, 2)
    labelled.labels = ("a", "b")
    install(monkeypatch, bare=torch.nn.Linear(4, 2), kind=torch.nn.ReLU, labelled=labelled)
    for name in ("bare", "kind", "labelled"):
        with pytest.raises(InputError, match=r"a bare PyTorch network .*\.TorchWaveformModel\("):
            load_model(f"python:users_module:{name}")


def test_a_name_without_its_prefix_is_guessed(tmp_path):
    for name, file, prefix in (
        ("checkpoint", "config.json", "hf:"),
        ("w2v2", "model.yaml", "onnx:"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
        with pytest.raises(InputError, match=f"did you mean {prefix}{tmp_path}/{name}[?]"):
            load_model(tmp_path / name)
    for name, prefix in (("network.onnx?labels=a,b", "onnx:"), ("pipeline.skops", "skops:")):
        with pytest.raises(InputError, match=rf"did you mean {prefix}{name.replace('?', '[?]')}"):
            load_model(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no model\.json in it"):
        load_model(tmp_path / "empty")


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("angry.flac", r'load_audio\("angry\.flac"\)'),
        (np.zeros(8000, np.float32), r"Audio\(samples=\.\.\., sample_rate=\.\.\.\)"),
    ],
)
def test_what_is_no_clip_is_refused(given, remedy):
    model = BandModel(band_hz=(0.0, 500.0))
    for explain in (EmoLime().explain, Occlusion().explain, explain_clip):
        with pytest.raises(InputError, match=rf"the clip is of type .*; expected Audio: {remedy}"):
            explain(model, given)


def test_transformers_beside_a_torchvision_that_cannot_be_imported(tmp_path):
    """As one built for another PyTorch: a subprocess, because an import happens once."""
    pytest.importorskip("transformers")
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('no such operator')\n")
    (tmp_path / "mine.py").write_text(
        "from transformers import Wav2Vec2ForSequenceClassification\n"
        "def f(w): return [[1.0, 0.0] for _ in w]\n"
        "f.labels = ('a', 'b')\n"
    )
    (tmp_path / "light.py").write_text("def f(w): pass\nf.labels = ('a', 'b')\n")
    code = (
        "import sys, cuelens\n"
        "cuelens.load_model('python:light:f')\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)\n"
        "print(cuelens.load_model('python:mine:f').labels)\n"
        "print('torchvision' in sys.modules)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines() == ["False False", "('a', 'b')", "False"]
