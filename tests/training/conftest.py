"""Every test of this room works in a folder of its own: runs/ is made where a person stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byhand import engines
from byhand.engines import ENGINES
from byhand.training.cluster import cluster

NO_NATIVE = "the native engine was never built: build it"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run in several processes, those with Ray share one of them, and its start."""
    for item in items:
        if "ray" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(scope="package")
def ray() -> Iterator[Any]:
    """Ray on this machine, started once for all tests that ask for it."""
    with cluster() as module:
        yield module


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine: what the loop promises it promises for all of them."""
    return str(request.param)


@pytest.fixture
def no_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the native engine cannot run."""
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
