"""The account of one clip: the answer, the moments, the cues there, agreement, and trust.

Every sentence is a template filled with numbers, so that the same numbers give the same words.  A
cue is named only where its 95 % interval excludes 0.  ``ENGLISH`` can be replaced by another
mapping with the same keys; ``cue_words`` gives the cues' names.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cuelens.cues.carried import CarriedCues
from cuelens.cues.definitions import CUES
from cuelens.cues.report import CueReport, CueRow
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
    "cue": "{word} ({size} SD, 95 % interval {low} to {high})",
    "chance_yes": (
        "These moments differ from random ones of the clip in {cues} ({p} of random choices differ "
        "as much)"
    ),
    "chance_no": (
        "{p} of random choices of moments stand out as much, so what is said of these moments may "
        "hold for the whole clip"
    ),
    "chance_unknown": "The clip is too short to tell these moments from random ones",
    "agreement": (
        "; of the {n} {cues} that can be scored against the literature on {emotion}, {parts}"
    ),
    "cue_count": "cue|cues",
    "expected": "{count} as expected{names}",
    "opposite": "{count} the opposite{names}",
    "undecided": "{count} undecided",
    "is": "is|are",
    "none": "none",
    "neutral": "; neutral speech is what the literature compares with, so it expects nothing of it",
    "no_table": "; the literature is not certain of any cue of {target}",
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
    """Four sentences on a clip, each on a line of its own; five with `carried`.

    Parameters
    ----------
    explanation : Explanation
        What the first and the last sentence are about: bands, or the moments themselves.
    cues : CueReport
        The moments and the cues there.
    words : mapping
        Templates, with the keys of ``ENGLISH``.
    cue_words : mapping of str to (str, str), or None
        Words for a higher and a lower value of every cue; None: those of ``CUES``.
    carried : CarriedCues, optional
        Which cues the model's embedding carries: a sentence on those named, and on those that the
        literature is certain of.
    """
    named = cue_words or {key: (cue.higher, cue.lower) for key, cue in CUES.items()}
    sentences = [
        answer_sentence(explanation, words),
        _moments(explanation, cues, words, named),
        _agreement(explanation, cues, words, named),
    ]
    if carried is not None:
        keys = [row.cue for row in clear_rows(cues)[:_MAX_CUES]]
        keys += [
            row.cue for row in cues.rows if row.expectation and row.expectation.status == "strong"
        ]
        sentences.append(carried.sentence(keys))
    sentences.append(trust_sentence(explanation, words))
    return "\n".join(sentence for sentence in sentences if sentence)


def clear_rows(cues: CueReport) -> list[CueRow]:
    """Cues whose interval excludes 0, measured in the windows, the largest first."""
    rows = [row for row in cues.rows if row.effect.sign and row.in_windows]
    return sorted(rows, key=lambda row: -abs(row.effect.size))


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
    clear = clear_rows(cues)[:_MAX_CUES]
    if clear:
        return (
            text
            + words["cues"].format(
                baseline=cues.baseline,
                cues=listed(
                    [
                        words["cue"].format(
                            word=_word(row, named),
                            size=_signed(row.effect.size),
                            low=_signed(row.effect.low),
                            high=_signed(row.effect.high),
                        )
                        for row in clear
                    ],
                    words,
                ),
            )
            + "."
        )
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
        one, many = words["is"].split("|")
        count = f"{len(found) or words['none']} {many if len(found) > 1 else one}"
        names = listed([_word(row, named) for row in found], words)
        parts.append(words[key].format(count=count, names=f" ({names})" if names else ""))
    return (
        text
        + words["agreement"].format(
            n=len(measured),
            cues=words["cue_count"].split("|")[len(measured) > 1],
            emotion=cues.emotion,
            parts=listed(parts, words),
        )
        + words["not_faithful"]
    )


def _word(row: CueRow, named: Mapping[str, tuple[str, str]]) -> str:
    return named[row.cue][0 if row.effect.size > 0 else 1]


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
