"""Figures of probing, ready for a paper: what an embedding carries, and what matters for emotions.

Orange is what matters for an emotion or is used, blue what it is compared with, grey a control.
Every verdict has a sign beside its colour; intervals are 95 % over speakers.  Figures of several
panels take ``tasks``, to draw fewer of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from cuelens.cues import CUES
from cuelens.cues.probed import overall_task, shown_layer
from cuelens.errors import InputError
from cuelens.explain.figures import AGAINST, NEUTRAL, SUPPORTS
from cuelens.figure_style import COLUMN_IN, PAGE_IN, SMALL_PT, TEXT_PT, new_axes, new_figure, styled
from cuelens.probe.categories import CATEGORIES, FEATURES, category, title
from cuelens.probe.result import ProbeResult
from cuelens.probe.verdicts import VERDICTS
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Measure = Literal["information_increase", "gain", "r2_top"]

GRID = "#dedad1"
UNUSED = "#8fb8e3"
UNDECIDED = "#e8e4db"
ABSENT = "#ffffff"
SPECTRAL = "#2f8577"
TEMPORAL = "#7d5ba6"
VERDICT_COLOURS: dict[str, str] = dict(
    zip(VERDICTS, (SUPPORTS, UNUSED, ABSENT, UNDECIDED), strict=True)
)
VERDICT_SIGNS: dict[str, str] = dict(zip(VERDICTS, ("●", "○", "–", "?"), strict=True))
CATEGORY_COLOURS = dict(zip(CATEGORIES, (SUPPORTS, AGAINST, SPECTRAL, TEMPORAL), strict=True))
_CATEGORY_MARKERS = dict(zip(CATEGORIES, ("o", "s", "^", "D"), strict=True))
_MEASURES = {
    "information_increase": ("mean information increase", 1.0),
    "gain": ("mean R² beyond chance dimensions", 0.0),
    "r2_top": ("mean R², dimensions that matter", 0.0),
}
_CONFOUND_METRICS = {"UAR": "UAR", "R2": "R²"}
_LONGEST = 24  # letters of a name; of longer ones the ends are shown


@styled
def plot_verdicts(
    result: ProbeResult,
    *,
    layer: str | None = None,
    compact: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Verdict of every feature (rows, by category) for every task (columns).

    Within a category, features used for most tasks come first, then those that are carried best.

    Parameters
    ----------
    result : ProbeResult
    layer : str, optional
        By default the last.
    compact : bool
        Numbers of features a category instead.
    ax : Axes, optional
    """
    layer = shown_layer(result, layer)
    if compact:
        return _plot_verdict_counts(result, layer, ax)
    tasks, rows = task_names(result, layer), ordered_features(result, layer)
    features = _of_layer(result.features, layer).set_index(["feature", "task"])["verdict"]
    ax = ax or new_axes(PAGE_IN if len(tasks) > 2 else COLUMN_IN, 1.6 + 0.165 * len(rows))
    n_before = 0.0
    places, names = [], []
    for group in CATEGORIES:
        members = [name for name in rows if category(name) == group]
        if not members:
            continue
        ax.text(
            -0.62, n_before + 0.1, group, ha="right", va="center", weight="bold", fontsize=TEXT_PT
        )
        n_before += 1
        for name in members:
            for column, task in enumerate(tasks):
                _verdict_cell(ax, column, n_before, str(features[(name, task)]))
            places.append(n_before)
            names.append(title(name))
            n_before += 1
        n_before += 0.4
    ax.set_xlim(-0.5, len(tasks) - 0.5)
    ax.set_ylim(n_before - 0.4, -0.6)
    ax.set_yticks(places, names)
    ax.set_xticks(
        range(len(tasks)), [_plain(task) for task in tasks], rotation=45, fontsize=TEXT_PT
    )
    for label in ax.get_xticklabels():
        label.set(ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    _verdict_legend(ax)
    return ax


def _verdict_cell(ax: Axes, x: float, y: float, verdict: str) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fc=VERDICT_COLOURS[verdict], ec=GRID, lw=0.5)
    )
    ax.text(
        x,
        y + 0.03,
        VERDICT_SIGNS[verdict],
        ha="center",
        va="center",
        fontsize=6,
        color=_ink_on(verdict),
    )


def _ink_on(verdict: str) -> str:
    return {"carried and used": "#fffffe", "undecided": NEUTRAL}.get(verdict, "#010101")


def _verdict_legend(ax: Axes) -> None:
    from matplotlib.patches import Patch

    ax.figure.legend(
        handles=[
            Patch(
                fc=VERDICT_COLOURS[name], ec=NEUTRAL, lw=0.5, label=f"{VERDICT_SIGNS[name]} {name}"
            )
            for name in VERDICTS
        ],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        handlelength=1.2,
        handleheight=1.0,
    )


def _plot_verdict_counts(result: ProbeResult, layer: str, ax: Axes | None) -> Axes:
    counts = verdict_counts(result, layer)
    tasks = task_names(result, layer)
    height = 1.2 + 0.19 * (len(CATEGORIES) + 1) * len(tasks)
    ax = ax or new_axes(PAGE_IN, height)
    places, names, y = [], [], 0.0
    for task in tasks:
        ax.text(0, y, _plain(task), weight="bold", fontsize=TEXT_PT, va="center", ha="left")
        y += 0.95
        for group in CATEGORIES:
            row = counts[(counts["task"] == task) & (counts["category"] == group)]
            n = row.set_index("verdict")["n"]
            left = 0.0
            for verdict in VERDICTS:
                width = float(n.get(verdict, 0))
                if width:
                    ax.barh(
                        y,
                        width,
                        left=left,
                        height=0.82,
                        fc=VERDICT_COLOURS[verdict],
                        ec=GRID,
                        lw=0.6,
                    )
                    ax.text(
                        left + width / 2,
                        y,
                        f"{width:.0f}",
                        ha="center",
                        va="center",
                        fontsize=SMALL_PT,
                        color=_ink_on(verdict),
                    )
                left += width
            places.append(y)
            names.append(group)
            y += 1
        y += 0.25
    ax.set_ylim(y - 0.4, -0.7)
    ax.set_yticks(places, names)
    ax.set_xlabel("features")
    ax.margins(x=0)
    _tidy(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    _verdict_legend(ax)
    return ax


@styled
def plot_categories(
    result: ProbeResult,
    *,
    measure: Measure = "gain",
    layer: str | None = None,
    tasks: Sequence[str] | None = None,
) -> Figure:
    """Mean over the features of each category, with interval: the published figure.

    Dotted is where nothing is gained: 1 for the information increase (as published, RMSE of all
    dimensions over squared RMSE of those that matter), 0 for the others; a gain is over as many
    dimensions chosen for shuffled labels.

    Raises
    ------
    InputError
        The measure was not taken (a gain needs shuffles).
    """
    rows = _of_layer(result.categories, shown_layer(result, layer))
    rows = rows[rows["measure"] == measure]
    if rows.empty:
        raise InputError(
            f"no values of {measure!r}; expected one of "
            f"{', '.join(sorted(result.categories['measure'].unique()))}"
        )
    label, nothing = _MEASURES[measure]
    tasks = list(rows["task"].unique()) if tasks is None else list(tasks)
    figure, panels = _panels(len(tasks), 1.55, sharex=True)
    reach = (min(nothing, rows["value_low"].min()), max(nothing, rows["value_high"].max()))
    for ax, task in zip(panels, tasks, strict=True):
        some = rows[rows["task"] == task].set_index("category")
        groups = [name for name in CATEGORIES if name in some.index]
        ax.axvline(nothing, color=NEUTRAL, lw=0.8, ls=":")
        for y, group in enumerate(groups):
            _dot(ax, some.loc[group], "value", y, CATEGORY_COLOURS[group], _CATEGORY_MARKERS[group])
        ax.set_yticks(range(len(groups)), groups)
        ax.set_ylim(len(groups) - 0.5, -0.5)
        ax.set_xlim(*_padded(reach))
        ax.set_title(_plain(task), loc="left")
        _tidy(ax)
    _label_below(panels, label)
    return figure


@styled
def plot_curve(
    result: ProbeResult, *, layer: str | None = None, tasks: Sequence[str] | None = None
) -> Figure:
    """Score against the number of dimensions: the top ones, all but them, and the last ones.

    The level line is the score of all dimensions, its band the interval; the upright one the number
    of dimensions that was chosen (median over folds).  F1 is 0 where dimensions tell nothing at
    all, as nothing is then taken for the emotion.
    """
    layer = shown_layer(result, layer)
    of_task = _of_layer(result.tasks, layer).set_index("task")
    rows = _of_layer(result.curve, layer)
    tasks = list(rows["task"].unique()) if tasks is None else list(tasks)
    figure, panels = _panels(len(tasks), 2.3)
    for ax, task in zip(panels, tasks, strict=True):
        about: Any = of_task.loc[task]
        name = "f1" if about["kind"] == "emotion" else "score"
        ax.axhspan(about[f"{name}_low"], about[f"{name}_high"], color=NEUTRAL, alpha=0.15, lw=0)
        ax.axhline(about[name], color="black", lw=0.9, label="all dimensions")
        ax.axvline(about["n_top"], color=NEUTRAL, lw=0.9, ls=":", label="chosen number")
        for which, text, colour, style, marker in (
            ("top", "most important n", SUPPORTS, "-", "o"),
            ("rest", "all but these n", AGAINST, "--", "s"),
            ("bottom", "least important n", NEUTRAL, "-.", "v"),
        ):
            line = rows[(rows["task"] == task) & (rows["which"] == which)].sort_values("n")
            ax.fill_between(
                line["n"], line["f1_low"], line["f1_high"], color=colour, alpha=0.15, lw=0
            )
            ax.plot(
                line["n"], line["f1"], color=colour, ls=style, marker=marker, ms=3.2, label=text
            )
        numbers = sorted(rows[rows["task"] == task]["n"].unique())
        ax.set_xscale("log", base=2)
        ax.set_xticks(numbers, [str(n) for n in numbers])
        ax.minorticks_off()
        ax.set_ylim(min(0.0, float(ax.get_ylim()[0])), 1.02)
        metric = "R²" if about["metric"] == "R2" else "UAR"
        ax.set_ylabel("F1 (classes balanced)" if name == "f1" else metric)
        ax.set_title(_plain(task), loc="left")
        _tidy(ax)
    _label_below(panels, "n dimensions")
    _share_legend(figure, panels[0])
    return figure


@styled
def plot_importance(
    result: ProbeResult,
    *,
    layer: str | None = None,
    tasks: Sequence[str] | None = None,
    n: int = 15,
) -> Figure:
    """What counts for a decision.

    Where the dimensions are eGeMAPS functionals: a dot a feature and a bar for the mean of each
    category (the published figure).  Otherwise the `n` most important dimensions, with the standard
    deviation over folds.
    """
    rows = _of_layer(result.importance, shown_layer(result, layer))
    tasks = list(rows["task"].unique()) if tasks is None else list(tasks)
    by_category = bool(rows["dimension"].isin(FEATURES).all())
    figure, panels = _panels(len(tasks), 1.8 if by_category else 0.8 + 0.15 * n)
    for ax, task in zip(panels, tasks, strict=True):
        some = rows[rows["task"] == task].sort_values("rank")
        if by_category:
            _importance_of_categories(ax, some)
        else:
            _importance_of_dimensions(ax, some[:n])
        ax.set_xlim(left=0)
        ax.locator_params(axis="x", nbins=4)
        ax.set_title(_plain(task), loc="left")
        _tidy(ax)
    _label_below(panels, "importance")
    return figure


def _importance_of_categories(ax: Axes, rows: pd.DataFrame) -> None:
    groups = rows["dimension"].map(category)
    rng = np.random.default_rng(0)
    for y, group in enumerate(CATEGORIES):
        values = rows["importance"][groups == group].to_numpy()
        if len(values):
            ax.barh(y, values.mean(), height=0.7, fc=CATEGORY_COLOURS[group], alpha=0.4)
            spread = y + rng.uniform(-0.2, 0.2, len(values))
            ax.plot(values, spread, "o", ms=2.6, mew=0, color=CATEGORY_COLOURS[group])
    ax.set_yticks(range(len(CATEGORIES)), CATEGORIES)
    ax.set_ylim(len(CATEGORIES) - 0.5, -0.5)


def _importance_of_dimensions(ax: Axes, rows: pd.DataFrame) -> None:
    places = range(len(rows))
    ax.barh(
        places,
        rows["importance"],
        xerr=rows["importance_sd"],
        height=0.7,
        fc=SUPPORTS,
        error_kw={"ecolor": "black", "lw": 0.9, "capsize": 1.5},
    )
    ax.set_yticks(places, [_plain(str(name)) for name in rows["dimension"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_ylabel("dimension")


@styled
def plot_decodability(
    result: ProbeResult,
    *,
    layer: str | None = None,
    task: str | None = None,
    n: int | None = 20,
    ax: Axes | None = None,
) -> Axes:
    """How well each feature is read: from all dimensions, those that matter, and controls.

    Parameters
    ----------
    result : ProbeResult
    layer : str, optional
        By default the last.
    task : str, optional
        Whose dimensions matter; by default all emotions, else the first.
    n : int or None
        How many features, the best first; None: all.
    ax : Axes, optional
    """
    layer = shown_layer(result, layer)
    task = overall_task(_of_layer(result.tasks, layer)) if task is None else task
    rows = _of_layer(result.features, layer)
    rows = rows[rows["task"] == task].sort_values("r2_all", ascending=False)[:n]
    ax = ax or new_axes(PAGE_IN, 1.3 + 0.2 * len(rows))
    places = np.arange(len(rows))
    ax.axvline(0, color=NEUTRAL, lw=0.8)
    floor = result.about["settings"]["negligible_r2"]
    ax.axvline(floor, color=NEUTRAL, lw=0.8, ls=":", label="negligible")
    for name, text, colour, marker in (
        ("r2_shuffled", "shuffled features", NEUTRAL, "x"),
        ("r2_random", "as many random dimensions", NEUTRAL, "d"),
        ("r2_top", f"dimensions that matter for {_plain(task)}", SUPPORTS, "o"),
    ):
        face = "none" if marker == "d" else colour
        ax.plot(
            rows[name], places, marker, ms=4.2, color=colour, mfc=face, mew=1.0, ls="", label=text
        )
    ax.hlines(places, rows["r2_all_low"], rows["r2_all_high"], color=AGAINST, lw=1.6)
    ax.plot(rows["r2_all"], places, "s", ms=4.2, color=AGAINST, ls="", label="all dimensions")
    ax.set_yticks(places, [title(str(name)) for name in rows["feature"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    low = min(0.0, float(np.nanmin(rows[["r2_top", "r2_random", "r2_shuffled"]].to_numpy())))
    ax.set_xlim(max(low, -0.5) - 0.04, 1.02)
    ax.set_xlabel("R² on speakers left out")
    ax.grid(axis="y", color=GRID, lw=0.5)
    ax.set_axisbelow(True)
    _tidy(ax)
    ax.figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return ax


@styled
def plot_layers(result: ProbeResult, *, what: Literal["categories", "cues", "scores"]) -> Figure:
    """Over the layers: mean R2 of each category, R2 of each expert cue, or the score of each task.

    Raises
    ------
    InputError
        There is only one layer.
    """
    layers = [str(name) for name in result.about["layers"]]
    if len(layers) < 2:
        raise InputError(f"there is only one layer, {layers[0]!r}; expected two or more to compare")
    if what == "scores":
        return _plot_scores_of_layers(result, layers)
    rows = result.features[result.features["task"] == overall_task(result.tasks)]
    if what == "cues":
        return _plot_cues_of_layers(rows, layers)
    figure, (ax,) = _panels(1, 2.6)
    for group, some in rows.groupby("category"):
        mean = some.groupby("layer")["r2_all"].mean().reindex(layers)
        marker, colour = _CATEGORY_MARKERS[str(group)], CATEGORY_COLOURS[str(group)]
        ax.plot(mean.to_numpy(), marker=marker, ms=4, color=colour, label=str(group))
    _layer_axis(ax, layers)
    ax.set_ylabel("mean R², all dimensions")
    _share_legend(figure, ax)
    return figure


def _plot_cues_of_layers(rows: pd.DataFrame, layers: Sequence[str]) -> Figure:
    known = set(rows["feature"])
    cues = [cue for cue in CUES.values() if cue.functional in known]
    figure, panels = _panels(len(cues), 1.6, columns=3)
    for ax, cue in zip(panels, cues, strict=True):
        some = rows[rows["feature"] == cue.functional].set_index("layer").reindex(list(layers))
        _band_line(ax, some, "r2_all", AGAINST)
        _layer_axis(ax, layers)
        ax.set_ylim(min(0.0, float(some["r2_all"].min())) - 0.04, 1.02)
        ax.set_title(cue.title.partition(" (")[0], fontsize=TEXT_PT, loc="left")
    panels[0].set_ylabel("R²")
    _label_below(panels, "layer", alone=True)
    return figure


def _plot_scores_of_layers(result: ProbeResult, layers: Sequence[str]) -> Figure:
    tasks = list(result.tasks["task"].unique())
    figure, panels = _panels(len(tasks), 1.9)
    for ax, task in zip(panels, tasks, strict=True):
        some = result.tasks[result.tasks["task"] == task].set_index("layer").reindex(list(layers))
        _band_line(ax, some, "score", SUPPORTS, label="embedding")
        features, chance = float(some["score_features"].iloc[0]), float(some["chance"].iloc[0])
        ax.axhline(features, color=AGAINST, ls="--", lw=1.2, label="acoustic features")
        ax.axhline(chance, color=NEUTRAL, ls=":", lw=0.9, label="chance")
        _layer_axis(ax, layers)
        ax.set_ylabel(_CONFOUND_METRICS[str(some["metric"].iloc[0])])
        ax.set_title(_plain(task), loc="left")
    _label_below(panels, "layer", alone=True)
    _share_legend(figure, panels[0])
    return figure


@styled
def plot_confounds(
    result: ProbeResult, *, layer: str | None = None, confounds: Sequence[str] | None = None
) -> Figure:
    """What else is told by all dimensions, those that matter, as many random ones, by chance."""
    rows = _of_layer(result.confounds, shown_layer(result, layer))
    names = list(rows["confound"].unique()) if confounds is None else list(confounds)
    n_rows = rows["dimensions"].nunique()
    figure, panels = _panels(len(names), 0.75 + 0.22 * n_rows)
    for ax, name in zip(panels, names, strict=True):
        some = rows[rows["confound"] == name].reset_index(drop=True)
        ax.axvline(some["chance"].iloc[0], color=NEUTRAL, lw=0.9, ls=":", label="chance")
        ax.plot(some["random"], some.index, "d", ms=4.2, mfc="none", color=NEUTRAL, ls="")
        for y, row in some.iterrows():
            whole = row["dimensions"] == "all"
            _dot(ax, row, "value", y, AGAINST if whole else SUPPORTS, "s" if whole else "o")
        ax.set_yticks(
            some.index,
            ["all dimensions", *(f"top for {_plain(t)}" for t in some["dimensions"][1:])],
        )
        ax.set_ylim(len(some) - 0.5, -0.5)
        ax.set_xlim(min(0.0, float(some["value"].min())) - 0.03, 1.03)
        metric = _CONFOUND_METRICS[str(some["metric"].iloc[0])]
        ax.set_title(f"{name} ({metric})", loc="left")
        _tidy(ax)
    return figure


def ordered_features(result: ProbeResult, layer: str) -> list[str]:
    """Features by category; within one those used most often first, then those read best."""
    rows = _of_layer(result.features, layer)
    rank = pd.DataFrame(
        {
            "category": rows["category"].map(CATEGORIES.index),
            "used": -(rows["verdict"] == "carried and used").astype(int),
            "unused": -(rows["verdict"] == "carried, not used").astype(int),
            "absent": (rows["verdict"] == "not carried").astype(int),
            "r2": -rows["r2_all"].fillna(-np.inf),
            "feature": rows["feature"],
        }
    )
    by = rank.groupby("feature", sort=False).agg(
        category=("category", "first"),
        used=("used", "sum"),
        unused=("unused", "sum"),
        absent=("absent", "sum"),
        r2=("r2", "mean"),
    )
    order = by.sort_values(["category", "used", "absent", "unused", "r2"], kind="stable")
    return [str(name) for name in order.index]


def verdict_counts(result: ProbeResult, layer: str | None = None) -> pd.DataFrame:
    """How many features of each category got each verdict: ``task, category, verdict, n``."""
    rows = _of_layer(result.features, shown_layer(result, layer))
    every = pd.MultiIndex.from_product(
        [rows["task"].unique(), [c for c in CATEGORIES if c in set(rows["category"])], VERDICTS],
        names=["task", "category", "verdict"],
    )
    counts = rows.groupby(["task", "category", "verdict"]).size()
    return counts.reindex(every, fill_value=0).rename("n").reset_index()


def task_names(result: ProbeResult, layer: str) -> list[str]:
    """Tasks of a layer, in their order."""
    return [str(name) for name in _of_layer(result.tasks, layer)["task"]]


def _of_layer(table: pd.DataFrame, layer: str) -> pd.DataFrame:
    return table[table["layer"] == layer]


def _panels(
    n: int, height_in: float, *, columns: int = 2, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """`n` axes in rows of `columns`."""
    if n < 1:
        raise InputError("there is nothing to draw; expected at least one panel")
    columns = min(columns, n)
    n_rows = -(-n // columns)
    figure = new_figure(PAGE_IN if columns > 1 else COLUMN_IN, height_in * n_rows + 0.3)
    grid = figure.subplots(n_rows, columns, squeeze=False, sharex=sharex).ravel()
    for ax in grid[n:]:
        ax.remove()
    return figure, list(grid[:n])


def _dot(ax: Axes, row: Any, name: str, y: Any, colour: str, marker: str) -> None:
    ax.plot([row[f"{name}_low"], row[f"{name}_high"]], [y, y], color=colour, lw=1.6)
    ax.plot(row[name], y, marker, ms=5, color=colour)


def _band_line(
    ax: Axes, rows: pd.DataFrame, name: str, colour: str, *, label: str | None = None
) -> None:
    x = np.arange(len(rows))
    low, high = rows[f"{name}_low"].to_numpy(), rows[f"{name}_high"].to_numpy()
    ax.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    ax.plot(x, rows[name].to_numpy(), color=colour, marker="o", ms=3, lw=1.4, label=label)


def _layer_axis(ax: Axes, layers: Sequence[str]) -> None:
    step = -(-len(layers) // 7)
    shown = range(0, len(layers), step)
    long = max(len(layers[i]) for i in shown) > 3
    ax.set_xticks(
        shown,
        [_plain(layers[i], 14) for i in shown],
        rotation=40 if long else 0,
        ha="right" if long else "center",
    )
    _tidy(ax)


def _label_below(panels: Sequence[Axes], label: str, *, alone: bool = False) -> None:
    """Label the horizontal axis of the lowest panel of every column; `alone`: no ticks above it."""
    lowest: dict[int, Axes] = {}
    for ax in panels:
        spec = ax.get_subplotspec()
        lowest[spec.colspan.start if spec is not None else 0] = ax
        ax.tick_params(labelbottom=not alone)
    for ax in lowest.values():
        ax.set_xlabel(label)
        ax.tick_params(labelbottom=True)


def _share_legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(3, len(labels)),
        frameon=False,
    )


def _padded(reach: tuple[FloatArray | float, FloatArray | float]) -> tuple[float, float]:
    low, high = float(reach[0]), float(reach[1])
    margin = 0.04 * max(high - low, 1e-6)
    return low - margin, high + margin


def _plain(text: str, longest: int = _LONGEST) -> str:
    """A name that leaves room for the figure."""
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-longest // 2 + 1 :]}"
    return text


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
