from __future__ import annotations

import pytest


@pytest.fixture
def one_thread():
    """Networks this small only wait for threads; their weights are the same every time."""
    torch = pytest.importorskip("torch")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        yield
    torch.set_num_threads(n_threads)
