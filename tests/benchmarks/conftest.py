"""What the tests of several benchmarks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def one_thread() -> Iterator[int]:
    """PyTorch's number of threads is set by the tasks, for the whole process."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    yield 1
    torch.set_num_threads(before)
