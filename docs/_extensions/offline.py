"""Built pages fetch nothing from elsewhere and name no folder of the machine that built them.

Links that a reader may click are fine; style sheets, scripts, pictures, sounds, fonts and frames
must lie beside the page or inside it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "frame": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_NOT_FETCHED = {"alternate", "author", "canonical", "help", "license", "next", "prev", "search"}
_OF_SOURCES = {"_sources", "jupyter_execute"}
_REMOTE = re.compile(r"(?:^|[\s,])(?:https?:)?//", re.IGNORECASE)
_INSIDE = re.compile(r"data:\S*", re.IGNORECASE)
_IN_STYLES = re.compile(
    r"""(?:@import\s+|url\(\s*)(?:url\(\s*)?["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE
)

_pages_made: dict[str, set[str]] = {}  # by folder


class _Fetches(HTMLParser):
    """Addresses elsewhere that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        addresses = [values.get(name, "") for name in _FETCHED.get(tag, ())]
        if tag == "link" and set(values.get("rel", "").lower().split()) - _NOT_FETCHED:
            addresses.append(values.get("href", ""))
        self.found += [address for address in addresses if _REMOTE.search(_INSIDE.sub("", address))]
        self.found += _IN_STYLES.findall(values.get("style", ""))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _IN_STYLES.findall(data)


def fetched_from_elsewhere(page: str) -> list[str]:
    """Addresses on other machines that a page of HTML loads without being asked."""
    parser = _Fetches()
    parser.feed(page)
    parser.close()
    return parser.found


def _page_of(file: Path) -> str | None:
    """Name of the page that a page, source or notebook belongs to; None for other files."""
    parts = file.with_name(file.name.partition(".")[0]).parts
    if parts[0] in _OF_SOURCES:
        return "/".join(parts[1:])
    return "/".join(parts) if file.suffix == ".html" else None


def check_pages(
    folder: Path, private: tuple[str, ...], *, pages: Collection[str] | None = None
) -> list[str]:
    """What is wrong with the pages and style sheets of a folder, a line each.

    With the names of ``pages`` ("gallery/lime"), pages, sources and notebooks of other names are
    passed over: a folder keeps what earlier builds wrote.
    """
    problems = []
    for file in sorted(folder.rglob("*")):
        if file.suffix not in {".css", ".html", ".ipynb", ".txt"}:
            continue
        if pages is not None and _page_of(file.relative_to(folder)) not in (None, *pages):
            continue
        text, name = file.read_text(encoding="utf-8"), file.relative_to(folder)
        fetched = []
        if file.suffix == ".html":
            fetched = fetched_from_elsewhere(text)
        elif file.suffix == ".css":
            fetched = _IN_STYLES.findall(text)
        problems += [f"{name} fetches {address}" for address in fetched]
        problems += [f"{name} names the folder {path}" for path in private if path in text]
    return problems


def _note_page(app: Sphinx, page: str, *_: Any) -> None:
    """Remember a page that is being written, such as the index, which is no document."""
    _pages_made.setdefault(str(app.outdir), set()).add(page)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    private = {str(Path(app.srcdir).parent), sys.prefix, str(Path.home())} - {"/", "/usr"}
    pages = set(app.env.found_docs) | _pages_made.pop(str(app.outdir), set())
    problems = check_pages(Path(app.outdir), tuple(sorted(private)), pages=pages)
    if problems:
        raise ExtensionError(
            f"{len(problems)} problems of pages that should stand alone:\n" + "\n".join(problems)
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Check the pages when all are written."""
    app.connect("html-page-context", _note_page)
    app.connect("build-finished", _check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
