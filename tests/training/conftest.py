"""Every test of this room works in a folder of its own: runs/ is made where a person stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand import engines
from byhand.engines import ENGINES

NO_NATIVE = "the native engine was never built: build it"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine: what the loop promises it promises for all of them."""
    return str(request.param)


@pytest.fixture
def no_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the native engine cannot run."""
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
