"""The conversion of a checkpoint in the shape of Llama 2 7B, with two of its layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/weights_memory.py"


@pytest.mark.slow
def test_memory_stays_below_its_bound(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--layers", "2", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "2 layers, hf to pth",
        "2 layers, meta to gguf",
    ]
    assert all("bound 762 MB, met" in line for line in lines)
    assert list(tmp_path.iterdir()) == []
