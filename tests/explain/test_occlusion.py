"""Occlusion against captum, against whole passes, and in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
captum = pytest.importorskip("captum.attr")

from tests.explain.tiny_networks import Reduced, as_model, pictures, randomised  # noqa: E402
from torch import nn  # noqa: E402

from cuelens import Audio, InputError, load_audio, load_model  # noqa: E402
from cuelens.explain import Occlusion, occlusion  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = "weights/resnetsmall_tess.pth"


def captum_cells(module, explainer, shown, label, fill):
    with torch.inference_mode():
        cells = captum.Occlusion(module).attribute(
            torch.from_numpy(shown.values),
            sliding_window_shapes=(1, explainer.patch_bands, explainer.patch_frames),
            strides=(1, explainer.stride_bands, explainer.stride_frames),
            baselines=fill,
            target=label,
            perturbations_per_eval=16,
        )
    return cells.numpy()[:, 0]


@pytest.mark.parametrize(
    "explainer",
    [
        Occlusion.published(),
        Occlusion(),
        Occlusion(patch_bands=7, patch_frames=9, stride_bands=4, stride_frames=7, fill=0.3),
    ],
)
def test_equals_captum(explainer):
    module = randomised(Reduced())
    shown = pictures(2, 22, 31)
    found = explainer.relevance(as_model(module), shown, 0)
    fill = shown.silence if explainer.fill is None else explainer.fill
    for label in range(3):
        expected = captum_cells(module, explainer, shown, label, fill)
        assert np.ptp(expected) > 1e-3
        np.testing.assert_allclose(found.cells[label], expected, rtol=0, atol=1e-5)
    assert found.n_model_calls == 2 * (1 + len(explainer.patches(22, 31)))


def test_published_settings():
    explainer = Occlusion.published()
    assert (explainer.patch_bands, explainer.patch_frames) == (1, 10)
    assert (explainer.stride_bands, explainer.stride_frames, explainer.fill) == (1, 3, 0.0)


@pytest.mark.corpus
def test_equals_captum_on_the_published_network(data_dir):
    model = load_model(f"resnetsmall:{data_dir / WEIGHTS}")
    shown = model.front_end.network_input(load_audio(data_dir / "tess/OAF_bar_angry.flac").samples)
    part = replace(  # the network takes any size: a part of the picture, with the published patch
        shown, values=shown.values[..., 30:54, 20:56].copy(), times_s=shown.times_s[:, 20:56]
    )
    for explainer, picture in (
        (Occlusion.published(), part),
        (Occlusion(stride_bands=16, stride_frames=10), shown),
    ):
        fill = shown.silence if explainer.fill is None else explainer.fill
        found = explainer.relevance(model, picture, 3)
        expected = captum_cells(model.module, explainer, picture, 3, fill)
        assert np.ptp(expected) > 1e-2
        # Logits of about 5 in float32, one of several differences averaged.
        np.testing.assert_allclose(found.cells[3], expected, rtol=0, atol=1e-5)


@pytest.mark.corpus
def test_without_pytorch_the_same(data_dir, monkeypatch):
    model = load_model("emodb-cnn")
    audio = load_audio(data_dir / "emodb/03a01Wa.flac", end_s=1.4)
    explainer = Occlusion(patch_bands=32, stride_bands=32, patch_frames=20, stride_frames=15)
    local = explainer.explain(model, audio)
    calls = []
    whole = occlusion.batched_logits
    monkeypatch.setattr(occlusion, "_local_logits", lambda *_: None)
    monkeypatch.setattr(
        occlusion, "batched_logits", lambda *args: calls.append(len(args[2])) or whole(*args)
    )
    through_onnx = explainer.explain(model, audio)
    assert sum(calls) == len(explainer.patches(128, 134))
    assert np.ptp(local.map.values) > 0.01
    np.testing.assert_allclose(local.map.values, through_onnx.map.values, rtol=0, atol=1e-4)
    # A folder without weights beside the ONNX file holds no PyTorch network at all.
    bare = explainer.explain(replace(model, weights=None), audio)
    np.testing.assert_array_equal(bare.map.values, through_onnx.map.values)
    assert bare.n_model_calls == explainer.n_evaluations(model, audio)


def test_is_known_of_a_network_that_adds_cells_up():
    network = nn.Sequential(nn.Flatten(), nn.Linear(6 * 8, 2))
    weights = network[1].weight.detach().numpy().reshape(2, 6, 8)
    shown = pictures(1, 6, 8)
    explainer = Occlusion(patch_bands=2, patch_frames=4, stride_bands=2, stride_frames=4)
    found = explainer.relevance(as_model(network, n_labels=2), shown, 0)
    shares = weights * (shown.values[0, 0] + 2.0)  # without gaps or overlap: the sum of the patch
    blocks = shares.reshape(2, 3, 2, 2, 4).sum(axis=(2, 4))
    expected = blocks.repeat(2, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(found.cells[:, 0], expected, atol=1e-5)


def test_patches_cover_everything():
    for explainer in (
        Occlusion.published(),
        Occlusion(),
        Occlusion(patch_bands=40, stride_bands=9),
    ):
        for size in ((5, 3), (16, 10), (17, 11), (128, 134)):
            covered = np.zeros(size, int)
            for top, bottom, left, right in explainer.patches(*size):
                covered[top:bottom, left:right] += 1
            assert covered.min() >= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_bands": 0}, "patch_bands is 0; expected a whole number, 1 or more"),
        ({"stride_frames": 1.5}, "stride_frames is 1.5"),
        ({"patch_frames": 3, "stride_frames": 4}, "strides exceed the patch"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Occlusion(**settings)


def test_it_runs_where_pytorch_is_missing(monkeypatch):
    import sys

    from cuelens.testing import speech_like

    audio = Audio(samples=speech_like(duration_s=0.5), sample_rate=16_000)
    expected = Occlusion(stride_frames=10).explain(load_model("emodb-cnn"), audio)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "cuelens.explain.local_forward", raising=False)
    found = Occlusion(stride_frames=10).explain(load_model("emodb-cnn"), audio)
    np.testing.assert_allclose(found.map.values, expected.map.values, atol=1e-3)
