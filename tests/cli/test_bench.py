"""byhand bench devices: tables, a figure, and a word on where a GPU begins to win."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.cli.bench import verdicts
from byhand.training import devices
from byhand.training.devices import Fit, Size, Timings

NO_GPU = "PyTorch finds no GPU here: these are the costs of this CPU, by themselves"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, in which a few steps are enough."""
    from byhand.engines.torch import device

    monkeypatch.setattr(device, "present", lambda: ["cpu"])
    monkeypatch.setattr(devices, "BATCHES", (1, 20))
    monkeypatch.setattr(devices, "FACTORS", (1, 3))
    monkeypatch.setattr(devices, "SECONDS", 0.0)


def test_bench_devices(byhand: Any, folder: Path) -> None:
    result = byhand("bench", "devices", "points.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    header = ["batch", "width", "multiply-adds", *devices.runners()]
    assert re.split("  +", lines[0]) == header
    assert [line.split()[:4] for line in lines[1:5]] == [
        ["1", "×", "1", "40"],
        ["20", "×", "1", "800"],
        ["1", "×", "3", "120"],
        ["20", "×", "3", "2,400"],
    ]
    assert "µs of a training step; of which, by a fit to these times:" in lines
    assert [line.split("  ")[0] for line in lines[9:12]] == list(devices.runners())
    assert NO_GPU in lines
    assert lines[-1] == "figure  points-devices.png"
    assert (folder / "points-devices.png").read_bytes().startswith(b"\x89PNG")


def test_as_json_with_a_figure_elsewhere(byhand: Any, folder: Path) -> None:
    result = byhand("bench", "devices", "points.toml", "--json", "--output", "out/here.png")
    found = json.loads(result.stdout)
    assert list(found) == ["recipe", "sizes", "seconds", "fits", "verdicts", "figure"]
    assert found["sizes"][1] == {"batch": 20, "factor": 1, "work": 800, "parameters": 22}
    assert {len(seconds) for seconds in found["seconds"].values()} == {4}
    assert found["fits"].keys() == found["seconds"].keys()
    assert found["verdicts"] == [NO_GPU]
    assert (folder / found["figure"]).is_file()


def test_what_is_said_of_a_gpu() -> None:
    sizes = tuple(Size(8, f, 8000 * f, 10 * f) for f in (1, 4, 16))
    gpu = Fit(1e-4, 1e-11, 0.0, 0.0)
    cpus = {"numpy": Fit(0.0, 1e-8, 0.0, 0.0)}
    timings = Timings("", sizes, {})
    batches = [math.ceil(1e-4 / ((1e-8 - 1e-11) * 1000 * f)) for f in (1, 4)]
    assert verdicts(timings, cpus | {"torch cuda": gpu}) == [
        f"width × 1: torch cuda wins from a batch of {batches[0]} on",
        f"width × 4: torch cuda wins from a batch of {batches[1]} on",
        "width × 16: torch cuda wins with any batch",
    ]
    slow = Fit(1e-4, 1e-7, 0.0, 0.0)
    assert verdicts(timings, cpus | {"torch mps": slow})[0] == (
        "width × 1: torch mps is brought no nearer to the CPU by larger batches"
    )
    assert np.isinf(devices.begins_to_win(slow, cpus["numpy"], 1000, 10))


def test_a_mistake_in_the_command(byhand: Any) -> None:
    result = byhand("bench", "devices", "nielsen-11")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: no recipe 'nielsen-11'; did you mean nielsen-1?\n"
