"""The report of one clip: what was found, as JSON, as a page, and as a folder of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuelens.audio import Audio
from cuelens.cues import CarriedCues, CueReport
from cuelens.errors import InputError
from cuelens.evaluate import RemovalCurve
from cuelens.evaluate.reliability import Reliability
from cuelens.explain import Explanation
from cuelens.explain.explanation import dump_json
from cuelens.explain.figures import (
    plot_prediction,
    plot_spectrogram,
    plot_weights,
)
from cuelens.figure_style import FigureFormat, remove_figure, save_figures
from cuelens.report.clip_page import clip_page, clip_sounds
from cuelens.report.encode import flac_bytes
from cuelens.report.figures import plot_cues, plot_moments, plot_removal

_FIGURES = {"weights", "prediction", "spectrogram", "removal", "moments", "cues"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipReport:
    """Everything that was found out about one clip and one model.

    Parameters
    ----------
    explanation : Explanation
        As returned by ``explain()``.
    audio : Audio
        The clip; resampled to the rate it was explained at.
    removal : RemovalCurve or None
        What the answer does as units go.
    moments : Explanation or None
        Where the windows are from, if not from ``explanation``.
    moments_removal : RemovalCurve or None
        Of ``moments``.
    cues : CueReport or None
    carried : CarriedCues or None
        What the model's embedding carries, for the JSON; the account says it in words.
    trust, moments_trust : Reliability or None
        How far ``explanation`` and ``moments`` can be trusted.
    notes : tuple of str
        What could not be done, and why.
    timing_s : float
        Wall time of all of it; NaN where it was not taken.  Not stored in JSON.
    """

    explanation: Explanation
    audio: Audio
    removal: RemovalCurve | None = None
    moments: Explanation | None = None
    moments_removal: RemovalCurve | None = None
    cues: CueReport | None = None
    carried: CarriedCues | None = None
    trust: Reliability | None = None
    moments_trust: Reliability | None = None
    notes: tuple[str, ...] = ()
    timing_s: float = float("nan")

    def __post_init__(self) -> None:
        rate = self.explanation.clip.sample_rate_hz
        object.__setattr__(self, "audio", self.audio.resample(rate))

    @property
    def clip_name(self) -> str:
        """Name of the clip's file, without its folder."""
        return Path(self.explanation.clip.path).name

    @property
    def account(self) -> str:
        """The findings in plain sentences."""
        return self.explanation.account

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types: see the JSON page of the documentation."""
        content = self.explanation.to_dict()
        if self.removal is not None:
            content["removal"] = self.removal.to_dict()
        if self.moments is not None:
            content["moments"] = self.moments.to_dict()
            if self.moments_removal is not None:
                content["moments"]["removal"] = self.moments_removal.to_dict()
            if self.moments_trust is not None:
                content["moments"]["reliability"] = self.moments_trust.to_dict()
        if self.cues is not None:
            content |= self.cues.to_dict()
        if self.trust is not None:
            content["reliability"] = self.trust.to_dict()
        if self.carried is not None:
            content["embedding"] = self.carried.to_dict()
        return content

    def to_html(self) -> str:
        """One page that needs no other file and no network."""
        return clip_page(self)

    def figures(self) -> dict[str, Any]:
        """Figures as matplotlib axes by name, those that there is something to draw for."""
        explanation, moments = self.explanation, self.moments or self.explanation
        axes = {
            "weights": plot_weights(explanation),
            "prediction": plot_prediction(explanation),
            "spectrogram": plot_spectrogram(self.audio, explanation),
        }
        if self.removal is not None:
            axes["removal"] = plot_removal(self.removal, explanation)
        if self.cues is not None:
            axes["moments"] = plot_moments(self.audio, moments, self.cues)
            axes["cues"] = plot_cues(self.cues)
        return axes

    def save(self, folder: str | Path, *, figures: FigureFormat = "png") -> Path:
        """Write ``explanation.json``, ``report.html``, figures and sounds (FLAC).

        Parameters
        ----------
        folder : path
            Made if needed; files of the same names are replaced.
        figures : {"png", "svg", "pdf"}
            Format of the figures; those of an earlier run in another format are removed.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        InputError
            The folder cannot be made; not a format of figures.
        """
        folder = make_folder(folder)
        (folder / "explanation.json").write_text(dump_json(self.to_dict()), encoding="utf-8")
        drawn = self.figures()
        save_figures(drawn, folder, figures)
        for name in _FIGURES - drawn.keys():
            remove_figure(folder, name)
        for name, sound in clip_sounds(self.explanation).items():
            file = folder / f"{name}.flac"
            if sound is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(flac_bytes(sound))
        page = folder / "report.html"
        page.write_text(self.to_html(), encoding="utf-8")
        return page


def make_folder(folder: str | Path) -> Path:
    """Make a folder for results, with one clear line where that is impossible."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); expected a folder to write results in"
        ) from error
    return folder
