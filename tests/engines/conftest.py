"""The engines that a test goes through."""

from __future__ import annotations

import pytest

from byhand import engines

from .agreement import OTHERS


@pytest.fixture(params=OTHERS)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine that is set beside NumPy."""
    return there(request.param)


@pytest.fixture(params=engines.ENGINES)
def any_engine(request: pytest.FixtureRequest) -> str:
    return there(request.param)


def there(name: str) -> str:
    if missing := engines.available(name):
        pytest.skip(missing)
    return name
