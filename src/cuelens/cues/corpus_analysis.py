"""Cues of a whole corpus: what a model listens to for each emotion, and whether it is expected.

For every clip: the moments that count for the model's own answer, the cues there against the
speaker's neutral clips, and the same for random moments of the clip.  Over the corpus: the mean
difference of every cue for every answer, for right and for wrong answers; and how often cues on
which the literature agrees go the expected way.

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency", arXiv 2511.11691 (right and wrong
   predictions).
.. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", J. Royal Statistical
   Society B 57, 1995.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats

from cuelens.audio import Audio
from cuelens.corpora import Corpus, canonical_emotion
from cuelens.cues.baseline import (
    Baseline,
    corpus_baseline,
    rest_of_clip,
)
from cuelens.cues.chance import chance_test, random_windows
from cuelens.cues.definitions import WINDOW_CUES
from cuelens.cues.experts import expert_table
from cuelens.cues.measure import CueTracks, measure_cues
from cuelens.errors import InputError
from cuelens.explain.explanation import Explanation
from cuelens.explain.salient_windows import N_WINDOWS, WINDOW_S, salient_windows
from cuelens.models.base import Model, model_name
from cuelens.provenance import versions
from cuelens.typing import FloatArray

if TYPE_CHECKING:
    import pandas as pd

N_RANDOM = 50  # random sets of moments a clip
N_BOOTSTRAP = 2000
_MIN_CLIPS = 5  # of a cell of the profile

Explain = Callable[[Audio], Explanation]


@dataclass(frozen=True, kw_only=True)
class ClipCues:
    """What was found in one clip.

    Parameters
    ----------
    file, speaker, truth, answer : str
        ``answer`` is the model's; emotions by their canonical names.
    p : float
        That the moments differ from random ones of the clip.
    effects : dict of str to float
        Standardised difference of each cue in the moments; NaN where there is none.
    random_effects : dict of str to float
        The mean of the same over random moments of the clip.
    random_up : dict of str to float
        Share of the random sets of moments in which the difference is above 0.
    error : str
        Why there is nothing; "" otherwise.
    """

    file: str
    speaker: str
    truth: str
    answer: str
    p: float
    effects: dict[str, float]
    random_effects: dict[str, float]
    random_up: dict[str, float]
    error: str = ""

    @property
    def correct(self) -> bool:
        """Whether the model is right."""
        return self.truth == self.answer


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its 95 % bootstrap interval over speakers, or over clips if they are few."""

    value: float
    low: float
    high: float
    n_cells: int
    n_clips: int


@dataclass(frozen=True, kw_only=True, eq=False)
class CorpusCues:
    """Cues of a corpus.

    Parameters
    ----------
    corpus, model : str
    clips : tuple of ClipCues
    settings : dict
        What it was made with.
    """

    corpus: str
    model: str
    clips: tuple[ClipCues, ...]
    settings: dict[str, Any]

    def profile(self) -> pd.DataFrame:
        """One row an answer, cue, and whether it was right.

        Returns
        -------
        DataFrame
            Columns emotion, cue, group ("all", "right", "wrong", "right minus wrong"), n_clips,
            effect (mean of standardised differences), low, high (95 % t interval over clips), p,
            q (p with false discovery control over all rows), random (mean over random moments),
            expected, status.
        """
        import pandas as pd

        rows = []
        emotions = sorted({clip.answer for clip in self.clips})
        for emotion in emotions:
            said = [clip for clip in self.clips if clip.answer == emotion and not clip.error]
            for cue in WINDOW_CUES:
                groups = {
                    "all": said,
                    "right": [clip for clip in said if clip.correct],
                    "wrong": [clip for clip in said if not clip.correct],
                }
                cell = expert_table().get((emotion, cue))
                known = {
                    "emotion": emotion,
                    "cue": cue,
                    "expected": cell.direction if cell else "",
                    "status": cell.status if cell else "",
                }
                values = {}
                for group, clips in groups.items():
                    x = np.array([clip.effects[cue] for clip in clips])
                    r = np.array([clip.random_effects[cue] for clip in clips])
                    values[group] = x[np.isfinite(x)]
                    r = r[np.isfinite(r)]
                    if len(values[group]) >= _MIN_CLIPS:
                        random = float(r.mean()) if len(r) else float("nan")
                        rows.append(
                            {**known, "group": group, **_mean_test(values[group]), "random": random}
                        )
                if min(len(values["right"]), len(values["wrong"])) >= _MIN_CLIPS:
                    test = _difference_test(values["right"], values["wrong"])
                    rows.append(
                        {
                            **known,
                            "group": "right minus wrong",
                            **test,
                            "random": float("nan"),
                        }
                    )
        frame = pd.DataFrame(rows)
        if not frame.empty:
            frame["q"] = np.nan
            for _, part in frame.groupby("group"):
                frame.loc[part.index, "q"] = scipy.stats.false_discovery_control(part["p"])
        return frame

    def agreement(self) -> dict[str, dict[str, Share]]:
        """How often cues on which the literature agrees go the expected way.

        Returns
        -------
        dict
            For "right", "wrong" and "all" answers: ``salient`` moments, ``random`` moments of the
            same clips, and ``difference`` (salient minus random, paired).  Counted are the signs of
            the differences from the baseline; an even chance gives one half.
        """
        groups = {
            "all": [c for c in self.clips if not c.error],
            "right": [c for c in self.clips if not c.error and c.correct],
            "wrong": [c for c in self.clips if not c.error and not c.correct],
        }
        return {name: _agreement(clips) for name, clips in groups.items()}

    def to_dict(self) -> dict[str, Any]:
        """Summary as JSON types."""
        failed = [clip for clip in self.clips if clip.error]
        good = [clip for clip in self.clips if not clip.error]
        return {
            "corpus": self.corpus,
            "model": self.model,
            "n_clips": len(self.clips),
            "n_failed": len(failed),
            "n_right": sum(clip.correct for clip in good),
            "share_of_clips_with_p_below_0.05": (
                float(np.mean([clip.p < 0.05 for clip in good if np.isfinite(clip.p)]))
                if good
                else None
            ),
            "agreement": {
                group: {name: _finite(asdict(share)) for name, share in shares.items()}
                for group, shares in self.agreement().items()
            },
            "settings": self.settings,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a clip: file, speaker, truth, answer, correct, p, error, one column a cue."""
        import pandas as pd

        rows = [
            {
                "file": clip.file,
                "speaker": clip.speaker,
                "truth": clip.truth,
                "answer": clip.answer,
                "correct": clip.correct,
                "p": clip.p,
                "error": clip.error,
                **clip.effects,
                **{f"random_{cue}": value for cue, value in clip.random_effects.items()},
            }
            for clip in self.clips
        ]
        return pd.DataFrame(rows)


def analyse_corpus(
    corpus: Corpus,
    model: Model,
    explain: Explain,
    *,
    rows: Sequence[int] | None = None,
    window_s: float = WINDOW_S,
    n_windows: int = N_WINDOWS,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    resume: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> CorpusCues:
    """Measure the cues in the salient moments of every clip.

    Parameters
    ----------
    corpus : Corpus
    model : Model
        The one that ``explain`` asks.
    explain : callable
        From a clip to an explanation with times of the model's own answer.
    rows : sequence of int or None
        Clips to take; None: all.
    window_s, n_windows
        As in :func:`~cuelens.explain.salient_windows`.
    seed : int
    settings : dict or None
        What else the result depends on; recorded.
    resume : Path or None
        File of finished clips (JSON lines); clips in it are not computed again.
    progress : callable, optional
        Called with the number of further clips that are done.

    Notes
    -----
    A clip that fails is recorded with its reason.
    """
    record = {
        "window_s": window_s,
        "n_windows": n_windows,
        "seed": seed,
        "corpus": corpus.name,
        "model": model_name(model),
        **(settings or {}),
    }
    finished = _read_finished(resume, record)
    baselines: dict[str, Baseline | None] = {}
    clips = []
    for row in range(len(corpus)) if rows is None else rows:
        entry = corpus.table.iloc[row]
        key = f"{entry['file']}@{entry['start']}"
        if key not in finished:
            speaker = "" if entry["speaker"] is None else str(entry["speaker"])
            finished[key] = _one_clip(
                corpus, row, speaker, explain, baselines, window_s, n_windows, seed
            )
            if resume is not None:
                _append(resume, key, finished[key])
        clips.append(finished[key])
        if progress:
            progress(1)
    return CorpusCues(
        corpus=corpus.name,
        model=model_name(model),
        clips=tuple(clips),
        settings={**record, "versions": dict(versions())},
    )


def _one_clip(
    corpus: Corpus,
    row: int,
    speaker: str,
    explain: Explain,
    baselines: dict[str, Baseline | None],
    window_s: float,
    n_windows: int,
    seed: int,
) -> ClipCues:
    entry = corpus.table.iloc[row]
    nothing = dict.fromkeys(WINDOW_CUES, float("nan"))
    known = {"file": str(entry["file"]), "speaker": speaker, "truth": str(entry["emotion"])}
    answer = ""
    try:
        audio = corpus.audio(row)
        explanation = explain(audio)
        answer = _emotion(explanation.target)
        tracks = measure_cues(audio)
        own_window_s = min(window_s, audio.duration_s)
        windows = salient_windows(explanation, n=n_windows, window_s=own_window_s)
        if not windows:
            raise InputError("no moment supports the answer")
        intervals = np.array([(window.start_s, window.end_s) for window in windows])
        baseline = _baseline(corpus, row, speaker, audio, baselines, window_s)
        if baseline is None:
            baseline = rest_of_clip(
                tracks, [(a, b) for a, b in intervals.tolist()], window_s=own_window_s
            )
        effects = point_effects(tracks.values(intervals)[None], baseline)[0]
        sets = random_windows(
            tracks, intervals[:, 0], window_s=own_window_s, n_draws=N_RANDOM, seed=seed + row
        )
        random = _random_effects(tracks, sets, own_window_s, baseline)
        p = chance_test(tracks, [(a, b) for a, b in intervals.tolist()], seed=seed + row).p
    except InputError as error:
        return ClipCues(
            **known,
            answer=answer,
            p=float("nan"),
            effects=nothing,
            random_effects=nothing,
            random_up=nothing,
            error=str(error),
        )
    known_random = np.isfinite(random)
    with np.errstate(invalid="ignore"):
        n = known_random.sum(axis=0)
        mean = np.where(known_random, random, 0.0).sum(axis=0) / np.where(n, n, np.nan)
        up = (random > 0).sum(axis=0) / np.where(n, n, np.nan)
    return ClipCues(
        **known,
        answer=answer,
        p=p,
        effects=dict(zip(WINDOW_CUES, effects.tolist(), strict=True)),
        random_effects=dict(zip(WINDOW_CUES, mean.tolist(), strict=True)),
        random_up=dict(zip(WINDOW_CUES, up.tolist(), strict=True)),
    )


def point_effects(values: FloatArray, baseline: Baseline) -> FloatArray:
    """Standardised differences without intervals, of many sets of windows at once.

    Parameters
    ----------
    values : ndarray, shape (n_sets, n_windows, n_window_cues)
    baseline : Baseline

    Returns
    -------
    ndarray, shape (n_sets, n_window_cues)
    """
    known = np.isfinite(values)
    n = known.sum(axis=1)
    mean = np.where(known, values, 0.0).sum(axis=1) / np.where(n, n, np.nan)
    effects = np.full(mean.shape, np.nan)
    for column, key in enumerate(WINDOW_CUES):
        y = baseline.windows[:, column]
        y = y[np.isfinite(y)]
        if len(y) >= 4 and y.std() > 0 and not (key == "intensity" and baseline.same_peaks):
            effects[:, column] = (mean[:, column] - y.mean()) / y.std(ddof=1)
    return effects


def _random_effects(
    tracks: CueTracks, sets: FloatArray, window_s: float, baseline: Baseline
) -> FloatArray:
    if not len(sets):
        return np.full((1, len(WINDOW_CUES)), np.nan)
    starts = sets.ravel()
    ends = np.minimum(starts + window_s, tracks.duration_s)
    values = tracks.values(np.column_stack([starts, ends])).reshape(*sets.shape, len(WINDOW_CUES))
    return point_effects(values, baseline)


def _baseline(
    corpus: Corpus,
    row: int,
    speaker: str,
    audio: Audio,
    baselines: dict[str, Baseline | None],
    window_s: float,
) -> Baseline | None:
    """The speaker's neutral clips, without the clip itself; made once a speaker."""
    neutral = str(corpus.table.iloc[row]["emotion"]) == "neutral"
    key = f"{speaker} without {row}" if neutral else speaker
    if key not in baselines:
        try:
            baselines[key] = corpus_baseline(
                corpus,
                window_s=window_s,
                speaker=speaker or None,
                without=audio.sha256 if neutral else "",
            )
        except InputError:
            baselines[key] = None
    return baselines[key]


def _agreement(clips: Sequence[ClipCues]) -> dict[str, Share]:
    cells: list[tuple[int, str, float, float]] = []
    for number, clip in enumerate(clips):
        for cue in WINDOW_CUES:
            expectation = expert_table().get((clip.answer, cue))
            effect, up = clip.effects[cue], clip.random_up[cue]
            if expectation is None or expectation.status != "strong":
                continue
            if np.isfinite(effect) and np.isfinite(up):
                expected_up = up if expectation.sign > 0 else 1.0 - up
                cells.append(
                    (number, clip.speaker, float(effect * expectation.sign > 0), expected_up)
                )
    salient = np.array([cell[2] for cell in cells])
    random = np.array([cell[3] for cell in cells])
    speakers = np.array([cell[1] for cell in cells])
    numbers = np.array([cell[0] for cell in cells])
    cluster = speakers if len(np.unique(speakers)) >= 8 else numbers
    return {
        "salient": _share(salient, cluster, numbers),
        "random": _share(random, cluster, numbers),
        "difference": _share(salient - random, cluster, numbers),
    }


def _share(values: FloatArray, cluster: Any, clips: Any) -> Share:
    if not len(values):
        nan = float("nan")
        return Share(value=nan, low=nan, high=nan, n_cells=0, n_clips=0)
    names, index = np.unique(cluster, return_inverse=True)
    total, count = np.bincount(index, weights=values), np.bincount(index)
    draws = np.random.default_rng(0).integers(len(names), size=(N_BOOTSTRAP, len(names)))
    means = total[draws].sum(axis=1) / count[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Share(
        value=float(values.mean()),
        low=float(low),
        high=float(high),
        n_cells=len(values),
        n_clips=len(np.unique(clips)),
    )


def _mean_test(x: FloatArray) -> dict[str, float]:
    error = x.std(ddof=1) / np.sqrt(len(x))
    reach = scipy.stats.t.ppf(0.975, len(x) - 1) * error
    p = float(scipy.stats.ttest_1samp(x, 0.0).pvalue) if error > 0 else 1.0
    return {
        "n_clips": len(x),
        "effect": float(x.mean()),
        "low": float(x.mean() - reach),
        "high": float(x.mean() + reach),
        "p": p,
    }


def _difference_test(right: FloatArray, wrong: FloatArray) -> dict[str, float]:
    test = scipy.stats.ttest_ind(right, wrong, equal_var=False)
    interval = test.confidence_interval(0.95)
    return {
        "n_clips": len(right) + len(wrong),
        "effect": float(right.mean() - wrong.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "p": float(test.pvalue) if np.isfinite(test.pvalue) else 1.0,
    }


def _emotion(label: str) -> str:
    try:
        return canonical_emotion(label)
    except InputError:
        return label


def _read_finished(file: Path | None, record: dict[str, Any]) -> dict[str, ClipCues]:
    """Clips of an earlier run with the same settings; starts the file anew otherwise."""
    if file is None:
        return {}
    settings = json.loads(json.dumps(record))
    found: dict[str, ClipCues] = {}
    if file.exists():
        lines = file.read_text(encoding="utf-8").splitlines()
        try:
            same = bool(lines) and json.loads(lines[0]) == {"settings": settings}
        except ValueError:
            same = False
        if same:
            for line in lines[1:]:
                try:
                    data = json.loads(line)
                except ValueError:  # the line that was being written when the run was killed
                    continue
                for name in ("effects", "random_effects", "random_up"):
                    data["clip"][name] = {k: _nan(v) for k, v in data["clip"][name].items()}
                data["clip"]["p"] = _nan(data["clip"]["p"])
                found[data["key"]] = ClipCues(**data["clip"])
            if not lines[-1].endswith("}"):
                with file.open("a", encoding="utf-8") as stream:
                    stream.write("\n")
            return found
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"settings": settings}) + "\n", encoding="utf-8")
    return found


def _append(file: Path, key: str, clip: ClipCues) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"key": key, "clip": _finite(asdict(clip))}) + "\n")


def _finite(data: Any) -> Any:
    """NaN as null, at any depth."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, float) and not np.isfinite(data):
        return None
    return data


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
