from __future__ import annotations

import itertools
import re
import zlib

import matplotlib as mpl
import pytest

from cuelens import Audio, EmoLime, FrequencyBands
from cuelens.errors import InputError
from cuelens.explain import compare
from cuelens.explain.figure_style import (
    COLUMN_IN,
    PAGE_IN,
    figure_of,
    new_axes,
    save_figure,
    save_figures,
)
from cuelens.explain.figures import plot_weights
from cuelens.report import explain_clip
from cuelens.testing import BandModel, speech_like
from cuelens.units import TimeWindows

MODEL = BandModel(band_hz=(500.0, 3000.0), labels=("price in $ or $", "low"))


def clip(f0_hz: float) -> Audio:
    samples = speech_like(duration_s=1.0, f0_hz=f0_hz)
    return Audio(samples=samples, sample_rate=16_000, source=f"{f0_hz:g}.wav")


@pytest.fixture(scope="module")
def figures():
    """All figures of a clip, and of two clips by bands and by moments."""
    found = explain_clip(MODEL, clip(120.0)).figures()
    for name, units in (("bands", FrequencyBands()), ("moments", TimeWindows())):
        explainer = EmoLime(units=units, samples=64)
        both = (explainer.explain(MODEL, clip(hz)) for hz in (120.0, 180.0))
        found[f"compared by {name}"] = compare(*both).plot()
    assert len(found) == 8
    return found


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_same_input_same_bytes(tmp_path, form):
    explanation = EmoLime(units=FrequencyBands()).explain(MODEL, clip(120.0))
    first, second = (
        save_figure(plot(explanation), tmp_path / f"{n}.{form}").read_bytes()
        for n, plot in enumerate((plot_weights, plot_weights))
    )
    assert first == second
    assert not re.search(rb"CreationDate|<dc:date>|tEXtSoftware", first)


def test_fonts_are_truetype_and_texts_text(figures, tmp_path):
    for name, drawn in figures.items():
        pdf = save_figure(drawn, tmp_path / f"{name}.pdf").read_bytes()
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
        content = pdf + b"".join(_inflated(stream) for stream in streams)
        assert re.search(rb"/FontFile2", content)
        assert not re.search(rb"/Subtype\s*/Type3", content)
    svg = save_figure(figures["weights"], tmp_path / "weights.svg").read_text("utf-8")
    assert "price in $ or $" in svg  # text, and no formula


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_sizes_fonts_and_labels_fit(figures):
    for name, drawn in figures.items():
        figure = figure_of(drawn)
        assert figure.get_figwidth() in (COLUMN_IN, PAGE_IN), name
        figure.draw_without_rendering()
        page = figure.bbox.padded(1.0)
        for ax in figure.axes:
            if not ax.axison:
                continue
            for axis in (ax.xaxis, ax.yaxis):
                ends = sorted(axis.get_view_interval())
                labels = [
                    tick.label1 if tick.label1.get_visible() else tick.label2
                    for tick in axis.get_major_ticks()
                    if ends[0] - 1e-9 <= tick.get_loc() <= ends[1] + 1e-9
                ]
                shown = [label for label in (*labels, axis.label) if label.get_text()]
                boxes = [label.get_window_extent() for label in shown]
                for a, b in itertools.combinations(boxes, 2):
                    assert not a.overlaps(b), (name, [label.get_text() for label in shown])
                for label, box in zip(shown, boxes, strict=True):
                    assert 7 <= label.get_fontsize() <= 9, (name, label)
                    assert page.x0 <= box.x0 <= box.x1 <= page.x1, (name, label)
                    assert page.y0 <= box.y0 <= box.y1 <= page.y1, (name, label)


def test_settings_of_the_user_come_back(tmp_path):
    before = dict(mpl.rcParams)
    save_figure(new_axes(), tmp_path / "empty.pdf")
    assert dict(mpl.rcParams) == before


def test_other_formats_are_refused_and_replaced(tmp_path):
    save_figures({"empty": new_axes()}, tmp_path, "png")
    save_figures({"empty": new_axes()}, tmp_path, "svg")
    assert [file.name for file in tmp_path.iterdir()] == ["empty.svg"]
    with pytest.raises(InputError, match="expected a figure as png, svg, pdf"):
        save_figure(new_axes(), tmp_path / "figure.gif")
    with pytest.raises(InputError, match="expected one of png, svg, pdf"):
        save_figures({"empty": new_axes()}, tmp_path, "eps")  # type: ignore[arg-type]
