"""Reports and figures a person reads."""

from cuelens.report.clip_report import clip_content, make_folder, write_clip_report

__all__ = ["clip_content", "make_folder", "write_clip_report"]
