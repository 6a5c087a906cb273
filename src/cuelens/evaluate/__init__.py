"""Can an explanation be trusted: measures with a ground truth, each with its uncertainty."""

from cuelens.evaluate.explainers import EXPLAINERS, explainer_named
from cuelens.evaluate.faithfulness import FaithfulnessCurves, faithfulness_curves
from cuelens.evaluate.faithfulness_corpus import evaluate_faithfulness
from cuelens.evaluate.faithfulness_result import Faithfulness
from cuelens.evaluate.gate import Gate, gate
from cuelens.evaluate.group import Group, explain_group
from cuelens.evaluate.planted import evaluate_planted
from cuelens.evaluate.planted_result import Planted
from cuelens.evaluate.reliability import Reliability, reliability
from cuelens.evaluate.removal import RemovalCurve, removal_curve
from cuelens.evaluate.sanity import Sanity, evaluate_sanity
from cuelens.evaluate.stability import Stability, evaluate_stability

__all__ = [
    "EXPLAINERS",
    "Faithfulness",
    "FaithfulnessCurves",
    "Gate",
    "Group",
    "Planted",
    "Reliability",
    "RemovalCurve",
    "Sanity",
    "Stability",
    "evaluate_faithfulness",
    "evaluate_planted",
    "evaluate_sanity",
    "evaluate_stability",
    "explain_group",
    "explainer_named",
    "faithfulness_curves",
    "gate",
    "reliability",
    "removal_curve",
]
