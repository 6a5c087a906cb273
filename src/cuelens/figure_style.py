"""One look for all figures, made for the columns of a paper, and one way to write them.

A column is 85 mm wide, a page of two columns 178 mm.  Text is 7 to 9 points.  Texts are drawn as
they are: a dollar sign in the name of a label begins no formula.
"""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, get_args

from cuelens.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FigureFormat = Literal["png", "svg", "pdf"]
FIGURE_FORMATS: tuple[FigureFormat, ...] = get_args(FigureFormat)
COLUMN_IN = 85 / 25.4
PAGE_IN = 178 / 25.4
SMALL_PT, TEXT_PT, TITLE_PT = 7.0, 8.0, 9.0
DPI = 300

_STYLE = {
    "font.size": TEXT_PT,
    "axes.labelsize": TEXT_PT,
    "axes.titlesize": TITLE_PT,
    "figure.titlesize": TITLE_PT,
    "figure.labelsize": TEXT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.parse_math": False,
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
    "ps.fonttype": 42,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "cuelens",
}
_NO_DATES: dict[FigureFormat, dict[str, None]] = {
    "png": {"Software": None},
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
}
_lock = threading.RLock()  # matplotlib's settings are those of the process

_P = ParamSpec("_P")
_R = TypeVar("_R")


@contextmanager
def figure_style() -> Iterator[None]:
    """The look of figures, for what is drawn meanwhile; the user's own settings come back."""
    from matplotlib import rc_context

    with _lock, rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def styled(plot: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function draw in the look of figures; axes that it is given keep their own."""

    @functools.wraps(plot)
    def drawn(*arguments: _P.args, **settings: _P.kwargs) -> _R:
        with figure_style():
            return plot(*arguments, **settings)

    return drawn


def new_figure(width_in: float = COLUMN_IN, height_in: float = 2.3) -> Figure:
    """An empty figure, without pyplot's global state."""
    from matplotlib.figure import Figure

    with figure_style():
        return Figure(figsize=(width_in, height_in), layout="constrained")


def new_axes(width_in: float = COLUMN_IN, height_in: float = 2.3) -> Axes:
    """Axes of a figure of its own, without pyplot's global state."""
    with figure_style():
        ax = new_figure(width_in, height_in).subplots()
        ax.tick_params(labelsize=SMALL_PT)
        return ax


def figure_of(drawn: Axes | Figure) -> Figure:
    """The figure that axes belong to, or the figure itself.

    Raises
    ------
    InputError
        The axes belong to no figure.
    """
    from matplotlib.figure import Figure

    figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    if figure is None:
        raise InputError("these axes belong to no figure; expected axes of a figure")
    return figure


def save_figure(drawn: Axes | Figure, file: str | Path, *, dpi: int = DPI) -> Path:
    """Write a figure; one that is drawn again from the same input gives the same bytes.

    Fonts are embedded as TrueType in PDF, and stay text in SVG; there are no dates in the file.

    Parameters
    ----------
    drawn : Axes or Figure
    file : path
        Its suffix, ``.png``, ``.svg`` or ``.pdf``, says the format; replaced if it exists.
    dpi : int, dots per inch
        Of PNG, and of pictures within the others.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        Another suffix.
    """
    file = Path(file)
    form: Any = file.suffix.lower().removeprefix(".")
    if form not in FIGURE_FORMATS:
        raise InputError(f"{file.name}: expected a figure as {', '.join(FIGURE_FORMATS)}")
    with figure_style():
        figure_of(drawn).savefig(file, format=form, dpi=dpi, metadata=dict(_NO_DATES[form]))
    return file


def figure_png(drawn: Axes | Figure, *, dpi: int = 220) -> bytes:
    """A figure as the bytes of a PNG picture."""
    buffer = io.BytesIO()
    with figure_style():
        figure_of(drawn).savefig(buffer, format="png", dpi=dpi, metadata=dict(_NO_DATES["png"]))
    return buffer.getvalue()


def save_figures(
    figures: dict[str, Axes | Figure], folder: str | Path, form: FigureFormat = "png"
) -> list[Path]:
    """Write figures by name, and remove those of the same names in other formats.

    Raises
    ------
    InputError
        Not one of the formats.
    """
    if form not in FIGURE_FORMATS:
        raise InputError(f"figures as {form!r}; expected one of {', '.join(FIGURE_FORMATS)}")
    files = []
    for name, drawn in figures.items():
        remove_figure(folder, name)
        files.append(save_figure(drawn, Path(folder) / f"{name}.{form}"))
    return files


def remove_figure(folder: str | Path, name: str) -> None:
    """Remove a figure that an earlier run wrote, whatever its format."""
    for form in FIGURE_FORMATS:
        (Path(folder) / f"{name}.{form}").unlink(missing_ok=True)
