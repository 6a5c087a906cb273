"""What the voice does at the moments a model listened to: salient windows to cues.

Three things stand beside each other for every cue: what the literature expects of the emotion,
what a corpus shows, and what was measured where the model listened.  Agreement between the first
and the third says whether the model's reason is the one people know.  It does not say whether the
explanation is faithful to the model: a correct explanation of a model that learned something
unusual disagrees with theory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.audio import Audio
from cuelens.corpora import canonical_emotion
from cuelens.cues.baseline import (
    Baseline,
    Effect,
    clip_effects,
    rest_of_clip,
    speech_values,
    window_effects,
)
from cuelens.cues.chance import ChanceTest, chance_test
from cuelens.cues.definitions import CUES, WINDOW_CUES
from cuelens.cues.experts import Expectation, expert_table
from cuelens.cues.measure import CueTracks, CueValue, measure_cues
from cuelens.cues.profile import CorpusProfile, ProfileCell
from cuelens.errors import InputError
from cuelens.explain.explanation import Explanation
from cuelens.explain.salient_windows import (
    N_WINDOWS,
    WINDOW_S,
    SalientWindow,
    salient_windows,
)

if TYPE_CHECKING:
    import pandas as pd


# The literature speaks of the range and contour of utterances, not of 150 ms.
OF_UTTERANCES = ("f0_range", "f0_contour")


@dataclass(frozen=True, kw_only=True)
class CueRow:
    """One cue where the model listened.

    Parameters
    ----------
    cue : str
        Key in ``CUES``.
    value : float
        Mean over the salient windows; over the whole clip where the cue has no windows.
    unit : str
    in_windows : bool
        Whether the value is from the salient windows.
    clip_value : float
        Of the whole clip.
    n_windows : int
        Salient windows with a value.
    effect : Effect
        Against the baseline.
    clip_effect : Effect
        Of the whole clip against the baseline's clips, as a single case: see
        :func:`~cuelens.cues.baseline.clip_effects`.
    comparable : bool
        Whether the literature speaks of the same thing: the baseline is the speaker's own neutral
        speech, and the cue is not one of whole utterances that was measured in moments.
    p, p_adjusted : float
        Against random windows of the clip: for this cue alone, and for all cues together; NaN
        where there is no test.
    expectation : Expectation or None
        What the literature expects of the target; None where it claims nothing.
    corpus : ProfileCell or None
        What the corpus shows.
    reason : str
        Why there is no value or no effect; "" otherwise.
    flag : str
        What looks wrong about the value.
    """

    cue: str
    value: float
    unit: str
    in_windows: bool
    clip_value: float
    n_windows: int
    effect: Effect
    clip_effect: Effect
    comparable: bool
    p: float
    p_adjusted: float
    expectation: Expectation | None
    corpus: ProfileCell | None
    reason: str = ""
    flag: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether a cue that is scored goes the expected way; None where the interval holds 0.

        None also where the cue is not scored.
        """
        if not self.scored or not self.effect.sign or self.expectation is None:
            return None
        return self.effect.sign == self.expectation.sign

    @property
    def scored(self) -> bool:
        """Whether the literature agrees about the cue and speaks of what was measured."""
        strong = self.expectation is not None and self.expectation.status == "strong"
        return strong and self.comparable and bool(np.isfinite(self.effect.low))


@dataclass(frozen=True, kw_only=True, eq=False)
class CueReport:
    """Salient windows, and the cues there.

    Parameters
    ----------
    emotion : str
        The target as a canonical emotion; "" where it is none.
    windows : tuple of SalientWindow
        Most relevant first.
    n_certain : int or None
        How many of the windows stand on units whose weights have an interval above 0; None where
        the explanation has no intervals.
    rows : tuple of CueRow
        In the order of ``CUES``.
    baseline : str
        What was compared with, in plain words.
    baseline_kind : str
    chance : ChanceTest
    voiced_share : float
        Share of the salient windows that is voiced.
    corpus : str
        Where the corpus column is from; "" where there is none.
    tracks : CueTracks
        The clip's descriptors, to draw; not stored in JSON.
    """

    emotion: str
    windows: tuple[SalientWindow, ...]
    n_certain: int | None
    rows: tuple[CueRow, ...]
    baseline: str
    baseline_kind: str
    chance: ChanceTest
    voiced_share: float
    corpus: str
    tracks: CueTracks

    @property
    def scored(self) -> list[CueRow]:
        """Cues that are scored: see :attr:`CueRow.scored`."""
        return [row for row in self.rows if row.scored]

    @property
    def agreement(self) -> dict[str, int]:
        """How many scored cues agree, disagree, or are undecided."""
        return {
            "agree": sum(row.agrees is True for row in self.scored),
            "disagree": sum(row.agrees is False for row in self.scored),
            "undecided": sum(row.agrees is None for row in self.scored),
        }

    def to_dict(self) -> dict[str, Any]:
        """``windows``, ``cues`` and ``cue_summary`` as JSON types; NaN is null."""
        return {
            "windows": [
                {"start_s": window.start_s, "end_s": window.end_s, "score": window.score}
                for window in self.windows
            ],
            "cues": [_row_dict(row, self.baseline) for row in self.rows],
            "cue_summary": {
                "emotion": self.emotion,
                "baseline": self.baseline,
                "baseline_kind": self.baseline_kind,
                "n_windows_certain": self.n_certain,
                "p_windows_differ": _number(self.chance.p),
                "voiced_share": _number(self.voiced_share),
                "agreement": self.agreement,
                "corpus": self.corpus,
            },
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a cue, indexed by its key, with the columns of ``cues`` in the JSON."""
        import pandas as pd

        rows = [_row_dict(row, self.baseline) for row in self.rows]
        frame = pd.DataFrame(rows).set_index("cue")
        frame["sources"] = frame["sources"].str.join("; ")
        return frame


def cue_report(
    explanation: Explanation,
    audio: Audio,
    *,
    baseline: Baseline | None = None,
    windows: Sequence[SalientWindow] | None = None,
    profile: CorpusProfile | None = None,
    tracks: CueTracks | None = None,
    n_windows: int = N_WINDOWS,
    window_s: float = WINDOW_S,
    seed: int = 0,
) -> CueReport:
    """Measure the cues in an explanation's salient windows and compare them.

    Parameters
    ----------
    explanation : Explanation
        With times: see :func:`~cuelens.explain.salient_windows`.
    audio : Audio
        The clip.
    baseline : Baseline or None
        None: the rest of the same clip.
    windows : sequence of SalientWindow or None
        None: the best ``n_windows`` of ``window_s``.
    profile : CorpusProfile or None
        For the corpus column.
    tracks : CueTracks or None
        The clip's cues where they were measured already.
    seed : int
        Of bootstrap and random windows.

    Raises
    ------
    InputError
        The explanation has no times, or no window supports the target.
    """
    tracks = tracks or measure_cues(audio)
    window_s = min(window_s, explanation.clip.duration_s)
    if windows is None:
        windows = salient_windows(explanation, n=n_windows, window_s=window_s)
    if not windows:
        raise InputError(
            f"no moment of {explanation.clip.path} supports {explanation.target}; expected a "
            "positive weight somewhere: ask for another target"
        )
    intervals = [(window.start_s, window.end_s) for window in windows]
    if baseline is None:
        baseline = rest_of_clip(tracks, intervals, window_s=window_s)
    values = speech_values(tracks, intervals, window_s=window_s)
    pooled = {cue.cue: cue for cue in tracks.windows(intervals)}
    whole = {cue.cue: cue for cue in tracks.clip()}
    starts_s = [start_s for start_s, _ in intervals]
    in_windows = window_effects(values, starts_s, baseline, window_s=window_s, seed=seed)
    of_clip = clip_effects([whole[key].value for key in CUES], baseline)
    chance = chance_test(tracks, intervals, seed=seed)
    try:
        emotion = canonical_emotion(explanation.target)
    except InputError:  # a label of the model's own: nothing is claimed about it
        emotion = ""
    rows = []
    for key, cue in CUES.items():
        per_window = key in WINDOW_CUES
        known = np.isfinite(values[:, WINDOW_CUES.index(key)]) if per_window else np.array([])
        column = values[:, WINDOW_CUES.index(key)][known] if per_window else np.array([])
        value = float(column.mean()) if len(column) else float("nan")
        source: CueValue = pooled[key] if per_window else whole[key]
        effect = in_windows[key] if per_window else of_clip[key]
        rows.append(
            CueRow(
                cue=key,
                value=value if per_window else whole[key].value,
                unit=cue.unit,
                in_windows=per_window,
                clip_value=whole[key].value,
                n_windows=int(known.sum()),
                effect=effect,
                clip_effect=of_clip[key],
                comparable=baseline.kind == "speaker's neutral" and key not in OF_UTTERANCES,
                p=chance.by_cue.get(key, float("nan")),
                p_adjusted=chance.by_cue_adjusted.get(key, float("nan")),
                expectation=expert_table().get((emotion, key)),
                corpus=profile.cells.get((emotion, key)) if profile else None,
                reason=(source.reason or effect.reason) if np.isnan(effect.low) else "",
                flag=source.flag,
            )
        )
    return CueReport(
        emotion=emotion,
        windows=tuple(windows),
        n_certain=_certain(explanation, windows),
        rows=tuple(rows),
        baseline=baseline.description,
        baseline_kind=baseline.kind,
        chance=chance,
        voiced_share=pooled["f0_level"].voiced_share,
        corpus=profile.corpus if profile else "",
        tracks=tracks,
    )


def _certain(explanation: Explanation, windows: Sequence[SalientWindow]) -> int | None:
    """Windows of which at least half lies on units whose interval is above 0."""
    if explanation.ci_low is None or explanation.map is not None:
        return None
    low = explanation.ci_low[explanation.target_index]
    return sum(
        sum(
            max(0.0, min(window.end_s, unit.end_s) - max(window.start_s, unit.start_s))
            for unit, above in zip(explanation.units, low > 0, strict=True)
            if above
        )
        >= (window.end_s - window.start_s) / 2
        for window in windows
    )


def _row_dict(row: CueRow, baseline: str) -> dict[str, Any]:
    expectation, corpus = row.expectation, row.corpus
    return {
        "cue": row.cue,
        "value": _number(row.value),
        "unit": row.unit,
        "in_windows": row.in_windows,
        "clip_value": _number(row.clip_value),
        "n_windows": row.n_windows,
        "baseline": baseline,
        "baseline_value": _number(row.effect.baseline),
        "effect_size": _number(row.effect.size),
        "ci_low": _number(row.effect.low),
        "ci_high": _number(row.effect.high),
        "clip_effect_size": _number(row.clip_effect.size),
        "clip_ci_low": _number(row.clip_effect.low),
        "clip_ci_high": _number(row.clip_effect.high),
        "p_random_windows": _number(row.p),
        "p_random_windows_adjusted": _number(row.p_adjusted),
        "expected": expectation.direction if expectation else None,
        "status": expectation.status if expectation else None,
        "scored": row.scored,
        "agrees": row.agrees,
        "sources": list(expectation.sources) if expectation else [],
        "corpus_difference": corpus.difference if corpus else None,
        "corpus_ci_low": corpus.low if corpus else None,
        "corpus_ci_high": corpus.high if corpus else None,
        "reason": row.reason,
        "flag": row.flag,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
