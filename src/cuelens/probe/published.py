"""Probing as published: which acoustic features do the dimensions carry that tell an emotion?

Kept as the baseline to compare with, its choices unchanged [1]_, and with them its flaws:

- the dimensions are ranked on all clips, and their number is the one with the best score on the
  very test clips that the score is then reported for: pure noise reaches a high score too;
- the probe splits clips at random, so that the same voice is on both sides;
- fewer dimensions can lower the error of the probe by overfitting less, which then passes for
  information;
- the strength of the penalty is chosen on inputs scaled per speaker only, then used on inputs that
  are scaled again;
- the importance is that of the last fold's classifier, fitted to scaled inputs but applied to
  unscaled ones, against the mean of 100 clips drawn at random.

References
----------
.. [1] S. Dixit, D. Low, G. Elbanna, F. Catania, S. Ghosh, "Explaining deep learning embeddings for
   speech emotion recognition by predicting interpretable acoustic features", arXiv 2409.09511, and
   its code.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cuelens.errors import InputError
from cuelens.probe.categories import FEATURES, category
from cuelens.probe.importance import mean_absolute_shap
from cuelens.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

Contrast = Literal["others", "neutral"]

EMOTIONS = ("anger", "fear", "neutral", "happiness", "sadness", "disgust")
"""The emotions of the paper, in its order."""

N_CLIPS = 96  # of the emotion, and about as many of what it is told from
STRENGTHS = (0.01, 0.1, 1, 10, 100)  # C of the logistic regression
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # alpha of the ridge
SEED = 42
_N_BACKGROUND = 100  # what shap keeps of a larger background
_FEWEST_SPEAKERS = 3  # below, an inner split has nobody left


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedEmotion:
    """What the procedure gives for one emotion.

    Parameters
    ----------
    emotion : str
    n_clips : int
        Drawn, of the emotion and of what it is told from.
    f1_egemaps, f1_embedding : float
        F1 of the emotion, from 0 to 1, mean over folds; from all dimensions.
    n_tried : tuple of int
        Numbers of top dimensions.
    f1_tried : ndarray, shape (n_numbers,)
        F1 from as many top dimensions.
    n_top : int
        The number with the highest F1 in percent to one decimal, the smallest of them.
    ranking : ndarray of int, shape (n_dimensions,)
        Dimensions of the embedding, the most important first.
    shap_egemaps : ndarray, shape (88,)
        Importance of the acoustic features themselves.
    rmse_top, rmse_all : ndarray, shape (88,)
        Error of the probe from the top and from all dimensions, in standard deviations of the
        speaker; mean over folds.
    """

    emotion: str
    n_clips: int
    f1_egemaps: float
    f1_embedding: float
    n_tried: tuple[int, ...]
    f1_tried: FloatArray
    n_top: int
    ranking: IntArray
    shap_egemaps: FloatArray
    rmse_top: FloatArray
    rmse_all: FloatArray

    @property
    def f1_top(self) -> float:
        """F1 from the top dimensions: the highest of those tried."""
        return float(self.f1_tried[self.n_tried.index(self.n_top)])


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedProbing:
    """What the procedure gives, emotion by emotion.

    Parameters
    ----------
    emotions : tuple of PublishedEmotion
    contrast : {"others", "neutral"}
        What an emotion was told from.
    """

    emotions: tuple[PublishedEmotion, ...]
    contrast: Contrast

    def to_frame(self) -> pd.DataFrame:
        """One row an emotion: F1 from each kind of input, number of top dimensions, of clips."""
        import pandas as pd

        columns = ("f1_egemaps", "f1_embedding", "f1_top", "n_top", "n_clips")
        return pd.DataFrame(
            {column: [getattr(found, column) for found in self.emotions] for column in columns},
            index=pd.Index([found.emotion for found in self.emotions], name="emotion"),
        )

    def features_to_frame(self) -> pd.DataFrame:
        """One row an emotion and acoustic feature.

        Returns
        -------
        DataFrame
            ``category``; ``shap_egemaps``; ``rmse_top``; ``rmse_all``; ``ratio``, error from all
            dimensions over error from the top ones; ``information_increase``, that over the error
            from the top ones once more.  Both ratios are NaN where the top ones give no error.
        """
        import pandas as pd

        parts = []
        for found in self.emotions:
            top = np.where(found.rmse_top > 0, found.rmse_top, np.nan)
            parts.append(
                pd.DataFrame(
                    {
                        "category": [category(feature) for feature in FEATURES],
                        "shap_egemaps": found.shap_egemaps,
                        "rmse_top": found.rmse_top,
                        "rmse_all": found.rmse_all,
                        "ratio": found.rmse_all / top,
                        "information_increase": found.rmse_all / top**2,
                    },
                    index=pd.MultiIndex.from_product(
                        [[found.emotion], FEATURES], names=["emotion", "feature"]
                    ),
                )
            )
        return pd.concat(parts)

    def curve_to_frame(self) -> pd.DataFrame:
        """F1 by number of top dimensions: one row a number, one column an emotion."""
        import pandas as pd

        return pd.DataFrame(
            {found.emotion: found.f1_tried for found in self.emotions},
            index=pd.Index(self.emotions[0].n_tried, name="n_top"),
        )


def published_probing(
    embedding: FloatArray,
    egemaps: FloatArray,
    emotions: Sequence[str] | NDArray[np.str_],
    speakers: Sequence[str] | NDArray[np.str_],
    *,
    contrast: Contrast = "others",
    seed: int = SEED,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> PublishedProbing:
    """Run the published procedure.

    Parameters
    ----------
    embedding : ndarray, shape (n_clips, n_dimensions)
    egemaps : ndarray, shape (n_clips, 88)
        Functionals of eGeMAPSv02 in the order of `FEATURES`.
    emotions : sequence of str, length n_clips
        Canonical names.  Clips of emotions other than `EMOTIONS` count in the scaling of their
        speaker and nowhere else.
    speakers : sequence of str, length n_clips
    contrast : {"others", "neutral"}
        What an emotion is told from: the other emotions evenly, as the paper says; or neutral clips
        alone, as in the notebook that printed the paper's figures.
    seed : int
        Of the clips that are drawn; 42 as published.  The splits always have 42.
    n_workers : int or None
        Processes, each with an emotion at a time; None: one a core.  The result is the same.
    progress : callable, optional
        Called with the number of further emotions that are done.

    Raises
    ------
    InputError
        Shapes do not fit, values are missing, fewer than two of the emotions or three speakers, or
        a split without both classes.

    Notes
    -----
    With ``contrast="neutral"`` and all neutral clips drawn, neutral is told from itself: every clip
    is there twice, once with each label, which is why its published F1 is 0.0.

    Deviations: double precision; clips in the order they are given rather than that of the
    file system; where an emotion has fewer than 96 clips (or those it is told from have fewer than
    their share), fewer are drawn; the probe's random splits are five seeded folds, outer and inner,
    with inputs scaled on the training part of each, because the code leaves its own unseeded.
    """
    from sklearn.utils.parallel import Parallel, delayed

    embedding, egemaps, emotion_of, speaker_of = _checked(embedding, egemaps, emotions, speakers)
    if contrast not in get_args(Contrast):
        raise InputError(
            f"contrast is {contrast!r}; expected one of {', '.join(get_args(Contrast))}"
        )
    embedding, egemaps = per_speaker(embedding, speaker_of), per_speaker(egemaps, speaker_of)
    draws = draw_clips(emotion_of, contrast=contrast, seed=seed)
    jobs = (
        delayed(_one_emotion)(emotion, embedding[rows], egemaps[rows], labels, speaker_of[rows])
        for emotion, (rows, labels) in draws.items()
    )
    n_jobs = min(n_workers, len(draws)) if n_workers else -1
    found = []
    for one in Parallel(n_jobs=n_jobs, return_as="generator")(jobs):
        found.append(one)
        if progress:
            progress(1)
    return PublishedProbing(emotions=tuple(found), contrast=contrast)


def per_speaker(values: FloatArray, speakers: NDArray[np.str_]) -> FloatArray:
    """Columns less their speaker's mean, over their speaker's standard deviation; 0 if constant."""
    from sklearn.preprocessing import StandardScaler

    scaled = np.empty(values.shape)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        scaled[own] = StandardScaler().fit_transform(values[own])
    return scaled


def draw_clips(
    emotions: NDArray[np.str_], *, contrast: Contrast, seed: int = SEED
) -> dict[str, tuple[IntArray, IntArray]]:
    """Balanced sets: clips of each emotion (label 1), then of what it is told from (label 0).

    Returns
    -------
    dict of str to (ndarray of int, ndarray of int)
        Rows and labels of each emotion that occurs, in the order of `EMOTIONS`.
    """
    rows_of = {name: np.flatnonzero(emotions == name) for name in EMOTIONS if name in emotions}
    if len(rows_of) < 2 or (contrast == "neutral" and "neutral" not in rows_of):
        raise InputError(
            f"the clips have the emotions {', '.join(sorted(set(emotions.tolist())))}; expected "
            f"{'neutral and another' if contrast == 'neutral' else 'at least two'} of "
            f"{', '.join(EMOTIONS)}"
        )
    draws: dict[str, tuple[IntArray, IntArray]] = {}
    for name, own in rows_of.items():
        others = [other for other in rows_of if other != name]
        others = ["neutral"] if contrast == "neutral" else others
        n_own = min(N_CLIPS, len(own), len(others) * min(len(rows_of[other]) for other in others))
        n_each = n_own // len(others)
        if not n_each:
            raise InputError(
                f"{n_own} clips of {name} cannot be balanced with {len(others)} other emotions; "
                "expected at least one clip for each"
            )
        # the legacy generator: its draws are part of the procedure
        random = np.random.RandomState(seed)
        drawn = [own[random.choice(len(own), n_own, replace=False)]]
        for other in others:
            chosen = random.choice(len(rows_of[other]), n_each, replace=False)
            drawn.append(rows_of[other][chosen])
        labels = np.repeat([1, 0], [n_own, n_each * len(others)])
        draws[name] = (np.concatenate(drawn), labels)
    return draws


def nested_f1(
    x: FloatArray, labels: IntArray, speakers: NDArray[np.str_]
) -> tuple[float, FloatArray]:
    """F1 of a logistic regression, mean over five random splits by speaker.

    The strength is the one with the best accuracy over five further splits of the unscaled training
    clips (the first of equals); the classifier is then fitted to scaled ones.

    Returns
    -------
    f1 : float
    weights : ndarray, shape (n_dimensions,)
        Of the last split's classifier, for scaled inputs.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.model_selection import GroupShuffleSplit
    from sklearn.preprocessing import StandardScaler

    splits = GroupShuffleSplit(n_splits=5, train_size=0.8, random_state=SEED)
    scores = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 iterations are the procedure
        for train, test in splits.split(x, labels, speakers):
            _refuse_one_class(labels[train])
            accuracies = []
            for fit, judge in splits.split(x[train], labels[train], speakers[train]):
                _refuse_one_class(labels[train][fit])
                accuracies.append(
                    [
                        LogisticRegression(C=strength)
                        .fit(x[train][fit], labels[train][fit])
                        .score(x[train][judge], labels[train][judge])
                        for strength in STRENGTHS
                    ]
                )
            best = STRENGTHS[int(np.mean(accuracies, axis=0).argmax())]
            scaler = StandardScaler().fit(x[train])
            model = LogisticRegression(C=best).fit(scaler.transform(x[train]), labels[train])
            answers = model.predict(scaler.transform(x[test]))
            scores.append(f1_score(labels[test], answers, zero_division=0.0))
    return float(np.mean(scores)), model.coef_[0]


def ridge_rmse(x: FloatArray, targets: FloatArray) -> FloatArray:
    r"""Error of ridge regressions, mean over five random folds that ignore speakers.

    Equal to a grid search (mean squared error, five random folds) over a pipeline of scaling and
    ridge, one for each target; but a singular value decomposition :math:`U S V^\top` of the scaled
    inputs serves all targets and all penalties :math:`\alpha`, with the weights
    :math:`V \, \mathrm{diag}(s / (s^2 + \alpha)) \, U^\top y`.

    Parameters
    ----------
    x : ndarray, shape (n_clips, n_dimensions)
    targets : ndarray, shape (n_clips, n_targets)

    Returns
    -------
    ndarray, shape (n_targets,)
    """
    from sklearn.model_selection import KFold

    folds = KFold(n_splits=5, shuffle=True, random_state=SEED)
    errors = []
    for train, test in folds.split(x):
        inner = [
            _squared_errors(x[train], targets[train], fit=fit, judge=judge)
            for fit, judge in folds.split(train)
        ]
        best = np.mean(inner, axis=0).argmin(axis=0)
        outer = _squared_errors(x, targets, fit=train, judge=test)
        errors.append(np.sqrt(outer[best, np.arange(targets.shape[1])]))
    return np.mean(errors, axis=0)


def _one_emotion(
    emotion: str,
    embedding: FloatArray,
    egemaps: FloatArray,
    labels: IntArray,
    speakers: NDArray[np.str_],
) -> PublishedEmotion:
    f1_egemaps, weights_egemaps = nested_f1(egemaps, labels, speakers)
    f1_embedding, weights = nested_f1(embedding, labels, speakers)
    ranking = np.argsort(_last_fold_importance(embedding, weights))[::-1]
    n_dimensions = embedding.shape[1]
    n_tried = tuple(range(10, min(510, n_dimensions) + 1, 10)) or (n_dimensions,)
    f1_tried = np.array(
        [nested_f1(embedding[:, ranking[:n]], labels, speakers)[0] for n in n_tried]
    )
    n_top = n_tried[int(np.round(100 * f1_tried, 1).argmax())]
    return PublishedEmotion(
        emotion=emotion,
        n_clips=len(labels),
        f1_egemaps=f1_egemaps,
        f1_embedding=f1_embedding,
        n_tried=n_tried,
        f1_tried=f1_tried,
        n_top=n_top,
        ranking=ranking,
        shap_egemaps=_last_fold_importance(egemaps, weights_egemaps),
        rmse_top=ridge_rmse(embedding[:, ranking[:n_top]], egemaps),
        rmse_all=ridge_rmse(embedding, egemaps),
    )


def _last_fold_importance(x: FloatArray, weights: FloatArray) -> FloatArray:
    """``shap.Explainer(model, x)``, which keeps 100 rows of `x` as its background."""
    from sklearn.utils import shuffle

    background = shuffle(x, n_samples=min(_N_BACKGROUND, len(x)), random_state=0)
    return mean_absolute_shap(x, weights, background=background)


def _squared_errors(
    x: FloatArray, targets: FloatArray, *, fit: IntArray, judge: IntArray
) -> FloatArray:
    """Mean squared error of every penalty and target, shape (n_penalties, n_targets)."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x[fit])
    left, singular, right = np.linalg.svd(scaler.transform(x[fit]), full_matrices=False)
    mean = targets[fit].mean(axis=0)
    along = left.T @ (targets[fit] - mean)
    inputs = scaler.transform(x[judge]) @ right.T
    penalties = np.array(PENALTIES)[:, None]
    shrunk = inputs * (singular / (singular**2 + penalties))[:, None, :]
    missed = shrunk @ along + mean - targets[judge]
    return np.mean(missed**2, axis=1)


def _refuse_one_class(labels: IntArray) -> None:
    if len(np.unique(labels)) < 2:
        raise InputError(
            "the training speakers of a split have clips of one class only; expected both: give "
            "more speakers with clips of every emotion"
        )


def _checked(
    embedding: FloatArray,
    egemaps: FloatArray,
    emotions: Sequence[str] | NDArray[np.str_],
    speakers: Sequence[str] | NDArray[np.str_],
) -> tuple[FloatArray, FloatArray, NDArray[np.str_], NDArray[np.str_]]:
    embedding = np.asarray(embedding, dtype=np.float64)
    egemaps = np.asarray(egemaps, dtype=np.float64)
    if embedding.ndim != 2 or egemaps.shape != (len(embedding), len(FEATURES)):
        raise InputError(
            f"embedding has shape {embedding.shape} and egemaps {egemaps.shape}; expected (clips, "
            f"dimensions) and (clips, {len(FEATURES)})"
        )
    if len(emotions) != len(embedding) or len(speakers) != len(embedding):
        raise InputError(
            f"there are {len(emotions)} emotions and {len(speakers)} speakers for "
            f"{len(embedding)} clips; expected one of each for every clip"
        )
    if not (np.isfinite(embedding).all() and np.isfinite(egemaps).all()):
        raise InputError(
            "embedding or egemaps has missing or infinite values; expected numbers: leave those "
            "clips out"
        )
    unknown = [speaker for speaker in speakers if not isinstance(speaker, str)]
    if unknown:
        raise InputError(
            f"{len(unknown)} clips have no speaker, such as {unknown[0]!r}; expected a name for "
            "each: the scaling and the splits need it"
        )
    speaker_of = np.asarray(speakers, dtype=np.str_)
    if len(np.unique(speaker_of)) < _FEWEST_SPEAKERS:
        raise InputError(
            f"there are {len(np.unique(speaker_of))} speakers; expected at least "
            f"{_FEWEST_SPEAKERS}, to fit to, to choose the strength on, and to test on"
        )
    return embedding, egemaps, np.asarray(emotions, dtype=np.str_), speaker_of
