"""Formulas as MathML, which browsers draw by themselves: no script and no network."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOG = logging.getLogger(__name__)
OTHER_NAMES = {
    r"\dots": r"\ldots",
    r"\lVert": r"\Vert",
    r"\rVert": r"\Vert",
    r"\setminus": r"\backslash",  # which every font has
    r"\tfrac": r"\frac",
}
BARS = {"bar": r"\overline", "hat": r"\hat"}
ACCENT = re.compile(r"\\(bar|hat)\s*(\{[^{}]*\}|\\[a-z]+|[A-Za-z])")


def drawn(node: nodes.Element, *, as_block: bool) -> str:
    """A formula as MathML; one that cannot be drawn is a warning."""
    tex = node.astext()
    for name, other in OTHER_NAMES.items():
        tex = tex.replace(name, other)
    # In a row with nothing, or what follows as an index would be set below it.
    tex = ACCENT.sub(lambda m: f"{{{BARS[m[1]]}{{{m[2].strip('{}')}}}{{}}}}", tex)
    try:
        return str(tex2mathml(tex, as_block=as_block))
    except (MathError, SyntaxError) as error:
        LOG.warning("formula %s: %s", tex, error, location=node)
        return tex


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(drawn(node, as_block=False))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math-block"))
    writer.body.append(drawn(node, as_block=True))
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.add_css_file("mathml.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
