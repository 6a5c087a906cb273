"""Reports and figures a person reads."""

from cuelens.report.clip_report import ClipReport, make_folder
from cuelens.report.explain_clip import CueSettings, carried_cues, clip_stages, explain_clip
from cuelens.report.interventions_report import interventions_html, write_interventions_report

__all__ = [
    "ClipReport",
    "CueSettings",
    "carried_cues",
    "clip_stages",
    "explain_clip",
    "interventions_html",
    "make_folder",
    "write_interventions_report",
]
