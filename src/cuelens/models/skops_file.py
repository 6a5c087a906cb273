"""scikit-learn estimators from skops files.

Nothing in a file is executed: skops loads only types that it trusts, scikit-learn's own.
"""

from __future__ import annotations

from typing import Any

from cuelens.errors import InputError


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
        if untrusted:
            raise InputError(
                f"{where} holds types that are not trusted ({', '.join(untrusted)}); expected "
                "scikit-learn's own"
            )
        return skops.io.loads(content)
    except InputError:
        raise
    except Exception as error:  # skops raises what its parts raise: bad zip, bad schema, ...
        raise InputError(f"{where}: cannot be read ({error})") from error
