"""Classifiers and regressors of the Hugging Face hub against transformers' own pipeline."""

from __future__ import annotations

import json
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from tests.features.test_hugging_face import GROUP, LAYER, SIZE  # noqa: E402

from cuelens import CuelensWarning, InputError, load_model  # noqa: E402
from cuelens.evaluate.gate import gate  # noqa: E402
from cuelens.features.hugging_face import transformers  # noqa: E402
from cuelens.features.one_thread import one_thread  # noqa: E402
from cuelens.models import HuggingFaceModel, Model, model_output  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402

pytestmark = pytest.mark.filterwarnings(  # of the pipeline that answers are compared with
    "ignore:Support for mismatched key_padding_mask"
)
LABELS = ("angry", "calm", "sad")
CLIPS = [
    speech_like(duration_s=0.4) * 0.3,
    noise(duration_s=0.31),
    speech_like(f0_hz=200.0, duration_s=0.4),
    noise(duration_s=0.05, seed=1),
]
KINDS = {
    "wav2vec2": ("Wav2Vec2", {**SIZE, **GROUP}),
    "wav2vec2-large": ("Wav2Vec2", {**SIZE, **LAYER}),
    "hubert": ("Hubert", {**SIZE, **GROUP}),
    "wavlm": ("WavLM", {**SIZE, **LAYER}),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread_at_a_time():
    with one_thread():  # networks this small
        yield


def loud(network):
    """Weights larger than at the start of training, so that answers differ."""
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(3.0)
    return network


def save(folder, kind="wav2vec2", **settings):
    name, size = KINDS[kind]
    names = dict(enumerate(LABELS))
    config = getattr(transformers, f"{name}Config")(
        **size, id2label=names, label2id={v: k for k, v in names.items()}, **settings
    )
    torch.manual_seed(0)
    network = getattr(transformers, f"{name}ForSequenceClassification")(config)
    loud(network).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(
        return_attention_mask=kind in {"wav2vec2-large", "wavlm"}
    ).save_pretrained(folder)
    return folder


def save_ast(folder):
    config = transformers.ASTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_length=64,
        num_mel_bins=32,
        id2label=dict(enumerate(LABELS)),
    )
    torch.manual_seed(0)
    loud(transformers.ASTForAudioClassification(config)).save_pretrained(folder)
    transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(folder)
    return folder


def save_whisper(folder):
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        num_mel_bins=20,
        max_source_positions=50,
        vocab_size=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
        id2label=dict(enumerate(LABELS)),
    )
    torch.manual_seed(0)
    loud(transformers.WhisperForAudioClassification(config)).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[*KINDS, "ast", "whisper"])
def folder(request, tmp_path_factory):
    where = tmp_path_factory.mktemp(request.param) / "tiny"
    if request.param == "ast":
        return save_ast(where)
    return save_whisper(where) if request.param == "whisper" else save(where, request.param)


def by_pipeline(folder, clips, labels=LABELS):
    pipe = transformers.pipeline("audio-classification", model=str(folder), device="cpu")
    rows = []
    for clip in clips:
        found = {answer["label"]: answer["score"] for answer in pipe(clip, top_k=None)}
        rows.append([found[label] for label in labels])
    return np.array(rows)


def test_answers_are_those_of_the_pipeline(folder):
    model = load_model(f"hf:{folder}")
    assert isinstance(model, Model)
    assert model.labels == LABELS
    assert model.sample_rate == 16_000
    assert model.name == "tiny"
    assert model_output(model) == "probability"
    expected = by_pipeline(folder, CLIPS)
    assert np.ptp(expected, axis=0).max() > 1e-3  # it listens
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)
    for clip, row in zip(CLIPS, expected, strict=True):
        np.testing.assert_allclose(model.predict_proba([clip])[0], row, atol=1e-5)
    assert model.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_other_problems_are_answered_as_by_the_pipeline(tmp_path, problem):
    folder = save(tmp_path / "tiny", problem_type=problem)
    model = load_model(f"hf:{folder}")
    np.testing.assert_allclose(model.predict_proba(CLIPS), by_pipeline(folder, CLIPS), atol=1e-5)
    assert model_output(model) == ("value" if problem == "regression" else "probability")


def test_a_head_that_was_never_trained_is_told(tmp_path):
    folder = save(tmp_path / "tiny")
    state = safetensors.torch.load_file(folder / "model.safetensors")
    head = {name for name in state if name.startswith(("classifier", "projector"))}
    for name in head:
        state.pop(name)
    state["classifier.dense.weight"] = torch.zeros(16, 16)
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    with pytest.warns(CuelensWarning, match=r"4 weights are not in .* random \(classifier\.bias"):
        first = load_model(f"hf:{folder}")
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    with pytest.warns(CuelensWarning, match=r"it holds classifier\.dense\.weight instead") as seen:
        again = load_model(f"hf:{folder}")
    assert "\n" not in str(seen[0].message)
    assert again.notes == (str(seen[0].message),)
    np.testing.assert_array_equal(first.predict_proba(CLIPS), again.predict_proba(CLIPS))


@pytest.mark.parametrize("kind", ["wav2vec2-large", "wavlm"])
def test_what_masks_padding_may_be_padded(tmp_path, kind):
    folder = save(tmp_path / "tiny", kind)
    model = load_model(f"hf:{folder}?masks_padding=true")
    assert model.masks_padding
    np.testing.assert_allclose(model.predict_proba(CLIPS), by_pipeline(folder, CLIPS), atol=1e-6)


def test_what_does_not_mask_padding_is_caught(tmp_path):
    folder = save(tmp_path / "tiny", "wav2vec2")  # group norm over time
    model = HuggingFaceModel(checkpoint=str(folder), masks_padding=True)
    model.predict_proba([CLIPS[0], CLIPS[2]])  # equally long: nothing is padded
    with pytest.raises(InputError, match=r"padded to a longer one .* leave out masks_padding"):
        model.predict_proba(CLIPS)


def test_padding_is_checked_where_no_batch_needs_any(tmp_path):
    """0.8 s at once: two clips of 0.05 s, then two of 0.4 s."""
    folder = save(tmp_path / "tiny", "wav2vec2")
    clips = [CLIPS[0], CLIPS[3], CLIPS[2], noise(duration_s=0.05, seed=2)]
    model = HuggingFaceModel(checkpoint=str(folder), masks_padding=True, batch_seconds=0.8)
    with pytest.raises(InputError, match="leave out masks_padding"):
        model.predict_proba(clips)
    masks = save(tmp_path / "masks", "wav2vec2-large")
    model = HuggingFaceModel(checkpoint=str(masks), masks_padding=True, batch_seconds=0.8)
    np.testing.assert_allclose(model.predict_proba(clips), by_pipeline(masks, clips), atol=1e-6)


def test_explain_refuses_a_model_that_was_said_to_mask_padding(tmp_path):
    """Versions of a clip are equally long: the gate asks about clips that are not."""
    import soundfile
    from typer.testing import CliRunner

    from cuelens.cli.main import app

    soundfile.write(tmp_path / "clip.wav", speech_like(duration_s=0.4), 16_000)
    asked = ("--bands", "2", "--no-cues", "--model")

    def explained(kind):
        spec = f"hf:{save(tmp_path / kind, kind)}?masks_padding=true"
        return CliRunner().invoke(app, ["explain", str(tmp_path / "clip.wav"), *asked, spec])

    found = explained("wav2vec2")
    assert isinstance(found.exception, InputError)
    assert "leave out masks_padding" in str(found.exception)
    assert explained("wavlm").exit_code == 0


def test_batches_are_bounded_by_what_is_padded(tmp_path, monkeypatch):
    """The network takes 1 s, whatever is given: 2.5 s at once are two clips."""
    model = HuggingFaceModel(checkpoint=str(save_whisper(tmp_path / "tiny")), batch_seconds=2.5)
    seen = []
    ask = HuggingFaceModel._logits

    def logits(self, some):
        seen.append(len(some))
        return ask(self, some)

    monkeypatch.setattr(HuggingFaceModel, "_logits", logits)
    clips = [noise(duration_s=0.1, seed=k) for k in range(5)]
    found = model._answers(clips)
    assert seen == [2, 2, 1]
    np.testing.assert_allclose(found, by_pipeline(model.checkpoint, clips), atol=1e-5)


def test_half_precision_has_its_own_tolerance(tmp_path, monkeypatch):
    from cuelens.models import hugging_face_model

    model = HuggingFaceModel(checkpoint=str(save(tmp_path / "tiny")))
    assert model.batch_tolerance == 1e-4
    monkeypatch.setattr(hugging_face_model, "device_and_dtype", lambda *_: ("cuda", torch.float16))
    assert model.batch_tolerance == 1e-2


@pytest.mark.parametrize(
    ("waveforms", "message"),
    [
        ([np.zeros((2, 16_000), np.float32)], r"shape \(2, 16000\); expected \(n_samples,\)"),
        ([noise()[:40]], r"40 samples \(2 ms\); expected 60 or more \(4 ms\)"),
        ([np.array([], np.float32)], "0 samples"),
        ([np.full(4000, np.nan, np.float32)], "4000 samples that are NaN or infinite"),
        ([np.zeros(4000, np.int16)], "samples of type int16; expected float"),
        (noise()[:4000], r"shape \(\); expected \(n_samples,\), one channel: give a list"),
    ],
)
def test_what_it_cannot_take_is_one_clear_line(tmp_path, waveforms, message):
    model = HuggingFaceModel(checkpoint=str(save(tmp_path / "tiny")))
    with pytest.raises(InputError, match=message) as error:
        model.predict_proba(waveforms)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("make", "seconds"), [(save_ast, 0.64), (save_whisper, 1.0)])
def test_what_is_not_heard_is_told_once(tmp_path, make, seconds):
    folder = make(tmp_path / "tiny")
    model = load_model(f"hf:{folder}")
    clip = noise(duration_s=1.5)
    with pytest.warns(CuelensWarning, match=rf"hears the first {seconds:.2f} s .* lasts 1\.50 s"):
        answer = model.predict_proba([clip])
    np.testing.assert_allclose(answer, by_pipeline(folder, [clip]), atol=1e-5)
    assert model.max_duration_s == seconds
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict_proba([clip])
        gate(load_model(f"hf:{folder}"))  # nothing is said of clips that are not the user's


def test_it_travels_to_other_processes(tmp_path):
    model = load_model(f"hf:{save(tmp_path / 'tiny')}")
    content = pickle.dumps(model)
    assert len(content) < 2000  # no weights
    np.testing.assert_array_equal(
        pickle.loads(content).predict_proba(CLIPS), model.predict_proba(CLIPS)
    )


def test_weights_in_bin_are_read_without_running_anything(tmp_path):
    folder = save(tmp_path / "tiny")
    expected = load_model(f"hf:{folder}").predict_proba(CLIPS)
    state = safetensors.torch.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    np.testing.assert_allclose(load_model(f"hf:{folder}").predict_proba(CLIPS), expected)

    touched = tmp_path / "executed"

    class Bomb:
        def __reduce__(self):
            return (open, (str(touched), "w"))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(f"hf:{folder}")
    torch.save({"classifier.weight": Bomb()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(f"hf:{folder}")
    assert not touched.exists()


def test_what_is_no_classifier_is_refused(tmp_path):
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    for place in (tmp_path / "bert", tmp_path, "org/none/deeper"):
        with pytest.raises(InputError, match=r"cannot be loaded|no such folder") as error:
            load_model(f"hf:{place}")
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="model option 'x=1'; expected NAME=VALUE"):
        load_model("hf:a/b?x=1")
    with pytest.raises(InputError, match="masks_padding=yes; expected true or false"):
        load_model("hf:a/b?masks_padding=yes")


def test_without_a_connection_the_error_says_what_is_needed(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        InputError, match=r"org/none: no such folder here, .* cannot be loaded .* a connection"
    ):
        load_model("hf:org/none")


def test_labels_are_in_the_order_of_their_numbers(tmp_path):
    folder = save(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"2": "sad", "0": "angry", "1": "calm"}
    (folder / "config.json").write_text(json.dumps(config))
    assert load_model(f"hf:{folder}").labels == LABELS


@pytest.mark.gpu
def test_half_precision_on_a_gpu_is_near(folder):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    exact = HuggingFaceModel(checkpoint=str(folder), device="cpu").predict_proba(CLIPS)
    half = HuggingFaceModel(checkpoint=str(folder), device="cuda").predict_proba(CLIPS)
    np.testing.assert_allclose(half, exact, atol=0.02)
