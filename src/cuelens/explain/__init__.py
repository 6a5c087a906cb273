"""Explainers: frozen settings with one method, ``explain(model, audio, *, target=None)``."""

from cuelens.explain.comparison import Comparison, compare
from cuelens.explain.crp import ConceptRelevance, find_references
from cuelens.explain.cue_doses import CUE_DOSES, CueDoses
from cuelens.explain.dose_responses import DoseResponse, DoseResponses
from cuelens.explain.emolime import EmoLime
from cuelens.explain.explanation import Clip, Concept, Explanation, Method, Reference
from cuelens.explain.grad_cam import GradCam
from cuelens.explain.integrated_gradients import IntegratedGradients
from cuelens.explain.interventions import Interventions
from cuelens.explain.lrp import LayerwiseRelevance
from cuelens.explain.map_explainer import MapExplainer
from cuelens.explain.named import MAP_EXPLAINERS, Explainer, explainer_class
from cuelens.explain.occlusion import Occlusion
from cuelens.explain.salient_windows import SalientWindow, salient_intervals, salient_windows
from cuelens.explain.time_frequency import TimeFrequencyMap
from cuelens.explain.time_warping import Alignment, align
from cuelens.explain.timeline import TimelineRun, open_timeline, timeline
from cuelens.explain.timeline_result import Timeline, TimelineRow

__all__ = [
    "CUE_DOSES",
    "MAP_EXPLAINERS",
    "Alignment",
    "Clip",
    "Comparison",
    "Concept",
    "ConceptRelevance",
    "CueDoses",
    "DoseResponse",
    "DoseResponses",
    "EmoLime",
    "Explainer",
    "Explanation",
    "GradCam",
    "IntegratedGradients",
    "Interventions",
    "LayerwiseRelevance",
    "MapExplainer",
    "Method",
    "Occlusion",
    "Reference",
    "SalientWindow",
    "TimeFrequencyMap",
    "Timeline",
    "TimelineRow",
    "TimelineRun",
    "align",
    "compare",
    "explainer_class",
    "find_references",
    "open_timeline",
    "salient_intervals",
    "salient_windows",
    "timeline",
]
