"""Reports and figures a person reads."""

from cuelens.report.clip_report import write_clip_report

__all__ = ["write_clip_report"]
