"""Can an explanation be trusted: measures with a ground truth, each with its uncertainty."""

from cuelens.evaluate.faithfulness import RemovalCurve, removal_curve

__all__ = ["RemovalCurve", "removal_curve"]
