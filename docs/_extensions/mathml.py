"""Formulas as MathML, which browsers draw by themselves: no script, nothing to fetch.

Every formula is converted when the pages are built, by latex2mathml.  A command that it does not
know stays as text in the formula; that is a warning here, and with ``-W`` an error.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_log = logging.getLogger(__name__)


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """A formula within a sentence."""
    self.body.append(f'<span class="math">{mathml(node.astext(), node, block=False)}</span>')
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own, in a box that scrolls where the page is narrow."""
    latex = node.astext().strip()
    if "\\\\" in latex and "\\begin" not in latex:
        latex = f"\\begin{{aligned}}{latex}\\end{{aligned}}"
    label = f' id="{node["ids"][0]}"' if node["ids"] else ""
    self.body.append(f'<div class="math"{label}>{mathml(latex, node, block=True)}</div>\n')
    raise nodes.SkipNode


def mathml(latex: str, node: nodes.Node, *, block: bool) -> str:
    """MathML of a formula; says so where a command is not understood."""
    try:
        converted = convert(latex, display="block" if block else "inline")
    except Exception as error:  # latex2mathml has no error of its own for all of them
        _log.warning("formula %r cannot be converted: %r", latex, error, location=node)
        return f"<code>{escaped(latex)}</code>"
    if "\\" in converted:
        _log.warning("formula %r has a command that is not known", latex, location=node)
    return converted


def escaped(text: str) -> str:
    """Text that may hold markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer; ``html_math_renderer = "mathml"`` chooses it."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
