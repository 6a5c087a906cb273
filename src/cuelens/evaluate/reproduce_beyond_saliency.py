"""Salient windows and expert cues over a whole corpus: the published way beside the corrected one.

Nasr, Ren & Johnson [1]_ look at one clip an emotion: where a network looks, what the voice does
there, and whether that is what the literature expects.  Here every clip is looked at, by every
explainer, in two ways:

``published``
    Occlusion of single bands by the loudest value there is, concept relevance through one channel
    of an early layer, windows on a grid; every frame counts, with 0 where there is no voice to
    measure; the windows' times count from the end of the trimmed silence, and the sound is cut from
    the untrimmed clip.
``corrected``
    The explainers of cuelens, windows where they hold most, voiced frames, the clip's own times.

What is found in the salient windows stands beside two controls that the paper lacks: random windows
of the same clip, as many in speech, and its loudest windows.  Cues are compared with the speaker's
neutral speech, which is what the literature speaks of, and with the whole clip, as published.

Notes
-----
Deviations in the published way: the channel is the one most relevant to the answer (the paper's
was picked by hand), the grid begins with the clip and not with the trimmed sound, and the cues are
those of :mod:`cuelens.cues`, so that both ways compare.

References
----------
.. [1] S. Nasr, Z. Ren, D. Johnson, "Beyond saliency: enhancing explanation of speech emotion
   recognition with expert-referenced acoustic cues", arXiv 2511.11691, and its code.
.. [2] N. Mantel, W. Haenszel, "Statistical aspects of the analysis of data from retrospective
   studies of disease", J. National Cancer Institute 22, 1959 (weights of strata).
.. [3] E. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
   1927.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate.beyond_saliency_listening import (
    WAYS,
    WITH_TIMES,
    Neutral,
    emotion_of,
    listen_to_clip,
    ways_of,
)
from cuelens.evaluate.beyond_saliency_result import BeyondSaliency
from cuelens.evaluate.beyond_saliency_tables import (
    agreement_table,
    cell_table,
    clip_table,
    correlation_table,
    flaw_table,
    overlap_table,
    profile_table,
)
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.intervals import MIN_CLUSTERS
from cuelens.evaluate.journal import run_tasks
from cuelens.evaluate.over_clips import clip_key
from cuelens.explain.salient_windows import N_WINDOWS, WINDOW_S
from cuelens.models.base import Model, model_labels, model_name, predict
from cuelens.provenance import versions


def reproduce_beyond_saliency(
    corpus: Corpus,
    model: Model,
    *,
    explainers: Sequence[str] = ("occlusion", "crp"),
    n_clips: int | None = 100,
    n_windows: int = N_WINDOWS,
    window_s: float = WINDOW_S,
    n_permutations: int = 5000,
    seed: int = 0,
    folder: Path | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> BeyondSaliency:
    """Measure the cues in salient windows of a corpus, as published and corrected.

    Parameters
    ----------
    corpus : Corpus
        With neutral clips.  Clips are drawn from the emotions that the model knows.
    model : Model
    explainers : sequence of str
        Of `WITH_TIMES`.  Those without published settings have their own in both ways.
    n_clips : int or None
        Balanced over emotions and speakers; None: all.
    n_windows, window_s
        As in :func:`~cuelens.explain.salient_windows`.
    n_permutations : int
        Of right and wrong answers.
    seed : int
    folder : path or None
        Where finished clips are kept (``clips.jsonl``); a run that was killed goes on there.
    n_workers : int or None
        Processes; None: this one.
    progress : callable, optional
        Called with the number of further clips that are done.

    Raises
    ------
    InputError
        An explainer that has no times or cannot explain the model; a corpus without neutral clips,
        or without an emotion that the model knows; no clip could be explained.
    """
    ways = {name: ways_of(name, model, seed=seed) for name in dict.fromkeys(explainers)}
    if not ways:
        raise InputError(f"no explainers; expected some of {', '.join(WITH_TIMES)}")
    rows, unknown = _chosen_rows(corpus, model, n_clips, seed)
    about = {
        "corpus": corpus.name,
        "model": model_name(model),
        "explainers": {
            name: {way: repr(one.explainer) for way, one in own.items() if way in WAYS}
            for name, own in ways.items()
        },
        "left_out": unknown,
        "n_clips": len(rows),
        "n_windows": n_windows,
        "window_s": window_s,
        "seed": seed,
        "versions": versions(),
    }
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    results = run_tasks(
        listen_to_clip,
        {clip_key(corpus, row): (row,) for row in rows},
        settings=about | {"answers": _fingerprint(corpus, model, rows[0])},
        shared=(corpus, model, ways, Neutral(corpus, window_s), n_windows, window_s, seed),
        journal=None if folder is None else folder / "clips.jsonl",
        n_workers=n_workers,
        progress=progress,
    )
    clips = clip_table(corpus, rows, list(results.values()), list(ways))
    if clips["error"].ne("").all():
        raise InputError(f"no clip could be explained, the first because: {clips['error'][0]}")
    by_row = dict(zip(rows, results.values(), strict=True))
    cells = cell_table(clips, by_row)
    known = clips[clips["error"] == ""]
    n_speakers = int(known["speaker"].nunique())
    over = "speakers" if n_speakers >= MIN_CLUSTERS else "clips"
    return BeyondSaliency(
        about=about
        | {"n_permutations": n_permutations, "over": over, "n_speakers": n_speakers}
        | {"n_failed": int(clips[clips["error"] != ""]["row"].nunique())},
        profile=profile_table(clips, by_row, corpus=corpus.name, model=model_name(model)),
        agreement=agreement_table(cells, over=over, n_permutations=n_permutations, seed=seed),
        overlap=overlap_table(known, by_row, over=over, seed=seed),
        correlation=correlation_table(known, by_row, over=over, seed=seed),
        flaws=flaw_table(known, by_row),
        clips=clips,
        cells=cells,
    )


def _chosen_rows(
    corpus: Corpus, model: Model, n_clips: int | None, seed: int
) -> tuple[list[int], list[str]]:
    """Rows of clips whose emotion the model knows, and the emotions that it does not."""
    if int((corpus.table["emotion"] == "neutral").sum()) < 3:
        raise InputError(
            f"{corpus.name} has fewer than 3 neutral clips; expected some to compare with: the "
            "literature speaks of differences from neutral speech"
        )
    known = {emotion_of(label) for label in model_labels(model)} & set(corpus.emotions)
    if not known:
        raise InputError(
            f"{corpus.name} has none of the emotions of {model_name(model)} "
            f"({', '.join(model_labels(model))}); expected at least one"
        )
    where = np.flatnonzero(corpus.table["emotion"].isin(known))
    rows = where[balanced_rows(corpus.select(emotions=sorted(known)), n_clips, seed=seed)]
    return [int(row) for row in rows], [name for name in corpus.emotions if name not in known]


def _fingerprint(corpus: Corpus, model: Model, row: int) -> list[float]:
    """What tells apart models of one name."""
    try:
        clip = corpus.audio(row, sample_rate=model.sample_rate).samples.copy()
    except InputError:  # said where the clip is listened to
        return []
    return predict(model, [clip])[0].round(5).tolist()
