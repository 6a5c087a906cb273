"""Published probing and ours, side by side on the same clips.

The published figures [1]_ for RAVDESS come from a notebook that tells every emotion from *neutral*
clips; the text says from the others.  Both are computed here, over many draws, since the choice of
clips and of test speakers alone moves a figure by several points.  Beside them stand the scores of
`cuelens.probe.Probing` for speakers held out, and two controls that go through both procedures:

- *noise*: random numbers, that tell nothing.  Any score above chance is the procedure's own.
- *mixture*: the acoustic features, mixed at random.  It favours no category of features: an order
  of categories that it has too is an order of the features, not of an embedding.

References
----------
.. [1] S. Dixit, D. Low, G. Elbanna, F. Catania, S. Ghosh, "Explaining deep learning embeddings for
   speech emotion recognition by predicting interpretable acoustic features", arXiv 2409.09511,
   table 1, and its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cuelens.corpora import Corpus
from cuelens.errors import InputError
from cuelens.evaluate.probing_reproduction import ProbingReproduction
from cuelens.features.embedding import EmbeddedCorpus
from cuelens.probe.acoustics import Acoustics
from cuelens.probe.categories import CATEGORIES, FEATURES
from cuelens.probe.probing import Probing, Progress
from cuelens.probe.published import (
    EMOTIONS,
    SEED,
    Contrast,
    PublishedProbing,
    draw_clips,
    nested_f1,
    per_speaker,
    published_probing,
)
from cuelens.probe.result import ProbeResult
from cuelens.probe.tasks import ALL_EMOTIONS
from cuelens.provenance import versions
from cuelens.typing import FloatArray

PAPER: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        kind: MappingProxyType(dict(zip(EMOTIONS, percent, strict=True)))
        for kind, percent in (
            ("egemaps", (92.1, 91.8, 0.0, 83.8, 75.6, 86.3)),
            ("wavlm", (98.1, 96.6, 0.0, 93.3, 82.7, 99.1)),
            ("wavlm_top", (100.0, 99.0, 0.0, 99.5, 96.5, 100.0)),
        )
    }
)
"""F1 on RAVDESS as printed, in percent: eGeMAPS, WavLM, and WavLM's top dimensions."""

_SEEDS = 2**32  # of the legacy generator
_MIXTURE_NOISE = 0.5  # standard deviation of what is added to the mixture


def reproduce_probing(
    corpus: Corpus,
    embedded: EmbeddedCorpus,
    acoustics: Acoustics,
    *,
    layer: str | None = None,
    n_repeats: int = 10,
    seed: int = SEED,
    n_permutations: int = 200,
    n_workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> ProbingReproduction:
    """Run published probing and ours on the same clips.

    Parameters
    ----------
    corpus : Corpus
        Every clip with a speaker; at least four speakers.  Takes part with those of the six
        emotions of the paper that it has.
    embedded : EmbeddedCorpus
    acoustics : Acoustics
        All eGeMAPS functionals.
    layer : str, optional
        By default the last.
    n_repeats : int
        Draws of clips and of speakers to test on, for the published F1; 2 or more.
    seed : int
        Of the published draws (42 as published), and of everything else that is random.
    n_permutations : int
        Of the corrected procedure; see `Probing`.
    n_workers : int or None
        Processes; None: one a core.  The result is the same.
    progress : callable
        Called with what is being done, how much of it is done, and how much there is.

    Raises
    ------
    InputError
        What belongs together does not fit, speakers are missing or too few, or the corpus has
        fewer than two of the emotions.

    Notes
    -----
    The published splits are seeded and go by the order of the speakers' names; a repeat draws other
    clips and gives the speakers other names, so that others are tested on.
    """
    check_settings(n_repeats=n_repeats, n_permutations=n_permutations, seed=seed)
    emotions = _checked(corpus, acoustics)
    layer = embedded.layers[-1] if layer is None else layer
    x: FloatArray = embedded.layer(layer).astype(np.float64)
    y: FloatArray = np.asarray(acoustics.features, dtype=np.float64)
    emotion_of = corpus.table["emotion"].to_numpy(dtype=str)
    speaker_of = corpus.table["speaker"].to_numpy(dtype=str)
    rng = np.random.default_rng(seed)
    controls = {
        "mixture": mixture(y, speaker_of, n_dimensions=x.shape[1], rng=rng),
        "noise": rng.standard_normal(x.shape),
    }

    # ours first: it refuses what neither can use
    probing = Probing(emotions=emotions, n_permutations=n_permutations, seed=seed)
    corrected = {}
    for of, values in {"embedding": x, **controls}.items():
        corrected[of] = replace(
            probing,
            # noise shows the scores alone
            n_permutations=0 if of == "noise" else n_permutations,
            n_random=0,
        ).probe(
            corpus,
            _one_layer(embedded, of, values),
            acoustics,
            progress=_stage(progress, f"speakers held out: {of}"),
        )

    contrasts: tuple[Contrast, ...] = (
        ("neutral", "others") if "neutral" in emotions else ("others",)
    )
    published = {}
    for of, values, contrast in (
        *(("embedding", x, contrast) for contrast in contrasts),
        *(("mixture", controls["mixture"], contrast) for contrast in contrasts),
        ("noise", controls["noise"], contrasts[-1]),
    ):
        published[of, contrast] = _published(
            values,
            y,
            emotion_of,
            speaker_of,
            contrast=contrast,
            seed=seed,
            n_workers=n_workers,
            progress=progress,
            what=f"as published: {of}, from {'neutral' if contrast == 'neutral' else 'the others'}",
            n_emotions=len(emotions),
        )
    scores = _repeated(
        {"egemaps": per_speaker(y, speaker_of), "all": per_speaker(x, speaker_of)},
        emotion_of,
        speaker_of,
        contrasts=contrasts,
        seeds=range(seed + 1, seed + 1 + n_repeats),
        n_workers=n_workers,
        progress=_stage(progress, "as published: other clips and speakers"),
    )
    is_ravdess = "ravdess" in corpus.name.lower()
    categories, order = _category_tables(published, corrected)
    return ProbingReproduction(
        about={
            "corpus": corpus.name,
            "embedding": embedded.name,
            "layer": layer,
            "n_clips": len(corpus),
            "n_speakers": len(corpus.speakers),
            "n_dimensions": x.shape[1],
            "emotions": list(emotions),
            "is_ravdess": is_ravdess,
            "n_repeats": n_repeats,
            "n_permutations": n_permutations,
            "seed": seed,
            "versions": versions(),
        },
        f1=_f1_table(published, scores, contrasts, is_ravdess=is_ravdess),
        corrected=_corrected_table(corrected["embedding"]),
        noise=_noise_table(published["noise", "others"], corrected["noise"]),
        categories=categories,
        order=order,
    )


def mixture(
    features: FloatArray,
    speakers: NDArray[np.str_],
    *,
    n_dimensions: int,
    rng: np.random.Generator,
) -> FloatArray:
    r"""Random mixtures of acoustic features, each as likely in a dimension as any other.

    :math:`\tanh(Z W) + \epsilon` with z-scores by speaker :math:`Z`, weights :math:`W` of variance
    one over the number of features, and noise :math:`\epsilon` of standard deviation 0.5.

    Returns
    -------
    ndarray, shape (n_clips, n_dimensions)
    """
    z = per_speaker(features, speakers)
    weights = rng.standard_normal((z.shape[1], n_dimensions)) / np.sqrt(z.shape[1])
    return np.tanh(z @ weights) + _MIXTURE_NOISE * rng.standard_normal((len(z), n_dimensions))


def check_settings(*, n_repeats: int, n_permutations: int, seed: int) -> None:
    """Refuse settings that `reproduce_probing` cannot use, before minutes of extraction.

    Raises
    ------
    InputError
    """
    if n_repeats < 2:
        raise InputError(
            f"n_repeats is {n_repeats}; expected 2 or more, to see how much single draws scatter"
        )
    if not 0 <= seed < _SEEDS - n_repeats:
        raise InputError(
            f"seed is {seed}; expected 0 to {_SEEDS - n_repeats - 1}: the published draws take "
            "seeds of 32 bits"
        )
    Probing(n_permutations=n_permutations)


def _checked(corpus: Corpus, acoustics: Acoustics) -> tuple[str, ...]:
    if acoustics.names != FEATURES:
        raise InputError(
            f"there are {len(acoustics.names)} acoustic features; expected the {len(FEATURES)} "
            "functionals of eGeMAPSv02, in its order"
        )
    emotions = tuple(name for name in EMOTIONS if name in corpus.emotions)
    if len(emotions) < 2:
        raise InputError(
            f"{corpus.name} has the emotions {', '.join(corpus.emotions)}; expected at least two "
            f"of {', '.join(EMOTIONS)}"
        )
    return emotions


def _one_layer(embedded: EmbeddedCorpus, of: str, values: FloatArray) -> EmbeddedCorpus:
    return EmbeddedCorpus(
        name=embedded.name if of == "embedding" else of,
        values=values[:, None],
        layers=(of,),
        dimensions=embedded.dimensions,
    )


def _stage(progress: Progress, what: str) -> Progress:
    return lambda _, done, total: progress(what, done, total)


def _published(
    values: FloatArray,
    features: FloatArray,
    emotion_of: NDArray[np.str_],
    speaker_of: NDArray[np.str_],
    *,
    contrast: Contrast,
    seed: int,
    n_workers: int | None,
    progress: Progress,
    what: str,
    n_emotions: int,
) -> PublishedProbing:
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        progress(what, done, n_emotions)

    step(0)
    return published_probing(
        values,
        features,
        emotion_of,
        speaker_of,
        contrast=contrast,
        seed=seed,
        n_workers=n_workers,
        progress=step,
    )


def _repeated(
    inputs: Mapping[str, FloatArray],
    emotion_of: NDArray[np.str_],
    speaker_of: NDArray[np.str_],
    *,
    contrasts: Sequence[Contrast],
    seeds: Sequence[int],
    n_workers: int | None,
    progress: Progress,
) -> dict[tuple[str, Contrast], FloatArray]:
    """F1 of every kind of input and contrast, shape (n_repeats, n_emotions)."""
    from sklearn.utils.parallel import Parallel, delayed

    jobs = [(seed, contrast, kind) for seed in seeds for contrast in contrasts for kind in inputs]
    work = (
        delayed(_one_draw)(inputs[kind], emotion_of, speaker_of, contrast, seed)
        for seed, contrast, kind in jobs
    )
    found: dict[tuple[str, Contrast], list[list[float]]] = {}
    progress("", 0, len(jobs))
    results = Parallel(n_jobs=n_workers or -1, return_as="generator")(work)
    for done, ((_, contrast, kind), scores) in enumerate(zip(jobs, results, strict=True), start=1):
        found.setdefault((kind, contrast), []).append(scores)
        progress("", done, len(jobs))
    return {key: np.array(scores) for key, scores in found.items()}


def _one_draw(
    scaled: FloatArray,
    emotion_of: NDArray[np.str_],
    speaker_of: NDArray[np.str_],
    contrast: Contrast,
    seed: int,
) -> list[float]:
    names, number = np.unique(speaker_of, return_inverse=True)
    renamed = np.random.default_rng(seed).permutation(names)[number]  # splits go by sorted names
    draws = draw_clips(emotion_of, contrast=contrast, seed=seed).values()
    return [nested_f1(scaled[rows], labels, renamed[rows])[0] for rows, labels in draws]


def _f1_table(
    published: Mapping[tuple[str, Contrast], PublishedProbing],
    scores: Mapping[tuple[str, Contrast], FloatArray],
    contrasts: Sequence[Contrast],
    *,
    is_ravdess: bool,
) -> pd.DataFrame:
    rows = []
    for contrast in contrasts:
        for i, one in enumerate(published["embedding", contrast].emotions):
            row: dict[str, Any] = {
                "contrast": contrast,
                "emotion": one.emotion,
                "n_clips": one.n_clips,
            }
            for kind, with_seed in (("egemaps", one.f1_egemaps), ("all", one.f1_embedding)):
                drawn = scores[kind, contrast][:, i]
                row |= {
                    kind: with_seed,
                    f"{kind}_mean": drawn.mean(),
                    f"{kind}_sd": drawn.std(ddof=1),
                }
            row |= {"top": one.f1_top, "n_top": one.n_top}
            row |= {
                f"paper_{kind}": figures[one.emotion] / 100 if is_ravdess else np.nan
                for kind, figures in PAPER.items()
            }
            rows.append(row)
    return pd.DataFrame(rows)


def _corrected_table(result: ProbeResult) -> pd.DataFrame:
    tasks = result.tasks[result.tasks["kind"] == "emotion"]
    columns = {"task": "emotion", "n_clips": "n_clips", "n_of_class": "n_of_class"}
    for ours, name in (
        ("f1_features", "egemaps"),
        ("f1", "all"),
        ("f1_top", "top"),
        ("score_top", "uar_top"),
    ):
        columns |= {f"{ours}{end}": f"{name}{end}" for end in ("", "_low", "_high")}
    columns["n_top"] = "n_top"
    return tasks[list(columns)].rename(columns=columns).reset_index(drop=True)


def _noise_table(published: PublishedProbing, corrected: ProbeResult) -> pd.DataFrame:
    theirs = published.to_frame()[["f1_embedding", "f1_top", "n_top"]]
    theirs.columns = pd.Index(["published_all", "published_top", "published_n_top"])
    ours = _corrected_table(corrected).set_index("emotion")
    ends = ("", "_low", "_high")
    names = [f"{name}{end}" for name in ("all", "top", "uar_top") for end in ends]
    return theirs.join(ours[names]).reset_index()


def _category_tables(
    published: Mapping[tuple[str, Contrast], PublishedProbing], corrected: Mapping[str, ProbeResult]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means of the categories, and steps of the published order, by both procedures."""
    values: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for (of, contrast), found in published.items():
        head = {"of": of, "measure": f"published, {contrast}"}
        features = found.features_to_frame().reset_index()
        for emotion, rows in features.groupby("emotion", sort=False):
            means = rows.groupby("category")["information_increase"].mean()
            values += [
                head | {"emotion": emotion, "category": name, "value": means[name]}
                for name in CATEGORIES
            ]
            steps += [
                head
                | {"emotion": emotion, "above": above, "below": below}
                | {"difference": means[above] - means[below]}
                for above, below in pairwise(CATEGORIES)
            ]
    tables = {"categories": [pd.DataFrame(values)], "order": [pd.DataFrame(steps)]}
    for of, result in corrected.items():
        for name, parts in tables.items():
            table: pd.DataFrame = getattr(result, name)
            held_out = table["measure"].isin(["information_increase", "gain"])
            rows = table[held_out & (table["task"] != ALL_EMOTIONS)]
            rows = rows.drop(columns="layer").rename(columns={"task": "emotion"})
            rows.insert(0, "of", of)
            parts.append(rows)
    return (
        pd.concat(tables["categories"], ignore_index=True),
        pd.concat(tables["order"], ignore_index=True),
    )
