"""Can an explanation be trusted: measures with a ground truth, each with its uncertainty."""

from cuelens.evaluate.explainers import EXPLAINERS, explainer_named
from cuelens.evaluate.faithfulness import RemovalCurve, removal_curve
from cuelens.evaluate.planted import evaluate_planted
from cuelens.evaluate.planted_result import Planted

__all__ = [
    "EXPLAINERS",
    "Planted",
    "RemovalCurve",
    "evaluate_planted",
    "explainer_named",
    "removal_curve",
]
