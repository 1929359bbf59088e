"""byhand train --workers; tests/training/test_data_parallel.py has what the workers do."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from byhand.training import data_parallel


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str | None]]:
    """The workers and addresses that were asked for; training goes on in this process."""
    calls = []

    @contextmanager
    def alone(trainer: Any, recipe: Any, workers: int, address: str | None) -> Iterator[None]:
        calls.append((workers, address))
        yield

    monkeypatch.setattr(data_parallel, "data_parallel", alone)
    return calls


def test_the_workers_are_handed_on(byhand: Any, asked: list[tuple[int, str | None]]) -> None:
    assert byhand("train", "points.toml", "--workers", "2").exit_code == 0
    assert byhand("train", "points.toml", "--workers", "3", "--address", "auto").exit_code == 0
    assert byhand("train", "points.toml").exit_code == 0
    assert asked == [(2, None), (3, "auto")]


def test_an_address_without_workers(byhand: Any) -> None:
    result = byhand("train", "points.toml", "--address", "auto")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: --address is where the workers are: give --workers, two or more\n"
    )


def test_without_ray_there_is_no_run(byhand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ray" else find(n))
    result = byhand("train", "points.toml", "--workers", "2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: Ray is not installed: pip install 'byhand[distributed]'\n"
    assert not Path("runs").exists()
