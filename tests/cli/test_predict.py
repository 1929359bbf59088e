from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from byhand import engines
from byhand.engines import ENGINES

from .conftest import NO_NATIVE

RECIPE = """
title = "Left or right"
loss = "softmax_cross_entropy"
data = { images = "pictures" }
model = { sizes = [64, 2] }
optimizer = { name = "sgd", learning_rate = 0.5 }
training = { epochs = 10, batch_size = 5 }
"""


@pytest.fixture
def trained(byhand: Any, folder: Path) -> None:
    """A run that tells pictures with a bright left half from those with a bright right half."""
    rng = np.random.default_rng(0)
    for side in ("left", "right"):
        (folder / "pictures" / side).mkdir(parents=True)
        for k in range(20):
            pixels = rng.integers(0, 80, (8, 8), dtype=np.uint8)
            pixels[:, slice(0, 4) if side == "left" else slice(4, 8)] += 150
            Image.fromarray(pixels).save(folder / "pictures" / side / f"{k}.png")
    (folder / "sides.toml").write_text(RECIPE, "utf-8")
    assert byhand("train", "sides.toml").exit_code == 0
    large = np.zeros((40, 30, 3), np.uint8)
    large[:, 15:] = 255
    Image.fromarray(large).save(folder / "large.png")


@pytest.mark.usefixtures("trained")
def test_predict(byhand: Any) -> None:
    result = byhand("predict", "sides", "large.png", "pictures/left/3.png")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "large.png: read 40 x 30 RGB; made gray; resized to 8 x 8"
    assert [line.strip() for line in lines[1:5]] == ["████"] * 4
    assert lines[5].startswith("right  ")
    assert float(lines[5].split()[1]) > 90
    assert lines[7] == "pictures/left/3.png: read 8 x 8 gray"
    assert lines[12].startswith("left  ")


def test_predict_on_any_engine(byhand: Any, trained: None) -> None:
    said = {engine: byhand("predict", "sides", "large.png", "--engine", engine, "--json")
            for engine in ENGINES}  # fmt: skip
    outputs = [
        [answer["output"] for answer in json.loads(result.stdout)[0]["answers"]]
        for result in said.values()
    ]
    assert len(outputs) == len(ENGINES) > 1
    for output in outputs:
        assert output == pytest.approx(outputs[0], rel=1e-5)


def test_predict_where_the_run_s_engine_cannot_run(
    byhand: Any, trained: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert byhand("train", "sides.toml", "--engine", "native", "--name", "n").exit_code == 0
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
    result = byhand("predict", "n", "large.png")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: run n was trained on native: {NO_NATIVE}; ")
    result = byhand("predict", "n", "large.png", "--engine", "numpy")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.usefixtures("trained")
def test_predict_as_json(byhand: Any) -> None:
    (found,) = json.loads(byhand("predict", "sides", "large.png", "--json").stdout)
    assert found["image"] == "large.png"
    assert found["notes"] == ["read 40 x 30 RGB", "made gray", "resized to 8 x 8"]
    assert [answer["class"] for answer in found["answers"]] == ["right", "left"]
    assert sum(answer["output"] for answer in found["answers"]) == pytest.approx(1)


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.png", "nowhere.png does not exist: expected a picture file"),
        (
            "points.csv",
            "points.csv cannot be read as a picture: expected a whole PNG, JPEG or similar file",
        ),
    ],
)
def test_what_is_not_a_picture(byhand: Any, image: str, message: str) -> None:
    result = byhand("predict", "sides", image)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_a_run_without_pictures(byhand: Any, folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "some.png")
    byhand("train", "points.toml")
    result = byhand("predict", "points", "some.png")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: predict takes pictures and names their class; this run was trained on points, "
        "whose examples have shape (2,) and 2 classes\n"
    )
