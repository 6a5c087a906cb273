"""Reports and figures a person reads."""

from cuelens.report.clip_report import ClipReport, make_folder
from cuelens.report.explain_clip import CueSettings, carried_cues, clip_stages, explain_clip
from cuelens.report.interventions_report import interventions_html, write_interventions_report
from cuelens.report.progress import show_progress

__all__ = [
    "ClipReport",
    "CueSettings",
    "carried_cues",
    "clip_stages",
    "explain_clip",
    "interventions_html",
    "make_folder",
    "show_progress",
    "write_interventions_report",
]
