r"""What a decision loses when a feature can no longer be read from the embedding.

For inputs :math:`x` (standardised, zero mean) and a feature :math:`z`, let
:math:`g = Z^\top z` and :math:`h = (Z^\top Z + \gamma I)^{-1} g` be the weights of its ridge
probe.  The projection

.. math:: P = I - g h^\top / (h^\top g)

takes away what the probe reads, :math:`h^\top P x = 0` for every clip, and all covariance with the
feature in training, :math:`P g = 0`: no linear regression finds anything of it in :math:`P x`.
With :math:`\gamma = 0` it is least-squares concept erasure [1]_, the smallest such change.  The
classifier is fitted anew on :math:`P x`, so a loss means that the decision *needs* what goes with
the feature, not just that it was used.

References
----------
.. [1] N. Belrose et al., "LEACE: perfect linear concept erasure in closed form", NeurIPS 2023.
.. [2] Y. Elazar et al., "Amnesic probing: behavioral explanation with amnesic counterfactuals",
   TACL 9, 2021.
"""

from __future__ import annotations

import numpy as np

from cuelens.typing import FloatArray


def erased_predictions(
    *,
    values: FloatArray,
    train: FloatArray,
    test: FloatArray,
    features: FloatArray,
    feature_penalty: FloatArray,
    targets: FloatArray,
    target_penalty: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Predictions of targets, with one feature erased at a time.

    Everything is in the basis of the eigenvectors of the training inputs, where each inverse is a
    division and each erasure changes the cross products by a matrix of rank two.

    Parameters
    ----------
    values : ndarray, shape (d,)
        Eigenvalues of the cross products of the standardised training inputs.
    train, test : ndarray, shape (n_train, d) and (n_test, d)
        Standardised inputs along the eigenvectors.
    features : ndarray, shape (n_train, n_features)
    feature_penalty : ndarray, shape (n_features,)
    targets : ndarray, shape (n_train, n_targets)
    target_penalty : ndarray, shape (n_targets,)

    Returns
    -------
    predicted : ndarray, shape (n_features, n_test, n_targets)
        For test rows.
    products : ndarray, shape (n_features, n_targets)
        Mean product of the centred targets with what is predicted for the rows learned from.
    """
    along_features = train.T @ (features - features.mean(axis=0))
    along_targets = train.T @ (targets - targets.mean(axis=0))
    predicted = np.empty((features.shape[1], len(test), targets.shape[1]))
    products = np.empty((features.shape[1], targets.shape[1]))
    for j in range(features.shape[1]):
        g = along_features[:, j]
        h = g / (values + feature_penalty[j])
        c = h @ g
        if c <= 0:  # a feature that does not vary takes nothing away
            projected = along_targets
            weights = projected / (values[:, None] + target_penalty)
            predicted[j] = targets.mean(axis=0) + test @ weights
            products[j] = np.einsum("ij,ij->j", along_targets, weights) / len(train)
            continue
        projected = along_targets - np.outer(g, (h @ along_targets) / c)
        # P S P' = S + [g, Sh] K [g, Sh]' with the 2 x 2 matrix K
        basis = np.stack([g, values * h], axis=1)
        middle = np.array([[h @ (values * h) / c**2, -1.0 / c], [-1.0 / c, 0.0]])
        weights = np.empty_like(projected)
        for penalty in np.unique(target_penalty):
            which = target_penalty == penalty
            inverse = 1.0 / (values + penalty)
            solved = inverse[:, None] * projected[:, which]
            spread = inverse[:, None] * basis
            small = np.eye(2) + middle @ (basis.T @ spread)
            weights[:, which] = solved - spread @ np.linalg.solve(
                small, middle @ (basis.T @ solved)
            )
        # decision = weights . P x
        back = weights - np.outer(h, (g @ weights) / c)
        predicted[j] = targets.mean(axis=0) + test @ back
        products[j] = np.einsum("ij,ij->j", along_targets, back) / len(train)
    return predicted, products
