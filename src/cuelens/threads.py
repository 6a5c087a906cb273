"""How many threads a library may start, and what processes that work side by side are told."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that are started meanwhile use one thread each."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def begin_worker() -> None:
    """For a process that works for another: it ends with the one it works for.

    A worker whose run was killed would otherwise finish its task for nobody.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
