"""The dense head of audeering's regression model, against the same written out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from tests.features.test_hugging_face import GROUP, LAYER, SIZE  # noqa: E402

from cuelens import InputError, load_model  # noqa: E402
from cuelens.features.hugging_face import transformers  # noqa: E402
from cuelens.features.one_thread import one_thread  # noqa: E402
from cuelens.models import model_output  # noqa: E402
from cuelens.testing import noise, speech_like  # noqa: E402

DIMENSIONS = ("arousal", "dominance", "valence")
CLIPS = [speech_like(duration_s=0.4), noise(duration_s=0.3), noise(duration_s=0.4, seed=1)]


@pytest.fixture(autouse=True)
def one_thread_at_a_time():
    with one_thread():  # networks this small
        yield


def save(folder, *, architecture="Wav2Vec2ForSpeechClassification", norm=LAYER, **settings):
    """A checkpoint as audeering's on the hub, and its parts."""
    folder.mkdir()
    torch.manual_seed(0)
    encoder = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SIZE, **norm)).eval()
    for parameter in encoder.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(3.0)
    dense, out_proj = torch.nn.Linear(16, 16), torch.nn.Linear(16, 3)
    state = {f"wav2vec2.{name}": value for name, value in encoder.state_dict().items()}
    for name, layer in (("dense", dense), ("out_proj", out_proj)):
        state |= {f"classifier.{name}.{k}": v for k, v in layer.state_dict().items()}
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = encoder.config.to_dict() | {
        "architectures": [architecture],
        "id2label": {str(i): name for i, name in enumerate(DIMENSIONS)},
        "label2id": {name: i for i, name in enumerate(DIMENSIONS)},
        "problem_type": "regression",
        "pooling_mode": "mean",
        "final_dropout": 0.1,
        "vocab_size": None,
        **settings,
    }
    (folder / "config.json").write_text(json.dumps(config))
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=norm is LAYER).save_pretrained(
        folder
    )
    return folder, encoder, dense, out_proj


def by_hand(encoder, dense, out_proj, clip):
    x = (clip - clip.mean()) / np.sqrt(clip.astype(np.float64).var() + 1e-7)
    with torch.inference_mode():
        hidden = encoder(torch.from_numpy(x.astype(np.float32))[None]).last_hidden_state
        mean = sum(hidden[0]) / len(hidden[0])
        tanh = torch.tanh(dense.weight @ mean + dense.bias)
        return (out_proj.weight @ tanh + out_proj.bias).numpy()


@pytest.mark.parametrize("architecture", ["Wav2Vec2ForSpeechClassification", "EmotionModel"])
@pytest.mark.parametrize("norm", [LAYER, GROUP])
def test_values_are_those_of_the_formula(tmp_path, architecture, norm):
    folder, *parts = save(tmp_path / "tiny", architecture=architecture, norm=norm)
    model = load_model(f"hf:{folder}")
    assert model.labels == DIMENSIONS
    assert model_output(model) == "value"
    expected = np.stack([by_hand(*parts, clip) for clip in CLIPS])
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01


def test_classes_with_this_head_are_probabilities(tmp_path):
    names = {"0": "angry", "1": "calm", "2": "sad"}
    folder, *parts = save(tmp_path / "tiny", problem_type=None, id2label=names)
    model = load_model(f"hf:{folder}")
    logits = np.stack([by_hand(*parts, clip) for clip in CLIPS]).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)
    assert model_output(model) == "probability"


def test_dimensions_are_values_where_nothing_else_is_said(tmp_path):
    folder, *parts = save(tmp_path / "tiny", problem_type=None)
    model = load_model(f"hf:{folder}")
    expected = np.stack([by_hand(*parts, clip) for clip in CLIPS])
    np.testing.assert_allclose(model.predict_proba(CLIPS), expected, atol=1e-5)
    assert model_output(model) == "value"
    folder, *parts = save(tmp_path / "said", problem_type="single_label_classification")
    assert model_output(load_model(f"hf:{folder}")) == "probability"


@pytest.mark.parametrize(
    "gone", ["classifier.dense.bias", "wav2vec2.encoder.layers.1.attention.q_proj.weight"]
)
def test_weights_that_are_missing_are_not_made_up(tmp_path, gone):
    folder, *_ = save(tmp_path / "tiny")
    state = safetensors.torch.load_file(folder / "model.safetensors")
    del state[gone]
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"1 weights are missing, such as {gone}; expected all"):
        load_model(f"hf:{folder}")


def test_another_pooling_is_refused(tmp_path):
    folder, *_ = save(tmp_path / "tiny", pooling_mode="max")
    with pytest.raises(InputError, match="pools by 'max'; expected 'mean'"):
        load_model(f"hf:{folder}")
