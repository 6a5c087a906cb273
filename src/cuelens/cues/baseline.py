"""What a clip's cues are compared with, and by how much they differ.

References
----------
.. [1] G. Glass, "Primary, secondary, and meta-analysis of research", Educational Researcher 5,
   1976: differences in standard deviations of the control group.
.. [2] B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, chapters 8 and 13.
.. [3] T. Hesterberg, "What teachers should know about the bootstrap", American Statistician 69,
   2015, section 4.4: percentile intervals are too narrow in small samples.
.. [4] J. Crawford, D. Howell, "Comparing an individual's test score against norms derived from
   small samples", The Clinical Neuropsychologist 12, 1998.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.stats

from cuelens.audio import Audio
from cuelens.corpora import Corpus
from cuelens.cues.definitions import CUES, WINDOW_CUES
from cuelens.cues.measure import CueTracks, measure_cues, windows_in_speech
from cuelens.errors import CuelensWarning, InputError
from cuelens.typing import FloatArray, IntArray

BaselineKind = Literal["speaker's neutral", "corpus", "rest of the clip"]

N_BOOTSTRAP = 2000
_MIN_WINDOWS = 4  # of a baseline: fewer give no standard deviation to speak of
_MAX_CORPUS_CLIPS = 60  # of a baseline taken from a corpus
_SAME_PEAK_DB = 0.3
_SAME_PEAK_SHARE = 0.9
_MIN_SAME_PEAK = 3
_MIN_PAIRS = 8
_WIDEST = 10.0  # standard deviations: an interval wider than this and than the size says nothing
_UNCERTAIN = "too uncertain: the interval is wider than 10 SD, and than the difference"
_LEVEL_CUES = ("intensity",)
_LOUDNESS_CUES = ("intensity", "intensity_variability")
_SKEWED = {"f0_range": 0.25, "jitter": 0.0, "shimmer": 0.0}  # what is added before the logarithm


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Cues of the speech that a clip is compared with.

    Parameters
    ----------
    kind : {"speaker's neutral", "corpus", "rest of the clip"}
    description : str
        In plain words, to be shown.
    windows : ndarray, shape (n_windows, n_window_cues)
        Of the windows in speech, :func:`log_scaled`, in the order of ``WINDOW_CUES``; NaN where a
        window has no value.
    likeness : ndarray, shape (n_window_cues,)
        Correlation of neighbouring windows, 0 to 0.95.
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
    likeness: FloatArray
    window_clip: IntArray
    clips: FloatArray
    same_peaks: bool = False


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A standardised difference with its 95 % interval; NaN with the reason where there is none.

    ``size`` counts standard deviations of the baseline; ``baseline`` is the baseline's mean (its
    geometric mean for cues on a logarithmic scale).
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
    return tracks_baseline(
        measured,
        window_s=window_s,
        kind=kind,
        description=description,
        same_peaks=evened_out([20 * np.log10(float(np.abs(c.samples).max())) for c in clips]),
    )


def evened_out(peaks_db: Sequence[float]) -> bool:
    """Whether recordings were scaled to one peak: nine in ten within 0.3 dB, of three or more."""
    if len(peaks_db) < _MIN_SAME_PEAK:
        return False
    near = np.abs(np.array(peaks_db) - np.median(peaks_db)) <= _SAME_PEAK_DB / 2
    return float(near.mean()) >= _SAME_PEAK_SHARE


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
    values, neighbours = [], []
    for tracks in measured:
        edges = tiles(tracks.duration_s, window_s)
        speech = windows_in_speech(tracks, edges[:, 0], window_s=window_s)
        found = log_scaled(tracks.values(edges))
        values.append(found[speech])
        neighbours.append(np.stack([found[:-1], found[1:]])[:, speech[:-1] & speech[1:]])
    return Baseline(
        kind=kind,
        description=description or f"{len(measured)} clips",
        windows=np.concatenate(values),
        window_clip=np.repeat(np.arange(len(values)), [len(rows) for rows in values]),
        likeness=_likeness(np.concatenate(neighbours, axis=1)),
        clips=np.array([[cue.value for cue in tracks.clip()] for tracks in measured]),
        same_peaks=same_peaks,
    )


def corpus_baseline(
    corpus: Corpus,
    *,
    window_s: float,
    speaker: str | None = None,
    without: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Baseline:
    """The speaker's own neutral clips where the corpus has any, else the corpus.

    Parameters
    ----------
    corpus : Corpus
    window_s : float, s
    speaker : str or None
    without : int or None
        Row of the clip in question, which is not its own baseline.

    Notes
    -----
    Without the speaker, neutral clips of the others stand for the corpus where there are any, else
    clips of all emotions; 60 at most, evenly spaced in the corpus's order.  Clips that cannot be
    read are left out with a warning.
    """
    table = corpus.table
    others = np.arange(len(table)) != (-1 if without is None else without)
    neutral = np.flatnonzero((table["emotion"] == "neutral").to_numpy() & others)
    own = np.flatnonzero((table["speaker"] == speaker).to_numpy()) if speaker else np.array([], int)
    rows: IntArray = np.intersect1d(neutral, own)
    kind: BaselineKind = "speaker's neutral"
    description = f"{{n}} neutral clips of speaker {speaker} in {corpus.name}"
    if len(rows) < 2:
        kind = "corpus"
        rows = neutral if len(neutral) >= 2 else np.flatnonzero(others)
        what = "neutral clips" if len(neutral) >= 2 else "clips of all emotions"
        whose = " of other speakers" if speaker else ""
        if speaker:
            rows = np.setdiff1d(rows, own)
        description = f"{{n}} {what}{whose} in {corpus.name}"
    if len(rows) > _MAX_CORPUS_CLIPS:
        rows = rows[np.linspace(0, len(rows) - 1, _MAX_CORPUS_CLIPS).astype(int)]
    clips = []
    for row in rows:
        try:
            clip = corpus.audio(int(row), sample_rate=16_000)
        except InputError as error:
            warnings.warn(f"left out of the baseline: {error}", CuelensWarning, stacklevel=2)
            continue
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
    """The rest of the same clip: windows in speech that share less than half with the intervals."""
    edges = tiles(tracks.duration_s, window_s)
    shared_s = np.zeros(len(edges))
    for start_s, end_s in intervals:
        overlap = np.minimum(edges[:, 1], end_s) - np.maximum(edges[:, 0], start_s)
        shared_s += np.maximum(overlap, 0.0)
    speech = windows_in_speech(tracks, edges[:, 0], window_s=window_s)
    found = log_scaled(tracks.values(edges))
    rest = found[(shared_s < window_s / 2) & speech]
    return Baseline(
        kind="rest of the clip",
        description="the rest of the same clip",
        windows=rest,
        likeness=_likeness(np.stack([found[:-1], found[1:]])[:, speech[:-1] & speech[1:]]),
        window_clip=np.arange(len(rest)),
        clips=np.empty((0, len(CUES))),
    )


def tiles(duration_s: float, window_s: float) -> FloatArray:
    """Neighbouring windows of equal length from the start of a clip, shape (n_windows, 2), s."""
    starts_s = np.arange(max(1, int(duration_s / window_s + 1e-9))) * window_s
    return np.column_stack([starts_s, np.minimum(starts_s + window_s, duration_s)])


def log_scaled(values: FloatArray) -> FloatArray:
    """Window cues with skewed ones on a logarithmic scale: pitch range, jitter and shimmer.

    Octave errors and rough frames give these a long tail, which would make nearly every window look
    lower than the mean.  Pitch range is taken as log(range + 0.25 semitones).

    Parameters
    ----------
    values : ndarray, shape (..., n_window_cues)
    """
    scaled = np.array(values, dtype=np.float64)
    for key, offset in _SKEWED.items():
        column = WINDOW_CUES.index(key)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(scaled[..., column] + offset)
        scaled[..., column] = np.where(np.isfinite(logs), logs, np.nan)
    return scaled


def speech_values(
    tracks: CueTracks, intervals: Sequence[tuple[float, float]] | FloatArray, *, window_s: float
) -> FloatArray:
    """Window cues, without the loudness of windows that are not speech.

    Silence is soft whatever the voice does; baselines hold windows in speech only.
    """
    edges = np.asarray(intervals, dtype=np.float64)
    values = tracks.values(edges)
    silent = ~windows_in_speech(tracks, edges[:, 0], window_s=window_s)
    for key in _LOUDNESS_CUES:
        values[silent, WINDOW_CUES.index(key)] = np.nan
    return values


def window_effects(
    values: FloatArray,
    starts_s: Sequence[float] | FloatArray,
    baseline: Baseline,
    *,
    window_s: float,
    seed: int = 0,
) -> dict[str, Effect]:
    """How the mean of some windows differs from a baseline's windows, for every window cue.

    Parameters
    ----------
    values : ndarray, shape (n_windows, n_window_cues)
    starts_s : array_like, shape (n_windows,), s
    baseline : Baseline
    window_s : float, s
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to Effect
        (mean of the windows - mean of the baseline's windows) / standard deviation of the
        baseline's windows, on the scale of :func:`log_scaled`.

    Notes
    -----
    Interval: 2000 bootstrap samples of the windows, and of the baseline's clips (of its windows
    where it is the rest of the clip), percentiles 2.5 and 97.5.  In small samples these are too
    narrow [3]_; the deviations of a mean of n are therefore stretched by sqrt(n / (n - 1)) and by
    the ratio of Student's t with n - 1 degrees of freedom to the normal distribution.  Neighbouring
    windows resemble each other, with a correlation r taken from the baseline: the deviations of the
    windows' mean are further stretched by sqrt(1 + 2/n sum_{i<j} r^d), d the distance in windows.
    """
    rng = np.random.default_rng(seed)
    scaled = log_scaled(values)
    starts = np.asarray(starts_s, dtype=np.float64) / window_s
    effects = {}
    for column, key in enumerate(WINDOW_CUES):
        if key in _LEVEL_CUES and baseline.same_peaks:
            effects[key] = _no_effect("recordings with the same peak: level cannot be compared")
            continue
        known = np.isfinite(scaled[:, column])
        at = starts[known]
        distance = np.abs(at[:, None] - at[None])[np.triu_indices(len(at), 1)]
        alike = (baseline.likeness[column] ** np.maximum(distance, 1.0)).sum()
        effects[key] = effect_of(
            scaled[known, column],
            baseline.windows[:, column],
            baseline.window_clip,
            rng=rng,
            widen=float(np.sqrt(1 + 2 * alike / max(1, len(at)))),
        )
        if key in _SKEWED and np.isfinite(effects[key].baseline):
            geometric = float(np.exp(effects[key].baseline) - _SKEWED[key])
            effects[key] = replace(effects[key], baseline=geometric)
    return effects


def clip_effects(values: Sequence[float], baseline: Baseline) -> dict[str, Effect]:
    """How a whole clip differs from the baseline's clips, for every cue.

    Parameters
    ----------
    values : sequence of float, length 12
        In the order of ``CUES``.

    Returns
    -------
    dict of str to Effect
        In standard deviations between the baseline's clips, with the interval for a single case
        against n others: size +- t(n - 1) sqrt(1 + 1/n) [4]_.
    """
    effects = {}
    for column, (key, value) in enumerate(zip(CUES, values, strict=True)):
        y = baseline.clips[:, column]
        y = y[np.isfinite(y)]
        if key in _LEVEL_CUES and baseline.same_peaks:
            effects[key] = _no_effect("recordings with the same peak: level cannot be compared")
        elif not np.isfinite(value):
            effects[key] = _no_effect("not measurable in this clip")
        elif len(y) < _MIN_WINDOWS:
            effects[key] = _no_effect(
                f"{len(y)} other clips with a value; expected {_MIN_WINDOWS} or more"
            )
        elif hardly_varies(y):
            effects[key] = _no_effect("the baseline hardly varies")
        else:
            size = float((value - y.mean()) / y.std(ddof=1))
            reach = float(scipy.stats.t.ppf(0.975, len(y) - 1) * np.sqrt(1 + 1 / len(y)))
            effects[key] = Effect(
                size=size, low=size - reach, high=size + reach, baseline=float(y.mean())
            )
    return effects


def effect_of(
    values: FloatArray,
    baseline: FloatArray,
    cluster: IntArray,
    *,
    rng: np.random.Generator,
    widen: float = 1.0,
) -> Effect:
    """Standardised difference of a mean from a baseline, with its bootstrap interval.

    Parameters
    ----------
    values : ndarray, shape (n,), finite
    baseline : ndarray, shape (m,)
        NaN is left out.
    cluster : ndarray, shape (m,), int
        What is drawn together: the clip.
    widen : float
        What deviations of the values' mean are further multiplied with.
    """
    known = np.isfinite(baseline)
    y, cluster = baseline[known], np.unique(cluster[known], return_inverse=True)[1]
    if not len(values):
        return _no_effect("no salient window with a value")
    if len(y) < _MIN_WINDOWS:
        return _no_effect(f"{len(y)} windows to compare with; expected {_MIN_WINDOWS} or more")
    if hardly_varies(y):
        return _no_effect("the baseline hardly varies")
    spread = float(y.std(ddof=1))
    size = float((values.mean() - y.mean()) / spread)
    few = ""
    if len(values) < 2:
        few = "one window with a value: no interval"
    elif cluster.max() == 0:
        few = "one clip to compare with: no interval"
    if few:
        nan = float("nan")
        return Effect(size=size, low=nan, high=nan, baseline=float(y.mean()), reason=few)
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
    means = y.mean() + stretch(n_clusters) * (means - y.mean())
    spreads = np.where(spreads > 1e-9 * spread, spreads, spread)
    picks = rng.integers(len(values), size=(N_BOOTSTRAP, len(values)))
    deviation = values[picks].mean(axis=1) - values.mean()
    drawn = values.mean() + widen * stretch(len(values)) * deviation
    low, high = np.percentile((drawn - means) / spreads, [2.5, 97.5])
    if high - low > max(_WIDEST, abs(size)):
        nan = float("nan")
        return Effect(size=size, low=nan, high=nan, baseline=float(y.mean()), reason=_UNCERTAIN)
    return Effect(size=size, low=float(low), high=float(high), baseline=float(y.mean()))


def _likeness(pairs: FloatArray) -> FloatArray:
    """Correlation of neighbouring windows for every cue, from pairs (2, n_pairs, n_cues)."""
    likeness = np.zeros(pairs.shape[2])
    for column in range(pairs.shape[2]):
        left, right = pairs[:, np.isfinite(pairs[:, :, column]).all(axis=0), column]
        if len(left) >= _MIN_PAIRS and left.std() > 0 and right.std() > 0:
            likeness[column] = np.clip(np.corrcoef(left, right)[0, 1], 0.0, 0.95)
    return likeness


def hardly_varies(y: FloatArray) -> bool:
    """Whether values are the same, or more than half of them are."""
    same = np.unique(y, return_counts=True)[1].max()
    return bool(y.std() <= 1e-12 * max(1.0, float(np.abs(y).max())) or 2 * same > len(y))


def stretch(n: int) -> float:
    """What deviations of a bootstrapped mean of n are multiplied with."""
    return float(
        np.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.975, n - 1) / scipy.stats.norm.ppf(0.975)
    )


def _no_effect(reason: str) -> Effect:
    nan = float("nan")
    return Effect(size=nan, low=nan, high=nan, baseline=nan, reason=reason)
