"""The small models of the room below, and one that is loaded."""

from __future__ import annotations

import pytest

from byhand import language
from byhand.language.model import Model

from ..language.conftest import one_thread, own_cache, tiny

__all__ = ["one_thread", "own_cache", "tiny"]


@pytest.fixture(scope="module")
def model(tiny: object) -> Model:
    """A Llama of two layers, in float32."""
    return language.load(str(tiny), "cpu", "f32")
