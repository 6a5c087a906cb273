"""EmoLIME's claim, tried: do explanations agree better across models than across corpora?

Several models are trained on several corpora, all models of a corpus on the same speakers.  Whole
clips of speakers that a model has not heard are explained, the same for all models: eight weights
a clip, one a frequency band, for the clip's emotion.  `cuelens.evaluate.robustness` compares them.

Beside it, as in the paper [1]_: how many predictions are kept when the bands with the largest
weights are removed, against random bands (*pixel flipping*).

References
----------
.. [1] E. Hjuler, L. Clemmensen, S. Das, "Exploring local interpretable model-agnostic explanations
   for speech emotion recognition with distribution-shift", ICASSP 2025, arXiv 2504.05368.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from cuelens.corpora import Corpus, canonical_emotion
from cuelens.errors import InputError
from cuelens.evaluate.emolime_models import DEFAULT_MODELS, model_title
from cuelens.evaluate.emolime_plan import EMOTIONS, plan
from cuelens.evaluate.emolime_reproduction import EmoLimeReproduction
from cuelens.evaluate.emolime_tables import (
    Target,
    band_names,
    choice_table,
    flipping_table,
    recall_table,
    weight_table,
)
from cuelens.evaluate.emolime_tasks import StageProgress, check_models, collect
from cuelens.evaluate.robustness import robustness
from cuelens.evaluate.robustness_grid import Correlation
from cuelens.explain.emolime import Variant
from cuelens.provenance import versions


def reproduce_emolime(
    corpora: Sequence[Corpus],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    emotions: Sequence[str] = EMOTIONS,
    n_clips: int = 8,
    n_folds: int = 3,
    target: Target = "truth",
    variant: Variant = "lossless",
    correlation: Correlation = "pearson",
    n_bootstrap: int = 2000,
    n_permutations: int = 10_000,
    seed: int = 0,
    folder: Path | None = None,
    n_workers: int | None = None,
    progress: StageProgress | None = None,
) -> EmoLimeReproduction:
    """Train models, explain clips of speakers they have not heard, and compare the explanations.

    Parameters
    ----------
    corpora : sequence of Corpus
        Two or more, each with two speakers or more and every emotion.
    models : sequence of str
        ``"compare"``, ``"egemaps"`` (linear models on functionals), ``"logmel"`` (a network, its
        training cut short), or an embedding as `load_embedding` takes it, under a linear model.
    emotions : sequence of str
    n_clips : int
        Of each emotion and corpus.  The clips of a smaller number are among those of a larger one.
    n_folds : int
        Parts into which the speakers of a corpus are split; each part is explained by models of
        the others.  Fewer where there are fewer speakers.
    target : {"truth", "answer"}
        Explain the clip's emotion, or what the model answers.
    variant : {"lossless", "published"}
        Bands that add up to the clip and every combination of them, or as published 64
        combinations and Griffin-Lim, which takes hours.
    correlation : {"pearson", "spearman"}
        Of profiles.
    n_bootstrap, n_permutations : int
    seed : int
    folder : Path or None
        Where models and finished explanations are kept; a run that was killed goes on there.
    n_workers : int or None
        Processes; None: this one.
    progress : callable, optional
        Called with what is being done, how much of it is done, and how much there is.

    Raises
    ------
    InputError
        Settings that cannot be used, a corpus without an emotion, or a model that cannot be
        trained.
    """
    if target not in get_args(Target):
        raise InputError(f"target is {target!r}; expected truth or answer")
    report = progress or (lambda what, done, total: None)
    check_models(models)
    planned = plan(corpora, emotions=emotions, n_clips=n_clips, n_folds=n_folds, seed=seed)
    with ExitStack() as places:
        trained, explained = collect(
            planned,
            models=models,
            variant=variant,
            seed=seed,
            folder=folder or Path(places.enter_context(TemporaryDirectory())),
            n_workers=n_workers,
            progress=report,
        )
    report("comparing", 0, 2)
    bands = band_names(explained)
    recall = recall_table(planned.corpora, trained, models=models)
    void = {(row["model"], row["corpus"]) for row in recall.to_dict("records") if row["void"]}
    weights = weight_table(planned.corpora, explained, models=models, target=target)
    compared = robustness(
        weights,
        bands=bands,
        correlation=correlation,
        void=void,
        n_bootstrap=n_bootstrap,
        n_permutations=n_permutations,
        seed=seed,
    )
    report("comparing", 1, 2)
    choices = choice_table(
        planned.corpora,
        explained,
        models=models,
        void=void,
        seed=seed,
        n_bootstrap=n_bootstrap,
        n_permutations=n_permutations,
        lime=variant == "lossless",
    )
    report("comparing", 2, 2)
    return EmoLimeReproduction(
        about={
            "corpora": [
                {
                    "name": corpus.name,
                    "licence": corpus.licence,
                    "n_clips": len(corpus),
                    "n_speakers": len(corpus.speakers),
                    "n_folds": len(planned.folds[corpus.name]),
                    "n_explained": len(planned.clips[corpus.name]),
                }
                for corpus in planned.corpora
            ],
            "models": [model_title(spec) for spec in models],
            "emotions": list(dict.fromkeys(canonical_emotion(name) for name in emotions)),
            "bands": list(bands),
            "chance": 1 / len(planned.corpora[0].emotions),
            "target": target,
            "variant": variant,
            "correlation": correlation,
            "n_clips": n_clips,
            "n_folds": n_folds,
            "seed": seed,
            "failed": {
                key: result["error"] for key, result in explained.items() if "error" in result
            },
            "versions": versions(),
        },
        robustness=compared,
        weights=weights,
        recall=recall,
        flipping=flipping_table(weights, void=void, seed=seed),
        choices=choices,
    )
