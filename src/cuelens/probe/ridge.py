r"""Ridge regression of many targets on many sets of dimensions, with nested folds of speakers.

What is shared: the cross products of the dimensions are computed once a fold, any set of dimensions
is a part of them, and one eigendecomposition serves every target and every penalty.  Shuffled
targets are further targets.

For standardised inputs :math:`Z` of the training rows, :math:`Z^\top Z = V S V^\top`, the weights
for penalty :math:`\lambda` are :math:`V (S + \lambda)^{-1} V^\top Z^\top y` [1]_.

References
----------
.. [1] T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed., 2009,
   equation 3.44 (there a factor d²/(d²+λ) a component; the intercept is not penalised).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from cuelens.typing import FloatArray, IntArray

PENALTIES = tuple(float(penalty) for penalty in 10.0 ** np.arange(-1, 7))
"""Penalties tried, on the scale of scikit-learn's ``alpha`` with standardised inputs."""

_CONSTANT = 1e-10  # standard deviation, relative to the largest value, below which nothing varies


@dataclass(frozen=True, kw_only=True, eq=False)
class Ridge:
    """The decomposition of the inputs of some training rows; targets come later.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_dimensions,)
        Of the training rows; a dimension that does not vary has scale infinity and counts nothing.
    vectors : ndarray, shape (n_dimensions, n_dimensions)
        Eigenvectors of the cross products of the standardised inputs, in columns.
    values : ndarray, shape (n_dimensions,)
        Their eigenvalues.
    """

    mean: FloatArray
    scale: FloatArray
    vectors: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, n: int, total: FloatArray, products: FloatArray) -> Ridge:
        """From the number of rows, the sums of the dimensions and their cross products."""
        mean = total / n
        centred = products - n * np.outer(mean, mean)
        scale = _scale(centred, np.diag(products), n)
        values, vectors = np.linalg.eigh(centred / np.outer(scale, scale))
        return cls(mean=mean, scale=scale, vectors=vectors, values=np.maximum(values, 0.0))

    def components(self, rows: FloatArray) -> FloatArray:
        """Standardised rows along the eigenvectors, shape (n_rows, n_dimensions)."""
        return ((rows - self.mean) / self.scale) @ self.vectors


class NestedRidge:
    """One outer fold: training rows in inner folds, test rows, and any set of dimensions.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_dimensions)
    train, test : ndarray of int
        Rows of the outer fold.
    inner : sequence of ndarray of int
        The training rows in disjoint parts (positions within `train`), by speakers.
    penalties : sequence of float
    """

    def __init__(
        self,
        x: FloatArray,
        *,
        train: IntArray,
        test: IntArray,
        inner: Sequence[IntArray],
        penalties: Sequence[float] | FloatArray = PENALTIES,
    ) -> None:
        self.train, self.test, self.inner = train, test, list(inner)
        self.penalties = np.asarray(penalties, dtype=np.float64)
        # Centred on the training rows, so that subtracting products of sums loses no digits.
        self._x_train = np.asarray(x[train], dtype=np.float64)
        centre = self._x_train.mean(axis=0)
        self._x_train = self._x_train - centre
        self._x_test = np.asarray(x[test], dtype=np.float64) - centre
        self._products = [self._x_train[part].T @ self._x_train[part] for part in self.inner]
        self._sums = [self._x_train[part].sum(axis=0) for part in self.inner]
        self._all_products = np.sum(self._products, axis=0)
        self._all_sums = np.sum(self._sums, axis=0)

    def on(self, dimensions: IntArray | None = None) -> RidgeOnDimensions:
        """The decompositions for a set of dimensions, by default all."""
        chosen = slice(None) if dimensions is None else dimensions
        block = slice(None) if dimensions is None else np.ix_(dimensions, dimensions)
        n = len(self.train)
        outer = Ridge.of(n, self._all_sums[chosen], self._all_products[block])
        inner = [
            Ridge.of(
                n - len(part),
                (self._all_sums - sums)[chosen],
                self._all_products[block] - products[block],
            )
            for part, sums, products in zip(self.inner, self._sums, self._products, strict=True)
        ]
        return RidgeOnDimensions(
            x_train=self._x_train[:, chosen],
            x_test=self._x_test[:, chosen],
            parts=self.inner,
            outer=outer,
            inner=inner,
            penalties=self.penalties,
        )

    def predict_on(
        self, dimensions: IntArray, targets: FloatArray, *, penalty: FloatArray
    ) -> FloatArray:
        """Predictions for the test rows from some dimensions, with given penalties.

        The same as ``on(dimensions).predict(targets, penalty)``, by one Cholesky factorisation a
        penalty: for many large sets of dimensions with few targets.

        Returns
        -------
        ndarray, shape (n_test, n_targets)
        """
        n = len(self.train)
        mean = self._all_sums[dimensions] / n
        centred = self._all_products[np.ix_(dimensions, dimensions)] - n * np.outer(mean, mean)
        scale = _scale(centred, self._all_products.diagonal()[dimensions], n)
        gram = centred / np.outer(scale, scale)
        along = ((self._x_train[:, dimensions] - mean) / scale).T @ targets
        weights = np.empty_like(along)
        for value in np.unique(penalty):
            which = penalty == value
            weights[:, which] = scipy.linalg.solve(
                gram + value * np.eye(len(gram)), along[:, which], assume_a="pos"
            )
        return targets.mean(axis=0) + ((self._x_test[:, dimensions] - mean) / scale) @ weights

    def inner_problems(self) -> Iterator[tuple[IntArray, IntArray, NestedRidge]]:
        """Each inner fold as an outer one: the part left out, the rest, and its ridge.

        Positions are within the training rows.  Penalties inside are chosen on the other parts.
        """
        for k, part in enumerate(self.inner):
            others = [other for i, other in enumerate(self.inner) if i != k]
            rest = np.sort(np.concatenate(others))
            yield (
                part,
                rest,
                NestedRidge(
                    self._x_train,
                    train=rest,
                    test=part,
                    inner=[np.searchsorted(rest, other) for other in others],
                    penalties=self.penalties,
                ),
            )


class RidgeOnDimensions:
    """Decompositions of one outer fold for one set of dimensions; takes any number of targets.

    Parameters
    ----------
    x_train, x_test : ndarray, shape (n_train, n_dimensions) and (n_test, n_dimensions)
    parts : sequence of ndarray of int
        Inner folds: positions within the training rows.
    outer : Ridge
        Of all training rows.
    inner : sequence of Ridge
        Of the training rows without each part.
    penalties : ndarray

    Attributes
    ----------
    standardised : ndarray, shape (n_train, n_dimensions)
        Training rows in standard deviations.
    train, test : ndarray, shape (n_train, n_dimensions) and (n_test, n_dimensions)
        Standardised rows along the eigenvectors of `outer`.
    inner_folds : list of (ndarray of bool, Ridge, ndarray, ndarray)
        Rows kept, their decomposition, kept rows and rows left out along its eigenvectors.
    """

    def __init__(
        self,
        *,
        x_train: FloatArray,
        x_test: FloatArray,
        parts: Sequence[IntArray],
        outer: Ridge,
        inner: Sequence[Ridge],
        penalties: FloatArray,
    ) -> None:
        self.outer = outer
        self.penalties = penalties
        self.standardised = (x_train - outer.mean) / outer.scale
        self.train = self.standardised @ outer.vectors
        self.test = outer.components(x_test)
        self.inner_folds = []
        for ridge, part in zip(inner, parts, strict=True):
            kept = np.ones(len(x_train), dtype=bool)
            kept[part] = False
            components = ridge.components(x_train)
            self.inner_folds.append((kept, ridge, components[kept], components[~kept]))

    def choose(self, targets: FloatArray) -> FloatArray:
        """Penalty of the least squared error over the inner folds, for each target.

        Parameters
        ----------
        targets : ndarray, shape (n_train, n_targets)

        Returns
        -------
        ndarray, shape (n_targets,)
        """
        errors = np.zeros((len(self.penalties), targets.shape[1]))
        for kept, ridge, fitted, held_out in self.inner_folds:
            known = targets[kept]
            along = fitted.T @ known
            missing = targets[~kept] - known.mean(axis=0)
            for i, penalty in enumerate(self.penalties):
                off = missing - held_out @ (along / (ridge.values + penalty)[:, None])
                errors[i] += np.einsum("ij,ij->j", off, off)
        return self.penalties[errors.argmin(axis=0)]

    def predict(self, targets: FloatArray, penalty: FloatArray | None = None) -> FloatArray:
        """Predictions for the test rows, shape (n_test, n_targets).

        Parameters
        ----------
        targets : ndarray, shape (n_train, n_targets)
        penalty : ndarray, shape (n_targets,), optional
            By default the one that `choose` finds.
        """
        penalty = self.choose(targets) if penalty is None else penalty
        along = (self.train.T @ targets) / (self.outer.values[:, None] + penalty)
        return targets.mean(axis=0) + self.test @ along

    def weights(self, targets: FloatArray, penalty: FloatArray) -> FloatArray:
        """Weights of the dimensions in standard deviations, shape (n_dimensions, n_targets).

        Equal to ``sklearn.linear_model.Ridge`` on standardised inputs.
        """
        along = (self.train.T @ targets) / (self.outer.values[:, None] + penalty)
        return self.outer.vectors @ along


def _scale(centred: FloatArray, squares: FloatArray, n: int) -> FloatArray:
    """Standard deviations from cross products; infinity where nothing varies."""
    deviation = np.sqrt(np.maximum(np.diag(centred), 0.0) / n)
    varies = deviation > _CONSTANT * np.maximum(np.sqrt(squares / n), 1e-300)
    return np.where(varies, deviation, np.inf)
