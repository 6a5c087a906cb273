from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tests.figure_checks import check_figure
from tests.report.made_up_emolime import EMOTIONS, made_up_result

from cuelens.evaluate.emolime_reproduction import interval_text
from cuelens.report.emolime_report import emolime_html, write_emolime_report
from cuelens.report.robustness_figure import (
    plot_agreement,
    plot_clips,
    plot_flipping,
    plot_profiles,
)

NASTY = "<img src=x>&'\"$x_1$"


class Balanced(HTMLParser):
    """Refuses a page whose elements are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "link", "br", "img", "path", "use", "rect", "g", "defs", "clippath"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("path", "use", "rect", "g", "defs", "clippath"):
            return
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def found():
    return made_up_result()


@pytest.fixture(scope="module")
def page(found):
    return emolime_html(found)


def test_the_page_says_whether_the_claim_holds_and_shows_every_figure(found, page):
    text = re.sub(r"<[^>]+>", " ", page)
    text = " ".join(html.unescape(text).split())
    assert found.headline in text
    for sentence in found.summary:
        assert sentence in text
    for design in ("same clips", "other clips"):
        for what in ("models", "corpora"):
            for emotion in ("all", *EMOTIONS):
                row = found.robustness.agreement_of(design, what, emotion)
                assert interval_text(row) in text
    assert page.count("<svg") == 4
    for row in found.recall.to_dict("records"):
        assert f"{row['corpus']}, {row['model']}" in text
    assert "<no sound>" in text
    assert "holds" in text


def test_the_page_is_whole_and_asks_for_nothing(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    outside = re.findall(r'(?:src|href|action)="(?!#|data:)[^"]*"', page)
    assert outside == []
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert re.findall(r"url\((?!#)[^)]*\)", page) == []
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))


def test_names_are_escaped():
    page = emolime_html(made_up_result(NASTY, "two", "three"))
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page


def test_void_models_are_marked_and_in_no_profile():
    found = made_up_result(chance="two")
    page = emolime_html(found)
    assert '<tr class="void"><th scope="row">two, ComParE</th>' in page
    assert "distinct arrangements" not in page  # the grid has holes
    axes = plot_profiles(found).axes
    lines = [len([line for line in ax.lines if line.get_marker() != "None"]) for ax in axes]
    assert lines == [3, 2, 3] * len(EMOTIONS)


def test_profiles_are_drawn_as_they_are(found):
    ax = plot_profiles(found).axes[0]
    table = found.robustness.profiles
    of_model = table[(table["corpus"] == "one") & (table["emotion"] == "anger")]
    drawn = [line.get_ydata() for line in ax.lines if line.get_marker() != "None"]
    np.testing.assert_allclose(drawn, of_model[found.about["bands"]].to_numpy())


def test_agreement_is_drawn_with_its_intervals(found):
    same, other = plot_agreement(found).axes
    for ax, design in ((same, "same clips"), (other, "other clips")):
        rows = [found.robustness.agreement_of(design, "models", e) for e in ("all", *EMOTIONS)]
        (line,) = [line for line in ax.lines if line.get_label() == "across models"]
        np.testing.assert_allclose(line.get_xdata(), [row["value"] for row in rows])
        ends = ax.collections[0].get_segments()
        np.testing.assert_allclose(
            [part[:, 0] for part in ends], [[row["low"], row["high"]] for row in rows]
        )
        pairs = found.robustness.pairs
        pairs = pairs[(pairs["design"] == design) & (pairs["what"] == "models")]
        faint = {round(x, 9) for line in ax.lines for x in np.atleast_1d(line.get_xdata())}
        assert {round(x, 9) for x in pairs["value"]} <= faint
    (line,) = [line for line in other.lines if line.get_label() == "a cell with itself"]
    assert line.get_xdata()[0] == pytest.approx(found.robustness.ceiling["half"].mean())


def test_flipping_and_clips_are_drawn_as_they_are(found):
    ax = plot_flipping(found).axes[0]
    (top,) = [line for line in ax.lines if line.get_label() == "top"]
    np.testing.assert_allclose(top.get_ydata(), 0.0)
    (random,) = [line for line in ax.lines if line.get_label() == "random"]
    np.testing.assert_allclose(random.get_ydata(), [90, 80, 70, 60])
    table = found.robustness.clips
    whole = table[table["emotion"] == "all"]["value"].tolist()
    drawn = [line.get_xdata()[0] for line in plot_clips(found).axes[0].lines]
    assert set(whole) <= {float(value) for value in drawn}


@pytest.mark.slow
@pytest.mark.parametrize("plot", [plot_profiles, plot_agreement, plot_flipping, plot_clips])
def test_sizes_and_labels_of_figures(found, plot):
    check_figure(plot(found))


def test_everything_is_written_twice_alike(found, tmp_path):
    pages = [write_emolime_report(found, tmp_path / name) for name in ("a", "b ä")]
    names = sorted(file.name for file in pages[0].parent.iterdir())
    assert {"emolime.html", "reproduction.json", "agreement.png", "profiles.png"} <= set(names)
    assert {"flipping.png", "clips.png", "weights.csv", "choices.csv"} <= set(names)
    for name in names:
        one, other = ((page.parent / name).read_bytes() for page in pages)
        assert one == other, name
    assert not plt.get_fignums()
