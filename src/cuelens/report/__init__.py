"""Reports and figures a person reads."""

from cuelens.report.clip_report import clip_content, make_folder, write_clip_report
from cuelens.report.interventions_report import interventions_html, write_interventions_report

__all__ = [
    "clip_content",
    "interventions_html",
    "make_folder",
    "write_clip_report",
    "write_interventions_report",
]
