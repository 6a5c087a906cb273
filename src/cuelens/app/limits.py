"""What the web app takes from those who use it, and for how long it keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cuelens.audio import Audio, load_audio
from cuelens.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the app.

    Parameters
    ----------
    max_mb : float, MB
        Largest file that is taken.
    max_s : float, s
        Longest recording.
    max_neutral : int
        Most neutral recordings of the same voice.
    max_waiting : int
        Requests that may wait in line; more are turned away.
    n_kept : int
        Explanations kept in memory to be asked about further; the oldest go first.
    kept_s : float, s
        How long uploaded files and explanations are kept at most.
    """

    max_mb: float = 20.0
    max_s: float = 60.0
    max_neutral: int = 10
    max_waiting: int = 32
    n_kept: int = 16
    kept_s: float = 1800.0

    def __post_init__(self) -> None:
        for name in ("max_mb", "max_s", "max_neutral", "max_waiting", "n_kept", "kept_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; expected more than 0")

    def read(self, file: str | Path, *, name: str | None = None) -> Audio:
        """Read a recording that someone gave.

        Parameters
        ----------
        file : path
        name : str or None
            What to call it; its path is shown to nobody.

        Raises
        ------
        InputError
            Too large, too long, too short, silent, or no recording.
        """
        import soundfile

        file, name = Path(file), name or Path(file).name
        try:
            size_mb = file.stat().st_size / 1e6
            if size_mb > self.max_mb:
                raise InputError(f"{name}: {size_mb:.1f} MB; expected {self.max_mb:g} MB at most")
            about = soundfile.info(file)
        except (soundfile.LibsndfileError, OSError) as error:
            raise InputError(
                f"{name}: cannot be read as sound; expected a recording as wav, flac, ogg or mp3"
            ) from error
        if about.duration > self.max_s:
            raise InputError(
                f"{name}: {about.duration:.0f} s long; expected {self.max_s:g} s at most: cut out "
                "the part you ask about, or use `cuelens timeline` for long recordings"
            )
        try:
            return replace(load_audio(file), source=name)
        except InputError as error:
            raise InputError(str(error).replace(str(file), name)) from error
