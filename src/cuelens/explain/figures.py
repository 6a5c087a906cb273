"""Figures of explanations, ready for a paper: matplotlib axes in, matplotlib axes out.

One palette everywhere, readable without colour vision: orange supports, blue speaks against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cuelens.features.log_mel import hz_to_mel, mel_to_hz
from cuelens.figure_style import (
    COLUMN_IN,
    PAGE_IN,
    SMALL_PT,
    TEXT_PT,
    new_axes,
    new_figure,
    styled,
)
from cuelens.typing import FloatArray
from cuelens.units.frequency_bands import short_time_transform
from cuelens.units.kinds import Grid, are_named, grid_of
from cuelens.units.segments import PAUSE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from cuelens.audio import Audio
    from cuelens.explain.dose_responses import DoseResponses
    from cuelens.explain.explanation import Explanation
    from cuelens.units import Unit

SUPPORTS = "#c2561a"
AGAINST = "#2a6ebb"
NEUTRAL = "#6b6b6b"
SPECTROGRAM_RANGE_DB = 70.0
_TINT_ALPHA = 0.45  # of the largest weight
_FAINT = 0.05  # of the largest weight: less is not written into its cell


@styled
def plot_weights(explanation: Explanation, ax: Axes | None = None) -> Axes:
    """Weights of the units for the target with 95 % intervals.

    Bands lie above each other, low frequencies at the bottom; words, phones and other segments
    with names lie along time.  Cells are a table of colours, with the weight where the interval
    excludes 0.
    """
    if are_named(explanation.units):
        return _plot_along_time(explanation, ax)
    grid = grid_of(explanation.units)
    if grid is not None:
        return _plot_grid(explanation, grid, ax)
    ax = ax or new_axes(COLUMN_IN, 0.85 + 0.19 * len(explanation.units))
    row = explanation.target_index
    weights = explanation.target_weights
    rows = np.arange(len(weights))
    ax.barh(rows, weights, color=[SUPPORTS if w > 0 else AGAINST for w in weights], height=0.72)
    if explanation.ci_low is not None and explanation.ci_high is not None:
        reach = np.abs(np.stack([explanation.ci_low[row], explanation.ci_high[row]]) - weights)
        ax.errorbar(weights, rows, xerr=reach, fmt="none", ecolor="black", capsize=2, lw=1)
    ax.axvline(0.0, color="black", lw=0.8)
    ax.set_yticks(rows, [unit.name for unit in explanation.units])
    what = "relevance for" if explanation.map is not None else "weight: share of"
    ax.set_xlabel(f"{what} {explanation.quantity}")
    ax.set_title(f"What supports “{explanation.target}”", fontsize=TEXT_PT)
    _tidy(ax)
    return ax


def _plot_along_time(explanation: Explanation, ax: Axes | None) -> Axes:
    """Weights of segments as bars over the time they take, names below."""
    units, row = explanation.units, explanation.target_index
    ax = ax or new_axes(_width_in(units), 2.1)
    weights = explanation.target_weights
    starts = np.array([unit.start_s for unit in units])
    lengths = np.array([unit.end_s for unit in units]) - starts
    colours = [SUPPORTS if weight > 0 else AGAINST for weight in weights]
    ax.bar(starts, weights, lengths, align="edge", color=colours, ec="white", lw=0.5)
    if explanation.ci_low is not None and explanation.ci_high is not None:
        reach = np.abs(np.stack([explanation.ci_low[row], explanation.ci_high[row]]) - weights)
        middle = starts + lengths / 2
        ax.errorbar(middle, weights, yerr=reach, fmt="none", ecolor="black", capsize=1.5, lw=0.8)
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set_xlim(0.0, explanation.clip.duration_s)
    _name_units(ax, units)
    ax.set_xlabel("time (s)", labelpad=12)
    ax.set_ylabel(f"weight for {explanation.target}", fontsize=TEXT_PT)
    ax.set_title(f"What supports “{explanation.target}”", fontsize=TEXT_PT)
    _tidy(ax)
    ax.tick_params(axis="x", pad=14)
    return ax


def _plot_grid(explanation: Explanation, grid: Grid, ax: Axes | None) -> Axes:
    """Weights of cells, parts above each other and times side by side, all of one size."""
    from matplotlib.colors import LinearSegmentedColormap

    shape = len(grid.parts), len(grid.times)
    weights = explanation.target_weights.reshape(shape)
    ax = ax or new_axes(float(np.clip(1.8 + 0.42 * shape[1], PAGE_IN, 24.0)), 1.2 + 0.28 * shape[0])
    reach = float(np.abs(weights).max()) or 1.0
    shown = ax.imshow(
        weights,
        origin="lower",
        aspect="auto",
        cmap=LinearSegmentedColormap.from_list("weights", [AGAINST, "white", SUPPORTS]),
        vmin=-reach,
        vmax=reach,
    )
    certain = np.ones(shape, dtype=bool)
    if explanation.ci_low is not None and explanation.ci_high is not None:
        row = explanation.target_index
        certain = (explanation.ci_low[row] * explanation.ci_high[row] > 0).reshape(shape)
    certain &= np.abs(weights) > _FAINT * reach
    for part, time in np.argwhere(certain):
        text = f"{weights[part, time]:+.2f}".replace("-", "−")
        strong = abs(weights[part, time]) > 0.6 * reach
        colour = "white" if strong else "black"
        ax.text(time, part, text, ha="center", va="center", fontsize=SMALL_PT, color=colour)
    names = [time.name or f"{time.start_s:.2f} s" for time in grid.times]
    ax.set_xticks(range(shape[1]), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(shape[0]), grid.parts)
    ax.set_title(f"What supports “{explanation.target}”", fontsize=TEXT_PT)
    ax.figure.colorbar(shown, ax=ax, label=f"weight: share of {explanation.quantity}", pad=0.01)
    ax.tick_params(labelsize=SMALL_PT)
    return ax


def _name_units(ax: Axes, units: Sequence[Unit]) -> None:
    """Names of segments under the axis, pauses left out."""
    for unit in units:
        if unit.name not in ("", PAUSE):
            ax.annotate(
                unit.name,
                ((unit.start_s + unit.end_s) / 2, 0.0),
                (0, -3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=SMALL_PT,
                annotation_clip=False,
            )


def _width_in(units: Sequence[Unit]) -> float:
    """Wide enough for the names of segments."""
    return float(np.clip(0.28 * len(units), PAGE_IN, 20.0))


@styled
def plot_prediction(explanation: Explanation, ax: Axes | None = None) -> Axes:
    """The model's answer as bars, most probable label on top."""
    ax = ax or new_axes(COLUMN_IN, 0.75 + 0.19 * len(explanation.labels))
    order = np.argsort(explanation.prediction)
    names = [explanation.labels[index] for index in order]
    colours = [SUPPORTS if name == explanation.target else NEUTRAL for name in names]
    ax.barh(range(len(names)), explanation.prediction[order], color=colours, height=0.72)
    ax.set_yticks(range(len(names)), names)
    lowest, highest = explanation.prediction.min(), explanation.prediction.max()
    ax.set_xlim(min(0.0, lowest), max(1.0, highest))
    ax.set_xlabel("probability" if explanation.predicts_probabilities else "output")
    ax.set_title(f"Answer of {explanation.model}", fontsize=TEXT_PT)
    _tidy(ax)
    return ax


@styled
def plot_spectrogram(audio: Audio, explanation: Explanation, ax: Axes | None = None) -> Axes:
    """Spectrogram of a clip on a mel axis, units tinted by their weight, or the map."""
    named = explanation.map is None and are_named(explanation.units)
    units: Sequence[Unit] = explanation.units
    grid = grid_of(units)
    if grid is not None and grid.named:
        named, units = True, grid.times
    ax = ax or new_axes(_width_in(units) if named else PAGE_IN, 2.4)
    image = spectrogram_db(audio)
    top_mel = float(hz_to_mel(audio.sample_rate / 2))
    shown = ax.imshow(
        image,
        origin="lower",
        aspect="auto",
        cmap="gray_r",
        extent=(0.0, audio.duration_s, 0.0, top_mel),
        vmin=-SPECTROGRAM_RANGE_DB,
        vmax=0.0,
    )
    weights = None
    if explanation.map is not None:
        weights = _lay_map(ax, explanation, audio)
    elif _tinted(explanation):
        weights = _tint_units(ax, explanation)
    ticks_hz = [
        hz for hz in (250, 500, 1000, 2000, 4000, 8000, 16000) if hz <= audio.sample_rate / 2
    ]
    ax.set_yticks([float(hz_to_mel(hz)) for hz in ticks_hz], [str(hz) for hz in ticks_hz])
    ax.set_xlabel("time (s)")
    if named:
        _name_units(ax, units)
        ax.tick_params(axis="x", pad=14)
    ax.set_ylabel("frequency (Hz)")
    if _tinted(explanation) or explanation.map is not None:
        title = f"Orange supports “{explanation.target}”, blue speaks against it"
        ax.set_title(title, fontsize=TEXT_PT)
    ax.figure.colorbar(shown, ax=ax, label="level (dB)", pad=0.01)
    if weights is not None:
        what = "weight" if explanation.map is None else "relevance"
        ax.figure.colorbar(weights, ax=ax, label=f"{what} for {explanation.target}", pad=0.02)
    return ax


def _tinted(explanation: Explanation) -> bool:
    """Whether units have a place of their own in the spectrogram; harmonics have none."""
    regions = {(u.low_hz, u.high_hz, u.start_s, u.end_s) for u in explanation.units}
    return len(regions) == len(explanation.units)


def _tint_units(ax: Axes, explanation: Explanation) -> ScalarMappable:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
    from matplotlib.patches import Rectangle

    strength = np.abs(explanation.target_weights)
    reach = max(float(strength.max()), 1e-12)
    strength = _TINT_ALPHA * strength / reach
    for unit, weight, alpha in zip(
        explanation.units, explanation.target_weights, strength, strict=True
    ):
        low, high = float(hz_to_mel(unit.low_hz)), float(hz_to_mel(unit.high_hz))
        colour = SUPPORTS if weight > 0 else AGAINST
        ax.add_patch(
            Rectangle(
                (unit.start_s, low),
                unit.end_s - unit.start_s,
                high - low,
                fc=to_rgba(colour, float(alpha)),
                ec="black",
                lw=0.2,
            )
        )
    ends = to_rgba(AGAINST, _TINT_ALPHA), to_rgba("white", 0.0), to_rgba(SUPPORTS, _TINT_ALPHA)
    colours = LinearSegmentedColormap.from_list("tint", _over_white(ends))
    return ScalarMappable(Normalize(-reach, reach), colours)


def _over_white(colours: Sequence[tuple[float, ...]]) -> list[tuple[float, float, float]]:
    """Transparent colours as they look on white."""
    return [
        (1 - alpha * (1 - red), 1 - alpha * (1 - green), 1 - alpha * (1 - blue))
        for red, green, blue, alpha in colours
    ]


def _lay_map(ax: Axes, explanation: Explanation, audio: Audio) -> ScalarMappable | None:
    """Relevance over the spectrogram; opaque where it is as large as the 99.5th percentile."""
    from matplotlib.colors import LinearSegmentedColormap

    if explanation.map is None:
        return None
    cells, hop_s = explanation.map.values[explanation.target_index], explanation.map.hop_s
    reach = float(np.percentile(np.abs(cells), 99.5)) or float(np.abs(cells).max()) or 1.0
    colours = LinearSegmentedColormap.from_list(
        "relevance", [AGAINST + "d0", AGAINST + "00", SUPPORTS + "00", SUPPORTS + "d0"]
    )
    edges_s = (np.arange(cells.shape[1] + 1) - 0.5) * hop_s
    return ax.pcolormesh(
        np.clip(edges_s, 0.0, audio.duration_s),
        hz_to_mel(explanation.map.edges_hz),
        cells,
        cmap=colours,
        vmin=-reach,
        vmax=reach,
        rasterized=True,
    )


@styled
def plot_dose_responses(result: DoseResponses) -> Figure:
    """The target's output against the dose of each cue, a panel a cue.

    Shaded: the range over remakes of each version.  Hollow: doses that did not come out as asked
    for.  Dashed: the answer to the recording; dotted: the dose that changes nothing; cross: next to
    no dose, which shows what processing does by itself.
    """
    n_columns = min(3, len(result.responses))
    n_rows = -(-len(result.responses) // n_columns)
    width_in = PAGE_IN if n_columns > 1 else COLUMN_IN
    figure = new_figure(width_in, 0.4 + 1.75 * n_rows)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    column = result.target_index
    for ax, response in zip(grid.ravel(), result.responses, strict=False):
        about, doses, values = response.about, response.doses, response.outputs[:, column]
        ax.axhline(result.output_value, color=NEUTRAL, ls="--", lw=0.9)
        ax.axvline(about.identity, color=NEUTRAL, ls=":", lw=0.9)
        ax.fill_between(
            doses,
            response.low[:, column],
            response.high[:, column],
            color=SUPPORTS,
            alpha=0.2,
            lw=0,
        )
        ax.plot(doses, values, color=SUPPORTS, lw=1.5)
        for good, face in ((True, SUPPORTS), (False, "white")):
            shown = response.as_asked == good
            ax.plot(doses[shown], values[shown], "o", ms=4, color=SUPPORTS, mfc=face)
        ax.plot(about.control, response.control[column], "x", ms=5, mew=1.3, color="black")
        ax.set_xlabel(f"{about.title} ({about.unit})", fontsize=TEXT_PT)
        if result.probabilities:
            ax.set_ylim(-0.02, 1.02)
        _tidy(ax)
    for ax in grid.ravel()[len(result.responses) :]:
        ax.set_visible(False)
    for ax in grid[:, 0]:
        ax.set_ylabel(result.output_name, fontsize=TEXT_PT)
    figure.suptitle(
        "Dashed: the recording; ×: next to no dose; shaded: range; hollow: not as asked",
        fontsize=TEXT_PT,
    )
    return figure


def spectrogram_db(audio: Audio, *, n_rows: int = 160) -> FloatArray:
    """Short-time spectrum on a mel axis, in dB below its maximum.

    Returns
    -------
    ndarray, shape (n_rows, n_frames), float64
        Row 0 is the lowest frequency; rows are equally spaced in mel up to half the sample rate.
    """
    transform = short_time_transform(audio.sample_rate)
    power = np.abs(transform.stft(audio.samples.astype(np.float64))) ** 2
    first, last = transform.lower_border_end[1], transform.upper_border_begin(audio.samples.size)[1]
    if last - first >= 2:  # leave out frames that reach beyond the clip
        power = power[:, first - transform.p_min : last - transform.p_min]
    rows_hz = mel_to_hz((np.arange(n_rows) + 0.5) / n_rows * float(hz_to_mel(transform.f[-1])))
    nearest = np.clip(np.round(rows_hz / transform.delta_f).astype(int), 0, len(transform.f) - 1)
    db = 10 * np.log10(np.maximum(power[nearest], 1e-12))
    return np.maximum(db - db.max(), -SPECTROGRAM_RANGE_DB)


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL_PT)
