"""The web app (extra ``app``): explain recordings in a browser, on this machine."""

from cuelens.app.limits import Limits
from cuelens.app.page import build_page
from cuelens.app.serve import launch
from cuelens.app.workbench import Workbench

__all__ = ["Limits", "Workbench", "build_page", "launch"]
