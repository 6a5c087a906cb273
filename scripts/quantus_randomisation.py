"""Score the randomisation of a network's weights with Quantus, for tests/evaluate/test_sanity.py.

Quantus 0.6.0 is no requirement of this project: it needs OpenCV.  Install it beside, and run:

    pip install --no-deps --target quantus-0.6.0 quantus==0.6.0 opencv-python-headless cachetools
    PYTHONPATH=quantus-0.6.0 python scripts/quantus_randomisation.py

Its Model Parameter Randomisation Test draws the weights again with PyTorch's seed 43 in every layer
(its seed 42, plus 1), explains, and gives Spearman's rank correlation with the explanation of the
trained network.  It is handed our explainers as its explanation function: each weight is repeated
over equally many samples of the clip, and all are raised above 0, because Quantus refuses negative
explanations; both leave rank correlations as they are.  Quantus resets running statistics of batch
norms and we keep them, so the network here has those of a reset layer.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cuelens.audio import Audio
from cuelens.evaluate.binning import weights_by_place
from cuelens.evaluate.explainers import Explainer
from cuelens.explain import EmoLime, LayerwiseRelevance
from cuelens.features import LogMel
from cuelens.models import PublishedLogMel, TorchModel
from cuelens.models.resnet_small import ResNetSmall
from cuelens.testing import speech_like
from cuelens.units import FrequencyBands

TARGET = Path(__file__).parents[1] / "tests" / "evaluate" / "quantus_randomisation.json"
SEED = 42
LAYER_SEED = SEED + 1
N_SAMPLES = 9600
LABELS = ("a", "b", "c")
EXPLAINERS: dict[str, Explainer] = {
    "shapley": EmoLime(units=FrequencyBands(n_bands=5)),
    "lrp": LayerwiseRelevance(),
}


def as_model(module: torch.nn.Module) -> TorchModel:
    """A network behind a small front end."""
    front_end = PublishedLogMel(log_mel=LogMel(n_mels=32, mel_norm=None), duration_s=0.6)
    return TorchModel(module=module, labels=LABELS, front_end=front_end)


def trained() -> TorchModel:
    """Stands for a trained network: other weights than any that are drawn here, and larger."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = ResNetSmall(len(LABELS))
        with torch.no_grad():
            network.fc.weight.mul_(5.0)
    return as_model(network.eval())


def clips() -> list[Audio]:
    """Two voices of 0.6 s."""
    return [
        Audio(
            samples=speech_like(f0_hz=f0_hz, duration_s=0.6, tilt_db_per_octave=tilt, seed=seed),
            sample_rate=16_000,
            source=f"{f0_hz:g} Hz",
        )
        for seed, (f0_hz, tilt) in enumerate(((110.0, -6.0), (160.0, -3.0)))
    ]


def as_explanations(explainer: Explainer, *, absolute: bool) -> Callable[..., np.ndarray]:
    """An explanation function as Quantus calls it, of waveforms (n, 1, n_samples)."""

    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
        found = []
        for waveform, target in zip(np.asarray(inputs), np.asarray(targets), strict=True):
            audio = Audio(samples=waveform[0], sample_rate=16_000)
            explanation = explainer.explain(as_model(model), audio, target=LABELS[int(target)])
            weights = weights_by_place(explanation)[int(target)].ravel()
            weights = np.abs(weights) if absolute else weights
            raised = 1.0 + (weights - weights.min()) / (np.ptp(weights) or 1.0)
            found.append(np.repeat(raised, N_SAMPLES // weights.size)[None])
        return np.stack(found)

    return explain


def main() -> None:
    try:
        import quantus
    except ImportError as error:
        sys.exit(f"Quantus is not installed ({error}); see the first lines of this file")
    warnings.simplefilter("ignore")
    model = trained()
    sounds = clips()
    x = np.stack([clip.samples[None] for clip in sounds])
    y = model.predict_proba([clip.samples for clip in sounds]).argmax(axis=1)
    scores: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, explainer in EXPLAINERS.items():
        scores[name] = {}
        for kind in ("signed", "absolute"):
            test = quantus.MPRT(
                seed=SEED,
                abs=False,  # taken before the weights are raised
                normalise=False,
                disable_warnings=True,
                layer_order="top_down",
            )
            scores[name][kind] = test(
                model=model.module,
                x_batch=x,
                y_batch=y,
                channel_first=True,
                explain_func=as_explanations(explainer, absolute=kind == "absolute"),
            )
            print(name, kind, {key: np.round(v, 3) for key, v in scores[name][kind].items()})
    text = json.dumps(
        {"quantus": "0.6.0", "seed": SEED, "targets": [LABELS[k] for k in y], "scores": scores},
        indent=1,
    )
    TARGET.write_text(text.replace("NaN", "null") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
