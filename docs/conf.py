"""Settings of the documentation: ``make docs``."""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "cuelens"
copyright = "the cuelens developers"
release = version = installed("cuelens")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "offline"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
myst_update_mathjax = False
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "cuelens"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
exclude_patterns = ["_build"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_rtype = False
nitpicky = False

# Gallery and notebooks run anew at every build; an error, a warning or a line on stderr ends it.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_output_stderr = "warn"

# Kernels are processes of their own: one thread, no corpus and no cache of the reader's, and
# settings of IPython from here rather than from the home folder.
_kernel = HERE / "_build" / "kernel"
_profile = _kernel / "ipython" / "profile_default"
_profile.mkdir(parents=True, exist_ok=True)
(_profile / "ipython_kernel_config.py").write_text(
    "c = get_config()\n"
    'c.InlineBackend.figure_formats = {"svg"}\n'
    'c.InlineBackend.rc = {"svg.hashsalt": "cuelens"}\n'
    "c.HistoryManager.enabled = False\n"
    'c.IPKernelApp.log_level = "ERROR"\n',
    encoding="utf-8",
)
os.environ.pop("CUELENS_DATA", None)
os.environ |= {
    "CUELENS_CACHE": str(_kernel / "cache"),
    "HF_HUB_OFFLINE": "1",
    "IPYTHONDIR": str(_kernel / "ipython"),
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm would like ipywidgets
}
