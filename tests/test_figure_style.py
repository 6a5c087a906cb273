from __future__ import annotations

import re
import zlib

import matplotlib as mpl
import pytest
from tests.figure_checks import check_figure

from cuelens import Audio, EmoLime, FrequencyBands
from cuelens.errors import InputError
from cuelens.explain import compare
from cuelens.explain.figures import plot_weights
from cuelens.figure_style import (
    new_axes,
    save_figure,
    save_figures,
)
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
        check_figure(drawn, name)


@pytest.mark.parametrize("fault", ["width", "letters", "overlap", "slanted", "outside"])
def test_faults_are_seen(fault):
    """The check itself: each fault alone is noticed, and the figure without it passes."""
    ax = new_axes()
    ax.set_xticks([0.0, 1.0], ["one", "two"])
    check_figure(ax)
    if fault == "width":
        ax.figure.set_figwidth(5.0)
    elif fault == "letters":
        ax.tick_params(labelsize=5)
    elif fault == "outside":
        ax.set_title(
            "a title much wider than the column that it stands over, in all sizes of letters"
        )
    else:
        names = ["a long name of a thing", "another long name of it"]
        slant = 30 if fault == "slanted" else 0
        ax.set_xlim(0, 1)
        ax.set_xticks([0.4, 0.44] if slant else [0.4, 0.6], names, rotation=slant)
    with pytest.raises(AssertionError):
        check_figure(ax)


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
