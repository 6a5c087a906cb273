"""Cues of a whole corpus: what a model listens to for each emotion, and whether it is expected.

For every clip: the moments that count for the model's own answer, the cues there against the
speaker's neutral clips, the same for random moments of the clip, and for its loudest moments.  Over
the corpus: the mean difference of every cue for every answer, for right and for wrong answers; and
how often cues on which the literature agrees go the expected way.  Speakers, not clips, are what
varies: tests are on means of speakers.

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
    log_scaled,
    rest_of_clip,
    speech_values,
    stretch,
)
from cuelens.cues.chance import chance_test, random_windows
from cuelens.cues.definitions import WINDOW_CUES
from cuelens.cues.experts import expert_table
from cuelens.cues.measure import CueTracks, measure_cues
from cuelens.cues.report import OF_UTTERANCES
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
_MIN_SPEAKERS_TEST = 4
_MIN_SPEAKERS_SHARE = 3

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
    baseline : str
        What the cues are compared with: see :class:`~cuelens.cues.Baseline`.
    effects : dict of str to float
        Standardised difference of each cue in the moments; NaN where there is none.
    random_effects : dict of str to float
        The mean of the same over random moments of the clip.
    random_up : dict of str to float
        Share of the random sets of moments in which the difference is above 0.
    loudest_effects : dict of str to float
        The same in the loudest moments of the clip, as many and as long.
    error : str
        Why there is nothing; "" otherwise.
    """

    file: str
    speaker: str
    truth: str
    answer: str
    p: float
    baseline: str
    effects: dict[str, float]
    random_effects: dict[str, float]
    random_up: dict[str, float]
    loudest_effects: dict[str, float]
    error: str = ""

    @property
    def correct(self) -> bool:
        """Whether the model is right."""
        return self.truth == self.answer


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its 95 % bootstrap interval over speakers; NaN with fewer than three."""

    value: float
    low: float
    high: float
    n_cells: int
    n_clips: int
    n_speakers: int


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
            effect (mean of standardised differences), n_speakers, low, high, p (t interval and test
            of speakers' means; of differences within speakers for the last group; NaN with fewer
            than four speakers), q (p with false discovery control within the group), random (mean
            over random moments), expected, status.
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
                    have = [clip for clip in clips if np.isfinite(clip.effects[cue])]
                    values[group] = have
                    if len(have) >= _MIN_CLIPS:
                        r = np.array([clip.random_effects[cue] for clip in have])
                        random = float(r[np.isfinite(r)].mean()) if np.isfinite(r).any() else np.nan
                        rows.append(
                            {**known, "group": group, **_mean_test(have, cue), "random": random}
                        )
                if min(len(values["right"]), len(values["wrong"])) >= _MIN_CLIPS:
                    test = _difference_test(values["right"], values["wrong"], cue)
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
            for _, part in frame[frame["p"].notna()].groupby("group"):
                frame.loc[part.index, "q"] = scipy.stats.false_discovery_control(part["p"])
        return frame

    def agreement(self) -> dict[str, dict[str, Share]]:
        """How often cues on which the literature agrees go the expected way.

        Returns
        -------
        dict
            For "right", "wrong" and "all" answers, and for every answered emotion: ``salient``
            moments, ``random`` moments of the same clips, the ``loudest`` moments, and
            ``difference`` (salient minus random, paired).  Counted are the signs of the differences
            from the speaker's own neutral speech, of the cues that are scored.  The share expected
            by chance is not one half: random moments show what it is.
        """
        groups = {
            "all": [c for c in self.clips if not c.error],
            "right": [c for c in self.clips if not c.error and c.correct],
            "wrong": [c for c in self.clips if not c.error and not c.correct],
        }
        for emotion in sorted({clip.answer for clip in groups["all"]}):
            groups[emotion] = [clip for clip in groups["all"] if clip.answer == emotion]
        shares = {name: _agreement(clips) for name, clips in groups.items()}
        core = ("all", "right", "wrong")
        return {n: found for n, found in shares.items() if n in core or found["salient"].n_cells}

    def to_dict(self) -> dict[str, Any]:
        """Summary as JSON types."""
        failed = [clip for clip in self.clips if clip.error]
        good = [clip for clip in self.clips if not clip.error]
        known_p = [clip.p for clip in good if np.isfinite(clip.p)]
        return {
            "corpus": self.corpus,
            "model": self.model,
            "n_clips": len(self.clips),
            "n_failed": len(failed),
            "n_right": sum(clip.correct for clip in good),
            "share_of_clips_with_p_below_0.05": (
                float(np.mean([p < 0.05 for p in known_p])) if known_p else None
            ),
            "baselines": {
                kind: sum(clip.baseline == kind for clip in good)
                for kind in sorted({clip.baseline for clip in good})
            },
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
                "baseline": clip.baseline,
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
        "versions": versions(model),
        **(settings or {}),
    }
    finished = _read_finished(resume, record)
    baselines: dict[str, Baseline | None] = {}
    clips = []
    for row in range(len(corpus)) if rows is None else rows:
        entry = corpus.table.iloc[row]
        key = f"{entry['file']}@{entry['start']}"
        if key not in finished:
            speaker = corpus.speaker_of(row) or ""
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
        settings=record,
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
        baseline = _baseline(corpus, row, speaker, baselines, window_s)
        if baseline is None:
            baseline = rest_of_clip(
                tracks, [(a, b) for a, b in intervals.tolist()], window_s=own_window_s
            )
        values = speech_values(tracks, intervals, window_s=own_window_s)
        effects = point_effects(values[None], baseline)[0]
        loud = loudest_windows(tracks, n=len(windows), window_s=own_window_s)
        loudest = point_effects(speech_values(tracks, loud, window_s=own_window_s)[None], baseline)[
            0
        ]
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
            baseline="",
            effects=nothing,
            random_effects=nothing,
            random_up=nothing,
            loudest_effects=nothing,
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
        baseline=baseline.kind,
        effects=dict(zip(WINDOW_CUES, effects.tolist(), strict=True)),
        random_effects=dict(zip(WINDOW_CUES, mean.tolist(), strict=True)),
        random_up=dict(zip(WINDOW_CUES, up.tolist(), strict=True)),
        loudest_effects=dict(zip(WINDOW_CUES, loudest.tolist(), strict=True)),
    )


def loudest_windows(tracks: CueTracks, *, n: int, window_s: float) -> FloatArray:
    """The loudest windows of a clip without overlap, shape (up to n, 2), s."""
    starts_s = np.arange(0.0, tracks.duration_s - window_s + 1e-9, 0.01)
    edges = np.column_stack([starts_s, np.minimum(starts_s + window_s, tracks.duration_s)])
    loudness = np.nan_to_num(tracks.values(edges)[:, WINDOW_CUES.index("intensity")], nan=-1.0)
    free = np.ones(len(edges), dtype=bool)
    chosen: list[FloatArray] = []
    while len(chosen) < n and free.any():
        best = int(np.where(free, loudness, -np.inf).argmax())
        chosen.append(edges[best])
        free &= np.abs(starts_s - starts_s[best]) >= window_s - 1e-9
    return np.array(chosen)


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
    values = log_scaled(values)
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
    values = speech_values(tracks, np.column_stack([starts, ends]), window_s=window_s)
    return point_effects(values.reshape(*sets.shape, len(WINDOW_CUES)), baseline)


def _baseline(
    corpus: Corpus,
    row: int,
    speaker: str,
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
                without=row if neutral else None,
            )
        except InputError:
            baselines[key] = None
    return baselines[key]


def _agreement(clips: Sequence[ClipCues]) -> dict[str, Share]:
    cells: list[tuple[int, str, float, float, float]] = []
    for number, clip in enumerate(clips):
        if clip.baseline != "speaker's neutral":
            continue
        for cue in WINDOW_CUES:
            expectation = expert_table().get((clip.answer, cue))
            effect, up, loud = clip.effects[cue], clip.random_up[cue], clip.loudest_effects[cue]
            if expectation is None or expectation.status != "strong" or cue in OF_UTTERANCES:
                continue
            if np.isfinite(effect) and np.isfinite(up) and np.isfinite(loud):
                sign = expectation.sign
                expected_up = up if sign > 0 else 1.0 - up
                cells.append(
                    (
                        number,
                        clip.speaker,
                        float(effect * sign > 0),
                        expected_up,
                        float(loud * sign > 0),
                    )
                )
    salient, random, loudest = (np.array([cell[k] for cell in cells]) for k in (2, 3, 4))
    speakers = [cell[1] for cell in cells]
    numbers = [cell[0] for cell in cells]
    return {
        "salient": _share(salient, speakers, numbers),
        "random": _share(random, speakers, numbers),
        "loudest": _share(loudest, speakers, numbers),
        "difference": _share(salient - random, speakers, numbers),
    }


def _share(values: FloatArray, speakers: Sequence[str], clips: Sequence[int]) -> Share:
    names, index = np.unique(speakers, return_inverse=True)
    nan = float("nan")
    value = float(values.mean()) if len(values) else nan
    low = high = nan
    if len(names) >= _MIN_SPEAKERS_SHARE:
        total, count = np.bincount(index, weights=values), np.bincount(index)
        draws = np.random.default_rng(0).integers(len(names), size=(N_BOOTSTRAP, len(names)))
        means = total[draws].sum(axis=1) / count[draws].sum(axis=1)
        means = value + stretch(len(names)) * (means - value)
        low, high = (
            float(np.clip(v, -1.0 if values.min() < 0 else 0.0, 1.0))
            for v in np.percentile(means, [2.5, 97.5])
        )
    return Share(
        value=value,
        low=low,
        high=high,
        n_cells=len(values),
        n_clips=len(set(clips)),
        n_speakers=len(names),
    )


def _by_speaker(clips: Sequence[ClipCues], cue: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for clip in clips:
        values.setdefault(clip.speaker, []).append(clip.effects[cue])
    return {speaker: float(np.mean(found)) for speaker, found in values.items()}


def _mean_test(clips: Sequence[ClipCues], cue: str) -> dict[str, float]:
    effect = float(np.mean([clip.effects[cue] for clip in clips]))
    return {
        "n_clips": len(clips),
        "effect": effect,
        **_t_test(np.array(list(_by_speaker(clips, cue).values())), effect),
    }


def _difference_test(
    right: Sequence[ClipCues], wrong: Sequence[ClipCues], cue: str
) -> dict[str, float]:
    one, other = _by_speaker(right, cue), _by_speaker(wrong, cue)
    both = np.array([one[speaker] - other[speaker] for speaker in one if speaker in other])
    effect = float(both.mean()) if len(both) else float("nan")
    return {"n_clips": len(right) + len(wrong), "effect": effect, **_t_test(both, effect)}


def _t_test(x: FloatArray, centre: float) -> dict[str, float]:
    """Interval around the effect and test of speakers' values, both by Student's t."""
    if len(x) < _MIN_SPEAKERS_TEST or not x.std() > 0:
        nan = float("nan")
        return {"n_speakers": len(x), "low": nan, "high": nan, "p": nan}
    reach = float(scipy.stats.t.ppf(0.975, len(x) - 1) * scipy.stats.sem(x))
    return {
        "n_speakers": len(x),
        "low": centre - reach,
        "high": centre + reach,
        "p": float(scipy.stats.ttest_1samp(x, 0.0).pvalue),
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
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        try:
            same = bool(lines) and json.loads(lines[0]) == {"settings": settings}
        except (ValueError, RecursionError):
            same = False
        if same:
            for line in lines[1:]:
                try:
                    data = json.loads(line)
                except (ValueError, RecursionError):  # being written when the run was killed
                    continue
                for name in ("effects", "random_effects", "random_up", "loudest_effects"):
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
