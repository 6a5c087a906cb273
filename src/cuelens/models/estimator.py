"""What a fitted scikit-learn estimator is called and answers: a classifier, or a regressor."""

from __future__ import annotations

from typing import Any

import numpy as np

from cuelens.errors import InputError
from cuelens.models.base import Output
from cuelens.typing import FloatArray


def estimator_output(estimator: Any) -> Output:
    """``"probability"`` of a classifier, ``"value"`` of a regressor."""
    return "probability" if hasattr(estimator, "classes_") else "value"


def estimator_labels(
    estimator: Any, regression_labels: tuple[str, ...], *, name: str
) -> tuple[str, ...]:
    """A classifier's ``classes_``; of a regressor, what its outputs were said to be.

    Raises
    ------
    InputError
        A classifier without ``predict_proba``, with several answers a clip, or with labels that are
        not its classes; a regressor whose outputs have no names.
    """
    if estimator_output(estimator) == "probability":
        if isinstance(estimator.classes_, list):
            raise InputError(
                f"model {name}: {type(estimator).__name__} gives {len(estimator.classes_)} answers "
                "a clip; expected a classifier of one: store one for each"
            )
        if not hasattr(estimator, "predict_proba"):
            raise InputError(
                f"model {name}: {type(estimator).__name__} gives no probabilities; expected "
                "predict_proba: wrap it in sklearn.calibration.CalibratedClassifierCV"
            )
        classes = tuple(str(label) for label in estimator.classes_)
        if regression_labels and regression_labels != classes:
            raise InputError(
                f"model {name}: labels are {', '.join(regression_labels)}, and "
                f"{type(estimator).__name__} has the classes {', '.join(classes)}; expected labels "
                "of a regressor only: leave them out, or train on the names"
            )
        return classes
    if not hasattr(estimator, "predict"):
        raise InputError(
            f"model {name}: {type(estimator).__name__} has no classes and no predict; expected a "
            "fitted classifier or regressor"
        )
    if not regression_labels:
        n = _n_outputs(estimator)
        values = "outputs" if n is None else f"{n} output{'s' if n > 1 else ''}"
        names = ("arousal", "valence", "dominance")[: n or 2]
        raise InputError(
            f"model {name}: {type(estimator).__name__} is a regressor with {values} without a "
            f"name; expected what they are called: add labels={','.join(names)} (in Python, "
            f"regression_labels={names})"
        )
    return regression_labels


def _n_outputs(estimator: Any) -> int | None:
    """Values that a fitted regressor gives a clip; None where it cannot be told."""
    try:
        found = estimator.predict(np.zeros((1, estimator.n_features_in_)))
    except Exception:  # not fitted, or whatever a step of it raises on zeros
        return None
    return int(np.asarray(found).reshape(1, -1).shape[1])


def estimator_answers(estimator: Any, values: FloatArray, *, n_labels: int) -> FloatArray:
    """Probabilities or values of features (n, n_features), shape (n, n_labels), float64.

    Raises
    ------
    InputError
        A regressor gives another number of values than there are labels.
    """
    values = values.astype(np.float64)
    if estimator_output(estimator) == "probability":
        return estimator.predict_proba(values)
    found = np.asarray(estimator.predict(values), dtype=np.float64).reshape(len(values), -1)
    if found.shape[1] != n_labels:
        raise InputError(
            f"{type(estimator).__name__} gives {found.shape[1]} values a clip and there are "
            f"{n_labels} labels; expected a label for each value"
        )
    return found
