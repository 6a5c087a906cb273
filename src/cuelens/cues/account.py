"""The account of one clip: the answer, the moments, the cues there, agreement, and trust.

Every sentence is a template filled with numbers, so that the same numbers give the same words.  A
cue is named only where its 95 % interval excludes 0.  ``ENGLISH`` can be replaced by another
mapping with the same keys; ``cue_words`` gives the cues' names.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cuelens.corpora import canonical_emotion
from cuelens.cues.baseline import Effect
from cuelens.cues.carried import CarriedCues
from cuelens.cues.definitions import CUES
from cuelens.cues.experts import expert_table
from cuelens.cues.report import CueReport, CueRow
from cuelens.errors import InputError
from cuelens.explain import account as explain_account
from cuelens.explain.account import answer_sentence, listed, percent, trust_sentence
from cuelens.explain.explanation import Explanation

ENGLISH: Mapping[str, str] = {
    **explain_account.ENGLISH,
    "moments": "It listened most at {times} ({share} of what supports {target} over time)",
    "moments_spread": (
        "Its reasons for {target} are spread over time; the first moments are {times} ({share} of "
        "what supports it)"
    ),
    "uncertain": ", though {n} of these {all} moments could be chance",
    "uncertain_all": ", though any of these moments could be chance",
    "uncertain_one": ", though this moment could be chance",
    "cues": "; there, compared with {baseline}, the measurements show {cues}",
    "no_cues": "; no cue there differs clearly from {baseline}",
    "no_interval": "; {baseline} is too little to compare with",
    "unvoiced": "; the voice is silent or unvoiced there, so its pitch cannot be judged",
    "whole": "Compared with {baseline}, the whole clip has {cues}.",
    "no_whole": "Compared with {baseline}, no cue of the whole clip differs clearly.",
    "cue": "{word} ({size} SD, 95 % interval {low} to {high})",
    "chance_yes": (
        "These moments differ from random ones of the clip in {cues} ({p} of random choices differ "
        "as much)"
    ),
    "chance_no": (
        "These moments do not stand out from random ones of the clip ({p} of random choices differ "
        "as much)"
    ),
    "chance_unknown": "The clip is too short to tell these moments from random ones",
    "agreement": (
        "; of the {n} {cues} in them that can be scored against the literature on {emotion}, "
        "{parts}"
    ),
    "anywhere": ", but {which} no more so than in random moments",
    "of_one": "it is|they are",
    "cue_count": "cue|cues",
    "expected": "{count} as expected{names}",
    "opposite": "{count} the opposite{names}",
    "undecided": "{count} undecided{names}",
    "is": "is|are",
    "neutral": "; neutral speech is what the literature compares with, so it expects nothing of it",
    "no_table": "; the literature is not certain of any cue of {target}",
    "alike": (
        "; the literature expects {cues} of both {first} and {second}, and is certain of no cue "
        "that tells them apart"
    ),
    "apart": "; the literature expects {first} and {second} to differ in {cues} (not scored)",
    "not_apart": "; the literature is certain of no cue in which {first} and {second} differ",
    "not_measured": "; no cue that the literature is certain of could be measured there",
    "needs_neutral": (
        "; to compare with the literature on {emotion}, neutral speech of the speaker is needed"
    ),
    "not_faithful": " (this says whether the reason is familiar, not whether it is the model's).",
}
_SPREAD = 0.5  # of the support over time: below, moments are not the place where it lies
_MAX_CUES = 3
_CHANCE = 0.05


def cue_account(
    explanation: Explanation,
    cues: CueReport,
    *,
    words: Mapping[str, str] = ENGLISH,
    cue_words: Mapping[str, tuple[str, str]] | None = None,
    carried: CarriedCues | None = None,
) -> str:
    """The findings on a clip, a line each: answer, whole clip, moments, chance, weights.

    Where the baseline is of other clips, the whole clip is compared with it, and of the moments
    is said what tells them from random ones; else the moments are compared with the rest of the
    clip.

    Parameters
    ----------
    explanation : Explanation
        What the answer's reasons are: bands, or the moments themselves.
    cues : CueReport
        The moments and the cues there.
    words : mapping
        Templates, with the keys of ``ENGLISH``.
    cue_words : mapping of str to (str, str), or None
        Words for a higher and a lower value of every cue; None: those of ``CUES``.
    carried : CarriedCues, optional
        Which cues the model's embedding carries: a last sentence on those named, and on those that
        the literature is certain of.
    """
    named = cue_words or {key: (cue.higher, cue.lower) for key, cue in CUES.items()}
    sentences = [
        answer_sentence(explanation, words),
        _whole(cues, words, named),
        _moments(explanation, cues, words, named),
        _agreement(explanation, cues, words, named),
        trust_sentence(explanation, words),
    ]
    if carried is not None:
        keys = [row.cue for row in (_clear_in_clip(cues) or clear_rows(cues))[:_MAX_CUES]]
        keys += [
            row.cue for row in cues.rows if row.expectation and row.expectation.status == "strong"
        ]
        sentences.append(carried.sentence(keys))
    return "\n".join(sentence for sentence in sentences if sentence)


def clear_rows(cues: CueReport) -> list[CueRow]:
    """Cues whose interval excludes 0, measured in the windows, the largest first."""
    rows = [row for row in cues.rows if row.effect.sign and row.in_windows]
    return sorted(rows, key=lambda row: -abs(row.effect.size))


def _clear_in_clip(cues: CueReport) -> list[CueRow]:
    """Cues of the whole clip whose interval excludes 0, the largest first."""
    rows = [row for row in cues.rows if row.clip_effect.sign]
    return sorted(rows, key=lambda row: -abs(row.clip_effect.size))


def _has_whole(cues: CueReport) -> bool:
    """Whether the whole clip is compared with other clips."""
    return any(np.isfinite(row.clip_effect.low) for row in cues.rows)


def _whole(cues: CueReport, words: Mapping[str, str], named: Mapping[str, tuple[str, str]]) -> str:
    if not _has_whole(cues):
        return ""
    clear = [_sized(row.cue, row.clip_effect, words, named) for row in _clear_in_clip(cues)]
    key = "whole" if clear else "no_whole"
    return words[key].format(baseline=cues.baseline, cues=listed(clear[:_MAX_CUES], words))


def _moments(
    explanation: Explanation,
    cues: CueReport,
    words: Mapping[str, str],
    named: Mapping[str, tuple[str, str]],
) -> str:
    windows = sorted(cues.windows, key=lambda window: window.start_s)
    stretches: list[list[float]] = []
    for window in windows:
        if stretches and window.start_s <= stretches[-1][1] + 0.005:
            stretches[-1][1] = window.end_s
        else:
            stretches.append([window.start_s, window.end_s])
    share = sum(window.score for window in windows)
    text = words["moments" if share >= _SPREAD else "moments_spread"].format(
        times=listed([f"{start:.2f}–{end:.2f} s" for start, end in stretches], words),
        share=percent(share),
        target=explanation.target,
    )
    if cues.n_certain is not None and cues.n_certain < len(windows):
        key = "uncertain" if cues.n_certain else "uncertain_all"
        text += words[key if len(windows) > 1 else "uncertain_one"].format(
            n=len(windows) - cues.n_certain, all=len(windows)
        )
    if _has_whole(cues):
        return text + "."
    clear = [_sized(row.cue, row.effect, words, named) for row in clear_rows(cues)[:_MAX_CUES]]
    if clear:
        return text + words["cues"].format(baseline=cues.baseline, cues=listed(clear, words)) + "."
    key = "no_cues"
    if not cues.voiced_share > 0:
        key = "unvoiced"
    elif not any(np.isfinite(row.effect.low) for row in cues.rows if row.in_windows):
        key = "no_interval"
    return text + words[key].format(baseline=cues.baseline) + "."


def _agreement(
    explanation: Explanation,
    cues: CueReport,
    words: Mapping[str, str],
    named: Mapping[str, tuple[str, str]],
) -> str:
    adjusted = {row.cue: row.p_adjusted for row in cues.rows if np.isfinite(row.p_adjusted)}
    standing_out = [key for key, p in adjusted.items() if p < _CHANCE]
    if np.isnan(cues.chance.p):
        text = words["chance_unknown"]
    elif standing_out:
        names = listed([CUES[key].title for key in standing_out], words)
        text = words["chance_yes"].format(cues=names, p=percent(cues.chance.p, at_least=0.01))
    else:
        text = words["chance_no"].format(p=percent(cues.chance.p, at_least=0.01))
    if explanation.contrast is not None and explanation.target == explanation.labels[-1]:
        return text + _of_both(explanation.contrast, words, named) + "."
    if cues.emotion == "neutral":
        return text + words["neutral"] + "."
    strong = [row for row in cues.rows if row.expectation and row.expectation.status == "strong"]
    if not strong:
        return text + words["no_table"].format(target=explanation.target) + "."
    measured = cues.scored
    if not measured:
        own = any(row.comparable for row in cues.rows)
        key = "not_measured" if own else "needs_neutral"
        return text + words[key].format(emotion=cues.emotion) + "."
    parts = []
    for key, agrees in (("expected", True), ("opposite", False), ("undecided", None)):
        found = [row for row in measured if row.agrees is agrees]
        if found:
            count = f"{len(found)} {words['is'].split('|')[len(found) > 1]}"
            names = listed([_word(row.cue, row.effect, named) for row in found], words)
            parts.append(words[key].format(count=count, names=f" ({names})"))
    text += words["agreement"].format(
        n=len(measured),
        cues=words["cue_count"].split("|")[len(measured) > 1],
        emotion=cues.emotion,
        parts=listed(parts, words),
    )
    expected = [row.cue for row in measured if row.agrees is True]
    if expected and not np.isnan(cues.chance.p) and not set(expected) & set(standing_out):
        text += words["anywhere"].format(which=words["of_one"].split("|")[len(expected) > 1])
    return text + words["not_faithful"]


def _of_both(
    pair: tuple[str, str], words: Mapping[str, str], named: Mapping[str, tuple[str, str]]
) -> str:
    """What the literature expects of two emotions, where one is asked against the other."""
    try:
        first, second = (canonical_emotion(label) for label in pair)
    except InputError:  # labels of the model's own
        return words["no_table"].format(target=" / ".join(pair))
    table = expert_table()
    signs = {
        cue: tuple(
            cell.sign if (cell := table.get((emotion, cue))) and cell.status == "strong" else 0
            for emotion in (first, second)
        )
        for cue in CUES
    }
    apart = [CUES[cue].title for cue, (one, other) in signs.items() if one * other < 0]
    if apart:
        return words["apart"].format(first=first, second=second, cues=listed(apart, words))
    alike = [named[cue][0 if one > 0 else 1] for cue, (one, other) in signs.items() if one * other]
    key = "alike" if alike else "not_apart"
    return words[key].format(first=first, second=second, cues=listed(alike, words))


def _sized(
    key: str, effect: Effect, words: Mapping[str, str], named: Mapping[str, tuple[str, str]]
) -> str:
    """A cue in words with its size and interval."""
    return words["cue"].format(
        word=_word(key, effect, named),
        size=signed(effect.size),
        low=signed(effect.low),
        high=signed(effect.high),
    )


def _word(key: str, effect: Effect, named: Mapping[str, tuple[str, str]]) -> str:
    return named[key][0 if effect.size > 0 else 1]


def signed(value: float) -> str:
    """An effect to one digit with its sign; to two near 0, to show on which side it is."""
    text = f"{value:+.1f}" if abs(value) >= 0.05 else f"{value:+z.2f}"
    return text.replace("-", "−")
