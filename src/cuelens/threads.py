"""How many threads a library may start: what the environment says, else one a core."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def n_threads() -> int:
    """``OMP_NUM_THREADS`` where it is a number above 0, else the number of cores."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and int(limit) > 0:
        return int(limit)
    return os.cpu_count() or 1


def one_blas_thread() -> AbstractContextManager[Any]:
    """One thread for products of matrices while networks run between them.

    OpenBLAS lets its threads spin for a while after each product, however small, and they take the
    cores from the network that is asked next: a third of the time, on two cores.
    """
    return _pools().limit(limits=1, user_api="blas")


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
