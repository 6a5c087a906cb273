from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cuelens.errors import InputError
from cuelens.features.hugging_face import HuggingFaceEncoder, transformers
from cuelens.features.one_thread import one_thread
from cuelens.testing import noise, speech_like

SIZE = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 4, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 12,
}
GROUP = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
WAVEFORM_MODELS = {  # configuration, model, normalisation of the waveform
    "wavlm": ("WavLMConfig", "WavLMModel", GROUP, False),
    "wavlm-large": ("WavLMConfig", "WavLMModel", LAYER, True),
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model", GROUP, True),
    "wav2vec2-large": ("Wav2Vec2Config", "Wav2Vec2Model", LAYER, True),
    "hubert": ("HubertConfig", "HubertModel", GROUP, False),
    "hubert-large": ("HubertConfig", "HubertModel", LAYER, True),
}
CLIPS = [
    speech_like(duration_s=0.5) * 0.3,
    noise(duration_s=0.31) + np.float32(0.05),
    speech_like(f0_hz=200.0, duration_s=0.5),
    noise(duration_s=0.5, seed=1),
    speech_like(duration_s=0.02),
]


def save_waveform_model(kind, folder):
    config, model, norm, normalise = WAVEFORM_MODELS[kind]
    torch.manual_seed(0)
    network = getattr(transformers, model)(getattr(transformers, config)(**SIZE, **norm))
    for parameter in network.parameters():  # larger than at the start of training: layers differ
        if parameter.ndim > 1:
            parameter.data.mul_(3.0)
    network.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(
        do_normalize=normalise, return_attention_mask=norm is LAYER
    ).save_pretrained(folder)
    return folder


def save_whisper(folder):
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=3,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        num_mel_bins=20,
        max_source_positions=100,
        vocab_size=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=2).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread_at_a_time():
    with one_thread():  # networks this small
        yield


@pytest.fixture(scope="module", params=[*WAVEFORM_MODELS, "whisper"])
def folder(request, tmp_path_factory):
    where = tmp_path_factory.mktemp(request.param) / "tiny"
    return (
        save_whisper(where)
        if request.param == "whisper"
        else save_waveform_model(request.param, where)
    )


def by_hand(folder, clip):
    """Layers of one clip, (n_layers, n_frames, 16), from hooks at the blocks of the model."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    name = {"wavlm": "WavLM", "wav2vec2": "Wav2Vec2", "hubert": "Hubert", "whisper": "Whisper"}[
        kind
    ]
    model = getattr(transformers, f"{name}Model").from_pretrained(folder).eval()
    seen = []

    def keep_input(_module, args, kwargs):
        seen.append(args[0] if args else kwargs["hidden_states"])

    def keep_output(_module, _args, out):
        seen.append(out[0] if isinstance(out, tuple) else out)

    encoder = model.encoder
    encoder.layers[0].register_forward_pre_hook(keep_input, with_kwargs=True)
    for block in encoder.layers:
        block.register_forward_hook(keep_output)
    with torch.no_grad():
        if kind == "whisper":
            extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
            features = extractor(clip, sampling_rate=16_000, return_tensors="pt").input_features
            own = encoder(features, output_hidden_states=True)
            n_frames = sum(320 * frame < len(clip) for frame in range(100))
        else:
            x = clip.astype(np.float64)
            if settings["do_normalize"]:
                x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
            own = model(torch.from_numpy(x.astype(np.float32))[None], output_hidden_states=True)
            n_frames = own.last_hidden_state.shape[1]
    seen[-1] = own.last_hidden_state  # behind the last layer norm where there is one
    for layer, expected in zip(seen[:-1], own.hidden_states[:-1], strict=True):
        torch.testing.assert_close(layer, expected)
    return torch.stack(seen)[:, 0, :n_frames].numpy()


def test_layers_are_the_models_own_and_pooled_over_the_frames(folder):
    embedding = HuggingFaceEncoder(checkpoint=str(folder), device="cpu")
    found = embedding.embed_layers(CLIPS)
    assert embedding.layers == ("layer 0", "layer 1", "layer 2", "layer 3")
    assert len(embedding.dimensions) == 16
    assert embedding.sample_rate == 16_000
    assert found.shape == (5, 4, 16)
    assert found.dtype == np.float32
    for row, clip in zip(found, CLIPS, strict=True):
        for vector, frames in zip(row, by_hand(folder, clip), strict=True):
            mean = np.zeros(16)
            for frame in frames:
                mean += frame / len(frames)
            np.testing.assert_allclose(vector, mean, rtol=1e-4, atol=2e-5)


def test_layers_and_clips_differ(folder):
    found = HuggingFaceEncoder(checkpoint=str(folder), device="cpu").embed_layers(CLIPS)
    for a in range(4):
        for b in range(a):
            assert np.abs(found[:, a] - found[:, b]).max() > 1e-3
    assert np.abs(found[0] - found[2]).max() > 1e-4


@pytest.mark.parametrize("batch_seconds", [1e-3, 1.0, 60.0])
def test_a_clip_has_the_same_vectors_alone_and_among_others(folder, batch_seconds):
    embedding = HuggingFaceEncoder(
        checkpoint=str(folder), device="cpu", batch_seconds=batch_seconds
    )
    together = embedding.embed_layers(CLIPS)
    for row, clip in zip(together, CLIPS, strict=True):
        np.testing.assert_allclose(row, embedding.embed_layers([clip])[0], atol=1e-5)


def test_recipe_follows_the_weights_and_not_the_place(tmp_path):
    first = save_waveform_model("wav2vec2", tmp_path / "first")
    second = save_waveform_model("wav2vec2", tmp_path / "second")
    third = save_waveform_model("wav2vec2-large", tmp_path / "third")
    recipes = [HuggingFaceEncoder(checkpoint=str(f)).recipe for f in (first, second, third)]
    assert recipes[0] == recipes[1] != recipes[2]
    settings = json.loads((second / "preprocessor_config.json").read_text())
    settings["do_normalize"] = False
    (second / "preprocessor_config.json").write_text(json.dumps(settings))
    assert HuggingFaceEncoder(checkpoint=str(second)).recipe != recipes[0]


def test_weights_that_are_missing_are_not_made_up(tmp_path):
    import safetensors.torch

    folder = save_waveform_model("wavlm", tmp_path / "tiny")
    state = safetensors.torch.load_file(folder / "model.safetensors")
    del state["masked_spec_embed"]  # of training only
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert HuggingFaceEncoder(checkpoint=str(folder)).embed(CLIPS[:1]).shape == (1, 16)
    del state["encoder.layers.1.feed_forward.output_dense.weight"]
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 weights are missing, such as encoder\.layers\.1"):
        HuggingFaceEncoder(checkpoint=str(folder)).embed(CLIPS[:1])


def test_a_pickle_is_not_opened(tmp_path):
    folder = save_waveform_model("wavlm", tmp_path / "tiny")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"cannot be loaded .* weights in model\.safetensors"):
        HuggingFaceEncoder(checkpoint=str(folder)).embed(CLIPS[:1])


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    folder = save_waveform_model("wavlm", tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "mine"
    config["auto_map"] = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('run')")
    with pytest.raises(InputError, match="cannot be loaded"):
        HuggingFaceEncoder(checkpoint=str(folder)).embed(CLIPS[:1])


def test_other_models_are_refused(tmp_path):
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match="model of type bert; expected a speech encoder"):
        HuggingFaceEncoder(checkpoint=str(tmp_path / "bert")).embed(CLIPS[:1])


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be loaded .* expected a folder"):
        HuggingFaceEncoder(checkpoint=str(tmp_path)).embed(CLIPS[:1])
    with pytest.raises(InputError, match="no such folder"):
        HuggingFaceEncoder(checkpoint=str(tmp_path / "none")).embed(CLIPS[:1])


def test_without_a_connection_the_error_says_what_is_needed(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"org/none: .* cannot be loaded .* a connection"):
        HuggingFaceEncoder(checkpoint="org/none").embed(CLIPS[:1])


def test_impossible_clips_are_refused(tmp_path):
    embedding = HuggingFaceEncoder(checkpoint=str(save_waveform_model("wavlm", tmp_path / "tiny")))
    with pytest.raises(InputError, match="2 ms; expected 4 ms or more"):
        embedding.embed([np.zeros(30, np.float32)])
    assert embedding.embed([noise()[:60]]).shape == (1, 16)
    with pytest.raises(InputError, match="no numbers"):
        embedding.embed([np.full(1000, np.nan, np.float32)])


def test_whisper_refuses_what_it_cannot_hear_at_once(tmp_path):
    embedding = HuggingFaceEncoder(checkpoint=str(save_whisper(tmp_path / "tiny")))
    with pytest.raises(InputError, match=r"2\.10 s; expected more than 0 and at most 2 s"):
        embedding.embed([noise(duration_s=2.1)])


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="device is 'tpu'"):
        HuggingFaceEncoder(checkpoint="a/b", device="tpu")
    with pytest.raises(InputError, match="float16' on a processor"):
        HuggingFaceEncoder(checkpoint="a/b", device="cpu", dtype="float16")
    with pytest.raises(InputError, match="batch_seconds is 0"):
        HuggingFaceEncoder(checkpoint="a/b", batch_seconds=0)


def test_what_transformers_says_is_set_back(tmp_path):
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    HuggingFaceEncoder(checkpoint=str(save_waveform_model("wavlm", tmp_path / "tiny"))).embed(
        CLIPS[:1]
    )
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before


@pytest.mark.gpu
def test_half_precision_on_a_gpu_is_near(folder):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    exact = HuggingFaceEncoder(checkpoint=str(folder), device="cpu").embed_layers(CLIPS)
    half = HuggingFaceEncoder(checkpoint=str(folder), device="cuda").embed_layers(CLIPS)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, exact, atol=0.02 * np.abs(exact).max())
