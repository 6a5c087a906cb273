"""What every figure must be: a column or a page wide, letters of 7 to 9 points, none on another."""

from __future__ import annotations

import itertools

import numpy as np

from cuelens.figure_style import COLUMN_IN, PAGE_IN, figure_of


def check_figure(drawn, name: str = "") -> None:
    """Widths, sizes of letters, and that labels, titles and legends are whole and apart."""
    figure = figure_of(drawn)
    assert figure.get_figwidth() in (COLUMN_IN, PAGE_IN), name
    figure.draw_without_rendering()
    page = figure.bbox.padded(1.0)
    for ax in figure.axes:
        if not ax.axison or not ax.get_visible():
            continue
        titles = [title for title in (ax.title, ax._left_title) if title.get_text()]
        for axis in (ax.xaxis, ax.yaxis):
            ends = sorted(axis.get_view_interval())
            labels = [
                label
                for tick in axis.get_major_ticks()
                if ends[0] - 1e-9 <= tick.get_loc() <= ends[1] + 1e-9
                for label in (tick.label1, tick.label2)
                if label.get_visible()
            ]
            shown = [text for text in (*labels, axis.label, *titles) if text.get_text()]
            for a, b in itertools.combinations(shown, 2):
                assert apart(a, b), (name, a.get_text(), b.get_text())
            for text in shown:
                assert 7 <= text.get_fontsize() <= 9, (name, text)
                within(text, page, name)
    legends = [*figure.legends, *(ax.legend_ for ax in figure.axes if ax.legend_ is not None)]
    for legend in legends:
        within(legend, page, name)
        assert all(7 <= text.get_fontsize() <= 9 for text in legend.get_texts()), name
    for a, b in itertools.combinations(figure.legends, 2):
        assert not a.get_window_extent().overlaps(b.get_window_extent()), name


def apart(a, b) -> bool:
    """Whether two texts do not overlap; texts of one slant are compared across it."""
    if not a.get_window_extent().overlaps(b.get_window_extent()):
        return True
    slant = a.get_rotation()
    if slant != b.get_rotation() or slant % 90 == 0:
        return False
    (ax, ay), (bx, by) = (
        text.get_transform().transform(text.get_unitless_position()) for text in (a, b)
    )
    angle = np.deg2rad(slant)
    distance = abs((bx - ax) * np.sin(angle) - (by - ay) * np.cos(angle))
    return distance >= a.get_fontsize() * a.figure.dpi / 72


def within(artist, page, name: str) -> None:
    box = artist.get_window_extent()
    assert page.x0 <= box.x0 <= box.x1 <= page.x1, (name, artist, box)
    assert page.y0 <= box.y0 <= box.y1 <= page.y1, (name, artist, box)
