"""A folder to work in with a small recipe, and the command in this process or in its own."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from byhand import engines
from byhand.cli import app
from byhand.engines import ENGINES

NO_NATIVE = "the native engine was never built: build it"
RECIPE = """
title = "Two clouds of points"
loss = "softmax_cross_entropy"

[data]
table = "points.csv"

[model]
sizes = [2, 4, 2]

[optimizer]
name = "momentum"
learning_rate = 0.1
momentum = 0.9

[training]
epochs = 3
batch_size = 10
"""

Runner = Callable[..., Any]
Starter = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """The command sends the log to stderr; in the tests' process others come after it."""
    logger = logging.getLogger("byhand")
    handlers, level = logger.handlers, logger.level
    yield
    logger.handlers = handlers
    logger.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with points.toml and its data."""
    rng = random.Random(0)
    lines = ["x,y,label"]
    for k in range(200):
        lines.append(f"{rng.gauss(k % 2 * 4 - 2, 1):.3f},{rng.gauss(0, 1):.3f},{'ab'[k % 2]}")
    (tmp_path / "points.csv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "points.toml").write_text(RECIPE, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def byhand(folder: Path) -> Runner:
    """Run the command in this process: byhand("train", "points.toml") -> result."""
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def start(folder: Path) -> Starter:
    """Start the command as a process of its own, its output piped."""

    def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "byhand", *arguments],
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            # Nothing between the tests and what a user's pipe would see.
            env={k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "COLUMNS")},
            **options,
        )

    return started


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine: what the command line promises it promises for all of them."""
    return str(request.param)


@pytest.fixture
def no_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the native engine cannot run."""
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
