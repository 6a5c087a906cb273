"""Reports and figures a person reads."""

from cuelens.report.clip_report import make_folder, write_clip_report

__all__ = ["make_folder", "write_clip_report"]
