"""scikit-learn estimators from skops files.

Nothing in a file is executed: skops loads only types that it trusts, scikit-learn's own without
decision trees.  Their arrays of nodes are read without a check, in compiled code.
"""

from __future__ import annotations

from typing import Any

from cuelens.errors import InputError

_TREES = {
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
}


def skops_estimator(content: bytes, *, where: str) -> Any:
    """What a skops file holds, if all its types are trusted.

    Raises
    ------
    InputError
        Types that are not trusted, or no skops file.
    """
    import skops.io

    try:
        untrusted = skops.io.get_untrusted_types(data=content)
        if set(untrusted) & _TREES:
            raise InputError(
                f"{where} holds decision trees ({', '.join(untrusted)}), whose node numbers are "
                "followed unchecked, so that a crafted file could read memory at will; expected "
                "scikit-learn's other types: if you made the file, load it in a module of your own "
                f"with skops.io.load(..., trusted={untrusted}), make a FeaturesModel or "
                "EmbeddingModel of it, and give python:module:name"
            )
        if untrusted:
            raise InputError(
                f"{where} holds types that are not trusted ({', '.join(untrusted)}); expected "
                "scikit-learn's own: give what needs them as python:module:name"
            )
        return skops.io.loads(content)
    except InputError:
        raise
    except Exception as error:  # skops raises what its parts raise: bad zip, bad schema, ...
        raise InputError(f"{where}: cannot be read ({error})") from error
