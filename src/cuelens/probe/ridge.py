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
    vectors : ndarray, shape (n_dimensions, n_components)
        Eigenvectors of the cross products of the standardised inputs, in columns; fewer than
        dimensions where the others have eigenvalue 0.
    values : ndarray, shape (n_components,)
        Their eigenvalues.
    """

    mean: FloatArray
    scale: FloatArray
    vectors: FloatArray
    values: FloatArray

    @classmethod
    def from_products(cls, n: int, total: FloatArray, products: FloatArray) -> Ridge:
        """From the number of rows, the sums of the dimensions and their cross products."""
        mean = total / n
        centred = products - n * np.outer(mean, mean)
        # Differences of large products lose digits: what is left of them is no deviation.
        scale = _scale(np.diag(centred), np.diag(products), n, smallest=1e-7)
        values, vectors = np.linalg.eigh(centred / np.outer(scale, scale))
        return cls(mean=mean, scale=scale, vectors=vectors, values=np.maximum(values, 0.0))

    @classmethod
    def from_rows(cls, rows: FloatArray) -> Ridge:
        """From fewer rows than dimensions: only directions in which the rows differ are kept."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        scale = _scale((centred**2).sum(axis=0), (rows**2).sum(axis=0), len(rows))
        z = centred / scale
        values, among_rows = np.linalg.eigh(z @ z.T)
        kept = values > _CONSTANT * max(float(values[-1]), 1e-300)
        values, among_rows = values[kept], among_rows[:, kept]
        return cls(
            mean=mean, scale=scale, vectors=(z.T @ among_rows) / np.sqrt(values), values=values
        )

    def components(self, rows: FloatArray) -> FloatArray:
        """Standardised rows along the eigenvectors, shape (n_rows, n_components)."""
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
        varies = self._x_train.std(axis=0) > _CONSTANT * np.abs(self._x_train).max(axis=0)
        self._x_train = np.where(varies, self._x_train - centre, 0.0)
        self._x_test = np.where(varies, np.asarray(x[test], dtype=np.float64) - centre, 0.0)
        self._products: list[FloatArray] | None = None
        if self._x_train.shape[1] <= len(train):  # otherwise rows are the smaller description
            self._products = [_products(self._x_train[part]) for part in self.inner]

    def on(self, dimensions: IntArray | None = None) -> RidgeOnDimensions:
        """The decompositions for a set of dimensions, by default all."""
        every = np.arange(self._x_train.shape[1])
        dimensions = every if dimensions is None else dimensions
        x_train = self._x_train[:, dimensions]
        if len(dimensions) > len(self.train) - max(len(part) for part in self.inner):
            outer = Ridge.from_rows(x_train)
            inner = [Ridge.from_rows(np.delete(x_train, part, axis=0)) for part in self.inner]
        else:
            if self._products is None:
                parts = [_products(x_train[part]) for part in self.inner]
            elif np.array_equal(dimensions, every):
                parts = self._products
            else:
                block = np.ix_(dimensions, dimensions)
                parts = [products[block] for products in self._products]
            sums = [x_train[part].sum(axis=0) for part in self.inner]
            n, total, whole = len(x_train), np.sum(sums, axis=0), np.sum(parts, axis=0)
            outer = Ridge.from_products(n, total, whole)
            inner = [
                Ridge.from_products(n - len(part), total - some, whole - products)
                for part, some, products in zip(self.inner, sums, parts, strict=True)
            ]
        return RidgeOnDimensions(
            x_train=x_train,
            x_test=self._x_test[:, dimensions],
            parts=self.inner,
            outer=outer,
            inner=inner,
            penalties=self.penalties,
        )

    def predict_on(
        self, dimensions: IntArray, targets: FloatArray, *, penalty: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Predictions from some dimensions, with given penalties.

        The same as ``on(dimensions).predict(targets, penalty)``, by one Cholesky factorisation a
        penalty: for many large sets of dimensions with few targets.

        Returns
        -------
        test : ndarray, shape (n_test, n_targets)
        train : ndarray, shape (n_train, n_targets)
            For the rows it is fitted to.
        """
        x = self._x_train[:, dimensions]
        mean = x.mean(axis=0)
        z = x - mean
        scale = _scale((z**2).sum(axis=0), (x**2).sum(axis=0), len(x))
        z /= scale
        many = z.shape[1] > len(z)
        gram = z @ z.T if many else z.T @ z
        known = targets - targets.mean(axis=0)
        weights = np.empty((z.shape[1], targets.shape[1]))
        for value in np.unique(penalty):
            which = penalty == value
            solved = scipy.linalg.solve(
                gram + value * np.eye(len(gram)),
                known[:, which] if many else z.T @ known[:, which],
                assume_a="pos",
            )
            weights[:, which] = z.T @ solved if many else solved
        z_test = (self._x_test[:, dimensions] - mean) / scale
        return targets.mean(axis=0) + z_test @ weights, targets.mean(axis=0) + z @ weights

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
    train, test : ndarray, shape (n_train, n_components) and (n_test, n_components)
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
        self.x_train = x_train
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
        return targets.mean(axis=0) + self.test @ self.along(targets, penalty)

    def validate(self, targets: FloatArray, penalty: FloatArray) -> FloatArray:
        """Predictions for the training rows by the inner folds, shape (n_train, n_targets)."""
        predicted = np.empty(targets.shape)
        for kept, ridge, fitted, held_out in self.inner_folds:
            known = targets[kept]
            along = (fitted.T @ known) / (ridge.values[:, None] + penalty)
            predicted[~kept] = known.mean(axis=0) + held_out @ along
        return predicted

    def weights(self, targets: FloatArray, penalty: FloatArray) -> FloatArray:
        """Weights of the dimensions in standard deviations, shape (n_dimensions, n_targets).

        Equal to ``sklearn.linear_model.Ridge`` on standardised inputs.
        """
        return self.outer.vectors @ self.along(targets, penalty)

    def along(self, targets: FloatArray, penalty: FloatArray) -> FloatArray:
        """Weights along the eigenvectors, shape (n_components, n_targets)."""
        return (self.train.T @ targets) / (self.outer.values[:, None] + penalty)


def _products(rows: FloatArray) -> FloatArray:
    return rows.T @ rows


def _scale(
    deviations: FloatArray, squares: FloatArray, n: int, *, smallest: float = _CONSTANT
) -> FloatArray:
    """Standard deviations from sums of squares; infinity where nothing varies."""
    deviation = np.sqrt(np.maximum(deviations, 0.0) / n)
    varies = deviation > smallest * np.maximum(np.sqrt(squares / n), 1e-300)
    return np.where(varies, deviation, np.inf)
