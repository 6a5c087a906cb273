"""Integrated gradients: what every cell adds on the way from silence to the clip.

Gradients of the label's logit are averaged along the straight line from the picture of silence to
the picture of the clip and multiplied by their difference [1]_.  The relevance of all cells adds
up to the logit of the clip minus that of silence; for the target, the number of steps is doubled
until it does so within 1 %.

References
----------
.. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017,
   equation 1 and proposition 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cuelens.errors import InputError, MissingExtraError
from cuelens.explain.map_explainer import MapExplainer, Relevance
from cuelens.models.network import NetworkInput, NetworkModel

_BATCH = 64
_COMPLETE = 0.01
_MOST_STEPS = 1024


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(MapExplainer):
    """Integrated gradients from silence.

    Parameters
    ----------
    n_steps : int, 8 to 1024
        Points on the way (Gauss-Legendre).  For the target they are doubled, up to 1024, while the
        sum of the relevance is more than 1 % away from the difference of the logits; how far the
        target and the worst of the other labels stay away is among the result's parameters.
    """

    name: ClassVar[str] = "integrated-gradients"
    n_steps: int = 32

    def __post_init__(self) -> None:
        if not isinstance(self.n_steps, int | np.integer) or not 8 <= self.n_steps <= _MOST_STEPS:
            raise InputError(f"n_steps is {self.n_steps!r}; expected 8 to {_MOST_STEPS}")

    def relevance(self, model: NetworkModel, shown: NetworkInput, target: int) -> Relevance:
        try:
            import torch
            from captum.attr import IntegratedGradients as Captum

            from cuelens.models.torch_model import evaluating
        except ImportError as error:
            raise MissingExtraError(self.name, "torch") from error

        module = model.module
        cells = np.zeros((len(model.labels), *shown.values.shape[:1], *shown.values.shape[2:]))
        silence = np.full_like(shown.values, shown.silence)
        whole, base = (model.logits(x).astype(np.float64).T for x in (shown.values, silence))
        n_calls, most_steps, incomplete = 0, 0, {True: 0.0, False: 0.0}
        with evaluating(module):
            method = Captum(module)
            for window in range(len(shown.values)):
                picture = torch.from_numpy(shown.values[window : window + 1])
                start = torch.from_numpy(silence[window : window + 1])
                for label in range(len(model.labels)):
                    difference = whole[label, window] - base[label, window]
                    n_steps = self.n_steps
                    while True:
                        found = method.attribute(
                            picture,
                            baselines=start,
                            target=label,
                            n_steps=n_steps,
                            method="gausslegendre",
                            internal_batch_size=_BATCH,
                        )
                        values = found.detach().numpy()[0, 0].astype(np.float64)
                        n_calls += n_steps
                        # Relative, but to no less than a hundredth of the largest logit.
                        scale = max(abs(difference), 0.01 * float(np.abs(whole).max()), 1e-6)
                        missing = abs(values.sum() - difference) / scale
                        enough = missing <= _COMPLETE or 2 * n_steps > _MOST_STEPS
                        if enough or label != target:
                            break
                        n_steps *= 2
                    cells[label, window] = values
                    most_steps = max(most_steps, n_steps)
                    own = label == target
                    incomplete[own] = max(incomplete[own], float(missing))
        return Relevance(
            cells=cells,
            base=base,
            n_model_calls=n_calls,
            parameters={
                "steps_used": most_steps,
                "incomplete_by": round(incomplete[True], 6),
                "others_incomplete_by": round(incomplete[False], 6),
            },
        )
