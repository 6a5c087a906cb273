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
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from cuelens.audio import Audio, check_is_audio
from cuelens.errors import InputError
from cuelens.explain.account import unit_account
from cuelens.explain.explanation import (
    ALL_COMBINATIONS,
    Clip,
    Explanation,
    Method,
    output_parameters,
)
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
from cuelens.models.base import (
    Model,
    default_target,
    label_index,
    model_labels,
    model_name,
    model_output,
    predict,
)
from cuelens.models.contrast import contrast_columns
from cuelens.provenance import versions
from cuelens.typing import BoolArray, FloatArray
from cuelens.units import FrequencyBands, Units
from cuelens.units.kinds import kind_of, unit_parameters

Estimator = Literal["shapley", "lime"]
Variant = Literal["lossless", "published"]

PUBLISHED_SAMPLES = 64
DEFAULT_SAMPLES = 1024
_FIRST_PAIRS = 8  # of orders, before the intervals are looked at
_MORE = 1.5  # times as many pairs where they are too wide
_SMALLEST_P = 1e-6  # log-odds of less are cut off: they would be rounding


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
    precision : float or None
        Sampling of Shapley values ends when the 95 % interval of every weight of the target reaches
        no further than this to either side, or at the budget.  None: the whole budget is spent.
    output : {"probability", "logit"}
        What is shared out: the model's probabilities (or whatever else it gives), or their
        log-odds, log(p / (1 - p)), cut off at p = 1e-6; of a contrast of A and B, log(p(A) / p(B)).
        Log-odds still differ where probabilities are all but 0 or 1.
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

    name: ClassVar[str] = "emolime"
    units: Units = field(default_factory=FrequencyBands)
    estimator: Estimator = "shapley"
    samples: int | None = None
    variant: Variant = "lossless"
    precision: float | None = None
    output: Literal["probability", "logit"] = "probability"
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
        if self.output not in ("probability", "logit"):
            raise InputError(f"output is {self.output!r}; expected probability or logit")
        if self.precision is not None:
            if not 0 < self.precision < np.inf:
                raise InputError(f"precision is {self.precision!r}; expected a number above 0")
            if self.estimator != "shapley" or self.variant == "published":
                raise InputError(
                    "precision is for sampled Shapley values; expected estimator='shapley' and "
                    "variant='lossless'"
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
            probability, of a regressor the first.

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
        check_is_audio(audio)
        labels, kind = model_labels(model), model_output(model)
        if self.output == "logit" and kind != "probability":
            raise InputError(
                f"model {model_name(model)} gives no probabilities ({kind}); expected "
                "output='probability', which explains its outputs as they are"
            )
        wanted = None if target is None else label_index(model, target)
        audio = audio.resample(model.sample_rate)
        rng = np.random.default_rng(self.seed)
        components = self.units.decompose(audio)
        self._check_budget(len(components))
        mixer: Mixer = components
        if self.variant == "published":
            mixer = GriffinLimBands.of(audio, n_bands=len(components), seed=self.seed)
        game = CoalitionGame(model, mixer, n_samples=audio.samples.size)
        everything = np.ones((1, len(components)), dtype=bool)
        if self.precision is not None and wanted is None:
            wanted = default_target(model, game(everything)[0])

        def shared(outputs: FloatArray) -> FloatArray:
            return _log_odds(outputs, model) if self.output == "logit" else outputs

        estimate = self._estimate(lambda keep: shared(game(keep)), len(components), rng, wanted)

        extra_calls = 0
        if self.variant == "published":  # rebuilt sound: the clip itself was never asked about
            prediction = predict(model, [audio.samples.copy()])[0]
            extra_calls = 1
        else:
            prediction = game(everything)[0]
        keep, outputs = game.evaluations()
        asked = default_target(model, prediction) if wanted is None else wanted
        chosen = labels[asked]
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
                exact_interactions(shared(game(all_coalitions(len(components)))))
                if self.interactions
                else None
            ),
            fidelity=weighted_r2(keep, shared(outputs), estimate.weights, estimate.base),
            keep=keep,
            outputs=outputs,
            n_model_calls=game.n_model_calls + extra_calls,
            output=shared(prediction[None])[0] if self.output == "logit" else None,
            method=Method(
                name=self.name,
                parameters=self._parameters(estimate, asked)
                | output_parameters(model, "logit" if self.output == "logit" else kind),
                seed=self.seed,
                versions=versions(model, self.units),
            ),
            components=components,
        )
        return replace(
            explanation,
            account=unit_account(explanation),
            timing_s=time.perf_counter() - began,
        )

    def _estimate(
        self,
        game: Callable[[BoolArray], FloatArray],
        n_units: int,
        rng: np.random.Generator,
        wanted: int | None,
    ) -> _Estimate:
        enumerates = self.enumerates(n_units)
        if self.estimator == "shapley" and not enumerates:
            return self._sampled(game, n_units, rng, wanted)
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

    def _sampled(
        self,
        game: Callable[[BoolArray], FloatArray],
        n_units: int,
        rng: np.random.Generator,
        wanted: int | None,
    ) -> _Estimate:
        """Pairs of orders, more of them until the intervals of the target are narrow enough."""
        most = n_pairs_within(self.budget, n_units)
        n_pairs = most if self.precision is None else min(most, _FIRST_PAIRS)
        outputs, orders = [], []
        n_done = 0
        while True:
            keep, drawn = permutation_coalitions(n_units, n_pairs=n_pairs - n_done, rng=rng)
            outputs.append(game(keep.reshape(-1, n_units)).reshape(*keep.shape[:2], -1))
            orders.append(drawn)
            n_done = n_pairs
            weights, low, high = sampled_shapley(np.concatenate(outputs), np.concatenate(orders))
            estimate = _Estimate(weights, outputs[0][0, 0], low, high, PERMUTATION_PAIRS)
            if n_done == most:
                return estimate
            if wanted is not None and estimate.reach(wanted) <= (self.precision or 0.0):
                return estimate
            n_pairs = min(most, int(np.ceil(_MORE * n_pairs)))

    def _parameters(self, estimate: _Estimate, asked: int) -> dict[str, Any]:
        return {
            **unit_parameters(self.units),
            "estimator": self.estimator,
            "variant": self.variant,
            "samples": self.budget,
            "sampling": estimate.sampling,
            "interactions": self.interactions,
            **({} if estimate.low is None else {"reach": estimate.reach(asked)}),
            **({} if self.precision is None else {"precision": self.precision}),
        }


def _log_odds(outputs: FloatArray, model: Model) -> FloatArray:
    """log(p / (1 - p)); of a contrast, log(p(A) / p(B)), shape (n, n_labels)."""
    columns = contrast_columns(model)
    own = np.clip(outputs if columns is None else outputs[:, :-1], _SMALLEST_P, 1 - _SMALLEST_P)
    odds = np.log(own / (1 - own))
    if columns is None:
        return odds
    first, second = (np.log(own[:, column]) for column in columns)
    return np.column_stack([odds, first - second])


@dataclass(frozen=True, eq=False)
class _Estimate:
    weights: FloatArray
    base: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    sampling: str

    def reach(self, label: int) -> float:
        """How far the widest interval of a label reaches to either side; 0 where exact."""
        if self.low is None or self.high is None:
            return 0.0
        return float((self.high - self.low)[label].max() / 2)
