from __future__ import annotations

import html.parser
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from tests.figure_checks import check_figure

from cuelens.corpora import Corpus
from cuelens.cues import CUES
from cuelens.cues.probed import expected_cues, probe_account
from cuelens.errors import InputError
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.figure_style import save_figure
from cuelens.probe import VERDICTS, Acoustics, ProbeResult, Probing
from cuelens.probe.categories import FEATURES as EVERY
from cuelens.probe.categories import category, title
from cuelens.report.probe_figures import (
    VERDICT_COLOURS,
    VERDICT_SIGNS,
    ordered_features,
    plot_categories,
    plot_confounds,
    plot_curve,
    plot_decodability,
    plot_importance,
    plot_layers,
    plot_verdicts,
    verdict_counts,
)
from cuelens.report.probe_report import probe_report_html, write_probe_report

NASTY = "<script>alert('x')</script>&\"{{7*7}} $\\frac$"
N_DIMENSIONS = 12
FEATURES = tuple(
    name
    for i, name in enumerate(EVERY)
    if i % 9 == 0 or name in {cue.functional for cue in CUES.values()}
)


@pytest.fixture(scope="module")
def result():
    """Two layers of a small embedding; pitch is in it, and goes with anger."""
    rng = np.random.default_rng(0)
    n_speakers, n_each = 6, 12
    n = n_speakers * n_each
    emotions = np.tile(["anger", "neutral", "sadness"], n // 3)
    table = pd.DataFrame(
        {
            "file": [f"/nowhere/{i:04d}.wav" for i in range(n)],
            "start": 0.0,
            "end": np.nan,
            "speaker": np.repeat([f"s{i}" for i in range(n_speakers)], n_each),
            "emotion": emotions,
            "sentence": pd.Series([None] * n, dtype="str"),
        }
    )
    values = rng.normal(size=(n, 2, N_DIMENSIONS))
    values[:, 1, 0] += 4 * (emotions == "anger")
    features = rng.normal(size=(n, len(FEATURES)))
    features[:, 0] = values[:, 1, 0] + 0.1 * rng.normal(size=n)
    return Probing(n_permutations=40, n_random=2).probe(
        Corpus(name=NASTY, licence="none", table=table),
        EmbeddedCorpus(
            name=NASTY,
            values=values.astype(np.float32),
            layers=("first", NASTY),
            dimensions=tuple(f"{NASTY} {i}" for i in range(N_DIMENSIONS)),
            provenance={NASTY: NASTY},
        ),
        Acoustics(
            names=FEATURES,
            features=features,
            level_db=rng.normal(size=n),
            duration_s=1 + rng.random(n),
        ),
        layers=("first", NASTY),
    )


@pytest.fixture(scope="module")
def last(result):
    """The last layer alone, with plain names."""

    def only(table):
        return table[table["layer"] == NASTY].assign(layer="last").reset_index(drop=True)

    names = ("features", "tasks", "curve", "importance", "confounds", "categories", "order")
    about = {**result.about, "layers": ["last"], "embedding": "an embedding", "corpus": "a corpus"}
    tables = {name: only(getattr(result, name)) for name in names}
    return replace(result, about=about, **tables)


@pytest.fixture(scope="module")
def written(last, tmp_path_factory):
    return write_probe_report(last, tmp_path_factory.mktemp("probe") / "new" / "folder")


@pytest.fixture(scope="module")
def page(result):
    return probe_report_html(result)


class Outside(html.parser.HTMLParser):
    """Collects what a browser would fetch or run, texts, and ids."""

    def __init__(self):
        super().__init__()
        self.addresses, self.ids, self.texts = [], [], []
        self.n_scripts = 0

    def handle_starttag(self, tag, attrs):
        self.n_scripts += tag == "script"
        wanted = {"src", "href", "xlink:href", "data"}
        self.addresses += [value for name, value in attrs if name in wanted]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def seen(page):
    reader = Outside()
    reader.feed(page)
    return reader


def test_writes_page_figures_and_tables(last, written):
    names = {file.name for file in written.parent.iterdir()}
    assert {"report.html", "probe.json", "features.parquet", "verdicts.png", "curve.png"} <= names
    assert {"gain.png", "information_increase.png", "importance.png", "confounds.png"} <= names
    assert not any(name.startswith("layer") for name in names)
    pd.testing.assert_frame_equal(ProbeResult.load(written.parent).features, last.features)
    assert "Layer by layer" not in written.read_text(encoding="utf-8")


def test_nothing_is_fetched_from_outside(page, seen):
    assert all(address.startswith(("data:", "#")) for address in seen.addresses)
    assert "://" not in page
    assert "default-src 'none'" in page
    assert len(seen.ids) == len(set(seen.ids))
    targets = {address[1:] for address in seen.addresses if address.startswith("#")}
    targets |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(seen.ids)


def test_names_are_escaped_everywhere(page, seen):
    assert seen.n_scripts == 1
    assert "alert('x')</script>" not in page
    assert NASTY in "".join(seen.texts)
    cut = f"{NASTY[:12]}…{NASTY[-9:]} 0"  # the name of a dimension, in a figure
    assert cut in seen.texts
    assert "49" not in re.findall(r"<title>(.*?)</title>", page)[0]


def test_numbers_are_those_of_the_tables(last, written):
    reader = Outside()
    reader.feed(written.read_text(encoding="utf-8"))
    text = " ".join("".join(reader.texts).split())
    for row in last.tasks.to_dict("records"):
        for name in ("score", "score_top", "score_features"):
            numbers = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
            shown = "{:.2f} {:.2f} to {:.2f}".format(*numbers).replace("-", "−")
            assert shown in text
    for row in expected_cues(last).dropna(subset="r2_all").to_dict("records"):
        assert f"{row['drop_low']:+.3f} to".replace("-", "−").replace("+0.000", "0.000") in text
        assert row["sources"] in text
    for row in last.features.to_dict("records"):
        low, high = (f"{row[f'r2_all_{end}']:.2f}".replace("-", "−") for end in ("low", "high"))
        assert f"{low} to {high}".replace("−0.00", "0.00") in text
    for line in probe_account(last).splitlines():
        assert line in text


def test_table_has_every_verdict(last, written):
    page = written.read_text(encoding="utf-8")
    heat = page[page.index('id="verdict-table"') : page.index("All numbers of every feature")]
    for verdict in VERDICTS:
        n = int((last.features["verdict"] == verdict).sum())
        assert heat.count(f'<span class="sr">{verdict}</span>') == n
    assert heat.count("<tr data-name=") == len(FEATURES)


def test_planted_feature_is_found_and_said(last):
    row = last.features.set_index(["task", "feature"]).loc[("anger", FEATURES[0])]
    assert row["verdict"] == "carried and used"
    assert "pitch level is carried and used" in probe_account(last)
    assert ordered_features(last, "last").index(FEATURES[0]) < ordered_features(last, "last").index(
        FEATURES[1]
    )


def test_layers_are_compared(page, result, last):
    assert "Layer by layer" in page
    for what in ("scores", "categories", "cues"):
        assert plot_layers(result, what=what).axes
    first, second = plot_layers(result, what="scores").axes[0].lines[0].get_ydata()
    scores = result.tasks[result.tasks["task"] == "anger"].set_index("layer")["score"]
    assert (first, second) == (scores["first"], scores[NASTY])
    with pytest.raises(InputError, match="only one layer, 'last'"):
        plot_layers(last, what="scores")


def test_verdict_figure_has_a_sign_in_every_cell(last):
    ax = plot_verdicts(last)
    signs = [text.get_text() for text in ax.texts if text.get_text() in VERDICT_SIGNS.values()]
    for verdict, sign in VERDICT_SIGNS.items():
        assert signs.count(sign) == int((last.features["verdict"] == verdict).sum())
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        title(name) for name in ordered_features(last, "last")
    ]
    assert len(set(VERDICT_SIGNS.values())) == len(set(VERDICT_COLOURS.values())) == len(VERDICTS)


def test_counts_add_up_to_all_features(last):
    counts = verdict_counts(last)
    assert (counts.groupby("task")["n"].sum() == len(FEATURES)).all()
    bars = plot_verdicts(last, compact=True).patches
    assert sum(bar.get_width() for bar in bars) == counts["n"].sum()


def test_colours_differ_in_lightness():
    def lightness(colour):
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    used, unused, absent, undecided = (lightness(VERDICT_COLOURS[name]) for name in VERDICTS)
    assert used < 0.25 < unused < 0.5 < 0.7 < undecided < absent


def test_curve_draws_the_table(last):
    (ax,) = plot_curve(last, tasks=["anger"]).axes
    rows = last.curve[(last.curve["task"] == "anger") & (last.curve["which"] == "top")]
    drawn = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(
        drawn["most important n"].get_ydata(), rows.sort_values("n")["f1"].to_numpy()
    )
    of_task = last.tasks.set_index("task").loc["anger"]
    assert set(drawn["all dimensions"].get_ydata()) == {of_task["f1"]}
    assert set(drawn["chosen number"].get_xdata()) == {of_task["n_top"]}


def test_categories_draw_the_table(last):
    figure = plot_categories(last, measure="gain", tasks=["anger"])
    rows = last.categories.query("task == 'anger' and measure == 'gain'")
    points = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    np.testing.assert_array_equal(points, rows["value"].to_numpy())
    without = replace(last, categories=last.categories[last.categories["measure"] != "gain"])
    with pytest.raises(InputError, match="no values of 'gain'; expected one of"):
        plot_categories(without, measure="gain")


def test_importance_of_named_features_is_by_category(last):
    dimensions = plot_importance(last, tasks=["anger"], n=3).axes[0]
    assert len(dimensions.patches) == 3
    rows = last.importance[last.importance["task"] == "anger"].sort_values("rank")
    np.testing.assert_array_equal(
        [bar.get_width() for bar in dimensions.patches], rows["importance"][:3].to_numpy()
    )
    names = dict(zip(rows["dimension"].unique(), FEATURES[:N_DIMENSIONS], strict=True))
    named = last.importance.assign(dimension=last.importance["dimension"].map(names))
    figure = plot_importance(replace(last, importance=named), tasks=["anger"])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["Energy", "Frequency", "Spectral", "Temporal"]
    energy = named[(named["task"] == "anger") & (named["dimension"].map(category) == "Energy")]
    assert figure.axes[0].patches[0].get_width() == pytest.approx(energy["importance"].mean())


def test_decodability_is_sorted(last):
    ax = plot_decodability(last, n=5)
    drawn = {line.get_label(): line.get_xdata() for line in ax.lines}["all dimensions"]
    best = last.features[last.features["task"] == "all emotions"]["r2_all"].nlargest(5)
    np.testing.assert_array_equal(drawn, best.to_numpy())
    assert ax.get_yticklabels()[0].get_text() == title(FEATURES[0])


def test_confounds_draw_the_table(last):
    figure = plot_confounds(last, confounds=["speaker"])
    rows = last.confounds[last.confounds["confound"] == "speaker"]
    points = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    np.testing.assert_array_equal(points, rows["value"].to_numpy())


@pytest.mark.parametrize(
    "plot",
    [
        plot_verdicts,
        partial(plot_verdicts, compact=True),
        plot_categories,
        partial(plot_categories, measure="information_increase"),
        plot_curve,
        plot_importance,
        plot_decodability,
        plot_confounds,
    ],
)
def test_sizes_and_labels_of_figures(last, plot):
    check_figure(plot(last))


@pytest.mark.parametrize("what", ["categories", "cues", "scores"])
def test_sizes_and_labels_of_figures_of_layers(result, what):
    check_figure(plot_layers(result, what=what))


def test_same_result_same_bytes(last, written, tmp_path):
    assert probe_report_html(last) == written.read_text(encoding="utf-8")
    again = save_figure(plot_curve(last), tmp_path / "again.png")
    assert again.read_bytes() == (written.parent / "curve.png").read_bytes()


def test_without_shuffles_there_is_still_a_report(last):
    missing = dict.fromkeys(
        ("q", "q_top", "q_drop", "r2_shuffled", "r2_top_shuffled", "p", "p_top")
    )
    quiet = replace(
        last,
        about={**last.about, "settings": {**last.about["settings"], "n_permutations": 0}},
        features=last.features.assign(verdict="undecided", **dict.fromkeys(missing, np.nan)),
        categories=last.categories[last.categories["measure"] != "gain"],
        order=last.order[last.order["measure"] != "gain"],
    )
    page = probe_report_html(quiet)
    assert "no feature is called carried or used" in page
    assert not re.search(r"\bnan\b", page)
