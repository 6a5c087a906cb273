"""A small neural network as the probe, under the same folds and controls as the ridge.

What a linear probe cannot read may still be there.  A larger probe can also learn what the
embedding only makes easy to compute [1]_, so it is shown beside the ridge and never decides a
verdict.

References
----------
.. [1] J. Hewitt, P. Liang, "Designing and interpreting probes with control tasks", EMNLP 2019.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cuelens.probe.folds import OuterFold, shuffled_within_speakers, sums_by_speaker
from cuelens.typing import FloatArray, IntArray

N_HIDDEN = 64
EPOCHS = 60
DECAYS = (0.3, 3.0, 30.0, 300.0)
"""Weight decays tried, on the scale of scikit-learn's ``alpha``."""


def mlp_errors(
    x: FloatArray,
    y: FloatArray,
    *,
    speakers: NDArray[np.str_],
    folds: Sequence[OuterFold],
    n_shuffles: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[FloatArray, FloatArray]:
    """Squared errors out of fold of one hidden layer for all features together.

    In every outer fold the weight decay is the one with the least error on the first inner fold.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
    y : ndarray, shape (n_rows, n_features)
        Standardised.
    speakers : ndarray of str, shape (n_rows,)
    folds : sequence of OuterFold
    n_shuffles : int
        Controls: features shuffled within speakers, with the decay of the real ones.
    seed : int
    progress : callable
        Called with 1 after every fold.

    Returns
    -------
    errors : ndarray, shape (n_speakers, n_features)
        Sums by speaker.
    shuffled : ndarray, shape (n_shuffles, n_speakers, n_features)
    """
    rng = np.random.default_rng(seed)
    orders = [shuffled_within_speakers(speakers, rng) for _ in range(n_shuffles)]
    off = np.zeros((1 + n_shuffles, *y.shape))
    for fold in folds:
        inner = fold.inner[0]
        kept = np.setdiff1d(np.arange(len(fold.train)), inner)
        validation = [
            _errors(x, y, fold.train[kept], fold.train[inner], decay, seed).mean()
            for decay in DECAYS
        ]
        decay = DECAYS[int(np.argmin(validation))]
        for i, targets in enumerate([y, *(y[order] for order in orders)]):
            off[i, fold.test] = _errors(x, targets, fold.train, fold.test, decay, seed)
        progress(1)
    sums = np.stack([sums_by_speaker(errors, speakers) for errors in off])
    return sums[0], sums[1:]


def _errors(
    x: FloatArray, y: FloatArray, train: IntArray, test: IntArray, decay: float, seed: int
) -> FloatArray:
    """Squared errors on test rows, shape (n_test, n_features)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x[train])
    network = MLPRegressor(
        hidden_layer_sizes=(N_HIDDEN,),
        alpha=decay,
        batch_size=64,
        max_iter=EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are fixed on purpose
        network.fit(scaler.transform(x[train]), y[train])
    return (y[test] - network.predict(scaler.transform(x[test]))) ** 2
