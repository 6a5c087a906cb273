"""What a clip's cues are compared with, and by how much they differ.

References
----------
.. [1] G. Glass, "Primary, secondary, and meta-analysis of research", Educational Researcher 5,
   1976: differences in standard deviations of the control group.
.. [2] B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, chapters 8 and 13.
.. [3] T. Hesterberg, "What teachers should know about the bootstrap", American Statistician 69,
   2015, section 4.4: percentile intervals are too narrow in small samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import scipy.stats

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.cues.definitions import CUES, WINDOW_CUES
from cuelens.cues.measure import CueTracks, measure_cues
from cuelens.errors import CuelensWarning, InputError
from cuelens.typing import FloatArray, IntArray
from cuelens.units import TimeWindows

BaselineKind = Literal["speaker's neutral", "corpus", "rest of the clip"]

N_BOOTSTRAP = 2000
_MIN_WINDOWS = 4  # of a baseline: fewer give no standard deviation to speak of
_MAX_CORPUS_CLIPS = 60  # of a baseline taken from a corpus
_SAME_PEAK_DB = 0.3
_LEVEL_CUES = ("intensity",)


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Cues of the speech that a clip is compared with.

    Parameters
    ----------
    kind : {"speaker's neutral", "corpus", "rest of the clip"}
    description : str
        In plain words, to be shown.
    windows : ndarray, shape (n_windows, n_window_cues)
        In the order of ``WINDOW_CUES``; NaN where a window has no value.
    window_clip : ndarray, shape (n_windows,), int
        Which clip each window is from.
    clips : ndarray, shape (n_clips, 12)
        Whole-clip values in the order of ``CUES``; none for the rest of a clip.
    same_peaks : bool
        All clips have the same peak: levels were evened out, and cannot be compared.
    """

    kind: BaselineKind
    description: str
    windows: FloatArray
    window_clip: IntArray
    clips: FloatArray
    same_peaks: bool = False


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A standardised difference with its 95 % interval; NaN with the reason where there is none.

    ``size`` counts standard deviations of the baseline; ``baseline`` is the baseline's mean.
    """

    size: float
    low: float
    high: float
    baseline: float
    reason: str = ""

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval excludes 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def clips_baseline(
    clips: Sequence[Audio],
    *,
    window_s: float,
    kind: BaselineKind = "speaker's neutral",
    description: str = "",
    progress: Callable[[int], None] | None = None,
) -> Baseline:
    """A baseline from other clips.

    Parameters
    ----------
    clips : sequence of Audio
        Neutral speech of the same speaker, or clips that stand for a corpus.
    window_s : float, s
        Length of the windows, the same as of those that are compared.
    kind, description
        As in :class:`Baseline`.
    progress : callable, optional
        Called with the number of further clips that were measured.

    Raises
    ------
    InputError
        No clips.
    """
    measured = []
    for clip in clips:
        measured.append(measure_cues(clip))
        if progress:
            progress(1)
    peaks_db = [20 * np.log10(float(np.abs(clip.samples).max())) for clip in clips]
    return tracks_baseline(
        measured,
        window_s=window_s,
        kind=kind,
        description=description,
        same_peaks=len(clips) >= 3 and float(np.ptp(peaks_db)) < _SAME_PEAK_DB,
    )


def tracks_baseline(
    measured: Sequence[CueTracks],
    *,
    window_s: float,
    kind: BaselineKind,
    description: str,
    same_peaks: bool = False,
) -> Baseline:
    """The same from clips that were measured already."""
    if not measured:
        raise InputError("the baseline has no clips; expected one or more")
    values = [tracks.values(tiles(tracks.duration_s, window_s)) for tracks in measured]
    return Baseline(
        kind=kind,
        description=description or f"{len(measured)} clips",
        windows=np.concatenate(values),
        window_clip=np.repeat(np.arange(len(values)), [len(rows) for rows in values]),
        clips=np.array([[cue.value for cue in tracks.clip()] for tracks in measured]),
        same_peaks=same_peaks,
    )


def corpus_baseline(
    corpus: Corpus,
    *,
    window_s: float,
    speaker: str | None = None,
    without: str = "",
    progress: Callable[[int], None] | None = None,
) -> Baseline:
    """The speaker's own neutral clips where the corpus has any, else the corpus.

    Parameters
    ----------
    corpus : Corpus
    window_s : float, s
    speaker : str or None
    without : str
        SHA-256 of a clip that is not its own baseline.

    Notes
    -----
    Without the speaker, neutral clips of the others stand for the corpus where there are any, else
    clips of all emotions; 60 at most, evenly spaced in the corpus's order.  Clips that cannot be
    read are left out with a warning.
    """
    table = corpus.table
    neutral = np.flatnonzero((table["emotion"] == "neutral").to_numpy())
    own = np.flatnonzero((table["speaker"] == speaker).to_numpy()) if speaker else np.array([], int)
    rows: IntArray = np.intersect1d(neutral, own)
    kind: BaselineKind = "speaker's neutral"
    description = f"{{n}} neutral clips of speaker {speaker} in {corpus.name}"
    if len(rows) < 2:
        kind = "corpus"
        rows = neutral if len(neutral) >= 2 else np.arange(len(corpus))
        what = "neutral clips" if len(neutral) >= 2 else "clips of all emotions"
        others = " of other speakers" if speaker else ""
        description = f"{{n}} {what}{others} in {corpus.name}"
    if len(rows) > _MAX_CORPUS_CLIPS:
        rows = rows[np.linspace(0, len(rows) - 1, _MAX_CORPUS_CLIPS).astype(int)]
    clips = []
    for row in rows:
        try:
            clip = corpus.audio(int(row), sample_rate=16_000)
        except InputError as error:
            warnings.warn(f"left out of the baseline: {error}", CuelensWarning, stacklevel=2)
            continue
        if clip.sha256 != without:
            clips.append(clip)
    return clips_baseline(
        clips,
        window_s=window_s,
        kind=kind,
        description=description.format(n=len(clips)),
        progress=progress,
    )


def rest_of_clip(
    tracks: CueTracks, intervals: Sequence[tuple[float, float]], *, window_s: float
) -> Baseline:
    """The rest of the same clip: windows of the same length that do not touch the intervals."""
    edges = tiles(tracks.duration_s, window_s)
    free = np.ones(len(edges), dtype=bool)
    for start_s, end_s in intervals:
        # Less than half a window may be shared, else little would be left to compare with.
        overlap = np.minimum(edges[:, 1], end_s) - np.maximum(edges[:, 0], start_s)
        free &= overlap < window_s / 2
    rest = edges[free]
    values = tracks.values(rest) if len(rest) else np.empty((0, len(WINDOW_CUES)))
    return Baseline(
        kind="rest of the clip",
        description="the rest of the same clip",
        windows=values,
        window_clip=np.arange(len(values)),
        clips=np.empty((0, len(CUES))),
    )


def tiles(duration_s: float, window_s: float) -> FloatArray:
    """Neighbouring windows of equal length that cover a clip, shape (n_windows, 2), s."""
    edges_s = TimeWindows(window_s=window_s).edges_s(duration_s)
    return np.array(list(pairwise(edges_s)))


def window_effects(values: FloatArray, baseline: Baseline, *, seed: int = 0) -> dict[str, Effect]:
    """How the mean of some windows differs from a baseline's windows, for every window cue.

    Parameters
    ----------
    values : ndarray, shape (n_windows, n_window_cues)
    baseline : Baseline
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to Effect
        (mean of the windows - mean of the baseline's windows) / standard deviation of the
        baseline's windows.

    Notes
    -----
    Interval: 2000 bootstrap samples of the windows, and of the baseline's clips (of its windows
    where it is a single clip), percentiles 2.5 and 97.5.  In small samples these are too narrow
    [3]_; the deviations of a mean of n are therefore stretched by sqrt(n / (n - 1)) and by the
    ratio of Student's t with n - 1 degrees of freedom to the normal distribution.
    """
    rng = np.random.default_rng(seed)
    effects = {}
    for column, key in enumerate(WINDOW_CUES):
        if key in _LEVEL_CUES and baseline.same_peaks:
            effects[key] = _no_effect("recordings with the same peak: level cannot be compared")
            continue
        x = values[:, column]
        effects[key] = effect_of(
            x[np.isfinite(x)], baseline.windows[:, column], baseline.window_clip, rng=rng
        )
    return effects


def clip_effects(
    values: Sequence[float], baseline: Baseline, *, seed: int = 0
) -> dict[str, Effect]:
    """How a whole clip differs from the baseline's clips, for every cue.

    Parameters
    ----------
    values : sequence of float, length 12
        In the order of ``CUES``.

    Returns
    -------
    dict of str to Effect
        In standard deviations between the baseline's clips.  The interval is that of the
        baseline; the clip is taken as it is.
    """
    rng = np.random.default_rng(seed)
    effects = {}
    for column, (key, value) in enumerate(zip(CUES, values, strict=True)):
        reference = baseline.clips[:, column]
        reference = reference[np.isfinite(reference)]
        if key in _LEVEL_CUES and baseline.same_peaks:
            effects[key] = _no_effect("recordings with the same peak: level cannot be compared")
        elif not np.isfinite(value):
            effects[key] = _no_effect("not measurable in this clip")
        elif len(reference) < _MIN_WINDOWS:
            effects[key] = _no_effect(
                f"{len(reference)} other clips with a value; expected {_MIN_WINDOWS} or more"
            )
        else:
            effects[key] = effect_of(
                np.array([value]), reference, np.arange(len(reference)), rng=rng, fixed=True
            )
    return effects


def effect_of(
    values: FloatArray,
    baseline: FloatArray,
    cluster: IntArray,
    *,
    rng: np.random.Generator,
    fixed: bool = False,
) -> Effect:
    """Standardised difference of a mean from a baseline, with its bootstrap interval.

    Parameters
    ----------
    values : ndarray, shape (n,), finite
    baseline : ndarray, shape (m,)
        NaN is left out.
    cluster : ndarray, shape (m,), int
        What is drawn together: the clip.
    fixed : bool
        The values are no sample: only the baseline is drawn.
    """
    known = np.isfinite(baseline)
    y, cluster = baseline[known], np.unique(cluster[known], return_inverse=True)[1]
    if not len(values):
        return _no_effect("no salient window with a value")
    if len(y) < _MIN_WINDOWS:
        return _no_effect(f"{len(y)} windows to compare with; expected {_MIN_WINDOWS} or more")
    spread = float(y.std(ddof=1))
    same = np.unique(y, return_counts=True)[1].max() if len(y) else 0
    if spread <= 1e-12 * max(1.0, float(np.abs(y).max())) or 2 * same > len(y):
        return _no_effect("the baseline hardly varies")
    size = float((values.mean() - y.mean()) / spread)
    if len(values) < 2 and not fixed:
        return Effect(
            size=size,
            low=float("nan"),
            high=float("nan"),
            baseline=float(y.mean()),
            reason="one window with a value: no interval",
        )
    if cluster.max() == 0:
        cluster = np.arange(len(y))
    n_clusters = int(cluster.max()) + 1
    count = np.bincount(cluster, minlength=n_clusters)
    total = np.bincount(cluster, weights=y, minlength=n_clusters)
    square = np.bincount(cluster, weights=(y - y.mean()) ** 2, minlength=n_clusters)
    draws = rng.integers(n_clusters, size=(N_BOOTSTRAP, n_clusters))
    n = count[draws].sum(axis=1)
    means = total[draws].sum(axis=1) / n
    spreads = np.sqrt(
        np.maximum(square[draws].sum(axis=1) / n - (means - y.mean()) ** 2, 0.0) * n / (n - 1)
    )
    means = y.mean() + _stretch(n_clusters) * (means - y.mean())
    spreads = np.where(spreads > 1e-9 * spread, spreads, spread)
    drawn = np.full(N_BOOTSTRAP, values.mean())
    if not fixed:
        picks = rng.integers(len(values), size=(N_BOOTSTRAP, len(values)))
        drawn = drawn + _stretch(len(values)) * (values[picks].mean(axis=1) - values.mean())
    low, high = np.percentile((drawn - means) / spreads, [2.5, 97.5])
    return Effect(size=size, low=float(low), high=float(high), baseline=float(y.mean()))


def _stretch(n: int) -> float:
    """What deviations of a bootstrapped mean of n are multiplied with."""
    return float(
        np.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.975, n - 1) / scipy.stats.norm.ppf(0.975)
    )


def _no_effect(reason: str) -> Effect:
    nan = float("nan")
    return Effect(size=nan, low=nan, high=nan, baseline=nan, reason=reason)
