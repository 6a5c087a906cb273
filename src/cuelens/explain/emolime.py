"""EmoLIME: which frequency bands, or which moments, made the model say this emotion.

Units of the clip (bands, or time windows) are left out in many combinations, the model answers each
version, and the answers are turned into one weight a unit.  Two estimators read the same answers:

- ``"shapley"``: the unit's contribution averaged over all orders of adding units.  Exact when every
  combination fits the budget, sampled with confidence intervals beyond.
- ``"lime"``: the coefficients of a ridge regression that counts versions near the clip more, as
  published [1]_.

``variant="published"`` reproduces the published perturbation, which zeroes mel bands and rebuilds
the sound with Griffin-Lim.

References
----------
.. [1] E. Hjuler, L. Clemmensen, S. Das, "Exploring local interpretable model-agnostic explanations
   for speech emotion recognition with distribution-shift", ICASSP 2025, arXiv 2504.05368.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from cuelens.audio import Audio
from cuelens.errors import InputError
from cuelens.explain.account import unit_account
from cuelens.explain.explanation import ALL_COMBINATIONS, Clip, Explanation, Method
from cuelens.explain.game import CoalitionGame, Mixer
from cuelens.explain.lime import (
    bernoulli_coalitions,
    bootstrap_lime,
    lime_weights,
    weighted_r2,
)
from cuelens.explain.published import GriffinLimBands
from cuelens.explain.shapley import (
    PERMUTATION_PAIRS,
    all_coalitions,
    exact_interactions,
    exact_shapley,
    n_pairs_within,
    permutation_coalitions,
    sampled_shapley,
)
from cuelens.models.base import Model, label_index, model_labels, model_name, predict
from cuelens.provenance import versions
from cuelens.typing import FloatArray
from cuelens.units import FrequencyBands, Units
from cuelens.units.kinds import kind_of, unit_parameters

Estimator = Literal["shapley", "lime"]
Variant = Literal["lossless", "published"]

PUBLISHED_SAMPLES = 64
DEFAULT_SAMPLES = 1024


@dataclass(frozen=True, kw_only=True)
class EmoLime:
    """Weights of a clip's units, such as frequency bands or words, for every label of any model.

    Parameters
    ----------
    units : Units
        Frequency bands, time windows, segments, harmonics, or any other that add up to the clip.
    estimator : {"shapley", "lime"}
    samples : int or None
        Budget of model calls.  Every combination of units is tried while 2**n_units fits it;
        beyond, they are sampled.  None: 1024, or the 64 of the paper with
        ``variant="published"``.
    variant : {"lossless", "published"}
        How a unit is left out: parts that add up, or mel bands and Griffin-Lim as published
        (always estimated by ``"lime"``, never enumerated).
    interactions : bool
        Also compute pairwise interactions (needs every combination, of bands).
    seed : int
        Of everything random; the default is the paper's.

    Notes
    -----
    Deviations from the paper unless ``variant="published"``: masks on the short-time spectrum with
    the original phase instead of Griffin-Lim, every combination instead of 64 when it fits the
    budget, Shapley values by default.  The published code explains its first class whatever was
    asked; here every label is explained, and ``target`` is the one that was asked about.
    """

    units: Units = field(default_factory=FrequencyBands)
    estimator: Estimator = "shapley"
    samples: int | None = None
    variant: Variant = "lossless"
    interactions: bool = False
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("samples", "seed"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | np.integer) or value < 0):
                raise InputError(f"{name} is {value!r}; expected a whole number, 0 or more")
        if self.estimator not in get_args(Estimator):
            raise InputError(
                f"estimator is {self.estimator!r}; expected one of {', '.join(get_args(Estimator))}"
            )
        if self.variant not in get_args(Variant):
            raise InputError(
                f"variant is {self.variant!r}; expected one of {', '.join(get_args(Variant))}"
            )
        if self.variant == "published":
            object.__setattr__(self, "estimator", "lime")
            if not isinstance(self.units, FrequencyBands) or self.units.scale != "mel":
                raise InputError(f'variant="published" is defined for mel bands; got {self.units}')
        if self.interactions and self.variant == "published":
            raise InputError("interactions need bands that add up; expected variant='lossless'")
        if isinstance(self.units, FrequencyBands):
            self._check_budget(self.units.n_bands)
            if self.interactions and not self.enumerates(self.units.n_bands):
                raise InputError(
                    f"interactions need all {2**self.units.n_bands} combinations of bands and "
                    f"samples is {self.budget}; expected a larger budget, or fewer bands"
                )
        elif self.interactions:
            raise InputError("interactions are for frequency bands; expected other units")

    def _check_budget(self, n_units: int) -> None:
        smallest = 2 + 4 * (n_units - 1) if self.estimator == "shapley" else 16
        if self.budget < smallest and not self.enumerates(n_units):
            raise InputError(
                f"samples is {self.budget}; expected at least {smallest} for {self.estimator} "
                f"weights of {n_units} {self._units_name}: raise samples, or take fewer "
                f"{self._units_name}"
            )

    @property
    def _units_name(self) -> str:
        return "bands" if isinstance(self.units, FrequencyBands) else kind_of(self.units)

    @property
    def budget(self) -> int:
        """Model calls that may be spent."""
        if self.samples is not None:
            return self.samples
        return PUBLISHED_SAMPLES if self.variant == "published" else DEFAULT_SAMPLES

    def enumerates(self, n_units: int) -> bool:
        """Whether every combination of so many units is tried."""
        return self.variant == "lossless" and 2**n_units <= self.budget

    def n_evaluations(self, model: Model, audio: Audio) -> int:
        """Upper bound of the model calls of one explanation, to plan and to show progress."""
        n_units = self.units.n_units(audio.duration_s)
        return 2**n_units if self.enumerates(n_units) else self.budget + 1

    def explain(self, model: Model, audio: Audio, *, target: str | None = None) -> Explanation:
        """Explain one clip.

        Parameters
        ----------
        model : Model
        audio : Audio
            Resampled to the model's rate if it has another; the notes of the result say so.
        target : str or None
            Label to explain, in any spelling of the emotion; by default the one with the highest
            probability.

        Returns
        -------
        Explanation
            For every label; ``target`` picks the one shown first.

        Raises
        ------
        InputError
            The model does not know the target.
        """
        began = time.perf_counter()
        labels = model_labels(model)
        wanted = None if target is None else label_index(model, target)
        audio = audio.resample(model.sample_rate)
        rng = np.random.default_rng(self.seed)
        components = self.units.decompose(audio)
        self._check_budget(len(components))
        mixer: Mixer = components
        if self.variant == "published":
            mixer = GriffinLimBands.of(audio, n_bands=len(components), seed=self.seed)
        game = CoalitionGame(model, mixer, n_samples=audio.samples.size)
        estimate = self._estimate(game, len(components), rng)

        extra_calls = 0
        if self.variant == "published":  # rebuilt sound: the clip itself was never asked about
            prediction = predict(model, [audio.samples.copy()])[0]
            extra_calls = 1
        else:
            prediction = game(np.ones((1, len(components)), dtype=bool))[0]
        keep, outputs = game.evaluations()
        chosen = labels[int(prediction.argmax()) if wanted is None else wanted]
        explanation = Explanation(
            clip=Clip.of(audio),
            model=model_name(model),
            labels=labels,
            target=chosen,
            prediction=prediction,
            base=estimate.base,
            units=components.units,
            weights=estimate.weights,
            ci_low=estimate.low,
            ci_high=estimate.high,
            interactions=(
                exact_interactions(game(all_coalitions(len(components))))
                if self.interactions
                else None
            ),
            fidelity=weighted_r2(keep, outputs, estimate.weights, estimate.base),
            keep=keep,
            outputs=outputs,
            n_model_calls=game.n_model_calls + extra_calls,
            method=Method(
                name="emolime",
                parameters=self._parameters(estimate.sampling),
                seed=self.seed,
                versions=versions(),
            ),
            components=components,
        )
        return replace(
            explanation,
            account=unit_account(explanation),
            timing_s=time.perf_counter() - began,
        )

    def _estimate(self, game: CoalitionGame, n_units: int, rng: np.random.Generator) -> _Estimate:
        everything = np.ones((1, n_units), dtype=bool)
        enumerates = self.enumerates(n_units)
        if self.estimator == "shapley" and not enumerates:
            n_pairs = n_pairs_within(self.budget, n_units)
            keep, orders = permutation_coalitions(n_units, n_pairs=n_pairs, rng=rng)
            outputs = game(keep.reshape(-1, n_units)).reshape(*keep.shape[:2], -1)
            weights, low, high = sampled_shapley(outputs, orders)
            return _Estimate(weights, game(~everything)[0], low, high, PERMUTATION_PAIRS)
        if enumerates:
            keep, sampling = all_coalitions(n_units), ALL_COMBINATIONS
        else:
            keep = bernoulli_coalitions(n_units, n_samples=self.budget, rng=rng)
            sampling = "bernoulli(0.5)"
        outputs = game(keep)
        if self.estimator == "shapley":
            return _Estimate(exact_shapley(outputs), outputs[0], None, None, sampling)
        weights, intercepts = lime_weights(keep, outputs)
        if enumerates:
            return _Estimate(weights, intercepts, None, None, sampling)
        low, high = bootstrap_lime(keep, outputs, rng=rng)
        return _Estimate(weights, intercepts, low, high, sampling)

    def _parameters(self, sampling: str) -> dict[str, Any]:
        return {
            **unit_parameters(self.units),
            "estimator": self.estimator,
            "variant": self.variant,
            "samples": self.budget,
            "sampling": sampling,
            "interactions": self.interactions,
        }


@dataclass(frozen=True, eq=False)
class _Estimate:
    weights: FloatArray
    base: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    sampling: str
