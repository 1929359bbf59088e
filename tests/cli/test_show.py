from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines

from .conftest import NO_NATIVE


def test_show(byhand: Any, folder: Path) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "recipe      Two clouds of points"
    assert lines[1].startswith("status      finished, 3 of 3 epochs, ")
    figures = [Path(line.split()[-1]) for line in lines if line.startswith("figure")]
    assert Path("runs/points/figures/curves.png") in figures
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")


def test_show_one_view_as_json(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "curves", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["figures"] == ["runs/points/figures/curves.png"]
    assert found["status"] == "finished"


def test_what_a_view_says_in_numbers(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "landscape")
    assert (result.exit_code, result.stderr) == (0, "")
    figure, note = result.stdout.splitlines()[-2:]
    assert figure.split() == ["figure", "runs/points/figures/landscape.png"]
    assert note.split()[:2] == ["note", "loss"]
    (said,) = json.loads(byhand("show", "points", "--view", "landscape", "--json").stdout)["notes"]
    assert note.endswith(said)


def test_an_unknown_view(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "curve")
    assert result.exit_code == 2
    assert result.stderr == "error: no view 'curve'; did you mean curves?\n"


def test_a_view_that_does_not_apply(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "weights")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: view weights does not apply: ")


def test_show_where_the_run_s_engine_cannot_run(
    byhand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in its files can be shown anyway; what the network answers needs an engine."""
    assert byhand("train", "points.toml", "--engine", "native").exit_code == 0
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
    result = byhand("show", "points", "--view", "curves")
    assert (result.exit_code, result.stderr) == (0, "")
    result = byhand("show", "points", "--view", "confusion")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: run points was trained on native: {NO_NATIVE}; ")
    result = byhand("show", "points", "--view", "confusion", "--engine", "numpy")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.fixture
def images(byhand: Any, folder: Path) -> None:
    """A run on images of two classes, called points as well."""
    inputs = np.random.default_rng(0).random((120, 1, 4, 4)).astype(np.float32)
    inputs[60:, :, 1:3] += 1
    np.savez(folder / "images.npz", inputs=inputs, targets=np.repeat([0, 1], 60))
    changes = ("data.table=images.npz", "model.sizes=[16, 4, 2]")
    sets = [word for change in changes for word in ("--set", change)]
    assert byhand("train", "points.toml", *sets).exit_code == 0


def test_show_what_is_asked_for(byhand: Any, images: None) -> None:
    """Example, layer and unit reach the view."""
    asked = ("--view", "saliency", "--example", "3", "--layer", "hidden1", "--unit", "2")
    result = byhand("show", "points", *asked)
    assert (result.exit_code, result.stderr) == (0, "")
    assert Path("runs/points/figures/saliency.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--example", "12"), "the test set has the examples 0 to 11; found 12"),
        (("--layer", "hiden1"), "no layer 'hiden1'; did you mean hidden1?"),
        (("--unit", "2"), "layer output has the units 0 to 1; found 2"),
        (("--image", "none.png"), "none.png does not exist: expected a picture file"),
        (
            ("--image", "none.png", "--example", "1"),
            "look at a test example or at a picture; found both, leave one out",
        ),
    ],
)
def test_what_is_asked_for_is_not_there(
    byhand: Any, images: None, asked: tuple[str, ...], said: str
) -> None:
    result = byhand("show", "points", "--view", "saliency", *asked)
    assert (result.exit_code, result.stderr) == (2, f"error: {said}\n")
