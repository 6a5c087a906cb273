"""Cells of a picture covered in order: closed forms, a slow loop, and Quantus."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cuelens import Audio, EmoLime, InputError, load_model
from cuelens.evaluate.pixel_flipping import pixel_flipping, relevance_on_pictures
from cuelens.explain import Occlusion, TimeFrequencyMap
from cuelens.testing import noise, speech_like

torch = pytest.importorskip("torch")

from tests.explain.tiny_networks import Reduced, as_model, pictures, randomised  # noqa: E402


class Weighted(torch.nn.Module):
    """Logits are sums of cells, each with its own factor."""

    def __init__(self, factors: np.ndarray) -> None:
        super().__init__()
        self.factors = torch.from_numpy(factors.astype(np.float32))  # (n_labels, bands, frames)

    def forward(self, x):
        return torch.einsum("ncbt,lbt->nl", x, self.factors)


def test_a_linear_network_in_closed_form():
    """Covering a cell takes its factor times what it loses; the largest fall goes first."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(3, 4, 5))
    model, shown = as_model(Weighted(factors)), pictures(1, 4, 5)
    falls = factors[1] * (shown.values[0, 0] + 2.0)  # silence is -2
    found = pixel_flipping(
        model, falls[None], shown, target="b", cells_per_step=1, output="logit", n_random=3
    )
    whole = (factors[1] * shown.values[0, 0]).sum()
    left = whole - np.concatenate([[0.0], np.cumsum(np.sort(falls.ravel())[::-1])])
    np.testing.assert_allclose(found.by_relevance, left, atol=1e-5)
    np.testing.assert_array_equal(found.n_covered, np.arange(21))
    assert found.area == pytest.approx(((left[1:] + left[:-1]) / 2).mean(), abs=1e-5)
    assert found.percentile == 1.0
    assert pixel_flipping(
        model, -falls[None], shown, target="b", output="logit", n_random=3
    ).percentile == 0.0  # fmt: skip
    np.testing.assert_allclose(found.random[:, [0, -1]], np.tile(left[[0, -1]], (3, 1)), atol=1e-5)
    in_steps = pixel_flipping(
        model, falls[None], shown, target="b", cells_per_step=8, output="logit", n_random=0
    )
    np.testing.assert_array_equal(in_steps.n_covered, [0, 8, 16, 20])
    np.testing.assert_allclose(in_steps.by_relevance, left[[0, 8, 16, 20]], atol=1e-5)
    assert np.isnan(in_steps.percentile)
    assert json.loads(json.dumps(in_steps.to_dict()))["area_random"] is None


def test_several_pictures_against_a_loop():
    """Each picture loses its own cells; probabilities are averaged by shares."""
    model, shown = as_model(randomised(Reduced())), pictures(3, 12, 14)
    shown = replace(shown, shares=np.array([0.5, 0.3, 0.2]))
    relevance = np.random.default_rng(3).normal(size=(3, 12, 14))
    found = pixel_flipping(
        model, relevance, shown, target="c", cells_per_step=50, fill=0.5, n_random=2
    )
    for k, n_covered in enumerate((0, 50, 100, 150, 168)):
        expected = 0.0
        for own, picture, share in zip(relevance, shown.values, shown.shares, strict=True):
            flat = picture.ravel().copy()
            flat[np.argsort(-own.ravel())[:n_covered]] = 0.5
            with torch.no_grad():
                logits = model.module(torch.from_numpy(flat.reshape(1, 1, 12, 14)))
            expected += share * float(torch.softmax(logits.double(), 1)[0, 2])
        assert found.n_covered[k] == n_covered
        assert found.by_relevance[k] == pytest.approx(expected, abs=1e-5)
    again = pixel_flipping(
        model, relevance, shown, target="c", cells_per_step=50, fill=0.5, n_random=2
    )
    np.testing.assert_array_equal(found.random, again.random)


@pytest.mark.parametrize("output", ["probability", "logit"])
@pytest.mark.parametrize("fill", [-2.0, 0.25])
@pytest.mark.parametrize("cells_per_step", [7, 24])
def test_the_same_as_quantus(output, fill, cells_per_step):
    # An ImportError: not installed, or OpenCV lacks a system library such as libGL.
    quantus = pytest.importorskip("quantus", exc_type=ImportError)
    module, shown = randomised(Reduced()), pictures(2, 12, 14)
    relevance = np.random.default_rng(3).normal(size=(2, 12, 14))
    metric = quantus.PixelFlipping(
        features_in_step=cells_per_step, perturb_baseline=fill, disable_warnings=True
    )
    curves = metric(
        model=module,
        x_batch=shown.values,
        y_batch=np.array([1, 1]),
        a_batch=relevance[:, None],
        softmax=output == "probability",
        channel_first=True,
        device="cpu",
    )
    for window, theirs in enumerate(curves):
        alone = replace(
            shown,
            values=shown.values[window : window + 1],
            times_s=shown.times_s[window : window + 1],
            shares=np.ones(1),
        )
        ours = pixel_flipping(
            as_model(module),
            relevance[window : window + 1],
            alone,
            target="b",
            cells_per_step=cells_per_step,
            fill=fill,
            output=output,
            n_random=0,
        )
        assert len(ours.by_relevance) == 1 + len(theirs)
        np.testing.assert_allclose(ours.by_relevance[1:], theirs, atol=1e-5)


def test_a_map_is_read_back_where_it_was_found():
    """From the pictures to the clip and back: of one picture, what was found."""
    shown = pictures(1, 6, 40)
    relevance = np.random.default_rng(1).normal(size=(2, 1, 6, 40))
    audio = Audio(samples=noise(duration_s=0.6), sample_rate=16_000)
    explanation = EmoLime().explain(load_model("emodb-cnn"), audio)
    labels = explanation.labels
    cells = np.zeros((len(labels), 1, 6, 40))
    cells[: len(relevance)] = relevance
    explanation = replace(explanation, map=TimeFrequencyMap.on_clip(cells, shown, duration_s=0.6))
    found = relevance_on_pictures(explanation, shown, target=labels[1])
    np.testing.assert_allclose(found, relevance[1], atol=1e-6)
    shifted = replace(shown, times_s=shown.times_s + 0.25 * shown.hop_s)
    shifted.times_s[0, -3:] = np.nan
    found = relevance_on_pictures(explanation, shifted, target=labels[1])
    expected = 0.75 * relevance[1, 0, :, :-1] + 0.25 * relevance[1, 0, :, 1:]
    np.testing.assert_allclose(found[0, :, :-3], expected[:, :-2], atol=1e-6)
    assert not found[0, :, -3:].any()
    with pytest.raises(InputError, match="the map has 6 bands and the pictures 7"):
        relevance_on_pictures(explanation, pictures(1, 7, 40))


def test_a_map_of_the_bundled_network():
    """A map of a speech-like clip is more faithful than its opposite."""
    model = load_model("emodb-cnn")
    audio = Audio(samples=speech_like(duration_s=0.7), sample_rate=16_000)
    explanation = Occlusion(stride_frames=10, stride_bands=16).explain(model, audio)
    shown = model.front_end.network_input(audio.samples)
    options = {"cells_per_step": 2000, "n_random": 3}
    found = pixel_flipping(model, explanation, shown, **options)
    assert found.target == explanation.target
    assert found.fill == shown.silence
    opposite = pixel_flipping(
        model, -relevance_on_pictures(explanation, shown), shown, target=found.target, **options
    )
    assert found.area < opposite.area
    assert found.by_relevance[0] == pytest.approx(explanation.prediction.max(), abs=1e-5)


def test_what_cannot_be_done_is_said():
    model, shown = as_model(randomised(Reduced())), pictures(1, 12, 14)
    with pytest.raises(InputError, match=r"shape \(1, 3, 3\).*expected finite values"):
        pixel_flipping(model, np.ones((1, 3, 3)), shown, target="a")
    with pytest.raises(InputError, match="no target"):
        pixel_flipping(model, np.ones((1, 12, 14)), shown)
    with pytest.raises(InputError, match="output is 'margin'; expected one of probability"):
        pixel_flipping(model, np.ones((1, 12, 14)), shown, target="a", output="margin")
    with pytest.raises(InputError, match="cells_per_step is 0"):
        pixel_flipping(model, np.ones((1, 12, 14)), shown, target="a", cells_per_step=0)
    none = replace(shown, values=shown.values[:0], shares=shown.shares[:0])
    with pytest.raises(InputError, match="no picture"):
        pixel_flipping(model, np.ones((0, 12, 14)), none, target="a")
    audio = Audio(samples=noise(), sample_rate=16_000)
    explanation = EmoLime().explain(load_model("emodb-cnn"), audio)
    with pytest.raises(InputError, match="no map over time and frequency"):
        pixel_flipping(load_model("emodb-cnn"), explanation, shown)
