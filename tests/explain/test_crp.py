"""Concept relevance: channels of most relevance, maps through them alone, references that fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.signal

torch = pytest.importorskip("torch")
pytest.importorskip("crp")

from tests.explain import slow_lrp  # noqa: E402
from tests.explain.tiny_networks import (  # noqa: E402
    Reduced,
    as_model,
    clip_with_burst,
    pictures,
    randomised,
    tone_model,
)

from cuelens import Audio, Explanation, InputError, load_audio, load_model  # noqa: E402
from cuelens.explain import ConceptRelevance, find_references  # noqa: E402
from cuelens.explain.lrp import epsilon_plus_flat  # noqa: E402
from cuelens.explain.network_graph import canonise  # noqa: E402
from cuelens.models import WindowedLogMel  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("seed", range(3))
def test_equals_masked_rules_as_loops(seed):
    module = randomised(slow_lrp.Branches(), seed=seed)
    shown = pictures(1, 9, 11, seed=seed)
    model = as_model(module, n_labels=2)
    found = ConceptRelevance(layer="conv2", n_concepts=2).relevance(model, shown, 1)
    by_channel = slow_lrp.channel_relevance(module, shown.values[0], 1)
    channels = np.argsort(-by_channel)[:2]
    assert [concept[1] for concept in found.concepts] == channels.tolist()
    np.testing.assert_allclose(
        [concept[2] for concept in found.concepts],
        by_channel[channels] / np.abs(by_channel).sum(),
        rtol=1e-3,
    )
    for _, channel, _, cells in found.concepts:
        expected = slow_lrp.branches(module, shown.values[0], 1, channels=[channel])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(cells[0], expected, rtol=0, atol=2e-3 * scale)
    together = slow_lrp.branches(module, shown.values[0], 1, channels=channels)
    np.testing.assert_allclose(
        found.cells[1, 0], together, rtol=0, atol=2e-3 * np.abs(together).max()
    )


def lrp_through(module, shown, label, layer):
    """Relevance that passes through a layer and not around it."""
    graph = canonise(module)
    outputs = []
    x = torch.from_numpy(shown.values).requires_grad_()
    with epsilon_plus_flat().context(graph) as network:
        graph.get_submodule(layer).register_forward_hook(lambda *args: outputs.append(args[2]))
        logits = network(x)
        start = torch.zeros_like(logits)
        start[:, label] = logits.detach()[:, label]
        (at_layer,) = torch.autograd.grad(logits, outputs[0], grad_outputs=start, retain_graph=True)
        (cells,) = torch.autograd.grad(outputs[0], x, grad_outputs=at_layer)
    return at_layer.sum(dim=(2, 3)).numpy(), cells[:, 0].numpy()


@pytest.mark.parametrize("layer", [None, "layer1.conv1", "layer1.conv2", "conv1"])
def test_all_channels_together_are_lrp_through_the_layer(layer):
    module = randomised(Reduced())
    shown = pictures(2, 20, 27)
    found = ConceptRelevance(layer=layer, n_concepts=99).relevance(as_model(module), shown, 0)
    used = layer or "layer2.conv2"
    assert found.parameters["layer"] == used
    for label in range(3):
        by_channel, cells = lrp_through(module, shown, label, used)
        scale = np.abs(cells).max()
        np.testing.assert_allclose(found.cells[label], cells, rtol=0, atol=1e-4 * scale)
    by_channel, _ = lrp_through(module, shown, 0, used)
    order = np.argsort(-by_channel.mean(axis=0), kind="stable")
    assert [concept[1] for concept in found.concepts] == order.tolist()


def test_first_channels_are_those_of_all_channels():
    module, shown = randomised(Reduced()), pictures(2, 20, 27)
    few = ConceptRelevance(n_concepts=2).relevance(as_model(module), shown, 2)
    everything = ConceptRelevance(n_concepts=8).relevance(as_model(module), shown, 2)
    assert few.parameters["channels"] == everything.parameters["channels"][:2]
    shares = [concept[2] for concept in everything.concepts]
    assert shares == sorted(shares, reverse=True)
    assert np.abs(shares).sum() == pytest.approx(1.0)


def hiss_only(rng, name):
    band = scipy.signal.butter(8, [4000, 6000], "bandpass", fs=16_000, output="sos")
    samples = 0.1 * scipy.signal.sosfilt(band, rng.standard_normal(32_000))
    return Audio(samples=samples.astype(np.float32), sample_rate=16_000, source=name)


def test_the_clip_with_the_pattern_is_the_first_reference():
    rng = np.random.default_rng(1)
    model = tone_model(WindowedLogMel())
    audio, *_ = clip_with_burst(rng, duration_s=1.6, before_s=9.0, noise=0.0)
    planted, start_s, end_s = clip_with_burst(rng, duration_s=2.6, before_s=9.0, noise=0.0)
    planted = Audio(samples=planted.samples, sample_rate=16_000, source="planted")
    # No other clip holds the tone, or only far below its hiss.
    others = [hiss_only(rng, f"hiss {i}") for i in range(3)]
    quiet = Audio(
        samples=0.01 * clip_with_burst(rng, duration_s=1.5, before_s=0.7, noise=0.0)[0].samples
        + others[0].samples[:24_000],
        sample_rate=16_000,
        source="under noise",
    )
    explainer = ConceptRelevance(n_concepts=1, references=(*others, quiet, planted))
    explanation = explainer.explain(model, audio, target="tone")
    (concept,) = explanation.concepts
    assert concept.channel == 0
    assert concept.share == pytest.approx(1.0)
    first = concept.references[0]
    assert first.source == "planted"
    assert first.start_s <= start_s
    assert end_s <= first.end_s
    assert first.end_s - first.start_s == pytest.approx(0.3)
    part = planted.samples[round(first.start_s * 16_000) : round(first.end_s * 16_000)]
    np.testing.assert_array_equal(first.sound.samples, part)
    scores = [reference.score for reference in concept.references]
    assert scores == sorted(scores, reverse=True)
    assert explanation.method.parameters["references"][-1] == "planted"
    again = Explanation.from_json(explanation.to_json())
    assert again.to_json() == explanation.to_json()
    assert again.concepts[0].references[0].source == "planted"
    np.testing.assert_array_equal(again.concepts[0].map.values, concept.map.values)


def test_searching_reports_progress_and_takes_any_rate():
    model = tone_model(WindowedLogMel())
    rng = np.random.default_rng(2)
    audio, *_ = clip_with_burst(rng, duration_s=1.6, before_s=9.0, noise=0.0)
    explanation = ConceptRelevance(n_concepts=1).explain(model, audio, target="tone")
    steps = []
    clips = [audio.resample(22_050), audio]
    (concept,) = find_references(model, explanation, clips, n_references=1, progress=steps.append)
    assert steps == [1, 1]
    assert len(concept.references) == 1


@pytest.mark.corpus
def test_concepts_of_real_speech_keep_in_json(data_dir):
    model = load_model(f"resnetsmall:{data_dir}/weights/resnetsmall_tess.pth")
    audio = load_audio(data_dir / "tess/OAF_bar_angry.flac")
    explanation = ConceptRelevance().explain(model, audio)
    data = json.loads(explanation.to_json())
    assert [c["channel"] for c in data["concepts"]] == data["method"]["parameters"]["channels"]
    total = sum(concept.map.values[0].astype(float) for concept in explanation.concepts)
    np.testing.assert_allclose(
        explanation.map.values[explanation.target_index],
        total,
        rtol=0,
        atol=1e-5 * np.abs(total).max(),
    )


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="n_concepts is 0; expected 1 or more"):
        ConceptRelevance(n_concepts=0)
