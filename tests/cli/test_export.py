"""byhand export: what it writes where, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_to_torch(byhand: Any, folder: Path) -> None:
    byhand("train", "points.toml")
    result = byhand("export", "points", "--to", "torch")
    assert (result.exit_code, result.stderr) == (0, "")
    place = "runs/points/export/model"
    assert result.stdout.splitlines() == [
        f"script    {place}.py",
        f"weights   {place}.safetensors",
        f"examples  {place}.examples.safetensors",
        f"next      python {place}.py",
    ]
    shown = json.loads(byhand("show", "points", "--view", "curves", "--json").stdout)
    answer = subprocess.run(
        [sys.executable, f"{place}.py"], capture_output=True, text=True, check=True, cwd=folder
    )
    title, count, accuracy, difference = answer.stdout.splitlines()
    assert (title, count) == ("Two clouds of points (byhand, run points)", "20 test examples")
    assert accuracy == f"accuracy {shown['best']['test_accuracy']:.4f}"
    assert float(difference.split()[-1]) < 1e-6


def test_another_place_and_json(byhand: Any, folder: Path) -> None:
    byhand("train", "points.toml")
    result = byhand("export", "points", "--to", "torch", "--output", "out/net.py", "--json")
    assert json.loads(result.stdout) == {
        "script": "out/net.py",
        "weights": "out/net.safetensors",
        "examples": "out/net.examples.safetensors",
    }
    assert (folder / "out/net.examples.safetensors").is_file()


@pytest.mark.slow
def test_to_onnx(byhand: Any, folder: Path) -> None:
    byhand("train", "points.toml")
    result = byhand("export", "points", "--to", "onnx")
    assert (result.exit_code, result.stderr) == (0, "")
    model, checked = result.stdout.splitlines()
    assert model == "model    runs/points/export/model.onnx"
    assert checked.startswith("checked  ONNX Runtime's answers are ours to ")
    assert float(checked.split()[-1]) < 1e-6
    assert (folder / "runs/points/export/model.onnx").stat().st_size > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pints", "--to", "torch"], "no run 'pints' in runs/; did you mean points?"),
        (["points", "--to", "onxx"], "cannot export to 'onxx'; did you mean onnx?"),
        (
            ["points", "--to", "tf.js"],
            "cannot export to 'tf.js'; there is torch, onnx, huggingface",
        ),
        (["points"], "missing option '--to'; see byhand export --help"),
        (
            ["points", "--to", "onnx", "--output", "net.py"],
            "--to onnx writes a .onnx file, --output is net.py",
        ),
    ],
)
def test_a_mistake_in_the_command(byhand: Any, arguments: list[str], message: str) -> None:
    byhand("train", "points.toml", "--epochs", "1")
    result = byhand("export", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")
